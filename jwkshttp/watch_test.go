package jwkshttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// pointerVerifier is a TokenVerifier whose nil pointer would panic.
type pointerVerifier struct{ err error }

func (v *pointerVerifier) Verify(context.Context, string) (*jwks.Token, error) { return nil, v.err }

// refusalRequests are one request for each kind of refusal, with what the log
// says of it.
func refusalRequests(t *testing.T) []refusalRequest {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	away := newIssuer(t)
	away.SetFault(jwkstest.Status(404))
	twice := httptest.NewRequest("GET", "/", nil)
	twice.Header["Authorization"] = []string{"Bearer " + sign(issuer, "a"), "Bearer " + sign(issuer, "b")}
	expired := issuer.Sign(map[string]any{"aud": audience, "exp": time.Now().Add(-time.Hour)})
	good := sign(issuer, "user")
	return []refusalRequest{
		{"no token", verifier, httptest.NewRequest("GET", "/", nil), 401, "no_token", "INFO"},
		{"malformed", verifier, twice, 400, "malformed", "INFO"},
		{"not a JWT", verifier, bearing("opaque"), 401, "malformed", "INFO"},
		{"expired", verifier, bearing(expired), 401, "expired", "INFO"},
		{"a bad signature", verifier, bearing(good[:len(good)-8] + "AAAAAAAA"), 401, "signature", "INFO"},
		{"another audience", verifier, bearing(issuer.Sign(map[string]any{"aud": "x"})), 401, "audience", "INFO"},
		{"no scope", verifier, bearing(good), 403, "scope", "INFO"},
		{"unavailable", newVerifier(t, away), bearing(sign(away, "user")), 503, "unavailable", "WARN"},
		{"broken", failing(fmt.Errorf("cannot judge %s", good)), bearing(good), 500, "other", "ERROR"},
	}
}

type refusalRequest struct {
	rule          string
	verifier      jwkshttp.TokenVerifier
	request       *http.Request
	status        int
	reason, level string
}

func TestWithLogger_LineForEachRefusal(t *testing.T) {
	for _, test := range refusalRequests(t) {
		t.Run(test.rule, func(t *testing.T) {
			var log bytes.Buffer
			var refused []error
			mux := http.NewServeMux()
			mux.Handle("GET /", jwkshttp.Middleware(test.verifier, jwkshttp.RequireScopes("write"),
				jwkshttp.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))),
				jwkshttp.OnRefusal(func(_ *http.Request, err error) { refused = append(refused, err) }))(served))
			w := answer(mux, test.request)
			var line struct {
				Level, Msg, Reason, Error, Method, Pattern string
				Status                                     int
			}
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("%s: %v", log.String(), err)
			}
			if w.Code != test.status || line.Status != test.status || line.Reason != test.reason || line.Level != test.level || line.Error == "" || line.Method != "GET" || line.Pattern != "GET /" {
				t.Errorf("status %d, line %+v", w.Code, line)
			}
			for _, value := range test.request.Header["Authorization"] {
				if token := strings.TrimPrefix(value, "Bearer "); len(token) > 20 && (strings.Contains(log.String(), token[:20]) || strings.Contains(log.String(), token[len(token)-20:])) {
					t.Errorf("the log holds the token: %s", log.String())
				}
			}
			if len(refused) != 1 || jwkshttp.StatusCode(refused[0]) != test.status || jwkshttp.Reason(refused[0]) != test.reason {
				t.Errorf("told of %v", refused)
			}
		})
	}
}

func TestWithLogger_NothingElse(t *testing.T) {
	issuer := newIssuer(t)
	var log bytes.Buffer
	h := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.SkipPaths("/open"), jwkshttp.AllowAnonymous(),
		jwkshttp.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		jwkshttp.OnRefusal(func(*http.Request, error) { t.Error("told of a request that was served") }))(served)
	for _, r := range []*http.Request{bearing(sign(issuer, "user")), httptest.NewRequest("GET", "/open", nil), httptest.NewRequest("GET", "/", nil)} {
		if w := answer(h, r); w.Code != 200 || log.Len() > 0 {
			t.Errorf("status %d, log %s", w.Code, log.String())
		}
	}
}

func TestOnRefusal_BesidesErrorHandler(t *testing.T) {
	var order []string
	h := jwkshttp.Middleware(failing(errInvalid),
		jwkshttp.OnRefusal(func(*http.Request, error) { order = append(order, "a") }),
		jwkshttp.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, _ error) {
			order = append(order, "handler")
			w.WriteHeader(418)
		}),
		jwkshttp.OnRefusal(func(*http.Request, error) { order = append(order, "b") }))(served)
	if w := answer(h, bearing("x")); w.Code != 418 || strings.Join(order, " ") != "a b handler" {
		t.Errorf("status %d, order %v", w.Code, order)
	}
}

