package jwkshttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

var (
	errUnavailable = fmt.Errorf("wrapped: %w", jwks.ErrUnavailable)
	errInvalid     = fmt.Errorf("wrapped: %w", jwks.ErrTokenInvalid)
)

// TestUnreachableIssuerLogsNobodyOut: 503 without a challenge as long as the
// keys are unavailable, and the same token serves as soon as they can.
func TestUnreachableIssuerLogsNobodyOut(t *testing.T) {
	for _, fault := range []struct {
		name  string
		fault jwkstest.Fault
	}{
		{"503", jwkstest.Status(503)}, {"404", jwkstest.Status(404)}, {"no connection", jwkstest.DropConnection()},
		{"no answer", jwkstest.Hang()}, {"another document", jwkstest.Body([]byte("<html>"))},
		{"no keys", jwkstest.Body([]byte(`{"keys":[]}`))}, {"a loop", jwkstest.Redirect("/jwks")},
	} {
		t.Run(fault.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuer(t)
				h := jwkshttp.Middleware(newVerifier(t, issuer))(served)
				token := sign(issuer, "user")
				issuer.SetFault(fault.fault)
				for range 2 { // the second within the backoff of the first
					w := answer(h, bearing(token))
					if w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" {
						t.Errorf("status %d, challenge %q, want 503 and none", w.Code, w.Header().Get("WWW-Authenticate"))
					}
				}
				issuer.SetFault(jwkstest.None())
				time.Sleep(2 * time.Minute)
				if w := answer(h, bearing(token)); w.Code != 200 {
					t.Errorf("status %d once the issuer is back, want 200", w.Code)
				}
			})
		})
	}
}

// TestRetryAfterIsTheNextAttempt: whoever comes back when Retry-After says is
// not told to come back again, once the issuer is back.
func TestRetryAfterIsTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		h := jwkshttp.Middleware(newVerifier(t, issuer))(served)
		token := sign(issuer, "user")
		issuer.SetFault(jwkstest.Status(500))
		answer(h, bearing(token))
		w := answer(h, bearing(token))
		issuer.SetFault(jwkstest.None())
		wait, err := time.ParseDuration(w.Header().Get("Retry-After") + "s")
		if w.Code != 503 || err != nil || wait < time.Second {
			t.Fatalf("status %d, Retry-After %q, want 503 and at least a second", w.Code, w.Header().Get("Retry-After"))
		}
		time.Sleep(wait)
		if w := answer(h, bearing(token)); w.Code != 200 {
			t.Errorf("status %d after Retry-After, want 200", w.Code)
		}
	})
}

func TestCallerWhoGaveUpIsNotLoggedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		issuer.SetFault(jwkstest.Hang())
		var got error
		h := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.WithErrorHandler(func(_ http.ResponseWriter, _ *http.Request, err error) {
			got = err
		}))(served)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		answer(h, bearing(sign(issuer, "user")).WithContext(ctx))
		if !errors.Is(got, jwks.ErrUnavailable) || !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("the handler saw %v, want ErrUnavailable and DeadlineExceeded", got)
		}
	})
}

// TestErrorHandlerGetsEveryRefusal: headers are set before it is called, and
// status and body are its own.
func TestErrorHandlerGetsEveryRefusal(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	twice := httptest.NewRequest("GET", "/", nil)
	twice.Header["Authorization"] = []string{"Bearer a", "Bearer b"}
	odd := errors.New("odd")
	for _, test := range []struct {
		rule                  string
		verifier              jwkshttp.TokenVerifier
		request               *http.Request
		want                  error
		challenge, retryAfter string
	}{
		{"no token", verifier, httptest.NewRequest("GET", "/", nil), jwkshttp.ErrNoToken, `Bearer realm="r"`, ""},
		{"malformed", verifier, twice, jwkshttp.ErrMalformed, `Bearer realm="r", error="invalid_request", `, ""},
		{"invalid", verifier, bearing("x"), jwks.ErrTokenInvalid, `Bearer realm="r", error="invalid_token", `, ""},
		{"scope", verifier, bearing(sign(issuer, "user")), jwkshttp.ErrInsufficientScope, `Bearer realm="r", error="insufficient_scope", `, ""},
		{"unavailable", failing(&jwks.FetchError{RetryAfter: 1500 * time.Millisecond}), bearing("x"), jwks.ErrUnavailable, "", "2"},
		{"neither class", failing(odd), bearing("x"), odd, "", ""},
	} {
		calls := 0
		h := jwkshttp.Middleware(test.verifier, jwkshttp.WithRealm("r"), jwkshttp.RequireScopes("admin"),
			jwkshttp.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
				calls++
				if !errors.Is(err, test.want) {
					t.Errorf("%s: the handler saw %v, want %v", test.rule, err, test.want)
				}
				if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, test.challenge) || test.challenge == "" && got != "" {
					t.Errorf("%s: challenge %q before the handler, want %q", test.rule, got, test.challenge)
				}
				if got := w.Header().Get("Retry-After"); got != test.retryAfter {
					t.Errorf("%s: Retry-After %q before the handler, want %q", test.rule, got, test.retryAfter)
				}
				w.WriteHeader(http.StatusTeapot)
				_, _ = fmt.Fprintf(w, "status %d", jwkshttp.StatusCode(err))
			}))(served)
		w := answer(h, test.request)
		if calls != 1 || w.Code != http.StatusTeapot {
			t.Errorf("%s: %d calls, status %d, want one call and its status", test.rule, calls, w.Code)
		}
	}
}

