package keysets

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// certificateOf makes a certificate for a signer's key.
func certificateOf(t *testing.T, s *testkit.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(testkit.Now+1e6, 0)}
	der, err := x509.CreateCertificate(nil, template, template, s.Key.Public(), s.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Five keys share a kid, and the token is told apart by the thumbprint of its
// certificate, in each of the forms that issuers publish it in.
func TestKeySet_ThumbprintNarrowsKid(t *testing.T) {
	raw, hexOf := base64.RawURLEncoding.EncodeToString, hex.EncodeToString
	forms := map[string]func(sha1, sha256 []byte) string{
		"x5t": func(s1, _ []byte) string { return fmt.Sprintf(`"x5t":%q`, raw(s1)) },
		"x5t, padded in the other alphabet": func(s1, _ []byte) string {
			return fmt.Sprintf(`"x5t":%q`, base64.StdEncoding.EncodeToString(s1))
		},
		"x5t in hex":            func(s1, _ []byte) string { return fmt.Sprintf(`"x5t":%q`, strings.ToUpper(hexOf(s1))) },
		"x5t, base64url of hex": func(s1, _ []byte) string { return fmt.Sprintf(`"x5t":%q`, raw([]byte(hexOf(s1)))) },
		"x5t#S256":              func(_, s256 []byte) string { return fmt.Sprintf(`"x5t#S256":%q`, raw(s256)) },
		"both":                  func(s1, s256 []byte) string { return fmt.Sprintf(`"x5t":%q,"x5t#S256":%q`, raw(s1), raw(s256)) },
		"x5c alone":             nil,
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			var entries []string
			var last *testkit.Signer
			var x5t, x5tS256 string
			for range 5 {
				last = testkit.NewSigner(t, "ES256", "KEY")
				der := certificateOf(t, last)
				s1, s256 := sha1.Sum(der), sha256.Sum256(der)
				x5t, x5tS256 = raw(s1[:]), raw(s256[:])
				more := fmt.Sprintf(`"x5c":[%q]`, base64.StdEncoding.EncodeToString(der))
				if form != nil {
					more = form(s1[:], s256[:])
				}
				entries = append(entries, testkit.WithMembers(last.JWK(), more))
			}
			set := testkit.ParseKeys(t, entries...)
			client, err := jwks.NewClient(jwks.WithKeySet(set))
			if err != nil {
				t.Fatal(err)
			}
			v := testkit.NewVerifier(t, client)
			for _, header := range []string{
				`{"alg":"ES256","kid":"KEY","x5t":"` + x5t + `","x5t#S256":"` + x5tS256 + `"}`,
				`{"alg":"ES256","x5t#S256":"` + x5tS256 + `","x5t":"` + x5t + `"}`,
			} {
				token := last.Sign(header, testkit.Payload(nil))
				testkit.Accept(t, v, token)
				key, err := client.KeyForToken(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				if got := key.JWK(); !last.Key.(*ecdsa.PrivateKey).PublicKey.Equal(got.Key) {
					t.Error("KeyForToken returned a key that does not verify the token")
				}
				if _, err := jwt.Parse(token, client.Keyfunc, jwt.WithTimeFunc(testkit.NowTime)); err != nil {
					t.Errorf("Keyfunc: %v", err)
				}
			}
			testkit.Refuse(t, v, last.Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid) // the fifth of five, and nothing says so
		})
	}
}

// An issuer without kids publishes a second key, then takes the first one away.
func TestKeySet_IssuerWithoutKeyIDs(t *testing.T) {
	verify := map[string]func(t *testing.T, c *jwks.Client, token string) error{
		"Verifier": func(t *testing.T, c *jwks.Client, token string) error {
			_, err := testkit.NewSourceVerifier(t, c).Verify(t.Context(), token)
			return err
		},
		"Keyfunc": func(_ *testing.T, c *jwks.Client, token string) error {
			_, err := jwt.Parse(token, c.Keyfunc)
			return err
		},
		"KeyForToken": func(t *testing.T, c *jwks.Client, token string) error {
			key, err := c.KeyForToken(t.Context(), token)
			if err == nil {
				_, err = jwt.Parse(token, func(*jwt.Token) (any, error) { return key.Public(), nil })
			}
			return err
		},
	}
	for name, verify := range verify {
		testkit.Bubble(t, name, func(t *testing.T) {
			env := testkit.NewEnv(t, jwkstest.WithoutKeyIDs())
			c := env.NewClient()
			before := env.Issuer.Sign(nil)
			testkit.WantNoError(t, verify(t, c, before))
			first := env.TakeRequests(testkit.KeySetPath)
			env.Issuer.AddKey("ES256")
			env.Issuer.Rotate()
			after := env.Issuer.Sign(nil)
			testkit.WantNoError(t, verify(t, c, after)) // at its first arrival
			testkit.WantNoError(t, verify(t, c, before))
			if n := len(env.TakeRequests(testkit.KeySetPath)); len(first) != 1 || n != 1 {
				t.Errorf("%d requests, then %d, want 1 and 1", len(first), n)
			}
			forged := testkit.NewSigner(t, "ES256", "")
			for range 100 {
				if err := verify(t, c, forged.Sign(`{"alg":"ES256"}`, testkit.Payload(map[string]any{"iss": env.Issuer.URL()}))); err == nil {
					t.Fatal("a forged token was accepted")
				}
			}
			if n := len(env.TakeRequests(testkit.KeySetPath)); n > 5 {
				t.Errorf("100 forged tokens cost %d requests", n)
			}
		})
	}
}

