package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeaderHosts_DecidePerHop(t *testing.T) {
	const a, b, c = "https://a.example/jwks", "https://b.example/jwks", "https://c.example:8443/jwks"
	for _, test := range []struct {
		name  string
		hosts []string
		url   string
		to    map[string]string
		sent  string // the hosts that get them, in turn; "-" for each that does not
	}{
		{"the host of the URL, by default", nil, a, nil, "a.example"},
		{"none", []string{}, a, nil, "-"},
		{"one of the list", []string{"b.example", "a.example"}, a, nil, "a.example"},
		{"not in the list", []string{"b.example"}, a, nil, "-"},
		{"not below a host of the list", []string{"example"}, a, nil, "-"},
		{"not above one", []string{"x.a.example"}, a, nil, "-"},
		{"in other letters", []string{"A.Example"}, a, nil, "a.example"},
		{"with the scheme's port", []string{"a.example:443"}, a, nil, "a.example"},
		{"with another port", []string{"a.example:8443"}, a, nil, "-"},
		{"another port needs to be named", []string{"c.example"}, c, nil, "-"},
		{"another port that is named", []string{"c.example:8443"}, c, nil, "c.example:8443"},
		{"an address", []string{"10.0.0.1:8443"}, "https://10.0.0.1:8443/", nil, "10.0.0.1:8443"},
		{"an IPv6 address", []string{"[2001:db8::1]:8443", "2001:DB8::2"}, "https://[2001:db8::1]:8443/", nil, "[2001:db8::1]:8443"},
		{"an IPv6 address without a port", []string{"[2001:db8::1]"}, "https://[2001:db8::1]/", nil, "[2001:db8::1]"},
		{"a redirect away", []string{"a.example"}, a, map[string]string{a: b}, "a.example -"},
		{"a redirect to another host of the list", []string{"a.example", "b.example"}, a, map[string]string{a: b}, "a.example b.example"},
		{"a redirect into the list", []string{"b.example"}, a, map[string]string{a: b}, "- b.example"},
		{"away and back", []string{"a.example"}, a, map[string]string{a: b, b: "https://a.example/2"}, "a.example - a.example"},
		{"what is no host is no host of anybody", []string{"https://a.example", "a.example:0", "*", ""}, a, nil, "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &hops{to: test.to}
			asked := 0
			f := New(Config{
				Client: &http.Client{Transport: h}, MaxSize: 10, HeaderHosts: test.hosts, UserAgent: "test/1",
				Header: http.Header{"Authorization": {"Bearer SECRET"}, "Cookie": {"k=v"}, "X-Key": {"k"}, "Accept": {"*/*"}},
				HeaderFuncs: []HeaderFunc{{"x-token", func(context.Context) (string, error) {
					asked++
					return "t", nil
				}}},
			})
			if _, err := f.Get(t.Context(), Request{URL: test.url}); err != nil {
				t.Fatal(err)
			}
			var sent []string
			for _, r := range h.seen {
				n := 0
				for _, name := range []string{"Authorization", "Cookie", "X-Key", "X-Token"} {
					n += len(r.Header[name])
				}
				switch n {
				case 0:
					sent = append(sent, "-")
				case 4:
					sent = append(sent, r.URL.Host)
				default:
					t.Errorf("%s got %v", r.URL, r.Header)
				}
				if r.Header.Get("Accept") != "*/*" || r.Header.Get("User-Agent") != "test/1" {
					t.Errorf("%s got %v", r.URL, r.Header)
				}
			}
			if got := strings.Join(sent, " "); got != test.sent {
				t.Errorf("sent to %s, want %s", got, test.sent)
			}
			if want := strings.Trim(test.sent, "- ") != ""; (asked == 1) != want || asked > 1 {
				t.Errorf("the function was asked %d times", asked)
			}
		})
	}
}

