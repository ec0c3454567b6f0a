package client

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// moveKeySet is an issuer whose key set is elsewhere now. The old place answers
// with status.
func moveKeySet(env *testkit.Env, status int, entries ...string) {
	env.ReplyWith(func(r *http.Request) *http.Response {
		switch r.URL.Path {
		case testkit.DiscoveryPath:
			return testkit.Response(200, `{"issuer":"`+env.Issuer.URL()+`","jwks_uri":"`+env.Issuer.URL()+`/new/keys"}`)
		case "/new/keys":
			return testkit.Response(200, `{"keys":[`+strings.Join(entries, ",")+`]}`)
		case testkit.KeySetPath:
			return testkit.Response(status, "{}")
		}
		return nil
	})
}

func TestClient_DiscoveryIsRefetched(t *testing.T) {
	testkit.Bubble(t, "with every refresh", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		moveKeySet(env, 200, testkit.NewSigner(t, "ES256", "moved").JWK())
		time.Sleep(testkit.DefaultTTL + 1)
		testkit.WantKey(t, c, "moved")
		m, err := c.Metadata(t.Context())
		if err != nil || !strings.HasSuffix(m.JWKSURI, "/new/keys") {
			t.Errorf("%+v, %v", m, err)
		}
		if st := c.Status(); st.JWKSURL != m.JWKSURI {
			t.Errorf("status %+v", st)
		}
	})
	testkit.Bubble(t, "with Refresh", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		testkit.MustRefresh(t, c)
		if n := len(env.TakeRequests(testkit.DiscoveryPath)); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "not for an unknown key while it is young", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		for range 9 { // the set itself is fetched each time
			testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
		}
		if n, d := len(env.TakeRequests(testkit.KeySetPath)), len(env.TakeRequests(testkit.DiscoveryPath)); n != 9 || d != 0 {
			t.Errorf("%d requests for the key set, %d for the document", n, d)
		}
		for range 9 {
			testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
		}
		if n, d := len(env.TakeRequests(testkit.KeySetPath)), len(env.TakeRequests(testkit.DiscoveryPath)); n != 9 || d != 1 {
			t.Errorf("past the TTL: %d requests for the key set, %d for the document", n, d)
		}
	})
	for _, status := range []int{404, 410} {
		testkit.Bubble(t, "at once when the key set has moved: "+http.StatusText(status), func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			moveKeySet(env, status, testkit.NewSigner(t, "ES256", "moved").JWK())
			env.TakeRequests("")
			testkit.WantKey(t, c, "moved")
			if r := env.TakeRequests(""); len(r) != 3 || r[0].Path != testkit.KeySetPath || r[1].Path != testkit.DiscoveryPath || r[2].Path != "/new/keys" {
				t.Errorf("requests %v", r)
			}
			if st := c.Status(); st.Failures != 0 || st.Fetches != 2 {
				t.Errorf("%+v", st)
			}
		})
	}
	testkit.Bubble(t, "not when the key set answers otherwise", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		moveKeySet(env, 403, testkit.NewSigner(t, "ES256", "moved").JWK())
		testkit.WantNoKey(t, c, "moved", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "once: a place that it has just named is not asked for twice", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetJWKSFault(jwkstest.Status(404))
		testkit.WantNoKey(t, env.NewClient(), "k1", jwks.ErrUnavailable)
		if n := env.Issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("%+v", n)
		}
	})
	testkit.Bubble(t, "for an issuer other than the configured one it is refused, and no key of it is asked for", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.ReplyWith(func(r *http.Request) *http.Response {
			if r.URL.Path != testkit.DiscoveryPath {
				return nil
			}
			return testkit.Response(200, `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}`)
		})
		env.TakeRequests("")
		_, err := c.Refresh(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrIssuerMismatch)
		if n := len(env.TakeRequests("/jwks")); n != 0 {
			t.Errorf("%d requests for a key set", n)
		}
		testkit.WantKey(t, c, "k1")
	})
}

// The limits themselves are those of internal/fetch; here is that the options
// reach it.
func TestClient_FetchOptions(t *testing.T) {
	testkit.Bubble(t, "headers and the user agent go with every request", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithHeader("X-Api-Key", "one"), jwks.WithHeader("X-Api-Key", "two"))
		testkit.WantKey(t, c, "k1")
		requests := env.TakeRequests("")
		if len(requests) != 2 {
			t.Fatalf("%d requests", len(requests))
		}
		for _, r := range requests {
			if v := r.Header.Values("X-Api-Key"); len(v) != 2 || !strings.HasPrefix(r.Header.Get("User-Agent"), "seed-jwks/") ||
				r.Header.Get("Accept") != "application/jwk-set+json, application/json" {
				t.Errorf("%s: %v", r.Path, r.Header)
			}
		}
	})
	testkit.Bubble(t, "options shared by clients do not add up", func(t *testing.T) {
		env := testkit.NewEnv(t)
		header := jwks.WithHeader("X-Api-Key", "one")
		for range 3 {
			testkit.WantKey(t, env.NewClient(header), "k1")
		}
		for _, r := range env.TakeRequests("") {
			if v := r.Header.Values("X-Api-Key"); len(v) != 1 {
				t.Errorf("%v", v)
			}
		}
	})
	testkit.Bubble(t, "WithTimeout bounds an attempt, WithRetries their number", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Hang())
		c := env.NewClient(jwks.WithTimeout(time.Second), jwks.WithRetries(4))
		took := testkit.Measure(func() { _, _ = c.Key(t.Context(), "k1") })
		if n := env.Issuer.Requests().Discovery; n != 5 || took < 5*time.Second || took > 8*time.Second {
			t.Errorf("%d attempts in %v", n, took)
		}
	})
	testkit.Bubble(t, "a whole fetch ends after 15 s", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(4 * time.Second))
		env.Issuer.SetJWKSFault(jwkstest.Hang())
		c := env.NewClient(jwks.WithRetries(100))
		if took := testkit.Measure(func() { _, _ = c.Key(t.Context(), "k1") }); took > 15*time.Second || took < 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	testkit.Bubble(t, "or after a longer timeout", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetJWKSFault(jwkstest.Delay(50 * time.Second))
		testkit.WantKeyWithin(t, env.NewClient(jwks.WithTimeout(time.Minute)), "k1", 50*time.Second)
	})
	testkit.Bubble(t, "WithMaxDocumentSize", func(t *testing.T) {
		env := testkit.NewEnv(t)
		_, err := env.NewClient(jwks.WithMaxDocumentSize(100)).Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if !strings.Contains(err.Error(), "longer than the limit of 100 bytes") {
			t.Error(err)
		}
	})
	testkit.Bubble(t, "plain http needs AllowInsecureHTTP", func(t *testing.T) {
		env := testkit.NewEnv(t, jwkstest.WithBaseURL("http://issuer.example"))
		if _, err := jwks.NewClient(jwks.WithIssuer(env.Issuer.URL())); err == nil {
			t.Error("no error")
		}
		testkit.WantKey(t, env.NewClient(jwks.AllowInsecureHTTP()), "k1")
	})
	testkit.Bubble(t, "or a loopback host", func(t *testing.T) {
		env := testkit.NewEnv(t, jwkstest.WithBaseURL("http://localhost:8080"))
		testkit.WantKey(t, env.NewClient(), "k1")
	})
}
