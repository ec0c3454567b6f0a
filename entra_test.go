package jwks_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	tenant1 = "11111111-1111-4111-8111-11111111aaaa"
	tenant2 = "22222222-2222-4222-8222-22222222bbbb"
	// The template of Entra's "common" and "organizations".
	entraIssuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
)

// allow is a function for TrustIssuerFunc that trusts everyone.
func allow(opts ...jwks.ClientOption) func(context.Context, string) ([]jwks.ClientOption, error) {
	return func(context.Context, string) ([]jwks.ClientOption, error) { return opts, nil }
}

func ofTenant(id string) string { return strings.ReplaceAll(entraIssuer, "{tenantid}", id) }

// newEntra is an issuer with tenants, and one verifier for each way to trust it.
func newEntra(t *testing.T, tenants ...string) (*internet, *jwkstest.Issuer, map[string]*jwks.Verifier) {
	t.Helper()
	n := newInternet()
	issuer := n.issuer(t, "login.microsoftonline.com", jwkstest.WithPath("/{tenantid}/v2.0"))
	if issuer.URL() != entraIssuer {
		t.Fatal(issuer.URL())
	}
	return n, issuer, map[string]*jwks.Verifier{
		"client":  anyAudience(t, n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants(tenants...))),
		"listed":  anyAudience(t, n.issuers(t, jwks.TrustIssuer(entraIssuer, jwks.WithTenants(tenants...)))),
		"common":  anyAudience(t, n.issuers(t, jwks.TrustIssuers(entraIssuer, "https://else.example"), jwks.WithClientOptions(jwks.WithTenants(tenants...)))),
		"dynamic": anyAudience(t, n.issuers(t, jwks.TrustIssuerFunc(allow(jwks.WithIssuer(entraIssuer), jwks.WithTenants(tenants...))))),
	}
}

func TestEntraTenants(t *testing.T) {
	tests := []struct {
		name    string
		allowed []string
		claims  map[string]any
		fails   error
	}{
		{"any tenant", nil, map[string]any{"tid": tenant1}, nil},
		{"a tenant on the list", []string{tenant2, tenant1}, map[string]any{"tid": tenant1}, nil},
		{"the list in upper case", []string{strings.ToUpper(tenant1)}, map[string]any{"tid": tenant1}, nil},
		{"a tenant that is not on it", []string{tenant2}, map[string]any{"tid": tenant1}, jwt.ErrTokenInvalidIssuer},
		{"no tid", nil, map[string]any{"iss": ofTenant(tenant1)}, jwt.ErrTokenInvalidIssuer},
		{"tid is null", nil, map[string]any{"iss": ofTenant(tenant1), "tid": json.RawMessage("null")}, jwt.ErrTokenInvalidIssuer},
		{"tid is a number", nil, map[string]any{"iss": ofTenant(tenant1), "tid": 5}, jwt.ErrTokenInvalidIssuer},
		{"tid of another tenant", nil, map[string]any{"iss": ofTenant(tenant1), "tid": tenant2}, jwt.ErrTokenInvalidIssuer},
		{"tid is no GUID", nil, map[string]any{"tid": "common"}, jwt.ErrTokenInvalidIssuer},
		{"the template for an issuer", nil, map[string]any{"iss": entraIssuer, "tid": tenant1}, jwt.ErrTokenInvalidIssuer},
		{"the template for both", nil, map[string]any{"iss": entraIssuer, "tid": "{tenantid}"}, jwt.ErrTokenInvalidIssuer},
		{"an issuer that does not fit", nil, map[string]any{"iss": "https://login.microsoftonline.com/" + tenant1, "tid": tenant1}, jwt.ErrTokenInvalidIssuer},
		{"another host", nil, map[string]any{"iss": strings.Replace(ofTenant(tenant1), "microsoft", "evil", 1), "tid": tenant1}, jwt.ErrTokenInvalidIssuer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, issuer, verifiers := newEntra(t, test.allowed...)
			for how, v := range verifiers {
				got, err := v.Verify(t.Context(), issuer.Sign(test.claims))
				if test.fails != nil {
					if how == "dynamic" && err != nil {
						continue // what the function allows is another test
					}
					wantError(t, err, test.fails, jwks.ErrTokenInvalid)
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", how, err)
				} else if got.Issuer() != ofTenant(tenant1) {
					t.Errorf("%s: issuer %q", how, got.Issuer())
				}
			}
		})
	}
}

