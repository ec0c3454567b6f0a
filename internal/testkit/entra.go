package testkit

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Tenants of Entra, and the issuer that names none of them.
const (
	Tenant1 = "11111111-1111-4111-8111-11111111aaaa"
	Tenant2 = "22222222-2222-4222-8222-22222222bbbb"
	// EntraIssuer is the template of Entra's "common" and "organizations".
	EntraIssuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
)

// TrustAll is a function for TrustIssuerFunc that trusts every issuer, with
// these options.
func TrustAll(opts ...jwks.ClientOption) func(context.Context, string) ([]jwks.ClientOption, error) {
	return func(context.Context, string) ([]jwks.ClientOption, error) { return opts, nil }
}

// TenantIssuer is the issuer of one tenant.
func TenantIssuer(id string) string { return strings.ReplaceAll(EntraIssuer, "{tenantid}", id) }

// NewEntra makes the issuer of all tenants, and one verifier for each way to
// trust some of them.
func NewEntra(t *testing.T, tenants ...string) (*Internet, *jwkstest.Issuer, map[string]*jwks.Verifier) {
	t.Helper()
	n := NewInternet()
	issuer := n.AddIssuer(t, "login.microsoftonline.com", jwkstest.WithPath("/{tenantid}/v2.0"))
	if issuer.URL() != EntraIssuer {
		t.Fatal(issuer.URL())
	}
	return n, issuer, map[string]*jwks.Verifier{
		"client":  NewSourceVerifier(t, n.NewClient(t, jwks.WithIssuer(EntraIssuer), jwks.WithTenants(tenants...))),
		"listed":  NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuer(EntraIssuer, jwks.WithTenants(tenants...)))),
		"common":  NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuers(EntraIssuer, "https://else.example"), jwks.WithClientOptions(jwks.WithTenants(tenants...)))),
		"dynamic": NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuerFunc(TrustAll(jwks.WithIssuer(EntraIssuer), jwks.WithTenants(tenants...))))),
	}
}
