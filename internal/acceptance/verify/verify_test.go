// Package verify shows which tokens a Verifier accepts, why it refuses the others, and
// what a verified Token tells; and the same through Keyfunc.
package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestVerify_EveryAlgorithm(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			s := testkit.NewSigner(t, alg, "k1")
			set := testkit.KeySetOf(t, s)
			for _, v := range []*jwks.Verifier{testkit.NewVerifier(t, set), testkit.NewVerifier(t, set, jwks.WithAlgorithms(alg))} {
				token := testkit.Accept(t, v, s.Token(testkit.Payload(nil)))
				if got := token.Header().Algorithm; got != alg {
					t.Errorf("alg %s, want %s", got, alg)
				}
				tampered := s.Token(testkit.Payload(map[string]any{"sub": "admin"}))
				honest := s.Token(testkit.Payload(nil))
				tampered = tampered[:strings.LastIndexByte(tampered, '.')] + honest[strings.LastIndexByte(honest, '.'):]
				testkit.Refuse(t, v, tampered, jwt.ErrTokenSignatureInvalid, jwks.ErrTokenInvalid)
			}
		})
	}
}

// RFC 9864 section 2.2: the two names are of one algorithm.
func TestVerify_EdDSAAndEd25519(t *testing.T) {
	for _, configured := range []string{"EdDSA", "Ed25519"} {
		for _, published := range []string{"", "EdDSA", "Ed25519"} {
			for _, sent := range []string{"EdDSA", "Ed25519"} {
				s := testkit.NewSigner(t, sent, "k1")
				v := testkit.NewVerifier(t, testkit.ParseKeys(t, s.JWKWithAlg(published)), jwks.WithAlgorithms(configured))
				testkit.Accept(t, v, s.Token(testkit.Payload(nil)))
			}
		}
	}
}

func TestVerify_BearerPrefix(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	token := s.Token(testkit.Payload(nil))
	// The prefix counts for nothing, not even for the size.
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithMaxTokenSize(len(token)))
	for _, prefix := range []string{"", "Bearer ", "bearer ", "BEARER ", "bEaReR   "} {
		if got := testkit.Accept(t, v, prefix+token).Raw(); got != token {
			t.Errorf("%q: Raw is %q", prefix, got)
		}
	}
	v = testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	for _, other := range []string{"Bearer" + token, "Bearer\t" + token, " Bearer " + token, " " + token, token + " ", token + "\n",
		"Bearer " + token + " ", "Basic " + token, "Bearer: " + token, "Bearer Bearer " + token, "Bearer", "Bearer ", "", " ", "\uFEFF" + token} {
		testkit.Refuse(t, v, other, jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
	}
}

func TestVerify_TokenSize(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	token := s.Token(testkit.Payload(nil))
	set := testkit.KeySetOf(t, s)
	testkit.Accept(t, testkit.NewVerifier(t, set, jwks.WithMaxTokenSize(len(token))), token)
	testkit.Refuse(t, testkit.NewVerifier(t, set, jwks.WithMaxTokenSize(len(token)-1)), token, jwks.ErrTokenTooLarge)

	v := testkit.NewVerifier(t, set, jwks.WithTokenCache(8))
	for _, text := range []string{strings.Repeat("\n", 16<<10+1), strings.Repeat(".", 1<<20), token + strings.Repeat("A", 16<<10)} {
		testkit.Refuse(t, v, text, jwks.ErrTokenTooLarge, jwks.ErrTokenInvalid)
	}
	testkit.Refuse(t, v, strings.Repeat("a", 16<<10), jwt.ErrTokenMalformed) // just within
	long := s.Token(testkit.Payload(map[string]any{"roles": strings.Repeat("r", 11<<10)}))
	testkit.Accept(t, v, long)
}