func TestEndAtExpiry_EndsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		verifier := newVerifier(t, issuer)
		wait := func(opts ...jwkshttp.Option) (d time.Duration, cause error) {
			h := jwkshttp.Middleware(verifier, opts...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				start := time.Now()
				<-r.Context().Done()
				d, cause = time.Since(start), context.Cause(r.Context())
			}))
			token := issuer.Sign(map[string]any{"aud": audience, "exp": time.Now().Add(10 * time.Minute)})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			answer(h, bearing(token).WithContext(ctx))
			return d, cause
		}
		if d, cause := wait(); d != time.Hour || errors.Is(cause, jwt.ErrTokenExpired) {
			t.Errorf("without the option it ended after %v: %v", d, cause)
		}
		d, cause := wait(jwkshttp.EndAtExpiry())
		if d != 10*time.Minute+30*time.Second { // with the leeway
			t.Errorf("ended after %v", d)
		}
		if !errors.Is(cause, jwt.ErrTokenExpired) || jwkshttp.StatusCode(cause) != 401 || jwkshttp.Reason(cause) != "expired" {
			t.Errorf("because of %v", cause)
		}
	})
}

func TestEndAtExpiry_TokenWithoutExp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		verifier, err := jwks.NewVerifier(client, jwks.WithAudience(audience), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		h := jwkshttp.Middleware(verifier, jwkshttp.EndAtExpiry())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(24 * time.Hour)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the context ended: %v", err)
			}
		}))
		if w := answer(h, bearing(issuer.Sign(map[string]any{"aud": audience, "exp": nil}))); w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
	})
}

func TestStatusCode_JWTErrors(t *testing.T) {
	issuer := newIssuer(t)
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for rule, token := range map[string]string{
		"expired":       issuer.Sign(map[string]any{"exp": time.Now().Add(-time.Hour)}),
		"not_yet_valid": issuer.Sign(map[string]any{"nbf": time.Now().Add(time.Hour)}),
		"signature":     issuer.Sign(nil)[:len(issuer.Sign(nil))-8] + "AAAAAAAA",
		"malformed":     "a.b",
		"key_not_found": issuer.Sign(nil, jwkstest.WithKeyID("other")),
	} {
		_, err := jwt.Parse(token, client.Keyfunc)
		if err == nil || jwkshttp.StatusCode(err) != 401 || jwkshttp.Reason(err) != rule {
			t.Errorf("%s: %v is %d, %s", rule, err, jwkshttp.StatusCode(err), jwkshttp.Reason(err))
		}
	}
	if _, err := jwt.Parse(issuer.Sign(nil), client.Keyfunc, jwt.WithAudience("other")); jwkshttp.StatusCode(err) != 401 {
		t.Errorf("%v is %d", err, jwkshttp.StatusCode(err))
	}
	issuer.SetFault(jwkstest.Status(404))
	down, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	if _, err := jwt.Parse(issuer.Sign(nil), down.Keyfunc); jwkshttp.StatusCode(err) != 503 || jwkshttp.Reason(err) != "unavailable" {
		t.Errorf("%v is %d", err, jwkshttp.StatusCode(err))
	}
	if got := jwkshttp.StatusCode(fmt.Errorf("%w: %w", jwt.ErrTokenExpired, jwks.ErrUnavailable)); got != 503 {
		t.Errorf("unavailable and expired is %d", got)
	}
	if got := jwkshttp.Reason(nil); got != "" {
		t.Errorf("no error is %q", got)
	}
}

func TestExposeHeaders_PagesOnly(t *testing.T) {
	for _, test := range refusalRequests(t) {
		for _, origin := range []string{"", "https://app.example"} {
			r := test.request.Clone(t.Context())
			want := ""
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			w := answer(jwkshttp.Middleware(test.verifier, jwkshttp.RequireScopes("write"))(served), r)
			if origin != "" && w.Code != 500 {
				if want = "WWW-Authenticate"; w.Code == 503 {
					want = "Retry-After"
				}
			}
			if got := w.Header().Get("Access-Control-Expose-Headers"); got != want && (w.Code != 503 || w.Header().Get("Retry-After") != "") {
				t.Errorf("%s, origin %q: exposes %q, want %q", test.rule, origin, got, want)
			}
		}
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Expose-Headers", "X-Mine") // of a middleware in front
		jwkshttp.Middleware(failing(errInvalid))(served).ServeHTTP(w, r)
	})
	r := bearing("x")
	r.Header.Set("Origin", "null")
	if got := answer(h, r).Header().Values("Access-Control-Expose-Headers"); strings.Join(got, ", ") != "X-Mine, WWW-Authenticate" {
		t.Errorf("exposes %q", got)
	}
}

// TestSkipPaths_PathParameters is a service behind a proxy or a servlet
// container that cuts path parameters and then resolves dots.
func TestSkipPaths_PathParameters(t *testing.T) {
	h := jwkshttp.Middleware(newVerifier(t, newIssuer(t)), jwkshttp.SkipPaths("/docs/"))(served)
	for _, target := range []string{"/docs/..;/admin", "/docs/..;a=b/admin", "/docs/%2e%2e;/admin", "/docs/..%3b/admin", "/docs/..%5cadmin", "/docs/.../admin", "/docs/..%00/admin", "/docs/%ff/x"} {
		if w := answer(h, httptest.NewRequest("GET", target, nil)); w.Code != 401 {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := answer(h, httptest.NewRequest("GET", "/docs/a/b.html", nil)); w.Code != 200 {
		t.Errorf("a plain path: status %d", w.Code)
	}
}
