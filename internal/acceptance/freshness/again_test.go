package freshness

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// always is a payload that does not expire.
func always(env *testkit.Env) string {
	return `{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`
}

// publish makes the issuer's key set one of these signers.
func publish(env *testkit.Env, signers ...*testkit.Signer) {
	var entries []string
	for _, s := range signers {
		entries = append(entries, s.JWK())
	}
	env.Issuer.SetJWKSFault(jwkstest.Body([]byte(testkit.KeySetDocument(entries...))))
}

func TestLookAgain_TriesWhatIsAtHand(t *testing.T) {
	// A fetch for something else brings the new key while the token is on its
	// way: what landed is tried, with nothing left of the budget.
	testkit.Bubble(t, "that a fetch for junk brought", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(time.Hour, 1))
		v := testkit.NewSourceVerifier(t, c)
		old, next := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
		publish(env, old)
		testkit.Accept(t, v, old.Token(always(env)))
		env.TakeRequests("")
		publish(env, next)
		env.EditResponses(func(*http.Request, *http.Response) { time.Sleep(time.Second) })
		go func() { _, _ = c.Key(t.Context(), "junk") }()
		synctest.Wait()
		took := testkit.Measure(func() { testkit.AcceptOnce(t, v, next.Token(always(env))) })
		if n := len(env.TakeRequests("")); n != 1 || took != time.Second {
			t.Errorf("%d requests, %v", n, took)
		}
	})
	testkit.Bubble(t, "but the answer to a fetch that began before the token is not the last word", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		old, next := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
		publish(env, old)
		testkit.Accept(t, v, old.Token(always(env)))
		env.EditResponses(func(*http.Request, *http.Response) { time.Sleep(time.Second) })
		go func() { _, _ = c.Key(t.Context(), "junk") }()
		synctest.Wait()
		publish(env, next) // the answer on its way lacks it
		testkit.AcceptOnce(t, v, next.Token(always(env)))
	})
	testkit.Bubble(t, "nor is a 304", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		old, next := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
		lying := func(s *testkit.Signer) {
			env.ReplyWith(func(r *http.Request) *http.Response {
				if r.URL.Path != testkit.KeySetPath {
					return nil
				}
				if r.Header.Get("If-None-Match") != "" {
					return testkit.Response(304, "", "ETag", `"same"`)
				}
				return testkit.Response(200, testkit.KeySetDocument(s.JWK()), "ETag", `"same"`)
			})
		}
		lying(old)
		testkit.Accept(t, v, old.Token(always(env)))
		lying(next)
		time.Sleep(testkit.DefaultTTL) // the token's own lookup refreshes for age first
		testkit.AcceptOnce(t, v, next.Token(always(env)))
	})
	testkit.Bubble(t, "a lookup whose own fetch just brought the set does not fetch again", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		forged := testkit.NewSigner(t, "ES256", "k1").Token(always(env))
		testkit.RefuseOnce(t, v, forged, jwt.ErrTokenSignatureInvalid)
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests for the first token", n)
		}
		testkit.RefuseOnce(t, v, forged, jwt.ErrTokenSignatureInvalid)
		testkit.RefuseOnce(t, testkit.NewSourceVerifier(t, env.NewClient(jwks.WithoutCache())), forged, jwt.ErrTokenSignatureInvalid)
		if n := env.Issuer.Requests().JWKS; n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
	})
	testkit.Bubble(t, "a caller that leaves is told so, cancelled or out of time", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Delay(2 * time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := v.Verify(ctx, testkit.NewSigner(t, "ES256", "k1").Token(always(env)))
		testkit.WantError(t, err, jwks.ErrUnavailable, context.Canceled)
		time.Sleep(time.Minute)
	})
}

func TestWithoutCache_JoinsAndAsksOnceMore(t *testing.T) {
	begin := func(t *testing.T, env *testkit.Env, before, after *testkit.Signer) *jwks.Client {
		t.Helper()
		c := env.NewClient(jwks.WithoutCache())
		publish(env, before)
		env.EditResponses(func(*http.Request, *http.Response) { time.Sleep(time.Second) })
		go func() { _, _ = c.KeySet(t.Context()) }()
		time.Sleep(1500 * time.Millisecond) // the key set is on its way
		publish(env, after)
		env.TakeRequests("")
		return c
	}
	testkit.Bubble(t, "when it found nothing", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := begin(t, env, testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k2"))
		if _, err := c.Key(t.Context(), "k2"); err != nil {
			t.Error(err)
		}
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d further requests", n)
		}
	})
	testkit.Bubble(t, "when no key verifies", func(t *testing.T) {
		env := testkit.NewEnv(t)
		next := testkit.NewSigner(t, "ES256", "k1")
		c := begin(t, env, testkit.NewSigner(t, "ES256", "k1"), next)
		testkit.AcceptOnce(t, testkit.NewSourceVerifier(t, c), next.Token(always(env)))
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d further requests", n)
		}
	})
	testkit.Bubble(t, "and not when it found it", func(t *testing.T) {
		env := testkit.NewEnv(t)
		k1 := testkit.NewSigner(t, "ES256", "k1")
		c := begin(t, env, k1, k1)
		testkit.AcceptOnce(t, testkit.NewSourceVerifier(t, c), k1.Token(always(env)))
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 0 {
			t.Errorf("%d further requests", n)
		}
	})
}

// A refresh for age that is under way may be told by its validators or a cache
// that all is well: it does not do for the operator.
func TestRefresh_IsNotToldByValidators(t *testing.T) {
	testkit.Bubble(t, "of a refresh under way", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		time.Sleep(testkit.DefaultTTL * 9 / 10)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		env.Issuer.RemoveKey("k1")
		env.TakeRequests("")
		testkit.MustRefresh(t, c)
		env.Issuer.SetJWKSFault(jwkstest.None())
		testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests(testkit.DiscoveryPath)); n != 1 {
			t.Errorf("it asked for the discovery document %d times", n)
		}
	})
	testkit.Bubble(t, "but it joins one while there is no set to doubt", func(t *testing.T) {
		for name, age := range map[string]time.Duration{"before the first": 0, "past the end of stale": 48 * time.Hour} {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			if age > 0 {
				testkit.WantKey(t, c, "k1")
				time.Sleep(age)
			}
			env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
			env.TakeRequests("")
			go func() { _, _ = c.Key(t.Context(), "k1") }()
			synctest.Wait()
			testkit.MustRefresh(t, c)
			if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
				t.Errorf("%s: %d requests", name, n)
			}
		}
	})
	testkit.Bubble(t, "but it joins one that doubts as well", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Delay(time.Second))
		env.TakeRequests("")
		go func() { _, _ = c.Refresh(t.Context()) }()
		synctest.Wait()
		testkit.MustRefresh(t, c)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