// A tenant that is not allowed is not trusted, and costs no request; nor does
// the template's own name in a token.
func TestEntraTenantsThatAreNotAllowedCostNoRequest(t *testing.T) {
	n, issuer, verifiers := newEntra(t, tenant1)
	for _, claims := range []map[string]any{{"tid": tenant2}, {"iss": entraIssuer, "tid": tenant1}} {
		_, err := verifiers["listed"].Verify(t.Context(), issuer.Sign(claims))
		wantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
	}
	n.wantRequests(t)
}

// The document of an issuer template is at "common"; only where there is
// nothing, at the literal place.
func TestEntraAsksForCommonFirst(t *testing.T) {
	base := "https://login.microsoftonline.com"
	for _, test := range []struct {
		name, at string
		want     []string
	}{
		{"common", "/common/v2.0" + discoveryPath, []string{"/common/v2.0" + discoveryPath}},
		{"literal", "/%7Btenantid%7D/v2.0" + discoveryPath, []string{"/common/v2.0" + discoveryPath, "/%7Btenantid%7D/v2.0" + discoveryPath}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newInternet()
			n.serve("login.microsoftonline.com", map[string]string{test.at: metadata(entraIssuer, base+"/keys"), "/keys": oneKey(t)})
			ready(t, n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants()))
			var want []string
			for _, path := range test.want {
				want = append(want, base+path)
			}
			n.wantRequests(t, append(want, base+"/keys")...)
		})
	}
}

