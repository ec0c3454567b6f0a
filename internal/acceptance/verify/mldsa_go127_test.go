//go:build go1.27

package verify

import (
	"crypto"
	"crypto/mldsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

var mldsaParameters = []mldsa.Parameters{mldsa.MLDSA44(), mldsa.MLDSA65(), mldsa.MLDSA87()}

// mldsaMethod signs as golang-jwt's methods do, for the signer of these tests.
type mldsaMethod struct{ opts *mldsa.Options }

func (mldsaMethod) Alg() string                      { panic("not asked for") }
func (mldsaMethod) Verify(string, []byte, any) error { panic("not asked for") }
func (m mldsaMethod) Sign(signed string, key any) ([]byte, error) {
	return key.(crypto.Signer).Sign(nil, []byte(signed), m.opts)
}

// newMLDSA makes a signer with a fresh key.
func newMLDSA(tb testing.TB, params mldsa.Parameters, kid string) *testkit.Signer {
	tb.Helper()
	key, err := mldsa.GenerateKey(params)
	if err != nil {
		tb.Fatal(err)
	}
	return &testkit.Signer{Algorithm: params.String(), KeyID: kid, Key: key, Method: mldsaMethod{&mldsa.Options{}}}
}

// akp is the public key of s as RFC 9964 section 3 publishes it, with changes.
func akp(tb testing.TB, s *testkit.Signer, changes map[string]any) string {
	tb.Helper()
	pub := base64.RawURLEncoding.EncodeToString(s.Key.Public().(*mldsa.PublicKey).Bytes())
	members := map[string]any{"kty": "AKP", "kid": s.KeyID, "use": "sig", "alg": s.Algorithm, "pub": pub}
	for name, value := range changes {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func mldsaVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	opts = append(opts, jwks.WithoutTimeChecks(), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck())
	v, err := jwks.NewVerifier(source, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// TestMLDSA_FromIssuerToToken goes the whole way: an issuer publishes, a client
// fetches, a verifier verifies.
func TestMLDSA_FromIssuerToToken(t *testing.T) {
	for _, params := range mldsaParameters {
		t.Run(params.String(), func(t *testing.T) {
			issuer := jwkstest.New(t, jwkstest.WithAlgorithms(params.String(), "ES256"))
			client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			verifier, err := jwks.NewVerifier(client, jwks.WithAudience(testkit.Audience))
			if err != nil {
				t.Fatal(err)
			}
			token, err := verifier.Verify(t.Context(), issuer.Sign(map[string]any{"aud": testkit.Audience}))
			if err != nil {
				t.Fatal(err)
			}
			key := token.Key()
			if key.Type() != "AKP" || key.ID() != "k1" || key.Issuer() != issuer.URL() || !slices.Equal(key.Algorithms(), []string{params.String()}) {
				t.Errorf("key %s %s %s %s", key.Type(), key.ID(), key.Issuer(), key.Algorithms())
			}
			if pub, ok := key.Public().(*mldsa.PublicKey); !ok || pub.Parameters() != params {
				t.Errorf("public key %T", key.Public())
			}
			if token.Header().Algorithm != params.String() {
				t.Errorf("alg %s", token.Header().Algorithm)
			}
			if _, err := verifier.Verify(t.Context(), issuer.Sign(map[string]any{"aud": testkit.Audience}, jwkstest.WithKeyID("k2"))); err != nil {
				t.Errorf("the other key of the set: %v", err)
			}
			if kid := issuer.Rotate(); kid != "k3" {
				t.Fatalf("rotated to %s", kid)
			}
			if _, err := verifier.Verify(t.Context(), issuer.Sign(map[string]any{"aud": testkit.Audience})); err != nil {
				t.Errorf("after a rotation: %v", err)
			}
		})
	}
}

// TestMLDSA_ExamplesOfRFC9964 are those of appendix A.1. Their private keys are
// the seed of zeros and their signatures deterministic, so the few letters of
// each that stand here are as good as all of it.
func TestMLDSA_ExamplesOfRFC9964(t *testing.T) {
	for _, example := range []struct {
		params         mldsa.Parameters
		kid, signature string
	}{
		{mldsa.MLDSA44(), "T4xl70S7MT6Zeq6r9V9fPJGVn76wfnXJ21-gyo0Gu6o", "knI1Q_9CIzLH5Xy94Kkc7WVKqZcAgtJ3mNf0GUj1uLA6YXAWFJfXkh-zQxUt"},
		{mldsa.MLDSA65(), "Suiu29qbfuaBaR4Ats-c6XQBePB_OpAxAwcTR_0KXVM", "zmO9_0bLgJAegoVNymfRo4nGPK5lVtSFGnDbzfzYAD5mUEXpaBUg4itvZ8rA"},
		{mldsa.MLDSA87(), "tRn1JNIkgMsABVQBlXeDHxAIcclh-2IX0UdDEzPt5XU", "hmMrKkUgZwGPQV_WUoXUVq_Z9WOenDZbfMmHpKritl0btWi29TC8eIyQyT1F"},
	} {
		t.Run(example.params.String(), func(t *testing.T) {
			private, err := mldsa.NewPrivateKey(example.params, make([]byte, mldsa.PrivateKeySize))
			if err != nil {
				t.Fatal(err)
			}
			s := &testkit.Signer{Algorithm: example.params.String(), KeyID: example.kid, Key: private}
			set := testkit.ParseKeys(t, akp(t, s, nil))
			key, ok := set.Key(example.kid)
			if !ok || key.Thumbprint() != example.kid { // RFC 9964 section 6, RFC 7638
				t.Fatalf("thumbprint %s", key.Thumbprint())
			}
			signed := testkit.Segment(`{"alg":"`+s.Algorithm+`","kid":"`+s.KeyID+`"}`) + "." +
				testkit.Segment("It\u2019s a dangerous business, Frodo, going out your door.")
			signature, err := private.SignDeterministic([]byte(signed), nil)
			if err != nil {
				t.Fatal(err)
			}
			text := base64.RawURLEncoding.EncodeToString(signature)
			if !strings.HasPrefix(text, example.signature) {
				t.Fatalf("signature %s…, want %s…", text[:len(example.signature)], example.signature)
			}
			// The payload is not a claims set, which is the only complaint left
			// once the signature is verified.
			_, err = mldsaVerifier(t, set).Verify(t.Context(), signed+"."+text)
			if !errors.Is(err, jwt.ErrTokenMalformed) || errors.Is(err, jwt.ErrTokenSignatureInvalid) {
				t.Errorf("%v, want the claims to be malformed", err)
			}
			signature[len(signature)/2] ^= 1
			_, err = mldsaVerifier(t, set).Verify(t.Context(), signed+"."+base64.RawURLEncoding.EncodeToString(signature))
			if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
				t.Errorf("with one bit flipped: %v", err)
			}
		})
	}
}

// TestMLDSA_Selection: the key decides, and the algorithm of a token without kid
// finds the only key of its parameter set.
func TestMLDSA_Selection(t *testing.T) {
	s44, s65, s87 := newMLDSA(t, mldsa.MLDSA44(), "a"), newMLDSA(t, mldsa.MLDSA65(), "b"), newMLDSA(t, mldsa.MLDSA87(), "c")
	ed := testkit.NewSigner(t, "EdDSA", "e")
	set := testkit.ParseKeys(t, akp(t, s44, nil), akp(t, s65, nil), akp(t, s87, nil), ed.JWK())
	if set.Len() != 4 || len(set.Skipped()) != 0 {
		t.Fatalf("%d keys, skipped %v", set.Len(), set.Skipped())
	}
	verifier := mldsaVerifier(t, set)
	for _, s := range []*testkit.Signer{s44, s65, s87} {
		for _, header := range []string{s.Header(), `{"alg":"` + s.Algorithm + `"}`} {
			token, err := verifier.Verify(t.Context(), s.Sign(header, testkit.Payload(nil)))
			if err != nil {
				t.Errorf("%s: %v", header, err)
			} else if token.Key().ID() != s.KeyID {
				t.Errorf("%s: verified with %s", header, token.Key().ID())
			}
		}
	}
	if _, err := verifier.Verify(t.Context(), ed.Token(testkit.Payload(nil))); err != nil {
		t.Errorf("EdDSA beside them: %v", err)
	}
	again, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := jwks.ParseKeySet(again)
	if err != nil || copied.Len() != 4 {
		t.Fatalf("the set written and read again: %v", err)
	}
	if _, err := mldsaVerifier(t, copied).Verify(t.Context(), s65.Token(testkit.Payload(nil))); err != nil {
		t.Errorf("with the set written and read again: %v", err)
	}
}

func TestMLDSA_MismatchesAreRefused(t *testing.T) {
	s44, s65 := newMLDSA(t, mldsa.MLDSA44(), "a"), newMLDSA(t, mldsa.MLDSA65(), "b")
	other44 := newMLDSA(t, mldsa.MLDSA44(), "a")
	ed := testkit.NewSigner(t, "EdDSA", "e")
	set := testkit.ParseKeys(t, akp(t, s44, nil), akp(t, s65, nil), ed.JWK())
	payload := testkit.Payload(nil)
	signature := s44.Signature(testkit.Segment(s44.Header()) + "." + testkit.Segment(payload))
	with := func(signature []byte) string {
		return testkit.Segment(s44.Header()) + "." + testkit.Segment(payload) + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	withContext := *s44
	withContext.Method = mldsaMethod{&mldsa.Options{Context: "JWS"}}
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"another parameter set than the key's", s65.Sign(`{"alg":"ML-DSA-65","kid":"a"}`, payload), jwks.ErrAlgorithmNotAllowed},
		{"the signature of another parameter set", s65.Sign(s44.Header(), payload), jwt.ErrTokenSignatureInvalid},
		{"EdDSA under the kid of an AKP key", ed.Sign(`{"alg":"EdDSA","kid":"a"}`, payload), jwks.ErrAlgorithmNotAllowed},
		{"an Ed25519 signature under an AKP key", ed.Sign(s44.Header(), payload), jwt.ErrTokenSignatureInvalid},
		{"ML-DSA under the kid of an Ed25519 key", s44.Sign(`{"alg":"ML-DSA-44","kid":"e"}`, payload), jwks.ErrAlgorithmNotAllowed},
		{"a parameter set without a key", s44.Sign(`{"alg":"ML-DSA-87"}`, payload), jwks.ErrKeyNotFound},
		{"a name in lower case", s44.Sign(`{"alg":"ml-dsa-44","kid":"a"}`, payload), jwks.ErrAlgorithmNotAllowed},
		{"a variant that RFC 9964 does not register", s44.Sign(`{"alg":"HashML-DSA-44","kid":"a"}`, payload), jwks.ErrAlgorithmNotAllowed},
		{"another key", other44.Token(payload), jwt.ErrTokenSignatureInvalid},
		{"a context string", withContext.Token(payload), jwt.ErrTokenSignatureInvalid}, // RFC 9964 section 4: empty
		{"a short signature", with(signature[:len(signature)-1]), jwt.ErrTokenSignatureInvalid},
		{"a long signature", with(append(slices.Clone(signature), 0)), jwt.ErrTokenSignatureInvalid},
		{"zeros for a signature", with(make([]byte, len(signature))), jwt.ErrTokenSignatureInvalid},
		{"the truth, for comparison", with(signature), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := mldsaVerifier(t, set).Verify(t.Context(), test.token); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

func TestMLDSA_SkippedKeys(t *testing.T) {
	s := newMLDSA(t, mldsa.MLDSA44(), "a")
	good := testkit.NewSigner(t, "ES256", "good")
	for _, test := range []struct {
		name    string
		changes map[string]any
		want    string
	}{
		{"without alg", map[string]any{"alg": nil}, "alg is missing"},
		{"with the alg of another parameter set", map[string]any{"alg": "ML-DSA-65"}, "octets"},
		{"with alg EdDSA", map[string]any{"alg": "EdDSA"}, "does not fit AKP"},
		{"with the private seed", map[string]any{"priv": base64.RawURLEncoding.EncodeToString(make([]byte, 32))}, `private member "priv"`},
		{"with use enc", map[string]any{"use": "enc"}, `"enc" is not "sig"`},
		{"as OKP", map[string]any{"kty": "OKP"}, "crv is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := testkit.ParseKeys(t, akp(t, s, test.changes), good.JWK())
			skipped := set.Skipped()
			if set.Len() != 1 || len(skipped) != 1 || skipped[0].KeyID != "a" || !strings.Contains(skipped[0].Err.Error(), test.want) {
				t.Errorf("%d keys, skipped %v, want %q", set.Len(), skipped, test.want)
			}
			if _, err := mldsaVerifier(t, set).Verify(t.Context(), s.Token(testkit.Payload(nil))); !errors.Is(err, jwks.ErrKeyNotFound) {
				t.Errorf("a token of it: %v", err)
			}
			if _, err := mldsaVerifier(t, set).Verify(t.Context(), good.Token(testkit.Payload(nil))); err != nil {
				t.Errorf("the key beside it: %v", err)
			}
		})
	}
}

func TestMLDSA_ConfiguredByName(t *testing.T) {
	s44, s65 := newMLDSA(t, mldsa.MLDSA44(), "a"), newMLDSA(t, mldsa.MLDSA65(), "b")
	set := testkit.ParseKeys(t, akp(t, s44, nil), akp(t, s65, nil))
	verifier := mldsaVerifier(t, set, jwks.WithAlgorithms("ML-DSA-65", "ES256"))
	if _, err := verifier.Verify(t.Context(), s65.Token(testkit.Payload(nil))); err != nil {
		t.Error(err)
	}
	if _, err := verifier.Verify(t.Context(), s44.Token(testkit.Payload(nil))); !errors.Is(err, jwks.ErrAlgorithmNotAllowed) {
		t.Errorf("not configured: %v", err)
	}
}
