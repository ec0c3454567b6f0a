package ported

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// After the tests of pyjwt-key-fetcher; the table in pyjwt_test.go says
// which of its features each shows.
func TestPorted_KeyFetcher(t *testing.T) {
	// decode is what its users do with the key.
	decode := func(t *testing.T, s *jwks.Issuers, token string) {
		t.Helper()
		key, err := s.KeyForToken(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if got := testkit.Accept(t, testkit.NewSourceVerifier(t, s), token); got.Key() != key || got.Issuer() != key.Issuer() {
			t.Errorf("key %s of %s, want %s of %s", key.ID(), key.Issuer(), got.Key().ID(), got.Issuer())
		}
	}

	t.Run("fetching_key", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		decode(t, n.NewIssuers(t, jwks.TrustAnyIssuer()), provider.Sign(nil)) // without valid_issuers it trusts anyone
		if got := provider.Requests(); got.Discovery != 1 || got.JWKS != 1 {
			t.Errorf("requests %+v", got)
		}
	})
	t.Run("fetching_same_kid_only_once", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		s := n.NewIssuers(t, jwks.TrustIssuers(provider.URL()))
		for range 3 {
			decode(t, s, provider.Sign(nil))
		}
		if got := provider.Requests(); got.Discovery != 1 || got.JWKS != 1 {
			t.Errorf("requests %+v", got)
		}
	})
	// There a new key is found only once the cache of 5 minutes has expired;
	// here at once, within the budget, and the configuration is not fetched
	// again either.
	t.Run("fetching_after_issuing_new_key", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		s := n.NewIssuers(t, jwks.TrustIssuers(provider.URL()))
		first := provider.Sign(nil)
		decode(t, s, first)
		provider.Rotate()
		decode(t, s, provider.Sign(nil))
		decode(t, s, first)
		if got := provider.Requests(); got.Discovery != 1 || got.JWKS != 2 {
			t.Errorf("requests %+v", got)
		}
	})
	t.Run("fetching_from_multiple_issuers", func(t *testing.T) {
		n := testkit.NewInternet()
		one, two := n.AddIssuer(t, "one.example"), n.AddIssuer(t, "two.example")
		s := n.NewIssuers(t, jwks.TrustAnyIssuer())
		decode(t, s, one.Sign(nil))
		decode(t, s, two.Sign(nil))
		for _, provider := range []*jwkstest.Issuer{one, two} {
			if got := provider.Requests(); got.Discovery != 1 || got.JWKS != 1 {
				t.Errorf("%s: requests %+v", provider.URL(), got)
			}
		}
	})
	t.Run("issuer_validation", func(t *testing.T) {
		n := testkit.NewInternet()
		valid, invalid := n.AddIssuer(t, "valid.example.com"), n.AddIssuer(t, "invalid.example.com")
		s := n.NewIssuers(t, jwks.TrustIssuers(valid.URL()))
		_, err := s.KeyForToken(t.Context(), invalid.Sign(nil))
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
		n.WantRequests(t)
		decode(t, s, valid.Sign(nil))
		n.WantRequests(t, valid.URL()+testkit.DiscoveryPath, valid.JWKSURL())
	})
	// There an empty list trusts anyone; here it is a mistake.
	t.Run("no_valid_issuers", func(t *testing.T) {
		if _, err := jwks.NewIssuers(jwks.TrustIssuers()); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	t.Run("cache_maxsize", func(t *testing.T) {
		n := testkit.NewInternet()
		one, two := n.AddIssuer(t, "one.example"), n.AddIssuer(t, "two.example")
		s := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1))
		for range 2 {
			decode(t, s, one.Sign(nil))
			decode(t, s, two.Sign(nil))
		}
		if got := one.Requests().JWKS + two.Requests().JWKS; got != 4 {
			t.Errorf("%d fetches, want one for each turn", got)
		}
	})
	t.Run("cache_ttl", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := testkit.NewInternet()
			provider := n.AddIssuer(t, "example.com")
			s := n.NewIssuers(t, jwks.TrustIssuers(provider.URL()), jwks.WithClientOptions(jwks.WithTTL(time.Hour), jwks.WithRefreshAhead(1)))
			decode(t, s, provider.Sign(nil))
			time.Sleep(59 * time.Minute)
			decode(t, s, provider.Sign(nil))
			if got := provider.Requests().JWKS; got != 1 {
				t.Errorf("%d fetches within the hour", got)
			}
			time.Sleep(2 * time.Minute)
			decode(t, s, provider.Sign(nil))
			if got := provider.Requests().JWKS; got != 2 {
				t.Errorf("%d fetches after the hour", got)
			}
		})
	})
	t.Run("config_path", func(t *testing.T) {
		n := testkit.NewInternet()
		key := testkit.NewSigner(t, "ES256", "k1")
		n.Serve("example.com", map[string]string{"/.well-known/custom": testkit.Metadata("https://example.com", "https://example.com/keys"), "/keys": `{"keys":[` + key.JWK() + `]}`})
		s := n.NewIssuers(t, jwks.TrustIssuer("https://example.com", jwks.WithDiscoveryPath("/.well-known/custom")))
		if _, err := s.KeyForToken(t.Context(), key.Token(testkit.Payload(map[string]any{"iss": "https://example.com"}))); err != nil {
			t.Error(err)
		}
		n.WantRequests(t, "https://example.com/.well-known/custom", "https://example.com/keys")
	})
	t.Run("static_issuer_config", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		s := n.NewIssuers(t, jwks.TrustIssuer(provider.URL(), jwks.WithJWKSURL(provider.JWKSURL())))
		decode(t, s, provider.Sign(nil))
		if got := provider.Requests(); got.Discovery != 0 || got.JWKS != 1 {
			t.Errorf("requests %+v", got)
		}
	})
	t.Run("jwks_url", func(t *testing.T) {
		n := testkit.NewInternet()
		n.Serve("example.com", map[string]string{testkit.DiscoveryPath: `{"issuer":"https://example.com","jwks_url":"https://example.com/keys"}`, "/keys": testkit.OneKey(t)})
		if _, err := n.NewIssuers(t, jwks.TrustIssuers("https://example.com")).SigningKeys(t.Context(), testkit.ES256K1, "https://example.com"); err != nil {
			t.Error(err)
		}
	})
	t.Run("missing_jwks_uri", func(t *testing.T) {
		n := testkit.NewInternet()
		n.Serve("example.com", map[string]string{testkit.DiscoveryPath: `{"issuer":"https://example.com"}`})
		_, err := n.NewIssuers(t, jwks.TrustIssuers("https://example.com")).SigningKeys(t.Context(), testkit.ES256K1, "https://example.com")
		testkit.WantError(t, err, jwks.ErrInvalidMetadata, jwks.ErrUnavailable)
	})
	t.Run("get_configuration", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		c, err := n.NewIssuers(t, jwks.TrustIssuers(provider.URL())).Client(t.Context(), provider.URL())
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Metadata(t.Context()); err != nil || m.JWKSURI != provider.JWKSURL() {
			t.Errorf("%+v %v", m, err)
		}
	})
	t.Run("custom_http_client", func(t *testing.T) {
		var asked []string
		record := &http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Path)
			return nil, io.ErrUnexpectedEOF
		})}
		s, err := jwks.NewIssuers(jwks.TrustIssuers("https://example.com"), jwks.WithClientOptions(jwks.WithHTTPClient(record), jwks.WithRetries(0)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.SigningKeys(context.Background(), testkit.ES256K1, "https://example.com")
		if testkit.WantError(t, err, jwks.ErrUnavailable, io.ErrUnexpectedEOF); len(asked) != 1 {
			t.Errorf("asked for %v", asked)
		}
	})
	t.Run("get_json_wrong_protocol", func(t *testing.T) {
		if _, err := jwks.NewClient(jwks.WithJWKSURL("ftp://example.com")); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	t.Run("get_not_200", func(t *testing.T) {
		n := testkit.NewInternet()
		provider := n.AddIssuer(t, "example.com")
		provider.SetJWKSFault(jwkstest.Status(404))
		_, err := n.NewIssuers(t, jwks.TrustIssuers(provider.URL())).SigningKeys(t.Context(), testkit.ES256K1, provider.URL())
		var failed *jwks.FetchError
		if testkit.WantError(t, err, jwks.ErrUnavailable); !errors.As(err, &failed) || failed.StatusCode != 404 {
			t.Errorf("%+v", failed)
		}
	})
	t.Run("aclose", func(t *testing.T) {
		s := testkit.NewInternet().NewIssuers(t, jwks.TrustAnyIssuer())
		testkit.WantNoError(t, s.Close())
		testkit.WantNoError(t, s.Close())
	})
}