func TestHeaderHosts_RefusalSaysSo(t *testing.T) {
	header := http.Header{"Authorization": {"Bearer SECRET"}}
	for _, test := range []struct {
		name   string
		cfg    Config
		code   int
		to     map[string]string
		wanted string
	}{
		{"401", Config{Header: header, HeaderHosts: []string{"a.example"}}, 401, nil,
			`answered 401 Unauthorized, expected 200; the configured headers are not sent to "idp.example": see WithHeaderHosts`},
		{"403 behind a redirect", Config{Header: header}, 403, map[string]string{docURL: "https://b.example:8443/x"},
			`answered 403 Forbidden, expected 200; the configured headers are not sent to "b.example:8443": see WithHeaderHosts`},
		{"of a function", Config{HeaderFuncs: []HeaderFunc{{"X-Key", nil}}, HeaderHosts: []string{}}, 401, nil,
			`answered 401 Unauthorized, expected 200; the configured headers are not sent to "idp.example": see WithHeaderHosts`},
		{"without hints", Config{Header: header, HeaderHosts: []string{}, NoHints: true}, 401, nil,
			`answered 401 Unauthorized, expected 200; the configured headers are not sent to "idp.example"`},
		{"back at the host", Config{Header: header}, 401, map[string]string{docURL: "https://b.example/", "https://b.example/": "https://idp.example/2"},
			`answered 401 Unauthorized, expected 200`},
		{"they were sent", Config{Header: header}, 401, nil, `answered 401 Unauthorized, expected 200`},
		{"there are none", Config{HeaderHosts: []string{}}, 401, nil, `answered 401 Unauthorized, expected 200`},
		{"only ones that go everywhere", Config{Header: http.Header{"User-Agent": {"mine"}}, HeaderHosts: []string{}}, 401, nil, `answered 401 Unauthorized, expected 200`},
		{"another status", Config{Header: header, HeaderHosts: []string{}}, 404, nil, `answered 404 Not Found, expected 200`},
	} {
		h := &hops{to: test.to}
		test.cfg.Client = client(func(r *http.Request) (*http.Response, error) {
			if _, ok := test.to[r.URL.String()]; ok {
				return h.RoundTrip(r)
			}
			r.URL.Host = "changed.by.the.transport"
			return answer(test.code, text("")), nil
		})
		_, err := New(test.cfg).Get(t.Context(), Request{URL: docURL})
		if e := mustFail(t, err); e.Error() != "GET "+docURL+": "+test.wanted {
			t.Errorf("%s: %v, want %s", test.name, err, test.wanted)
		}
	}
}

func TestHeaderFunc_AskedBeforeEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var got []string
		cfg := config(func(r *http.Request) (*http.Response, error) {
			got = append(got, r.Header.Get("Authorization"))
			if len(got) < 3 {
				return answer(503, text("")), nil
			}
			return answer(200, text("{}")), nil
		})
		cfg.Retries = 2
		cfg.Header = http.Header{"Authorization": {"Bearer old"}}
		cfg.HeaderFuncs = []HeaderFunc{{"authorization", func(ctx context.Context) (string, error) {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != cfg.Timeout {
				t.Errorf("asked with a deadline in %v", time.Until(d))
			}
			n++
			return "Bearer " + strings.Repeat("x", n), nil
		}}}
		if _, err := New(cfg).Get(t.Context(), Request{URL: docURL}); err != nil {
			t.Fatal(err)
		}
		if want := "Bearer x|Bearer xx|Bearer xxx"; strings.Join(got, "|") != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

func TestHeaderFunc_Failures(t *testing.T) {
	mine := errors.New("vault is sealed")
	for _, test := range []struct {
		name  string
		value func(context.Context) (string, error)
		want  string // "" for a Response
		match error
	}{
		{"an error", func(context.Context) (string, error) { return "SECRET", mine }, `the function for the header "X-Key" failed: "vault is sealed"`, mine},
		{"a line break", func(context.Context) (string, error) { return "SECRET\r\nX: y", nil }, `the function for the header "X-Key" failed: its value has a line break or another control character`, nil},
		{"its own deadline", func(context.Context) (string, error) { return "", context.DeadlineExceeded }, `the function for the header "X-Key" failed: "context deadline exceeded"`, os.ErrDeadlineExceeded},
		{"a panic", func(context.Context) (string, error) { panic("SECRET") }, `the function for the header "X-Key" failed: it panicked (string)`, nil},
		{"waiting for ever", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, `the function for the header "X-Key" failed: "context deadline exceeded"`, nil},
		{"no value", func(context.Context) (string, error) { return "", nil }, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				cfg := config(func(r *http.Request) (*http.Response, error) {
					if sent++; len(r.Header["X-Key"]) > 0 {
						t.Errorf("sent %q", r.Header["X-Key"])
					}
					return answer(200, text("{}")), nil
				})
				cfg.HeaderFuncs = []HeaderFunc{{"X-Key", test.value}}
				_, err := New(cfg).Get(t.Context(), Request{URL: docURL})
				if test.want == "" {
					if err != nil || sent != 1 {
						t.Errorf("%d requests, %v", sent, err)
					}
					return
				}
				if e := mustFail(t, err); e.Error() != "GET "+docURL+": "+test.want || sent != 0 {
					t.Errorf("%d requests, %v", sent, err)
				}
				if test.match != nil && !errors.Is(err, test.match) {
					t.Errorf("%v does not match %v", err, test.match)
				}
			})
		})
	}
}

