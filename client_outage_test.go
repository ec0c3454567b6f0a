package jwks_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestOutage(t *testing.T) {
	bubble(t, "every known key verifies until the end of stale, then it is unavailable, then all is fresh again", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Rotate()
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		tokens := map[string]string{}
		for _, kid := range []string{"k1", "k2"} {
			tokens[kid] = w.issuer.Sign(map[string]any{"exp": nil}, jwkstest.WithKeyID(kid))
		}
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.DropConnection())
		for w.elapsed() < ttl+time.Hour-1 {
			for kid, token := range tokens {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Fatalf("%s after %v: %v", kid, w.elapsed(), err)
				}
			}
			want := jwks.StateFresh
			if w.elapsed() >= ttl {
				want = jwks.StateStale
			}
			if w.elapsed() >= ttl && w.elapsed() < ttl+time.Hour-20*time.Second {
				_, err := c.Key(t.Context(), "k3") // now and then it waits for an attempt, which must end in time
				if wantError(t, err, jwks.ErrUnavailable, jwks.ErrKeyNotFound); !strings.Contains(err.Error(), `key "k3"`) {
					t.Errorf("%v does not name the key", err)
				}
			}
			if st := c.Status(); st.State != want {
				t.Fatalf("after %v: %v", w.elapsed(), st.State)
			}
			time.Sleep(min(time.Second, ttl+time.Hour-1-w.elapsed()))
		}
		stale := w.told(jwks.EventServedStale)
		if len(stale) != 1 || stale[0].at < ttl || stale[0].at > ttl+time.Second || stale[0].Err == nil {
			t.Errorf("served stale: %v", stale)
		}
		time.Sleep(time.Nanosecond)
		if st := c.Status(); st.State != jwks.StateExpired || len(st.KeyIDs) != 2 {
			t.Errorf("at the end of stale: %+v", st)
		}
		for range 100 { // some of them wait for an attempt
			_, err := v.Verify(t.Context(), tokens["k1"])
			wantError(t, err, jwks.ErrUnavailable)
			_, err = c.KeySet(t.Context())
			wantError(t, err, jwks.ErrUnavailable)
			if errors.Is(err, jwks.ErrKeyNotFound) {
				t.Errorf("%v matches ErrKeyNotFound", err)
			}
			time.Sleep(time.Second)
		}
		w.issuer.SetFault(jwkstest.None())
		w.told()
		time.Sleep(time.Minute) // one step of the backoff at most
		for kid, token := range tokens {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("%s when the issuer is back: %v", kid, err)
			}
		}
		st := c.Status()
		if st.State != jwks.StateFresh || st.ConsecutiveFailures != 0 || !st.NextAttempt.IsZero() || st.LastError == nil || st.LastErrorAt.IsZero() {
			t.Errorf("when the issuer is back: %+v", st)
		}
		if e := w.told(); len(e) != 1 || e[0].Kind != jwks.EventNotModified {
			t.Errorf("when the issuer is back: %v", e)
		}
	})
	bubble(t, "while stale serves, recovery takes one step of the backoff", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Status(503))
		steadily(t, c, "k1", time.Second, ttl+30*time.Minute)
		w.issuer.SetFault(jwkstest.None())
		steadily(t, c, "k1", time.Second, time.Minute+15*time.Second)
		if st := c.Status(); st.State != jwks.StateFresh {
			t.Errorf("%v", st.State)
		}
	})
	bubble(t, "a key published during the outage verifies its first token once no backoff runs", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRetries(0))
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Status(503))
		time.Sleep(ttl + time.Minute)
		finds(t, c, "k1")
		time.Sleep(time.Minute) // the backoff is over, and nobody asked
		w.issuer.SetFault(jwkstest.None())
		w.issuer.Rotate()
		finds(t, c, "k2")
	})
	bubble(t, "each spell of serving stale is told once", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		for spell := range 3 {
			w.issuer.SetFault(jwkstest.Status(404))
			steadily(t, c, "k1", time.Second, ttl+10*time.Minute)
			if n := len(w.told(jwks.EventServedStale)); n != 1 {
				t.Errorf("spell %d was told %d times", spell, n)
			}
			w.issuer.SetFault(jwkstest.None())
			steadily(t, c, "k1", time.Second, 2*time.Minute)
			if n := len(w.told(jwks.EventServedStale)); n != 0 {
				t.Errorf("after spell %d: told %d times", spell, n)
			}
		}
	})
	bubble(t, "over an hour the issuer sees what the backoff allows", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Status(503))
		time.Sleep(ttl)
		w.sent("")
		w.told()
		steadily(t, c, "k1", 100*time.Millisecond, time.Hour)
		failures := w.told(jwks.EventRefreshFailed)
		requests := len(w.sent(""))
		// The mean step is 30 s once the backoff is at its longest: 120 steps
		// and a few short ones at the start. 200 of them would be far off.
		if len(failures) < 60 || len(failures) > 200 {
			t.Errorf("%d refreshes in an hour", len(failures))
		}
		// One more refresh may be under way when the hour ends.
		if n := 3 * len(failures); requests < n || requests > n+3 {
			t.Errorf("%d requests for %d refreshes of 3 attempts", requests, len(failures))
		}
		for i := 1; i < len(failures); i++ {
			if gap := failures[i].at - failures[i-1].at; gap < 100*time.Millisecond || gap > time.Minute+2*time.Second {
				t.Errorf("refreshes %d and %d are %v apart", i-1, i, gap)
			}
		}
		t.Logf("an hour of outage at 10 lookups/s: %d refreshes, %d requests", len(failures), requests)
	})
	bubble(t, "an issuer that is down from the start is asked under the same backoff", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRetries(0))
		w.issuer.SetFault(jwkstest.Status(503))
		for range 36_000 {
			misses(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.issuer.Requests().Discovery; n < 60 || n > 200 {
			t.Errorf("%d requests in an hour", n)
		}
	})
	bubble(t, "nobody waits for the network during a backoff", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		w.issuer.SetFault(jwkstest.Hang())
		_, err := c.Key(t.Context(), "k1")
		wantError(t, err, jwks.ErrUnavailable)
		for time.Now().Before(c.Status().NextAttempt) {
			misses(t, c, "k1", jwks.ErrUnavailable)
			if err := c.Ready(t.Context()); !errors.Is(err, jwks.ErrUnavailable) {
				t.Errorf("Ready: %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// Not even for the operator's own attempt.
		w.issuer.SetFault(jwkstest.Status(404))
		if _, err := c.Refresh(t.Context()); err == nil {
			t.Fatal("Refresh against a 404 succeeded")
		}
		w.issuer.SetFault(jwkstest.Delay(50 * time.Millisecond))
		done := make(chan error)
		go func() { _, err := c.Refresh(t.Context()); done <- err }()
		synctest.Wait()
		misses(t, c, "k1", jwks.ErrUnavailable)
		if err := <-done; err != nil {
			t.Errorf("Refresh during a backoff: %v", err)
		}
		finds(t, c, "k1")
	})
}

func TestTheFirstLookupAfterALongSilence(t *testing.T) {
	tests := []struct {
		rule  string
		fault jwkstest.Fault
		wait  time.Duration // how long it takes
	}{
		{"waits for the fetch", jwkstest.Delay(2 * time.Second), 4 * time.Second},
		{"and is answered from the stale set when the first attempt fails", jwkstest.Status(503), 0},
		{"or hangs", jwkstest.Hang(), 5 * time.Second},
		{"or is refused for good", jwkstest.Status(403), 0},
	}
	for _, tt := range tests {
		bubble(t, tt.rule, func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			finds(t, c, "k1")
			time.Sleep(ttl + time.Minute)
			w.issuer.SetFault(tt.fault)
			if took := timed(func() { findsWithin(t, c, "k1", time.Minute) }); took != tt.wait {
				t.Errorf("it took %v, want %v", took, tt.wait)
			}
		})
	}
	bubble(t, "a key set that hangs costs no more", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		time.Sleep(ttl + time.Minute)
		w.issuer.SetJWKSFault(jwkstest.Hang())
		if took := timed(func() { findsWithin(t, c, "k1", time.Minute) }); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		finds(t, c, "k1") // at once while the fetch goes on
		if e := w.told(jwks.EventServedStale, jwks.EventRefreshFailed); len(e) != 1 || e[0].Kind != jwks.EventServedStale || e[0].Err == nil {
			t.Errorf("told %v", e)
		}
		misses(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		if n := w.issuer.Requests().JWKS; n != 2 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "a 404 at the first of several places of discovery is no failure", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.replying(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case discoveryPath:
				return answer(404, "{}")
			case "/.well-known/oauth-authorization-server":
				return answer(200, `{"issuer":"`+w.issuer.URL()+`","jwks_uri":"`+w.issuer.JWKSURL()+`"}`)
			}
			return nil
		})
		w.issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		time.Sleep(ttl + time.Minute)
		if took := timed(func() { findsWithin(t, c, "k1", time.Minute) }); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if e := w.told(jwks.EventServedStale, jwks.EventRefreshFailed); len(e) != 0 {
			t.Errorf("told %v", e)
		}
	})
	// A removed key is accepted for at most a TTL and one deadline while the
	// issuer answers, and an old failure is no excuse.
	bubble(t, "an old failure does not excuse a stale answer", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Rotate()
		c := w.client()
		finds(t, c, "k1")
		time.Sleep(ttl)
		w.issuer.SetFault(jwkstest.Status(404))
		finds(t, c, "k1") // stale
		w.issuer.SetFault(jwkstest.None())
		w.issuer.RemoveKey("k1")
		time.Sleep(ttl)
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
}

