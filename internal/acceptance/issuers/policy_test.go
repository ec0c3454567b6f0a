package issuers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// tenantRules are for one issuer of a gateway: what its tokens must be like, and a
// token of it that is.
type tenantRules struct {
	issuer *jwkstest.Issuer
	opts   []jwks.VerifierOption
	claims map[string]any
	typ    string
}

// token is one that fits the rules of as, signed by r's issuer.
func (r tenantRules) token(as tenantRules, more map[string]any, opts ...jwkstest.SignOption) string {
	claims := map[string]any{}
	for _, from := range []map[string]any{as.claims, more} {
		for name, value := range from {
			claims[name] = value
		}
	}
	return r.issuer.Sign(claims, append([]jwkstest.SignOption{jwkstest.WithHeader("typ", as.typ)}, opts...)...)
}

func newGateway(t *testing.T) (*testkit.Internet, *jwks.Issuers, []tenantRules) {
	n := testkit.NewInternet()
	algorithms := jwkstest.WithAlgorithms("ES256", "RS256", "EdDSA")
	rules := []tenantRules{
		{n.AddIssuer(t, "a.example", algorithms), []jwks.VerifierOption{jwks.WithAudience("api-a"), jwks.WithAlgorithms("ES256"), jwks.WithTokenTypes("JWT")}, map[string]any{"aud": "api-a"}, "JWT"},
		{n.AddIssuer(t, "b.example", algorithms), []jwks.VerifierOption{jwks.WithAllAudiences("api-b", "b"), jwks.WithAlgorithms("RS256"), jwks.WithTokenTypes("at+jwt")}, map[string]any{"aud": []string{"api-b", "b"}}, "at+jwt"},
		{n.AddIssuer(t, "c.example", algorithms), []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithAlgorithms("EdDSA"), jwks.WithClaim("team", "c")}, map[string]any{"team": "c"}, "JWT"},
	}
	var trust []string
	for _, r := range rules {
		trust = append(trust, r.issuer.URL())
	}
	return n, n.NewIssuers(t, jwks.TrustIssuers(trust...)), rules
}

// kids are the key IDs of the gateway's issuers, by position: each publishes a
// key for each algorithm and its rules allow one.
var kids = []string{"k1", "k2", "k3"}

