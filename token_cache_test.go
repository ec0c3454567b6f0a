package jwks_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
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

// clock is a time that tests move.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.now.Store(testNow)
	return c
}

func (c *clock) advance(d time.Duration) { c.now.Add(int64(d / time.Second)) }
func (c *clock) option() jwks.VerifierOption {
	return jwks.WithNow(func() time.Time { return time.Unix(c.now.Load(), 0) })
}

// A hit is told from a miss by the token that comes back: the same one.

func TestTokenCacheHits(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	source := &changingSource{set: keySetOf(t, s)}
	v := newVerifier(t, source, jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	first := verified(t, v, text)
	if verified(t, v, text) != first || verified(t, v, "Bearer "+strings.Clone(text)) != first {
		t.Error("the token that came again was verified anew")
	}
	if source.calls != 3 || source.asked != testIssuer {
		t.Errorf("the source was asked %d times, last for %q", source.calls, source.asked)
	}
	if accepted(t, v, s.token(payloadWith(nil))) == first { // an ES256 signature differs each time
		t.Error("another token of the same claims was taken for it")
	}
	other := newVerifier(t, source, jwks.WithTokenCache(8))
	if accepted(t, other, text) == first {
		t.Error("verifiers share their tokens")
	}
	for _, off := range []*jwks.Verifier{newVerifier(t, source, jwks.WithTokenCache(8), jwks.WithTokenCache(0)), newVerifier(t, source, jwks.WithTokenCache(0))} {
		if first, again := accepted(t, off, text), accepted(t, off, text); first == again {
			t.Error("a token was remembered though the cache is off")
		}
	}
}

func TestTokenCacheJudgesTimesAnew(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	clock := newClock()
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(8), clock.option(), jwks.WithMaxTokenAge(2*time.Hour))
	text := s.token(payloadWith(nil)) // for an hour
	first := accepted(t, v, text)
	clock.advance(time.Hour + 29*time.Second)
	if accepted(t, v, text) != first {
		t.Error("no hit")
	}
	clock.advance(time.Second)
	refused(t, v, text, jwt.ErrTokenExpired)
	clock.advance(-time.Hour)
	if accepted(t, v, text) == first {
		t.Error("a token that expired was still remembered")
	}
	clock.advance(-2 * time.Hour)
	refused(t, v, text, jwt.ErrTokenUsedBeforeIssued)
}

func TestTokenCacheEndsWithTheKey(t *testing.T) {
	s, other := newSigner(t, "ES256", "k1"), newSigner(t, "ES256", "k1")
	away := errors.New("away")
	good := keySetOf(t, s)
	source := &changingSource{set: good}
	v := newVerifier(t, source, jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	first := accepted(t, v, text)

	source.change(keySetOf(t, newSigner(t, "ES256", "k2")), nil)
	refused(t, v, text, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
	source.change(good, nil)
	second := accepted(t, v, text)
	if second == first {
		t.Error("the entry outlived its key")
	}
	source.change(keySetOf(t, other), nil) // another key under its kid
	refused(t, v, text, jwt.ErrTokenSignatureInvalid)
	source.change(good, nil)
	if accepted(t, v, text) == second {
		t.Error("the entry outlived its key")
	}

	source.change(parseKeys(t, s.jwkWith("ES256")), nil)
	refreshed := accepted(t, v, text)
	source.change(parseKeys(t, s.jwkWith("ES256")), nil) // the same key, read anew
	again := accepted(t, v, text)
	if key, _ := source.set.Key("k1"); again.Key() != key || again.Key() == refreshed.Key() || again.Subject() != "user" || again.Raw() != text {
		t.Errorf("the token does not have the key of the current set: %+v", again)
	}
	if accepted(t, v, text) != again {
		t.Error("no hit")
	}

	source.change(nil, away)
	refused(t, v, text, jwks.ErrUnavailable, away)
	source.change(nil, jwks.ErrIssuerNotTrusted)
	refused(t, v, text, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
}

func TestTokenCacheAsksOnceForAKeyThatLeft(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	source := &changingSource{set: keySetOf(t, s)}
	v := newVerifier(t, source, jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	accepted(t, v, text)
	source.calls = 0
	source.change(nil, jwks.ErrKeyNotFound)
	refusedOnce(t, v, text, jwks.ErrKeyNotFound)
	if source.calls != 1 { // a second question may cost a second fetch
		t.Errorf("the source was asked %d times", source.calls)
	}
}

// TestTokenCacheTakesNoKeysBesideAnError: a refusal counts, whatever a user's
// source returns beside it.
func TestTokenCacheTakesNoKeysBesideAnError(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	set := keySetOf(t, s)
	var refusal error
	v := newVerifier(t, sourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
		keys, _ := set.SigningKeys(ctx, h, issuer)
		return keys, refusal
	}), jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	accepted(t, v, text)
	refusal = jwks.ErrAlgorithmNotAllowed
	if _, err := v.Verify(context.Background(), text); !errors.Is(err, refusal) {
		t.Errorf("got %v, want %v", err, refusal)
	}
}

// TestTokenCacheForgetsATokenWhoseKeyChangedItsAlg: the set at hand may be older
// than the issuer's, as for any token.
func TestTokenCacheForgetsATokenWhoseKeyChangedItsAlg(t *testing.T) {
	bubble(t, "there and back", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(8))
		wantNoError(t, err)
		publish := func(s *signer) { w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + s.jwkWith(s.alg) + `]}`))) }
		a, b := newSigner(t, "ES256", "k1"), newSigner(t, "EdDSA", "k1")
		text := a.token(`{"iss":"` + w.issuer.URL() + `","exp":9999999999}`)
		publish(a)
		accepted(t, v, text)
		publish(b)
		time.Sleep(time.Second)
		_, err = c.Refresh(t.Context())
		wantNoError(t, err)
		publish(a)
		time.Sleep(time.Second)
		accepted(t, v, text)
	})
}

