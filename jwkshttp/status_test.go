package jwkshttp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// statuses is a source for tests.
type statuses []jwks.Status

func (s statuses) Status() []jwks.Status { return s }

// hostile is text as an issuer may choose it for a kid, or a server for what
// ends up in an error.
const hostile = `</code></section><script>console.error("kid")</script><img src="http://foreign.example/kid.png" onerror="alert(1)">'"` + "\u202e{{.}}\x00\n"

// hostileStatuses are clients in every state, with hostile texts in each place.
func hostileStatuses(now time.Time) statuses {
	skipped := []jwks.SkippedKey{{Index: 1, KeyID: hostile, Err: errors.New("kty " + hostile)}, {Index: 2, Err: errors.New(`use "enc" is not "sig"`)}}
	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprint("2026-", i)
	}
	return statuses{
		{Issuer: "https://good.example", JWKSURL: "https://good.example/keys", State: jwks.StateFresh, KeyIDs: []string{"2026-a", "2026-b", ""}, FetchedAt: now.Add(-4 * time.Minute),
			ExpiresAt: now.Add(11 * time.Minute), StaleUntil: now.Add(71 * time.Minute), Fetches: 812, NotModified: 790, Hash: "5b1f0c0d9a7e4e3a8f7d1c2b3a495867"},
		{Issuer: "https://login.example/" + strings.Repeat("tenant-", 30), JWKSURL: "https://keys.example/keys?secret=QUERY", State: jwks.StateStale, KeyIDs: many, Retained: []string{"old"},
			FetchedAt: now.Add(-20 * time.Minute), ExpiresAt: now.Add(-5 * time.Minute), StaleUntil: now.Add(55 * time.Minute), NextAttempt: now.Add(40 * time.Second), ConsecutiveFailures: 9,
			LastError: errors.New("jwks: fetching https://keys.example/keys: status 503 Service Unavailable, want 200; 3 attempts"), LastErrorAt: now.Add(-20 * time.Second), Fetches: 31, Failures: 9, Throttled: 7},
		{Issuer: hostile, JWKSURL: "javascript:alert(1)", State: jwks.StateExpired, KeyIDs: []string{hostile}, Skipped: skipped, ConsecutiveFailures: 120, LastError: errors.New(hostile), LastErrorAt: now},
		{Issuer: "https://new.example", State: jwks.StateEmpty},
		{Issuer: "https://away.example", State: jwks.StateEmpty, ConsecutiveFailures: 1, LastError: errors.New("jwks: fetching https://away.example/.well-known/openid-configuration: lookup of \"away.example\": no such host"), LastErrorAt: now},
	}
}

func get(h http.Handler, accept ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/debug/keys", nil)
	r.Header["Accept"] = accept
	return answer(h, r)
}

func TestStatusHandler_Formats(t *testing.T) {
	h := jwkshttp.StatusHandler(statuses{{Issuer: "https://a.example"}})
	for _, test := range []struct {
		accept []string
		json   bool
	}{
		{nil, false}, {[]string{"*/*"}, false}, {[]string{"text/html"}, false}, {[]string{"application/json"}, true},
		{[]string{"Application/JSON; charset=utf-8"}, true}, {[]string{"text/plain", "application/json;q=0.5"}, true},
		{[]string{"application/json, text/html;q=0.1"}, false}, {[]string{"application/json, text/html;q=0"}, true},
		{[]string{"application/json;q=0"}, false}, {[]string{"application/jsonp"}, false},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, false},
	} {
		w := get(h, test.accept...)
		isJSON := w.Header().Get("Content-Type") == "application/json"
		if w.Code != 200 || isJSON != test.json || json.Valid(w.Body.Bytes()) != test.json || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%q: status %d, %v", test.accept, w.Code, w.Header())
		}
	}
	for method, want := range map[string]int{"HEAD": 200, "POST": 405, "OPTIONS": 405} {
		if w := answer(h, httptest.NewRequest(method, "/", nil)); w.Code != want || want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d", method, w.Code)
		}
	}
}

func TestStatusHandler_JSON(t *testing.T) {
	if got := get(jwkshttp.StatusHandler(), "application/json").Body.String(); got != `{"clients":[]}`+"\n" {
		t.Errorf("without sources: %s", got)
	}
	issuer, other := newIssuer(t), newIssuer(t, jwkstest.WithBaseURL("https://other.example"))
	client := func(i *jwkstest.Issuer) *jwks.Client {
		c, err := jwks.NewClient(jwks.WithIssuer(i.URL()), jwks.WithHTTPClient(i.HTTPClient()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	many, err := jwks.NewIssuers(jwks.TrustIssuers("https://listed.example"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := client(issuer), client(other)
	if err := a.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Clients []struct {
			Issuer, State string
			KeyIDs        []string `json:"key_ids"`
		}
	}
	if err := json.Unmarshal(get(jwkshttp.StatusHandler(jwkshttp.Clients(a, b), many), "application/json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Clients; len(c) != 3 || c[0].Issuer != issuer.URL() || c[0].State != "fresh" || len(c[0].KeyIDs) != 1 || c[1].Issuer != other.URL() || c[1].State != "empty" || c[2].Issuer != "https://listed.example" {
		t.Errorf("%+v", got)
	}
}

func TestStatusHandler_Page(t *testing.T) {
	w := get(jwkshttp.StatusHandler(hostileStatuses(time.Now())), "text/html")
	text := w.Body.String()
	for _, forbidden := range []string{"<script", "<img", "QUERY", "\u202e", "\x00", `href="http`, `src="`, "url("} {
		if strings.Contains(text, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	plain := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, ""))
	for _, want := range []string{"3 of 5 issuers in trouble", "https://good.example", "4m0s ago", "in 11m0s", "fresh", "stale, refreshes fail", "9 failures in a row", "status 503 Service Unavailable",
		strings.Repeat("tenant-", 30), "and 20 more", "expired: tokens", `use "enc" is not "sig"`, "no such host", "nobody needed it yet", "https://keys.example/keys?…", "(no kid)"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if bad, good := strings.Index(plain, "expired: tokens"), strings.Index(plain, "https://good.example"); bad > good {
		t.Error("what is well comes first")
	}
	for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "style-src 'sha256-"} {
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), directive) {
			t.Errorf("the policy lacks %s", directive)
		}
	}
	if text := get(jwkshttp.StatusHandler()).Body.String(); !strings.Contains(text, "There are no clients yet") {
		t.Error("an empty page does not say so")
	}
}

func TestStatusHandler_NilSources(t *testing.T) {
	for name, f := range map[string]func(){
		"nil":         func() { jwkshttp.StatusHandler(nil) },
		"nil Issuers": func() { jwkshttp.StatusHandler((*jwks.Issuers)(nil)) },
		"nil Client":  func() { jwkshttp.Clients(nil) },
	} {
		if panics(f) == nil {
			t.Errorf("%s: no panic", name)
		}
	}
}
