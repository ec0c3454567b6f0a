package freshness

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// lying makes the issuer keep its validators through every change, as static
// files of one date do.
func lying(env *testkit.Env, validator, value string) {
	env.EditResponses(func(r *http.Request, resp *http.Response) {
		resp.Header.Del("ETag")
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		resp.Header.Set(validator, value)
		if r.URL.Path == testkit.KeySetPath && (r.Header.Get("If-None-Match") == value || r.Header.Get("If-Modified-Since") == value) {
			resp.StatusCode, resp.Body, resp.ContentLength = http.StatusNotModified, http.NoBody, 0
		}
	})
}

func TestValidatorsThatLie_AreBounded(t *testing.T) {
	for validator, value := range map[string]string{"ETag": `"12cea601-18b"`, "Last-Modified": "Tue, 01 Jan 1980 00:00:01 GMT"} {
		for _, every := range []time.Duration{time.Second, 7 * time.Minute, 14 * time.Minute} {
			testkit.Bubble(t, fmt.Sprintf("%s, asked each %v: an hour and a TTL", validator, every), func(t *testing.T) {
				env := twoKeys(t)
				lying(env, validator, value)
				c := env.NewClient()
				testkit.WantKeySteadily(t, c, "k1", time.Second, 20*time.Minute)
				if took := refusedAfter(t, env, c, every, 25*time.Hour); took > time.Hour+testkit.DefaultTTL+every {
					t.Errorf("accepted for %v", took)
				}
				if c.Status().NotModified == 0 {
					t.Error("nothing was asked with a condition: the test shows nothing")
				}
			})
		}
		testkit.Bubble(t, validator+": at once after Refresh, for an unknown kid and a bad signature", func(t *testing.T) {
			env := twoKeys(t)
			lying(env, validator, value)
			c := env.NewClient()
			v := testkit.NewSourceVerifier(t, c)
			testkit.WantKey(t, c, "k1")
			env.Issuer.RemoveKey("k1")
			testkit.MustRefresh(t, c)
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			env.Issuer.Rotate()
			testkit.WantKey(t, c, "k3")
			next := testkit.NewSigner(t, "ES256", "k3")
			publish(env, next)
			testkit.AcceptOnce(t, v, next.Token(always(env)))
			time.Sleep(testkit.DefaultTTL) // expired
			publish(env, testkit.NewSigner(t, "ES256", "k4"))
			testkit.WantKey(t, c, "k4")
		})
	}
}

// fetchesSince counts the requests for the key set.
func fetchesSince(env *testkit.Env) int { return len(env.TakeRequests(testkit.KeySetPath)) }

func TestPublishedKey_IsFoundSoon(t *testing.T) {
	// within publishes k2 after a while of attempts at it and returns how long
	// its token is refused from then on.
	within := func(t *testing.T, env *testkit.Env, c *jwks.Client, every time.Duration, forge func(i int)) time.Duration {
		t.Helper()
		v := testkit.NewSourceVerifier(t, c, jwks.WithoutExpiry())
		env.Issuer.Rotate()
		token, published := env.Issuer.Sign(map[string]any{"exp": nil}), time.Now()
		for i := 0; time.Since(published) < 5*time.Minute; i++ {
			if _, err := v.Verify(t.Context(), token); err == nil {
				return time.Since(published)
			} else if !errors.Is(err, jwks.ErrKeyNotFound) {
				t.Fatal(err)
			}
			forge(i)
			time.Sleep(every)
		}
		t.Fatal("not found in 5 minutes")
		return 0
	}
	for _, before := range []time.Duration{0, 100 * time.Millisecond, 900 * time.Millisecond} {
		testkit.Bubble(t, "within 2 s, asked for "+before.String()+" before", func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(before)
			if took := within(t, env, c, 10*time.Millisecond, func(int) {}); took > 2*time.Second {
				t.Errorf("refused for %v", took)
			}
		})
	}
	testkit.Bubble(t, "within 2 s where one forged token had its kid, and validators lie", func(t *testing.T) {
		env := testkit.NewEnv(t)
		lying(env, "ETag", `"same"`)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		testkit.RefuseOnce(t, v, testkit.NewSigner(t, "ES256", "k2").Token(always(env)), jwks.ErrKeyNotFound)
		if took := within(t, env, c, 10*time.Millisecond, func(int) {}); took > 2*time.Second {
			t.Errorf("refused for %v", took)
		}
	})
	testkit.Bubble(t, "within 30 s under 1,000 forged tokens a second, within the budget", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		forge := func(i int) {
			_, _ = c.Key(t.Context(), fmt.Sprint("junk-", env.Elapsed(), i))
		}
		for i := range 77_000 {
			forge(i)
			time.Sleep(time.Millisecond)
		}
		took := within(t, env, c, time.Millisecond, forge)
		if took > 30*time.Second+time.Millisecond {
			t.Errorf("refused for %v", took)
		}
		if n, most := fetchesSince(env), 1+5+int(env.Elapsed()/(30*time.Second)); n > most {
			t.Errorf("%d fetches in %v, want at most %d", n, env.Elapsed(), most)
		}
	})
	testkit.Bubble(t, "within a minute under 1,000 forged tokens a second of its own kid", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		for range 150_000 {
			_, _ = c.Key(t.Context(), "k2")
			time.Sleep(time.Millisecond)
		}
		if took := within(t, env, c, time.Millisecond, func(int) {}); took > time.Minute {
			t.Errorf("refused for %v", took)
		}
	})
}

