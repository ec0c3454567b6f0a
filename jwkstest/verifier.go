package jwkstest

import (
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// Verifier returns a verifier for this issuer's tokens, with a client that
// reaches the issuer in memory and is closed when the test ends. One of the audience
// options is required, as for [jwks.NewVerifier]. A bad option fails the test with
// tb.Fatal.
//
//	verifier := issuer.Verifier(t, jwks.WithAudience("my-api"))
//	handler := jwkshttp.Middleware(verifier)(next)
//
// An issuer with {tenantid} in its path stands for any tenant. For other
// settings of the client, make one with [jwks.NewClient], [Issuer.URL] and
// [Issuer.HTTPClient].
func (i *Issuer) Verifier(tb testing.TB, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	of := []jwks.ClientOption{jwks.WithIssuer(i.url), jwks.WithHTTPClient(i.HTTPClient())}
	if strings.HasPrefix(i.url, "http:") {
		of = append(of, jwks.AllowInsecureHTTP())
	}
	if strings.Contains(i.url, tenantID) {
		of = append(of, jwks.WithTenants())
	}
	client, err := jwks.NewClient(of...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Error(err)
		}
	})
	verifier, err := jwks.NewVerifier(client, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return verifier
}
