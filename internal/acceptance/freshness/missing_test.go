package freshness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_RemembersMissingKeys(t *testing.T) {
	testkit.Bubble(t, "for a second, then longer, up to a minute", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(time.Second, 100))
		testkit.WantKey(t, c, "k1")
		start := env.Elapsed()
		env.TakeRequests("")
		for range 10 * 4 * 60 {
			testkit.WantNoKey(t, c, "gone", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Second / 10)
		}
		var at []time.Duration
		for _, r := range env.TakeRequests(testkit.KeySetPath) {
			at = append(at, (r.At - start).Round(time.Second))
		}
		if want := []time.Duration{0, 1 * time.Second, 6 * time.Second, 36 * time.Second, 96 * time.Second, 156 * time.Second, 216 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("asked for at %v, want %v", at, want)
		}
	})
	testkit.Bubble(t, "one stale client does not drain the budget", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		for range 30 * 60 {
			testkit.WantNoKey(t, c, "gone", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Second)
		}
		if n := c.Status().Throttled; n != 0 {
			t.Errorf("%d lookups were throttled", n)
		}
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "until the set changes", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "gone", jwks.ErrKeyNotFound)
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
		env.TakeRequests("")
		testkit.WantNoKey(t, c, "gone", jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests("")); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "also by those who joined the refresh for it", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		env.Issuer.SetJWKSFault(jwkstest.Delay(50 * time.Millisecond))
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
		if n := len(env.TakeRequests("")); n != 1 {
			t.Errorf("%d requests for one key", n)
		}
	})
	testkit.Bubble(t, "and by those who asked for others at the same moment", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(time.Second / 10))
		c := env.NewClient()
		for range 2 { // then they are remembered
			var waiting sync.WaitGroup
			for _, kid := range []string{"a", "b", "c"} {
				waiting.Go(func() {
					_, err := c.Key(t.Context(), kid)
					testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
				})
			}
			waiting.Wait()
		}
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d requests for three keys", n)
		}
	})
	testkit.Bubble(t, "even if who began that refresh has given up", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := c.Key(ctx, "gone")
			testkit.WantError(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
		})
		time.Sleep(time.Second / 4)
		_, err := c.Key(t.Context(), "gone")
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		waiting.Wait()
		if n := len(env.TakeRequests("")); n != 1 {
			t.Errorf("%d requests for one key", n)
		}
	})
	testkit.Bubble(t, "by x5t and by algorithm too", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		for _, h := range []jwks.Header{{Algorithm: "RS256", X5t: "x"}, {Algorithm: "RS256", X5tS256: "x"}, {Algorithm: "RS256"}} {
			for range 10 {
				_, err := c.SigningKeys(t.Context(), h, "")
				testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			}
			if n := len(env.TakeRequests("")); n != 1 {
				t.Errorf("%+v: %d requests", h, n)
			}
		}
	})
	testkit.Bubble(t, "all unknown algorithms as one", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		for i := range 10 {
			_, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: strings.Repeat("x", i+1)}, "")
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			testkit.WantNoKey(t, c, "", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound) // a key without a kid is another thing
		}
		if n := len(env.TakeRequests("")); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "not when the budget refused them", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(30*time.Second, 1))
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
		testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound) // no budget
		env.Issuer.Rotate()
		time.Sleep(30 * time.Second)
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "as many as WithKeyCacheSize says", func(t *testing.T) {
		for size, want := range map[int]int{0: 4, 1: 4, 2: 2, 1024: 2} {
			env := testkit.NewEnv(t)
			c := env.NewClient(jwks.WithKeyCacheSize(size))
			testkit.WantKey(t, c, "k1")
			env.TakeRequests("")
			for range 2 {
				testkit.WantNoKey(t, c, "a", jwks.ErrKeyNotFound)
				testkit.WantNoKey(t, c, "b", jwks.ErrKeyNotFound)
			}
			if n := len(env.TakeRequests("")); n != want {
				t.Errorf("size %d: %d requests for two kids asked for twice, want %d", size, n, want)
			}
		}
	})
	testkit.Bubble(t, "a kid that no key can have is refused without asking", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		long := strings.Repeat("k", 257)
		for _, h := range []jwks.Header{{KeyID: long}, {X5t: long}, {X5tS256: long}} {
			_, err := c.SigningKeys(t.Context(), h, "")
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if strings.Contains(err.Error(), long) {
				t.Errorf("%v shows all of it", err)
			}
		}
		testkit.WantNoKey(t, c, long, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		testkit.WantNoKey(t, c, long[:256], jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("for the longest kid %d requests", n)
		}
	})
}

// Keys without a kid stand in for a kid that no key has. When none of them verifies
// the token, its own key is missing, and that is asked for and remembered as ever.
func TestMissingKey_BesideStandIns(t *testing.T) {
	begin := func(t *testing.T) (env *testkit.Env, c *jwks.Client, v *jwks.Verifier, forged func(kid string) string) {
		env = testkit.NewEnv(t, jwkstest.WithoutKeyIDs())
		c = env.NewClient()
		return env, c, testkit.NewSourceVerifier(t, c), func(kid string) string {
			return testkit.NewSigner(t, "ES256", kid).Token(always(env))
		}
	}
	for name, ready := range map[string]bool{"costs one refresh": true, "and none where the set came for it": false} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env, c, v, forged := begin(t)
			if ready {
				testkit.MustReady(t, c)
				fetchesSince(env)
			}
			for range 10 {
				testkit.RefuseOnce(t, v, forged("z"), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound, jwt.ErrTokenSignatureInvalid)
			}
			if n := fetchesSince(env); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	testkit.Bubble(t, "is undecided while nobody can be asked", func(t *testing.T) {
		env, c, v, forged := begin(t)
		testkit.MustReady(t, c)
		env.Issuer.SetFault(jwkstest.Status(404))
		_, err := c.Refresh(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		testkit.RefuseOnce(t, v, forged("z"), jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		testkit.RefuseOnce(t, v, testkit.NewSigner(t, "ES256", "").Sign(`{"alg":"ES256"}`, always(env)), jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	})
	testkit.Bubble(t, "is asked for in a refresh, and undecided when that fails", func(t *testing.T) {
		env, c, v, forged := begin(t)
		testkit.MustReady(t, c)
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.RefuseOnce(t, v, forged("z"), jwks.ErrUnavailable)
	})
}
