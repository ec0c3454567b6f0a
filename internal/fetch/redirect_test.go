package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// hops is a transport that redirects each URL of the map to its value and
// answers every other one with a document. It notes what it is asked for.
type hops struct {
	to   map[string]string
	code int // 302 if 0
	seen []*http.Request
}

func (h *hops) RoundTrip(r *http.Request) (*http.Response, error) {
	h.seen = append(h.seen, r)
	if to, ok := h.to[r.URL.String()]; ok {
		return answer(max(h.code, 302), text("moved"), "Location", to), nil
	}
	return answer(200, text("{}")), nil
}

// urls returns what was asked for, in one line.
func (h *hops) urls() string {
	var b []string
	for _, r := range h.seen {
		b = append(b, r.URL.String())
	}
	return strings.Join(b, " ")
}

func TestRedirects(t *testing.T) {
	const a = "https://a.example/jwks"
	key := http.Header{"X-Key": {"k"}}
	tests := []struct {
		rule      string
		url       string // a if empty
		to        map[string]string
		code      int
		header    http.Header
		allowHTTP bool
		requests  string // all of them
		bare      string // the one without the configured headers
		err       string // "" for a Response
	}{
		{rule: "one within the host is followed", to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "301 is followed", code: 301, to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "303 is followed", code: 303, to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "307 is followed", code: 307, to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "308 is followed", code: 308, to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "one to another host is followed without configured headers", to: map[string]string{a: "https://b.example/"}, requests: a + " https://b.example/"},
		{rule: "three are followed", to: map[string]string{a: "/2", "https://a.example/2": "/3", "https://a.example/3": "/4"},
			requests: a + " https://a.example/2 https://a.example/3 https://a.example/4"},
		{rule: "a fourth is not", to: map[string]string{a: "/2", "https://a.example/2": "/3", "https://a.example/3": "/4", "https://a.example/4": "/5"},
			requests: a + " https://a.example/2 https://a.example/3 https://a.example/4", err: `redirect to "https://a.example/5" refused: more than 3 redirects`},
		{rule: "a loop ends", to: map[string]string{a: a}, requests: a + " " + a + " " + a + " " + a, err: "more than 3 redirects"},

		{rule: "https to http is refused", to: map[string]string{a: "http://a.example/"}, requests: a, err: `it leads from https to "http"`},
		{rule: "https to http is refused where http is allowed", allowHTTP: true, to: map[string]string{a: "http://a.example/"}, requests: a, err: `it leads from https to "http"`},
		{rule: "https to http is refused for loopback as well", to: map[string]string{a: "http://localhost/"}, requests: a, err: `it leads from https to "http"`},
		{rule: "https to http is refused on a later hop", allowHTTP: true, url: "http://a.example/", to: map[string]string{"http://a.example/": a, a: "http://a.example/2"},
			requests: "http://a.example/ " + a, err: `it leads from https to "http"`},
		{rule: "loopback http to other http is refused", url: "http://localhost/", to: map[string]string{"http://localhost/": "http://a.example/"},
			requests: "http://localhost/", err: "expected scheme https"},
		{rule: "http to http is followed where http is allowed", allowHTTP: true, url: "http://a.example/", to: map[string]string{"http://a.example/": "http://b.example/"},
			requests: "http://a.example/ http://b.example/"},
		{rule: "loopback http to https is followed", url: "http://127.0.0.1/", to: map[string]string{"http://127.0.0.1/": a}, requests: "http://127.0.0.1/ " + a},
		{rule: "another scheme is refused", to: map[string]string{a: "ftp://a.example/"}, requests: a, err: `it leads from https to "ftp"`},
		{rule: "a file is refused", url: "http://localhost/", to: map[string]string{"http://localhost/": "file:///etc/passwd"}, requests: "http://localhost/", err: `expected scheme https, not "file"`},
		{rule: "user info is refused", to: map[string]string{a: "https://u:SECRET@a.example/"}, requests: a, err: `redirect to "https://a.example/" refused: it contains user info`},
		{rule: "a fragment is refused", to: map[string]string{a: "/2#SECRET"}, requests: a, err: `redirect to "https://a.example/2" refused: it has a fragment`},
		{rule: "no host is refused", to: map[string]string{a: "https://:443/"}, requests: a, err: "it has no host"},
		{rule: "a query is not shown", to: map[string]string{a: "http://a.example/?k=SECRET"}, requests: a, err: `redirect to "http://a.example/?…" refused`},
		{rule: "a long target is cut", to: map[string]string{a: "http://a.example/" + strings.Repeat("x", 5000)}, requests: a,
			err: `redirect to "http://a.example/` + strings.Repeat("x", 20) + "…" + strings.Repeat("x", 24) + `" refused`},
		{rule: "a target that is no URL is refused", to: map[string]string{a: "https://a.example:x/?k=SECRET"}, requests: a, err: "failed to parse Location"},

		{rule: "with configured headers the same host is followed", header: key, to: map[string]string{a: "/2"}, requests: a + " https://a.example/2"},
		{rule: "the same host may be spelled otherwise", header: key, to: map[string]string{a: "https://A.EXAMPLE:443/2"}, requests: a + " https://A.EXAMPLE:443/2"},
		{rule: "an upgrade to https is the same host", header: key, allowHTTP: true, url: "http://a.example/", to: map[string]string{"http://a.example/": a}, requests: "http://a.example/ " + a},
		{rule: "another host is followed without them", header: key, to: map[string]string{a: "https://b.example/"}, requests: a + " https://b.example/", bare: "https://b.example/"},
		{rule: "a subdomain is another host", header: key, to: map[string]string{a: "https://x.a.example/"}, requests: a + " https://x.a.example/", bare: "https://x.a.example/"},
		{rule: "another port is another host", header: key, to: map[string]string{a: "https://a.example:8443/"}, requests: a + " https://a.example:8443/", bare: "https://a.example:8443/"},
		{rule: "http's port under https is another host", header: key, to: map[string]string{a: "https://a.example:80/"}, requests: a + " https://a.example:80/", bare: "https://a.example:80/"},
		{rule: "the first host counts on a later hop", header: key, to: map[string]string{a: "/2", "https://a.example/2": "https://b.example/"},
			requests: a + " https://a.example/2 https://b.example/", bare: "https://b.example/"},
		{rule: "back at the first host they are sent again", header: key, to: map[string]string{a: "https://b.example/", "https://b.example/": "https://a.example/2"},
			requests: a + " https://b.example/ https://a.example/2", bare: "https://b.example/"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			h := &hops{to: tt.to, code: tt.code}
			f := New(Config{Client: &http.Client{Transport: h}, MaxSize: 10, Header: tt.header, AllowHTTP: tt.allowHTTP})
			raw := tt.url
			if raw == "" {
				raw = a
			}
			resp, err := f.Get(t.Context(), Request{URL: raw})
			if got := h.urls(); got != tt.requests {
				t.Errorf("requests %s, want %s", got, tt.requests)
			}
			for _, r := range h.seen {
				want := tt.header.Get("X-Key")
				if r.URL.String() == tt.bare {
					want = ""
				}
				if r.Header.Get("X-Key") != want || r.Header.Get("Referer") != "" {
					t.Errorf("header %v for %s", r.Header, r.URL)
				}
			}
			if tt.err != "" {
				e := mustFail(t, err)
				if !strings.Contains(e.Error(), tt.err) || strings.Contains(e.Error(), "SECRET") {
					t.Errorf("error %q, want %q", err, tt.err)
				}
				if tt.rule == "a target that is no URL is refused" { // net/http then keeps the answer to itself
					tt.code = -1
				}
				if want := max(0, cmp.Or(tt.code, http.StatusFound)); e.StatusCode != want {
					t.Errorf("StatusCode %d", e.StatusCode)
				}
			} else if err != nil || string(resp.Body) != "{}" {
				t.Errorf("%v, %v", resp, err)
			}
		})
	}
}

