package jwkstest_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/jwkstest"
)

func TestEveryAlgorithmSignsWhatItsPublishedKeyVerifies(t *testing.T) {
	algs := map[string]string{ // alg to kty
		"RS256": "RSA", "RS384": "RSA", "RS512": "RSA",
		"PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
		"ES256": "EC", "ES384": "EC", "ES512": "EC",
		"EdDSA": "OKP", "Ed25519": "OKP",
	}
	for alg, kty := range algs {
		t.Run(alg, func(t *testing.T) {
			tb := &fakeTB{} // so that the RSA keys are used again by the next case
			issuer := jwkstest.New(tb, jwkstest.WithAlgorithms(alg))
			defer tb.finish()

			body := get(t, issuer, issuer.JWKSURL()).body
			var raw struct{ Keys []map[string]any }
			if err := json.Unmarshal(body, &raw); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"kty": kty, "kid": "k1", "use": "sig", "alg": alg} {
				if raw.Keys[0][name] != want {
					t.Errorf("%s %v, want %q", name, raw.Keys[0][name], want)
				}
			}
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "priv"} {
				if _, there := raw.Keys[0][private]; there {
					t.Errorf("the private member %q is published", private)
				}
			}

			key := parseKeys(t, body)[0]
			if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() != 2048 {
				t.Errorf("a modulus of %d bits, want 2048", public.N.BitLen())
			}
			token := issuer.Sign(map[string]any{"aud": "api"})
			if err := signedBy(t, token, key, alg); err != nil {
				t.Errorf("the published key refuses the signature: %v", err)
			}
			other := issuer.Sign(map[string]any{"aud": "other"})
			forged := token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
			if signedBy(t, forged, key, alg) == nil {
				t.Error("the signature of another token verifies")
			}
			if alg == "Ed25519" {
				return
			}
			parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return key.Key, nil },
				jwt.WithAudience("api"), jwt.WithIssuer(issuer.URL()), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil || !parsed.Valid {
				t.Errorf("golang-jwt refuses the token: %v", err)
			}
		})
	}
}

func TestPSSSaltIsAsLongAsTheHash(t *testing.T) {
	for alg, hash := range map[string]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512} {
		tb := &fakeTB{}
		issuer := jwkstest.New(tb, jwkstest.WithAlgorithms(alg))
		input, last, _ := cutLast(issuer.Sign(nil))
		signature, err := base64.RawURLEncoding.DecodeString(last)
		if err != nil {
			t.Fatal(err)
		}
		h := hash.New()
		h.Write([]byte(input))
		public := publishedKeys(t, issuer)[0].Key.(*rsa.PublicKey)
		if err := rsa.VerifyPSS(public, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: hash.Size()}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		tb.finish()
	}
}

func TestSignFillsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithPath("/a"))
		now := float64(time.Now().Unix())
		filled := map[string]any{"iss": issuer.URL(), "sub": "user", "iat": now, "exp": now + 3600}
		with := func(claims map[string]any, without ...string) map[string]any {
			c := maps.Clone(filled)
			maps.Copy(c, claims)
			for _, name := range without {
				delete(c, name)
			}
			return c
		}
		tests := map[string]struct{ claims, want map[string]any }{
			"no claims":            {nil, filled},
			"added":                {map[string]any{"aud": []string{"a", "b"}}, with(map[string]any{"aud": []any{"a", "b"}})},
			"given ones stay":      {map[string]any{"iss": "x", "sub": "y", "iat": 1, "exp": 2}, map[string]any{"iss": "x", "sub": "y", "iat": 1.0, "exp": 2.0}},
			"wrong types stay":     {map[string]any{"exp": "soon", "iss": 7, "sub": []int{}}, with(map[string]any{"exp": "soon", "iss": 7.0, "sub": []any{}})},
			"zero values stay":     {map[string]any{"sub": "", "iat": 0}, with(map[string]any{"sub": "", "iat": 0.0})},
			"nil leaves out":       {map[string]any{"exp": nil, "sub": nil, "aud": nil}, with(nil, "exp", "sub")},
			"raw null is a null":   {map[string]any{"exp": json.RawMessage("null")}, with(map[string]any{"exp": nil})},
			"exp is an hour ahead": {map[string]any{"iat": 5}, with(map[string]any{"iat": 5.0})},
		}
		for name, tt := range tests {
			before := maps.Clone(tt.claims)
			if _, claims := decode(t, issuer.Sign(tt.claims)); !reflect.DeepEqual(claims, tt.want) {
				t.Errorf("%s: got %v, want %v", name, claims, tt.want)
			}
			if !reflect.DeepEqual(tt.claims, before) {
				t.Errorf("%s: the caller's map became %v", name, tt.claims)
			}
		}

		time.Sleep(time.Minute) // the bubble's minute
		if _, claims := decode(t, issuer.Sign(nil)); claims["iat"] != now+60 || claims["exp"] != now+3660 {
			t.Errorf("a minute later iat %v, exp %v", claims["iat"], claims["exp"])
		}
	})
}