func TestForIssuer_EveryPairOfIssuers(t *testing.T) {
	_, source, rules := newGateway(t)
	for _, cache := range []int{0, 64} {
		opts := []jwks.VerifierOption{jwks.WithTokenCache(cache)}
		for _, r := range rules {
			opts = append(opts, jwks.ForIssuer(r.issuer.URL(), r.opts...))
		}
		v, err := jwks.NewVerifier(source, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range rules {
			own := a.token(a, nil, jwkstest.WithKeyID(kids[i]))
			for j, b := range rules {
				testkit.Accept(t, v, own)
				if i == j {
					continue
				}
				t.Run(fmt.Sprintf("cache %d, %d as %d", cache, i, j), func(t *testing.T) {
					// The rules of b for a token of a: all of them, and one at a time.
					testkit.Refuse(t, v, a.token(b, nil, jwkstest.WithKeyID(kids[j])), jwks.ErrAlgorithmNotAllowed)
					testkit.Refuse(t, v, a.token(a, nil, jwkstest.WithKeyID(kids[j])), jwks.ErrAlgorithmNotAllowed)
					testkit.Refuse(t, v, a.token(b, nil, jwkstest.WithKeyID(kids[i])), jwks.ErrTokenInvalid)
					if _, ok := a.claims["aud"]; ok {
						aud := b.claims["aud"]
						testkit.Refuse(t, v, a.token(a, map[string]any{"aud": aud}, jwkstest.WithKeyID(kids[i])), jwks.ErrTokenInvalid)
					}
					if a.typ != b.typ && i < 2 {
						testkit.Refuse(t, v, a.token(a, nil, jwkstest.WithKeyID(kids[i]), jwkstest.WithHeader("typ", b.typ)), jwks.ErrTokenInvalid)
					}
					// A token of a that says it is b's.
					for _, iss := range []any{b.issuer.URL(), []string{b.issuer.URL()}, b.issuer.URL() + "/", strings.ToUpper(b.issuer.URL()), nil, "", 7} {
						for _, fits := range []tenantRules{a, b} {
							for _, kid := range kids {
								testkit.Refuse(t, v, a.token(fits, map[string]any{"iss": iss}, jwkstest.WithKeyID(kid)), jwks.ErrTokenInvalid)
							}
						}
					}
				})
			}
		}
	}
}

// TestForIssuer_GoesByTheKey: a token cannot choose its rules, also where the
// source does not look at "iss" at all.
func TestForIssuer_GoesByTheKey(t *testing.T) {
	n := testkit.NewInternet()
	a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example", jwkstest.WithAlgorithms("RS256"))
	ca, cb := n.NewClient(t, jwks.WithIssuer(a.URL())), n.NewClient(t, jwks.WithIssuer(b.URL()))
	both := testkit.SourceFunc(func(ctx context.Context, h jwks.Header, _ string) ([]*jwks.Key, error) {
		var all []*jwks.Key
		for _, c := range []*jwks.Client{ca, cb} {
			keys, err := c.SigningKeys(ctx, jwks.Header{Algorithm: h.Algorithm}, "")
			if err != nil && !errors.Is(err, jwks.ErrTokenInvalid) {
				return nil, err
			}
			all = append(all, keys...)
		}
		return all, nil
	})
	union := jwks.AnyOf(ca, cb)
	for i, source := range []jwks.KeySource{both, both, union, union} {
		v, err := jwks.NewVerifier(source, jwks.WithExpectedIssuer(a.URL(), b.URL()), jwks.WithTokenCache(8*(i%2)),
			jwks.ForIssuer(a.URL(), jwks.WithAudience("api-a")), jwks.ForIssuer(b.URL(), jwks.WithAudience("api-b")))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Accept(t, v, a.Sign(map[string]any{"aud": "api-a"}))
		testkit.Accept(t, v, b.Sign(map[string]any{"aud": "api-b"}))
		testkit.Refuse(t, v, a.Sign(map[string]any{"aud": "api-b"}), jwt.ErrTokenInvalidAudience)
		err = testkit.Refuse(t, v, a.Sign(map[string]any{"aud": "api-b", "iss": b.URL()}), jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience)
		if !strings.Contains(err.Error(), "api-a") {
			t.Errorf("judged by the rules of the issuer that it names: %v", err)
		}
	}
}

func TestForIssuer_OnTopOfCommon(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "a.example", jwkstest.WithAlgorithms("ES256", "RS256"))
	other := n.AddIssuer(t, "b.example")
	source := n.NewIssuers(t, jwks.TrustIssuers(issuer.URL(), other.URL()))
	refuse := func(context.Context, *jwks.Token) error { return errors.New("no") }
	for _, test := range []struct {
		rule        string
		common, own []jwks.VerifierOption
		accepted    []map[string]any
		refused     []map[string]any
	}{
		{"a list replaces the list", []jwks.VerifierOption{jwks.WithAudience("common")}, []jwks.VerifierOption{jwks.WithAudience("own")},
			[]map[string]any{{"aud": "own"}}, []map[string]any{{"aud": "common"}, {"aud": nil}}},
		{"one audience option replaces the other", []jwks.VerifierOption{jwks.WithAllAudiences("common")}, []jwks.VerifierOption{jwks.WithAudience("own")},
			[]map[string]any{{"aud": "own"}}, []map[string]any{{"aud": "common"}}},
		{"an opt-out replaces the decision", []jwks.VerifierOption{jwks.WithAudience("common")}, []jwks.VerifierOption{jwks.WithoutAudienceCheck()},
			[]map[string]any{{"aud": "x"}, {"aud": nil}}, nil},
		{"a decision replaces the opt-out", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithAudience("own")},
			[]map[string]any{{"aud": "own"}}, []map[string]any{{"aud": "x"}}},
		{"without one the common decision stands", []jwks.VerifierOption{jwks.WithAudience("common")}, []jwks.VerifierOption{jwks.WithLeeway(0)},
			[]map[string]any{{"aud": "common"}}, []map[string]any{{"aud": "x"}}},
		{"both audience options hold", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithAudience("a"), jwks.WithAllAudiences("b", "c")},
			[]map[string]any{{"aud": []string{"a", "b", "c"}}}, []map[string]any{{"aud": "a"}, {"aud": []string{"b", "c"}}}},
		{"required claims add up", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithRequiredClaims("x")}, []jwks.VerifierOption{jwks.WithRequiredClaims("y")},
			[]map[string]any{{"x": 1, "y": 1}}, []map[string]any{{"x": 1}, {"y": 1}}},
		{"claims add up", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithClaim("x", "1")}, []jwks.VerifierOption{jwks.WithClaim("y", "1")},
			[]map[string]any{{"x": 1, "y": 1}}, []map[string]any{{"x": 1}, {"y": 1}, {"x": 1, "y": 2}}},
		{"checks add up", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithCheck(refuse)}, []jwks.VerifierOption{jwks.WithRequiredClaims("sub")},
			nil, []map[string]any{{}}},
		{"a check of its own", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithCheck(refuse)},
			nil, []map[string]any{{}}},
		{"parties are replaced", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithAuthorizedParties("common")}, []jwks.VerifierOption{jwks.WithAuthorizedParties("own")},
			[]map[string]any{{"azp": "own"}}, []map[string]any{{"azp": "common"}}},
		{"clients are replaced", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithClientID("common")}, []jwks.VerifierOption{jwks.WithClientID("own")},
			[]map[string]any{{"azp": "own"}}, []map[string]any{{"azp": "common"}}},
		{"the expected issuer is narrowed", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(other.URL())}, []jwks.VerifierOption{jwks.WithExpectedIssuer(issuer.URL())},
			[]map[string]any{{}}, nil},
		{"or opened", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(other.URL())}, []jwks.VerifierOption{jwks.WithoutIssuerCheck()},
			[]map[string]any{{}}, nil},
		{"or stays", []jwks.VerifierOption{jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(other.URL())}, []jwks.VerifierOption{jwks.WithLeeway(0)},
			nil, []map[string]any{{}}},
		{"without expiry", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithoutExpiry()},
			[]map[string]any{{"exp": nil}}, nil},
		{"a numeric subject", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithNumericSubject()},
			[]map[string]any{{"sub": 7}}, nil},
		{"a bound token", []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, []jwks.VerifierOption{jwks.WithoutProofOfPossession()},
			[]map[string]any{{"cnf": map[string]any{"jkt": "x"}}}, nil},
	} {
		t.Run(test.rule, func(t *testing.T) {
			for _, cache := range []int{0, 8} {
				v, err := jwks.NewVerifier(source, append(test.common, jwks.ForIssuer(issuer.URL(), test.own...), jwks.WithTokenCache(cache))...)
				if err != nil {
					t.Fatal(err)
				}
				for _, claims := range test.accepted {
					testkit.Accept(t, v, issuer.Sign(claims))
				}
				for _, claims := range test.refused {
					testkit.Refuse(t, v, issuer.Sign(claims), jwks.ErrTokenInvalid)
				}
			}
		})
	}
}