func TestTheUsersCheckRedirectIsAskedToo(t *testing.T) {
	mine := errors.New("not today")
	tests := []struct {
		rule string
		err  error
		want string // "" for a Response
	}{
		{"it may agree", nil, ""},
		{"it may refuse", fmt.Errorf("policy: %w", mine), `redirect refused by the CheckRedirect of the HTTP client: "policy: not today"`},
		{"it may want the redirect itself", http.ErrUseLastResponse, "answered 302 Found, expected 200"},
		{"its context errors are not passed on", context.Canceled, "redirect refused by the CheckRedirect"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			h := &hops{to: map[string]string{docURL: "/2"}}
			asked := 0
			f := New(Config{MaxSize: 10, Retries: 2, Client: &http.Client{Transport: h, CheckRedirect: func(r *http.Request, via []*http.Request) error {
				asked++
				if r.URL.Path != "/2" || len(via) != 1 {
					t.Errorf("asked about %s after %d", r.URL, len(via))
				}
				return tt.err
			}}})
			_, err := f.Get(t.Context(), Request{URL: docURL})
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := mustFail(t, err); !strings.Contains(e.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if errors.Is(tt.err, mine) && !errors.Is(err, mine) {
				t.Errorf("%v does not match the user's error", err)
			}
		})
	}
	t.Run("it is not asked about what is refused anyway", func(t *testing.T) {
		h := &hops{to: map[string]string{docURL: "http://idp.example/"}}
		f := New(Config{MaxSize: 10, Client: &http.Client{Transport: h, CheckRedirect: func(*http.Request, []*http.Request) error {
			t.Error("asked")
			return nil
		}}})
		_, err := f.Get(t.Context(), Request{URL: docURL})
		mustFail(t, err)
	})
}

func TestAConfiguredRefererIsKept(t *testing.T) {
	h := &hops{to: map[string]string{docURL + "?k=SECRET": "/2"}}
	f := New(Config{MaxSize: 10, Client: &http.Client{Transport: h}, Header: http.Header{"Referer": {"https://me.example/"}}})
	if _, err := f.Get(t.Context(), Request{URL: docURL + "?k=SECRET"}); err != nil {
		t.Fatal(err)
	}
	if got := h.seen[1].Header.Get("Referer"); got != "https://me.example/" {
		t.Errorf("Referer %q", got)
	}
}

// The query of the first URL must not travel to the target as its Referer.
func TestTheQueryIsNotReferred(t *testing.T) {
	h := &hops{to: map[string]string{docURL + "?k=SECRET": "https://b.example/"}}
	f := New(Config{MaxSize: 10, Client: &http.Client{Transport: h}})
	if _, err := f.Get(t.Context(), Request{URL: docURL + "?k=SECRET"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(h.seen[1].Header); strings.Contains(got, "SECRET") {
		t.Errorf("header of the second request: %s", got)
	}
}

func TestConditionsSurviveARedirect(t *testing.T) {
	h := &hops{to: map[string]string{docURL: "/2"}}
	f := New(config(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/2" && r.Header.Get("If-None-Match") == `"1"` {
			return answer(304, text("")), nil
		}
		return h.RoundTrip(r)
	}))
	resp, err := f.Get(t.Context(), Request{URL: docURL, ETag: `"1"`})
	if err != nil || !resp.NotModified {
		t.Errorf("%+v, %v", resp, err)
	}
}
