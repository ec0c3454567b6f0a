package jwks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

const (
	testIssuer   = "https://issuer.example"
	testAudience = "api"
	testNow      = 1767225600 // 2026-01-01T00:00:00Z
)

func atTestNow() time.Time { return time.Unix(testNow, 0) }

// newVerifier makes a verifier for testIssuer and testAudience at testNow.
// Options that say otherwise win, and WithoutAudienceCheck and
// WithoutIssuerCheck need bareVerifier.
func newVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	return bareVerifier(tb, source, append([]jwks.VerifierOption{
		jwks.WithAudience(testAudience),
		jwks.WithExpectedIssuer(testIssuer),
	}, opts...)...)
}

// bareVerifier decides nothing but the clock.
func bareVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	v, err := jwks.NewVerifier(source, append([]jwks.VerifierOption{jwks.WithNow(atTestNow)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// accepted verifies a token that must verify, twice: with a token cache, which
// the build tag jwks_tokencache gives to every verifier, the second time takes
// another path.
func accepted(tb testing.TB, v *jwks.Verifier, token string) *jwks.Token {
	tb.Helper()
	verified(tb, v, token)
	return verified(tb, v, token)
}

// verified is accepted for tests that count: it verifies once.
func verified(tb testing.TB, v *jwks.Verifier, token string) *jwks.Token {
	tb.Helper()
	t, err := v.Verify(context.Background(), token)
	if err != nil {
		tb.Fatalf("refused: %v", err)
	}
	return t
}

// refused verifies a token that must not verify, and looks for the reasons in
// the error. Whatever the reason, what holds for all errors is checked too. It
// does so twice, and returns the error of the first time.
func refused(tb testing.TB, v *jwks.Verifier, token string, want ...error) error {
	tb.Helper()
	err := refusedOnce(tb, v, token, want...)
	refusedOnce(tb, v, token, want...)
	return err
}

// refusedOnce is refused for tests that count.
func refusedOnce(tb testing.TB, v *jwks.Verifier, token string, want ...error) error {
	tb.Helper()
	t, err := v.Verify(context.Background(), token)
	if err == nil {
		tb.Fatalf("accepted, want %v", want)
	}
	if t != nil {
		tb.Errorf("a token came with the error %v", err)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			tb.Errorf("got %v, which does not match %v", err, w)
		}
	}
	wellBehaved(tb, err, token)
	return err
}

// wellBehaved checks what every error of Verify has to be.
func wellBehaved(tb testing.TB, err error, token string) {
	tb.Helper()
	if invalid, unavailable := errors.Is(err, jwks.ErrTokenInvalid), errors.Is(err, jwks.ErrUnavailable); invalid == unavailable {
		tb.Errorf("%v: ErrTokenInvalid %t, ErrUnavailable %t, want exactly one", err, invalid, unavailable)
	}
	text := err.Error()
	if !strings.HasPrefix(text, "jwks: ") || strings.ContainsAny(text, "\r\n") || len(text) > 2000 {
		tb.Errorf("not one line that begins with the package: %q", text)
	}
	const telling = 12 // characters of a token that are no accident in an error
	for i := 0; i+telling <= len(token); i++ {
		if part := token[i : i+telling]; strings.Contains(text, part) && strings.Count(token, part) < 3 {
			tb.Errorf("the error %q has %q of the token", text, part)
			return
		}
	}
}

func TestEveryAlgorithmVerifies(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			s := newSigner(t, alg, "k1")
			set := keySetOf(t, s)
			for _, v := range []*jwks.Verifier{newVerifier(t, set), newVerifier(t, set, jwks.WithAlgorithms(alg))} {
				token := accepted(t, v, s.token(payloadWith(nil)))
				if got := token.Header().Algorithm; got != alg {
					t.Errorf("alg %s, want %s", got, alg)
				}
				tampered := s.token(payloadWith(map[string]any{"sub": "admin"}))
				honest := s.token(payloadWith(nil))
				tampered = tampered[:strings.LastIndexByte(tampered, '.')] + honest[strings.LastIndexByte(honest, '.'):]
				refused(t, v, tampered, jwt.ErrTokenSignatureInvalid, jwks.ErrTokenInvalid)
			}
		})
	}
}

// RFC 9864 section 2.2: the two names are of one algorithm.
func TestEdDSAAndEd25519AreOneAlgorithm(t *testing.T) {
	for _, configured := range []string{"EdDSA", "Ed25519"} {
		for _, published := range []string{"", "EdDSA", "Ed25519"} {
			for _, sent := range []string{"EdDSA", "Ed25519"} {
				s := newSigner(t, sent, "k1")
				v := newVerifier(t, parseKeys(t, s.jwkWith(published)), jwks.WithAlgorithms(configured))
				accepted(t, v, s.token(payloadWith(nil)))
			}
		}
	}
}

