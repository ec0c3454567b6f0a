package jwks_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestSeeds(t *testing.T) {
	bubble(t, "the first lookup fetches", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithKeySet(seedFrom(t, w)))
		if st := c.Status(); st.State != jwks.StateStale || !st.FetchedAt.IsZero() || !st.ExpiresAt.Equal(time.Now()) || !st.StaleUntil.Equal(time.Now().Add(time.Hour)) || len(st.KeyIDs) != 1 {
			t.Errorf("%+v", st)
		}
		w.issuer.SetFault(jwkstest.Delay(time.Second))
		if took := timed(func() { findsWithin(t, c, "k1", time.Minute) }); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if st := c.Status(); st.State != jwks.StateFresh || st.Fetches != 1 {
			t.Errorf("%+v", st)
		}
	})
	bubble(t, "while that fails the seed serves until the end of stale", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		w.issuer.SetFault(jwkstest.Hang())
		made := time.Now()
		c := w.client(jwks.WithKeySet(seed))
		if took := timed(func() { findsWithin(t, c, "k1", time.Minute) }); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		steadily(t, c, "k1", time.Second, time.Until(made.Add(time.Hour)))
		_, err := c.Key(t.Context(), "k1")
		wantError(t, err, jwks.ErrUnavailable)
		if e := w.told(jwks.EventServedStale); len(e) != 1 {
			t.Errorf("served stale %d times", len(e))
		}
	})
	bubble(t, "a fetched set takes its place", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		w.issuer.Rotate()
		w.issuer.RemoveKey("k1")
		c := w.client(jwks.WithKeySet(seed))
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		finds(t, c, "k2")
	})
	bubble(t, "WithMaxStale(0): it never serves", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		w.issuer.SetFault(jwkstest.Status(404))
		misses(t, w.client(jwks.WithKeySet(seed), jwks.WithMaxStale(0)), "k1", jwks.ErrUnavailable)
	})
	bubble(t, "its keys are bound to the client's issuer", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		w.issuer.SetFault(jwkstest.Status(404))
		c := w.client(jwks.WithKeySet(seed))
		key, err := c.Key(t.Context(), "k1")
		if err != nil || key.Issuer() != w.issuer.URL() {
			t.Errorf("bound to %q, %v", key.Issuer(), err)
		}
		if set, err := c.KeySet(t.Context()); err != nil || !everyKeyIsBound(set, w.issuer.URL()) {
			t.Errorf("the set is not, %v", err)
		}
		_, err = c.KeyForToken(t.Context(), w.issuer.Sign(map[string]any{"iss": "https://other.example"}))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
		if key, _ := seed.Key("k1"); key.Issuer() != "" {
			t.Error("the seed itself was changed")
		}
	})
	// The same bytes must not bring the seed's unbound keys back.
	bubble(t, "keys of an issuer that discovery names are bound to it, seed or not", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		c := w.bare(jwks.WithDiscoveryURL(w.issuer.URL()+discoveryPath), jwks.WithKeySet(seed))
		key, err := c.Key(t.Context(), "k1")
		if err != nil || key.Issuer() != w.issuer.URL() {
			t.Errorf("bound to %q, %v", key.Issuer(), err)
		}
		if st := c.Status(); st.Issuer != w.issuer.URL() {
			t.Errorf("status %+v", st)
		}
	})
	bubble(t, "it has no discovery document", func(t *testing.T) {
		w := newWorld(t)
		seed := seedFrom(t, w)
		w.issuer.SetFault(jwkstest.Status(404))
		c := w.client(jwks.WithKeySet(seed))
		for range 1000 { // the backoff holds
			_, err := c.Metadata(t.Context())
			wantError(t, err, jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.issuer.Requests().Discovery; n > 50 {
			t.Errorf("%d requests in 100 s", n)
		}
		w.issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute)
		m, err := c.Metadata(t.Context())
		for err != nil { // the attempt that this call began is in the background
			synctest.Wait()
			m, err = c.Metadata(t.Context())
		}
		if m.Issuer != w.issuer.URL() {
			t.Errorf("%+v", m)
		}
	})
	bubble(t, "a set with no key for the issuer is refused", func(t *testing.T) {
		foreign := strings.TrimSuffix(newSigner(t, "ES256", "k1").jwk(), "}") + `,"issuer":"https://other.example"}`
		_, err := jwks.NewClient(jwks.WithIssuer("https://issuer.example"), jwks.WithKeySet(parseKeys(t, foreign)))
		if !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithKeySet") {
			t.Errorf("%v", err)
		}
	})
}

func everyKeyIsBound(set *jwks.KeySet, issuer string) bool {
	for k := range set.All() {
		if k.Issuer() != issuer {
			return false
		}
	}
	return true
}

func TestWithoutCache(t *testing.T) {
	bubble(t, "every lookup fetches", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithoutCache())
		for n := 1; n <= 10; n++ {
			finds(t, c, "k1")
			if got := w.issuer.Requests(); got.JWKS != n || got.Discovery != n {
				t.Fatalf("after %d lookups %+v", n, got)
			}
		}
		if kids := kidsIn(t, c); len(kids) != 1 || w.issuer.Requests().JWKS != 11 {
			t.Errorf("KeySet %v, %+v", kids, w.issuer.Requests())
		}
		if _, err := c.Metadata(t.Context()); err != nil || w.issuer.Requests().Discovery != 12 {
			t.Errorf("Metadata: %v, %+v", err, w.issuer.Requests())
		}
	})
	bubble(t, "a bad signature is no lookup", func(t *testing.T) {
		w := newWorld(t)
		v, err := jwks.NewVerifier(w.client(jwks.WithoutCache()), jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), newSigner(t, "ES256", "k1").token(`{"iss":"`+w.issuer.URL()+`","exp":9999999999}`))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		if n := w.issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "neither budget nor memory holds unknown kids up", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithoutCache())
		for range 100 {
			misses(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if got := w.issuer.Requests().JWKS; got != 100 {
			t.Errorf("%d requests for 100 lookups", got)
		}
		w.issuer.Rotate()
		finds(t, c, "k2")
		w.issuer.RemoveKey("k2")
		misses(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); st.Throttled != 0 {
			t.Errorf("%+v", st)
		}
	})
	bubble(t, "concurrent lookups may share", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetFault(jwkstest.Delay(time.Second))
		c := w.client(jwks.WithoutCache())
		done := make(chan error)
		for range 10 {
			go func() { _, err := c.Key(t.Context(), "k1"); done <- err }()
		}
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := w.issuer.Requests().JWKS; got != 1 {
			t.Errorf("%d requests", got)
		}
	})
	bubble(t, "there are no stale answers, and the backoff holds", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithoutCache(), jwks.WithKeySet(seedFrom(t, w)))
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Status(404))
		w.sent("")
		for range 600 {
			misses(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(w.sent(discoveryPath)); n < 3 || n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
		if e := w.told(jwks.EventServedStale); len(e) != 0 {
			t.Errorf("told %v", e)
		}
	})
	bubble(t, "Run has nothing to do", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithoutCache())
		done := make(chan error)
		go func() { done <- c.Run(t.Context()) }()
		time.Sleep(time.Hour)
		if n := w.issuer.Requests().JWKS; n != 0 {
			t.Errorf("%d requests", n)
		}
		_ = c.Close()
		if err := <-done; !errors.Is(err, jwks.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

// seedFrom is the issuer's set as it is now.
func seedFrom(t *testing.T, w *world) *jwks.KeySet {
	t.Helper()
	return mustParse(t, answerOf(t, w))
}