func TestStatusCode(t *testing.T) {
	for _, test := range []struct {
		rule string
		err  error
		want int
	}{
		{"no error", nil, 200},
		{"unavailable", errUnavailable, 503},
		{"invalid", errInvalid, 401},
		{"a reason of the library", jwks.ErrKeyNotFound, 500}, // never without its class
		{"a reason that has a class", jwks.ErrIssuerMismatch, 503},
		{"a failed fetch", &jwks.FetchError{StatusCode: 404}, 503},
		{"no token", jwkshttp.ErrNoToken, 401},
		{"malformed", fmt.Errorf("%w: x", jwkshttp.ErrMalformed), 400},
		{"scope", jwkshttp.ErrInsufficientScope, 403},
		{"anything else", errors.New("x"), 500},
		{"both classes: the token may be fine", errors.Join(errInvalid, errUnavailable), 503},
	} {
		if got := jwkshttp.StatusCode(test.err); got != test.want {
			t.Errorf("%s: StatusCode(%v) = %d, want %d", test.rule, test.err, got, test.want)
		}
	}
}

// TestRefusalsTellNothing: what the token says and what the service trusts is
// for the error handler, not for the caller.
func TestRefusalsTellNothing(t *testing.T) {
	issuer := newIssuer(t)
	h := jwkshttp.Middleware(newVerifier(t, issuer))(served)
	for _, token := range []string{
		issuer.Sign(map[string]any{"aud": "secret-audience"}),
		issuer.Sign(map[string]any{"aud": audience}, jwkstest.WithKeyID("secret-kid")),
		issuer.Sign(map[string]any{"aud": audience, "iss": "https://secret.example"}),
		issuer.Sign(map[string]any{"aud": audience}, jwkstest.WithHeader("alg", "secret-alg")),
	} {
		w := answer(h, bearing(token))
		if w.Code != 401 {
			t.Errorf("status %d, want 401", w.Code)
		}
		all := fmt.Sprint(w.Header()) + w.Body.String()
		for _, secret := range []string{"secret", issuer.URL(), "issuer.jwkstest", audience, "k1"} {
			if strings.Contains(all, secret) {
				t.Errorf("the answer shows %q: %s", secret, all)
			}
		}
	}
}

// TestAnonymousRequestBringsNoToken: also not that of another middleware in
// front of this one, which may trust others.
func TestAnonymousRequestBringsNoToken(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	outer := jwkshttp.Middleware(verifier)
	elsewhere := jwkshttp.WithExtractors(jwkshttp.FromHeader("X-Token"))
	token := sign(issuer, "user")

	if got := answer(outer(jwkshttp.Middleware(verifier, elsewhere, jwkshttp.AllowAnonymous())(served)), bearing(token)).Body.String(); got != "served without token" {
		t.Errorf("AllowAnonymous: %s", got)
	}
	// What this middleware skips stays as the others left it.
	if got := answer(outer(jwkshttp.Middleware(verifier, elsewhere, jwkshttp.SkipPaths("/"))(served)), bearing(token)).Body.String(); got != "served" {
		t.Errorf("SkipPaths: %s", got)
	}
}

func TestScopesAddUp(t *testing.T) {
	issuer := newIssuer(t)
	h := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.RequireScopes("a", "b"), jwkshttp.RequireScopes("b", "c"))(served)
	for _, test := range []struct {
		scopes string
		want   int
	}{
		{"a b c", 200}, {"c b a d", 200}, {"a b", 403}, {"", 403}, {"a b C", 403}, {"abc", 403},
	} {
		w := answer(h, bearing(issuer.Sign(map[string]any{"aud": audience, "scope": test.scopes})))
		if w.Code != test.want {
			t.Errorf("%q: status %d, want %d", test.scopes, w.Code, test.want)
		}
		if c := w.Header().Get("WWW-Authenticate"); test.want == 403 && !strings.HasSuffix(c, `, scope="a b c"`) {
			t.Errorf("%q: challenge %s", test.scopes, c)
		}
	}
}

