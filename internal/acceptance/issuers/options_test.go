package issuers

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestIssuers_OptionsRefused(t *testing.T) {
	seed := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k"))
	trust := jwks.TrustIssuers("https://a.example")
	tests := []struct {
		name  string
		opts  []jwks.IssuersOption
		names []string // one for each bad option
	}{
		{"nobody is trusted", nil, []string{"nobody is trusted"}},
		{"options without an issuer", []jwks.IssuersOption{jwks.WithMaxIssuers(3), jwks.WithClientOptions(jwks.WithRetries(1))}, []string{"nobody is trusted"}},
		{"an empty list", []jwks.IssuersOption{jwks.TrustIssuers()}, []string{"TrustIssuers: the list is empty"}},
		{"an empty name", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "")}, []string{"TrustIssuers"}},
		{"an empty issuer", []jwks.IssuersOption{jwks.TrustIssuer("", jwks.WithJWKSURL("https://a.example/k"))}, []string{"TrustIssuer"}},
		{"no scheme", []jwks.IssuersOption{jwks.TrustIssuers("accounts.google.com")}, []string{"WithIssuer"}},
		{"http", []jwks.IssuersOption{jwks.TrustIssuers("http://a.example")}, []string{"WithIssuer"}},
		{"user info", []jwks.IssuersOption{jwks.TrustIssuers("https://u@a.example")}, []string{"WithIssuer"}},
		{"a fragment", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example#x")}, []string{"WithIssuer"}},
		{"listed twice", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "https://a.example")}, []string{"listed twice"}},
		{"listed twice in two options", []jwks.IssuersOption{trust, jwks.TrustIssuer("https://a.example", jwks.WithRetries(0))}, []string{"listed twice"}},
		{"a nil function", []jwks.IssuersOption{jwks.TrustIssuerFunc(nil)}, []string{"the function is nil"}},
		{"no room", []jwks.IssuersOption{trust, jwks.WithMaxIssuers(0)}, []string{"WithMaxIssuers"}},
		{"less than none", []jwks.IssuersOption{trust, jwks.WithMaxIssuers(-1)}, []string{"WithMaxIssuers"}},
		{"a nil option", []jwks.IssuersOption{trust, nil}, []string{"nil"}},
		{"a nil option for clients", []jwks.IssuersOption{trust, jwks.WithClientOptions(nil)}, []string{"nil"}},
		{"a bad option for one client", []jwks.IssuersOption{jwks.TrustIssuer("https://a.example", jwks.WithTTL(0))}, []string{"WithTTL"}},
		{"a bad option for all, said once", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "https://b.example"), jwks.WithClientOptions(jwks.WithTTL(0))}, []string{"WithTTL"}},
		{"a bad option for all, and no issuer yet", []jwks.IssuersOption{jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithTTL(0))}, []string{"WithTTL"}},
		{"options of another issuer", []jwks.IssuersOption{jwks.TrustIssuer("https://a.example", jwks.WithIssuer("https://b.example"))}, []string{"WithIssuer"}},
		{"a template that the issuer does not fit", []jwks.IssuersOption{jwks.TrustIssuer("https://a.example", jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants())}, []string{"WithIssuer"}},
		{"one issuer for all", []jwks.IssuersOption{trust, jwks.WithClientOptions(jwks.WithIssuer("https://b.example"))}, []string{"WithIssuer is for one", "the options for"}},
		{"one seed for all who come", []jwks.IssuersOption{jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithKeySet(seed))}, []string{"WithKeySet"}},
		{"one seed for several", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "https://b.example"), jwks.WithClientOptions(jwks.WithKeySet(seed))}, []string{"WithKeySet"}},
		{"one key set for anyone", []jwks.IssuersOption{jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithJWKSURL("https://a.example/k"))}, []string{"WithJWKSURL"}},
		{"one key set for several", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "https://b.example"), jwks.WithClientOptions(jwks.WithJWKSURL("https://a.example/k"))}, []string{"WithJWKSURL"}},
		{"one key set for all who come", []jwks.IssuersOption{jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithJWKSURL("https://a.example/k"))}, []string{"WithJWKSURL"}},
		{"aliases for all who come", []jwks.IssuersOption{jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithIssuerAliases("a"))}, []string{"WithIssuerAliases"}},
		{"aliases for several", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example", "https://b.example"), jwks.WithClientOptions(jwks.WithIssuerAliases("a"))}, []string{"WithIssuerAliases"}},
		{"an alias that is listed", []jwks.IssuersOption{trust, jwks.TrustIssuer("https://b.example", jwks.WithIssuerAliases("https://a.example"))}, []string{"https://a.example"}},
		{"an issuer that is an alias", []jwks.IssuersOption{jwks.TrustIssuer("https://b.example", jwks.WithIssuerAliases("https://a.example")), trust}, []string{"listed twice"}},
		{"an alias of two", []jwks.IssuersOption{jwks.TrustIssuer("https://a.example", jwks.WithIssuerAliases("x")), jwks.TrustIssuer("https://b.example", jwks.WithIssuerAliases("x"))}, []string{"WithIssuerAliases"}},
		{"a name beyond the limit", []jwks.IssuersOption{jwks.TrustIssuers("https://a.example/" + strings.Repeat("x", 2048))}, []string{"2048 bytes"}},
		{"anyone, and not", []jwks.IssuersOption{jwks.TrustAnyIssuer(), jwks.TrustIssuerFunc(testkit.TrustAll())}, []string{"TrustAnyIssuer"}},
		{"everything at once", []jwks.IssuersOption{jwks.TrustIssuers(), jwks.TrustIssuer("x"), jwks.TrustIssuer("https://a.example", jwks.WithRetries(-1), jwks.WithTTL(-1)), jwks.WithMaxIssuers(0)},
			[]string{"TrustIssuers", "WithIssuer", "WithRetries", "WithTTL", "WithMaxIssuers"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := jwks.NewIssuers(test.opts...)
			if s != nil || err == nil {
				t.Fatalf("accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.names) {
				t.Errorf("%d errors, want %d:\n%v", len(lines), len(test.names), err)
			}
			for _, name := range test.names {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%v\ndoes not name %s", err, name)
				}
			}
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				if !errors.Is(one, jwks.ErrConfig) || errors.Is(one, jwks.ErrUnavailable) || errors.Is(one, jwks.ErrTokenInvalid) {
					t.Errorf("%v is not ErrConfig alone", one)
				}
			}
		})
	}
}

