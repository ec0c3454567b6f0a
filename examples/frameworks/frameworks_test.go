package frameworks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/examples/frameworks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestFrameworksAnswerAlike sends the same requests to all four.
func TestFrameworksAnswerAlike(t *testing.T) {
	gin.SetMode(gin.TestMode)
	issuer, away := jwkstest.New(t), jwkstest.New(t)
	away.SetFault(jwkstest.Status(503))
	up, down := newVerifier(t, issuer), newVerifier(t, away)

	type service func(*http.Request) *http.Response
	over := func(h http.Handler) service {
		return func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Result()
		}
	}
	fiber := func(v *jwks.Verifier) service {
		app := frameworks.Fiber(v)
		return func(r *http.Request) *http.Response {
			resp, err := app.Test(r)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
	}
	good := "Bearer " + issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"})
	for name, start := range map[string]func(v *jwks.Verifier) service{
		"chi":   func(v *jwks.Verifier) service { return over(frameworks.Chi(v)) },
		"gin":   func(v *jwks.Verifier) service { return over(frameworks.Gin(v)) },
		"echo":  func(v *jwks.Verifier) service { return over(frameworks.Echo(v)) },
		"fiber": fiber,
	} {
		for _, test := range []struct {
			rule, path    string
			verifier      *jwks.Verifier
			authorization []string
			status        int
			body          string
		}{
			{"an open path", "/healthz", up, nil, 200, "ok"},
			{"a good token", "/hello", up, []string{good}, 200, "hello alice"},
			{"no token", "/hello", up, nil, 401, `{"title":"Unauthorized","status":401}`},
			{"a bad token", "/hello", up, []string{"Bearer x"}, 401, `{"title":"Unauthorized","status":401}`},
			{"two headers", "/hello", up, []string{good, good}, 400, `{"title":"Bad Request","status":400}`},
			{"no keys", "/hello", down, []string{good}, 503, `{"title":"Service Unavailable","status":503}`},
		} {
			r := httptest.NewRequest("GET", test.path, nil)
			r.Header["Authorization"] = test.authorization
			resp := start(test.verifier)(r)
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(string(body)); resp.StatusCode != test.status || got != test.body {
				t.Errorf("%s: %s: %d %s, want %d %s", name, test.rule, resp.StatusCode, got, test.status, test.body)
			}
			if got := resp.Header.Get("WWW-Authenticate"); strings.HasPrefix(got, "Bearer") != (test.status == 400 && name != "fiber" || test.status == 401) {
				t.Errorf("%s: %s: challenge %q", name, test.rule, got)
			}
			if got := resp.Header.Get("Content-Type"); test.status >= 400 && got != "application/problem+json" {
				t.Errorf("%s: %s: content type %q", name, test.rule, got)
			}
		}
	}
}

func newVerifier(t *testing.T, issuer *jwkstest.Issuer) *jwks.Verifier {
	t.Helper()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}
