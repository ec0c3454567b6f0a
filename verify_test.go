package jwks

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
)

// edSigner signs with a fresh Ed25519 key under a kid.
type edSigner struct {
	kid     string
	private ed25519.PrivateKey
	key     *Key
}

func newEdSigner(t testing.TB, kid string, b *binding.Binding) *edSigner {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	document := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}]}`, kid, unpadded(string(public)))
	set, err := readKeySet([]byte(document), jwk.Reader{}, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &edSigner{kid, private, set.keys[0]}
}

func (s *edSigner) sign(header, payload string) string {
	signed := unpadded(header) + "." + unpadded(payload)
	return signed + "." + unpadded(string(ed25519.Sign(s.private, []byte(signed))))
}

func (s *edSigner) token(payload string) string {
	return s.sign(fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, s.kid), payload)
}

func unpadded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// fakeSource is a source that knows its issuer and looks again.
type fakeSource struct {
	keys, others []*Key
	gaveUp       error
	rechecks     int
	tried        []*Key
	header       Header
	issuer       string
	asked, since order
}

func (s *fakeSource) SigningKeys(context.Context, Header, string) ([]*Key, error) {
	s.asked = order(refreshes.Add(1))
	return s.keys, nil
}
func (s *fakeSource) recheck(_ context.Context, h Header, issuer string, tried []*Key, since order) ([]*Key, error) {
	s.rechecks++
	s.header, s.issuer, s.tried, s.since = h, issuer, tried, since
	if s.rechecks > 1 {
		return nil, s.gaveUp
	}
	return s.others, s.gaveUp
}

// verifierOf makes a verifier of issuers, for which the source stands in.
func verifierOf(t *testing.T, source *fakeSource, opts ...VerifierOption) *Verifier {
	t.Helper()
	v, err := NewVerifier(&Issuers{cfg: &issuersConfig{anyIssuer: true}}, append([]VerifierOption{WithoutAudienceCheck(), WithoutExpiry()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	v.source, v.rechecker = source, source
	return v
}

const boundPayload = `{"iss":"https://issuer.example","sub":"user"}`

// An issuer may replace a key under its kid, so a bad signature is a reason to
// look again, for as long as there are keys that were not tried.
func TestVerify_LooksAgain(t *testing.T) {
	b := binding.New("https://issuer.example", nil)
	old, current, foreign := newEdSigner(t, "k1", b), newEdSigner(t, "k1", b), newEdSigner(t, "k1", binding.New("https://other.example", nil))
	token := current.token(boundPayload)
	other := &Key{parsed: new(jwk.Key), allows: jws.Set(0).With(jws.ES256)}
	for _, test := range []struct {
		name         string
		keys, others []*Key
		want         error
		rechecks     int
	}{
		{"the key is at hand", []*Key{current.key}, []*Key{old.key}, nil, 0},
		{"the key was replaced", []*Key{old.key}, []*Key{current.key}, nil, 1},
		{"nothing else is there", []*Key{old.key}, nil, jwt.ErrTokenSignatureInvalid, 1},
		{"the other key does not verify either", []*Key{old.key}, []*Key{old.key, nil}, jwt.ErrTokenSignatureInvalid, 2},
		{"only nil is there", []*Key{old.key}, []*Key{nil}, jwt.ErrTokenSignatureInvalid, 2},
		{"no key", nil, []*Key{current.key}, ErrKeyNotFound, 0}, // the source has said so itself
		{"a key of another type was replaced", []*Key{other}, []*Key{current.key}, nil, 1},
		{"the other key has the wrong type too", []*Key{other}, []*Key{other}, ErrAlgorithmNotAllowed, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := &fakeSource{keys: test.keys, others: test.others}
			got, err := verifierOf(t, source).Verify(context.Background(), token)
			if !errors.Is(err, test.want) || (err == nil) != (got != nil) {
				t.Errorf("got %v and %v, want %v", got, err, test.want)
			}
			if err == nil && got.Key() != current.key {
				t.Error("another key is said to have verified it")
			}
			if source.rechecks != test.rechecks {
				t.Errorf("%d rechecks, want %d", source.rechecks, test.rechecks)
			}
			if source.rechecks > 0 && (source.issuer != "https://issuer.example" || source.header.KeyID != "k1" || source.rechecks == 1 && len(source.tried) != len(test.keys) ||
				source.since >= source.asked) {
				t.Errorf("rechecked %+v", source)
			}
		})
	}
	t.Run("who gives up meanwhile has no verdict", func(t *testing.T) {
		gaveUp := fault.Unavailable("the caller gave up", context.Canceled)
		source := &fakeSource{keys: []*Key{old.key}, gaveUp: gaveUp}
		_, err := verifierOf(t, source).Verify(context.Background(), token)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) || errors.Is(err, ErrTokenInvalid) || source.rechecks != 1 {
			t.Errorf("%v after %d rechecks", err, source.rechecks)
		}
	})
	t.Run("not for claims", func(t *testing.T) {
		source := &fakeSource{keys: []*Key{foreign.key}}
		_, err := verifierOf(t, source).Verify(context.Background(), foreign.token(boundPayload))
		if !errors.Is(err, jwt.ErrTokenInvalidIssuer) || source.rechecks != 0 {
			t.Errorf("%v after %d rechecks", err, source.rechecks)
		}
	})
}

// A key of one issuer never verifies a token of another, whatever the options
// say.
func TestVerify_BindsKeysToTheirIssuer(t *testing.T) {
	const tenant, stranger = "0f4a3c1e-7d11-4b55-9c4e-2f6b8a1d9e30", "5b0c1f0e-3d6a-4c8e-a3d5-7f2b9e6c1a48"
	exact := binding.New("https://issuer.example", nil)
	template := binding.New("https://login.example/{tenantid}/v2.0", map[string]bool{tenant: true})
	anyTenant := binding.New("https://login.example/{tenantid}/v2.0", nil)
	for _, test := range []struct {
		name    string
		binding *binding.Binding
		payload string
		want    error
	}{
		{"its issuer", exact, boundPayload, nil},
		{"another issuer", exact, `{"iss":"https://other.example"}`, jwt.ErrTokenInvalidIssuer},
		{"a slash more", exact, `{"iss":"https://issuer.example/"}`, jwt.ErrTokenInvalidIssuer},
		{"no issuer", exact, `{"sub":"user"}`, jwt.ErrTokenRequiredClaimMissing},
		{"a null issuer", exact, `{"iss":null}`, jwt.ErrTokenRequiredClaimMissing},
		{"bound to none", nil, `{"iss":"https://other.example"}`, nil},
		{"a tenant on the list", template, `{"iss":"https://login.example/` + tenant + `/v2.0","tid":"` + tenant + `"}`, nil},
		{"a tenant not on the list", template, `{"iss":"https://login.example/` + stranger + `/v2.0","tid":"` + stranger + `"}`, jwt.ErrTokenInvalidIssuer},
		{"the tenant of another token", template, `{"iss":"https://login.example/` + stranger + `/v2.0","tid":"` + tenant + `"}`, jwt.ErrTokenInvalidIssuer},
		{"no tid", anyTenant, `{"iss":"https://login.example/` + tenant + `/v2.0"}`, jwt.ErrTokenInvalidIssuer},
		{"a tid that is not a string", anyTenant, `{"iss":"https://login.example/` + tenant + `/v2.0","tid":["` + tenant + `"]}`, jwt.ErrTokenInvalidIssuer},
		{"any tenant", anyTenant, `{"iss":"https://login.example/` + stranger + `/v2.0","tid":"` + stranger + `"}`, nil},
		{"the template itself", anyTenant, `{"iss":"https://login.example/{tenantid}/v2.0","tid":"{tenantid}"}`, jwt.ErrTokenInvalidIssuer},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newEdSigner(t, "k1", test.binding)
			source := &fakeSource{keys: []*Key{s.key}}
			for _, opts := range [][]VerifierOption{nil, {WithoutIssuerCheck()}, {WithTokenCache(4)}} {
				v := verifierOf(t, source, opts...)
				for range 2 {
					got, err := v.Verify(context.Background(), s.token(test.payload))
					if !errors.Is(err, test.want) || (err == nil) != (got != nil) {
						t.Errorf("got %v and %v, want %v", got, err, test.want)
					}
				}
			}
		})
	}
	t.Run("WithExpectedIssuer narrows and does not widen", func(t *testing.T) {
		s := newEdSigner(t, "k1", exact)
		v := verifierOf(t, &fakeSource{keys: []*Key{s.key}}, WithExpectedIssuer("https://other.example"))
		for _, payload := range []string{boundPayload, `{"iss":"https://other.example"}`} {
			if _, err := v.Verify(context.Background(), s.token(payload)); !errors.Is(err, jwt.ErrTokenInvalidIssuer) {
				t.Errorf("%s: %v", payload, err)
			}
		}
	})
}

// Only the header of a token that verified completely is cached.
func TestVerify_CachesHeadersOfGoodTokens(t *testing.T) {
	s, attacker := newEdSigner(t, "k1", nil), newEdSigner(t, "k1", nil)
	source := &fakeSource{keys: []*Key{s.key}}
	var objection error
	v := verifierOf(t, source, WithTokenCache(0), WithoutIssuerCheck(), WithCheck(func(context.Context, *Token) error { return objection }))
	verify := func(token string) error {
		_, err := v.Verify(context.Background(), token)
		return err
	}

	objection = errors.New("no")
	for name, token := range map[string]string{
		"a forged token":      attacker.token(boundPayload),
		"an expired token":    s.token(`{"exp":1}`),
		"a malformed payload": s.token(`null`),
		"a token objected to": s.token(boundPayload),
		"a malformed token":   s.token(boundPayload) + "\n",
		"crit":                s.sign(`{"alg":"EdDSA","kid":"k1","crit":["exp"]}`, boundPayload),
	} {
		if verify(token) == nil {
			t.Errorf("%s is accepted", name)
		}
		if n := v.headers.Len(); n != 0 {
			t.Fatalf("%s: %d headers are cached", name, n)
		}
	}
	objection = nil
	for range 3 {
		if err := verify(s.token(boundPayload)); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.headers.Len(); n != 1 {
		t.Fatalf("%d headers are cached", n)
	}
	if err := verify(attacker.token(boundPayload)); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("a forged token under a known header: %v", err)
	}
	if err := verify(s.token(boundPayload)); err != nil {
		t.Errorf("a good token after it: %v", err)
	}
}
