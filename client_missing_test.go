package jwks_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestMissingKidsAreRemembered(t *testing.T) {
	bubble(t, "for a minute", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		for range 60 { // one stale client does not drain the budget
			misses(t, c, "gone", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Second)
		}
		if n := len(w.sent("")); n != 1 {
			t.Errorf("%d requests in a minute", n)
		}
		misses(t, c, "gone", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(w.sent("")); n != 1 {
			t.Errorf("%d requests after it", n)
		}
	})
	bubble(t, "until the set changes", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		misses(t, c, "gone", jwks.ErrKeyNotFound)
		w.issuer.Rotate()
		finds(t, c, "k2")
		w.sent("")
		misses(t, c, "gone", jwks.ErrKeyNotFound)
		if n := len(w.sent("")); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "also by those who joined the refresh for it", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		w.issuer.SetJWKSFault(jwkstest.Delay(50 * time.Millisecond))
		var waiting sync.WaitGroup
		for range 20 {
			waiting.Go(func() {
				if _, err := c.Key(t.Context(), "gone"); !errors.Is(err, jwks.ErrKeyNotFound) || !errors.Is(err, jwks.ErrTokenInvalid) {
					t.Errorf("got %v", err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		waiting.Wait()
		if n := len(w.sent("")); n != 1 {
			t.Errorf("%d requests for one key", n)
		}
	})
	bubble(t, "by x5t and by algorithm too", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		for _, h := range []jwks.Header{{Algorithm: "RS256", X5t: "x"}, {Algorithm: "RS256", X5tS256: "x"}, {Algorithm: "RS256"}} {
			for range 10 {
				_, err := c.SigningKeys(t.Context(), h, "")
				wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			}
			if n := len(w.sent("")); n != 1 {
				t.Errorf("%+v: %d requests", h, n)
			}
		}
	})
	bubble(t, "all unknown algorithms as one", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		for i := range 10 {
			_, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: strings.Repeat("x", i+1)}, "")
			wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			misses(t, c, "", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound) // a key without a kid is another thing
		}
		if n := len(w.sent("")); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "not when the budget refused them", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(30*time.Second, 1))
		finds(t, c, "k1")
		misses(t, c, "junk", jwks.ErrKeyNotFound)
		misses(t, c, "k2", jwks.ErrKeyNotFound) // no budget
		w.issuer.Rotate()
		time.Sleep(30 * time.Second)
		finds(t, c, "k2")
	})
	bubble(t, "as many as WithKeyCacheSize says", func(t *testing.T) {
		for size, want := range map[int]int{0: 4, 1: 4, 2: 2, 1024: 2} {
			w := newWorld(t)
			c := w.client(jwks.WithKeyCacheSize(size))
			finds(t, c, "k1")
			w.sent("")
			for range 2 {
				misses(t, c, "a", jwks.ErrKeyNotFound)
				misses(t, c, "b", jwks.ErrKeyNotFound)
			}
			if n := len(w.sent("")); n != want {
				t.Errorf("size %d: %d requests for two kids asked for twice, want %d", size, n, want)
			}
		}
	})
	bubble(t, "a kid that no key can have is refused without asking", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		long := strings.Repeat("k", 257)
		for _, h := range []jwks.Header{{KeyID: long}, {X5t: long}, {X5tS256: long}} {
			_, err := c.SigningKeys(t.Context(), h, "")
			wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if strings.Contains(err.Error(), long) {
				t.Errorf("%v: shows all of it", err)
			}
		}
		misses(t, c, long, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		misses(t, c, long[:256], jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(w.sent(jwksPath)); n != 1 {
			t.Errorf("for the longest kid %d requests", n)
		}
	})
}