func TestContextHoldsWhatItIsGiven(t *testing.T) {
	issuer := newIssuer(t)
	token, err := newVerifier(t, issuer).Verify(t.Context(), sign(issuer, "user"))
	if err != nil {
		t.Fatal(err)
	}
	empty := context.Background()
	if got, ok := jwkshttp.TokenFromContext(empty); ok || got != nil {
		t.Errorf("an empty context holds %v, %v", got, ok)
	}
	with := jwkshttp.ContextWithToken(empty, token)
	if got, ok := jwkshttp.TokenFromContext(with); !ok || got != token {
		t.Errorf("the context holds %v, %v, want the token", got, ok)
	}
	if got, ok := jwkshttp.TokenFromContext(jwkshttp.ContextWithToken(with, nil)); ok || got != nil {
		t.Errorf("a context with nil holds %v, %v, want none", got, ok)
	}
}

func TestMistakesInTheProgramPanicAtTheStart(t *testing.T) {
	v := failing(errInvalid)
	nop := func(http.ResponseWriter, *http.Request, error) {}
	for _, test := range []struct {
		want string
		f    func()
	}{
		{"the verifier is nil", func() { jwkshttp.Middleware(nil) }},
		{"the verifier is nil", func() { jwkshttp.Middleware((*jwks.Verifier)(nil)) }},
		{"the verifier is nil", func() { jwkshttp.Middleware((*pointerVerifier)(nil)) }},
		{"the verifier is nil", func() { jwkshttp.Middleware(verifierFunc(nil)) }},
		{"WithLogger", func() { jwkshttp.Middleware(failing(nil), jwkshttp.WithLogger(nil)) }},
		{"OnRefusal", func() { jwkshttp.Middleware(failing(nil), jwkshttp.OnRefusal(nil)) }},
		{"the handler is nil", func() { jwkshttp.Middleware(v)(nil) }},
		{"an option is nil", func() { jwkshttp.Middleware(v, nil) }},
		{"WithExtractors", func() { jwkshttp.Middleware(v, jwkshttp.WithExtractors()) }},
		{"WithExtractors", func() { jwkshttp.Middleware(v, jwkshttp.WithExtractors(jwkshttp.BearerToken, nil)) }},
		{"RequireScopes", func() { jwkshttp.Middleware(v, jwkshttp.RequireScopes()) }},
		{"RequireScopes", func() { jwkshttp.Middleware(v, jwkshttp.RequireScopes("a", "")) }},
		{"RequireScopes", func() { jwkshttp.Middleware(v, jwkshttp.RequireScopes("a b")) }},
		{"RequireScopes", func() { jwkshttp.Middleware(v, jwkshttp.RequireScopes(`a"`)) }},
		{"RequireScopes", func() { jwkshttp.Middleware(v, jwkshttp.RequireScopes("a\r\nX: y")) }},
		{"WithRealm", func() { jwkshttp.Middleware(v, jwkshttp.WithRealm("a\r\nX: y")) }},
		{"WithResourceMetadata", func() { jwkshttp.Middleware(v, jwkshttp.WithResourceMetadata("")) }},
		{"WithResourceMetadata", func() { jwkshttp.Middleware(v, jwkshttp.WithResourceMetadata("/metadata")) }},
		{"WithResourceMetadata", func() { jwkshttp.Middleware(v, jwkshttp.WithResourceMetadata("https://x/\n")) }},
		{"WithErrorHandler", func() { jwkshttp.Middleware(v, jwkshttp.WithErrorHandler(nil)) }},
		{"parsing", func() { jwkshttp.Middleware(v, jwkshttp.SkipPaths("no path")) }},
		{"conflicts", func() { jwkshttp.Middleware(v, jwkshttp.SkipPaths("/{x}"), jwkshttp.SkipPaths("/{y}")) }},
		{"FromHeader", func() { jwkshttp.FromHeader("") }},
		{"FromCookie", func() { jwkshttp.FromCookie("") }},
		{"ResourceMetadataHandler", func() { jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{}) }},
	} {
		if got := panics(test.f); got == nil || !strings.Contains(fmt.Sprint(got), test.want) {
			t.Errorf("panic %v, want one about %s", got, test.want)
		}
	}
	if got := panics(func() {
		jwkshttp.Middleware(v, jwkshttp.RequireScopes("https://api.example/read:all"), jwkshttp.WithRealm(""), jwkshttp.SkipPaths(), jwkshttp.WithErrorHandler(nop))(served)
	}); got != nil {
		t.Errorf("panic %v for options that are fine", got)
	}
}

