package jwks_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestServerHeadersAndTheTTL(t *testing.T) {
	tests := []struct {
		rule   string
		header http.Header
		ttl    time.Duration
		want   time.Duration
	}{
		{"no headers", nil, ttl, ttl},
		{"max-age shortens", http.Header{"Cache-Control": {"public, max-age=300"}}, ttl, 5 * time.Minute},
		{"not below a minute", http.Header{"Cache-Control": {"max-age=1"}}, ttl, time.Minute},
		{"max-age=0", http.Header{"Cache-Control": {"max-age=0"}}, ttl, time.Minute},
		{"never lengthens", http.Header{"Cache-Control": {"max-age=604800"}}, ttl, ttl},
		{"max-age less Age", http.Header{"Cache-Control": {"max-age=600"}, "Age": {"120"}}, ttl, 8 * time.Minute},
		{"Age alone", http.Header{"Age": {"300"}}, ttl, 10 * time.Minute},
		{"Age and a long max-age", http.Header{"Cache-Control": {"max-age=86400"}, "Age": {"300"}}, ttl, 10 * time.Minute},
		{"an answer that was old already", http.Header{"Cache-Control": {"max-age=300"}, "Age": {"3600"}}, ttl, time.Minute},
		{"no-store", http.Header{"Cache-Control": {"no-store"}}, ttl, time.Minute},
		{"no-cache", http.Header{"Cache-Control": {"no-cache, max-age=3600"}}, ttl, time.Minute},
		{"an odd directive costs itself only", http.Header{"Cache-Control": {`max-age=300, =, "`}}, ttl, 5 * time.Minute},
		{"a max-age that overflows", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, ttl, ttl},
		{"Expires", http.Header{"Date": {"Sat, 01 Jan 2000 00:00:00 GMT"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, ttl, 7 * time.Minute},
		{"max-age before Expires", http.Header{"Cache-Control": {"max-age=120"}, "Expires": {"Sat, 01 Jan 2000 00:07:00 GMT"}}, ttl, 2 * time.Minute},
		{"Expires: 0", http.Header{"Expires": {"0"}}, ttl, time.Minute},
		{"a short TTL is the user's own", http.Header{"Cache-Control": {"no-store"}}, 10 * time.Second, 10 * time.Second},
		{"a long TTL too", nil, 24 * time.Hour, 24 * time.Hour},
	}
	for _, tt := range tests {
		bubble(t, tt.rule, func(t *testing.T) {
			w := newWorld(t)
			w.editing(func(r *http.Request, resp *http.Response) {
				for name, values := range tt.header {
					resp.Header[name] = values
				}
			})
			c := w.client(jwks.WithTTL(tt.ttl), jwks.WithMaxStale(2*time.Hour))
			finds(t, c, "k1")
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
	bubble(t, "headers of an error change nothing", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		before := c.Status()
		w.issuer.SetCacheControl("max-age=86400, no-store")
		w.issuer.SetFault(jwkstest.Status(500))
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

func TestConditionalRequests(t *testing.T) {
	bubble(t, "a 304 renews the set without reading it again", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		first, err := c.KeySet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.sent("")
		second, err := c.Refresh(t.Context())
		if err != nil || second != first {
			t.Errorf("another set, %v", err)
		}
		r := w.sent(jwksPath)
		if len(r) != 1 || r[0].header.Get("If-None-Match") == "" {
			t.Errorf("requests %v", r)
		}
		if st := c.Status(); st.Fetches != 2 || st.NotModified != 1 {
			t.Errorf("status %+v", st)
		}
		if e := w.told(); len(e) != 2 || e[1].Kind != jwks.EventNotModified {
			t.Errorf("events %v", e)
		}
		w.issuer.Rotate()
		if set, err := c.Refresh(t.Context()); err != nil || set.Len() != 2 {
			t.Errorf("a changed set: %v, %v", set, err)
		}
	})
	bubble(t, "Last-Modified serves where there is no ETag", func(t *testing.T) {
		w := newWorld(t)
		const date = "Sat, 01 Jan 2000 00:00:00 GMT"
		w.editing(func(_ *http.Request, resp *http.Response) {
			resp.Header.Del("ETag")
			resp.Header.Set("Last-Modified", date)
		})
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		first, _ := c.KeySet(t.Context())
		second, err := c.Refresh(t.Context())
		if err != nil || second != first {
			t.Errorf("an equal document makes another set, %v", err)
		}
		r := w.sent(jwksPath)
		if len(r) != 1 || r[0].header.Get("If-Modified-Since") != date || r[0].header.Get("If-None-Match") != "" {
			t.Errorf("requests %v", r)
		}
	})
	bubble(t, "what a 304 does not repeat stays", func(t *testing.T) {
		w := newWorld(t)
		w.editing(func(_ *http.Request, resp *http.Response) {
			if resp.StatusCode == http.StatusNotModified {
				resp.Header = http.Header{}
			} else {
				resp.Header.Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
				resp.Header.Set("Cache-Control", "max-age=300")
			}
		})
		c := w.client()
		for range 3 {
			refreshed(t, c)
			if got := time.Until(c.Status().ExpiresAt); got != 5*time.Minute {
				t.Errorf("fresh for %v", got)
			}
			time.Sleep(time.Minute)
		}
		for _, r := range w.sent(jwksPath)[1:] {
			if r.header.Get("If-None-Match") == "" || r.header.Get("If-Modified-Since") == "" {
				t.Errorf("%v", r.header)
			}
		}
		if st := c.Status(); st.NotModified != 2 {
			t.Errorf("%+v", st)
		}
	})
	bubble(t, "the validators of one place are not used at another", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		moved := newSigner(t, "ES256", "elsewhere")
		w.replying(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case discoveryPath:
				return answer(200, `{"issuer":"`+w.issuer.URL()+`","jwks_uri":"`+w.issuer.URL()+`/moved"}`)
			case "/moved":
				return answer(200, `{"keys":[`+moved.jwk()+`]}`)
			}
			return nil
		})
		w.sent("")
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := w.sent("/moved")
		if len(r) != 1 || r[0].header.Get("If-None-Match") != "" {
			t.Errorf("requests %v", r)
		}
		finds(t, c, "elsewhere")
	})
	bubble(t, "only what is forced goes past caches", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		noCache := func(what string, want string) {
			t.Helper()
			r := w.sent("")
			if len(r) == 0 {
				t.Errorf("%s: no request", what)
			}
			for _, r := range r {
				if got := r.header.Get("Cache-Control"); got != want {
					t.Errorf("%s: %s has Cache-Control %q, want %q", what, r.path, got, want)
				}
			}
		}
		finds(t, c, "k1")
		noCache("the first load", "")
		time.Sleep(ttl * 9 / 10)
		finds(t, c, "k1")
		synctest.Wait()
		noCache("refresh-ahead", "")
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		noCache("Refresh", "no-cache")
		misses(t, c, "junk")
		noCache("an unknown kid", "no-cache")
	})
}

// A jump of the wall clock cannot be made in a bubble, where both clocks are
// one. But what the policy sees is the monotonic clock alone; see also
// TestTheClockIsMonotonic.
func TestStatusSpeaksOfTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		fetched := time.Now()
		time.Sleep(time.Minute)
		if st := c.Status(); !st.FetchedAt.Equal(fetched) || !st.ExpiresAt.Equal(fetched.Add(ttl)) || !st.StaleUntil.Equal(fetched.Add(ttl+time.Hour)) {
			t.Errorf("%+v", st)
		}
	})
}
