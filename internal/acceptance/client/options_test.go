package client

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestClient_OptionsRefused(t *testing.T) {
	const iss = "https://issuer.example"
	good := jwks.WithIssuer(iss)
	value := func(context.Context) (string, error) { return "", nil }
	type options []jwks.ClientOption
	tests := []struct {
		rule  string
		opts  options
		names []string // in the errors, one each
	}{
		{"no source", nil, []string{"NewClient"}},
		{"no source among other options", options{jwks.WithTTL(time.Hour)}, []string{"NewClient"}},
		{"a nil option", options{good, nil}, []string{"NewClient"}},

		{"an empty issuer", options{jwks.WithIssuer("")}, []string{"WithIssuer"}},
		{"an empty key set URL", options{jwks.WithJWKSURL("")}, []string{"WithJWKSURL"}},
		{"an empty discovery URL", options{jwks.WithDiscoveryURL("")}, []string{"WithDiscoveryURL"}},
		{"an empty discovery path", options{good, jwks.WithDiscoveryPath("")}, []string{"WithDiscoveryPath"}},
		{"an issuer without a scheme", options{jwks.WithIssuer("issuer.example")}, []string{"WithIssuer"}},
		{"an issuer without a host", options{jwks.WithIssuer("https:///path")}, []string{"WithIssuer"}},
		{"an http issuer", options{jwks.WithIssuer("http://issuer.example")}, []string{"WithIssuer"}},
		{"another scheme", options{jwks.WithIssuer("ftp://issuer.example")}, []string{"WithIssuer"}},
		{"another scheme with AllowInsecureHTTP", options{jwks.WithIssuer("file:///etc/passwd"), jwks.AllowInsecureHTTP()}, []string{"WithIssuer"}},
		{"user info", options{jwks.WithIssuer("https://user:secret@issuer.example")}, []string{"WithIssuer"}},
		{"a fragment", options{jwks.WithIssuer(iss + "#here")}, []string{"WithIssuer"}},
		{"a key set URL without a scheme", options{jwks.WithJWKSURL("issuer.example/jwks")}, []string{"WithJWKSURL"}},
		{"an http key set URL", options{jwks.WithJWKSURL("http://issuer.example/jwks")}, []string{"WithJWKSURL"}},
		{"user info in a key set URL", options{jwks.WithJWKSURL("https://u@issuer.example/jwks")}, []string{"WithJWKSURL"}},
		{"a fragment in a discovery URL", options{jwks.WithDiscoveryURL(iss + "/x#y")}, []string{"WithDiscoveryURL"}},
		{"an http discovery URL", options{jwks.WithDiscoveryURL("http://issuer.example/x")}, []string{"WithDiscoveryURL"}},
		{"not a URL", options{jwks.WithJWKSURL("https://%zz")}, []string{"WithJWKSURL"}},

		{"a nil seed", options{jwks.WithKeySet(nil)}, []string{"WithKeySet"}},
		{"an empty seed", options{jwks.WithKeySet(&jwks.KeySet{})}, []string{"WithKeySet"}},
		{"a nil HTTP client", options{good, jwks.WithHTTPClient(nil)}, []string{"WithHTTPClient"}},
		{"an HTTP client with a nil transport", options{good, jwks.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)})}, []string{"WithHTTPClient"}},
		{"a logger without a handler", options{good, jwks.WithLogger(new(slog.Logger))}, []string{"WithLogger"}},
		{"no use", options{good, jwks.WithKeyUses()}, []string{"WithKeyUses"}},
		{"an empty use", options{good, jwks.WithKeyUses("sig", "")}, []string{"WithKeyUses"}},
		{"the use of encryption keys", options{good, jwks.WithKeyUses("enc")}, []string{"WithKeyUses"}},
		{"a nil logger", options{good, jwks.WithLogger(nil)}, []string{"WithLogger"}},
		{"a nil observer", options{good, jwks.WithObserver(nil)}, []string{"WithObserver"}},

		{"a header without a name", options{good, jwks.WithHeader("", "x")}, []string{"WithHeader"}},
		{"an invalid header name", options{good, jwks.WithHeader("X Y", "x")}, []string{"WithHeader"}},
		{"a header value with a line break", options{good, jwks.WithHeader("X", "a\r\nEvil: b")}, []string{"WithHeader"}},

		{"a header function without a name", options{good, jwks.WithHeaderFunc("", value)}, []string{"WithHeaderFunc"}},
		{"a nil header function", options{good, jwks.WithHeaderFunc("X", nil)}, []string{"WithHeaderFunc"}},
		{"no header host", options{good, jwks.WithHeaderHosts()}, []string{"WithHeaderHosts"}},
		{"an empty header host", options{good, jwks.WithHeaderHosts("a.example", "")}, []string{"WithHeaderHosts"}},
		{"a URL as header host", options{good, jwks.WithHeaderHosts("https://a.example")}, []string{"WithHeaderHosts"}},
		{"a header host with a bad port", options{good, jwks.WithHeaderHosts("a.example:0")}, []string{"WithHeaderHosts"}},
		{"a nil TLS config", options{good, jwks.WithTLSConfig(nil)}, []string{"WithTLSConfig"}},
		{"a TLS config that verifies nothing", options{good, jwks.WithTLSConfig(&tls.Config{InsecureSkipVerify: true})}, []string{"WithTLSConfig"}},
		{"a TLS config and an HTTP client", options{good, jwks.WithTLSConfig(&tls.Config{}), jwks.WithHTTPClient(&http.Client{})}, []string{"WithTLSConfig"}},
		{"an HTTP client and a TLS config", options{good, jwks.WithHTTPClient(&http.Client{}), jwks.WithTLSConfig(&tls.Config{})}, []string{"WithTLSConfig"}},

		{"a timeout of 0", options{good, jwks.WithTimeout(0)}, []string{"WithTimeout"}},
		{"a negative timeout", options{good, jwks.WithTimeout(-1)}, []string{"WithTimeout"}},
		{"negative retries", options{good, jwks.WithRetries(-1)}, []string{"WithRetries"}},
		{"a document size of 0", options{good, jwks.WithMaxDocumentSize(0)}, []string{"WithMaxDocumentSize"}},
		{"a negative document size", options{good, jwks.WithMaxDocumentSize(-1)}, []string{"WithMaxDocumentSize"}},
		{"a TTL of 0", options{good, jwks.WithTTL(0)}, []string{"WithTTL"}},
		{"a negative TTL", options{good, jwks.WithTTL(-time.Second)}, []string{"WithTTL"}},
		{"a refresh-ahead of 0", options{good, jwks.WithRefreshAhead(0)}, []string{"WithRefreshAhead"}},
		{"a negative refresh-ahead", options{good, jwks.WithRefreshAhead(-0.1)}, []string{"WithRefreshAhead"}},
		{"a refresh-ahead above 1", options{good, jwks.WithRefreshAhead(1.01)}, []string{"WithRefreshAhead"}},
		{"a refresh-ahead of NaN", options{good, jwks.WithRefreshAhead(math.NaN())}, []string{"WithRefreshAhead"}},
		{"an infinite refresh-ahead", options{good, jwks.WithRefreshAhead(math.Inf(1))}, []string{"WithRefreshAhead"}},
		{"a negative max-stale", options{good, jwks.WithMaxStale(-1)}, []string{"WithMaxStale"}},
		{"a negative retention", options{good, jwks.WithRetention(-1)}, []string{"WithRetention"}},
		{"a refresh limit every 0", options{good, jwks.WithRefreshLimit(0, 5)}, []string{"WithRefreshLimit"}},
		{"a negative refresh limit", options{good, jwks.WithRefreshLimit(-1, 5)}, []string{"WithRefreshLimit"}},
		{"a negative burst", options{good, jwks.WithRefreshLimit(time.Second, -1)}, []string{"WithRefreshLimit"}},
		{"a negative key cache", options{good, jwks.WithKeyCacheSize(-1)}, []string{"WithKeyCacheSize"}},

		{"WithTTL and WithoutCache", options{good, jwks.WithTTL(time.Hour), jwks.WithoutCache()}, []string{"WithoutCache"}},
		{"WithoutCache and WithTTL", options{good, jwks.WithoutCache(), jwks.WithTTL(time.Hour)}, []string{"WithoutCache"}},

		{"a template without tenants", options{jwks.WithIssuer("https://login.example/{tenantid}/v2.0")}, []string{"WithIssuer"}},
		{"tenants without a template", options{good, jwks.WithTenants()}, []string{"WithTenants"}},
		{"an empty tenant", options{jwks.WithIssuer("https://login.example/{tenantid}/v2.0"), jwks.WithTenants("")}, []string{"WithTenants"}},
		{"a tenant that is not a GUID", options{jwks.WithIssuer("https://login.example/{tenantid}/v2.0"), jwks.WithTenants("common")}, []string{"WithTenants"}},

		{"several at once, each with its own line", options{
			jwks.WithIssuer("http://a.example"), jwks.WithJWKSURL(""), jwks.WithTTL(0), jwks.WithRetries(-1), jwks.WithHTTPClient(nil), nil,
		}, []string{"WithIssuer", "WithJWKSURL", "WithTTL", "WithRetries", "WithHTTPClient", "NewClient"}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c, err := jwks.NewClient(tt.opts...)
			if err == nil || c != nil {
				t.Fatalf("client %v, error %v", c, err)
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("%v is not joined", err)
			}
			problems := joined.Unwrap()
			for _, p := range problems {
				if !errors.Is(p, jwks.ErrConfig) {
					t.Errorf("%v: does not match ErrConfig", p)
				}
				if errors.Is(p, jwks.ErrTokenInvalid) || errors.Is(p, jwks.ErrUnavailable) {
					t.Errorf("%v: has a class", p)
				}
				if strings.Contains(p.Error(), "\n") || strings.Contains(p.Error(), "secret") {
					t.Errorf("%q: is not one line without secrets", p)
				}
			}
			for _, name := range tt.names {
				n := 0
				for _, p := range problems {
					if strings.Contains(p.Error(), name) {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s is in %d of the errors %v", name, n, problems)
				}
			}
			if len(problems) != len(tt.names) {
				t.Errorf("%d errors, want %d: %v", len(problems), len(tt.names), problems)
			}
		})
	}
}

