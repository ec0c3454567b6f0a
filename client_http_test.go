package jwks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// moving is an issuer whose key set is elsewhere now. The old place answers
// with status.
func moving(w *world, status int, entries ...string) {
	w.replying(func(r *http.Request) *http.Response {
		switch r.URL.Path {
		case discoveryPath:
			return answer(200, `{"issuer":"`+w.issuer.URL()+`","jwks_uri":"`+w.issuer.URL()+`/new/keys"}`)
		case "/new/keys":
			return answer(200, `{"keys":[`+strings.Join(entries, ",")+`]}`)
		case jwksPath:
			return answer(status, "{}")
		}
		return nil
	})
}

func TestDiscoveryDocumentIsFetched(t *testing.T) {
	bubble(t, "with every refresh", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		moving(w, 200, newSigner(t, "ES256", "moved").jwk())
		time.Sleep(ttl + 1)
		finds(t, c, "moved")
		m, err := c.Metadata(t.Context())
		if err != nil || !strings.HasSuffix(m.JWKSURI, "/new/keys") {
			t.Errorf("%+v, %v", m, err)
		}
		if st := c.Status(); st.JWKSURL != m.JWKSURI {
			t.Errorf("status %+v", st)
		}
	})
	bubble(t, "with Refresh", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		refreshed(t, c)
		if n := len(w.sent(discoveryPath)); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "not for an unknown key while it is young", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		for range 9 { // the set itself is fetched anew each time
			misses(t, c, "junk", jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
		}
		if n, d := len(w.sent(jwksPath)), len(w.sent(discoveryPath)); n != 9 || d != 0 {
			t.Errorf("%d requests for the key set, %d for the document", n, d)
		}
		for range 9 {
			misses(t, c, "junk", jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
		}
		if n, d := len(w.sent(jwksPath)), len(w.sent(discoveryPath)); n != 9 || d != 1 {
			t.Errorf("past the TTL: %d requests for the key set, %d for the document", n, d)
		}
	})
	for _, status := range []int{404, 410} {
		bubble(t, "at once when the key set has moved: "+http.StatusText(status), func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			finds(t, c, "k1")
			moving(w, status, newSigner(t, "ES256", "moved").jwk())
			w.sent("")
			finds(t, c, "moved")
			if r := w.sent(""); len(r) != 3 || r[0].path != jwksPath || r[1].path != discoveryPath || r[2].path != "/new/keys" {
				t.Errorf("requests %v", r)
			}
			if st := c.Status(); st.Failures != 0 || st.Fetches != 2 {
				t.Errorf("%+v", st)
			}
		})
	}
	bubble(t, "not when the key set answers otherwise", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		moving(w, 403, newSigner(t, "ES256", "moved").jwk())
		misses(t, c, "moved", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
	})
	bubble(t, "once: a place that it has just named is not asked for twice", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetJWKSFault(jwkstest.Status(404))
		misses(t, w.client(), "k1", jwks.ErrUnavailable)
		if n := w.issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
	})
	bubble(t, "for an issuer other than the configured one it is refused, and no key of it is asked for", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.replying(func(r *http.Request) *http.Response {
			if r.URL.Path != discoveryPath {
				return nil
			}
			return answer(200, `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}`)
		})
		w.sent("")
		_, err := c.Refresh(t.Context())
		wantError(t, err, jwks.ErrUnavailable, jwks.ErrIssuerMismatch)
		if n := len(w.sent("/jwks")); n != 0 {
			t.Errorf("%d requests for a key set", n)
		}
		finds(t, c, "k1")
	})
}

// The limits themselves are those of internal/fetch; here is that the options
// reach it.
func TestOptionsOfFetching(t *testing.T) {
	bubble(t, "headers and the user agent go with every request", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithHeader("X-Api-Key", "one"), jwks.WithHeader("X-Api-Key", "two"))
		finds(t, c, "k1")
		requests := w.sent("")
		if len(requests) != 2 {
			t.Fatalf("%d requests", len(requests))
		}
		for _, r := range requests {
			if v := r.header.Values("X-Api-Key"); len(v) != 2 || !strings.HasPrefix(r.header.Get("User-Agent"), "seed-jwks/") ||
				r.header.Get("Accept") != "application/jwk-set+json, application/json" {
				t.Errorf("%s: %v", r.path, r.header)
			}
		}
	})
	bubble(t, "options shared by clients do not add up", func(t *testing.T) {
		w := newWorld(t)
		header := jwks.WithHeader("X-Api-Key", "one")
		for range 3 {
			finds(t, w.client(header), "k1")
		}
		for _, r := range w.sent("") {
			if v := r.header.Values("X-Api-Key"); len(v) != 1 {
				t.Errorf("%v", v)
			}
		}
	})
	bubble(t, "WithTimeout bounds an attempt, WithRetries their number", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetFault(jwkstest.Hang())
		c := w.client(jwks.WithTimeout(time.Second), jwks.WithRetries(4))
		took := timed(func() { _, _ = c.Key(t.Context(), "k1") })
		if n := w.issuer.Requests().Discovery; n != 5 || took < 5*time.Second || took > 8*time.Second {
			t.Errorf("%d attempts in %v", n, took)
		}
	})
	bubble(t, "a whole fetch ends after 15 s", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetFault(jwkstest.Delay(4 * time.Second))
		w.issuer.SetJWKSFault(jwkstest.Hang())
		c := w.client(jwks.WithRetries(100))
		if took := timed(func() { _, _ = c.Key(t.Context(), "k1") }); took > 15*time.Second || took < 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	bubble(t, "or after a longer timeout", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetJWKSFault(jwkstest.Delay(50 * time.Second))
		findsWithin(t, w.client(jwks.WithTimeout(time.Minute)), "k1", 50*time.Second)
	})
	bubble(t, "WithMaxDocumentSize", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.client(jwks.WithMaxDocumentSize(100)).Key(t.Context(), "k1")
		wantError(t, err, jwks.ErrUnavailable)
		if !strings.Contains(err.Error(), "longer than the limit of 100 bytes") {
			t.Error(err)
		}
	})
	bubble(t, "plain http needs AllowInsecureHTTP", func(t *testing.T) {
		w := newWorld(t, jwkstest.WithBaseURL("http://issuer.example"))
		if _, err := jwks.NewClient(jwks.WithIssuer(w.issuer.URL())); err == nil {
			t.Error("no error")
		}
		finds(t, w.client(jwks.AllowInsecureHTTP()), "k1")
	})
	bubble(t, "or a loopback host", func(t *testing.T) {
		w := newWorld(t, jwkstest.WithBaseURL("http://localhost:8080"))
		finds(t, w.client(), "k1")
	})
}
