// Package ported follows the tests of three Python libraries, to show that whatever they
// do is done here.
package ported

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// What three Python libraries can do, and what shows it here. The tests whose
// names begin with TestPorted_PyJWKClient, TestPorted_PyJWKSet, TestPorted_KeyFetcher and
// TestPorted_AuthJWKS follow the tests of those libraries: each subtest has the name
// of theirs, and says so where the answer is another one on purpose.
//
//	PyJWT: PyJWKClient
//	uri, headers, timeout, ssl_context           TestPorted_PyJWKClient: fetch_data_forwards_headers_to_correct_url, get_jwt_set_timeout,
//	                                             get_jwt_set_sslcontext_default, get_jwt_set_sslcontext_no_ca
//	cache_jwk_set, lifespan                      TestPorted_PyJWKClient: get_jwk_set_caches_result, get_jwt_set_cache_expired_result,
//	                                             get_jwt_set_cache_disabled, get_jwt_set_invalid_lifespan
//	cache_keys, max_cached_keys                  TestPorted_PyJWKClient: get_signing_key_caches_result, max_cached_keys
//	cooldown_duration                            TestPorted_PyJWKClient: cooldown_duration
//	get_signing_key, _from_jwt                   TestPorted_PyJWKClient: get_signing_key, get_signing_key_from_jwt
//	get_signing_keys(refresh)                    TestPorted_PyJWKClient: get_signing_keys, get_signing_keys_refresh
//	get_jwk_set(refresh), fetch_data             TestPorted_PyJWKClient: get_jwk_set, get_jwt_set_refresh
//	match_kid                                    TestPorted_PyJWKClient: match_kid
//	PyJWKClientError, PyJWKClientConnectionError TestPorted_PyJWKClient: failed_request_should_raise_connection_error,
//	                                             get_jwt_set_no_matching_kid_after_second_attempt
//	jwk_set['kid'], iteration                    TestPorted_PyJWKSet: keyset_should_index_by_kid, keyset_iterator
//
//	pyjwt-key-fetcher
//	get_key(token): iss and kid from the token   TestPorted_KeyFetcher: fetching_key, fetching_from_multiple_issuers; TestIssuers_RealToken
//	valid_issuers                                TestPorted_KeyFetcher: issuer_validation, no_valid_issuers
//	cache_maxsize                                TestPorted_KeyFetcher: cache_maxsize
//	cache_ttl, refetch limit                     TestPorted_KeyFetcher: fetching_same_kid_only_once, fetching_after_issuing_new_key, cache_ttl
//	config_path                                  TestPorted_KeyFetcher: config_path
//	static_issuer_config, jwks_uri or jwks_url   TestPorted_KeyFetcher: static_issuer_config, jwks_url
//	get_configuration(iss)                       TestPorted_KeyFetcher: get_configuration
//	custom HTTPClient                            TestPorted_KeyFetcher: custom_http_client, get_not_200, get_json_wrong_protocol
//
//	auth-jwks
//	discovery_url                                TestPorted_AuthJWKS: discovery_url
//	jwks_uri (wins)                              TestPorted_AuthJWKS: jwks_uri_wins
//	issuer cross-check, issuer="" refused        TestPorted_AuthJWKS: issuer_mismatch, empty_issuer
//	aud, allowed_algorithms, leeway              TestPorted_AuthJWKS: aud, allowed_algorithms, leeway
//	cache_ttl, timeout, retries                  TestPorted_AuthJWKS: cache_ttl, timeout, retries
//	fix_local_url                                TestPorted_AuthJWKS: fix_local_url
//	verify_token, Bearer stripping, close        TestPorted_AuthJWKS: verify_token, bearer, close
//	CloudFlareTokenValidation, CfaAuthMiddleware package cfaccess, whose tests are beside it

// The token of PyJWT's documentation and tests.
const (
	auth0Issuer = "https://dev-87evx9ru.auth0.com/"
	auth0Keys   = auth0Issuer + ".well-known/jwks.json"
	auth0Kid    = "NEE1QURBOTM4MzI5RkFDNTYxOTU1MDg2ODgwQ0UzMTk1QjYyRkRFQw"
)

