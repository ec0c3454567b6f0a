package freshness

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// The operator says how long a set is trusted, the server's headers when it is
// worth looking again.
func TestClient_ServerHeadersAndTTL(t *testing.T) {
	const never = 0
	control := func(value string) http.Header { return http.Header{"Cache-Control": {value}} }
	tests := []struct {
		rule    string
		header  http.Header
		ttl     time.Duration
		trusted time.Duration // from the answer on
		again   time.Duration // until the headers ask for a refresh
	}{
		{"no headers", nil, testkit.DefaultTTL, testkit.DefaultTTL, never},
		{"max-age", control("public, max-age=300"), testkit.DefaultTTL, testkit.DefaultTTL, 5 * time.Minute},
		{"not below a minute", control("max-age=1"), testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"max-age=0", control("max-age=0"), testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"never lengthens", control("max-age=604800"), testkit.DefaultTTL, testkit.DefaultTTL, never},
		{"as long as the TTL", control("max-age=900"), testkit.DefaultTTL, testkit.DefaultTTL, never},
		{"max-age less Age", http.Header{"Cache-Control": {"max-age=600"}, "Age": {"120"}}, testkit.DefaultTTL, 13 * time.Minute, 8 * time.Minute},
		{"Age alone", http.Header{"Age": {"300"}}, testkit.DefaultTTL, 10 * time.Minute, never},
		{"Age and a long max-age", http.Header{"Cache-Control": {"max-age=86400"}, "Age": {"300"}}, testkit.DefaultTTL, 10 * time.Minute, never},
		{"no-store", control("no-store"), testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"no-cache", control("no-cache, max-age=3600"), testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"an invalid directive alone is ignored", control(`max-age=300, =, "`), testkit.DefaultTTL, testkit.DefaultTTL, 5 * time.Minute},
		{"a max-age that overflows", control("max-age=99999999999999999999"), testkit.DefaultTTL, testkit.DefaultTTL, never},
		{"a max-age that cannot be read", control("max-age=soon"), testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"Expires", http.Header{"Date": {"Sat, 01 Jan 2000 00:00:00 GMT"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, testkit.DefaultTTL, testkit.DefaultTTL, 7 * time.Minute},
		{"max-age before Expires", http.Header{"Cache-Control": {"max-age=120"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, testkit.DefaultTTL, testkit.DefaultTTL, 2 * time.Minute},
		{"Expires: 0", http.Header{"Expires": {"0"}}, testkit.DefaultTTL, testkit.DefaultTTL, time.Minute},
		{"a short TTL is the user's own", control("no-store"), 10 * time.Second, 10 * time.Second, never},
		{"a long TTL too", control("no-store"), 24 * time.Hour, 24 * time.Hour, time.Minute},
	}
	for _, tt := range tests {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.EditResponses(func(r *http.Request, resp *http.Response) {
				for name, values := range tt.header {
					resp.Header[name] = values
				}
			})
			c := env.NewClient(jwks.WithTTL(tt.ttl), jwks.WithRefreshAhead(1), jwks.WithMaxStale(2*time.Hour))
			for _, status := range []string{"200", "304"} {
				testkit.WantKey(t, c, "k1")
				synctest.Wait()
				answered, st := time.Now(), c.Status()
				if got := st.ExpiresAt.Sub(answered); got != tt.trusted {
					t.Errorf("a %s is trusted for %v, want %v", status, got, tt.trusted)
				}
				if got := st.StaleUntil.Sub(st.ExpiresAt); got != 2*time.Hour {
					t.Errorf("stale for %v", got)
				}
				if got, want := answered.Sub(st.FetchedAt), tt.ttl-tt.trusted; got != want {
					t.Errorf("the origin made it %v ago, want %v", got, want)
				}
				if status == "304" && st.NotModified != 1 && tt.ttl < time.Hour {
					t.Errorf("no 304: %+v", st)
				}
				env.TakeRequests("")
				wait := tt.again
				if wait == never {
					wait = tt.trusted
				}
				testkit.WantKeySteadily(t, c, "k1", tt.ttl/1000, wait*9/10-time.Second)
				if n := len(env.TakeRequests("")); n != 0 {
					t.Errorf("%d requests after %v", n, time.Since(answered))
				}
				if tt.again != never { // in the background
					testkit.WantKeySteadily(t, c, "k1", 100*time.Millisecond, wait/5+2*time.Second)
					if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
						t.Errorf("%d requests after %v", n, time.Since(answered))
					}
					break
				}
				time.Sleep(time.Until(answered.Add(wait)))
			}
		})
	}
	testkit.Bubble(t, "WithMinTTL says how early at most", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetCacheControl("no-cache")
		c := env.NewClient(jwks.WithMinTTL(5 * time.Minute))
		testkit.WantKeySteadily(t, c, "k1", time.Second, 4*time.Minute+29*time.Second)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d requests at %v", n, env.Elapsed())
		}
		testkit.WantKeySteadily(t, c, "k1", time.Second, time.Minute+2*time.Second)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d requests at %v", n, env.Elapsed())
		}
	})
	testkit.Bubble(t, "a quiet service behind no-cache does not wait within the TTL", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetCacheControl("no-cache")
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		for range 100 {
			time.Sleep(testkit.DefaultTTL - time.Minute)
			testkit.WantKey(t, c, "k1")
			time.Sleep(3 * time.Second)
		}
	})
	testkit.Bubble(t, "headers of an error change nothing", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		before := c.Status()
		env.Issuer.SetCacheControl("max-age=86400, no-store")
		env.Issuer.SetFault(jwkstest.Status(500))
		if _, err := c.Refresh(t.Context()); err == nil {
			t.Fatal("no error")
		}
		st := c.Status()
		if !st.ExpiresAt.Equal(before.ExpiresAt) || !st.FetchedAt.Equal(before.FetchedAt) || st.State != jwks.StateFresh {
			t.Errorf("before %+v, after %+v", before, st)
		}
		if wait := time.Until(st.NextAttempt); wait > time.Second {
			t.Errorf("the next attempt is in %v", wait)
		}
	})
}

