package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// calls is every call of a client that can fail.
func calls(w *world, c *jwks.Client) map[string]func(context.Context) error {
	token := w.issuer.Sign(nil)
	return map[string]func(context.Context) error{
		"KeySet":      func(ctx context.Context) error { _, err := c.KeySet(ctx); return err },
		"Refresh":     func(ctx context.Context) error { _, err := c.Refresh(ctx); return err },
		"Key":         func(ctx context.Context) error { _, err := c.Key(ctx, "k1"); return err },
		"KeyForToken": func(ctx context.Context) error { _, err := c.KeyForToken(ctx, token); return err },
		"SigningKeys": func(ctx context.Context) error {
			_, err := c.SigningKeys(ctx, jwks.Header{Algorithm: "ES256", KeyID: "k1"}, "")
			return err
		},
		"Metadata": func(ctx context.Context) error { _, err := c.Metadata(ctx); return err },
		"Ready":    c.Ready,
		"Run":      c.Run,
	}
}

func TestClose(t *testing.T) {
	for name, fault := range map[string]jwkstest.Fault{"that hangs": jwkstest.Hang(), "that is slow": jwkstest.Delay(time.Second)} {
		bubble(t, "during a fetch "+name+" it returns promptly, and who waits is told", func(t *testing.T) {
			w := newWorld(t)
			w.issuer.SetFault(fault)
			c := w.client()
			var wg sync.WaitGroup
			for call, do := range calls(w, c) {
				for range 3 {
					wg.Go(func() {
						err := do(t.Context())
						if !errors.Is(err, jwks.ErrClosed) {
							t.Errorf("%s: %v", call, err)
						}
						wantError(t, err, jwks.ErrUnavailable)
					})
				}
			}
			time.Sleep(100 * time.Millisecond)
			if took := timed(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}); took != 0 {
				t.Errorf("it took %v", took)
			}
			if took := timed(wg.Wait); took != 0 {
				t.Errorf("the others took %v", took)
			}
			if e := w.told(); len(e) != 0 {
				t.Errorf("told %v", e)
			}
		})
	}
	bubble(t, "later calls say ErrClosed", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		for range 3 { // idempotent
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		w.sent("")
		for call, do := range calls(w, c) {
			err := do(t.Context())
			if !errors.Is(err, jwks.ErrClosed) {
				t.Errorf("%s: %v", call, err)
			}
			wantError(t, err, jwks.ErrUnavailable)
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), w.issuer.Sign(nil))
		wantError(t, err, jwks.ErrUnavailable, jwks.ErrClosed)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		if st := c.Status(); st.State != jwks.StateEmpty || len(st.KeyIDs) != 0 || st.Issuer != w.issuer.URL() || st.Fetches != 1 {
			t.Errorf("%+v", st)
		}
	})
	bubble(t, "before any call", func(t *testing.T) {
		c := newWorld(t).client()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	bubble(t, "from many at once, with calls under way", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetFault(jwkstest.Delay(time.Millisecond))
		for range 40 {
			c := w.client()
			var wg sync.WaitGroup
			for _, do := range calls(w, c) {
				wg.Go(func() {
					for {
						if err := do(t.Context()); errors.Is(err, jwks.ErrClosed) {
							return
						}
						time.Sleep(time.Microsecond)
					}
				})
			}
			for range 2 {
				wg.Go(func() {
					time.Sleep(rand.N(5 * time.Millisecond))
					_ = c.Close()
				})
			}
			wg.Wait()
		}
	})
}

// ofClients counts the goroutines that are in a client's code. (A bubble waits
// for the goroutines that began in it, and fails when one stays behind.)
func ofClients() int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if (strings.Contains(stack, "/jwks.(*Client).") || strings.Contains(stack, "/jwks.(*cache).")) && !strings.Contains(stack, "[running") {
			n++
		}
	}
	return n
}

func TestGoroutines(t *testing.T) {
	bubble(t, "a constructor starts none, an idle client has none, and Close leaves none", func(t *testing.T) {
		w := newWorld(t)
		count := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if n := ofClients(); n != want {
				t.Errorf("%s: %d goroutines, want %d", when, n, want)
			}
		}
		var clients []*jwks.Client
		for range 100 {
			clients = append(clients, w.client())
		}
		count("after 100 constructors", 0)
		for _, c := range clients {
			finds(t, c, "k1")
		}
		count("when 100 clients are idle", 0)
		w.issuer.SetFault(jwkstest.Hang())
		for _, c := range clients {
			go func() { _, _ = c.Refresh(t.Context()) }()
		}
		count("while 100 clients fetch, and 100 callers wait", 200)
		for _, c := range clients {
			_ = c.Close()
		}
		count("after Close", 0)
	})
}

// Everything at once: lookups, verifications, forced refreshes, rotation,
// faults, Run and Close. The race detector is the judge; besides, a known key
// is always found, and every error has one class.
func TestEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		every := func(step time.Duration, do func()) {
			wg.Go(func() {
				for ctx.Err() == nil {
					do()
					time.Sleep(1 + rand.N(2*step))
				}
			})
		}
		for range 3 {
			c := w.client(jwks.WithTTL(2*time.Minute), jwks.WithRetention(time.Minute), jwks.WithMaxStale(2*time.Hour))
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(10))
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { _ = c.Run(ctx) })
			findsWithin(t, c, "k1", time.Minute)
			for range 3 {
				every(time.Second, func() {
					if _, err := c.Key(t.Context(), "k1"); err != nil {
						t.Error(err)
					}
				})
				every(5*time.Second, func() {
					if _, err := v.Verify(t.Context(), w.issuer.Sign(nil)); err != nil {
						wantError(t, err)
					}
				})
				every(3*time.Second, func() {
					_, err := c.Key(t.Context(), fmt.Sprint("junk-", rand.IntN(10)))
					wantError(t, err, jwks.ErrKeyNotFound)
				})
			}
			forged := newSigner(t, "ES256", "k1").token(`{"iss":"` + w.issuer.URL() + `","exp":9999999999}`)
			every(10*time.Second, func() {
				_, err := v.Verify(t.Context(), forged)
				wantError(t, err, jwks.ErrTokenInvalid)
			})
			every(30*time.Second, func() { _, _ = c.Refresh(t.Context()) })
			every(time.Second, func() {
				if st := c.Status(); len(st.KeyIDs) == 0 {
					t.Error("no keys")
				}
			})
		}
		every(5*time.Second, func() { // clients that come and go
			c := w.client()
			go func() { _, _ = c.Key(t.Context(), "k1") }()
			time.Sleep(rand.N(10 * time.Millisecond))
			_ = c.Close()
		})
		every(time.Minute, func() {
			if kid := w.issuer.Rotate(); rand.IntN(2) == 0 {
				w.issuer.RemoveKey(kid)
			}
		})
		faults := []jwkstest.Fault{jwkstest.None(), jwkstest.None(), jwkstest.Status(503), jwkstest.Delay(3 * time.Second), jwkstest.Hang(), jwkstest.DropConnection(), jwkstest.Body([]byte("{}"))}
		every(30*time.Second, func() {
			w.issuer.SetJWKSFault(faults[rand.IntN(len(faults))])
			w.issuer.SetCacheControl([]string{"", "no-store", "max-age=90"}[rand.IntN(3)])
		})
		wg.Wait()
	})
}
