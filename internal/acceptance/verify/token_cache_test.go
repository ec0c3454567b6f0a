package verify

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// changingSource is a key source whose keys change, and that counts.
type changingSource struct {
	mu    sync.Mutex
	set   *jwks.KeySet
	err   error
	calls int
	asked string // the last issuer
}

func (s *changingSource) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.asked = s.calls+1, issuer
	if s.err != nil {
		return nil, s.err
	}
	return s.set.SigningKeys(ctx, h, issuer)
}

func (s *changingSource) change(set *jwks.KeySet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err = set, err
}

// A hit returns the same *Token as before, a miss another one.

func TestTokenCache_Hits(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	source := &changingSource{set: testkit.KeySetOf(t, s)}
	v := testkit.NewVerifier(t, source, jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	first := testkit.AcceptOnce(t, v, text)
	if testkit.AcceptOnce(t, v, text) != first || testkit.AcceptOnce(t, v, "Bearer "+strings.Clone(text)) != first {
		t.Error("the same token was verified again")
	}
	if source.calls != 3 || source.asked != testkit.Issuer {
		t.Errorf("the source was called %d times, last with %q", source.calls, source.asked)
	}
	if testkit.Accept(t, v, s.Token(testkit.Payload(nil))) == first { // an ES256 signature differs each time
		t.Error("another token of the same claims was taken for it")
	}
	other := testkit.NewVerifier(t, source, jwks.WithTokenCache(8))
	if testkit.Accept(t, other, text) == first {
		t.Error("verifiers share their tokens")
	}
	for _, off := range []*jwks.Verifier{testkit.NewVerifier(t, source, jwks.WithTokenCache(8), jwks.WithTokenCache(0)), testkit.NewVerifier(t, source, jwks.WithTokenCache(0))} {
		if first, again := testkit.Accept(t, off, text), testkit.Accept(t, off, text); first == again {
			t.Error("a token was remembered though the cache is off")
		}
	}
}

func TestTokenCache_TimesAreCheckedAgain(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	clock := testkit.NewClock()
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(8), clock.Option(), jwks.WithMaxTokenAge(2*time.Hour))
	text := s.Token(testkit.Payload(nil)) // for an hour
	first := testkit.Accept(t, v, text)
	clock.Advance(time.Hour + 29*time.Second)
	if testkit.Accept(t, v, text) != first {
		t.Error("no hit")
	}
	clock.Advance(time.Second)
	testkit.Refuse(t, v, text, jwt.ErrTokenExpired)
	clock.Advance(-time.Hour)
	if testkit.Accept(t, v, text) == first {
		t.Error("a token that expired was still remembered")
	}
	clock.Advance(-2 * time.Hour)
	testkit.Refuse(t, v, text, jwt.ErrTokenUsedBeforeIssued)
}

