// Package freshness shows when a client fetches, serves, waits and refuses: TTL and
// refresh-ahead, outages, rotation, removed and replaced keys, budgets, and
// replays of whole rotations.
package freshness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_ColdStart(t *testing.T) {
	testkit.Bubble(t, "1,000 concurrent lookups make one discovery and one key set request", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(50 * time.Millisecond))
		c := env.NewClient()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, err := c.Key(t.Context(), "k1"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := env.Issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
		if took := env.Elapsed(); took != 100*time.Millisecond {
			t.Errorf("they took %v", took)
		}
	})
	testkit.Bubble(t, "for unknown kids too", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(50 * time.Millisecond))
		c := env.NewClient()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				_, err := c.Key(t.Context(), fmt.Sprint("junk-", i))
				testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			})
		}
		wg.Wait()
		if n := env.Issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
	})
	testkit.Bubble(t, "a waiter leaves at its own deadline", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetJWKSFault(jwkstest.Delay(2 * time.Second))
		c := env.NewClient()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var err error
		if took := testkit.Measure(func() { _, err = c.Key(ctx, "k1") }); took != 100*time.Millisecond {
			t.Errorf("it left after %v", took)
		}
		testkit.WantError(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
		testkit.WantKeyWithin(t, c, "k1", 1900*time.Millisecond) // the fetch goes on
		if n := env.Issuer.Requests(); n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
	})
	testkit.Bubble(t, "the first caller's cancellation does not affect the others", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetJWKSFault(jwkstest.Delay(2 * time.Second))
		c := env.NewClient()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Key(ctx, "k1")
			testkit.WantError(t, err, jwks.ErrUnavailable, context.Canceled)
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				t.Errorf("the second caller: %v", err)
			}
		})
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		if n := env.Issuer.Requests(); n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
	})
	testkit.Bubble(t, "a caller that has gone starts no fetch", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range map[string]func() error{
			"Key":     func() error { _, err := c.Key(ctx, "k1"); return err },
			"Refresh": func() error { _, err := c.Refresh(ctx); return err },
			"Ready":   func() error { return c.Ready(ctx) },
		} {
			err := call()
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			testkit.WantError(t, err, jwks.ErrUnavailable)
		}
		synctest.Wait()
		if n := env.Issuer.Requests(); n.Discovery != 0 {
			t.Errorf("%+v", n)
		}
		testkit.WantKey(t, c, "k1")
		if _, err := c.Key(ctx, "k1"); err != nil {
			t.Errorf("what needs no wait needs no context: %v", err)
		}
	})
	testkit.Bubble(t, "a server that hangs costs one deadline, and the next call recovers", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Hang())
		c := env.NewClient()
		var err error
		if took := testkit.Measure(func() { _, err = c.Key(t.Context(), "k1") }); took > 15*time.Second {
			t.Errorf("it cost %v", took)
		}
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the end of the fetch is taken for that of the caller's context")
		}
		env.Issuer.SetFault(jwkstest.None())
		time.Sleep(time.Until(c.Status().NextAttempt))
		testkit.WantKey(t, c, "k1")
	})
}

func TestClient_SteadyTrafficNeverWaits(t *testing.T) {
	for name, fault := range map[string]jwkstest.Fault{
		"a healthy endpoint":            jwkstest.None(),
		"one that takes 2 s":            jwkstest.Delay(2 * time.Second),
		"one that is down":              jwkstest.DropConnection(),
		"one that hangs":                jwkstest.Hang(),
		"one that answers 500":          jwkstest.Status(500),
		"one that is slower than a try": jwkstest.Delay(6 * time.Second),
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			env.Issuer.SetFault(fault)
			testkit.WantKeySteadily(t, c, "k1", 100*time.Millisecond, testkit.DefaultTTL+55*time.Minute)
			if len(env.TakeRequests(testkit.KeySetPath)) < 2 && len(env.TakeRequests(testkit.DiscoveryPath)) < 10 {
				t.Error("nothing was refreshed")
			}
		})
	}
	testkit.Bubble(t, "an endpoint slower than the TTL", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithTTL(time.Second))
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Delay(2 * time.Second))
		testkit.WantKeySteadily(t, c, "k1", 5*time.Millisecond, time.Minute)
		if n := env.Issuer.Requests().JWKS; n < 20 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

