package openpath_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/openpath"
)

func TestSetMatchesPatternsOfServeMux(t *testing.T) {
	set := openpath.New([]string{"/healthz", "GET /docs/", "/users/{id}/avatar", "GET status.example/", "/exact/{$}", "/healthz", "PUT\t/tab", "/a%20b", "/sp%61ce/x"})
	for _, test := range []struct {
		rule, method, target string
		want                 bool
	}{
		{"a path", "GET", "/healthz", true},
		{"any method where the pattern names none", "DELETE", "/healthz", true},
		{"a path below a path is another", "GET", "/healthz/", false},
		{"a path below a path is another", "GET", "/healthz/x", false},
		{"a longer name is another", "GET", "/healthzz", false},
		{"case counts", "GET", "/Healthz", false},
		{"a subtree", "GET", "/docs/", true},
		{"below a subtree", "GET", "/docs/a/b.html", true},
		{"a dot in a name is a name", "GET", "/docs/a..b", true},
		{"HEAD goes with GET", "HEAD", "/docs/a", true},
		{"another method than the pattern's", "POST", "/docs/a", false},
		{"OPTIONS is another method", "OPTIONS", "/docs/a", false},
		{"a wildcard", "GET", "/users/7/avatar", true},
		{"a wildcard is one segment", "GET", "/users/7/8/avatar", false},
		{"a host", "GET", "http://status.example/x", true},
		{"another host", "GET", "http://other.example/x", false},
		{"an exact slash", "GET", "/exact/", true},
		{"an exact slash and no more", "GET", "/exact/x", false},
		{"white space behind the method", "PUT", "/tab", true},
		{"an escape in the pattern", "GET", "/a%20b", true},
		{"an escape in the pattern that needs none", "GET", "/space/x", true},
		{"a query does not count", "GET", "/healthz?next=/../admin", true},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		if got := set.Match(r); got != test.want {
			t.Errorf("%s: Match(%s %s) = %v, want %v", test.rule, test.method, test.target, got, test.want)
		}
	}
}

func TestSetLeavesAmbiguousPathsToTheMiddleware(t *testing.T) {
	set := openpath.New([]string{"/docs/", "/"})
	for _, target := range []string{
		"/docs/../admin", "/docs/..", "/docs/./x", "/docs//x", "//docs/x",
		"/docs/%2e%2e/admin", "/docs/%2E%2E/admin", "/docs/.%2e/admin", "/docs/a%2eb",
		"/docs/..%2fadmin", "/docs/%2fadmin", "/docs%2Fx", "/docs/%5c..%5cadmin", `/docs/\..\admin`,
		"/docs/%252e%252e/admin", "/docs/..%252fadmin", "/docs/%252Fadmin",
		"/docs/..;/admin", "/docs/;/../admin", "/docs/..%3b/admin", "/docs/..%3B%2fadmin", "/docs/x;a=b", "/docs/.;x/admin", "/docs;/../admin",
		"/docs/50%25", "/docs/%25c0%25ae", "/docs/%u002e%u002e", "/docs/%c0%ae%c0%ae/admin", "/docs/%ff", "/docs/%c0%af..",
		"/docs/%00", "/docs/..%00/admin", "/docs/x%0a", "/docs/..%0d/admin", "/docs/..%09/admin", "/docs/%7f", "/docs/%c2%85",
		"/docs/.../admin", "/docs/..../x", "/docs/..%20/admin", "/docs/.%20./admin", "/docs/%20../admin", "/docs/%20/admin",
		"/docs/%EF%BC%8E%EF%BC%8E/admin", "/docs/..%EF%BC%8Fadmin", "/docs/..%EF%BC%BCadmin", "/docs/..%EF%BC%9B/admin", "/docs/%EF%BC%852e",
		"/docs/%E2%80%A4%E2%80%A4/admin", "/docs/%E2%80%A5/admin", "/docs/%EF%B9%92%EF%B9%92/admin", "/docs/%EF%B8%B0/admin", "/docs/..%CD%BE/admin", "/docs/..%EF%B9%94/admin", "/docs/..%EF%B9%A8admin", "/docs/%EF%B9%AA2e", "/docs/%E2%84%85",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(target)
		if err != nil { // net/http refuses such a request; a program may make one
			u = &url.URL{Path: target}
		}
		r.URL = u
		for _, method := range []string{"GET", "CONNECT"} { // a mux cleans no path of the latter
			if r.Method = method; set.Match(r) {
				t.Errorf("Match(%s %s) = true, want false", method, target)
			}
		}
	}
	if openpath.New([]string{"/docs/"}).Match(httptest.NewRequest("GET", "/docs", nil)) {
		t.Error("Match(/docs) = true for what the mux redirects to /docs/")
	}
	for _, path := range []string{"", "*", "docs/x"} {
		if set.Match(&http.Request{Method: "OPTIONS", URL: &url.URL{Path: path}}) {
			t.Errorf("Match(path %q) = true, want false", path)
		}
	}
	// The other spellings of the same paths are left alone, so the list above
	// shows the rule and not a set that matches nothing.
	for _, target := range []string{"/docs/", "/docs/admin", "/docs/a%20b", "/docs/a..b", "/docs/.hidden", "/docs/ä", "/docs/a=b,c@d:e"} {
		if !set.Match(httptest.NewRequest("GET", target, nil)) {
			t.Errorf("Match(%s) = false, want true", target)
		}
	}
}