// TestOptionsAreCopied: what the caller does with its slice later changes
// nothing.
func TestOptionsAreCopied(t *testing.T) {
	issuer := newIssuer(t)
	places := []jwkshttp.Extractor{jwkshttp.BearerToken}
	scopes := []string{"read"}
	h := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.WithExtractors(places...), jwkshttp.RequireScopes(scopes...))(served)
	places[0], scopes[0] = jwkshttp.FromHeader("X-Token"), "admin"
	if w := answer(h, bearing(sign(issuer, "user"))); w.Code != 200 {
		t.Errorf("status %d, want 200", w.Code)
	}
}

func TestMiddlewareIsSafeForConcurrentUse(t *testing.T) {
	issuer := newIssuer(t)
	protect := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.RequireScopes("read"), jwkshttp.SkipPaths("/open"))
	h := protect(served)
	tokens := []string{sign(issuer, "a"), sign(issuer, "b"), "x"}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			w := answer(h, bearing(tokens[i%3]))
			if got, want := w.Header().Get("X-Subject"), []string{"a", "b", ""}[i%3]; got != want {
				t.Errorf("served %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
}

// TestPathAddsAtMostFiveAllocations: what the middleware costs beside Verify
// and, where it looks at scopes, HasScopes.
func TestPathAddsAtMostFiveAllocations(t *testing.T) {
	issuer := newIssuer(t)
	token := sign(issuer, "user")
	verifier := newVerifier(t, issuer)
	if _, err := verifier.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	// A stub in place of Verify, so that its own count does not blur ours.
	verified, err := verifier.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	stub := verifierFunc(func(context.Context, string) (*jwks.Token, error) { return verified, nil })
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	withCookie := httptest.NewRequest("GET", "/x", nil)
	withCookie.AddCookie(&http.Cookie{Name: "token", Value: token})
	withHeader := bearing(token)
	scopes := testing.AllocsPerRun(100, func() { verified.HasScopes("read") })
	t.Logf("HasScopes: %v allocations", scopes)

	for _, test := range []struct {
		rule    string
		request *http.Request
		most    float64
		opts    []jwkshttp.Option
	}{
		{"the default", withHeader, 2, nil},
		{"scopes and skipped paths", withHeader, 2 + scopes, []jwkshttp.Option{jwkshttp.RequireScopes("read"), jwkshttp.SkipPaths("/healthz", "GET /docs/")}},
		{"a cookie behind a header", withCookie, 2, []jwkshttp.Option{jwkshttp.WithExtractors(jwkshttp.FromHeader("X-Token"), jwkshttp.FromCookie("token"))}},
	} {
		h := jwkshttp.Middleware(stub, test.opts...)(empty)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, test.request)
		if w.Code != 200 {
			t.Fatalf("%s: status %d", test.rule, w.Code)
		}
		got := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, test.request) })
		t.Logf("%s: %v allocations", test.rule, got)
		if got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.rule, got, test.most)
		}
	}

	// And with the real Verify: the difference is the same.
	h := jwkshttp.Middleware(verifier)(empty)
	w := httptest.NewRecorder()
	alone := testing.AllocsPerRun(100, func() { _, _ = verifier.Verify(context.Background(), token) })
	behind := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, withHeader) })
	t.Logf("Verify %v, behind the middleware %v", alone, behind)
	if behind > alone+5 {
		t.Errorf("the middleware makes %v allocations of %v, want at most 5 more", behind, alone)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	issuer := newIssuer(b)
	verifier := newVerifier(b, issuer)
	token := sign(issuer, "user")
	verified, err := verifier.Verify(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	stub := verifierFunc(func(context.Context, string) (*jwks.Token, error) { return verified, nil })
	h := jwkshttp.Middleware(stub, jwkshttp.RequireScopes("read"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := bearing(token), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

// TestNoHeaderBringsAPanic feeds odd headers to every extractor.
func TestNoHeaderBringsAPanic(t *testing.T) {
	issuer := newIssuer(t)
	h := jwkshttp.Middleware(newVerifier(t, issuer), jwkshttp.WithExtractors(jwkshttp.BearerToken, jwkshttp.FromHeader("X-Token"), jwkshttp.FromCookie("token")))(served)
	odd := []string{"", " ", ",", "=", "Bearer", "Bearer ", "bearer\x00", "Bearer .", "Bearer ..", "Bearer a.b.c.d", "\xff\xfe", strings.Repeat("a", 1<<16), `"`, "token=", "token=;token=", "a b c", "Bearer " + strings.Repeat(".", 1<<12)}
	for _, name := range []string{"Authorization", "X-Token", "Cookie"} {
		for _, value := range odd {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header[name] = []string{value}
			if w := answer(h, r); !slices.Contains([]int{400, 401}, w.Code) {
				t.Errorf("%s: %.20q: status %d, want 400 or 401", name, value, w.Code)
			}
		}
	}
}