// TestTokenCacheOnlyTheFirstCandidatesCount: what a full verification would not
// try must not make a hit either.
func TestTokenCacheOnlyTheFirstCandidatesCount(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	key := func(s *signer) *jwks.Key { k, _ := keySetOf(t, s).Key("k1"); return k }
	keys := []*jwks.Key{nil, key(s)}
	v := newVerifier(t, sourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return keys, nil }), jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	if first := accepted(t, v, text); accepted(t, v, text) != first {
		t.Error("no hit")
	}
	for range 4 {
		keys = append([]*jwks.Key{key(newSigner(t, "EdDSA", "k1"))}, keys...)
	}
	refused(t, v, text, jwt.ErrTokenSignatureInvalid)
	keys = []*jwks.Key{nil, new(jwks.Key)}
	refused(t, v, text, jwks.ErrKeyNotFound)
}

func TestTokenCacheRunsChecksAgain(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	blocked := errors.New("user is blocked")
	var answer error
	calls := 0
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(8), jwks.WithCheck(func(context.Context, *jwks.Token) error {
		calls++
		return answer
	}))
	text := s.token(payloadWith(nil))
	first := verified(t, v, text)
	if verified(t, v, text) != first || calls != 2 {
		t.Errorf("%d calls", calls)
	}
	answer = jwks.ErrUnavailable
	refused(t, v, text, jwks.ErrUnavailable)
	answer = nil
	if accepted(t, v, text) != first {
		t.Error("an entry was dropped though nothing was decided")
	}
	answer = blocked
	refused(t, v, text, blocked, jwks.ErrTokenInvalid)
	answer = nil
	if accepted(t, v, text) == first {
		t.Error("a token that was refused was still remembered")
	}
}

func TestTokenCacheNeverHoldsRefusedTokens(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	clock := newClock()
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(1), clock.option())
	valid := s.token(payloadWith(nil))
	first := accepted(t, v, valid)
	for _, text := range []string{
		s.token(payloadWith(map[string]any{"exp": testNow - 100})),
		s.token(payloadWith(map[string]any{"aud": "other"})),
		newSigner(t, "EdDSA", "k1").token(payloadWith(nil)),
		valid + "\n", "x", strings.Repeat("x", 1<<20),
	} {
		refused(t, v, text, jwks.ErrTokenInvalid)
	}
	if accepted(t, v, valid) != first { // there is room for one
		t.Error("a refused token took the place of a good one")
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(2))
	text := func(sub string) string { return s.token(payloadWith(map[string]any{"sub": sub})) }
	a, b := accepted(t, v, text("a")), accepted(t, v, text("b"))
	if accepted(t, v, text("a")) != a || accepted(t, v, text("b")) != b {
		t.Error("no hit within the bound")
	}
	accepted(t, v, text("c"))
	if accepted(t, v, text("a")) == a {
		t.Error("the oldest of three was still there, with room for two")
	}
}

// TestNothingKeepsTheRequestAlive: a token is a part of a longer text, which
// neither what is remembered of its header nor the cache may hold.
func TestNothingKeepsTheRequestAlive(t *testing.T) {
	const size = 64 << 20
	s := newSigner(t, "EdDSA", "k1")
	plain, cached := newVerifier(t, keySetOf(t, s)), newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(8))
	text := s.token(payloadWith(nil))
	for range 2 {
		request := strings.Repeat(" ", size) + "Bearer " + text
		accepted(t, plain, request[size:])
		accepted(t, cached, request[size:])
	}
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > size/2 {
		t.Errorf("%d MiB are held", after.HeapAlloc>>20)
	}
	if got := accepted(t, cached, text).Raw(); got != text {
		t.Errorf("Raw is %q", got)
	}
	runtime.KeepAlive(plain)
}

func TestTokenCacheInParallel(t *testing.T) {
	s, other := newSigner(t, "EdDSA", "k1"), newSigner(t, "EdDSA", "k1")
	source := &changingSource{set: keySetOf(t, s)}
	sets := []*jwks.KeySet{keySetOf(t, s), keySetOf(t, other), keySetOf(t, s)}
	v := newVerifier(t, source, jwks.WithTokenCache(3))
	texts := []string{s.token(payloadWith(nil)), other.token(payloadWith(map[string]any{"sub": "other"})), s.token(payloadWith(map[string]any{"sub": "third"}))}
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
