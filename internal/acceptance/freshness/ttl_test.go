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

func TestClient_ServerHeadersAndTTL(t *testing.T) {
	tests := []struct {
		rule   string
		header http.Header
		ttl    time.Duration
		want   time.Duration
	}{
		{"no headers", nil, testkit.DefaultTTL, testkit.DefaultTTL},
		{"max-age shortens", http.Header{"Cache-Control": {"public, max-age=300"}}, testkit.DefaultTTL, 5 * time.Minute},
		{"not below a minute", http.Header{"Cache-Control": {"max-age=1"}}, testkit.DefaultTTL, time.Minute},
		{"max-age=0", http.Header{"Cache-Control": {"max-age=0"}}, testkit.DefaultTTL, time.Minute},
		{"never lengthens", http.Header{"Cache-Control": {"max-age=604800"}}, testkit.DefaultTTL, testkit.DefaultTTL},
		{"max-age less Age", http.Header{"Cache-Control": {"max-age=600"}, "Age": {"120"}}, testkit.DefaultTTL, 8 * time.Minute},
		{"Age alone", http.Header{"Age": {"300"}}, testkit.DefaultTTL, 10 * time.Minute},
		{"Age and a long max-age", http.Header{"Cache-Control": {"max-age=86400"}, "Age": {"300"}}, testkit.DefaultTTL, 10 * time.Minute},
		{"an answer that was old already", http.Header{"Cache-Control": {"max-age=300"}, "Age": {"3600"}}, testkit.DefaultTTL, time.Minute},
		{"no-store", http.Header{"Cache-Control": {"no-store"}}, testkit.DefaultTTL, time.Minute},
		{"no-cache", http.Header{"Cache-Control": {"no-cache, max-age=3600"}}, testkit.DefaultTTL, time.Minute},
		{"an invalid directive alone is ignored", http.Header{"Cache-Control": {`max-age=300, =, "`}}, testkit.DefaultTTL, 5 * time.Minute},
		{"a max-age that overflows", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, testkit.DefaultTTL, testkit.DefaultTTL},
		{"Expires", http.Header{"Date": {"Sat, 01 Jan 2000 00:00:00 GMT"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, testkit.DefaultTTL, 7 * time.Minute},
		{"max-age before Expires", http.Header{"Cache-Control": {"max-age=120"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, testkit.DefaultTTL, 2 * time.Minute},
		{"Expires: 0", http.Header{"Expires": {"0"}}, testkit.DefaultTTL, time.Minute},
		{"a short TTL is the user's own", http.Header{"Cache-Control": {"no-store"}}, 10 * time.Second, 10 * time.Second},
		{"a long TTL too", nil, 24 * time.Hour, 24 * time.Hour},
	}
	for _, tt := range tests {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.EditResponses(func(r *http.Request, resp *http.Response) {
				for name, values := range tt.header {
					resp.Header[name] = values
				}
			})
			c := env.NewClient(jwks.WithTTL(tt.ttl), jwks.WithMaxStale(2*time.Hour))
			testkit.WantKey(t, c, "k1")
			st := c.Status()
			if got := time.Until(st.ExpiresAt); got != tt.want {
				t.Errorf("a 200 is fresh for %v, want %v", got, tt.want)
			}
			if got := st.StaleUntil.Sub(st.ExpiresAt); got != 2*time.Hour || !st.FetchedAt.Equal(time.Now()) {
				t.Errorf("stale for %v, fetched at %v", got, st.FetchedAt)
			}
			time.Sleep(5 * time.Second)
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			st = c.Status()
			if got := time.Until(st.ExpiresAt); got != tt.want || st.NotModified != 1 {
				t.Errorf("a 304 renews it for %v, want %v (%d of them)", got, tt.want, st.NotModified)
			}
		})
	}
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
		second, err := c.Refresh(t.Context())
		if err != nil || second != first {
			t.Errorf("another set, %v", err)
		}
		r := env.TakeRequests(testkit.KeySetPath)
		if len(r) != 1 || r[0].Header.Get("If-None-Match") == "" {
			t.Errorf("requests %v", r)
		}
		if st := c.Status(); st.Fetches != 2 || st.NotModified != 1 {
			t.Errorf("status %+v", st)
		}
		if e := env.TakeEvents(); len(e) != 2 || e[1].Kind != jwks.EventNotModified {
			t.Errorf("events %v", e)
		}
		env.Issuer.Rotate()
		if set, err := c.Refresh(t.Context()); err != nil || set.Len() != 2 {
			t.Errorf("a changed set: %v, %v", set, err)
		}
	})
	testkit.Bubble(t, "Last-Modified is used where there is no ETag", func(t *testing.T) {
		env := testkit.NewEnv(t)
		const date = "Sat, 01 Jan 2000 00:00:00 GMT"
		env.EditResponses(func(_ *http.Request, resp *http.Response) {
			resp.Header.Del("ETag")
			resp.Header.Set("Last-Modified", date)
			resp.Header.Set("Date", "Sat, 01 Jan 2000 00:00:01 GMT")
		})
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		first, _ := c.KeySet(t.Context())
		second, err := c.Refresh(t.Context())
		if err != nil || second != first {
			t.Errorf("an equal document makes another set, %v", err)
		}
		r := env.TakeRequests(testkit.KeySetPath)
		if len(r) != 1 || r[0].Header.Get("If-Modified-Since") != date || r[0].Header.Get("If-None-Match") != "" {
			t.Errorf("requests %v", r)
		}
	})
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
		for range 3 {
			testkit.MustRefresh(t, c)
			if got := time.Until(c.Status().ExpiresAt); got != 5*time.Minute {
				t.Errorf("fresh for %v", got)
			}
			time.Sleep(time.Minute)
		}
		for _, r := range env.TakeRequests(testkit.KeySetPath)[1:] {
			if r.Header.Get("If-None-Match") == "" || r.Header.Get("If-Modified-Since") == "" {
				t.Errorf("%v", r.Header)
			}
		}
		if st := c.Status(); st.NotModified != 2 {
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
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := env.TakeRequests("/moved")
		if len(r) != 1 || r[0].Header.Get("If-None-Match") != "" {
			t.Errorf("requests %v", r)
		}
		testkit.WantKey(t, c, "elsewhere")
	})
	testkit.Bubble(t, "only what is forced goes past caches", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		noCache := func(what string, want string) {
			t.Helper()
			r := env.TakeRequests("")
			if len(r) == 0 {
				t.Errorf("%s: no request", what)
			}
			for _, r := range r {
				if got := r.Header.Get("Cache-Control"); got != want {
					t.Errorf("%s: %s has Cache-Control %q, want %q", what, r.Path, got, want)
				}
			}
		}
		testkit.WantKey(t, c, "k1")
		noCache("the first load", "")
		time.Sleep(testkit.DefaultTTL * 9 / 10)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		noCache("refresh-ahead", "")
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		noCache("Refresh", "no-cache")
		testkit.WantNoKey(t, c, "junk")
		noCache("an unknown kid", "no-cache")
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
