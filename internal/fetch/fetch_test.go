package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const docURL = "https://idp.example/jwks"

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// client returns a client with the transport rt.
func client(rt roundTrip) *http.Client { return &http.Client{Transport: rt} }

// watchedBody is a body that counts what is read of it.
type watchedBody struct {
	io.Reader
	read   int64
	closed bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *watchedBody) Close() error { b.closed = true; return nil }

// answer builds a response; header is a list of names and values in turn.
func answer(status int, body io.Reader, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: &watchedBody{Reader: body}, ContentLength: -1,
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Add(header[i], header[i+1])
	}
	return resp
}

// text is a body.
func text(s string) io.Reader { return strings.NewReader(s) }

// config is a configuration for a document of at most 1 KiB.
func config(rt roundTrip) Config {
	return Config{Client: client(rt), Timeout: 5 * time.Second, MaxSize: 1024, UserAgent: "test/1"}
}

// mustFail returns err as the *Error that Get promises, having checked what
// holds for each of them.
func mustFail(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%q matches an error of the context package", err)
	}
	if s := err.Error(); strings.ContainsAny(s, "\r\n") || len(s) > 350 {
		t.Errorf("the error is not one short line: %q", s)
	}
	return e
}

func TestRequestHeader(t *testing.T) {
	const accept = "application/jwk-set+json, application/json"
	tests := []struct {
		rule    string
		header  http.Header
		agent   string
		request Request
		want    http.Header // exactly
		host    string
	}{
		{
			rule: "Accept and User-Agent are always sent", agent: "test/1",
			want: http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
		},
		{
			rule: "without a User-Agent that of net/http is sent",
			want: http.Header{"Accept": {accept}},
		},
		{
			rule: "configured headers are added, under whatever spelling", agent: "test/1",
			header: http.Header{"x-api-key": {"a", "b"}},
			want:   http.Header{"Accept": {accept}, "User-Agent": {"test/1"}, "X-Api-Key": {"a", "b"}},
		},
		{
			rule: "configured headers win over Accept and User-Agent", agent: "test/1",
			header: http.Header{"Accept": {"*/*"}, "User-Agent": {"mine/2"}},
			want:   http.Header{"Accept": {"*/*"}, "User-Agent": {"mine/2"}},
		},
		{
			rule: "Accept-Encoding is never sent, so that net/http decompresses", agent: "test/1",
			header: http.Header{"accept-encoding": {"gzip"}},
			want:   http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
		},
		{
			rule: "a configured Host is sent as the host", agent: "test/1",
			header: http.Header{"Host": {"internal.example"}},
			want:   http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
			host:   "internal.example",
		},
		{
			rule: "a Host without a value is none", agent: "test/1",
			header: http.Header{"Host": {}},
			want:   http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
			host:   "idp.example",
		},
		{
			rule: "validators make the request conditional", agent: "test/1",
			request: Request{ETag: `W/"1"`, LastModified: "Sun, 01 Mar 2026 12:00:00 GMT"},
			want: http.Header{"Accept": {accept}, "User-Agent": {"test/1"},
				"If-None-Match": {`W/"1"`}, "If-Modified-Since": {"Sun, 01 Mar 2026 12:00:00 GMT"}},
		},
		{
			rule: "a validator that cannot be a header value is left out", agent: "test/1",
			request: Request{ETag: "a\r\nX: y", LastModified: "\x00"},
			want:    http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
		},
		{
			rule: "what may stand in a header value is sent", agent: "test/1",
			request: Request{ETag: "\"a~\tb\""},
			want:    http.Header{"Accept": {accept}, "User-Agent": {"test/1"}, "If-None-Match": {"\"a~\tb\""}},
		},
		{
			rule: "DEL may not", agent: "test/1",
			request: Request{ETag: "a\x7fb"},
			want:    http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
		},
		{
			rule: "a huge validator is left out", agent: "test/1",
			request: Request{ETag: strings.Repeat("a", 1025)},
			want:    http.Header{"Accept": {accept}, "User-Agent": {"test/1"}},
		},
		{
			rule: "NoCache asks caches to check with the origin", agent: "test/1",
			header:  http.Header{"Cache-Control": {"max-age=60"}},
			request: Request{NoCache: true},
			want:    http.Header{"Accept": {accept}, "User-Agent": {"test/1"}, "Cache-Control": {"no-cache"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			var got *http.Request
			cfg := config(func(r *http.Request) (*http.Response, error) {
				got = r
				return answer(200, text("{}")), nil
			})
			cfg.Header, cfg.UserAgent = tt.header, tt.agent
			tt.request.URL = docURL
			if _, err := New(cfg).Get(t.Context(), tt.request); err != nil {
				t.Fatal(err)
			}
			if got.Method != "GET" || got.URL.String() != docURL || got.Body != nil {
				t.Errorf("request %s %s with body %v", got.Method, got.URL, got.Body)
			}
			if want := tt.host; want != "" && got.Host != want {
				t.Errorf("host %q, want %q", got.Host, want)
			}
			for name, values := range got.Header {
				if strings.Join(tt.want[name], "|") != strings.Join(values, "|") {
					t.Errorf("%s: %q, want %q", name, values, tt.want[name])
				}
			}
			if len(got.Header) != len(tt.want) {
				t.Errorf("header %v, want %v", got.Header, tt.want)
			}
		})
	}
}

// A transport sees a request as net/http makes it.
func TestRequest_IsLikeThatOfNetHTTP(t *testing.T) {
	for _, raw := range []string{docURL, "https://idp.example:/jwks", "https://idp.example:8443/jwks", "https://[::1]:/jwks"} {
		want, err := http.NewRequest(http.MethodGet, raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got *http.Request
		f := New(config(func(r *http.Request) (*http.Response, error) {
			got = r
			return answer(200, text("{}")), nil
		}))
		if _, err := f.Get(t.Context(), Request{URL: raw}); err != nil {
			t.Fatal(err)
		}
		if got.Host != want.Host || got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor || got.ProtoMinor != want.ProtoMinor {
			t.Errorf("%s: host %q, %s (%d.%d), want %q, %s (%d.%d)", raw, got.Host, got.Proto, got.ProtoMajor, got.ProtoMinor, want.Host, want.Proto, want.ProtoMajor, want.ProtoMinor)
		}
	}
}

func TestARetryAsksForTheSameURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		cfg := config(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.URL.String())
			r.URL.Path = "/changed/by/the/transport"
			return nil, io.EOF
		})
		cfg.Retries = 1
		_, err := New(cfg).Get(t.Context(), Request{URL: docURL})
		mustFail(t, err)
		if got, want := strings.Join(seen, " "), docURL+" "+docURL; got != want {
			t.Errorf("requests %s, want %s", got, want)
		}
	})
}