func TestRetryAfter_IsKept(t *testing.T) {
	const asked = 10 * time.Minute
	begin := func(t *testing.T, value string) (*testkit.Env, *jwks.Client) {
		t.Helper()
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeEvents()
		env.ReplyWith(func(*http.Request) *http.Response { return testkit.Response(503, "{}", "Retry-After", value) })
		_, err := c.Refresh(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		return env, c
	}
	for name, fault := range map[string]jwkstest.Fault{"with a 404": jwkstest.Status(404), "with an error": jwkstest.DropConnection()} {
		testkit.Bubble(t, "when a later Refresh fails sooner, "+name, func(t *testing.T) {
			env, c := begin(t, "600")
			until := time.Now().Add(asked)
			env.ReplyWith(nil)
			env.Issuer.SetFault(fault)
			time.Sleep(time.Minute)
			_, err := c.Refresh(t.Context())
			left := time.Until(until)
			st := c.Status()
			if !st.NextAttempt.Equal(until) {
				t.Errorf("the next attempt is in %v, want %v", time.Until(st.NextAttempt), left)
			}
			events := env.TakeEvents(jwks.EventRefreshFailed)
			for what, err := range map[string]error{"Refresh": err, "Status.LastError": st.LastError, "Event.Err": events[len(events)-1].Err} {
				var failed *jwks.FetchError
				if !errors.As(err, &failed) || failed.RetryAfter != left {
					t.Errorf("%s tells another time than %v: %v", what, left, err)
				}
			}
		})
	}
	testkit.Bubble(t, "and told as it is waited, 10 min at most", func(t *testing.T) {
		env, c := begin(t, "86400")
		for what, err := range map[string]error{"Status.LastError": c.Status().LastError, "Event.Err": env.TakeEvents(jwks.EventRefreshFailed)[0].Err} {
			if err == nil || !strings.Contains(err.Error(), "next attempt in 10m0s") || strings.Contains(err.Error(), "24h") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	testkit.Bubble(t, "a refresh that has stumbled tells its own error", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(404)) // an earlier outage
		_, _ = c.Refresh(t.Context())
		env.Issuer.SetFault(jwkstest.Status(502))
		time.Sleep(testkit.DefaultTTL + time.Minute)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = c.Key(t.Context(), "k1") }()
		<-done // served stale after the first attempt
		err := testkit.WantNoKey(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		var failed *jwks.FetchError
		if !errors.As(err, &failed) || failed.StatusCode != 502 || failed.RetryAfter != 0 { // it goes on: nothing has to be waited for
			t.Errorf("%v", err)
		}
	})
}

func TestRefresh_TwoSlowDocuments(t *testing.T) {
	testkit.Bubble(t, "load within the time-outs of both", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(12 * time.Second))
		c := env.NewClient(jwks.WithTimeout(20 * time.Second))
		testkit.WantKeyWithin(t, c, "k1", 24*time.Second)
	})
	testkit.Bubble(t, "one that was fetched stays for the next attempt", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetJWKSFault(jwkstest.Hang())
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		env.TakeRequests("")
		env.Issuer.SetJWKSFault(jwkstest.None())
		time.Sleep(time.Until(c.Status().NextAttempt))
		testkit.WantKey(t, c, "k1")
		if n := len(env.TakeRequests(testkit.DiscoveryPath)); n != 0 {
			t.Errorf("%d requests for it", n)
		}
	})
	testkit.Bubble(t, "but not for the one after that, nor beyond the TTL", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithTTL(time.Minute))
		fail := func(wantDiscovery int) {
			t.Helper()
			env.TakeRequests("")
			_, _ = c.KeySet(t.Context())
			if n := len(env.TakeRequests(testkit.DiscoveryPath)); n != wantDiscovery {
				t.Errorf("at %v: %d requests for the discovery document, want %d", env.Elapsed(), n, wantDiscovery)
			}
			time.Sleep(time.Until(c.Status().NextAttempt))
		}
		env.Issuer.SetJWKSFault(jwkstest.Status(400))
		fail(1)
		fail(0)
		fail(1)
		time.Sleep(time.Minute)
		fail(1)
	})
}