func TestMaxStale(t *testing.T) {
	for _, maxStale := range []time.Duration{0, time.Minute, 24 * time.Hour} {
		bubble(t, maxStale.String(), func(t *testing.T) {
			w := newWorld(t)
			c := w.client(jwks.WithMaxStale(maxStale))
			finds(t, c, "k1")
			w.issuer.SetFault(jwkstest.Status(404))
			time.Sleep(ttl + maxStale - 1)
			finds(t, c, "k1")
			time.Sleep(time.Nanosecond)
			misses(t, c, "k1", jwks.ErrUnavailable)
			if st := c.Status(); st.State != jwks.StateExpired || !st.StaleUntil.Equal(time.Now()) {
				t.Errorf("%+v", st)
			}
			if maxStale == 0 {
				if e := w.told(jwks.EventServedStale); len(e) != 0 {
					t.Errorf("told %v", e)
				}
			}
		})
	}
	bubble(t, "0, and a refresh that began before expiry", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithMaxStale(0))
		finds(t, c, "k1")
		time.Sleep(ttl - 1)
		w.issuer.SetJWKSFault(jwkstest.Delay(2 * time.Second))
		finds(t, c, "k1") // and refreshes in the background
		synctest.Wait()
		time.Sleep(time.Nanosecond)
		if took := timed(func() { findsWithin(t, c, "k1", 2*time.Second) }); took != 2*time.Second-1 {
			t.Errorf("it was answered after %v from a set past its TTL", took)
		}
	})
}
