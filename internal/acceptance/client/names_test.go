package client

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// An issuer is a name (RFC 7519 section 2, StringOrURI), and an address only
// where something is discovered at it.
func TestClient_IssuerIsAName(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, s)
	document := testkit.KeySetDocument(s.JWK())
	for _, issuer := range []string{
		"accounts.google.com", "urn:example:idp", "did:web:id.example", "http://adfs.example/adfs/services/trust",
		"ftp://files.example", "issuer with a space", "https://user@issuer.example", "https://issuer.example/#here", "mailto:a@b.example", "{", "日本",
	} {
		n := testkit.NewInternet()
		n.Serve("keys.example", map[string]string{"/jwks": document, "/discovery": testkit.Metadata(issuer, "https://keys.example/jwks")})
		sources := map[string][]jwks.ClientOption{
			"a JWKS URL":      {jwks.WithJWKSURL("https://keys.example/jwks")},
			"a discovery URL": {jwks.WithDiscoveryURL("https://keys.example/discovery")},
			"a seed and both": {jwks.WithJWKSURL("https://keys.example/jwks"), jwks.WithDiscoveryURL("https://keys.example/discovery"), jwks.WithKeySet(set)},
		}
		if !strings.HasPrefix(issuer, "http") {
			sources["a key set alone"] = []jwks.ClientOption{jwks.WithKeySet(set)}
		}
		for name, opts := range sources {
			c := n.NewClient(t, append(opts, jwks.WithIssuer(issuer))...)
			v, err := jwks.NewVerifier(c, jwks.WithAudience(testkit.Audience), jwks.WithNow(testkit.NowTime))
			if err != nil {
				t.Fatalf("%s, %s: %v", issuer, name, err)
			}
			testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"iss": issuer})))
			testkit.Refuse(t, v, s.Token(testkit.Payload(nil)), jwt.ErrTokenInvalidIssuer)
			if name == "a key set alone" {
				testkit.MustRefresh(t, c)
				n.TakeRequests()
				if st := c.Status(); st.Issuer != issuer || !st.ExpiresAt.IsZero() {
					t.Errorf("%s: not a static client: %+v", issuer, st)
				}
			}
		}
		if _, err := jwks.NewClient(jwks.WithIssuer(issuer)); err == nil {
			t.Errorf("%s is discovered", issuer)
		}
	}
}

// SPIFFE bundles mark their keys "jwt-svid".
func TestClient_KeyUses(t *testing.T) {
	use := func(kid, use string) string {
		return strings.Replace(testkit.NewSigner(t, "ES256", kid).JWK(), `"use":"sig"`, `"use":"`+use+`"`, 1)
	}
	n := testkit.NewInternet()
	n.Serve("spiffe.example", map[string]string{"/bundle": testkit.KeySetDocument(use("svid", "jwt-svid"), use("x509", "x509-svid"), use("sig", "sig"), use("enc", "enc"),
		strings.Replace(use("none", ""), `"use":"",`, "", 1))})
	for _, test := range []struct {
		uses, want []string
	}{
		{nil, []string{"sig", "none"}},
		{[]string{"jwt-svid"}, []string{"svid", "none"}},
		{[]string{"jwt-svid", "sig"}, []string{"svid", "sig", "none"}},
		{[]string{"x509-svid"}, []string{"x509", "none"}},
		{[]string{"JWT-SVID"}, []string{"none"}},
	} {
		opts := []jwks.ClientOption{jwks.WithJWKSURL("https://spiffe.example/bundle")}
		if test.uses != nil {
			opts = append(opts, jwks.WithKeyUses(test.uses...))
		}
		c := n.NewClient(t, opts...)
		if got := testkit.KeyIDsOf(t, c); !slices.Equal(got, test.want) {
			t.Errorf("%q: keys %q, want %q", test.uses, got, test.want)
		}
		if key, err := c.Key(t.Context(), "svid"); err == nil && key.Use() != "jwt-svid" {
			t.Errorf("use %q", key.Use())
		}
	}
}

// Credentials go to the hosts that the configuration names, and to no host that
// a document or a redirect names.
func TestInvariant27_HeadersStayConfigured(t *testing.T) {
	n := testkit.NewInternet()
	seen := map[string]http.Header{}
	serve := func(host string, documents map[string]string, redirect string) {
		n.Route(host, testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			seen[r.URL.Host+r.URL.Path] = r.Header.Clone()
			if r.URL.Path == "/redirect" {
				resp := testkit.RespondTo(r, http.StatusFound, "")
				resp.Header.Set("Location", redirect)
				return resp, nil
			}
			if body, ok := documents[r.URL.Path]; ok {
				return testkit.RespondTo(r, 200, body), nil
			}
			return testkit.RespondTo(r, 404, ""), nil
		}))
	}
	one := testkit.OneKey(t)
	serve("host.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://host.example", "https://keys.example/jwks"), "/jwks": one}, "https://keys.example/jwks")
	serve("keys.example", map[string]string{"/jwks": one}, "")
	serve("own.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://own.example", "https://own.example/jwks"), "/jwks": one}, "")
	credentials := []jwks.ClientOption{jwks.WithHeader("Authorization", "Bearer secret"), jwks.WithHeader("X-Api-Key", "secret"), jwks.WithHeader("User-Agent", "mine"), jwks.WithHeader("Accept", "application/json")}
	for name, test := range map[string]struct {
		opts           []jwks.ClientOption
		given, refused []string
	}{
		"a key set on another host": {[]jwks.ClientOption{jwks.WithIssuer("https://host.example")}, []string{"host.example" + testkit.DiscoveryPath}, []string{"keys.example/jwks"}},
		"on the issuer's":           {[]jwks.ClientOption{jwks.WithIssuer("https://own.example")}, []string{"own.example" + testkit.DiscoveryPath, "own.example/jwks"}, nil},
		"a configured key set URL":  {[]jwks.ClientOption{jwks.WithJWKSURL("https://keys.example/jwks")}, []string{"keys.example/jwks"}, nil},
		"a redirect":                {[]jwks.ClientOption{jwks.WithJWKSURL("https://host.example/redirect")}, []string{"host.example/redirect"}, []string{"keys.example/jwks"}},
		"to a configured host":      {[]jwks.ClientOption{jwks.WithJWKSURL("https://host.example/redirect"), jwks.WithIssuer("https://keys.example")}, []string{"host.example/redirect", "keys.example/jwks"}, nil},
	} {
		clear(seen)
		testkit.MustReady(t, n.NewClient(t, append(test.opts, credentials...)...))
		for _, place := range append(test.given, test.refused...) {
			h := seen[place]
			given := slices.Contains(test.given, place)
			if h == nil || (h.Get("Authorization") != "") != given || (h.Get("X-Api-Key") != "") != given {
				t.Errorf("%s: %s got %v", name, place, h)
			}
			if h.Get("User-Agent") != "mine" || h.Get("Accept") != "application/json" {
				t.Errorf("%s: %s: User-Agent and Accept do not go everywhere: %v", name, place, h)
			}
		}
	}
}

func TestClient_HeadersUnderTrustAnyIssuer(t *testing.T) {
	for name, ok := range map[string]bool{"Authorization": false, "X-Api-Key": false, "Cookie": false, "user-agent": true, "ACCEPT": true} {
		s, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithHeader(name, "x")))
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}
