package jwkstest_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

func TestOnlyTheIssuersHostAnswers(t *testing.T) {
	tests := map[string]struct {
		base, url string
		answers   bool
	}{
		"itself":               {"https://a.example", "https://a.example/jwks", true},
		"in capitals":          {"https://a.example", "https://A.Example/jwks", true},
		"the default port":     {"https://a.example", "https://a.example:443/jwks", true},
		"base with that port":  {"https://a.example:443", "https://a.example/jwks", true},
		"plain http":           {"https://a.example", "http://a.example/jwks", true},
		"https port over http": {"https://a.example", "http://a.example:443/jwks", false},
		"another port":         {"https://a.example", "https://a.example:8443/jwks", false},
		"another host":         {"https://a.example", "https://b.example/jwks", false},
		"a host below":         {"https://a.example", "https://x.a.example/jwks", false},
		"default port of http": {"http://127.0.0.1:80", "http://127.0.0.1/jwks", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := small(t, jwkstest.WithBaseURL(tt.base))
			g, err := send(t, issuer.HTTPClient(), http.MethodGet, tt.url)
			if tt.answers {
				if err != nil || g.status != http.StatusOK {
					t.Errorf("%v %d, want an answer", err, g.status)
				}
				return
			}
			var dns *net.DNSError
			if !errors.As(err, &dns) || !dns.IsNotFound {
				t.Fatalf("%v, want an unknown host", err)
			}
			if !strings.Contains(err.Error(), `reaches only "a.example"`) {
				t.Errorf("%q does not say what the client reaches", err)
			}
			if n := issuer.Requests(); n != (jwkstest.Requests{}) {
				t.Errorf("requests %+v, want none", n)
			}
		})
	}
}

func TestTwoIssuersWithOneURLAreTwo(t *testing.T) {
	a, b := small(t), jwkstest.New(t, jwkstest.WithAlgorithms("EdDSA"))
	if a.URL() != b.URL() {
		t.Fatalf("%s and %s", a.URL(), b.URL())
	}
	if x, y := publishedKeys(t, a)[0].Algorithm, publishedKeys(t, b)[0].Algorithm; x != "ES256" || y != "EdDSA" {
		t.Errorf("the clients got keys for %s and %s", x, y)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	issuer := small(t, jwkstest.WithPath("/a"))
	tests := []struct {
		method, path string
		status       int
		counts       jwkstest.Requests
	}{
		{"GET", "/a/jwks", 200, jwkstest.Requests{JWKS: 1}},
		{"HEAD", "/a/jwks", 200, jwkstest.Requests{JWKS: 1}},
		{"GET", "/a/.well-known/openid-configuration", 200, jwkstest.Requests{Discovery: 1}},
		{"HEAD", "/a/.well-known/openid-configuration", 200, jwkstest.Requests{Discovery: 1}},
		{"GET", "/a/jwks?x=y", 200, jwkstest.Requests{JWKS: 1}},
		{"POST", "/a/jwks", 405, jwkstest.Requests{}},
		{"OPTIONS", "/a/.well-known/openid-configuration", 405, jwkstest.Requests{}},
		{"GET", "/a", 404, jwkstest.Requests{}},
		{"GET", "/a/jwks/", 404, jwkstest.Requests{}},
		{"GET", "/jwks", 404, jwkstest.Requests{}},
		{"GET", "/a//jwks", 404, jwkstest.Requests{}},
		{"GET", "/.well-known/oauth-authorization-server/a", 404, jwkstest.Requests{}},
		{"POST", "/x", 404, jwkstest.Requests{}},
	}
	for _, tt := range tests {
		before := issuer.Requests()
		g, err := send(t, issuer.HTTPClient(), tt.method, "https://issuer.jwkstest.example"+tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if g.status != tt.status {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, g.status, tt.status)
		}
		if allow := g.header.Get("Allow"); (allow == "GET, HEAD") != (tt.status == 405) {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, allow)
		}
		if tt.method == "HEAD" && (len(g.body) != 0 || g.header.Get("Content-Length") == "") {
			t.Errorf("HEAD %s: %d bytes, Content-Length %q", tt.path, len(g.body), g.header.Get("Content-Length"))
		}
		after := issuer.Requests()
		if after.JWKS-before.JWKS != tt.counts.JWKS || after.Discovery-before.Discovery != tt.counts.Discovery || after.NotModified != 0 {
			t.Errorf("%s %s: requests from %+v to %+v", tt.method, tt.path, before, after)
		}
	}
}