// TestForIssuer_CommonStaysCommon: options for one issuer change nothing for the
// others.
func TestForIssuer_CommonStaysCommon(t *testing.T) {
	n := testkit.NewInternet()
	a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
	source := n.NewIssuers(t, jwks.TrustIssuers(a.URL(), b.URL()))
	v, err := jwks.NewVerifier(source, jwks.WithAudience("common"), jwks.WithRequiredClaims("sub"), jwks.WithClaim("x", "1"),
		jwks.ForIssuer(a.URL(), jwks.WithRequiredClaims("a"), jwks.WithClaim("a", "1"), jwks.WithoutProofOfPossession(), jwks.WithNumericSubject(), jwks.WithLeeway(time.Hour)),
		jwks.ForIssuer(b.URL(), jwks.WithRequiredClaims("b")))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Accept(t, v, a.Sign(map[string]any{"aud": "common", "x": 1, "a": 1, "sub": 7, "cnf": map[string]any{}, "exp": time.Now().Add(-time.Minute)}))
	testkit.Accept(t, v, b.Sign(map[string]any{"aud": "common", "x": 1, "b": 1}))
	for _, claims := range []map[string]any{{"a": 1}, {"b": 1, "sub": 7}, {"b": 1, "cnf": map[string]any{}}, {"b": 1, "exp": time.Now().Add(-time.Minute)}} {
		claims["aud"], claims["x"] = "common", 1
		testkit.Refuse(t, v, b.Sign(claims), jwks.ErrTokenInvalid)
	}
}