func TestClient_ConditionalRequests(t *testing.T) {
	testkit.Bubble(t, "a 304 renews the set without reading it again", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		first, err := c.KeySet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		env.TakeRequests("")
		time.Sleep(testkit.DefaultTTL)
		second, err := c.KeySet(t.Context())
		if err != nil || second != first {
			t.Errorf("another set, %v", err)
		}
		r := env.TakeRequests(testkit.KeySetPath)
		if len(r) != 1 || r[0].Header.Get("If-None-Match") == "" {
			t.Errorf("requests %v", r)
		}
		if st := c.Status(); st.Fetches != 2 || st.NotModified != 1 || !st.ExpiresAt.Equal(time.Now().Add(testkit.DefaultTTL)) {
			t.Errorf("status %+v", st)
		}
		if e := env.TakeEvents(jwks.EventRefreshed, jwks.EventNotModified); len(e) != 2 || e[1].Kind != jwks.EventNotModified {
			t.Errorf("events %v", e)
		}
		env.Issuer.Rotate()
		time.Sleep(testkit.DefaultTTL)
		if set, err := c.KeySet(t.Context()); err != nil || set.Len() != 2 {
			t.Errorf("a changed set: %v, %v", set, err)
		}
	})
	for date, want := range map[string]bool{
		"Sat, 01 Jan 2000 00:00:01 GMT": true,
		"Sat, 01 Jan 2000 00:00:00 GMT": false, // as young as its answer
		"Fri, 31 Dec 1999 23:59:59 GMT": false, // younger than its answer
		"":                              false,
		"yesterday":                     false,
	} {
		testkit.Bubble(t, "Last-Modified is used only where the Date is later: "+date, func(t *testing.T) {
			env := testkit.NewEnv(t)
			const modified = "Sat, 01 Jan 2000 00:00:00 GMT"
			env.EditResponses(func(_ *http.Request, resp *http.Response) {
				resp.Header.Del("ETag")
				resp.Header.Set("Last-Modified", modified)
				resp.Header.Set("Date", date)
			})
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			env.TakeRequests("")
			first, _ := c.KeySet(t.Context())
			time.Sleep(testkit.DefaultTTL)
			second, err := c.KeySet(t.Context())
			if err != nil || second != first {
				t.Errorf("an equal document makes another set, %v", err)
			}
			r := env.TakeRequests(testkit.KeySetPath)
			if len(r) != 1 || (r[0].Header.Get("If-Modified-Since") == modified) != want || r[0].Header.Get("If-None-Match") != "" {
				t.Errorf("requests %v", r)
			}
		})
	}
	testkit.Bubble(t, "what a 304 does not repeat stays", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.EditResponses(func(_ *http.Request, resp *http.Response) {
			if resp.StatusCode == http.StatusNotModified {
				resp.Header = http.Header{}
			} else {
				resp.Header.Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
				resp.Header.Set("Date", "Sat, 01 Jan 2000 00:00:01 GMT")
				resp.Header.Set("Cache-Control", "max-age=300")
			}
		})
		c := env.NewClient()
		testkit.WantKeySteadily(t, c, "k1", time.Second, 17*time.Minute)
		r := env.TakeRequests(testkit.KeySetPath)
		if len(r) != 4 {
			t.Errorf("%d requests in 17 minutes, want one each 5", len(r))
		}
		for _, r := range r[1:] {
			if r.Header.Get("If-None-Match") == "" || r.Header.Get("If-Modified-Since") == "" {
				t.Errorf("%v", r.Header)
			}
		}
		if st := c.Status(); st.NotModified != 3 {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "the validators of one place are not used at another", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		moved := testkit.NewSigner(t, "ES256", "elsewhere")
		env.ReplyWith(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case testkit.DiscoveryPath:
				return testkit.Response(200, `{"issuer":"`+env.Issuer.URL()+`","jwks_uri":"`+env.Issuer.URL()+`/moved"}`)
			case "/moved":
				return testkit.Response(200, `{"keys":[`+moved.JWK()+`]}`)
			}
			return nil
		})
		env.TakeRequests("")
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKey(t, c, "elsewhere")
		r := env.TakeRequests("/moved")
		if len(r) != 1 || r[0].Header.Get("If-None-Match") != "" {
			t.Errorf("requests %v", r)
		}
	})
	testkit.Bubble(t, "only what doubts the copy goes past caches, and without conditions", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		want := func(what, cacheControl string, conditional bool) {
			t.Helper()
			r := env.TakeRequests("")
			if len(r) == 0 {
				t.Errorf("%s: no request", what)
			}
			for _, r := range r {
				if got := r.Header.Get("Cache-Control"); got != cacheControl {
					t.Errorf("%s: %s has Cache-Control %q, want %q", what, r.Path, got, cacheControl)
				}
				if got := r.Header.Get("If-None-Match") != ""; got != (conditional && r.Path == testkit.KeySetPath) {
					t.Errorf("%s: %s is conditional: %t", what, r.Path, got)
				}
			}
		}
		testkit.WantKey(t, c, "k1")
		want("the first load", "max-age=900", false)
		time.Sleep(testkit.DefaultTTL * 9 / 10)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		want("refresh-ahead", "max-age=900", true)
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKey(t, c, "k1")
		want("an expired set", "max-age=900", true)
		time.Sleep(testkit.DefaultTTL)
		testkit.WantNoKey(t, c, "junk")
		want("an expired set without the key", "max-age=900", false)
		testkit.MustRefresh(t, c)
		want("Refresh", "no-cache", false)
		testkit.WantNoKey(t, c, "more junk")
		want("an unknown kid", "no-cache", false)
		testkit.RefuseOnce(t, v, testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		want("a bad signature", "no-cache", false)
		env.Issuer.Rotate()
		testkit.MustRefresh(t, c)
		env.Issuer.RemoveKey("k1")
		testkit.MustRefresh(t, c)
		env.TakeRequests("")
		testkit.WantNoKey(t, c, "k1")
		want("a kid that left", "no-cache", false)

		c = env.NewClient(jwks.WithoutCache())
		for range 2 {
			testkit.WantKey(t, c, "k2")
			want("WithoutCache", "no-cache", false)
		}
	})
	testkit.Bubble(t, "at least once an hour without a condition", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKeySteadily(t, c, "k1", time.Second, 12*time.Hour)
		last, conditional := time.Duration(0), 0
		for _, r := range env.TakeRequests(testkit.KeySetPath) {
			if r.Header.Get("If-None-Match") != "" {
				conditional++
				continue
			}
			if r.At-last > time.Hour {
				t.Errorf("from %v to %v every request has one", last, r.At)
			}
			last = r.At
		}
		if conditional < 30 {
			t.Errorf("%d conditional requests in 12 hours", conditional)
		}
	})
}

// A jump of the wall clock cannot be made in a bubble, where both clocks are
// one. But what the policy sees is the monotonic clock alone; see also
// TestTheClockIsMonotonic.
func TestClient_StatusUsesWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		fetched := time.Now()
		time.Sleep(time.Minute)
		if st := c.Status(); !st.FetchedAt.Equal(fetched) || !st.ExpiresAt.Equal(fetched.Add(testkit.DefaultTTL)) || !st.StaleUntil.Equal(fetched.Add(testkit.DefaultTTL+time.Hour)) {
			t.Errorf("%+v", st)
		}
	})
}
