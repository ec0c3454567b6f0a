package freshness

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_Run(t *testing.T) {
	testkit.Bubble(t, "loads the set, keeps it warm without traffic, and ends with its context", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		env.Issuer.SetFault(jwkstest.Delay(2 * time.Second))
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = c.Run(ctx) })
		time.Sleep(5 * time.Second)
		for range 1000 { // now and then
			if st := c.Status(); st.State != jwks.StateFresh {
				t.Fatalf("after %v: %v", env.Elapsed(), st.State)
			}
			time.Sleep(35 * time.Second)
		}
		testkit.WantKey(t, c, "k1")
		wg.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || env.Elapsed() != 10*time.Hour {
			t.Errorf("Run: %v after %v", err, env.Elapsed())
		}
		// 0.72 to 0.88 of 15 min each.
		if n := env.Issuer.Requests().JWKS; n < 40 || n > 57 {
			t.Errorf("%d requests in 10 h", n)
		}
	})
	testkit.Bubble(t, "finds a new key without being asked", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		synctest.Wait()
		env.Issuer.Rotate()
		time.Sleep(testkit.DefaultTTL)
		env.Issuer.Close()
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "tries under backoff while the issuer is away", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetFault(jwkstest.Status(404))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(30 * time.Minute)
		if st := c.Status(); st.State != jwks.StateEmpty || st.Failures < 20 || st.Failures > 200 {
			t.Errorf("%v after %d failures", st.State, st.Failures)
		}
		env.Issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute)
		testkit.WantKey(t, c, "k1")
	})
	testkit.Bubble(t, "two of them and traffic refresh as one", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range 2 {
			go func() { _ = c.Run(ctx) }()
		}
		synctest.Wait()
		testkit.WantKeySteadily(t, c, "k1", time.Second, time.Hour)
		if n := env.Issuer.Requests().JWKS; n < 5 || n > 6 {
			t.Errorf("%d requests in an hour", n)
		}
	})
	testkit.Bubble(t, "goes on from a forced refresh", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := env.Issuer.Requests().JWKS; n != 2 {
			t.Errorf("%d requests: the one due before the forced one came too", n)
		}
	})
	testkit.Bubble(t, "with a context that has ended does nothing", func(t *testing.T) {
		env := testkit.NewEnv(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := env.NewClient().Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := env.Issuer.Requests().Discovery; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
