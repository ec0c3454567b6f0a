package jwks_test

import (
	"context"
	"errors"
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

// internet joins hosts in memory and writes down every request: what is not in
// it was not asked for.
type internet struct {
	mu    sync.Mutex
	hosts map[string]http.RoundTripper
	asked []string
}

func newInternet() *internet { return &internet{hosts: make(map[string]http.RoundTripper)} }

// issuer puts a fake issuer on https://host.
func (n *internet) issuer(t testing.TB, host string, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	opts = append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://" + host)}, opts...)
	issuer := jwkstest.New(t, opts...)
	n.set(host, issuer.HTTPClient().Transport)
	return issuer
}

// roundTrip is an http.RoundTripper of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// serve puts documents on a host, by path; all other paths are 404.
func (n *internet) serve(host string, documents map[string]string) {
	n.set(host, roundTrip(func(r *http.Request) (*http.Response, error) {
		if body, ok := documents[r.URL.RequestURI()]; ok {
			return respond(r, http.StatusOK, body), nil
		}
		return respond(r, http.StatusNotFound, "not here"), nil
	}))
}

func (n *internet) set(host string, t http.RoundTripper) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = t
}

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

func (n *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.asked = append(n.asked, r.URL.String())
	host := n.hosts[r.URL.Host]
	n.mu.Unlock()
	if host == nil {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	}
	return host.RoundTrip(r)
}

func (n *internet) client() *http.Client { return &http.Client{Transport: n} }

// requests returns what was asked for since the last call.
func (n *internet) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	return asked
}

// wantRequests compares what was asked for since the last look, in order.
func (n *internet) wantRequests(t testing.TB, want ...string) {
	t.Helper()
	if got := n.requests(); !slices.Equal(got, want) {
		t.Errorf("requests\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// issuers makes a source over the internet, closed with the test.
func (n *internet) issuers(t testing.TB, opts ...jwks.IssuersOption) *jwks.Issuers {
	t.Helper()
	s, err := jwks.NewIssuers(append(opts, jwks.WithClientOptions(jwks.WithHTTPClient(n.client()), jwks.WithRetries(0)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newClient makes a client over the internet, closed with the test.
func (n *internet) newClient(t testing.TB, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithHTTPClient(n.client()), jwks.WithRetries(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// anyAudience makes a verifier that leaves the issuer to the source.
func anyAudience(t testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	t.Helper()
	v, err := jwks.NewVerifier(source, append(opts, jwks.WithoutAudienceCheck())...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantError checks that err matches each of want and is what every error of
// this package is: of exactly one of the two classes, one line, and prefixed
// once.
func wantError(t testing.TB, err error, want ...error) {
	t.Helper()
	wantForeignError(t, err, want...)
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q is not one line", err)
	}
	if !strings.HasPrefix(err.Error(), "jwks: ") || strings.Contains(err.Error(), " jwks: ") {
		t.Errorf("%q does not have the prefix once", err)
	}
}

// wantForeignError is wantError for an error that another package has wrapped:
// its reasons and its class are ours, its text is not.
func wantForeignError(t testing.TB, err error, want ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%v\ndoes not match %v", err, w)
		}
	}
	if errors.Is(err, jwks.ErrTokenInvalid) == errors.Is(err, jwks.ErrUnavailable) {
		t.Errorf("%v\nis not of exactly one class", err)
	}
}

// wantNoError reports an error that should not be there.
func wantNoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("unexpected error: %v", err)
	}
}

// metadata writes a discovery document.
func metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, jwksURI)
}

// oneKey is a key set for documents whose keys do not matter.
func oneKey(t testing.TB) string {
	t.Helper()
	return `{"keys":[` + newSigner(t, "ES256", "k1").jwk() + `]}`
}

// ready loads a client.
func ready(t testing.TB, c *jwks.Client) {
	t.Helper()
	wantNoError(t, c.Ready(context.Background()))
}

// dialCounter is a dialer that counts and never connects.
func dialCounter(n *int) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		*n++
		return nil, errors.New("no network in tests")
	}
}
