package jwks_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestRun(t *testing.T) {
	bubble(t, "loads the set, keeps it warm without traffic, and ends with its context", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		w.issuer.SetFault(jwkstest.Delay(2 * time.Second))
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = c.Run(ctx) })
		time.Sleep(5 * time.Second)
		for range 1000 { // now and then
			if st := c.Status(); st.State != jwks.StateFresh {
				t.Fatalf("after %v: %v", w.elapsed(), st.State)
			}
			time.Sleep(35 * time.Second)
		}
		finds(t, c, "k1")
		wg.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || w.elapsed() != 10*time.Hour {
			t.Errorf("Run: %v after %v", err, w.elapsed())
		}
		// 0.72 to 0.88 of 15 min each.
		if n := w.issuer.Requests().JWKS; n < 40 || n > 57 {
			t.Errorf("%d requests in 10 h", n)
		}
	})
	bubble(t, "finds a new key without being asked", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		synctest.Wait()
		w.issuer.Rotate()
		time.Sleep(ttl)
		w.issuer.Close()
		finds(t, c, "k2")
	})
	bubble(t, "tries under backoff while the issuer is away", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		w.issuer.SetFault(jwkstest.Status(404))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(30 * time.Minute)
		if st := c.Status(); st.State != jwks.StateEmpty || st.Failures < 20 || st.Failures > 200 {
			t.Errorf("%v after %d failures", st.State, st.Failures)
		}
		w.issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute)
		finds(t, c, "k1")
	})
	bubble(t, "two of them and traffic refresh as one", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range 2 {
			go func() { _ = c.Run(ctx) }()
		}
		synctest.Wait()
		steadily(t, c, "k1", time.Second, time.Hour)
		if n := w.issuer.Requests().JWKS; n < 5 || n > 6 {
			t.Errorf("%d requests in an hour", n)
		}
	})
	bubble(t, "goes on from a forced refresh", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := w.issuer.Requests().JWKS; n != 2 {
			t.Errorf("%d requests: the one due before the forced one came too", n)
		}
	})
	bubble(t, "with a context that has ended does nothing", func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.client().Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := w.issuer.Requests().Discovery; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