func TestHeaderIsCopied(t *testing.T) {
	var sent http.Header
	cfg := config(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Clone()
		r.Header["X-Key"][0] = "changed by the transport"
		return answer(200, text("{}")), nil
	})
	cfg.Header = http.Header{"X-Key": {"a"}}
	f := New(cfg)
	cfg.Header.Set("X-Key", "changed by the caller")
	for range 2 {
		if _, err := f.Get(t.Context(), Request{URL: docURL}); err != nil {
			t.Fatal(err)
		}
	}
	if got := sent.Get("X-Key"); got != "a" {
		t.Errorf("header %q was sent", got)
	}
}

func TestCookies(t *testing.T) {
	jar := &countingJar{}
	var cookies int
	c := client(func(r *http.Request) (*http.Response, error) {
		cookies += len(r.Cookies())
		return answer(200, text("{}"), "Set-Cookie", "a=b"), nil
	})
	c.Jar = jar
	f := New(Config{Client: c, MaxSize: 10})
	for range 2 {
		if _, err := f.Get(t.Context(), Request{URL: docURL}); err != nil {
			t.Fatal(err)
		}
	}
	if jar.used || cookies > 0 {
		t.Errorf("jar used: %v, cookies sent: %d", jar.used, cookies)
	}
	if c.Jar != jar || c.CheckRedirect != nil {
		t.Error("the user's client was changed")
	}
}

