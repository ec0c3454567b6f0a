package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// allCalls is every call of a client that can fail.
func allCalls(env *testkit.Env, c *jwks.Client) map[string]func(context.Context) error {
	token := env.Issuer.Sign(nil)
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

func TestClient_Close(t *testing.T) {
	for name, fault := range map[string]jwkstest.Fault{"that hangs": jwkstest.Hang(), "that is slow": jwkstest.Delay(time.Second)} {
		testkit.Bubble(t, "during a fetch "+name+" it returns promptly, and unblocks every waiter", func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.Issuer.SetFault(fault)
			c := env.NewClient()
			var wg sync.WaitGroup
			for call, do := range allCalls(env, c) {
				for range 3 {
					wg.Go(func() {
						err := do(t.Context())
						if !errors.Is(err, jwks.ErrClosed) {
							t.Errorf("%s: %v", call, err)
						}
						testkit.WantError(t, err, jwks.ErrUnavailable)
					})
				}
			}
			time.Sleep(100 * time.Millisecond)
			if took := testkit.Measure(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}); took != 0 {
				t.Errorf("it took %v", took)
			}
			if took := testkit.Measure(wg.Wait); took != 0 {
				t.Errorf("the callers took %v", took)
			}
			if e := env.TakeEvents(); len(e) != 0 {
				t.Errorf("events %v", e)
			}
		})
	}
	testkit.Bubble(t, "later calls say ErrClosed", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		for range 3 { // idempotent
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		env.TakeRequests("")
		for call, do := range allCalls(env, c) {
			err := do(t.Context())
			if !errors.Is(err, jwks.ErrClosed) {
				t.Errorf("%s: %v", call, err)
			}
			testkit.WantError(t, err, jwks.ErrUnavailable)
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), env.Issuer.Sign(nil))
		testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrClosed)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		if st := c.Status(); st.State != jwks.StateEmpty || len(st.KeyIDs) != 0 || st.Issuer != env.Issuer.URL() || st.Fetches != 1 {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "before any call", func(t *testing.T) {
		c := testkit.NewEnv(t).NewClient()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	testkit.Bubble(t, "from many at once, with calls under way", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(time.Millisecond))
		for range 40 {
			c := env.NewClient()
			var wg sync.WaitGroup
			for _, do := range allCalls(env, c) {
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

// clientGoroutines counts the goroutines that are in a client's code. (A bubble waits
// for the goroutines that began in it, and fails when one stays behind.)
func clientGoroutines() int {
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

// Whoever closes a client may then take away what its fetches use.
func TestClient_CloseWaitsForTheFetch(t *testing.T) {
	for name, close := range map[string]func(c *jwks.Client, s *jwks.Issuers) error{
		"a client": func(c *jwks.Client, _ *jwks.Issuers) error { return c.Close() },
		"issuers":  func(_ *jwks.Client, s *jwks.Issuers) error { return s.Close() },
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			var inside atomic.Int32
			deaf := &http.Client{Transport: testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) {
				inside.Add(1)
				defer inside.Add(-1)
				time.Sleep(3 * time.Second) // whatever its context says
				return nil, errors.New("the end")
			})}
			s, err := jwks.NewIssuers(jwks.TrustIssuers("https://issuer.example"), jwks.WithClientOptions(jwks.WithHTTPClient(deaf)))
			testkit.WantNoError(t, err)
			c, err := s.Client(t.Context(), "https://issuer.example")
			testkit.WantNoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			testkit.WantError(t, c.Ready(ctx), jwks.ErrUnavailable, context.DeadlineExceeded)
			if took := testkit.Measure(func() { testkit.WantNoError(t, close(c, s)) }); took != 2*time.Second || inside.Load() != 0 {
				t.Errorf("closed after %v with %d requests under way", took, inside.Load())
			}
		})
	}
}

func TestClient_Goroutines(t *testing.T) {
	testkit.Bubble(t, "a constructor starts none, an idle client has none, and Close leaves none", func(t *testing.T) {
		env := testkit.NewEnv(t)
		count := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if n := clientGoroutines(); n != want {
				t.Errorf("%s: %d goroutines, want %d", when, n, want)
			}
		}
		var clients []*jwks.Client
		for range 100 {
			clients = append(clients, env.NewClient())
		}
		count("after 100 constructors", 0)
		for _, c := range clients {
			testkit.WantKey(t, c, "k1")
		}
		count("when 100 clients are idle", 0)
		env.Issuer.SetFault(jwkstest.Hang())
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
// faults, Run and Close. The race detector decides; besides, a known key is
// always found, and every error has one class.
func TestClient_ConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
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
			c := env.NewClient(jwks.WithTTL(2*time.Minute), jwks.WithRetention(time.Minute), jwks.WithMaxStale(2*time.Hour))
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(10))
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { _ = c.Run(ctx) })
			testkit.WantKeyWithin(t, c, "k1", time.Minute)
			for range 3 {
				every(time.Second, func() {
					if _, err := c.Key(t.Context(), "k1"); err != nil {
						t.Error(err)
					}
				})
				every(5*time.Second, func() {
					if _, err := v.Verify(t.Context(), env.Issuer.Sign(nil)); err != nil {
						testkit.WantError(t, err)
					}
				})
				every(3*time.Second, func() {
					_, err := c.Key(t.Context(), fmt.Sprint("junk-", rand.IntN(10)))
					testkit.WantError(t, err, jwks.ErrKeyNotFound)
				})
			}
			forged := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
			every(10*time.Second, func() {
				_, err := v.Verify(t.Context(), forged)
				testkit.WantError(t, err, jwks.ErrTokenInvalid)
			})
			every(30*time.Second, func() { _, _ = c.Refresh(t.Context()) })
			every(time.Second, func() {
				if st := c.Status(); len(st.KeyIDs) == 0 {
					t.Error("no keys")
				}
			})
		}
		every(5*time.Second, func() { // clients that come and go
			c := env.NewClient()
			go func() { _, _ = c.Key(t.Context(), "k1") }()
			time.Sleep(rand.N(10 * time.Millisecond))
			_ = c.Close()
		})
		every(time.Minute, func() {
			if kid := env.Issuer.Rotate(); rand.IntN(2) == 0 {
				env.Issuer.RemoveKey(kid)
			}
		})
		faults := []jwkstest.Fault{jwkstest.None(), jwkstest.None(), jwkstest.Status(503), jwkstest.Delay(3 * time.Second), jwkstest.Hang(), jwkstest.DropConnection(), jwkstest.Body([]byte("{}"))}
		every(30*time.Second, func() {
			env.Issuer.SetJWKSFault(faults[rand.IntN(len(faults))])
			env.Issuer.SetCacheControl([]string{"", "no-store", "max-age=90"}[rand.IntN(3)])
		})
		wg.Wait()
	})
}