func TestETagFollowsTheContent(t *testing.T) {
	issuer := small(t)
	tag := func() string {
		e := get(t, issuer, issuer.JWKSURL()).header.Get("ETag")
		if !strings.HasPrefix(e, `"`) || !strings.HasSuffix(e, `"`) || len(e) < 3 {
			t.Fatalf("ETag %q is not a strong one", e)
		}
		return e
	}
	first := tag()
	if tag() != first {
		t.Error("it changed without a change")
	}
	issuer.SetCacheControl("max-age=60")
	issuer.SetFault(jwkstest.Status(500))
	issuer.SetFault(jwkstest.None())
	if tag() != first {
		t.Error("it changed with what is not content")
	}
	kid := issuer.Rotate()
	if tag() == first {
		t.Error("it did not change with a key")
	}
	issuer.RemoveKey(kid)
	if tag() != first {
		t.Error("the same content has another tag")
	}
	other := small(t)
	if get(t, other, other.JWKSURL()).header.Get("ETag") == first {
		t.Error("another key under the same ID has the same tag")
	}
}

func TestIfNoneMatch(t *testing.T) {
	issuer := small(t)
	issuer.SetCacheControl("max-age=60")
	etag := get(t, issuer, issuer.JWKSURL()).header.Get("ETag")
	tests := map[string]struct {
		value  string
		status int
	}{
		"the tag":            {etag, 304},
		"weakly":             {"W/" + etag, 304},
		"in a list":          {`"x", ` + etag + `,"y"`, 304},
		"any":                {"*", 304},
		"another":            {`"x"`, 200},
		"without its quotes": {strings.Trim(etag, `"`), 200},
	}
	modified := 0
	for name, tt := range tests {
		g := get(t, issuer, issuer.JWKSURL(), "If-None-Match", tt.value)
		if g.status != tt.status {
			t.Errorf("%s: status %d, want %d", name, g.status, tt.status)
		}
		if g.header.Get("ETag") != etag || g.header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("%s: header %v", name, g.header)
		}
		if (len(g.body) == 0) != (tt.status == 304) {
			t.Errorf("%s: status %d with %d bytes", name, g.status, len(g.body))
		}
		if tt.status == 304 {
			modified++
		}
	}
	if n := issuer.Requests(); n.NotModified != modified || n.JWKS != 1+len(tests) {
		t.Errorf("requests %+v, want %d of which %d not modified", n, 1+len(tests), modified)
	}

	if g := get(t, issuer, issuer.JWKSURL(), "If-None-Match", `"x"`, "If-None-Match", etag); g.status != 304 {
		t.Errorf("two headers: status %d", g.status)
	}
	issuer.Rotate()
	if g := get(t, issuer, issuer.JWKSURL(), "If-None-Match", etag); g.status != 200 {
		t.Errorf("after a rotation: status %d", g.status)
	}

	before := issuer.Requests().NotModified
	g := get(t, issuer, discoveryURL(issuer), "If-None-Match", "*")
	if n := issuer.Requests().NotModified; g.status != 304 || n != before {
		t.Errorf("discovery: status %d, counted %d times among those of the key set", g.status, n-before)
	}
}

func TestCacheControlIsOnEveryAnswerForADocument(t *testing.T) {
	issuer := small(t)
	urls := []string{issuer.JWKSURL(), discoveryURL(issuer)}
	expect := func(what, value string) {
		t.Helper()
		for _, url := range urls {
			if got := get(t, issuer, url).header.Values("Cache-Control"); strings.Join(got, "|") != value {
				t.Errorf("%s: %s has Cache-Control %q, want %q", what, url, got, value)
			}
		}
	}
	expect("default", "")
	issuer.SetCacheControl("max-age=60")
	expect("set", "max-age=60")
	issuer.SetFault(jwkstest.Status(503))
	expect("with an error", "max-age=60")
	issuer.SetFault(jwkstest.Body([]byte("{}")))
	expect("with a body", "max-age=60")
	issuer.SetCacheControl("")
	expect("taken back", "")
}

