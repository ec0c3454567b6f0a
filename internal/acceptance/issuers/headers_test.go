package issuers

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// sentTo makes an issuer of a.example load its keys, which are at jwksURI, and
// returns the hosts that were asked and what X-Key they were sent.
func sentTo(t *testing.T, jwksURI string, opts ...jwks.IssuersOption) string {
	t.Helper()
	n := testkit.NewInternet()
	set := testkit.KeySetDocument(testkit.NewSigner(t, "ES256", "k1").JWK())
	n.Serve("a.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://a.example", jwksURI), "/jwks": set})
	n.Serve("keys.example", map[string]string{"/jwks": set})
	var sent []string
	record := &http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.URL.Host+" "+strings.Join(r.Header["X-Key"], ","))
		return n.RoundTrip(r)
	})}
	s, err := jwks.NewIssuers(append(opts, jwks.WithClientOptions(jwks.WithHTTPClient(record)))...)
	testkit.WantNoError(t, err)
	defer s.Close()
	c, err := s.Client(t.Context(), "https://a.example")
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, c.Ready(t.Context()))
	return strings.Join(sent, "; ")
}

// What is common to all issuers goes to those that the configuration lists, and
// not to a tenant, who would learn it.
func TestIssuers_HeadersAndTenants(t *testing.T) {
	const own, away = "https://a.example/jwks", "https://keys.example/jwks"
	function := func(opts ...jwks.ClientOption) jwks.IssuersOption {
		return jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) { return opts, nil })
	}
	common := jwks.WithClientOptions(jwks.WithHeader("X-Key", "common"))
	for _, tt := range []struct {
		rule    string
		jwksURI string
		opts    []jwks.IssuersOption
		want    string
	}{
		{"common ones to a listed issuer", own, []jwks.IssuersOption{jwks.TrustIssuers("https://a.example"), common}, "a.example common; a.example common"},
		{"but not where its document leads", away, []jwks.IssuersOption{jwks.TrustIssuers("https://a.example"), common}, "a.example common; keys.example "},
		{"common ones not to a tenant", own, []jwks.IssuersOption{function(), common}, "a.example ; a.example "},
		{"nor do the function's own options bring them there", own, []jwks.IssuersOption{
			function(jwks.WithHeaderHosts("a.example"), jwks.WithJWKSURL(own)), common}, "a.example "},
		{"those of the function to its tenant", away, []jwks.IssuersOption{function(jwks.WithHeader("X-Key", "own")), common}, "a.example own; keys.example "},
		{"and to the hosts that it names", away, []jwks.IssuersOption{
			function(jwks.WithHeader("X-Key", "own"), jwks.WithHeaderHosts("keys.example"))}, "a.example own; keys.example own"},
		{"common ones to a host that is named for them", away, []jwks.IssuersOption{
			function(), common, jwks.WithClientOptions(jwks.WithHeaderHosts("keys.example"))}, "a.example ; keys.example common"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := sentTo(t, tt.jwksURI, tt.opts...); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestIssuers_HeadersAndAnyIssuer(t *testing.T) {
	value := func(context.Context) (string, error) { return "x", nil }
	for name, tt := range map[string]struct {
		opt     jwks.ClientOption
		refused bool
	}{
		"a value":           {jwks.WithHeader("Authorization", "x"), true},
		"a function":        {jwks.WithHeaderFunc("X-Key", value), true},
		"Host":              {jwks.WithHeader("Host", "x"), true},
		"User-Agent":        {jwks.WithHeader("user-agent", "x"), false},
		"Accept":            {jwks.WithHeader("Accept", "*/*"), false},
		"a User-Agent func": {jwks.WithHeaderFunc("User-Agent", value), false},
	} {
		s, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(tt.opt))
		if !tt.refused {
			testkit.WantNoError(t, err)
			testkit.WantNoError(t, s.Close())
			continue
		}
		if !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "TrustAnyIssuer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two options that cannot both hold are an error in one list; of two lists the
// issuer's own one wins.
func TestIssuers_OwnOptionsWinOverRivals(t *testing.T) {
	client, settings := jwks.WithHTTPClient(&http.Client{}), jwks.WithTLSConfig(&tls.Config{})
	for _, tt := range []struct {
		rule        string
		common, own []jwks.ClientOption
		ok          bool
	}{
		{"common TTL, own WithoutCache", []jwks.ClientOption{jwks.WithTTL(1e9)}, []jwks.ClientOption{jwks.WithoutCache()}, true},
		{"common WithoutCache, own TTL", []jwks.ClientOption{jwks.WithoutCache()}, []jwks.ClientOption{jwks.WithTTL(1e9)}, true},
		{"common client, own TLS", []jwks.ClientOption{client}, []jwks.ClientOption{settings}, true},
		{"common TLS, own client", []jwks.ClientOption{settings}, []jwks.ClientOption{client}, true},
		{"both common", []jwks.ClientOption{settings, client}, nil, false},
		{"both own", nil, []jwks.ClientOption{settings, client}, false},
		{"both own, one of them common too", []jwks.ClientOption{settings}, []jwks.ClientOption{settings, client}, false},
	} {
		opts := []jwks.IssuersOption{jwks.TrustIssuer("https://a.example", tt.own...), jwks.WithClientOptions(tt.common...)}
		s, err := jwks.NewIssuers(opts...)
		if tt.ok {
			if err != nil {
				t.Errorf("%s: %v", tt.rule, err)
				continue
			}
			testkit.WantNoError(t, s.Close())
			continue
		}
		if !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("%s: %v", tt.rule, err)
		}
	}
}