// A token names a kid that its issuer does not publish, beside a key that has
// none: the key may be meant, and its signature decides.
func TestKeySet_KidOfKeyWithoutOne(t *testing.T) {
	bare, named := testkit.NewSigner(t, "ES256", ""), testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, named, bare)
	client, err := jwks.NewClient(jwks.WithKeySet(set))
	if err != nil {
		t.Fatal(err)
	}
	good := bare.Sign(`{"alg":"ES256","kid":"thumb"}`, testkit.Payload(nil))
	bad := named.Sign(`{"alg":"ES256","kid":"thumb"}`, testkit.Payload(nil))
	for _, source := range []jwks.KeySource{set, client} {
		v := testkit.NewVerifier(t, source)
		if key := testkit.Accept(t, v, good).Key(); key.ID() != "" {
			t.Errorf("verified by %q", key.ID())
		}
		testkit.Refuse(t, v, bad, jwt.ErrTokenSignatureInvalid, jwks.ErrKeyNotFound)
	}
	key, err := client.KeyForToken(t.Context(), good)
	if err != nil || key.ID() != "" {
		t.Errorf("KeyForToken: %v, %v", key, err)
	}
	_, err = client.KeyForToken(t.Context(), bad)
	testkit.WantError(t, err, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
}

// A token names its key by a thumbprint that none of many keys has: that key may
// be new, so it is asked for.
func TestKeySet_ThumbprintOfANewKey(t *testing.T) {
	var entries []string
	for i := range 5 {
		entries = append(entries, testkit.NewSigner(t, "ES256", fmt.Sprint("k", i)).JWK())
	}
	fresh := testkit.NewSigner(t, "ES256", "new")
	der := certificateOf(t, fresh)
	s1, s256 := sha1.Sum(der), sha256.Sum256(der)
	raw := base64.RawURLEncoding.EncodeToString
	for name, value := range map[string]string{"x5t": raw(s1[:]), "x5t#S256": raw(s256[:])} {
		named := fmt.Sprintf("%q:%q", name, value)
		token := fresh.Sign(`{"alg":"ES256",`+named+`}`, testkit.Payload(nil))
		err := testkit.Refuse(t, testkit.NewVerifier(t, testkit.ParseKeys(t, entries...)), token, jwks.ErrKeyNotFound)
		if !strings.Contains(err.Error(), "key with "+name+" ") || strings.Contains(err.Error(), "names no key") {
			t.Error(err)
		}
		documents := map[string]string{"/jwks": testkit.KeySetDocument(entries...)}
		n := testkit.NewInternet()
		n.Serve("a.example", documents)
		c := n.NewClient(t, jwks.WithJWKSURL("https://a.example/jwks"))
		testkit.MustReady(t, c)
		documents["/jwks"] = testkit.KeySetDocument(append(entries, testkit.WithMembers(fresh.JWK(), named))...)
		testkit.AcceptOnce(t, testkit.NewVerifier(t, c), token)
	}
}

// A kid that is published but unusable is told apart from one that is unknown.
func TestKeySet_KidOfUnusableEntry(t *testing.T) {
	bare := testkit.NewSigner(t, "ES256", "")
	enc := strings.Replace(testkit.NewSigner(t, "ES256", "x").JWK(), `"use":"sig"`, `"use":"enc"`, 1)
	certificate := `{"kty":"RSA","kid":"y","x5c":["MIIB"]}`
	set := testkit.ParseKeys(t, bare.JWK(), enc, certificate, `{"kty":"oct","kid":"z","k":"c2VjcmV0"}`)
	client, err := jwks.NewClient(jwks.WithKeySet(set))
	if err != nil {
		t.Fatal(err)
	}
	for kid, why := range map[string]string{
		"x": `use "enc" is not "sig"`,
		"y": "only a certificate (x5c)",
		"z": `symmetric member "k" published`,
	} {
		for _, source := range []jwks.KeySource{set, client} {
			_, err := source.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256", KeyID: kid}, "")
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if want := fmt.Sprintf("key %q is in the set but not usable: ", kid); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), why) {
				t.Errorf("%v\ndoes not say %q and %q", err, want, why)
			}
			if strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("%v shows a secret", err)
			}
		}
	}
}

// What a caller writes into a public key changes neither the set nor what
// others get.
func TestKey_PublicIsACopy(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		s := testkit.NewSigner(t, alg, "k1")
		set := testkit.KeySetOf(t, s)
		key, _ := set.Key("k1")
		before := key.Thumbprint()
		for _, public := range []any{key.Public(), key.JWK().Key} {
			switch k := public.(type) {
			case *rsa.PublicKey:
				k.E = 3
				k.N.SetInt64(15)
			case *ecdsa.PublicKey:
				k.X.SetInt64(1)
			case ed25519.PublicKey:
				clear(k)
			}
		}
		if after := key.Thumbprint(); after != before {
			t.Errorf("%s: the key changed", alg)
		}
		again := jose.JSONWebKey{Key: key.Public()}
		if sum, err := again.Thumbprint(crypto.SHA256); err != nil || base64.RawURLEncoding.EncodeToString(sum) != before {
			t.Errorf("%s: the next caller got the changed key", alg)
		}
		testkit.Accept(t, testkit.NewVerifier(t, set), s.Token(testkit.Payload(nil)))
	}
}
