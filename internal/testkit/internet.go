package testkit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Internet joins hosts in memory and records every request: what is not
// recorded was not requested.
type Internet struct {
	mu        sync.Mutex
	hosts     map[string]http.RoundTripper
	requested []string
}

// NewInternet makes an internet without hosts.
func NewInternet() *Internet { return &Internet{hosts: make(map[string]http.RoundTripper)} }

// AddIssuer puts a test issuer on https://host, with one ES256 key, k1, unless
// opts say otherwise.
func (n *Internet) AddIssuer(t testing.TB, host string, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	opts = append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://" + host)}, opts...)
	issuer := jwkstest.New(t, opts...)
	n.Route(host, issuer.HTTPClient().Transport)
	return issuer
}

// RoundTripFunc is an http.RoundTripper of one function.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Serve puts documents on a host, by path and query; all else is 404.
func (n *Internet) Serve(host string, documents map[string]string) {
	n.Route(host, RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if body, ok := documents[r.URL.RequestURI()]; ok {
			return RespondTo(r, http.StatusOK, body), nil
		}
		return RespondTo(r, http.StatusNotFound, "not here"), nil
	}))
}

// Route sends the requests for a host to t.
func (n *Internet) Route(host string, t http.RoundTripper) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = t
}

// RoundTrip records a request and carries it to its host.
func (n *Internet) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.requested = append(n.requested, r.URL.String())
	host := n.hosts[r.URL.Host]
	n.mu.Unlock()
	if host == nil {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	}
	return host.RoundTrip(r)
}

// HTTPClient reaches the hosts of the internet, and nothing else.
func (n *Internet) HTTPClient() *http.Client { return &http.Client{Transport: n} }

// TakeRequests returns and forgets the URLs that were requested.
func (n *Internet) TakeRequests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	requested := n.requested
	n.requested = nil
	return requested
}

// WantRequests compares the URLs that were requested since the last look, in
// order.
func (n *Internet) WantRequests(t testing.TB, want ...string) {
	t.Helper()
	if got := n.TakeRequests(); !slices.Equal(got, want) {
		t.Errorf("requests\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// NewIssuers makes issuers over the internet, without retries, closed with the
// test.
func (n *Internet) NewIssuers(t testing.TB, opts ...jwks.IssuersOption) *jwks.Issuers {
	t.Helper()
	s, err := jwks.NewIssuers(append(opts, jwks.WithClientOptions(jwks.WithHTTPClient(n.HTTPClient()), jwks.WithRetries(0)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// NewClient makes a client over the internet, without retries, closed with the
// test.
func (n *Internet) NewClient(t testing.TB, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithHTTPClient(n.HTTPClient()), jwks.WithRetries(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Metadata writes a discovery document.
func Metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, jwksURI)
}

// RespondTo is [Response] to a request.
func RespondTo(r *http.Request, status int, body string) *http.Response {
	resp := Response(status, body)
	resp.Request = r
	return resp
}

// Response is a response with a text as its body and headers in pairs of name
// and value.
func Response(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}