func TestClient_OptionsAccepted(t *testing.T) {
	const iss = "https://issuer.example"
	seed := testkit.ParseKeys(t, testkit.NewSigner(t, "ES256", "k1").JWK())
	type options []jwks.ClientOption
	for rule, opts := range map[string]options{
		"an issuer":                       {jwks.WithIssuer(iss)},
		"with a path and a slash":         {jwks.WithIssuer(iss + "/tenant/")},
		"with a port":                     {jwks.WithIssuer("https://issuer.example:8443")},
		"http on loopback":                {jwks.WithIssuer("http://127.0.0.1:8080")},
		"http on IPv6 loopback":           {jwks.WithIssuer("http://[::1]:8080")},
		"http on localhost":               {jwks.WithJWKSURL("http://localhost/jwks")},
		"http anywhere, allowed before":   {jwks.AllowInsecureHTTP(), jwks.WithIssuer("http://keycloak:8080/realms/a")},
		"http anywhere, allowed after":    {jwks.WithIssuer("http://keycloak:8080/realms/a"), jwks.AllowInsecureHTTP()},
		"a key set URL":                   {jwks.WithJWKSURL(iss + "/jwks?kind=sig")},
		"a discovery URL":                 {jwks.WithDiscoveryURL(iss + "/x")},
		"all of them":                     {jwks.WithIssuer(iss), jwks.WithJWKSURL(iss + "/jwks"), jwks.WithDiscoveryURL(iss + "/x"), jwks.WithKeySet(seed)},
		"a seed alone":                    {jwks.WithKeySet(seed)},
		"a TTL below a minute":            {jwks.WithIssuer(iss), jwks.WithTTL(time.Millisecond)},
		"the longest times":               {jwks.WithIssuer(iss), jwks.WithTTL(math.MaxInt64), jwks.WithMaxStale(math.MaxInt64), jwks.WithRetention(math.MaxInt64), jwks.WithTimeout(math.MaxInt64)},
		"zeros that turn things off":      {jwks.WithIssuer(iss), jwks.WithMaxStale(0), jwks.WithRetention(0), jwks.WithRetries(0), jwks.WithKeyCacheSize(0), jwks.WithRefreshLimit(time.Second, 0)},
		"refresh-ahead off":               {jwks.WithIssuer(iss), jwks.WithRefreshAhead(1)},
		"refresh-ahead at once":           {jwks.WithIssuer(iss), jwks.WithRefreshAhead(math.SmallestNonzeroFloat64)},
		"any tenant":                      {jwks.WithIssuer("https://login.example/{tenantid}/v2.0"), jwks.WithTenants()},
		"some tenants":                    {jwks.WithIssuer("https://login.example/{tenantid}/v2.0"), jwks.WithTenants("9188040D-6c67-4c5b-b112-36a304b66dad")},
		"without a cache":                 {jwks.WithIssuer(iss), jwks.WithoutCache()},
		"an option twice: the later wins": {jwks.WithIssuer("https://other.example"), jwks.WithIssuer(iss)},
		"an HTTP client of the user's":    {jwks.WithIssuer(iss), jwks.WithHTTPClient(&http.Client{})},
	} {
		t.Run(rule, func(t *testing.T) {
			c, err := jwks.NewClient(opts...)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(rule, "the later wins") && c.Status().Issuer != iss {
				t.Errorf("issuer %s", c.Status().Issuer)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
