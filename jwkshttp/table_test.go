package jwkshttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// documented reads a table of the package documentation: the rows below the
// line that begins with heading, cut at two or more spaces.
func documented(t *testing.T, heading string) [][]string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(source), "\n//\t"+heading)
	if !ok {
		t.Fatalf("doc.go has no table %q", heading)
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

// sending is one request of the table.
type sending struct {
	to           string // which middleware; "": the one that the table speaks of
	method, path string
	set          func(r *http.Request)
	subject      string // whose token is served; "": user
}

// TestDocumentedTable sends every request of the table in the package
// documentation to a real server, with a real HTTP client, and checks the
// documented answer: status, challenge and body.
func TestDocumentedTable(t *testing.T) {
	issuer, stranger := newIssuer(t), newIssuer(t, jwkstest.WithBaseURL("https://stranger.example"))
	good, other := sign(issuer, "user"), sign(issuer, "other")
	bad := good[:len(good)-8] + "AAAAAAAA"
	claims := func(c map[string]any) string {
		all := map[string]any{"aud": audience, "scope": "read"}
		for name, value := range c {
			all[name] = value
		}
		return issuer.Sign(all)
	}

	away := newIssuer(t)
	away.SetFault(jwkstest.Status(503))

	verifier := newVerifier(t, issuer)
	read := jwkshttp.RequireScopes("read")
	places := jwkshttp.WithExtractors(jwkshttp.FromHeader("X-Token"), jwkshttp.FromCookie("token"))
	servers := map[string]*httptest.Server{}
	for name, middleware := range map[string]func(http.Handler) http.Handler{
		"":           jwkshttp.Middleware(verifier, read),
		"places":     jwkshttp.Middleware(verifier, read, places),
		"optional":   jwkshttp.Middleware(verifier, jwkshttp.AllowAnonymous()),
		"optional+":  jwkshttp.Middleware(verifier, jwkshttp.AllowAnonymous(), read),
		"skipping":   jwkshttp.Middleware(verifier, read, jwkshttp.SkipPaths("/docs/")),
		"down":       jwkshttp.Middleware(newVerifier(t, away, jwks.WithRetries(0)), read),
		"broken":     jwkshttp.Middleware(failing(errors.New("boom"))),
		"silent":     jwkshttp.Middleware(failing(nil)),
		"extracting": jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(func(*http.Request) (string, error) { return good, errors.New("boom") })),
	} {
		protected := middleware(served)
		servers[name] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Target", r.RequestURI)
			protected.ServeHTTP(w, r)
		}))
		t.Cleanup(servers[name].Close)
	}

	authorization := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Authorization"] = values }
	}
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Token"] = values }
	}
	cookie := func(values ...string) func(*http.Request) {
		return func(r *http.Request) {
			for _, v := range values {
				r.AddCookie(&http.Cookie{Name: "token", Value: v})
			}
		}
	}
	both := func(a, b func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) { a(r); b(r) }
	}
	nothing := func(*http.Request) {}

	requests := map[string]sending{
		"a valid token with the scope":         {set: authorization("Bearer " + good)},
		"bearer in lower case, several spaces": {set: authorization("bearer   " + good)},
		"no Authorization header":              {set: nothing},
		"an empty Authorization header":        {set: authorization("")},
		"another scheme":                       {set: authorization(`Digest username="bearer", realm="x"`)},
		"a token without a scheme":             {set: authorization(good)},
		"a token in the query only":            {path: "/?access_token=" + good, set: nothing},
		"a token in a form body only": {method: "POST", set: func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader(url.Values{"access_token": {good}}.Encode()))
		}},
		"a token in a cookie only":                            {set: both(cookie(good), func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "Authorization", Value: good}) })},
		"OPTIONS without a token":                             {method: "OPTIONS", set: nothing},
		"two Authorization headers, both valid":               {set: authorization("Bearer "+good, "Bearer "+good)},
		"two Authorization headers, another scheme first":     {set: authorization("Basic eDp5", "Bearer "+good)},
		"Bearer without a token":                              {set: authorization("Bearer ")},
		"two tokens, comma-joined":                            {set: authorization("Bearer " + good + "," + good)},
		"two credentials, comma-joined":                       {set: authorization("Bearer " + good + ", Bearer " + good)},
		"two credentials, comma-joined, another scheme first": {set: authorization("Basic eDp5, Bearer " + good)},
		"a comma before the scheme":                           {set: authorization(", Bearer " + good)},
		"a comma after the token":                             {set: authorization("Bearer " + good + ",")},
		"anything after the token":                            {set: authorization("Bearer " + good + " x")},
		"a tab in place of the space":                         {set: authorization("Bearer\t" + good)},
		"a character that no token has":                       {set: authorization("Bearer " + good + "!")},
		"not a JWT":                                           {set: authorization("Bearer opaque")},
		"a forged signature":                                  {set: authorization("Bearer " + bad)},
		"an expired token":                                    {set: authorization("Bearer " + claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}))},
		"another audience":                                    {set: authorization("Bearer " + claims(map[string]any{"aud": "other"}))},
		"another issuer":                                      {set: authorization("Bearer " + sign(stranger, "user"))},
		"a token longer than 16 KiB":                          {set: authorization("Bearer " + claims(map[string]any{"x": strings.Repeat("x", 16<<10)}))},
		"a valid token without the scope":                     {set: authorization("Bearer " + claims(map[string]any{"scope": "reader write"}))},
		"any token while the keys are unavailable":            {to: "down", set: authorization("Bearer " + sign(away, "user"))},
		"no token while the keys are unavailable":             {to: "down", set: nothing},
		"an error of neither class from a TokenVerifier":      {to: "broken", set: authorization("Bearer " + good)},
		"neither token nor error from a TokenVerifier":        {to: "silent", set: authorization("Bearer " + good)},
		"an error of neither class from an Extractor":         {to: "extracting", set: nothing},

		"header, cookie: valid in the header":   {to: "places", set: header(good)},
		"header, cookie: valid in the cookie":   {to: "places", set: cookie(other), subject: "other"},
		"header, cookie: valid in both":         {to: "places", set: both(header(good), cookie(other))},
		"header, cookie: valid, then invalid":   {to: "places", set: both(header(good), cookie(bad))},
		"header, cookie: invalid, then valid":   {to: "places", set: both(header(bad), cookie(good))},
		"header, cookie: malformed, then valid": {to: "places", set: both(header("a, b"), cookie(good))},
		"header, cookie: the header twice":      {to: "places", set: both(header(good, good), cookie(good))},
		"header, cookie: the cookie twice":      {to: "places", set: cookie(good, good)},
		"header, cookie: both empty":            {to: "places", set: both(header(""), cookie(""))},

		"AllowAnonymous: no token where a scope is required":   {to: "optional+", set: nothing},
		"AllowAnonymous, no scopes: no token":                  {to: "optional", set: nothing},
		"AllowAnonymous, no scopes: another scheme":            {to: "optional", set: authorization("Basic eDp5")},
		"AllowAnonymous, no scopes: an invalid token":          {to: "optional", set: authorization("Bearer " + bad)},
		"AllowAnonymous, no scopes: two Authorization headers": {to: "optional", set: authorization("Bearer "+good, "Basic eDp5")},

		`SkipPaths("/docs/"): GET /docs/a`:      {to: "skipping", path: "/docs/a", set: nothing},
		`SkipPaths("/docs/"): GET /docs/../a`:   {to: "skipping", path: "/docs/../a", set: nothing},
		`SkipPaths("/docs/"): GET /docs/..%2Fa`: {to: "skipping", path: "/docs/..%2Fa", set: nothing},
		`SkipPaths("/docs/"): GET /docs//a`:     {to: "skipping", path: "/docs//a", set: nothing},
		`SkipPaths("/docs/"): GET /docs/..;/a`:  {to: "skipping", path: "/docs/..;/a", set: nothing},
		`SkipPaths("/docs/"): GET /docs`:        {to: "skipping", path: "/docs", set: nothing},
	}

	type meaning struct{ status, challenge string }
	answers := map[string]meaning{}
	for _, row := range documented(t, "answer") {
		if len(row) != 3 {
			t.Fatalf("the row %q has %d columns, want 3", row, len(row))
		}
		answers[row[0]] = meaning{row[1], row[2]}
	}

	rows := documented(t, "request")
	if len(rows) != len(requests) {
		t.Errorf("the documentation has %d requests, the test %d", len(rows), len(requests))
	}
	for _, row := range rows {
		t.Run(row[0], func(t *testing.T) {
			s, ok := requests[row[0]]
			if !ok || len(row) != 2 {
				t.Fatalf("no request for the row %q", row)
			}
			want, ok := answers[row[1]]
			if !ok {
				t.Fatalf("the answer %q is not explained", row[1])
			}
			if s.method == "" {
				s.method = "GET"
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			server := servers[s.to]
			r, err := http.NewRequestWithContext(ctx, s.method, server.URL+s.path, nil)
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

			if got, want := resp.Header.Get("X-Target"), "/"+strings.TrimPrefix(s.path, "/"); got != want {
				t.Fatalf("the request went to %s, want %s", got, want)
			}
			if got := resp.Status[:3]; got != want.status {
				t.Errorf("status %s, want %s", got, want.status)
			}
			challenge := "-"
			if values := resp.Header.Values("WWW-Authenticate"); len(values) > 0 {
				challenge = strings.Join(values, " AND ")
			}
			if challenge != want.challenge {
				t.Errorf("challenge %s\nwant      %s", challenge, want.challenge)
			}
			wantBody, wantSubject := http.StatusText(resp.StatusCode)+"\n", ""
			if resp.StatusCode == 200 {
				wantBody = row[1]
			}
			if row[1] == "served" {
				if wantSubject = s.subject; wantSubject == "" {
					wantSubject = "user"
				}
			}
			if string(body) != wantBody {
				t.Errorf("body %q, want %q", body, wantBody)
			}
			if got := resp.Header.Get("X-Subject"); got != wantSubject {
				t.Errorf("served the token of %q, want %q", got, wantSubject)
			}
		})
	}
}