func TestEntraNeedsTenants(t *testing.T) {
	for name, opts := range map[string][]jwks.ClientOption{
		"a template without tenants":       {jwks.WithIssuer(entraIssuer)},
		"the placeholder twice":            {jwks.WithIssuer(entraIssuer + "/{tenantid}")},
		"tenants without a template":       {jwks.WithIssuer(ofTenant(tenant1)), jwks.WithTenants(tenant1)},
		"a tenant that is no GUID":         {jwks.WithIssuer(entraIssuer), jwks.WithTenants("contoso.example")},
		"an empty one":                     {jwks.WithIssuer(entraIssuer), jwks.WithTenants("")},
		"also where discovery is not used": {jwks.WithIssuer(entraIssuer), jwks.WithJWKSURL("https://keys.example")},
	} {
		if _, err := jwks.NewClient(opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, opt := range map[string]jwks.IssuersOption{
		"listed":              jwks.TrustIssuers(entraIssuer),
		"with its own option": jwks.TrustIssuer(entraIssuer, jwks.WithRetries(1)),
	} {
		if _, err := jwks.NewIssuers(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Keys that name their issuer, under a template and under one tenant.
func TestEntraKeysThatNameTheirIssuer(t *testing.T) {
	everyone, first, foreign, plain := newSigner(t, "ES256", "everyone"), newSigner(t, "ES256", "first"), newSigner(t, "ES256", "foreign"), newSigner(t, "ES256", "plain")
	keys := `{"keys":[` + strings.Join([]string{
		with(everyone.jwk(), `"issuer":"`+entraIssuer+`"`),
		with(first.jwk(), `"issuer":"`+ofTenant(tenant1)+`"`),
		with(foreign.jwk(), `"issuer":"https://sts.example/"`),
		plain.jwk(),
	}, ",") + `]}`
	n := newInternet()
	n.serve("login.microsoftonline.com", map[string]string{"/keys": keys})
	at := jwks.WithJWKSURL("https://login.microsoftonline.com/keys")
	common := n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants(), at)
	one := n.newClient(t, jwks.WithIssuer(ofTenant(tenant1)), at)
	two := n.newClient(t, jwks.WithIssuer(ofTenant(tenant2)), at)
	away := newInternet() // so the seed serves
	fromSeed := away.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants(), jwks.WithKeySet(mustParse(t, keys)))

	tests := []struct {
		name   string
		client *jwks.Client
		usable map[*signer]string // and the issuer that each key is bound to
	}{
		{"template", common, map[*signer]string{everyone: entraIssuer, first: ofTenant(tenant1), plain: entraIssuer}},
		{"first tenant", one, map[*signer]string{everyone: ofTenant(tenant1), first: ofTenant(tenant1), plain: ofTenant(tenant1)}},
		{"second tenant", two, map[*signer]string{everyone: ofTenant(tenant2), plain: ofTenant(tenant2)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := test.client.KeySet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*signer{everyone, first, foreign, plain} {
				key, ok := set.Key(s.kid)
				if want, usable := test.usable[s]; ok != usable || ok && key.Issuer() != want {
					t.Errorf("%s: %v, want it bound to %q", s.kid, key, want)
				}
			}
			if skipped := test.client.Status().Skipped; len(skipped) != 4-len(test.usable) || !strings.Contains(skipped[0].Err.Error(), "issuer") {
				t.Errorf("skipped %v", skipped)
			}
		})
	}

	for _, c := range []*jwks.Client{common, fromSeed} {
		v := anyAudience(t, c)
		for _, test := range []struct {
			signer *signer
			tenant string
			good   bool
		}{
			{everyone, tenant1, true}, {everyone, tenant2, true}, {plain, tenant2, true},
			{first, tenant1, true}, {first, tenant2, false}, {foreign, tenant1, false},
		} {
			token := test.signer.token(payloadWith(map[string]any{"iss": ofTenant(test.tenant), "tid": test.tenant, "iat": nil, "exp": 32503680000}))
			_, err := c.KeyForToken(t.Context(), token)
			_, verr := v.Verify(t.Context(), token)
			class := jwks.ErrTokenInvalid
			if c == fromSeed && test.signer == foreign { // whose key is not in the set, and the source is away
				class = jwks.ErrUnavailable
			}
			if test.good {
				wantNoError(t, err)
				wantNoError(t, verr)
			} else {
				wantError(t, err, class)
				wantError(t, verr, class)
			}
		}
	}
}

// Two tenants whose keys share a kid: each token gets its own tenant's.
func TestEntraKeysThatShareAKid(t *testing.T) {
	first, second := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "k")
	n := newInternet()
	n.serve("login.microsoftonline.com", map[string]string{"/keys": `{"keys":[` + with(first.jwk(), `"issuer":"`+ofTenant(tenant1)+`"`) + "," + with(second.jwk(), `"issuer":"`+ofTenant(tenant2)+`"`) + `]}`})
	c := n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants(), jwks.WithJWKSURL("https://login.microsoftonline.com/keys"))
	v := anyAudience(t, c, atTest())
	for _, test := range []struct {
		signer *signer
		tenant string
		good   bool
	}{{first, tenant1, true}, {second, tenant2, true}, {first, tenant2, false}, {second, tenant1, false}} {
		token := test.signer.token(payloadWith(map[string]any{"iss": ofTenant(test.tenant), "tid": test.tenant}))
		key, err := c.KeyForToken(t.Context(), token)
		if err != nil || key.Issuer() != ofTenant(test.tenant) {
			t.Errorf("%s: %v %v", test.tenant, key, err)
		}
		_, err = jwt.Parse(token, c.Keyfunc, jwt.WithTimeFunc(func() time.Time { return time.Unix(testNow, 0) }))
		_, verr := v.Verify(t.Context(), token)
		if (err == nil) != test.good || (verr == nil) != test.good {
			t.Errorf("%s: %v, %v", test.tenant, err, verr)
		}
	}
}

// The documents that Entra publishes: discovery and keys.
func TestEntraRealDocuments(t *testing.T) {
	const microsoftAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad"
	for _, test := range []struct {
		name         string
		all, tenants int // usable keys, those of them for one tenant
	}{{"entra-common.json", 7, 2}, {"entra-organizations.json", 6, 0}, {"azure-tenant.json", 10, 2}} {
		t.Run(test.name, func(t *testing.T) {
			corpus := sharedCorpus(t, "corpus")
			read := func(dir string) string {
				b, err := os.ReadFile(filepath.Join(corpus, dir, test.name))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			n := newInternet()
			keys := read("jwks")
			keysOfCommon := jwks.WithJWKSURL("https://login.microsoftonline.com/common/discovery/v2.0/keys")
			n.serve("login.microsoftonline.com", map[string]string{
				"/common/v2.0" + discoveryPath: read("discovery"), "/common/discovery/v2.0/keys": keys, "/organizations/discovery/v2.0/keys": keys})
			for client, want := range map[*jwks.Client]int{
				n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants()):           test.all,
				n.newClient(t, jwks.WithIssuer(ofTenant(tenant1)), keysOfCommon):           test.all - test.tenants,
				n.newClient(t, jwks.WithIssuer(ofTenant(microsoftAccounts)), keysOfCommon): test.all,
			} {
				set, err := client.KeySet(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				single := 0
				for key := range set.All() {
					if key.Issuer() == ofTenant(microsoftAccounts) {
						single++
					} else if key.Issuer() != client.Status().Issuer {
						t.Errorf("key %s is bound to %q", key.ID(), key.Issuer())
					}
				}
				if set.Len() != want {
					t.Errorf("%s: %d keys, want %d; skipped %v", client.Status().Issuer, set.Len(), want, set.Skipped())
				}
				if client.Status().Issuer == entraIssuer && single != test.tenants {
					t.Errorf("%d keys for one tenant, want %d", single, test.tenants)
				}
			}
		})
	}
}