func TestSource_Arguments(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, s)
	var header jwks.Header
	var issuer string
	calls := 0
	v := testkit.NewBareVerifier(t, testkit.SourceFunc(func(ctx context.Context, h jwks.Header, iss string) ([]*jwks.Key, error) {
		calls++
		header, issuer = h, iss
		return set.SigningKeys(ctx, h, iss)
	}), jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck())

	testkit.AcceptOnce(t, v, s.Sign(`{"typ":"JWT","alg":"ES256","x5t":"one","x5t#S256":"two","kid":"k1","jku":"https://evil.example"}`, testkit.Payload(nil)))
	if want := (jwks.Header{Algorithm: "ES256", KeyID: "k1", Type: "JWT", X5t: "one", X5tS256: "two"}); header != want || issuer != testkit.Issuer || calls != 1 {
		t.Errorf("called %d times, last with %+v of %q", calls, header, issuer)
	}
	for name, iss := range map[string]any{"no iss": nil, "a null iss": testkit.JSONNull} {
		testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"iss": iss})))
		if issuer != "" {
			t.Errorf("%s: asked for %q", name, issuer)
		}
	}

	calls = 0
	for name, token := range map[string]string{
		"an unknown algorithm": s.Sign(`{"alg":"none","kid":"k1"}`, testkit.Payload(nil)),
		"a bad form":           s.Token(testkit.Payload(nil)) + "=",
		"crit":                 s.Sign(`{"alg":"ES256","kid":"k1","crit":["exp"]}`, testkit.Payload(nil)),
	} {
		testkit.Refuse(t, v, token, jwks.ErrTokenInvalid)
		if calls != 0 {
			t.Errorf("%s: the source was asked", name)
		}
	}
}

func TestSource_Answers(t *testing.T) {
	s, other := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
	rsa := testkit.NewSigner(t, "RS256", "k1")
	key := func(s *testkit.Signer) *jwks.Key { k, _ := testkit.KeySetOf(t, s).Key("k1"); return k }
	token := s.Token(testkit.Payload(nil))
	plain := errors.New("the database is away")

	for _, test := range []struct {
		name string
		keys []*jwks.Key
		err  error
		want []error // nil: accepted
	}{
		{"the key", []*jwks.Key{key(s)}, nil, nil},
		{"the key behind others", []*jwks.Key{key(other), key(rsa), nil, key(s)}, nil, nil},
		{"the key as the fourth that fits", []*jwks.Key{key(rsa), key(other), key(rsa), key(other), nil, key(other), key(s)}, nil, nil},
		{"the key as the fifth that fits", []*jwks.Key{key(other), key(other), key(other), key(other), key(s)}, nil, []error{jwt.ErrTokenSignatureInvalid}},
		{"another key", []*jwks.Key{key(other)}, nil, []error{jwt.ErrTokenSignatureInvalid, jwks.ErrTokenInvalid}},
		{"a key for other algorithms", []*jwks.Key{key(rsa)}, nil, []error{jwks.ErrAlgorithmNotAllowed, jwks.ErrTokenInvalid}},
		{"no keys", nil, nil, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"an empty list", []*jwks.Key{}, nil, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"nil keys", []*jwks.Key{nil, nil}, nil, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"the zero key", []*jwks.Key{new(jwks.Key)}, nil, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"a plain error", nil, plain, []error{plain, jwks.ErrUnavailable}},
		{"a plain error beside keys", []*jwks.Key{key(s)}, plain, []error{plain, jwks.ErrUnavailable}},
		{"that the caller gave up", nil, context.Canceled, []error{context.Canceled, jwks.ErrUnavailable}},
		{"that the key is not there", nil, jwks.ErrKeyNotFound, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"that the issuer is not trusted", nil, jwks.ErrIssuerNotTrusted, []error{jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid}},
		{"an invalid key set", nil, jwks.ErrInvalidKeySet, []error{jwks.ErrInvalidKeySet, jwks.ErrUnavailable}},
		{"an error of both classes", nil, errors.Join(jwks.ErrTokenInvalid, jwks.ErrUnavailable), []error{jwks.ErrUnavailable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := testkit.NewVerifier(t, testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return test.keys, test.err }))
			if test.want == nil {
				testkit.Accept(t, v, token)
			} else {
				testkit.Refuse(t, v, token, test.want...)
			}
		})
	}
}

// A canceled context stops I/O only: a key that is there still decides.
func TestVerify_CanceledContext(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := testkit.NewVerifier(t, testkit.KeySetOf(t, s)).Verify(ctx, s.Token(testkit.Payload(nil))); err != nil {
		t.Error(err)
	}
}