func TestSignOptionsChangeTheHeader(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256", "ES384"))
	issuer.AddKey("ES256") // k3
	issuer.AddKey("EdDSA") // k4
	issuer.RemoveKey("k2")
	issuer.RemoveKey("k1") // now k4 signs
	keyID, header := jwkstest.WithKeyID, jwkstest.WithHeader

	tests := map[string]struct {
		opts []jwkstest.SignOption
		want map[string]any
	}{
		"default":                   {nil, map[string]any{"alg": "EdDSA", "kid": "k4", "typ": "JWT"}},
		"a published key":           {[]jwkstest.SignOption{keyID("k3")}, map[string]any{"alg": "ES256", "kid": "k3", "typ": "JWT"}},
		"a removed key":             {[]jwkstest.SignOption{keyID("k2")}, map[string]any{"alg": "ES384", "kid": "k2", "typ": "JWT"}},
		"an unknown key":            {[]jwkstest.SignOption{keyID("k9")}, map[string]any{"alg": "EdDSA", "kid": "k9", "typ": "JWT"}},
		"an empty key ID":           {[]jwkstest.SignOption{keyID("")}, map[string]any{"alg": "EdDSA", "kid": "", "typ": "JWT"}},
		"the last key ID counts":    {[]jwkstest.SignOption{keyID("k9"), keyID("k3")}, map[string]any{"alg": "ES256", "kid": "k3", "typ": "JWT"}},
		"a header overrides":        {[]jwkstest.SignOption{header("typ", "at+jwt")}, map[string]any{"alg": "EdDSA", "kid": "k4", "typ": "at+jwt"}},
		"a header adds":             {[]jwkstest.SignOption{header("crit", []string{"x"})}, map[string]any{"alg": "EdDSA", "kid": "k4", "typ": "JWT", "crit": []any{"x"}}},
		"a nil header removes":      {[]jwkstest.SignOption{header("kid", nil), header("typ", nil)}, map[string]any{"alg": "EdDSA"}},
		"a header may lie":          {[]jwkstest.SignOption{header("kid", "k1"), keyID("k3"), header("alg", "none")}, map[string]any{"alg": "none", "kid": "k1", "typ": "JWT"}},
		"a header of another type":  {[]jwkstest.SignOption{header("kid", 7)}, map[string]any{"alg": "EdDSA", "kid": 7.0, "typ": "JWT"}},
		"a removed kid can be kept": {[]jwkstest.SignOption{keyID("k1"), header("kid", nil)}, map[string]any{"alg": "ES256", "typ": "JWT"}},
	}
	for name, tt := range tests {
		if got, _ := decode(t, issuer.Sign(nil, tt.opts...)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: header %v, want %v", name, got, tt.want)
		}
	}

	keys := publishedKeys(t, issuer)
	if err := signedBy(t, issuer.Sign(nil, keyID("k3"), header("alg", "none")), keyNamed(t, keys, "k3"), "ES256"); err != nil {
		t.Errorf("the header's alg changed the signature: %v", err)
	}
	if err := signedBy(t, issuer.Sign(nil, keyID("k9")), keyNamed(t, keys, "k4"), "EdDSA"); err != nil {
		t.Errorf("an unknown key ID changed the key: %v", err)
	}
	if err := signedBy(t, issuer.Sign(nil, keyID("k3"), header("kid", "k4")), keyNamed(t, keys, "k3"), "ES256"); err != nil {
		t.Errorf("the header's kid changed the key: %v", err)
	}
}

func TestSignPanicsOnWhatCannotBeMarshalled(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	for name, f := range map[string]func(){
		"claims": func() { issuer.Sign(map[string]any{"x": make(chan int)}) },
		"header": func() { issuer.Sign(nil, jwkstest.WithHeader("x", func() {})) },
	} {
		if got := fmt.Sprint(panicOf(f)); !strings.HasPrefix(got, "jwkstest: Sign: the "+name+" cannot be marshalled") {
			t.Errorf("%s: panics with %q", name, got)
		}
	}
}
