package freshness

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_Outage(t *testing.T) {
	testkit.Bubble(t, "every known key verifies until the end of stale, then it is unavailable, then all is fresh again", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		tokens := map[string]string{}
		for _, kid := range []string{"k1", "k2"} {
			tokens[kid] = env.Issuer.Sign(map[string]any{"exp": nil}, jwkstest.WithKeyID(kid))
		}
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.DropConnection())
		for env.Elapsed() < testkit.DefaultTTL+time.Hour-1 {
			for kid, token := range tokens {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Fatalf("%s after %v: %v", kid, env.Elapsed(), err)
				}
			}
			want := jwks.StateFresh
			if env.Elapsed() >= testkit.DefaultTTL {
				want = jwks.StateStale
			}
			if env.Elapsed() >= testkit.DefaultTTL && env.Elapsed() < testkit.DefaultTTL+time.Hour-20*time.Second {
				_, err := c.Key(t.Context(), "k3") // now and then it waits for an attempt, which must end in time
				if testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrKeyNotFound); !strings.Contains(err.Error(), `key "k3"`) {
					t.Errorf("%v does not name the key", err)
				}
			}
			if st := c.Status(); st.State != want {
				t.Fatalf("after %v: %v", env.Elapsed(), st.State)
			}
			time.Sleep(min(time.Second, testkit.DefaultTTL+time.Hour-1-env.Elapsed()))
		}
		stale := env.TakeEvents(jwks.EventServedStale)
		if len(stale) != 1 || stale[0].At < testkit.DefaultTTL || stale[0].At > testkit.DefaultTTL+time.Second || stale[0].Err == nil {
			t.Errorf("served stale: %v", stale)
		}
		time.Sleep(time.Nanosecond)
		if st := c.Status(); st.State != jwks.StateExpired || len(st.KeyIDs) != 2 {
			t.Errorf("at the end of stale: %+v", st)
		}
		for range 100 { // some of them wait for an attempt
			_, err := v.Verify(t.Context(), tokens["k1"])
			testkit.WantError(t, err, jwks.ErrUnavailable)
			_, err = c.KeySet(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			if errors.Is(err, jwks.ErrKeyNotFound) {
				t.Errorf("%v matches ErrKeyNotFound", err)
			}
			time.Sleep(time.Second)
		}
		env.Issuer.SetFault(jwkstest.None())
		env.TakeEvents()
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
		if e := env.TakeEvents(); len(e) != 2 || e[0].Kind != jwks.EventRefreshed || e[1].Kind != jwks.EventRecovered {
			t.Errorf("when the issuer is back: %v", e)
		}
	})
	testkit.Bubble(t, "while stale serves, recovery takes one step of the backoff", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(503))
		testkit.WantKeySteadily(t, c, "k1", time.Second, testkit.DefaultTTL+30*time.Minute)
		env.Issuer.SetFault(jwkstest.None())
		testkit.WantKeySteadily(t, c, "k1", time.Second, time.Minute+15*time.Second)
		if st := c.Status(); st.State != jwks.StateFresh {
			t.Errorf("%v", st.State)
		}
	})
	testkit.Bubble(t, "a key published during the outage verifies its first token once no backoff runs", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRetries(0))
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(503))
		time.Sleep(testkit.DefaultTTL + time.Minute)
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Minute) // the backoff is over, without a lookup
		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "each spell of serving stale is reported once", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		for spell := range 3 {
			env.Issuer.SetFault(jwkstest.Status(404))
			testkit.WantKeySteadily(t, c, "k1", time.Second, testkit.DefaultTTL+10*time.Minute)
			if n := len(env.TakeEvents(jwks.EventServedStale)); n != 1 {
				t.Errorf("spell %d was reported %d times", spell, n)
			}
			env.Issuer.SetFault(jwkstest.None())
			testkit.WantKeySteadily(t, c, "k1", time.Second, 2*time.Minute)
			if n := len(env.TakeEvents(jwks.EventServedStale)); n != 0 {
				t.Errorf("after spell %d: reported %d times", spell, n)
			}
		}
	})
	testkit.Bubble(t, "over an hour the issuer sees what the backoff allows", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(503))
		time.Sleep(testkit.DefaultTTL)
		env.TakeRequests("")
		env.TakeEvents()
		testkit.WantKeySteadily(t, c, "k1", 100*time.Millisecond, time.Hour)
		failures := env.TakeEvents(jwks.EventRefreshFailed)
		requests := len(env.TakeRequests(""))
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
			if gap := failures[i].At - failures[i-1].At; gap < 100*time.Millisecond || gap > time.Minute+2*time.Second {
				t.Errorf("refreshes %d and %d are %v apart", i-1, i, gap)
			}
		}
		t.Logf("an hour of outage at 10 lookups/s: %d refreshes, %d requests", len(failures), requests)
	})
	testkit.Bubble(t, "an issuer that is down from the start is asked under the same backoff", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRetries(0))
		env.Issuer.SetFault(jwkstest.Status(503))
		for range 36_000 {
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := env.Issuer.Requests().Discovery; n < 60 || n > 200 {
			t.Errorf("%d requests in an hour", n)
		}
	})
	testkit.Bubble(t, "no lookup waits for the network during a backoff", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetFault(jwkstest.Hang())
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		for time.Now().Before(c.Status().NextAttempt) {
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			if err := c.Ready(t.Context()); !errors.Is(err, jwks.ErrUnavailable) {
				t.Errorf("Ready: %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// Not even for the operator's own attempt.
		env.Issuer.SetFault(jwkstest.Status(404))
		if _, err := c.Refresh(t.Context()); err == nil {
			t.Fatal("Refresh against a 404 succeeded")
		}
		env.Issuer.SetFault(jwkstest.Delay(50 * time.Millisecond))
		done := make(chan error)
		go func() { _, err := c.Refresh(t.Context()); done <- err }()
		synctest.Wait()
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		if err := <-done; err != nil {
			t.Errorf("Refresh during a backoff: %v", err)
		}
		testkit.WantKey(t, c, "k1")
	})
}

func TestClient_FirstLookupAfterSilence(t *testing.T) {
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
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			time.Sleep(testkit.DefaultTTL + time.Minute)
			env.Issuer.SetFault(tt.fault)
			if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", time.Minute) }); took != tt.wait {
				t.Errorf("it took %v, want %v", took, tt.wait)
			}
		})
	}
	testkit.Bubble(t, "a key set that hangs costs no more", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		time.Sleep(testkit.DefaultTTL + time.Minute)
		env.Issuer.SetJWKSFault(jwkstest.Hang())
		if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", time.Minute) }); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		testkit.WantKey(t, c, "k1") // at once while the fetch goes on
		if e := env.TakeEvents(jwks.EventServedStale, jwks.EventRefreshFailed); len(e) != 1 || e[0].Kind != jwks.EventServedStale || e[0].Err == nil {
			t.Errorf("events %v", e)
		}
		testkit.WantNoKey(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		if n := env.Issuer.Requests().JWKS; n != 2 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "a 404 at the first discovery URL is not a failure", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.ReplyWith(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case testkit.DiscoveryPath:
				return testkit.Response(404, "{}")
			case "/.well-known/oauth-authorization-server":
				return testkit.Response(200, `{"issuer":"`+env.Issuer.URL()+`","jwks_uri":"`+env.Issuer.JWKSURL()+`"}`)
			}
			return nil
		})
		env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		time.Sleep(testkit.DefaultTTL + time.Minute)
		if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", time.Minute) }); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if e := env.TakeEvents(jwks.EventServedStale, jwks.EventRefreshFailed); len(e) != 0 {
			t.Errorf("events %v", e)
		}
	})
	// A removed key is accepted for at most a TTL and one deadline while the
	// issuer answers, and an old failure does not excuse it.
	testkit.Bubble(t, "an old failure does not excuse a stale answer", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		time.Sleep(testkit.DefaultTTL)
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantKey(t, c, "k1") // stale
		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.RemoveKey("k1")
		time.Sleep(testkit.DefaultTTL)
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
}

