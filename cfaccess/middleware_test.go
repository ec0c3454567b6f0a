package cfaccess_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// captureLog returns what slog.Default writes from now on.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &out
}

// TestDocumentedTable sends every request of the table in the package
// documentation to a real server.
func TestDocumentedTable(t *testing.T) {
	captureLog(t)
	a, other, away := newAccess(t, teamURL), newAccess(t, "https://other-team.cloudflareaccess.com"), newAccess(t, teamURL)
	away.SetFault(jwkstest.Status(503))
	v := newValidator(t, a)
	good := a.person()
	bad := good[:len(good)-8] + "AAAAAAAA"
	claims := func(name string, value any) string {
		c := personClaims()
		c[name] = value
		return a.Sign(c)
	}
	dev := cfaccess.WithDevUser(cfaccess.User{Subject: "dev", Email: "dev@example.com"})
	open := cfaccess.SkipPaths("/healthz")

	servers := map[string]*httptest.Server{}
	for name, middleware := range map[string]func(http.Handler) http.Handler{
		"":     v.Middleware(),
		"open": v.Middleware(open),
		"dev":  v.Middleware(dev),
		"dev+": v.Middleware(dev, open),
		"away": newValidator(t, away, cfaccess.WithClientOptions(jwks.WithRetries(0))).Middleware(),
	} {
		servers[name] = httptest.NewServer(middleware(served))
		t.Cleanup(servers[name].Close)
	}

	type sending struct {
		to, path string
		set      func(*http.Request)
		body     string // of "served": whom
	}
	nothing := func(*http.Request) {}
	both := func(a, b func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) { a(r); b(r) }
	}
	const me = "served alice@example.com"
	requests := map[string]sending{
		"a valid token in the header":                          {set: withHeader(good), body: me},
		"a valid token in the cookie":                          {set: withCookie(good), body: me},
		"a valid token in both":                                {set: both(withHeader(good), withCookie(good)), body: me},
		"valid in the header, invalid in the cookie":           {set: both(withHeader(good), withCookie(bad)), body: me},
		"invalid in the header, valid in the cookie":           {set: both(withHeader(bad), withCookie(good))},
		"a service token in the header":                        {set: withHeader(a.service()), body: "served " + servicesName},
		"no token":                                             {set: nothing},
		"a valid token in Authorization only":                  {set: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+good) }},
		"an e-mail in Cf-Access-Authenticated-User-Email only": {set: func(r *http.Request) { r.Header.Set("Cf-Access-Authenticated-User-Email", "alice@example.com") }},
		"a token of another team":                              {set: withHeader(other.person())},
		"a token for another application":                      {set: withHeader(claims("aud", "other"))},
		"an expired token":                                     {set: withHeader(claims("exp", time.Now().Add(-time.Hour).Unix()))},
		"two token headers":                                    {set: withHeader(good, good)},
		"two tokens in one header":                             {set: withHeader(good + ", " + good)},
		"two token cookies and no header":                      {set: withCookie(good, good)},
		"a valid token while the keys are unavailable":         {to: "away", set: withHeader(away.person())},
		`SkipPaths("/healthz"): GET /healthz`:                  {to: "open", path: "/healthz", set: nothing},
		`SkipPaths("/healthz"): GET //healthz`:                 {to: "open", path: "//healthz", set: nothing},
		"WithDevUser: no token":                                {to: "dev", set: nothing, body: "served as dev@example.com"},
		"WithDevUser: a valid token":                           {to: "dev", set: withHeader(good), body: me},
		"WithDevUser: an invalid token":                        {to: "dev", set: withCookie(bad)},
		"WithDevUser: two token headers":                       {to: "dev", set: withHeader("", "")},
		`WithDevUser: SkipPaths("/healthz"): GET /healthz`:     {to: "dev+", path: "/healthz", set: withHeader(bad)},
	}
	challenges := map[string]string{
		"200": "", "503 unavailable": "", "401 no token": "Bearer",
		"401 invalid_token": `Bearer error="invalid_token", `, "400 invalid_request": `Bearer error="invalid_request", `,
	}

	rows := documented(t)
	if len(rows) != len(requests) {
		t.Errorf("the documentation has %d requests, the test %d", len(rows), len(requests))
	}
	for _, row := range rows {
		t.Run(row[0], func(t *testing.T) {
			s, ok := requests[row[0]]
			if !ok || len(row) != 2 {
				t.Fatalf("no request for the row %q", row)
			}
			answer := row[1]
			if strings.HasPrefix(answer, "served") {
				if answer == "served without user" {
					s.body = answer
				}
				answer = "200"
			}
			wantChallenge, ok := challenges[answer]
			if !ok {
				t.Fatalf("the answer %q is unknown", answer)
			}
			server := servers[s.to]
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", server.URL+s.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.set(r)
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Status[:3]; got != answer[:3] {
				t.Errorf("status %s, want %s", got, answer[:3])
			}
			got := resp.Header.Get("WWW-Authenticate")
			if exact := !strings.HasSuffix(wantChallenge, " "); exact && got != wantChallenge || !strings.HasPrefix(got, wantChallenge) {
				t.Errorf("challenge %q, want %q", got, wantChallenge)
			}
			if want := s.body; answer == "200" && string(body) != want || answer != "200" && want != "" {
				t.Errorf("body %q, want %q", body, want)
			}
		})
	}
}

// documented reads the table of the package documentation.
func documented(t *testing.T) [][]string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(source), "\n//\trequest")
	if !ok {
		t.Fatal("doc.go has no table")
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		row, isRow := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t")
		switch {
		case strings.HasPrefix(row, "---"):
		case isRow:
			rows = append(rows, regexp.MustCompile(`\s{2,}`).Split(row, -1))
		case len(rows) > 0:
			return rows
		}
	}
	return rows
}

