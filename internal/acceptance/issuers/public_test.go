package issuers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// WithPublicAddressesOnly keeps a client off hosts that are not public, whoever
// names them: its configuration, a document, a redirect.
func TestPublicAddressesOnly_RefusesOthers(t *testing.T) {
	n := testkit.NewInternet()
	for _, host := range []string{"127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "metadata.google.internal", "good.example:8443"} {
		n.Serve(host, map[string]string{"/": "secret", testkit.KeySetPath: testkit.OneKey(t)})
	}
	good := n.AddIssuer(t, "good.example")
	for _, target := range []string{"https://127.0.0.1/jwks", "https://localhost/jwks", "https://10.0.0.1/jwks", "https://169.254.169.254/jwks",
		"https://metadata.google.internal/jwks", "https://good.example:8443/jwks"} {
		n.Serve("tenant.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://tenant.example", target)})
		for how, opts := range map[string][]jwks.ClientOption{
			"of its configuration": {jwks.WithIssuer("https://tenant.example"), jwks.WithJWKSURL(target)},
			"of a document":        {jwks.WithIssuer("https://tenant.example")},
		} {
			n.TakeRequests()
			_, err := n.NewClient(t, append(opts, jwks.WithPublicAddressesOnly())...).KeySet(t.Context())
			if testkit.WantError(t, err, jwks.ErrUnavailable); err == nil || !strings.Contains(err.Error(), "not a public address") {
				t.Errorf("%s %s: %v", target, how, err)
			}
			for _, raw := range n.TakeRequests() {
				if raw == target {
					t.Errorf("%s %s was asked", target, how)
				}
			}
			if _, err := n.NewClient(t, opts...).KeySet(t.Context()); err != nil {
				t.Errorf("off by default: %s %s: %v", target, how, err)
			}
		}
	}
	// Through TrustIssuerFunc, for all tenants or by the function's own options.
	for how, s := range map[string]*jwks.Issuers{
		"common": n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithPublicAddressesOnly())),
		"own":    n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll(jwks.WithPublicAddressesOnly()))),
	} {
		testkit.Accept(t, testkit.NewSourceVerifier(t, s), good.Sign(nil))
		n.TakeRequests()
		_, err := s.SigningKeys(t.Context(), testkit.ES256K1, "https://localhost")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if n.WantRequests(t); err == nil || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// Without a client of the user's the transport is a guarded one of our own: a
// server on loopback sees no connection, whatever http.DefaultTransport is.
func TestPublicAddressesOnly_OwnTransport(t *testing.T) {
	var seen atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			seen.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	http.DefaultTransport = testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) { // as tracing does
		seen.Add(1)
		return old.RoundTrip(r)
	})
	for _, issuer := range []string{server.URL, "https://127.0.0.1", "https://localhost"} {
		c, err := jwks.NewClient(jwks.WithIssuer(issuer), jwks.WithPublicAddressesOnly(), jwks.WithRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.KeySet(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		testkit.WantNoError(t, c.Close())
	}
	s, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithRetries(0)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.SigningKeys(t.Context(), testkit.ES256K1, "https://127.0.0.1")
	testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
	if seen.Load() != 0 {
		t.Errorf("%d connections or requests", seen.Load())
	}
}

// Under TrustAnyIssuer a name that does not exist is refused; a resolver that
// could not tell leaves the issuer undecided.
func TestIssuers_AnyNamesThatDoNotExist(t *testing.T) {
	for how, test := range map[string]struct {
		err   error
		class error
	}{
		"no such name":     {&net.DNSError{Err: "no such host", Name: "x.example", IsNotFound: true}, jwks.ErrIssuerNotTrusted},
		"a slow resolver":  {&net.DNSError{Err: "i/o timeout", Name: "x.example", IsTimeout: true}, jwks.ErrUnavailable},
		"a failing server": {&net.DNSError{Err: "server misbehaving", Name: "x.example", IsTemporary: true}, jwks.ErrUnavailable},
		"a closed port":    {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, jwks.ErrUnavailable},
	} {
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, test.err }}}
		s, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithHTTPClient(client), jwks.WithRetries(0)))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // in the backoff the same
			_, err = s.SigningKeys(t.Context(), testkit.ES256K1, "https://93.184.215.14")
			if testkit.WantError(t, err, test.class); errors.Is(err, jwks.ErrTokenInvalid) != (test.class == jwks.ErrIssuerNotTrusted) {
				t.Errorf("%s: %v", how, err)
			}
		}
		testkit.WantNoError(t, s.Close())
	}
}
