package freshness

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_RetryAfter(t *testing.T) {
	after := func(env *testkit.Env, status int, value string) {
		env.ReplyWith(func(*http.Request) *http.Response { return testkit.Response(status, "{}", "Retry-After", value) })
	}
	for _, tt := range []struct {
		rule   string
		status int
		value  string
		want   time.Duration
	}{
		{"raises the backoff", 503, "120", 2 * time.Minute},
		{"of a 429 too", 429, "120", 2 * time.Minute},
		{"of any failure", 404, "120", 2 * time.Minute},
		{"as a date", 503, "Sat, 01 Jan 2000 00:03:00 GMT", 3 * time.Minute}, // where a bubble's clock begins
		{"to 10 minutes at most", 503, "86400", 10 * time.Minute},
	} {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			after(env, tt.status, tt.value)
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			if n := len(env.TakeRequests("")); tt.status != 404 && n != 1 {
				t.Errorf("%d requests, want 1: it was retried", n)
			}
			if wait := time.Until(c.Status().NextAttempt); wait != tt.want {
				t.Errorf("the next attempt is in %v, want %v", wait, tt.want)
			}
			env.ReplyWith(nil)
			for left := tt.want; left > 0; left -= 10 * time.Second {
				err := testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
				var failed *jwks.FetchError
				if !errors.As(err, &failed) || failed.RetryAfter != left || failed.StatusCode != tt.status || !strings.HasPrefix(failed.URL, env.Issuer.URL()) {
					t.Fatalf("with %v left: %+v", left, failed)
				}
				time.Sleep(10 * time.Second)
			}
			env.TakeRequests("")
			testkit.WantKey(t, c, "k1")
			if st := c.Status(); !st.NextAttempt.IsZero() {
				t.Errorf("%+v", st)
			}
		})
	}
	testkit.Bubble(t, "does not lower it", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		after(env, 503, "0")
		longest := time.Duration(0)
		for range 50 {
			_, err := c.Refresh(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			longest = max(longest, time.Until(c.Status().NextAttempt))
		}
		if longest < 30*time.Second || longest > time.Minute {
			t.Errorf("after 50 failures at most %v", longest)
		}
	})
}

// No bad answer of an issuer costs a client its good set.
func TestClient_BadAnswersKeepTheSet(t *testing.T) {
	body := func(text string) func(*jwkstest.Issuer) *http.Response {
		return func(*jwkstest.Issuer) *http.Response { return testkit.Response(200, text) }
	}
	status := func(code int, text string) func(*jwkstest.Issuer) *http.Response {
		return func(*jwkstest.Issuer) *http.Response { return testkit.Response(code, text) }
	}
	private := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`
	tests := []struct {
		rule   string
		answer func(*jwkstest.Issuer) *http.Response
		is     error // nil: any
	}{
		{"an empty body", body(""), jwks.ErrInvalidKeySet},
		{"an empty set", body(`{"keys":[]}`), jwks.ErrInvalidKeySet},
		{"an empty object", body(`{}`), jwks.ErrInvalidKeySet},
		{"null", body(`null`), jwks.ErrInvalidKeySet},
		{"keys: null", body(`{"keys":null}`), jwks.ErrInvalidKeySet},
		{"HTML", body("<!doctype html>\n<title>Wartung</title>"), jwks.ErrInvalidKeySet},
		{"an OAuth error", body(`{"error":"temporarily_unavailable"}`), jwks.ErrInvalidKeySet},
		{"a truncated document", body(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1"`), jwks.ErrInvalidKeySet},
		{"no usable key", body(`{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k1"}]}`), jwks.ErrInvalidKeySet},
		{"a leaked private key", body(private), jwks.ErrInvalidKeySet},
		{"an oversized document", body(`{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`), nil},
		{"204", status(204, ""), nil},
		{"206", status(206, `{"keys":[`), nil},
		{"an unexpected 304", status(304, ""), nil},
		{"301 without a place", status(301, ""), nil},
		{"400", status(400, "{}"), nil},
		{"401", status(401, "{}"), nil},
		{"404", status(404, "{}"), nil},
		{"429", status(429, "{}"), nil},
		{"500", status(500, "{}"), nil},
		{"503 with a key set", status(503, `{"keys":[]}`), nil},
		{"a body shorter than announced", func(*jwkstest.Issuer) *http.Response {
			resp := testkit.Response(200, `{"keys":[`)
			resp.ContentLength = 1000
			return resp
		}, nil},
	}
	for _, tt := range tests {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.EditResponses(func(_ *http.Request, resp *http.Response) { resp.Header.Del("ETag") })
			c := env.NewClient()
			first, err := c.KeySet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			env.ReplyWith(func(r *http.Request) *http.Response {
				if r.URL.Path == testkit.KeySetPath {
					return tt.answer(env.Issuer)
				}
				return nil
			})
			_, err = c.Refresh(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			var failed *jwks.FetchError
			if !errors.As(err, &failed) || failed.URL != env.Issuer.JWKSURL() {
				t.Errorf("%v: holds %+v", err, failed)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v: does not match %v", err, tt.is)
			}
			for _, leak := range []string{"Wartung", "c2VjcmV0", "nWGxne", "temporarily"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("%v shows the document", err)
				}
			}
			if set, err := c.KeySet(t.Context()); err != nil || set != first {
				t.Errorf("the good set is gone: %v", err)
			}
			time.Sleep(testkit.DefaultTTL + 30*time.Minute)
			wantKeyAfterRetries(t, c, "k1")
			env.ReplyWith(nil)
			time.Sleep(time.Minute)
			wantKeyAfterRetries(t, c, "k1")
			if st := c.Status(); st.Failures == 0 || st.LastError == nil {
				t.Errorf("%+v", st)
			}
		})
	}
}

// wantKeyAfterRetries is testkit.WantKey for a lookup that may wait for the
// retries of an attempt.
func wantKeyAfterRetries(t *testing.T, c *jwks.Client, kid string) {
	t.Helper()
	testkit.WantKeyWithin(t, c, kid, time.Second)
}