func TestBearerIsStripped(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	token := s.token(payloadWith(nil))
	// The prefix counts for nothing, not even for the size.
	v := newVerifier(t, keySetOf(t, s), jwks.WithMaxTokenSize(len(token)))
	for _, prefix := range []string{"", "Bearer ", "bearer ", "BEARER ", "bEaReR   "} {
		if got := accepted(t, v, prefix+token).Raw(); got != token {
			t.Errorf("%q: Raw is %q", prefix, got)
		}
	}
	v = newVerifier(t, keySetOf(t, s))
	for _, other := range []string{"Bearer" + token, "Bearer\t" + token, " Bearer " + token, " " + token, token + " ", token + "\n",
		"Bearer " + token + " ", "Basic " + token, "Bearer: " + token, "Bearer Bearer " + token, "Bearer", "Bearer ", "", " ", "\uFEFF" + token} {
		refused(t, v, other, jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
	}
}

func TestSizeComesFirst(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	token := s.token(payloadWith(nil))
	set := keySetOf(t, s)
	accepted(t, newVerifier(t, set, jwks.WithMaxTokenSize(len(token))), token)
	refused(t, newVerifier(t, set, jwks.WithMaxTokenSize(len(token)-1)), token, jwks.ErrTokenTooLarge)

	v := newVerifier(t, set, jwks.WithTokenCache(8))
	for _, text := range []string{strings.Repeat("\n", 16<<10+1), strings.Repeat(".", 1<<20), token + strings.Repeat("A", 16<<10)} {
		refused(t, v, text, jwks.ErrTokenTooLarge, jwks.ErrTokenInvalid)
	}
	refused(t, v, strings.Repeat("a", 16<<10), jwt.ErrTokenMalformed) // just within
	long := s.token(payloadWith(map[string]any{"roles": strings.Repeat("r", 11<<10)}))
	accepted(t, v, long)
}

// sourceFunc is a user's own key source. It knows nothing of issuers.
type sourceFunc func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error)

func (f sourceFunc) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	return f(ctx, h, issuer)
}

func TestWhatASourceIsAsked(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	set := keySetOf(t, s)
	var header jwks.Header
	var issuer string
	calls := 0
	v := bareVerifier(t, sourceFunc(func(ctx context.Context, h jwks.Header, iss string) ([]*jwks.Key, error) {
		calls++
		header, issuer = h, iss
		return set.SigningKeys(ctx, h, iss)
	}), jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck())

	verified(t, v, s.sign(`{"typ":"JWT","alg":"ES256","x5t":"one","x5t#S256":"two","kid":"k1","jku":"https://evil.example"}`, payloadWith(nil)))
	if want := (jwks.Header{Algorithm: "ES256", KeyID: "k1", Type: "JWT", X5t: "one", X5tS256: "two"}); header != want || issuer != testIssuer || calls != 1 {
		t.Errorf("asked %d times, last for %+v of %q", calls, header, issuer)
	}
	for name, iss := range map[string]any{"no iss": nil, "a null iss": jsonNull} {
		accepted(t, v, s.token(payloadWith(map[string]any{"iss": iss})))
		if issuer != "" {
			t.Errorf("%s: asked for %q", name, issuer)
		}
	}

	calls = 0
	for name, token := range map[string]string{
		"an unknown algorithm": s.sign(`{"alg":"none","kid":"k1"}`, payloadWith(nil)),
		"a bad form":           s.token(payloadWith(nil)) + "=",
		"crit":                 s.sign(`{"alg":"ES256","kid":"k1","crit":["exp"]}`, payloadWith(nil)),
	} {
		refused(t, v, token, jwks.ErrTokenInvalid)
		if calls != 0 {
			t.Errorf("%s: the source was asked", name)
		}
	}
}

func TestWhatASourceMayAnswer(t *testing.T) {
	s, other := newSigner(t, "ES256", "k1"), newSigner(t, "ES256", "k1")
	rsa := newSigner(t, "RS256", "k1")
	key := func(s *signer) *jwks.Key { k, _ := keySetOf(t, s).Key("k1"); return k }
	token := s.token(payloadWith(nil))
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
		{"a key that nobody read", []*jwks.Key{new(jwks.Key)}, nil, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"a plain error", nil, plain, []error{plain, jwks.ErrUnavailable}},
		{"a plain error beside keys", []*jwks.Key{key(s)}, plain, []error{plain, jwks.ErrUnavailable}},
		{"that the caller gave up", nil, context.Canceled, []error{context.Canceled, jwks.ErrUnavailable}},
		{"that the key is not there", nil, jwks.ErrKeyNotFound, []error{jwks.ErrKeyNotFound, jwks.ErrTokenInvalid}},
		{"that the issuer is not trusted", nil, jwks.ErrIssuerNotTrusted, []error{jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid}},
		{"an invalid key set", nil, jwks.ErrInvalidKeySet, []error{jwks.ErrInvalidKeySet, jwks.ErrUnavailable}},
		{"an error of both classes", nil, errors.Join(jwks.ErrTokenInvalid, jwks.ErrUnavailable), []error{jwks.ErrUnavailable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVerifier(t, sourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return test.keys, test.err }))
			if test.want == nil {
				accepted(t, v, token)
			} else {
				refused(t, v, token, test.want...)
			}
		})
	}
}

// A caller who gave up is told so by who does I/O; a key at hand still decides.
func TestACancelledCallerWithTheKeyAtHand(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newVerifier(t, keySetOf(t, s)).Verify(ctx, s.token(payloadWith(nil))); err != nil {
		t.Error(err)
	}
}