// What is not a credential goes everywhere, by a function too.
func TestHeaderFunc_OfPublicHeaders(t *testing.T) {
	for value, want := range map[string]string{"mine/2": "mine/2", "": "test/1"} {
		h := &hops{to: map[string]string{docURL: "https://b.example/"}}
		f := New(Config{Client: &http.Client{Transport: h}, MaxSize: 10, HeaderHosts: []string{}, UserAgent: "test/1",
			HeaderFuncs: []HeaderFunc{{"user-agent", func(context.Context) (string, error) { return value, nil }}}})
		if _, err := f.Get(t.Context(), Request{URL: docURL}); err != nil {
			t.Fatal(err)
		}
		for _, r := range h.seen {
			if got := r.UserAgent(); got != want {
				t.Errorf("%q: %s got %q, want %q", value, r.URL, got, want)
			}
		}
	}
	for name, want := range map[string]bool{"Accept": true, "accept": true, "USER-AGENT": true, "Accept-Encoding": false, "Cookie": false, "": false} {
		if got := IsPublicHeader(name); got != want {
			t.Errorf("%s is public: %t", name, got)
		}
	}
}

// A function that is first needed behind a redirect fails the attempt there.
func TestHeaderFunc_FailsBehindARedirect(t *testing.T) {
	h := &hops{to: map[string]string{docURL: "https://b.example/"}}
	f := New(Config{Client: &http.Client{Transport: h}, MaxSize: 10, HeaderHosts: []string{"b.example"},
		HeaderFuncs: []HeaderFunc{{"X-Key", func(context.Context) (string, error) { return "", errors.New("vault is sealed") }}}})
	_, err := f.Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); e.Error() != "GET "+docURL+`: the function for the header "X-Key" failed: "vault is sealed"` || len(h.seen) != 1 {
		t.Errorf("%s: %v", h.urls(), err)
	}
}

// The default port of a scheme is the host itself, and only that.
func TestHostPort_Table(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example/": "a.example", "https://A.example:443/": "a.example", "http://a.example/": "a.example", "http://a.example:80/": "a.example",
		"https://a.example:80/": "a.example port 80", "http://a.example:443/": "a.example port 443", "http://a.example:8080/": "a.example port 8080", "https://[::1]:8443/": "::1 port 8443",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostPort(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestHeaderHost_Check(t *testing.T) {
	for _, good := range []string{"keys.example.com", "keys.example.com:8443", "keys.example.com:65535", "10.0.0.1", "10.0.0.1:8443", "[::1]:1", "[::1]", "::1", "localhost", "a_b.example", "bücher.example"} {
		if err := CheckHeaderHost(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"a.example:0": `the port in "a.example:0" is not between 1 and 65535`, "a.example:8a": `the port in "a.example:8a" is not between 1 and 65535`,
		"a:b:c": `expected a host, or a host and a port, not "a:b:c"`,
	} {
		if err := CheckHeaderHost(bad); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
	for _, bad := range []string{"", ":443", "https://a.example", "a.example/", "a.example:", "a.example:0", "a.example:65536", "a.example:https", "a b", "*.example", "u@a.example", "a\nb", "[::1", "::1]", "[a.example]", "..", "a.example?x"} {
		if err := CheckHeaderHost(bad); err == nil || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestHeaderHost_OfURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example/x":      "a.example:443",
		"https://a.example:8443/x": "a.example:8443",
		"http://a.example/x":       "a.example",
		"http://localhost:8080":    "localhost:8080",
		"https://[::1]/":           "[::1]:443",
		"http://[::1]/":            "::1",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := HeaderHostOf(u)
		h, err := parseHeaderHost(got)
		if got != want || err != nil || !h.is(u) {
			t.Errorf("%s: %q, %v, is it: %t; want %q", raw, got, err, h.is(u), want)
		}
		u.Scheme = map[string]string{"https": "http", "http": "https"}[u.Scheme]
		if h.is(u) != (strings.HasPrefix(raw, "http:") || u.Port() != "") {
			t.Errorf("%s as %s: %t", raw, u, h.is(u))
		}
	}
}

// Two groups of headers have hosts of their own, and the later one wins where
// both may go.
func TestHeaderHosts_OfEachGroup(t *testing.T) {
	const a, b, c = "https://a.example/", "https://b.example/", "https://c.example/"
	h := &hops{to: map[string]string{a: b, b: c}}
	said := func(v string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return v, nil }
	}
	f := New(Config{
		Client: &http.Client{Transport: h}, MaxSize: 10, HeaderHosts: []string{},
		MoreHeaders: []HeaderGroup{
			{http.Header{"X-Key": {"first"}}, []HeaderFunc{{"X-Token", said("first")}}, []string{"b.example", "c.example"}},
			{http.Header{"X-Key": {"second"}}, []HeaderFunc{{"X-Token", said("second")}}, []string{"a.example", "b.example"}},
		},
	})
	if _, err := f.Get(t.Context(), Request{URL: a}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range h.seen {
		got = append(got, r.URL.Host+" "+strings.Join(append(r.Header["X-Key"], r.Header["X-Token"]...), " "))
	}
	if want := "a.example second second; b.example second second; c.example first first"; strings.Join(got, "; ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
