package jwks

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/compact"
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
	t.Run("a report names what was found then", func(t *testing.T) {
		w := new(witness)
		_, err := verifierOf(t, &fakeSource{keys: []*Key{old.key}, others: []*Key{current.key}}).judge(t.Context(), token, w)
		if err != nil || len(w.keys) != 2 || w.key != current.key {
			t.Errorf("%v, %v", err, w.keys)
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

// readAgain is another reading of a key, which has a price.
func readAgain(k *Key, price int32) *Key {
	return &Key{parsed: k.parsed, verifier: k.verifier, allows: k.allows, binding: k.binding, price: price}
}

// opened takes a token apart.
func opened(t *testing.T, token string) *compact.Token {
	t.Helper()
	o := new(compact.Token)
	if err := o.Open(token, 1<<14, new([]byte), compact.NewHeaderCache(compact.FewHeaders)); err != nil {
		t.Fatal(err)
	}
	return o
}

// A token is tried with at most four keys, and with no more of them than two checks
// with the dearest key cost. The first is always tried.
func TestSigner_WhatItTries(t *testing.T) {
	const half = maxPrice / 2
	s, nameless := newEdSigner(t, "k1", nil), newEdSigner(t, "", nil)
	good := func(price int32) *Key { return readAgain(s.key, price) }
	bad := func(price int32) *Key { return readAgain(newEdSigner(t, "k1", nil).key, price) }
	other := &Key{parsed: new(jwk.Key), allows: jws.Set(0).With(jws.ES256), price: maxPrice}
	token := opened(t, s.token("{}"))
	sentinel := map[string]error{"does not allow": ErrAlgorithmNotAllowed, "has no": ErrKeyNotFound, "does not verify": jwt.ErrTokenSignatureInvalid}
	for _, test := range []struct {
		name string
		keys []*Key
		want string // the error; "" where the last that is good verifies
	}{
		{"none", nil, `the key source has no key "k1"`},
		{"none that can be used", []*Key{nil, {}}, `the key source has no key "k1"`},
		{"none for the algorithm", []*Key{other, nil, other}, `key "k1" does not allow alg "EdDSA"`},
		{"one", []*Key{good(1)}, ""},
		{"one of another type first", []*Key{other, nil, good(1)}, ""},
		{"one that is not the signer's", []*Key{bad(1)}, `the signature does not verify with key "k1"`},
		{"two, and neither is", []*Key{bad(1), other, bad(1)}, `the signature does not verify with any of 2 candidates for key "k1"`},
		{"the fourth", []*Key{bad(1), bad(1), bad(1), good(1)}, ""},
		{"the fifth", []*Key{bad(1), bad(1), bad(1), bad(1), good(1)}, `the signature does not verify with any of 4 candidates for key "k1", and 1 more key not tried: checking them would cost too much`},
		{"the second that is as dear as can be", []*Key{bad(half), good(half)}, ""},
		{"the first, however dear", []*Key{good(maxPrice + 1)}, ""},
		{"the second, when that is too much", []*Key{bad(half), good(half + 1)}, `the signature does not verify with key "k1", and 1 more key not tried: checking them would cost too much`},
		{"what comes after one that is too dear", []*Key{bad(half), bad(half), bad(half), good(0)}, `the signature does not verify with any of 2 candidates for key "k1", and 2 more keys not tried: checking them would cost too much`},
		{"a key for another algorithm costs nothing", []*Key{bad(half), other, good(half)}, ""},
		{"keys without a kid in its place", []*Key{nameless.key}, `key "k1" not found, and the signature does not verify with any key without a kid`},
	} {
		got, err := signer(token, test.keys)
		if test.want == "" {
			if err != nil || got.price != test.keys[len(test.keys)-1].price || got.verifier == nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if got != nil || !errors.Is(err, ErrTokenInvalid) || err.Error() != "jwks: token invalid: "+test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		for text, is := range sentinel {
			if strings.Contains(test.want, text) && !errors.Is(err, is) {
				t.Errorf("%s: %v is not %v", test.name, err, is)
			}
		}
	}
	if _, err := signer(opened(t, s.sign(`{"alg":"EdDSA"}`, "{}")), []*Key{nameless.key}); err == nil || err.Error() != "jwks: token invalid: the signature does not verify with key" {
		t.Errorf("no kid, a key without one: %v", err)
	}
	for _, test := range []struct {
		prices []int32
		want   int
	}{{nil, 0}, {[]int32{maxPrice + 1}, 1}, {[]int32{half, half}, 2}, {[]int32{half, half + 1}, 1}, {[]int32{half, half, 1}, 2}, {[]int32{1, 1, 1, 1}, 4}, {[]int32{1, 1, 1, 1, 1}, 4}} {
		var keys []*Key
		for _, price := range test.prices {
			keys = append(keys, &Key{price: price})
		}
		if got := affordable(keys); got != test.want {
			t.Errorf("of keys that cost %d, %d are affordable, want %d", test.prices, got, test.want)
		}
	}
}

// restless is a source whose every look brings another key.
type restless struct {
	fakeSource
	fresh func() *Key
}

func (s *restless) recheck(context.Context, Header, string, []*Key, order) ([]*Key, error) {
	s.rechecks++
	return []*Key{s.fresh()}, nil
}

func TestVerify_LooksAgainThreeTimes(t *testing.T) {
	signer := newEdSigner(t, "k1", nil)
	for _, at := range []int{3, 4} {
		source := &restless{fakeSource: fakeSource{keys: []*Key{newEdSigner(t, "k1", nil).key}}}
		source.fresh = func() *Key {
			if source.rechecks == at {
				return signer.key
			}
			return newEdSigner(t, "k1", nil).key
		}
		v := verifierOf(t, &source.fakeSource, WithoutIssuerCheck())
		v.rechecker = source
		_, err := v.Verify(t.Context(), signer.token(boundPayload))
		if (err == nil) != (at == 3) || source.rechecks != 3 {
			t.Errorf("with a key that comes at look %d: %v after %d looks", at, err, source.rechecks)
		}
	}
}

// forgetful is a prepared key that does something before it agrees.
type forgetful func()

func (f forgetful) Prepare(crypto.PublicKey) PreparedKey { return f }

func (f forgetful) Verify(string, string, []byte) bool { f(); return true }

// The function of ForIssuerFunc is asked about an issuer while a token is being
// verified, and may be asked anew before that has ended.
func TestVerify_AnswersThatChange(t *testing.T) {
	a, b := newEdSigner(t, "k1", binding.New("https://issuer.example", nil)), newEdSigner(t, "k1", binding.New("https://b.example", nil))
	answer := map[string][]VerifierOption{}
	verifier := func(keys ...*Key) *Verifier {
		return verifierOf(t, &fakeSource{keys: keys}, WithoutIssuerCheck(), ForIssuerFunc(func(_ context.Context, issuer string) ([]VerifierOption, error) {
			if opts, ok := answer[issuer]; ok {
				return opts, nil
			}
			return nil, errors.New("down")
		}))
	}
	t.Run("the algorithms of the last answer decide", func(t *testing.T) {
		for last, want := range map[string]error{"EdDSA": nil, "ES256": ErrAlgorithmNotAllowed, "": ErrUnavailable} {
			answer["https://issuer.example"] = []VerifierOption{WithAlgorithms("EdDSA")}
			k := readAgain(a.key, 1)
			v := verifier(k)
			k.acceleration = &acceleration{by: forgetful(func() {
				if answer["https://issuer.example"] = []VerifierOption{WithAlgorithms(last)}; last == "" {
					delete(answer, "https://issuer.example")
				}
				v.policies.atRun.known.Purge()
			})}
			_, err := v.Verify(t.Context(), a.token(boundPayload))
			if !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", last, err, want)
			}
		}
	})
	t.Run("a key that was not tried leaves the token undecided", func(t *testing.T) {
		delete(answer, "https://issuer.example")
		answer["https://b.example"] = nil
		for name, keys := range map[string][]*Key{"first": {a.key, b.key}, "last": {b.key, a.key}} {
			if _, err := verifier(keys...).Verify(t.Context(), a.token(boundPayload)); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTokenInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		answer["https://issuer.example"] = []VerifierOption{WithAlgorithms("ES256")}
		if _, err := verifier(a.key, b.key).Verify(t.Context(), a.token(boundPayload)); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			t.Errorf("a key that must not verify it: %v", err)
		}
		if _, err := verifier(a.key).Verify(t.Context(), a.token(boundPayload)); !errors.Is(err, ErrAlgorithmNotAllowed) {
			t.Errorf("no other key: %v", err)
		}
	})
}

// A token that verified before stays verified by its key or a new reading of it,
// if that would still be tried.
func TestSameKey_AmongCandidates(t *testing.T) {
	s, o := newEdSigner(t, "k1", nil), newEdSigner(t, "k1", nil)
	again := readAgain(s.key, 1)
	for _, test := range []struct {
		name       string
		candidates []*Key
		want       *Key
	}{
		{"none", nil, nil},
		{"itself", []*Key{o.key, s.key}, s.key},
		{"read again", []*Key{o.key, again}, again},
		{"others", []*Key{o.key, nil, {}}, nil},
		{"the fourth", []*Key{nil, {}, o.key, s.key}, s.key},
		{"the fifth", []*Key{nil, {}, o.key, o.key, s.key}, nil},
	} {
		if got := sameKey(test.candidates, s.key); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// A report reads its token after the verdict, so that no later token may get the
// buffer; nor is a large one kept for small tokens.
func TestVerify_BuffersThatAreNotKept(t *testing.T) {
	s := newEdSigner(t, "k1", nil)
	v := verifierOf(t, &fakeSource{keys: []*Key{s.key}}, WithoutIssuerCheck(), WithMaxTokenSize(1<<20))
	if r := v.Explain(t.Context(), s.token(boundPayload)); r.Err != nil || v.buffers.Get() != nil {
		t.Errorf("%v, or a report's buffer is kept", r.Err)
	}
	large := `{"iss":"https://issuer.example","x":"` + strings.Repeat("x", 2*maxPooledBuffer) + `"}`
	if _, err := v.Verify(t.Context(), s.token(large)); err != nil || v.buffers.Get() != nil {
		t.Errorf("%v, or a large buffer is kept", err)
	}
}
