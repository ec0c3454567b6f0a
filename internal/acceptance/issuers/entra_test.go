package issuers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestIssuers_EntraTenants(t *testing.T) {
	tests := []struct {
		name    string
		allowed []string
		claims  map[string]any
		fails   error
	}{
		{"any tenant", nil, map[string]any{"tid": testkit.Tenant1}, nil},
		{"a tenant on the list", []string{testkit.Tenant2, testkit.Tenant1}, map[string]any{"tid": testkit.Tenant1}, nil},
		{"the list in upper case", []string{strings.ToUpper(testkit.Tenant1)}, map[string]any{"tid": testkit.Tenant1}, nil},
		{"a tenant that is not on it", []string{testkit.Tenant2}, map[string]any{"tid": testkit.Tenant1}, jwt.ErrTokenInvalidIssuer},
		{"no tid", nil, map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant1)}, jwt.ErrTokenInvalidIssuer},
		{"tid is null", nil, map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant1), "tid": json.RawMessage("null")}, jwt.ErrTokenInvalidIssuer},
		{"tid is a number", nil, map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant1), "tid": 5}, jwt.ErrTokenInvalidIssuer},
		{"tid of another tenant", nil, map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant1), "tid": testkit.Tenant2}, jwt.ErrTokenInvalidIssuer},
		{"tid is not a GUID", nil, map[string]any{"tid": "common"}, jwt.ErrTokenInvalidIssuer},
		{"the template for an issuer", nil, map[string]any{"iss": testkit.EntraIssuer, "tid": testkit.Tenant1}, jwt.ErrTokenInvalidIssuer},
		{"the template for both", nil, map[string]any{"iss": testkit.EntraIssuer, "tid": "{tenantid}"}, jwt.ErrTokenInvalidIssuer},
		{"an issuer that does not fit", nil, map[string]any{"iss": "https://login.microsoftonline.com/" + testkit.Tenant1, "tid": testkit.Tenant1}, jwt.ErrTokenInvalidIssuer},
		{"another host", nil, map[string]any{"iss": strings.Replace(testkit.TenantIssuer(testkit.Tenant1), "microsoft", "evil", 1), "tid": testkit.Tenant1}, jwt.ErrTokenInvalidIssuer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, issuer, verifiers := testkit.NewEntra(t, test.allowed...)
			for how, v := range verifiers {
				got, err := v.Verify(t.Context(), issuer.Sign(test.claims))
				if test.fails != nil {
					if how == "dynamic" && err != nil {
						continue // what the function allows is another test
					}
					testkit.WantError(t, err, test.fails, jwks.ErrTokenInvalid)
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", how, err)
				} else if got.Issuer() != testkit.TenantIssuer(testkit.Tenant1) {
					t.Errorf("%s: issuer %q", how, got.Issuer())
				}
			}
		})
	}
}

// A tenant that is not allowed is not trusted, and costs no request; nor does
// the template's own name in a token.
func TestIssuers_EntraForbiddenTenants(t *testing.T) {
	n, issuer, verifiers := testkit.NewEntra(t, testkit.Tenant1)
	for _, claims := range []map[string]any{{"tid": testkit.Tenant2}, {"iss": testkit.EntraIssuer, "tid": testkit.Tenant1}} {
		_, err := verifiers["listed"].Verify(t.Context(), issuer.Sign(claims))
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
	}
	n.WantRequests(t)
}

// The document of an issuer template is at "common"; only where there is
// nothing, at the literal place.
func TestIssuers_EntraDiscoveryAtCommon(t *testing.T) {
	base := "https://login.microsoftonline.com"
	for _, test := range []struct {
		name, at string
		want     []string
	}{
		{"common", "/common/v2.0" + testkit.DiscoveryPath, []string{"/common/v2.0" + testkit.DiscoveryPath}},
		{"literal", "/%7Btenantid%7D/v2.0" + testkit.DiscoveryPath, []string{"/common/v2.0" + testkit.DiscoveryPath, "/%7Btenantid%7D/v2.0" + testkit.DiscoveryPath}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := testkit.NewInternet()
			n.Serve("login.microsoftonline.com", map[string]string{test.at: testkit.Metadata(testkit.EntraIssuer, base+"/keys"), "/keys": testkit.OneKey(t)})
			testkit.MustReady(t, n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants()))
			var want []string
			for _, path := range test.want {
				want = append(want, base+path)
			}
			n.WantRequests(t, append(want, base+"/keys")...)
		})
	}
}