func TestClient_MaxStale(t *testing.T) {
	for _, maxStale := range []time.Duration{0, time.Minute, 24 * time.Hour} {
		testkit.Bubble(t, maxStale.String(), func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient(jwks.WithMaxStale(maxStale))
			testkit.WantKey(t, c, "k1")
			env.Issuer.SetFault(jwkstest.Status(404))
			time.Sleep(testkit.DefaultTTL + maxStale - 1)
			testkit.WantKey(t, c, "k1")
			time.Sleep(time.Nanosecond)
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			if st := c.Status(); st.State != jwks.StateExpired || !st.StaleUntil.Equal(time.Now()) {
				t.Errorf("%+v", st)
			}
			if maxStale == 0 {
				if e := env.TakeEvents(jwks.EventServedStale); len(e) != 0 {
					t.Errorf("events %v", e)
				}
			}
		})
	}
	testkit.Bubble(t, "0, and a refresh that began before expiry", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithMaxStale(0))
		testkit.WantKey(t, c, "k1")
		time.Sleep(testkit.DefaultTTL - 1)
		env.Issuer.SetJWKSFault(jwkstest.Delay(2 * time.Second))
		testkit.WantKey(t, c, "k1") // and refreshes in the background
		synctest.Wait()
		time.Sleep(time.Nanosecond)
		if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", 2*time.Second) }); took != 2*time.Second-1 {
			t.Errorf("it was answered after %v from a set past its TTL", took)
		}
	})
}