func TestForIssuer_Algorithms(t *testing.T) {
	n := testkit.NewInternet()
	a := n.AddIssuer(t, "a.example", jwkstest.WithAlgorithms("ES256", "RS256"))
	b := n.AddIssuer(t, "b.example", jwkstest.WithAlgorithms("ES256", "RS256"))
	source := n.NewIssuers(t, jwks.TrustIssuers(a.URL(), b.URL()))
	v, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithAlgorithms("ES256"), jwks.ForIssuer(b.URL(), jwks.WithAlgorithms("RS256")))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Accept(t, v, a.Sign(nil))
	testkit.Accept(t, v, b.Sign(nil, jwkstest.WithKeyID("k2")))
	n.TakeRequests()
	for range 20 {
		testkit.Refuse(t, v, a.Sign(nil, jwkstest.WithKeyID("k2")), jwks.ErrAlgorithmNotAllowed)
		testkit.Refuse(t, v, b.Sign(nil), jwks.ErrAlgorithmNotAllowed)
	}
	// A signature that was not checked is not a reason to look for another key.
	forged := b.Sign(nil)
	err = testkit.Refuse(t, v, forged[:len(forged)-8]+"AAAAAAAA", jwks.ErrAlgorithmNotAllowed)
	if jwks.Reason(err) != "algorithm" || !strings.Contains(err.Error(), `for issuer "`+b.URL()+`", want "RS256"`) {
		t.Errorf("%v", err)
	}
	// On no list: refused before any key is looked up.
	testkit.Refuse(t, v, testkit.NewSigner(t, "EdDSA", "k9").Token(testkit.Payload(map[string]any{"iss": a.URL()})), jwks.ErrAlgorithmNotAllowed)
	n.WantRequests(t)
}

