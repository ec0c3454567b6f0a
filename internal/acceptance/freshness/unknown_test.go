package freshness

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_UnknownKeyFlood(t *testing.T) {
	testkit.Bubble(t, "10,000 random kids in a minute: at most 7 fetches, immediate answers, known kids undisturbed", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		for i := range 10_000 {
			_, err := c.Key(t.Context(), fmt.Sprint("junk-", i))
			if err == nil {
				t.Fatal("found")
			}
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			testkit.WantKey(t, c, "k1")
			time.Sleep(time.Minute / 10_000)
		}
		if n := env.Issuer.Requests(); n.JWKS > 7 || n.Discovery > 1 {
			t.Errorf("%+v", n)
		}
		if env.Elapsed() > time.Minute {
			t.Errorf("10,000 lookups took %v", env.Elapsed())
		}
		st := c.Status()
		if st.Throttled < 9_900 {
			t.Errorf("throttled %d", st.Throttled)
		}
		// A spell of throttling ends with a refresh.
		if n := len(env.TakeEvents(jwks.EventThrottled)); n < 1 || n > 3 {
			t.Errorf("reported %d times", n)
		}
	})
	testkit.Bubble(t, "an endpoint that takes 2 s: those out of budget never wait", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(30*time.Second, 1))
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "spent", jwks.ErrKeyNotFound)
		env.Issuer.SetFault(jwkstest.Delay(2 * time.Second))
		for i := range 100 {
			err := testkit.WantNoKey(t, c, fmt.Sprint("junk-", i), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if !strings.Contains(err.Error(), "next refresh for unknown keys in 30s") {
				t.Fatalf("%v does not say when", err)
			}
		}
	})
	testkit.Bubble(t, "forged signatures under a known kid cost as little", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		good := env.Issuer.Sign(nil)
		forged := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
		for range 2_000 {
			took := testkit.Measure(func() { _, err = v.Verify(t.Context(), forged) })
			if took > 0 {
				t.Fatalf("a forged token took %v", took)
			}
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			time.Sleep(time.Minute / 2_000)
		}
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Errorf("a good token: %v", err)
		}
		if n := env.Issuer.Requests(); n.JWKS > 7 || n.Discovery > 1 {
			t.Errorf("%+v", n)
		}
	})
	testkit.Bubble(t, "both together share one budget", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		for i := range 20 {
			kid := "k1"
			if i%2 == 0 {
				kid = fmt.Sprint("junk-", i)
			}
			_, err := v.Verify(t.Context(), testkit.NewSigner(t, "ES256", kid).Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
			testkit.WantError(t, err, jwks.ErrTokenInvalid)
		}
		if n := len(env.TakeRequests("")); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestClient_NewKeyVerifiesAtOnce(t *testing.T) {
	verifier := func(t *testing.T, c *jwks.Client) *jwks.Verifier {
		t.Helper()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for forged := range 5 {
		testkit.Bubble(t, fmt.Sprintf("after %d forged kids", forged), func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			v := verifier(t, c)
			testkit.WantKey(t, c, "k1")
			for i := range forged {
				testkit.WantNoKey(t, c, fmt.Sprint("junk-", i), jwks.ErrKeyNotFound)
			}
			env.Issuer.Rotate()
			if _, err := v.Verify(t.Context(), env.Issuer.Sign(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	testkit.Bubble(t, "under a sustained flood within 30 s", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := verifier(t, c)
		flood := func(d time.Duration, each func()) {
			for end := env.Elapsed() + d; env.Elapsed() < end; time.Sleep(10 * time.Millisecond) {
				testkit.WantNoKey(t, c, fmt.Sprint("junk-", env.Elapsed()), jwks.ErrKeyNotFound)
				each()
			}
		}
		flood(time.Minute+17*time.Second, func() {})
		env.Issuer.Rotate()
		token := env.Issuer.Sign(map[string]any{"exp": nil})
		published, verified := env.Elapsed(), time.Duration(0)
		flood(time.Minute, func() {
			if _, err := v.Verify(t.Context(), token); err == nil && verified == 0 {
				verified = env.Elapsed()
			}
		})
		if verified == 0 || verified-published > 30*time.Second {
			t.Errorf("published at %v, verified at %v", published, verified)
		}
	})
	testkit.Bubble(t, "also when it was asked for in vain before it was published", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound)
		testkit.WantNoKey(t, c, "k3", jwks.ErrKeyNotFound) // the budget is not spent
		env.Issuer.Rotate()
		testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound) // remembered
		testkit.WantNoKey(t, c, "k4", jwks.ErrKeyNotFound) // brings the new set
		testkit.WantKey(t, c, "k2")
	})
	// A fetch that was under way may have been answered before the key was
	// published: it is not the last word.
	testkit.Bubble(t, "also while an older refresh is under way", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		old := answerOf(t, env)
		env.ReplyWith(func(r *http.Request) *http.Response {
			if r.URL.Path != testkit.KeySetPath {
				return nil
			}
			time.Sleep(500 * time.Millisecond) // on its way back
			return testkit.Response(200, old)
		})
		go func() { _, _ = c.Refresh(t.Context()) }()
		synctest.Wait()
		env.ReplyWith(nil)
		time.Sleep(100 * time.Millisecond)
		env.Issuer.Rotate()
		testkit.WantKeyWithin(t, c, "k2", 400*time.Millisecond)
	})
	testkit.Bubble(t, "unless a backoff runs", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.Rotate()
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantNoKey(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		env.Issuer.SetFault(jwkstest.None())
		testkit.WantNoKey(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		time.Sleep(time.Second)
		testkit.WantKey(t, c, "k2")
	})
}

// answerOf is the document that the issuer publishes now.
func answerOf(t *testing.T, env *testkit.Env) string {
	t.Helper()
	resp, err := env.Issuer.HTTPClient().Get(env.Issuer.JWKSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

func TestClient_RefreshBudget(t *testing.T) {
	spend := func(t *testing.T, c *jwks.Client, name string, n int) {
		t.Helper()
		for i := range n {
			testkit.WantNoKey(t, c, fmt.Sprint(name, "-", i), jwks.ErrKeyNotFound)
		}
	}
	testkit.Bubble(t, "is 5, and one more every 30 s", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		for step, want := range []int{5, 1, 1, 1} {
			spend(t, c, fmt.Sprint("junk-", step), 20)
			if n := len(env.TakeRequests(testkit.KeySetPath)); n != want {
				t.Errorf("step %d: %d requests, want %d", step, n, want)
			}
			time.Sleep(30*time.Second - 1)
			spend(t, c, fmt.Sprint("early-", step), 1)
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Hour)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		env.TakeRequests("")
		spend(t, c, "late", 20)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 5 {
			t.Errorf("after an hour %d requests, want 5", n)
		}
	})
	testkit.Bubble(t, "is charged by successful fetches only", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(time.Hour, 1), jwks.WithRetries(0), jwks.WithTTL(24*time.Hour))
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(500))
		for range 10 {
			testkit.WantNoKey(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute) // past the backoff
		}
		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
		testkit.WantNoKey(t, c, "k3", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		env.Issuer.Rotate()
		testkit.WantNoKey(t, c, "k3", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "is not charged for what age or an operator asked for", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(24*time.Hour, 1))
		for range 10 {
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		testkit.WantKeySteadily(t, c, "k1", time.Minute, time.Hour)
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "of WithRefreshLimit(d, 0) is nothing", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(time.Second, 0))
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		env.Issuer.Rotate()
		for range 10 {
			testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute)
		}
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(5 * time.Minute)
		testkit.WantKey(t, c, "k1") // refresh-ahead still works
		synctest.Wait()
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "is as configured", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(time.Second, 2))
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		spend(t, c, "a", 10)
		time.Sleep(time.Second)
		spend(t, c, "b", 10)
		if n := len(env.TakeRequests("")); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "a lookup whose own fetch just brought the set does not fetch a second time", func(t *testing.T) {
		env := testkit.NewEnv(t)
		testkit.WantNoKey(t, env.NewClient(), "k2", jwks.ErrKeyNotFound)
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