// TestDevUserIsLoggedOnce: for each middleware, whatever the number of handlers
// and requests, and not without the option.
func TestDevUserIsLoggedOnce(t *testing.T) {
	out := captureLog(t)
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	v.Middleware()(served)
	if out.Len() != 0 {
		t.Errorf("logged without a development user: %s", out)
	}
	middleware := v.Middleware(cfaccess.WithDevUser(cfaccess.User{Email: "dev@example.com"}))
	for range 3 {
		h := middleware(served)
		for range 3 {
			if w := get(h, func(*http.Request) {}); w.Body.String() != "served as dev@example.com" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "dev@example.com") {
		t.Errorf("logged %q, want one warning that names the user", got)
	}
}

// TestDevUserComesFromTheCodeOnly: nothing in this package can read the
// environment or the command line, so nothing there makes a development user.
func TestDevUserComesFromTheCodeOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source files", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if slices.Contains([]string{`"os"`, `"syscall"`, `"flag"`}, i.Path.Value) {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}

// TestDevUserIsNoWayAroundTheKeys: a token that cannot be judged is not the
// development user's.
func TestDevUserIsNoWayAroundTheKeys(t *testing.T) {
	captureLog(t)
	a := newAccess(t, teamURL)
	a.SetFault(jwkstest.Status(403))
	h := newValidator(t, a).Middleware(cfaccess.WithDevUser(cfaccess.User{Email: "dev@example.com"}))(served)
	if w := get(h, withHeader(a.person())); w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("status %d, want 503 and no challenge", w.Code)
	}
}

// TestForeignTokenIsNoUser: the token of another middleware in front of this
// one says nothing about the team's users.
func TestForeignTokenIsNoUser(t *testing.T) {
	captureLog(t)
	a, other := newAccess(t, teamURL), newAccess(t, "https://other-team.cloudflareaccess.com")
	foreign, err := newOther(t, other).Verify(t.Context(), other.person())
	if err != nil {
		t.Fatal(err)
	}
	bring := func(r *http.Request) { *r = *r.WithContext(jwkshttp.ContextWithToken(r.Context(), foreign)) }
	v := newValidator(t, a)
	whoami := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := cfaccess.UserFromContext(r.Context())
		if !ok {
			_, _ = io.WriteString(w, "nobody")
			return
		}
		_, _ = io.WriteString(w, u.Email)
	})
	if got := get(whoami, bring).Body.String(); got != "nobody" {
		t.Errorf("without the middleware: %s", got)
	}
	if got := get(v.Middleware(cfaccess.SkipPaths("/"))(whoami), bring).Body.String(); got != "nobody" {
		t.Errorf("on a skipped path: %s", got)
	}
	if got := get(v.Middleware(cfaccess.WithDevUser(cfaccess.User{Email: "dev@example.com"}))(served), bring).Body.String(); got != "served as dev@example.com" {
		t.Errorf("as the development user: %s", got)
	}
	if got := get(v.Middleware()(whoami), bring).Code; got != 401 {
		t.Errorf("without a token of the team: %d", got)
	}
}

func newOther(t *testing.T, a *access) *cfaccess.Validator {
	t.Helper()
	v, err := cfaccess.New("other-team", audience, cfaccess.WithHTTPClient(&http.Client{Transport: a}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestErrorHandlerWritesRefusals(t *testing.T) {
	a := newAccess(t, teamURL)
	var seen error
	h := newValidator(t, a).Middleware(cfaccess.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
		seen = err
		w.WriteHeader(http.StatusTeapot)
	}))(served)
	if w := get(h, withHeader("x")); w.Code != http.StatusTeapot || !errors.Is(seen, jwks.ErrTokenInvalid) || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d, %v, challenge %q", w.Code, seen, w.Header().Get("WWW-Authenticate"))
	}
}

// TestPathAddsAtMostFiveAllocations: what the middleware costs beside Verify;
// the user's claims are read where somebody asks.
func TestPathAddsAtMostFiveAllocations(t *testing.T) {
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	person := a.person()
	h := v.Middleware(cfaccess.SkipPaths("/healthz"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	alone := testing.AllocsPerRun(100, func() { _, _ = v.Verify(context.Background(), person) })
	for place, set := range map[string]func(*http.Request){"header": withHeader(person), "cookie": withCookie(person)} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		set(r)
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatalf("%s: status %d", place, w.Code)
		}
		behind := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) })
		t.Logf("Verify %v, behind the middleware %v with a %s", alone, behind, place)
		if behind > alone+5 {
			t.Errorf("the middleware makes %v allocations of %v with a %s, want at most 5 more", behind, alone, place)
		}
	}
}

func TestMistakesInTheProgramPanicAtTheStart(t *testing.T) {
	v := newValidator(t, newAccess(t, teamURL))
	for want, f := range map[string]func(){
		"the validator is nil": func() { (*cfaccess.Validator)(nil).Middleware() },
		"an option is nil":     func() { v.Middleware(nil) },
		"the handler is nil":   func() { v.Middleware()(nil) },
		"WithErrorHandler":     func() { v.Middleware(cfaccess.WithErrorHandler(nil)) },
		"parsing":              func() { v.Middleware(cfaccess.SkipPaths("no path")) },
	} {
		func() {
			defer func() {
				if got := recover(); got == nil || !strings.Contains(fmt.Sprint(got), want) {
					t.Errorf("panic %v, want one about %s", got, want)
				}
			}()
			f()
		}()
	}
}