func TestIssuers_OptionsAccepted(t *testing.T) {
	seed := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k"))
	for name, opts := range map[string][]jwks.IssuersOption{
		"lists add up":             {jwks.TrustIssuers("https://a.example", "https://a.example/"), jwks.TrustIssuers("https://b.example"), jwks.TrustIssuer("https://c.example")},
		"static":                   {jwks.TrustIssuer("https://a.example", jwks.WithJWKSURL("https://keys.example"))},
		"a seed":                   {jwks.TrustIssuer("https://a.example", jwks.WithKeySet(seed))},
		"one key set for one":      {jwks.TrustIssuers("https://a.example"), jwks.WithClientOptions(jwks.WithJWKSURL("https://a.example/k"))},
		"an alias of its own":      {jwks.TrustIssuer("https://a.example", jwks.WithIssuerAliases("a", "https://a.example", "a"))},
		"one seed for one":         {jwks.TrustIssuers("https://a.example"), jwks.WithClientOptions(jwks.WithKeySet(seed))},
		"http":                     {jwks.TrustIssuers("http://a.example"), jwks.WithClientOptions(jwks.AllowInsecureHTTP())},
		"loopback":                 {jwks.TrustIssuers("http://127.0.0.1:8080")},
		"listed and anyone":        {jwks.TrustIssuers("https://a.example"), jwks.TrustAnyIssuer()},
		"an own option wins":       {jwks.TrustIssuer("https://a.example", jwks.WithoutCache()), jwks.WithClientOptions(jwks.WithRetries(1))},
		"tenants for a template":   {jwks.TrustIssuers("https://a.example", testkit.EntraIssuer), jwks.WithClientOptions(jwks.WithTenants())},
		"a template for a tenant":  {jwks.TrustIssuer(testkit.TenantIssuer(testkit.Tenant1), jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants(testkit.Tenant1))},
		"a function and a maximum": {jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1)},
		"the shortest decision":    {jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithDecisionTTL(time.Nanosecond)},
	} {
		s, err := jwks.NewIssuers(opts...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		testkit.WantNoError(t, s.Close())
	}
}

// WithClientOptions are for all, and an issuer's own options come after them.
func TestIssuers_OwnOptionsComeLast(t *testing.T) {
	var sent []string
	record := &http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.URL.Host+" "+strings.Join(r.Header["X-Test"], ","))
		return testkit.RespondTo(r, 404, ""), nil
	})}
	s, err := jwks.NewIssuers(
		jwks.TrustIssuer("https://a.example", jwks.WithHeader("X-Test", "own"), jwks.WithDiscoveryPath("/x")),
		jwks.TrustIssuer("https://b.example"),
		jwks.WithClientOptions(jwks.WithHTTPClient(record), jwks.WithHeader("X-Test", "all"), jwks.WithDiscoveryPath("/y")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{"https://a.example", "https://b.example"} {
		c, err := s.Client(t.Context(), issuer)
		testkit.WantNoError(t, err)
		testkit.WantError(t, c.Ready(t.Context()), jwks.ErrUnavailable)
	}
	if got := strings.Join(sent, "; "); got != "a.example all,own; b.example all" {
		t.Errorf("sent %q", got)
	}
}
