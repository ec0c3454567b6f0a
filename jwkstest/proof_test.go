package jwkstest_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/jwkstest"
)

// A proof is what RFC 9449 section 4.2 says, read by golang-jwt and go-jose.
func TestProofKey_MakesProofs(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		key := jwkstest.NewProofKey(alg)
		proof := key.Proof("POST", "https://api.example/things", "the.token.text", jwkstest.WithNonce("n-1"))
		var public jose.JSONWebKey
		if err := public.UnmarshalJSON(key.JWK()); err != nil {
			t.Fatal(err)
		}
		parsed, err := jwt.Parse(proof, func(*jwt.Token) (any, error) { return public.Key, nil })
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if parsed.Header["typ"] != "dpop+jwt" || parsed.Header["alg"] != alg {
			t.Errorf("%s: header %v", alg, parsed.Header)
		}
		claims := parsed.Claims.(jwt.MapClaims)
		if claims["htm"] != "POST" || claims["htu"] != "https://api.example/things" || claims["nonce"] != "n-1" || len(claims["jti"].(string)) < 16 {
			t.Errorf("%s: claims %v", alg, claims)
		}
		if len(claims["ath"].(string)) != 43 {
			t.Errorf("%s: ath %v", alg, claims["ath"])
		}
		thumbprint, err := public.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(thumbprint); key.Thumbprint() != want || key.Confirmation()["jkt"] != want {
			t.Errorf("%s: thumbprint %s, want %s", alg, key.Thumbprint(), want)
		}
	}
}

// The example of RFC 9449 section 7.1 has this token and this hash.
func TestProofKey_HashesTheToken(t *testing.T) {
	const token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	var claims struct{ Ath string }
	decodePart(t, jwkstest.NewProofKey("ES256").Proof("GET", "https://resource.example.org/protectedresource", token), 1, &claims)
	if claims.Ath != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" {
		t.Errorf("ath is %s", claims.Ath)
	}
}

func TestProofKey_OptionsChangeTheProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := jwkstest.NewProofKey("ES256")
		proof := key.Proof("GET", "https://api.example/", "",
			jwkstest.WithProofClaim("iat", time.Now().Add(-time.Minute)), jwkstest.WithProofClaim("jti", nil), jwkstest.WithProofHeader("typ", "jwt"))
		var header, claims map[string]any
		decodePart(t, proof, 0, &header)
		decodePart(t, proof, 1, &claims)
		if header["typ"] != "jwt" || claims["iat"] != float64(time.Now().Unix()-60) {
			t.Errorf("%v %v", header, claims)
		}
		for _, absent := range []string{"jti", "ath", "nonce"} {
			if _, ok := claims[absent]; ok {
				t.Errorf("%s is there", absent)
			}
		}
	})
}

func TestProofKey_AuthorizesRequests(t *testing.T) {
	r := httptest.NewRequest("PUT", "/things?x=1", nil)
	jwkstest.NewProofKey("ES256").Authorize(r, "a.b.c")
	var claims struct{ Htm, Htu string }
	decodePart(t, r.Header.Get("DPoP"), 1, &claims)
	if r.Header.Get("Authorization") != "DPoP a.b.c" || claims.Htm != "PUT" || claims.Htu != "http://example.com/things" {
		t.Errorf("%v %+v", r.Header, claims)
	}
}

func TestCertificateConfirmation_NamesTheCertificate(t *testing.T) {
	one, other := jwkstest.ClientCertificate(), jwkstest.ClientCertificate()
	a, b := jwkstest.CertificateConfirmation(one.Leaf), jwkstest.CertificateConfirmation(other.Leaf)
	if a["x5t#S256"] == b["x5t#S256"] || len(a["x5t#S256"].(string)) != 43 {
		t.Errorf("%v %v", a, b)
	}
	both := jwkstest.Confirmations(a, jwkstest.NewProofKey("ES256").Confirmation())
	if len(both) != 2 || both["x5t#S256"] != a["x5t#S256"] {
		t.Errorf("%v", both)
	}
}

// decodePart reads a segment of a compact JWS.
func decodePart(t *testing.T, token string, part int, into any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}
