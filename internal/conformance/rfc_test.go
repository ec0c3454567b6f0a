package conformance

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

const (
	jwk7515RSA  = `{"kty":"RSA","n":"` + rfc7515RSA + `","e":"AQAB"}`
	jwk7515P256 = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	jwk7515P521 = `{"kty":"EC","crv":"P-521",` +
		`"x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",` +
		`"y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	jwk7515Secret = `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`

	jwk7517EC  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}`
	jwk7517RSA = `{"kty":"RSA","n":"` + rfc7517RSA + `","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`

	jwk7520RSA    = `{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"` + rfc7520RSA + `","e":"AQAB"}`
	jwk7520EC     = `{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"` + rfc7520X + `","y":"` + rfc7520Y + `"}`
	jwk7520Secret = `{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}`

	jwk8037 = `{"kty":"OKP","crv":"Ed25519","x":"` + rfc8037X + `"}`
)

func keySet(entries ...string) []byte { return []byte(`{"keys":[` + strings.Join(entries, ",") + `]}`) }

// joseVerifies asks go-jose whether key verifies token, so that an example that
// is refused here is not one that was copied wrongly.
func joseVerifies(t *testing.T, key, token string) {
	t.Helper()
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON([]byte(key)); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{
		jose.HS256, jose.RS256, jose.PS384, jose.ES256, jose.ES512, jose.EdDSA,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(k.Key); err != nil {
		t.Errorf("go-jose: %v", err)
	}
}

func TestRFCExamplesVerify(t *testing.T) {
	for _, example := range []struct{ name, key, token string }{
		{"RFC 7515 A.2 RS256", jwk7515RSA, rfc7515A2},
		{"RFC 7515 A.3 ES256", jwk7515P256, rfc7515A3},
		{"RFC 7515 A.4 ES512", jwk7515P521, rfc7515A4},
		{"RFC 7520 4.1 RS256", jwk7520RSA, figure13},
		{"RFC 7520 4.2 PS384", jwk7520RSA, figure20},
		{"RFC 7520 4.3 ES512", jwk7520EC, figure27},
		{"RFC 8037 A.4 EdDSA", jwk8037, rfc8037A4},
	} {
		t.Run(example.name, func(t *testing.T) {
			joseVerifies(t, example.key, example.token)
			if v := signatureVerdict(t, keySet(example.key), example.token); !v.accepted {
				t.Error(v)
			}
			wantForgeryRefused(t, keySet(example.key), example.token)
		})
	}
}

// TestRFC7515Claims takes the examples whose payload is a claims set the whole
// way. They expired in March 2011.
func TestRFC7515Claims(t *testing.T) {
	set, err := jwks.ParseKeySet(keySet(jwk7515RSA, jwk7515P256, jwk7515P521))
	if err != nil {
		t.Fatal(err)
	}
	expiry := time.Unix(1300819380, 0)
	for name, token := range map[string]string{"A.2": rfc7515A2, "A.3": rfc7515A3} {
		for _, test := range []struct {
			now  time.Time
			want error
		}{
			{expiry.Add(-time.Second), nil},
			{expiry, jwt.ErrTokenExpired},
			{time.Now(), jwt.ErrTokenExpired},
		} {
			verifier, err := jwks.NewVerifier(set, jwks.WithExpectedIssuer("joe"), jwks.WithoutAudienceCheck(),
				jwks.WithLeeway(0), jwks.WithNow(func() time.Time { return test.now }))
			if err != nil {
				t.Fatal(err)
			}
			verified, err := verifier.Verify(t.Context(), token)
			if !errors.Is(err, test.want) {
				t.Errorf("%s at %v: %v, want %v", name, test.now, err, test.want)
			}
			if err != nil {
				continue
			}
			claims, err := jwks.ClaimsAs[map[string]any](verified)
			if err != nil || len(claims) != 3 || claims["http://example.com/is_root"] != true ||
				verified.Issuer() != "joe" || !verified.ExpiresAt().Equal(expiry) {
				t.Errorf("%s: claims %v, %v", name, claims, err)
			}
		}
	}
}

func TestRFCExamplesThatMustBeRefused(t *testing.T) {
	joseVerifies(t, jwk7515Secret, rfc7515A1)
	joseVerifies(t, jwk7520Secret, figure34)
	set, err := jwks.ParseKeySet(keySet(jwk7515RSA, jwk7515P256, jwk7515P521, jwk7515Secret, jwk7520RSA, jwk7520Secret))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jwks.NewVerifier(set, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutTimeChecks())
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range []struct {
		name, token string
		want        error
	}{
		{"RFC 7515 A.1 HS256, with the key in the set", rfc7515A1, jwks.ErrAlgorithmNotAllowed},
		{"RFC 7515 A.5 unsecured", rfc7515A5, jwt.ErrTokenMalformed},
		{"RFC 7515 A.5 with something for a signature", rfc7515A5 + "AAAA", jwks.ErrAlgorithmNotAllowed},
		{"RFC 7515 A.7 flattened JSON serialization", rfc7515A7, jwt.ErrTokenMalformed},
		{"RFC 7515 E", rfc7515E, jwt.ErrTokenMalformed}, // its signature is empty
		{"RFC 7515 E with something for a signature", rfc7515E + "AAAA", jwks.ErrUnsupportedCritical},
		{"RFC 7520 4.4 HS256, with the key in the set", figure34, jwks.ErrAlgorithmNotAllowed},
		{"RFC 7520 4.5 detached content", strings.Replace(figure34, frodo, "", 1), jwt.ErrTokenMalformed},
		{"RFC 7520 4.5 of a signature that verifies", strings.Replace(figure13, frodo, "", 1), jwt.ErrTokenMalformed},
		{"RFC 7797 4.2 unencoded payload", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.JC4wMg.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", jwks.ErrUnsupportedCritical},
	} {
		if _, err := verifier.Verify(t.Context(), example.token); !errors.Is(err, example.want) {
			t.Errorf("%s: %v, want %v", example.name, err, example.want)
		}
	}
}

// TestRFC7517KeySets reads the key sets of appendix A. That of A.1 has one key
// for encryption; of A.2, with private keys, and A.3, nothing is usable.
func TestRFC7517KeySets(t *testing.T) {
	set, err := jwks.ParseKeySet(keySet(jwk7517EC, jwk7517RSA))
	if err != nil {
		t.Fatal(err)
	}
	key, ok := set.Key("2011-04-29")
	if set.Len() != 1 || !ok || key.Type() != "RSA" || !slices.Equal(key.Algorithms(), []string{"RS256"}) {
		t.Errorf("A.1: %d usable keys, %+v", set.Len(), key)
	}
	if s := set.Skipped(); len(s) != 1 || s[0].Index != 0 || s[0].KeyID != "1" || s[0].Err == nil {
		t.Errorf("A.1: skipped %v", s)
	}
	privateEC := strings.Replace(jwk7517EC, `"use"`, `"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use"`, 1)
	a3 := []string{
		`{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"}`,
		`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"HMAC key used in JWS spec Appendix A.1 example"}`,
	}
	for name, entries := range map[string][]string{"A.2": {privateEC}, "A.3": a3} {
		if _, err := jwks.ParseKeySet(keySet(entries...)); !errors.Is(err, jwks.ErrInvalidKeySet) {
			t.Errorf("%s: %v, want ErrInvalidKeySet", name, err)
		}
		set, err := jwks.ParseKeySet(keySet(append(entries, jwk7517RSA)...))
		if err != nil || set.Len() != 1 || len(set.Skipped()) != len(entries) {
			t.Errorf("%s beside a good key: %v", name, err)
		}
	}
}

func TestRFCThumbprints(t *testing.T) {
	for _, example := range []struct{ name, key, want string }{
		{"RFC 7638 section 3.1", jwk7517RSA, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037 A.3", jwk8037, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		set, err := jwks.ParseKeySet(keySet(example.key))
		if err != nil {
			t.Fatal(err)
		}
		for key := range set.All() {
			if got := key.Thumbprint(); got != example.want {
				t.Errorf("%s: %s, want %s", example.name, got, example.want)
			}
		}
	}
}

// TestRFC9864Names: Ed25519 is EdDSA under a name that says all, so for an
// Ed25519 key each name of the JWK goes with each name of the token. Ed448,
// registered there too, is not supported.
func TestRFC9864Names(t *testing.T) {
	seed, err := base64.RawURLEncoding.DecodeString(rfc8037D)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	sign := func(alg string) string {
		signed := encoded(`{"alg":"`+alg+`"}`) + "." + encoded("Example of Ed25519 signing")
		return signed + "." + encoded(string(ed25519.Sign(private, []byte(signed))))
	}
	if sign("EdDSA") != rfc8037A4 { // Ed25519 is deterministic
		t.Fatal("not what RFC 8037 signs")
	}
	key := func(alg string) []byte {
		return keySet(strings.Replace(jwk8037, "{", `{`+alg, 1))
	}
	for _, test := range []struct {
		jwk, token string
		want       bool
	}{
		{``, "EdDSA", true},
		{``, "Ed25519", true},
		{`"alg":"EdDSA",`, "EdDSA", true},
		{`"alg":"EdDSA",`, "Ed25519", true},
		{`"alg":"Ed25519",`, "EdDSA", true},
		{`"alg":"Ed25519",`, "Ed25519", true},
		{``, "Ed448", false},
		{``, "ed25519", false},
		{`"alg":"Ed448",`, "EdDSA", false},
		{`"alg":"ES256",`, "EdDSA", false},
	} {
		if v := signatureVerdict(t, key(test.jwk), sign(test.token)); v.accepted != test.want {
			t.Errorf("JWK with %q, token with alg %s: %s", test.jwk, test.token, v)
		}
	}
}

// TestRFC9068Example signs the example of sections 2 and 3 of the profile for
// access tokens: its header, its claims.
func TestRFC9068Example(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.JSONWebKey{Key: private.Public(), KeyID: "RjEwOwOA"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.ParseKeySet(keySet(string(public)))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jwks.NewVerifier(set, jwks.WithAccessTokenProfile(),
		jwks.WithExpectedIssuer("https://authorization-server.example.com/"), jwks.WithAudience("https://rs.example.com/"),
		jwks.WithNow(func() time.Time { return time.Unix(1618354090, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{
		"iss": "https://authorization-server.example.com/", "sub": "5ba552d67", "aud": "https://rs.example.com/",
		"exp": 1639528912, "iat": 1618354090, "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
		"client_id": "s6BhdRkqt3", "scope": "openid profile reademail",
	}
	sign := func(header string) string {
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		signed := encoded(header) + "." + encoded(string(payload))
		signature, err := jwt.SigningMethodRS256.Sign(signed, private)
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + encoded(string(signature))
	}
	token, err := verifier.Verify(t.Context(), sign(`{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}`))
	if err != nil {
		t.Fatal(err)
	}
	if token.Subject() != "5ba552d67" || !token.HasScopes("openid", "profile", "reademail") || token.HasScopes("email") {
		t.Errorf("sub %q, scopes %q", token.Subject(), token.Scopes())
	}
	if _, err := verifier.Verify(t.Context(), sign(`{"typ":"JWT","alg":"RS256","kid":"RjEwOwOA"}`)); !errors.Is(err, jwks.ErrTokenInvalid) {
		t.Errorf("typ JWT: %v", err)
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id"} {
		value := claims[name]
		delete(claims, name)
		if _, err := verifier.Verify(t.Context(), sign(`{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}`)); !errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
			t.Errorf("without %s: %v", name, err)
		}
		claims[name] = value
	}
}

func encoded[T string | []byte](s T) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