func TestClient_RefreshAhead(t *testing.T) {
	testkit.Bubble(t, "a lookup past it refreshes in the background, once", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		time.Sleep(testkit.DefaultTTL * 71 / 100)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("before it %d requests", n)
		}
		time.Sleep(testkit.DefaultTTL * 18 / 100)
		for range 100 {
			testkit.WantKey(t, c, "k1")
		}
		time.Sleep(10 * time.Second)
		testkit.WantKey(t, c, "k1")
		if n := env.Issuer.Requests(); n.JWKS != 2 || n.Discovery != 2 || n.NotModified != 1 {
			t.Errorf("after it %+v", n)
		}
	})
	testkit.Bubble(t, "without traffic nothing is sent", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		time.Sleep(100 * time.Hour)
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests", n)
		}
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		testkit.WantKeyWithin(t, c, "k1", 2*time.Second) // past the end of stale
	})
	testkit.Bubble(t, "1 turns it off", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshAhead(1))
		testkit.WantKey(t, c, "k1")
		time.Sleep(testkit.DefaultTTL - 1)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests before expiry", n)
		}
		time.Sleep(time.Nanosecond)
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		testkit.WantKeyWithin(t, c, "k1", 2*time.Second)
		if n := env.Issuer.Requests().JWKS; n != 2 {
			t.Errorf("%d requests after it", n)
		}
	})
	testkit.Bubble(t, "a failed one is tried again under backoff", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Status(404)) // not retried within the fetch
		time.Sleep(testkit.DefaultTTL * 88 / 100)
		testkit.WantKeySteadily(t, c, "k1", 10*time.Millisecond, time.Minute)
		n := env.Issuer.Requests().JWKS - 1
		if st := c.Status(); n < 3 || n > 15 || st.ConsecutiveFailures != n || st.State != jwks.StateFresh {
			t.Errorf("%d attempts in a minute, status %+v", n, st)
		}
		env.Issuer.SetJWKSFault(jwkstest.None())
		testkit.WantKeySteadily(t, c, "k1", 10*time.Millisecond, time.Minute)
		if st := c.Status(); st.ConsecutiveFailures != 0 || !st.NextAttempt.IsZero() || !st.ExpiresAt.After(time.Now().Add(13*time.Minute)) {
			t.Errorf("afterwards %+v", st)
		}
	})
	testkit.Bubble(t, "1,000 clients spread their refreshes over at least 15 % of the TTL", func(t *testing.T) {
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
		ctx, cancel := context.WithTimeout(t.Context(), testkit.DefaultTTL)
		defer cancel()
		var mu sync.Mutex
		var at []time.Duration
		start := time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithObserver(func(e jwks.Event) {
				if e.Kind == jwks.EventNotModified {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Since(start))
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				_ = c.Run(ctx)
				_ = c.Close()
			})
		}
		wg.Wait()
		if len(at) != 1000 {
			t.Fatalf("%d refreshes", len(at))
		}
		slices.Sort(at)
		// The outermost 1 % do not count: the spread must not be one of
		// stragglers.
		if spread := at[989] - at[10]; spread < testkit.DefaultTTL*15/100 {
			t.Errorf("from %v to %v: %v", at[10], at[989], spread)
		}
		for tenth := range 10 { // and no march in step within
			if gap := at[tenth*100+99] - at[tenth*100]; gap < testkit.DefaultTTL/100 {
				t.Errorf("100 clients within %v", gap)
			}
		}
	})
}