func TestForIssuer_Refused(t *testing.T) {
	n := testkit.NewInternet()
	a, b := "https://a.example", "https://b.example"
	client := n.NewClient(t, jwks.WithIssuer(a))
	listed := n.NewIssuers(t, jwks.TrustIssuers(a, b))
	entra := n.NewIssuers(t, jwks.TrustIssuer(testkit.EntraIssuer, jwks.WithTenants(testkit.Tenant1)))
	set := testkit.ParseKeySet(t, testkit.OneKey(t))
	own := jwks.WithAudience("own")
	some := func(context.Context, string) ([]jwks.VerifierOption, error) { return nil, nil }
	for rule, test := range map[string]struct {
		source jwks.KeySource
		opts   []jwks.VerifierOption
	}{
		"another issuer than the client's":  {client, []jwks.VerifierOption{own, jwks.ForIssuer(b, own)}},
		"a slash more":                      {client, []jwks.VerifierOption{own, jwks.ForIssuer(a+"/", own)}},
		"half a union is undecided":         {jwks.AnyOf(client, n.NewClient(t, jwks.WithIssuer(b))), []jwks.VerifierOption{jwks.ForIssuer(a, own)}},
		"no part of a union has it":         {jwks.AnyOf(client, n.NewClient(t, jwks.WithIssuer(b))), []jwks.VerifierOption{own, jwks.ForIssuer("https://c.example", own)}},
		"an issuer that is not listed":      {listed, []jwks.VerifierOption{own, jwks.ForIssuer("https://c.example", own)}},
		"a tenant that is not allowed":      {entra, []jwks.VerifierOption{own, jwks.ForIssuer(testkit.TenantIssuer(testkit.Tenant2), own)}},
		"a set whose keys have no issuer":   {set, []jwks.VerifierOption{own, jwks.WithoutIssuerCheck(), jwks.ForIssuer(a, own)}},
		"no name":                           {listed, []jwks.VerifierOption{own, jwks.ForIssuer("", own)}},
		"twice":                             {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, own), jwks.ForIssuer(a, own)}},
		"one listed issuer is undecided":    {listed, []jwks.VerifierOption{jwks.ForIssuer(a, own)}},
		"the client's is undecided":         {client, []jwks.VerifierOption{jwks.ForIssuer(a, jwks.WithLeeway(0))}},
		"a function is not asked about it":  {client, []jwks.VerifierOption{jwks.ForIssuerFunc(some)}},
		"nor about listed ones":             {listed, []jwks.VerifierOption{jwks.ForIssuer(a, own), jwks.ForIssuerFunc(some)}},
		"a template is undecided":           {entra, []jwks.VerifierOption{jwks.ForIssuer(testkit.EntraIssuer)}},
		"WithMaxTokenSize":                  {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithMaxTokenSize(1))}},
		"WithTokenCache":                    {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithTokenCache(0))}},
		"WithNow":                           {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithNow(time.Now))}},
		"ForIssuer in ForIssuer":            {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.ForIssuer(b, own))}},
		"ForIssuerFunc in ForIssuer":        {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.ForIssuerFunc(some))}},
		"a nil option":                      {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, nil)}},
		"a bad option":                      {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithAlgorithms("none"))}},
		"an option and its opt-out":         {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, own, jwks.WithoutAudienceCheck())}},
		"both about the issuer":             {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithExpectedIssuer(a), jwks.WithoutIssuerCheck())}},
		"an expectation that cannot hold":   {listed, []jwks.VerifierOption{own, jwks.ForIssuer(a, jwks.WithExpectedIssuer(b))}},
		"a nil function":                    {listed, []jwks.VerifierOption{own, jwks.ForIssuerFunc(nil)}},
		"WithExpectedIssuer, not listed":    {listed, []jwks.VerifierOption{own, jwks.WithExpectedIssuer("https://c.example")}},
		"WithExpectedIssuer, a slash":       {client, []jwks.VerifierOption{own, jwks.WithExpectedIssuer(a + "/")}},
		"WithExpectedIssuer, one of two":    {client, []jwks.VerifierOption{own, jwks.WithExpectedIssuer(a, b)}},
		"WithExpectedIssuer, a template":    {entra, []jwks.VerifierOption{own, jwks.WithExpectedIssuer(testkit.EntraIssuer)}},
		"WithExpectedIssuer, a bad tenant":  {entra, []jwks.VerifierOption{own, jwks.WithExpectedIssuer(testkit.TenantIssuer(testkit.Tenant2))}},
		"two things at once are both named": {listed, []jwks.VerifierOption{own, jwks.ForIssuer("https://c.example", own), jwks.WithLeeway(-1)}},
	} {
		v, err := jwks.NewVerifier(test.source, test.opts...)
		if !errors.Is(err, jwks.ErrConfig) || v != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
	_, err := jwks.NewVerifier(listed, own, jwks.ForIssuer(a, jwks.WithLeeway(-1), jwks.WithAudience()), jwks.ForIssuer(b, jwks.WithTokenCache(1)))
	for _, want := range []string{"WithLeeway", "WithAudience", "WithTokenCache", `"` + a + `"`, `"` + b + `"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestForIssuer_Accepted(t *testing.T) {
	n := testkit.NewInternet()
	a, b := "https://a.example", "https://b.example"
	own := jwks.WithAudience("own")
	tenants := n.NewIssuers(t, jwks.TrustIssuer(testkit.EntraIssuer, jwks.WithTenants(testkit.Tenant1, testkit.Tenant2)))
	for rule, test := range map[string]struct {
		source jwks.KeySource
		opts   []jwks.VerifierOption
	}{
		"the client's own":             {n.NewClient(t, jwks.WithIssuer(a)), []jwks.VerifierOption{jwks.ForIssuer(a, own)}},
		"discovery will tell":          {n.NewClient(t, jwks.WithDiscoveryURL(a+testkit.DiscoveryPath)), []jwks.VerifierOption{jwks.ForIssuer(a, own)}},
		"each listed":                  {n.NewIssuers(t, jwks.TrustIssuers(a, b)), []jwks.VerifierOption{jwks.ForIssuer(a, own), jwks.ForIssuer(b, own)}},
		"a template":                   {tenants, []jwks.VerifierOption{jwks.ForIssuer(testkit.EntraIssuer, own)}},
		"each tenant of a template":    {tenants, []jwks.VerifierOption{jwks.ForIssuer(testkit.TenantIssuer(testkit.Tenant1), own), jwks.ForIssuer(testkit.TenantIssuer(testkit.Tenant2), own)}},
		"one that may come up":         {n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll())), []jwks.VerifierOption{jwks.ForIssuer(a, own)}},
		"a source of one's own":        {testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return nil, nil }), []jwks.VerifierOption{jwks.ForIssuer(a, own), jwks.WithExpectedIssuer(a)}},
		"either of a union":            {jwks.AnyOf(n.NewClient(t, jwks.WithIssuer(a)), n.NewClient(t, jwks.WithIssuer(b))), []jwks.VerifierOption{jwks.ForIssuer(a, own), jwks.ForIssuer(b, own)}},
		"an expected tenant":           {tenants, []jwks.VerifierOption{own, jwks.WithExpectedIssuer(testkit.TenantIssuer(testkit.Tenant1))}},
		"any expectation of free keys": {testkit.ParseKeySet(t, testkit.OneKey(t)), []jwks.VerifierOption{own, jwks.WithExpectedIssuer(a, b)}},
	} {
		if _, err := jwks.NewVerifier(test.source, test.opts...); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func TestForIssuer_TemplateAndTenants(t *testing.T) {
	n, issuer, _ := testkit.NewEntra(t)
	upper := strings.ToUpper(testkit.Tenant1)
	tenant := func(id string, aud string) string {
		return issuer.Sign(map[string]any{"iss": testkit.TenantIssuer(id), "tid": id, "aud": aud})
	}
	for how, source := range map[string]jwks.KeySource{
		"client":  n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants()),
		"listed":  n.NewIssuers(t, jwks.TrustIssuer(testkit.EntraIssuer, jwks.WithTenants())),
		"dynamic": n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll(jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants()))),
	} {
		for _, cache := range []int{0, 8} {
			v, err := jwks.NewVerifier(source, jwks.WithTokenCache(cache), jwks.ForIssuer(testkit.EntraIssuer, jwks.WithAudience("all")),
				jwks.ForIssuer(testkit.TenantIssuer(testkit.Tenant1), jwks.WithAudience("one")))
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			testkit.Accept(t, v, tenant(testkit.Tenant2, "all"))
			testkit.Accept(t, v, tenant(testkit.Tenant1, "one"))
			testkit.Refuse(t, v, tenant(testkit.Tenant1, "all"), jwt.ErrTokenInvalidAudience)
			testkit.Refuse(t, v, tenant(testkit.Tenant2, "one"), jwt.ErrTokenInvalidAudience)
			// A tenant in other letters is the same tenant.
			testkit.Refuse(t, v, tenant(upper, "all"), jwt.ErrTokenInvalidAudience)
			// The name of one tenant and the tid of another.
			testkit.Refuse(t, v, issuer.Sign(map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant2), "tid": testkit.Tenant1, "aud": "all"}), jwt.ErrTokenInvalidIssuer)
		}
	}
}

// TestForIssuer_UndecidedAtRunTime: an issuer without an audience decision does
// not slip through.
func TestForIssuer_UndecidedAtRunTime(t *testing.T) {
	n := testkit.NewInternet()
	a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
	for _, cache := range []int{0, 8} {
		v, err := jwks.NewVerifier(n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll())), jwks.ForIssuer(a.URL(), jwks.WithAudience("a")), jwks.WithTokenCache(cache))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Accept(t, v, a.Sign(map[string]any{"aud": "a"}))
		for _, aud := range []any{"a", "b", nil} {
			err := testkit.Refuse(t, v, b.Sign(map[string]any{"aud": aud}), jwks.ErrTokenInvalid, jwks.ErrIssuerNotTrusted)
			if !strings.Contains(err.Error(), "audience") {
				t.Errorf("%v", err)
			}
		}
	}
}

// TestForIssuer_Aliases: Google's tokens have two names for one issuer.
func TestForIssuer_Aliases(t *testing.T) {
	n := testkit.NewInternet()
	google, other := n.AddIssuer(t, "accounts.google.com"), n.AddIssuer(t, "other.example")
	const alias = "accounts.google.com"
	client := n.NewClient(t, jwks.WithIssuer(google.URL()), jwks.WithIssuerAliases(alias))
	listed := n.NewIssuers(t, jwks.TrustIssuer(google.URL(), jwks.WithIssuerAliases(alias)), jwks.TrustIssuers(other.URL()))
	for _, named := range []string{google.URL(), alias} {
		for how, source := range map[string]jwks.KeySource{"client": client, "listed": listed} {
			opts := []jwks.VerifierOption{jwks.WithTokenCache(8), jwks.ForIssuer(named, jwks.WithAudience("mine"), jwks.WithExpectedIssuer(google.URL(), alias))}
			if how == "listed" {
				opts = append(opts, jwks.ForIssuer(other.URL(), jwks.WithAudience("theirs")))
			}
			v, err := jwks.NewVerifier(source, opts...)
			if err != nil {
				t.Fatalf("%s, named %s: %v", how, named, err)
			}
			for _, iss := range []string{google.URL(), alias} {
				token := testkit.Accept(t, v, google.Sign(map[string]any{"iss": iss, "aud": "mine"}))
				if token.Issuer() != iss || token.Key().Issuer() != google.URL() {
					t.Errorf("issuer %s of a key of %s", token.Issuer(), token.Key().Issuer())
				}
				testkit.Refuse(t, v, google.Sign(map[string]any{"iss": iss, "aud": "theirs"}), jwt.ErrTokenInvalidAudience)
				if how == "listed" {
					testkit.Refuse(t, v, other.Sign(map[string]any{"iss": iss, "aud": "theirs"}), jwks.ErrTokenInvalid)
				}
			}
		}
	}
	if _, err := jwks.NewVerifier(client, jwks.ForIssuer(alias, jwks.WithAudience("a")), jwks.ForIssuer(google.URL(), jwks.WithAudience("b"))); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("one issuer under both of its names: %v", err)
	}
}