func TestIssuers_EntraNeedsTenants(t *testing.T) {
	for name, opts := range map[string][]jwks.ClientOption{
		"a template without tenants":       {jwks.WithIssuer(testkit.EntraIssuer)},
		"the placeholder twice":            {jwks.WithIssuer(testkit.EntraIssuer + "/{tenantid}")},
		"tenants without a template":       {jwks.WithIssuer(testkit.TenantIssuer(testkit.Tenant1)), jwks.WithTenants(testkit.Tenant1)},
		"a tenant that is not a GUID":      {jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants("contoso.example")},
		"an empty one":                     {jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants("")},
		"also where discovery is not used": {jwks.WithIssuer(testkit.EntraIssuer), jwks.WithJWKSURL("https://keys.example")},
	} {
		if _, err := jwks.NewClient(opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, opt := range map[string]jwks.IssuersOption{
		"listed":              jwks.TrustIssuers(testkit.EntraIssuer),
		"with its own option": jwks.TrustIssuer(testkit.EntraIssuer, jwks.WithRetries(1)),
	} {
		if _, err := jwks.NewIssuers(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Keys that name their issuer, under a template and under one tenant.
func TestIssuers_EntraKeysNamingAnIssuer(t *testing.T) {
	everyone, first, foreign, plain := testkit.NewSigner(t, "ES256", "everyone"), testkit.NewSigner(t, "ES256", "first"), testkit.NewSigner(t, "ES256", "foreign"), testkit.NewSigner(t, "ES256", "plain")
	keys := `{"keys":[` + strings.Join([]string{
		testkit.WithMembers(everyone.JWK(), `"issuer":"`+testkit.EntraIssuer+`"`),
		testkit.WithMembers(first.JWK(), `"issuer":"`+testkit.TenantIssuer(testkit.Tenant1)+`"`),
		testkit.WithMembers(foreign.JWK(), `"issuer":"https://sts.example/"`),
		plain.JWK(),
	}, ",") + `]}`
	n := testkit.NewInternet()
	n.Serve("login.microsoftonline.com", map[string]string{"/keys": keys})
	at := jwks.WithJWKSURL("https://login.microsoftonline.com/keys")
	common := n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants(), at)
	one := n.NewClient(t, jwks.WithIssuer(testkit.TenantIssuer(testkit.Tenant1)), at)
	two := n.NewClient(t, jwks.WithIssuer(testkit.TenantIssuer(testkit.Tenant2)), at)
	away := testkit.NewInternet() // so the seed serves
	fromSeed := away.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants(), jwks.WithKeySet(testkit.ParseKeySet(t, keys)))

	tests := []struct {
		name   string
		client *jwks.Client
		usable map[*testkit.Signer]string // and the issuer that each key is bound to
	}{
		{"template", common, map[*testkit.Signer]string{everyone: testkit.EntraIssuer, first: testkit.TenantIssuer(testkit.Tenant1), plain: testkit.EntraIssuer}},
		{"first tenant", one, map[*testkit.Signer]string{everyone: testkit.TenantIssuer(testkit.Tenant1), first: testkit.TenantIssuer(testkit.Tenant1), plain: testkit.TenantIssuer(testkit.Tenant1)}},
		{"second tenant", two, map[*testkit.Signer]string{everyone: testkit.TenantIssuer(testkit.Tenant2), plain: testkit.TenantIssuer(testkit.Tenant2)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := test.client.KeySet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*testkit.Signer{everyone, first, foreign, plain} {
				key, ok := set.Key(s.KeyID)
				if want, usable := test.usable[s]; ok != usable || ok && key.Issuer() != want {
					t.Errorf("%s: %v, want it bound to %q", s.KeyID, key, want)
				}
			}
			if skipped := test.client.Status().Skipped; len(skipped) != 4-len(test.usable) || !strings.Contains(skipped[0].Err.Error(), "issuer") {
				t.Errorf("skipped %v", skipped)
			}
		})
	}

	for _, c := range []*jwks.Client{common, fromSeed} {
		v := testkit.NewSourceVerifier(t, c)
		for _, test := range []struct {
			signer *testkit.Signer
			tenant string
			good   bool
		}{
			{everyone, testkit.Tenant1, true}, {everyone, testkit.Tenant2, true}, {plain, testkit.Tenant2, true},
			{first, testkit.Tenant1, true}, {first, testkit.Tenant2, false}, {foreign, testkit.Tenant1, false},
		} {
			token := test.signer.Token(testkit.Payload(map[string]any{"iss": testkit.TenantIssuer(test.tenant), "tid": test.tenant, "iat": nil, "exp": 32503680000}))
			_, err := c.KeyForToken(t.Context(), token)
			_, verr := v.Verify(t.Context(), token)
			class := jwks.ErrTokenInvalid
			if c == fromSeed && test.signer == foreign { // whose key is not in the set, and the source is away
				class = jwks.ErrUnavailable
			}
			if test.good {
				testkit.WantNoError(t, err)
				testkit.WantNoError(t, verr)
			} else {
				testkit.WantError(t, err, class)
				testkit.WantError(t, verr, class)
			}
		}
	}
}

// Two tenants whose keys share a kid: each token gets its own tenant's.
func TestIssuers_EntraKeysSharingAKeyID(t *testing.T) {
	first, second := testkit.NewSigner(t, "ES256", "k"), testkit.NewSigner(t, "ES256", "k")
	n := testkit.NewInternet()
	n.Serve("login.microsoftonline.com", map[string]string{"/keys": `{"keys":[` + testkit.WithMembers(first.JWK(), `"issuer":"`+testkit.TenantIssuer(testkit.Tenant1)+`"`) + "," + testkit.WithMembers(second.JWK(), `"issuer":"`+testkit.TenantIssuer(testkit.Tenant2)+`"`) + `]}`})
	c := n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants(), jwks.WithJWKSURL("https://login.microsoftonline.com/keys"))
	v := testkit.NewSourceVerifier(t, c, testkit.AtNow())
	for _, test := range []struct {
		signer *testkit.Signer
		tenant string
		good   bool
	}{{first, testkit.Tenant1, true}, {second, testkit.Tenant2, true}, {first, testkit.Tenant2, false}, {second, testkit.Tenant1, false}} {
		token := test.signer.Token(testkit.Payload(map[string]any{"iss": testkit.TenantIssuer(test.tenant), "tid": test.tenant}))
		key, err := c.KeyForToken(t.Context(), token)
		if err != nil || key.Issuer() != testkit.TenantIssuer(test.tenant) {
			t.Errorf("%s: %v %v", test.tenant, key, err)
		}
		_, err = jwt.Parse(token, c.Keyfunc, jwt.WithTimeFunc(func() time.Time { return time.Unix(testkit.Now, 0) }))
		_, verr := v.Verify(t.Context(), token)
		if (err == nil) != test.good || (verr == nil) != test.good {
			t.Errorf("%s: %v, %v", test.tenant, err, verr)
		}
	}
}

// The documents that Entra publishes: discovery and keys.
func TestIssuers_EntraRealDocuments(t *testing.T) {
	const microsoftAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad"
	for _, test := range []struct {
		name         string
		all, tenants int // usable keys, those of them for one tenant
	}{{"entra-common.json", 7, 2}, {"entra-organizations.json", 6, 0}, {"azure-tenant.json", 10, 2}} {
		t.Run(test.name, func(t *testing.T) {
			corpus := testkit.SharedDir(t, "corpus")
			read := func(dir string) string {
				b, err := os.ReadFile(filepath.Join(corpus, dir, test.name))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			n := testkit.NewInternet()
			keys := read("jwks")
			keysOfCommon := jwks.WithJWKSURL("https://login.microsoftonline.com/common/discovery/v2.0/keys")
			n.Serve("login.microsoftonline.com", map[string]string{
				"/common/v2.0" + testkit.DiscoveryPath: read("discovery"), "/common/discovery/v2.0/keys": keys, "/organizations/discovery/v2.0/keys": keys})
			for client, want := range map[*jwks.Client]int{
				n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants()):               test.all,
				n.NewClient(t, jwks.WithIssuer(testkit.TenantIssuer(testkit.Tenant1)), keysOfCommon):   test.all - test.tenants,
				n.NewClient(t, jwks.WithIssuer(testkit.TenantIssuer(microsoftAccounts)), keysOfCommon): test.all,
			} {
				set, err := client.KeySet(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				single := 0
				for key := range set.All() {
					if key.Issuer() == testkit.TenantIssuer(microsoftAccounts) {
						single++
					} else if key.Issuer() != client.Status().Issuer {
						t.Errorf("key %s is bound to %q", key.ID(), key.Issuer())
					}
				}
				if set.Len() != want {
					t.Errorf("%s: %d keys, want %d; skipped %v", client.Status().Issuer, set.Len(), want, set.Skipped())
				}
				if client.Status().Issuer == testkit.EntraIssuer && single != test.tenants {
					t.Errorf("%d keys for one tenant, want %d", single, test.tenants)
				}
			}
		})
	}
}

// A token's iss full of overlapping GUIDs costs no more than any other name,
// however many templates are listed and whatever size a token may have.
func TestIssuers_TemplateSearchIsCheap(t *testing.T) {
	var trust []jwks.IssuersOption
	for i := range 100 {
		trust = append(trust, jwks.TrustIssuer(fmt.Sprintf("https://h%d.example/{tenantid}/v2.0", i), jwks.WithTenants()))
	}
	s := testkit.NewInternet().NewIssuers(t, trust...)
	cost := func(issuer string) float64 {
		return testing.AllocsPerRun(5, func() {
			_, err := s.SigningKeys(t.Context(), testkit.ES256K1, issuer)
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
		})
	}
	plain := cost("https://x.example")
	for name, piece := range map[string]string{
		"GUIDs":             testkit.Tenant1,
		"overlapping GUIDs": "11111111-1111-1111-1111-",
		"hex digits":        "0123456789abcdef",
		"a prefix":          "https://h7.example/" + testkit.Tenant1 + "/v2.0",
	} {
		for _, size := range []int{2 << 10, 16 << 10, 256 << 10} {
			if got := cost(strings.Repeat(piece, size/len(piece))); got > plain+10 { // the text of the error quotes it
				t.Errorf("%d bytes of %s: %v allocations, a plain name costs %v", size, name, got, plain)
			}
		}
	}
}