// closing says whether a request body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestRoundTripKeepsItsContract(t *testing.T) {
	issuer := small(t)
	rt := issuer.HTTPClient().Transport
	for _, url := range []string{issuer.JWKSURL(), "https://other.example", issuer.URL()} {
		body := &closing{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if (resp == nil) == (err == nil) {
			t.Errorf("%s: %v and %v", url, resp, err)
		}
		if !body.closed {
			t.Errorf("%s: the request body was left open", url)
		}
	}

	req, err := http.NewRequestWithContext(t.Context(), "", issuer.JWKSURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Method = "" // which is GET to a client
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Status != "200 OK" || resp.Request != req || resp.Proto != "HTTP/1.1" || !resp.ProtoAtLeast(1, 1) {
		t.Errorf("%v, %+v", err, resp)
	}
	if resp.ContentLength != int64(len(body)) || len(body) == 0 {
		t.Errorf("ContentLength %d for %d bytes", resp.ContentLength, len(body))
	}
	if first, second := issuer.HTTPClient(), issuer.HTTPClient(); first == second {
		t.Error("one client for all: a timeout set on it would be everybody's")
	}
}

// onSocket serves an issuer at the address that the issuer is named after.
func onSocket(t *testing.T) (*jwkstest.Issuer, *http.Client) {
	server := httptest.NewUnstartedServer(nil)
	issuer := small(t, jwkstest.WithBaseURL("https://"+server.Listener.Addr().String()), jwkstest.WithPath("/a"))
	server.Config.Handler = issuer.Handler()
	server.StartTLS()
	t.Cleanup(server.Close)
	return issuer, server.Client()
}

func TestHandlerServesTheSame(t *testing.T) {
	issuer, socket := onSocket(t)
	issuer.SetCacheControl("max-age=60")
	etag := get(t, issuer, issuer.JWKSURL()).header.Get("ETag")
	tests := []struct {
		name, method, url string
		fault             jwkstest.Fault
		header            []string
	}{
		{"key set", "GET", issuer.JWKSURL(), jwkstest.None(), nil},
		{"discovery", "GET", discoveryURL(issuer), jwkstest.None(), nil},
		{"head", "HEAD", issuer.JWKSURL(), jwkstest.None(), nil},
		{"not modified", "GET", issuer.JWKSURL(), jwkstest.None(), []string{"If-None-Match", etag}},
		{"elsewhere", "GET", issuer.URL(), jwkstest.None(), nil},
		{"other method", "PUT", issuer.JWKSURL(), jwkstest.None(), nil},
		{"status", "GET", issuer.JWKSURL(), jwkstest.Status(503), nil},
		{"status without a body", "GET", issuer.JWKSURL(), jwkstest.Status(204), nil},
		{"body", "GET", issuer.JWKSURL(), jwkstest.Body([]byte("<html>")), nil},
		{"empty body", "GET", issuer.JWKSURL(), jwkstest.Body(nil), nil},
		{"redirect", "GET", issuer.JWKSURL(), jwkstest.Redirect("https://other.example/"), nil},
		{"delay", "GET", issuer.JWKSURL(), jwkstest.Delay(time.Microsecond), nil},
	}
	memory := issuer.HTTPClient()
	for _, client := range []*http.Client{memory, socket} {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	for _, tt := range tests {
		issuer.SetJWKSFault(tt.fault)
		before := issuer.Requests()
		a, err := send(t, memory, tt.method, tt.url, tt.header...)
		if err != nil {
			t.Fatalf("%s in memory: %v", tt.name, err)
		}
		between := issuer.Requests()
		b, err := send(t, socket, tt.method, tt.url, tt.header...)
		if err != nil {
			t.Fatalf("%s on a socket: %v", tt.name, err)
		}
		after := issuer.Requests()
		if a.status != b.status || string(a.body) != string(b.body) {
			t.Errorf("%s: %d %q in memory, %d %q on a socket", tt.name, a.status, a.body, b.status, b.body)
		}
		for _, name := range []string{"Content-Type", "ETag", "Cache-Control", "Location", "Allow"} {
			if x, y := a.header.Values(name), b.header.Values(name); !slices.Equal(x, y) {
				t.Errorf("%s: %s %q in memory, %q on a socket", tt.name, name, x, y)
			}
		}
		if between.JWKS-before.JWKS != after.JWKS-between.JWKS || between.NotModified-before.NotModified != after.NotModified-between.NotModified {
			t.Errorf("%s: requests counted differently: %+v, %+v, %+v", tt.name, before, between, after)
		}
	}
}

func TestHandlerWithoutAnAnswer(t *testing.T) {
	t.Run("drop", func(t *testing.T) {
		issuer, client := onSocket(t)
		issuer.SetFault(jwkstest.DropConnection())
		if _, err := send(t, client, http.MethodGet, issuer.JWKSURL()); err == nil {
			t.Error("an answer from a dropped connection")
		}
		if issuer.Requests().JWKS == 0 {
			t.Error("the request was not counted")
		}
	})
	t.Run("hang ends with the client", func(t *testing.T) {
		issuer, client := onSocket(t) // closing its server waits for the handler
		issuer.SetFault(jwkstest.Hang())
		client.Timeout = 20 * time.Millisecond
		var timeout net.Error
		if _, err := send(t, client, http.MethodGet, issuer.JWKSURL()); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v, want a timeout", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		issuer, client := onSocket(t)
		issuer.Close()
		if _, err := send(t, client, http.MethodGet, issuer.JWKSURL()); err == nil {
			t.Error("an answer from a closed issuer")
		}
	})
}