func TestSetOfNoPatternsMatchesNothing(t *testing.T) {
	if openpath.New(nil).Match(httptest.NewRequest("GET", "/", nil)) {
		t.Error("Match = true")
	}
}

func TestNewPanicsOnWhatServeMuxRefuses(t *testing.T) {
	for _, patterns := range [][]string{{""}, {"no-slash-"}, {"GET  "}, {"/{"}, {"/a/{x}", "/a/{y}"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%q) did not panic", patterns)
				}
			}()
			openpath.New(patterns)
		}()
	}
}

// TestNoMatchCostsNothing: every protected request of a service with open paths
// pays for this.
func TestNoMatchCostsNothing(t *testing.T) {
	set := openpath.New([]string{"GET /{$}", "/healthz", "GET /docs/", "/users/{id}/avatar", "POST /things"})
	r := httptest.NewRequest("GET", "/things/7", nil)
	if set.Match(r) {
		t.Fatal("Match = true")
	}
	if n := testing.AllocsPerRun(100, func() { set.Match(r) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzMatch: the hints leave out nothing that the mux would match.
func FuzzMatch(f *testing.F) {
	patterns := []string{"/healthz", "GET /docs/", "/users/{id}/avatar", "POST /things", "/exact/{$}", "/a%20b/{x...}", "h.example/only"}
	mux := http.NewServeMux()
	for _, p := range patterns {
		mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}
	set := openpath.New(patterns)
	for _, path := range []string{"/healthz", "/docs/a/b", "/docs/../x", "/users/1/avatar", "/users/%31/avatar", "/things", "/exact/", "/a b/", "/only", "//", "/docs/%2e", "/docs/\xff", "/docs/a;b"} {
		f.Add("GET", "h.example", path)
		f.Add("POST", "other.example", path)
	}
	f.Fuzz(func(t *testing.T, method, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.Opaque != "" || method == "CONNECT" {
			return
		}
		r := &http.Request{Method: method, Host: host, URL: u, RequestURI: target, Header: http.Header{}}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		served, match := w.Code == http.StatusTeapot, set.Match(r)
		if match && !served {
			t.Errorf("Match(%s %s) = true for what a mux does not serve", method, target)
		}
		// What it serves and we do not leave alone has one of these.
		odd := strings.ContainsAny(target, `%\;`) || strings.Contains(target, "/.") || strings.Contains(target, "//") || strings.Contains(target, "/ ") ||
			strings.ContainsFunc(target, func(r rune) bool { return r < ' ' || r > '~' })
		if served && !match && !odd {
			t.Errorf("Match(%s %s) = false for what a mux serves", method, target)
		}
	})
}
