package issuers

import (
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Two tenants of one provider differ where a short text would have been cut.
// What the configuration says is shown whole, but for queries and user info.
func TestIssuers_ConfiguredNamesAreWhole(t *testing.T) {
	const host = "https://login.example"
	path := "/" + strings.Repeat("tenants/", 12)
	one, two := host+path+"one", host+path+"two"
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "login.example", jwkstest.WithPath(path+"one"))
	both := n.NewIssuers(t, jwks.TrustIssuers(one, two))
	listing := func(opts ...jwks.IssuersOption) error { _, err := jwks.NewIssuers(opts...); return err }
	verifying := func(opts ...jwks.VerifierOption) error { _, err := jwks.NewVerifier(both, opts...); return err }
	client := func(opts ...jwks.ClientOption) error { _, err := jwks.NewClient(opts...); return err }
	v, err := jwks.NewVerifier(both, jwks.WithAudience("api"), jwks.ForIssuer(one, jwks.WithAlgorithms("RS256")))
	if err != nil {
		t.Fatal(err)
	}
	_, alg := v.Verify(t.Context(), issuer.Sign(map[string]any{"aud": "api"}))
	insecure := "http" + strings.TrimPrefix(two, "https")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"an issuer that is down":        {both.Ready(t.Context()), two},
		"an issuer's own algorithms":    {alg, one},
		"listed twice":                  {listing(jwks.TrustIssuers(two, two)), two},
		"an alias of two":               {listing(jwks.TrustIssuer(one, jwks.WithIssuerAliases("x")), jwks.TrustIssuer(two, jwks.WithIssuerAliases("x"))), two},
		"options of another":            {listing(jwks.TrustIssuer(one, jwks.WithIssuer(two))), two},
		"an expectation that never was": {verifying(jwks.WithAudience("api"), jwks.WithExpectedIssuer(two+"x")), two + "x"},
		"rules for a stranger":          {verifying(jwks.WithAudience("api"), jwks.ForIssuer(two+"x")), two + "x"},
		"rules given twice":             {verifying(jwks.WithAudience("api"), jwks.ForIssuer(two), jwks.ForIssuer(two)), two},
		"bad rules":                     {verifying(jwks.WithAudience("api"), jwks.ForIssuer(two, jwks.WithLeeway(-1))), two},
		"rules that never fit":          {verifying(jwks.WithAudience("api"), jwks.ForIssuer(one, jwks.WithExpectedIssuer(two))), two},
		"an audience not decided":       {verifying(jwks.ForIssuer(one, jwks.WithAudience("api"))), two},
		"plain http":                    {client(jwks.WithIssuer(insecure)), insecure},
		"a key set over plain http":     {client(jwks.WithJWKSURL("http://u:SECRET@login.example" + path + "two?key=SECRET")), "http://login.example" + path + "two?…"},
		"a placeholder":                 {client(jwks.WithIssuer(two + "/{realm}")), two + "/{realm}"},
		"an alias with a place":         {client(jwks.WithIssuer(one), jwks.WithIssuerAliases(two+"/{tenantid}")), two + "/{tenantid}"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), `"`+test.want+`"`) || strings.Contains(test.err.Error(), "SECRET") {
			t.Errorf("%s: %v\ndoes not show %s", name, test.err, test.want)
		}
	}
}