// countingJar is a cookie jar that notes whether it was used.
type countingJar struct{ used bool }

func (j *countingJar) SetCookies(*url.URL, []*http.Cookie) { j.used = true }
func (j *countingJar) Cookies(*url.URL) []*http.Cookie     { j.used = true; return nil }

func TestAnswer(t *testing.T) {
	const doc = `{"keys":[]}`
	tests := []struct {
		rule        string
		status      int
		body        string
		length      int64
		conditional bool
		notModified bool
		err         string // "" for a Response
	}{
		{rule: "200 is the document", status: 200, body: doc, length: -1},
		{rule: "200 answers a conditional request as well", status: 200, body: doc, length: -1, conditional: true},
		{rule: "an empty document is a document", status: 200, length: -1},
		{rule: "a document of exactly the limit is read", status: 200, body: strings.Repeat("a", 1024), length: 1024},
		{rule: "a length of 0 beside a body is one that is not known", status: 200, body: doc, length: 0},
		{rule: "304 answers a conditional request", status: 304, length: 0, conditional: true, notModified: true},
		{rule: "304 answers no other request", status: 304, err: "answered 304 Not Modified, but the request had no condition"},
		{rule: "one byte above the limit is too much", status: 200, body: strings.Repeat("a", 1025), length: -1, err: "longer than the limit of 1024 bytes"},
		{rule: "a declared length above the limit is too much", status: 200, body: doc, length: 1025, err: "longer than the limit of 1024 bytes"},
		{rule: "a body shorter than declared is no document", status: 200, body: doc, length: 100, err: "unexpected EOF"},
		{rule: "nor is an empty one, where a byte was declared", status: 200, length: 1, err: "unexpected EOF"},
		{rule: "201 is refused", status: 201, body: doc, err: "answered 201 Created, expected 200"},
		{rule: "204 is refused", status: 204, err: "answered 204 No Content, expected 200"},
		{rule: "206 is refused", status: 206, body: doc, err: "answered 206 Partial Content, expected 200"},
		{rule: "a redirect without Location is refused", status: 302, err: "answered 302 Found, expected 200"},
		{rule: "300 is refused", status: 300, err: "answered 300 Multiple Choices, expected 200"},
		{rule: "404 is refused", status: 404, body: doc, err: "answered 404 Not Found, expected 200"},
		{rule: "500 is refused", status: 500, body: doc, err: "answered 500 Internal Server Error, expected 200"},
		{rule: "a status without a name is refused", status: 599, err: "answered 599, expected 200"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			body := &watchedBody{Reader: text(tt.body)}
			f := New(config(func(*http.Request) (*http.Response, error) {
				resp := answer(tt.status, nil, "X-Answer", "1")
				resp.Status, resp.Body, resp.ContentLength = "599 SECRET", body, tt.length
				return resp, nil
			}))
			r := Request{URL: docURL}
			if tt.conditional {
				r.ETag = `"1"`
			}
			resp, err := f.Get(t.Context(), r)
			if !body.closed {
				t.Error("the body was not closed")
			}
			if tt.err != "" {
				e := mustFail(t, err)
				if got := err.Error(); !strings.HasPrefix(got, "GET "+docURL+": ") || !strings.Contains(got, tt.err) || strings.Contains(got, "SECRET") {
					t.Errorf("error %q, want %q", got, tt.err)
				}
				if e.StatusCode != tt.status {
					t.Errorf("StatusCode %d, want %d", e.StatusCode, tt.status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if resp.NotModified != tt.notModified || string(resp.Body) != tt.body || resp.Header.Get("X-Answer") != "1" {
				t.Errorf("Response %+v", resp)
			}
		})
	}
}