// auth0 serves the real key set, changed by change unless that is nil, and
// reads the token.
func auth0(t *testing.T, change func(key map[string]any)) (n *testkit.Internet, token string) {
	t.Helper()
	dir := testkit.SharedDir(t, "seed")
	set, err := os.ReadFile(filepath.Join(dir, "auth0-jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "auth0-token.jwt"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		var document map[string][]map[string]any
		if err := json.Unmarshal(set, &document); err != nil {
			t.Fatal(err)
		}
		change(document["keys"][0])
		if set, err = json.Marshal(document); err != nil {
			t.Fatal(err)
		}
	}
	n = testkit.NewInternet()
	n.Serve("dev-87evx9ru.auth0.com", map[string]string{"/.well-known/jwks.json": string(set)})
	return n, strings.TrimSpace(string(text))
}

func TestPorted_PyJWKClient(t *testing.T) {
	url := jwks.WithJWKSURL(auth0Keys)

	t.Run("fetch_data_forwards_headers_to_correct_url", func(t *testing.T) {
		n, _ := auth0(t, nil)
		var sent *http.Request
		record := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) { sent = r; return n.RoundTrip(r) })
		c, err := jwks.NewClient(url, jwks.WithHeader("User-agent", "my-custom-agent"), jwks.WithHTTPClient(&http.Client{Transport: record}))
		if err != nil {
			t.Fatal(err)
		}
		if set, err := c.KeySet(t.Context()); err != nil || set.Len() != 1 {
			t.Fatal(err)
		}
		if sent.URL.String() != auth0Keys || sent.Header.Get("User-Agent") != "my-custom-agent" {
			t.Errorf("%s with %v", sent.URL, sent.Header)
		}
	})
	t.Run("get_jwk_set", func(t *testing.T) {
		n, _ := auth0(t, nil)
		if set, err := n.NewClient(t, url).KeySet(t.Context()); err != nil || set.Len() != 1 {
			t.Error(err)
		}
	})
	t.Run("get_signing_keys", func(t *testing.T) {
		n, _ := auth0(t, nil)
		set, err := n.NewClient(t, url).KeySet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for key := range set.All() {
			if key.ID() != auth0Kid {
				t.Errorf("key %q", key.ID())
			}
		}
	})
	t.Run("get_signing_keys_if_no_use_provided", func(t *testing.T) {
		n, _ := auth0(t, func(key map[string]any) { delete(key, "use") })
		if set, err := n.NewClient(t, url).KeySet(t.Context()); err != nil || set.Len() != 1 {
			t.Error(err)
		}
	})
	t.Run("get_signing_keys_raises_if_none_found", func(t *testing.T) {
		n, _ := auth0(t, func(key map[string]any) { key["use"] = "enc" })
		_, err := n.NewClient(t, url).KeySet(t.Context())
		testkit.WantError(t, err, jwks.ErrInvalidKeySet, jwks.ErrUnavailable)
		if !strings.Contains(err.Error(), "no usable signing key") {
			t.Error(err)
		}
	})
	t.Run("get_signing_keys_refresh", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		testkit.MustReady(t, c)
		if set, err := c.Refresh(t.Context()); err != nil || set.Len() != 1 || len(n.TakeRequests()) != 2 {
			t.Error(err)
		}
	})
	t.Run("get_signing_key", func(t *testing.T) {
		n, _ := auth0(t, nil)
		key, err := n.NewClient(t, url).Key(t.Context(), auth0Kid)
		if err != nil || key.Type() != "RSA" || key.ID() != auth0Kid || key.Use() != "sig" {
			t.Errorf("%+v %v", key, err)
		}
	})
	t.Run("get_signing_key_caches_result", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		for range 2 {
			if _, err := c.Key(t.Context(), auth0Kid); err != nil {
				t.Error(err)
			}
		}
		n.WantRequests(t, auth0Keys)
	})
	t.Run("get_signing_key_does_not_cache_opt_out", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url, jwks.WithoutCache())
		for range 2 {
			if _, err := c.Key(t.Context(), auth0Kid); err != nil {
				t.Error(err)
			}
		}
		n.WantRequests(t, auth0Keys, auth0Keys)
	})
	// Its LRU outlives the set and goes on trusting a removed key; ours holds
	// what is missing, and ends with the set.
	t.Run("max_cached_keys", func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "host.example")
		c := n.NewClient(t, jwks.WithJWKSURL(issuer.JWKSURL()), jwks.WithKeyCacheSize(1))
		if _, err := c.Key(t.Context(), "k1"); err != nil {
			t.Fatal(err)
		}
		issuer.Rotate()
		issuer.RemoveKey("k1")
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
	})
	t.Run("get_signing_key_from_jwt", func(t *testing.T) {
		n, token := auth0(t, nil)
		c := n.NewClient(t, url)
		key, err := c.KeyForToken(t.Context(), token)
		if err != nil || key.ID() != auth0Kid {
			t.Fatalf("%v %v", key, err)
		}
		v, err := jwks.NewVerifier(c, jwks.WithAudience("https://expenses-api"), jwks.WithoutIssuerCheck(), jwks.WithAlgorithms("RS256"), jwks.WithoutTimeChecks())
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := testkit.Accept(t, v, token).Claims(&claims); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"iss": auth0Issuer, "sub": "aW4Cca79xReLWUz0aE2H6kD0O3cXBVtC@clients", "aud": "https://expenses-api",
			"iat": 1572006954., "exp": 1572006964., "azp": "aW4Cca79xReLWUz0aE2H6kD0O3cXBVtC", "gty": "client-credentials"}
		if !maps.Equal(claims, want) {
			t.Errorf("claims %v, want %v", claims, want)
		}
	})
	t.Run("get_jwk_set_caches_result", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		testkit.MustReady(t, c)
		testkit.MustReady(t, c)
		n.WantRequests(t, auth0Keys)
	})
	t.Run("get_jwt_set_cache_expired_result", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, _ := auth0(t, nil)
			c := n.NewClient(t, url, jwks.WithTTL(time.Second))
			testkit.MustReady(t, c)
			time.Sleep(2 * time.Second)
			testkit.MustReady(t, c)
			n.WantRequests(t, auth0Keys, auth0Keys)
		})
	})
	t.Run("get_jwt_set_cache_disabled", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url, jwks.WithoutCache())
		testkit.MustReady(t, c)
		testkit.MustReady(t, c)
		n.WantRequests(t, auth0Keys, auth0Keys)
	})
	t.Run("get_jwt_set_invalid_lifespan", func(t *testing.T) {
		if _, err := jwks.NewClient(url, jwks.WithTTL(-1)); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	// There a failure empties the cache. Here the good set stays.
	t.Run("get_jwt_set_failed_request_should_clear_cache", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		testkit.MustReady(t, c)
		n.Serve("dev-87evx9ru.auth0.com", nil)
		_, err := c.Refresh(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if set, err := c.KeySet(t.Context()); err != nil || set.Len() != 1 {
			t.Errorf("the good set is gone: %v", err)
		}
	})
	t.Run("failed_request_should_raise_connection_error", func(t *testing.T) {
		_, token := auth0(t, nil)
		nowhere := testkit.NewInternet()
		_, err := nowhere.NewClient(t, url).KeyForToken(t.Context(), token)
		var failed *jwks.FetchError
		if testkit.WantError(t, err, jwks.ErrUnavailable); !errors.As(err, &failed) || failed.URL != auth0Keys || failed.StatusCode != 0 {
			t.Errorf("%+v", failed)
		}
	})
	t.Run("get_jwt_set_refresh", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		for range 2 {
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
		n.WantRequests(t, auth0Keys, auth0Keys)
	})
	// A lookup whose own fetch brought the set does not fetch again; one that
	// meets an older set does.
	t.Run("get_jwt_set_refresh_cache", func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "host.example")
		c := n.NewClient(t, jwks.WithJWKSURL(issuer.JWKSURL()))
		testkit.MustReady(t, c)
		kid := issuer.Rotate()
		if key, err := c.Key(t.Context(), kid); err != nil || key.ID() != kid || issuer.Requests().JWKS != 2 {
			t.Errorf("%v after %+v", err, issuer.Requests())
		}
	})
	t.Run("get_jwt_set_no_matching_kid_after_second_attempt", func(t *testing.T) {
		n, _ := auth0(t, nil)
		c := n.NewClient(t, url)
		testkit.MustReady(t, c)
		_, err := c.Key(t.Context(), "other")
		testkit.WantError(t, err, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		n.WantRequests(t, auth0Keys, auth0Keys)
	})
	t.Run("cooldown_duration", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, _ := auth0(t, nil)
			c := n.NewClient(t, url, jwks.WithRefreshLimit(30*time.Second, 1))
			testkit.MustReady(t, c)
			for i := range 10 {
				_, err := c.Key(t.Context(), fmt.Sprint("forged", i))
				testkit.WantError(t, err, jwks.ErrKeyNotFound)
			}
			n.WantRequests(t, auth0Keys, auth0Keys)
			time.Sleep(30 * time.Second)
			_, err := c.Key(t.Context(), "forged again")
			testkit.WantError(t, err, jwks.ErrKeyNotFound)
			n.WantRequests(t, auth0Keys)
		})
	})
	t.Run("match_kid", func(t *testing.T) {
		set := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "a"), testkit.NewSigner(t, "ES256", "b"))
		if key, ok := set.Key("b"); !ok || key.ID() != "b" {
			t.Error("b is not found")
		}
		if _, ok := set.Key("c"); ok {
			t.Error("c is found")
		}
	})
	t.Run("get_jwt_set_timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := testkit.NewInternet()
			issuer := n.AddIssuer(t, "host.example")
			issuer.SetFault(jwkstest.Hang())
			c := n.NewClient(t, jwks.WithJWKSURL(issuer.JWKSURL()), jwks.WithTimeout(3*time.Second))
			began := time.Now()
			_, err := c.KeySet(t.Context())
			if testkit.WantError(t, err, jwks.ErrUnavailable); errors.Is(err, context.DeadlineExceeded) { // it is not the caller's deadline
				t.Error(err)
			}
			if took := time.Since(began); took != 3*time.Second || !strings.Contains(err.Error(), "3s") {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
	t.Run("get_jwt_set_sslcontext_default", func(t *testing.T) {
		n, _ := auth0(t, nil)
		used := false
		client := &http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) { used = true; return n.RoundTrip(r) })}
		c, err := jwks.NewClient(url, jwks.WithHTTPClient(client))
		if err != nil {
			t.Fatal(err)
		}
		if testkit.MustReady(t, c); !used {
			t.Error("another client was used")
		}
	})
	t.Run("get_jwt_set_sslcontext_no_ca", func(t *testing.T) {
		client := &http.Client{Transport: testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, x509.UnknownAuthorityError{} })}
		c, err := jwks.NewClient(url, jwks.WithHTTPClient(client), jwks.WithRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.KeySet(t.Context())
		var unknown x509.UnknownAuthorityError
		if testkit.WantError(t, err, jwks.ErrUnavailable); !errors.As(err, &unknown) {
			t.Error(err)
		}
	})
}