func TestTokenCache_EndsWithTheKey(t *testing.T) {
	s, other := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
	away := errors.New("away")
	good := testkit.KeySetOf(t, s)
	source := &changingSource{set: good}
	v := testkit.NewVerifier(t, source, jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	first := testkit.Accept(t, v, text)

	source.change(testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k2")), nil)
	testkit.Refuse(t, v, text, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
	source.change(good, nil)
	second := testkit.Accept(t, v, text)
	if second == first {
		t.Error("the entry outlived its key")
	}
	source.change(testkit.KeySetOf(t, other), nil) // another key under its kid
	testkit.Refuse(t, v, text, jwt.ErrTokenSignatureInvalid)
	source.change(good, nil)
	if testkit.Accept(t, v, text) == second {
		t.Error("the entry outlived its key")
	}

	source.change(testkit.ParseKeys(t, s.JWKWithAlg("ES256")), nil)
	refreshed := testkit.Accept(t, v, text)
	source.change(testkit.ParseKeys(t, s.JWKWithAlg("ES256")), nil) // the same key, parsed again
	again := testkit.Accept(t, v, text)
	if key, _ := source.set.Key("k1"); again.Key() != key || again.Key() == refreshed.Key() || again.Subject() != "user" || again.Raw() != text {
		t.Errorf("the token does not have the key of the current set: %+v", again)
	}
	if testkit.Accept(t, v, text) != again {
		t.Error("no hit")
	}

	source.change(nil, away)
	testkit.Refuse(t, v, text, jwks.ErrUnavailable, away)
	source.change(nil, jwks.ErrIssuerNotTrusted)
	testkit.Refuse(t, v, text, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
}

func TestTokenCache_AsksOnceForARemovedKey(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	source := &changingSource{set: testkit.KeySetOf(t, s)}
	v := testkit.NewVerifier(t, source, jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	testkit.Accept(t, v, text)
	source.calls = 0
	source.change(nil, jwks.ErrKeyNotFound)
	testkit.RefuseOnce(t, v, text, jwks.ErrKeyNotFound)
	if source.calls != 1 { // a second question may cost a second fetch
		t.Errorf("the source was asked %d times", source.calls)
	}
}

// TestTokenCache_KeysBesideAnError: a refusal counts, whatever a user's
// source returns beside it.
func TestTokenCache_KeysBesideAnError(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, s)
	var refusal error
	v := testkit.NewVerifier(t, testkit.SourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
		keys, _ := set.SigningKeys(ctx, h, issuer)
		return keys, refusal
	}), jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	testkit.Accept(t, v, text)
	refusal = jwks.ErrAlgorithmNotAllowed
	if _, err := v.Verify(context.Background(), text); !errors.Is(err, refusal) {
		t.Errorf("got %v, want %v", err, refusal)
	}
}

// TestTokenCache_KeyWithAnotherAlg: the cached set may be older
// than the issuer's, as for any token.
func TestTokenCache_KeyWithAnotherAlg(t *testing.T) {
	testkit.Bubble(t, "there and back", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(8))
		testkit.WantNoError(t, err)
		publish := func(s *testkit.Signer) {
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + s.JWKWithAlg(s.Algorithm) + `]}`)))
		}
		a, b := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
		text := a.Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
		publish(a)
		testkit.Accept(t, v, text)
		publish(b)
		time.Sleep(time.Second)
		_, err = c.Refresh(t.Context())
		testkit.WantNoError(t, err)
		publish(a)
		time.Sleep(time.Second)
		testkit.Accept(t, v, text)
	})
}

// TestTokenCache_CandidateLimit: what a full verification would not
// try must not make a hit either.
func TestTokenCache_CandidateLimit(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	key := func(s *testkit.Signer) *jwks.Key { k, _ := testkit.KeySetOf(t, s).Key("k1"); return k }
	keys := []*jwks.Key{nil, key(s)}
	v := testkit.NewVerifier(t, testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return keys, nil }), jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	if first := testkit.Accept(t, v, text); testkit.Accept(t, v, text) != first {
		t.Error("no hit")
	}
	for range 4 {
		keys = append([]*jwks.Key{key(testkit.NewSigner(t, "EdDSA", "k1"))}, keys...)
	}
	testkit.Refuse(t, v, text, jwt.ErrTokenSignatureInvalid)
	keys = []*jwks.Key{nil, new(jwks.Key)}
	testkit.Refuse(t, v, text, jwks.ErrKeyNotFound)
}

func TestTokenCache_RunsChecksAgain(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	blocked := errors.New("user is blocked")
	var answer error
	calls := 0
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(8), jwks.WithCheck(func(context.Context, *jwks.Token) error {
		calls++
		return answer
	}))
	text := s.Token(testkit.Payload(nil))
	first := testkit.AcceptOnce(t, v, text)
	if testkit.AcceptOnce(t, v, text) != first || calls != 2 {
		t.Errorf("%d calls", calls)
	}
	answer = jwks.ErrUnavailable
	testkit.Refuse(t, v, text, jwks.ErrUnavailable)
	answer = nil
	if testkit.Accept(t, v, text) != first {
		t.Error("an entry was dropped though nothing was decided")
	}
	answer = blocked
	testkit.Refuse(t, v, text, blocked, jwks.ErrTokenInvalid)
	answer = nil
	if testkit.Accept(t, v, text) == first {
		t.Error("a token that was refused was still remembered")
	}
}

