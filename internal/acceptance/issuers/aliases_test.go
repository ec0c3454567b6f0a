package issuers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Google's tokens name their issuer with and without the scheme; its discovery
// document has one name.
func TestAliases_BothNamesVerify(t *testing.T) {
	n := testkit.NewInternet()
	google := n.AddIssuer(t, "accounts.google.com")
	const alias = "accounts.google.com"
	aliases := jwks.WithIssuerAliases(alias, "Google")
	for how, source := range map[string]jwks.KeySource{
		"a client":          n.NewClient(t, jwks.WithIssuer(google.URL()), aliases),
		"a key set's URL":   n.NewClient(t, jwks.WithIssuer(google.URL()), jwks.WithJWKSURL(google.JWKSURL()), aliases),
		"a discovery URL":   n.NewClient(t, jwks.WithDiscoveryURL(google.URL()+testkit.DiscoveryPath), aliases),
		"a listed issuer":   n.NewIssuers(t, jwks.TrustIssuers("https://other.example"), jwks.TrustIssuer(google.URL(), aliases)),
		"before a function": n.NewIssuers(t, jwks.TrustIssuer(google.URL(), aliases), jwks.TrustIssuerFunc(refuseAll(t, google.URL(), alias, "Google"))),
		"from a function":   n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll(jwks.WithIssuer(google.URL()), aliases))),
	} {
		n.TakeRequests()
		v := testkit.NewSourceVerifier(t, source)
		for _, name := range []string{alias, google.URL(), "Google"} {
			token := google.Sign(map[string]any{"iss": name})
			got := testkit.Accept(t, v, token)
			if got.Issuer() != name || got.Key().Issuer() != google.URL() {
				t.Errorf("%s: a token of %s with a key of %s", how, got.Issuer(), got.Key().Issuer())
			}
			type finder interface {
				KeyForToken(context.Context, string) (*jwks.Key, error)
				Keyfunc(*jwt.Token) (any, error)
			}
			_, err := source.(finder).KeyForToken(t.Context(), token)
			testkit.WantNoError(t, err)
			_, err = jwt.Parse(token, source.(finder).Keyfunc)
			testkit.WantNoError(t, err)
		}
		for _, raw := range n.TakeRequests() { // an alias is never an address
			if raw != google.URL()+testkit.DiscoveryPath && raw != google.JWKSURL() {
				t.Errorf("%s: asked for %s", how, raw)
			}
		}
		if how == "from a function" { // which trusts every name under that client
			continue
		}
		for _, name := range []string{"Accounts.google.com", alias + "/", "http://accounts.google.com", "google", " Google", ""} {
			err := testkit.Refuse(t, v, google.Sign(map[string]any{"iss": name}), jwt.ErrTokenInvalidIssuer)
			if strings.HasPrefix(how, "a ") && how != "a listed issuer" && !strings.Contains(err.Error(), `"accounts.google.com"`) {
				t.Errorf("%s: %v: does not name the alias", how, err)
			}
		}
	}
}

// refuseAll trusts nobody, and must not be asked about listed names.
func refuseAll(t *testing.T, listed ...string) func(context.Context, string) ([]jwks.ClientOption, error) {
	return func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
		if slices.Contains(listed, issuer) {
			t.Errorf("the function is asked about %q", issuer)
		}
		return nil, jwks.ErrIssuerNotTrusted
	}
}

// The document must name the issuer itself: an alias will not do.
func TestAliases_DocumentNamesTheIssuer(t *testing.T) {
	n := testkit.NewInternet()
	keys := n.AddIssuer(t, "keys.example")
	n.Serve("a.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("accounts.example", keys.JWKSURL())})
	c := n.NewClient(t, jwks.WithIssuer("https://a.example"), jwks.WithIssuerAliases("accounts.example"))
	_, err := c.KeySet(t.Context())
	testkit.WantError(t, err, jwks.ErrIssuerMismatch, jwks.ErrUnavailable)
}

// Listed issuers share neither keys nor names: an alias leads to its issuer's
// keys and to no others.
func TestAliases_KeysServeTheirIssuerOnly(t *testing.T) {
	n := testkit.NewInternet()
	a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
	v := testkit.NewSourceVerifier(t, n.NewIssuers(t,
		jwks.TrustIssuer(a.URL(), jwks.WithIssuerAliases("urn:a")), jwks.TrustIssuer(b.URL(), jwks.WithIssuerAliases("urn:b"))))
	testkit.Accept(t, v, a.Sign(map[string]any{"iss": "urn:a"}))
	testkit.Accept(t, v, b.Sign(map[string]any{"iss": "urn:b"}))
	for _, iss := range []string{"urn:a", a.URL()} {
		testkit.Refuse(t, v, b.Sign(map[string]any{"iss": iss}), jwt.ErrTokenSignatureInvalid)
	}
}

// Under a template an alias does not open other tenants.
func TestAliases_UnderATemplate(t *testing.T) {
	n := testkit.NewInternet()
	keys := n.AddIssuer(t, "keys.example", jwkstest.WithAlgorithms("ES256"))
	const v1 = "https://sts.example/"
	c := n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithJWKSURL(keys.JWKSURL()), jwks.WithTenants(testkit.Tenant1), jwks.WithIssuerAliases(v1+testkit.Tenant1+"/"))
	v := testkit.NewSourceVerifier(t, c)
	sign := func(iss string, tid any) string { return keys.Sign(map[string]any{"iss": iss, "tid": tid}) }
	testkit.Accept(t, v, sign(testkit.TenantIssuer(testkit.Tenant1), testkit.Tenant1))
	testkit.Accept(t, v, sign(v1+testkit.Tenant1+"/", testkit.Tenant1))
	testkit.Refuse(t, v, sign(v1+testkit.Tenant1+"/", testkit.Tenant2), jwt.ErrTokenInvalidIssuer)
	testkit.Refuse(t, v, sign(v1+testkit.Tenant1+"/", nil), jwt.ErrTokenInvalidIssuer)
	testkit.Refuse(t, v, sign(v1+testkit.Tenant2+"/", testkit.Tenant2), jwt.ErrTokenInvalidIssuer)
	testkit.Refuse(t, v, sign(v1+testkit.Tenant2+"/", testkit.Tenant1), jwt.ErrTokenInvalidIssuer)
}

func TestAliases_OptionsRefused(t *testing.T) {
	issuer := jwks.WithIssuer("https://a.example")
	for name, opts := range map[string][]jwks.ClientOption{
		"an empty list":      {issuer, jwks.WithIssuerAliases()},
		"an empty name":      {issuer, jwks.WithIssuerAliases("a", "")},
		"a place for tenant": {issuer, jwks.WithIssuerAliases("https://a.example/{tenantid}")},
		"no issuer":          {jwks.WithJWKSURL("https://a.example/keys"), jwks.WithIssuerAliases("a")},
	} {
		if c, err := jwks.NewClient(opts...); c != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithIssuerAliases") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