func TestTokenCache_HoldsNoRefusedTokens(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	clock := testkit.NewClock()
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(1), clock.Option())
	valid := s.Token(testkit.Payload(nil))
	first := testkit.Accept(t, v, valid)
	for _, text := range []string{
		s.Token(testkit.Payload(map[string]any{"exp": testkit.Now - 100})),
		s.Token(testkit.Payload(map[string]any{"aud": "other"})),
		testkit.NewSigner(t, "EdDSA", "k1").Token(testkit.Payload(nil)),
		valid + "\n", "x", strings.Repeat("x", 1<<20),
	} {
		testkit.Refuse(t, v, text, jwks.ErrTokenInvalid)
	}
	if testkit.Accept(t, v, valid) != first { // there is room for one
		t.Error("a refused token took the place of a good one")
	}
}

func TestTokenCache_IsBounded(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(2))
	text := func(sub string) string { return s.Token(testkit.Payload(map[string]any{"sub": sub})) }
	a, b := testkit.Accept(t, v, text("a")), testkit.Accept(t, v, text("b"))
	if testkit.Accept(t, v, text("a")) != a || testkit.Accept(t, v, text("b")) != b {
		t.Error("no hit within the bound")
	}
	testkit.Accept(t, v, text("c"))
	if testkit.Accept(t, v, text("a")) == a {
		t.Error("the oldest of three was still there, with room for two")
	}
}

// TestTokenCache_ReleasesTheRequest: a token is a part of a longer text, which
// neither what is remembered of its header nor the cache may hold.
func TestTokenCache_ReleasesTheRequest(t *testing.T) {
	const size = 64 << 20
	s := testkit.NewSigner(t, "EdDSA", "k1")
	plain, cached := testkit.NewVerifier(t, testkit.KeySetOf(t, s)), testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(8))
	text := s.Token(testkit.Payload(nil))
	for range 2 {
		request := strings.Repeat(" ", size) + "Bearer " + text
		testkit.Accept(t, plain, request[size:])
		testkit.Accept(t, cached, request[size:])
	}
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > size/2 {
		t.Errorf("%d MiB are held", after.HeapAlloc>>20)
	}
	if got := testkit.Accept(t, cached, text).Raw(); got != text {
		t.Errorf("Raw is %q", got)
	}
	runtime.KeepAlive(plain)
}

func TestTokenCache_Parallel(t *testing.T) {
	s, other := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	source := &changingSource{set: testkit.KeySetOf(t, s)}
	sets := []*jwks.KeySet{testkit.KeySetOf(t, s), testkit.KeySetOf(t, other), testkit.KeySetOf(t, s)}
	v := testkit.NewVerifier(t, source, jwks.WithTokenCache(3))
	texts := []string{s.Token(testkit.Payload(nil)), other.Token(testkit.Payload(map[string]any{"sub": "other"})), s.Token(testkit.Payload(map[string]any{"sub": "third"}))}
	subs := []string{"user", "other", "third"}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 {
				if g == 0 {
					source.change(sets[i%len(sets)], nil)
				}
				n := (i + g) % len(texts)
				if got, err := v.Verify(context.Background(), texts[n]); err == nil && got.Subject() != subs[n] {
					t.Errorf("got the token of %q for that of %q", got.Subject(), subs[n])
				} else if err != nil && !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestTokenCache_BuildTag: the tag jwks_tokencache gives every verifier a cache,
// so that make test-cached does run all tests with one.
func TestTokenCache_BuildTag(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	token := s.Token(testkit.Payload(nil))
	first := testkit.AcceptOnce(t, v, token)
	if hit := testkit.AcceptOnce(t, v, token) == first; hit != cachedByDefault {
		t.Errorf("the second time was a hit: %t, want %t", hit, cachedByDefault)
	}
}
