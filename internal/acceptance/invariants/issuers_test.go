package invariants

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestInvariant10_KeysServeTheirIssuerOnly(t *testing.T) {
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		// Both have a k1, and b signs what it likes: also that it is a.
		claims := func(iss string) map[string]any { return map[string]any{"iss": iss, "aud": "api"} }
		honest := map[*jwkstest.Issuer]string{a: a.Sign(claims(a.URL())), b: b.Sign(claims(b.URL()))}
		forged := []string{b.Sign(claims(a.URL())), a.Sign(claims(b.URL()))}
		for name, trust := range map[string]jwks.IssuersOption{
			"listed": jwks.TrustIssuers(a.URL(), b.URL()),
			"dynamic": jwks.TrustIssuerFunc(func(_ context.Context, iss string) ([]jwks.ClientOption, error) {
				return nil, nil
			}),
			"anyone": jwks.TrustAnyIssuer(),
		} {
			s := n.NewIssuers(t, trust)
			v := mode.verifier(t, s, jwks.WithAudience("api"))
			var wait sync.WaitGroup // the first fetches of both run side by side
			for range 10 {
				for _, token := range forged {
					wait.Go(func() {
						if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
							t.Errorf("%s: a forged token: %v", name, err)
						}
					})
				}
				for issuer, token := range honest {
					wait.Go(func() {
						got, err := v.Verify(t.Context(), token)
						if err != nil || got.Issuer() != issuer.URL() || got.Key().Issuer() != issuer.URL() {
							t.Errorf("%s: %v", name, err)
						}
					})
				}
			}
			wait.Wait()
			for _, token := range forged {
				testkit.Refuse(t, v, token, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
				if _, err := jwt.Parse(token, s.Keyfunc); err == nil {
					t.Errorf("%s: a forged token verifies through golang-jwt", name)
				}
			}
			for issuer, token := range honest {
				if got := testkit.Accept(t, v, token); got.Key().Issuer() != issuer.URL() {
					t.Errorf("%s: the key is bound to %q", name, got.Key().Issuer())
				}
			}
		}

		// One client: its keys serve no other issuer, whatever else is configured.
		for name, opts := range map[string][]jwks.ClientOption{
			"discovery":         {jwks.WithIssuer(a.URL())},
			"a discovery URL":   {jwks.WithDiscoveryURL(a.URL() + testkit.DiscoveryPath)},
			"a key set's URL":   {jwks.WithIssuer(a.URL()), jwks.WithJWKSURL(a.JWKSURL())},
			"a seed":            {jwks.WithIssuer(a.URL()), jwks.WithKeySet(fetched(t, n, a))},
			"another's key set": {jwks.WithIssuer(b.URL()), jwks.WithJWKSURL(a.JWKSURL())},
		} {
			c := n.NewClient(t, opts...)
			expected := a.URL()
			if name == "another's key set" {
				expected = b.URL()
			}
			for what, more := range map[string][]jwks.VerifierOption{
				"as it is":                 nil,
				"its issuer expected":      {jwks.WithExpectedIssuer(expected)},
				"without the issuer check": {jwks.WithoutIssuerCheck()},
			} {
				v := mode.verifier(t, c, append(more, jwks.WithAudience("api"))...)
				own, other := a.Sign(claims(a.URL())), a.Sign(claims(b.URL()))
				if name == "another's key set" {
					own, other = other, own
				}
				testkit.Accept(t, v, own)
				for _, token := range []string{other, a.Sign(claims(a.URL() + "/")), a.Sign(claims("")), a.Sign(map[string]any{"iss": nil, "aud": "api"})} {
					testkit.Refuse(t, v, token, jwt.ErrTokenInvalidIssuer)
					if _, err := c.KeyForToken(t.Context(), token); !errors.Is(err, jwt.ErrTokenInvalidIssuer) {
						t.Errorf("%s, %s: KeyForToken: %v", name, what, err)
					}
					if _, err := jwt.Parse(token, c.Keyfunc); !errors.Is(err, jwt.ErrTokenInvalidIssuer) {
						t.Errorf("%s, %s: Keyfunc: %v", name, what, err)
					}
				}
			}
		}
	})
}

// fetched is an issuer's key set as it is now.
func fetched(t *testing.T, n *testkit.Internet, issuer *jwkstest.Issuer) *jwks.KeySet {
	t.Helper()
	set, err := n.NewClient(t, jwks.WithJWKSURL(issuer.JWKSURL())).KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestInvariant11_TokensFormNoURLs(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "issuer.example", jwkstest.WithPath("/tenants/one"))
		n.AddIssuer(t, "evil.example")
		evil := []string{
			"https://evil.example", "https://evil.example/tenants/one", testkit.Issuer, testkit.Issuer + "/tenants/one/", testkit.Issuer + "/tenants/two", testkit.Issuer + "/tenants/one/../two",
			testkit.Issuer + "/tenants/one?x=https://evil.example", testkit.Issuer + "/tenants/one#x", "http://issuer.example/tenants/one", "HTTPS://issuer.example/tenants/one",
			"https://user@issuer.example/tenants/one", "//evil.example", "file:///etc/passwd", "", "null", "../../evil", strings.Repeat("https://evil.example/", 400),
		}
		listed := n.NewIssuers(t, jwks.TrustIssuers(issuer.URL()))
		v := mode.verifier(t, listed, jwks.WithoutAudienceCheck())
		for _, iss := range evil {
			token := issuer.Sign(map[string]any{"iss": iss})
			testkit.Refuse(t, v, token, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
			if _, err := listed.KeyForToken(t.Context(), token); !errors.Is(err, jwks.ErrIssuerNotTrusted) {
				t.Errorf("%q: %v", iss, err)
			}
		}
		testkit.Refuse(t, v, issuer.Sign(map[string]any{"iss": nil}), jwks.ErrIssuerNotTrusted)
		n.WantRequests(t) // none: an issuer that is not trusted costs no I/O

		// One that is trusted costs what is configured, whatever else is said.
		single := mode.verifier(t, n.NewClient(t, jwks.WithIssuer(issuer.URL())), jwks.WithoutAudienceCheck())
		for _, odd := range []string{"../../../etc/passwd", "k1?x=1", "k1#", "%2e%2e/k1", "https://evil.example", "k1\r\nHost: evil.example", "k1/../../jwks2"} {
			for _, v := range []*jwks.Verifier{v, single} {
				for _, header := range []string{"kid", "x5t", "x5t#S256", "typ", "cty", "alg"} {
					_, _ = v.Verify(t.Context(), issuer.Sign(map[string]any{"tid": odd, "azp": odd, "jti": odd}, jwkstest.WithHeader(header, odd)))
				}
			}
		}
		asked := n.TakeRequests()
		for _, raw := range asked {
			if raw != issuer.URL()+testkit.DiscoveryPath && raw != issuer.JWKSURL() {
				t.Errorf("a request for %s", raw)
			}
		}
		if len(asked) < 4 {
			t.Errorf("only %d requests: nothing was looked up", len(asked))
		}

		// TrustIssuerFunc decides by the name, and what it refuses is not asked.
		decided := 0
		tenants := n.NewIssuers(t, jwks.TrustIssuerFunc(func(_ context.Context, iss string) ([]jwks.ClientOption, error) {
			decided++
			return nil, jwks.ErrIssuerNotTrusted
		}))
		testkit.Refuse(t, mode.verifier(t, tenants, jwks.WithoutAudienceCheck()), issuer.Sign(map[string]any{"iss": "https://evil.example"}), jwks.ErrIssuerNotTrusted)
		if n.WantRequests(t); decided == 0 {
			t.Error("the function was not asked")
		}
		// TrustAnyIssuer goes where the token says: to public names, over https.
		anyone := mode.verifier(t, n.NewIssuers(t, jwks.TrustAnyIssuer()), jwks.WithoutAudienceCheck())
		for _, iss := range []string{
			"http://evil.example", "https://localhost", "https://127.0.0.1", "https://[::1]", "https://10.0.0.1", "https://169.254.169.254", "https://[fd00::1]", "https://evil.example:8443",
			"https://u@evil.example", "https://2130706433", "https://0x7f.1", "https://[::ffff:127.0.0.1]", "https://metadata", "https://x.localhost", "https://evil.example?x", "file:///x", "",
		} {
			testkit.Refuse(t, anyone, issuer.Sign(map[string]any{"iss": iss}), jwks.ErrIssuerNotTrusted)
		}
		n.WantRequests(t)
	})
}

func TestInvariant21_MetadataIssuerMustMatch(t *testing.T) {
	const honest, evil = "https://issuer.example", "https://evil.example"
	for _, other := range []string{
		evil, honest + "/", strings.ToUpper(honest), "http://issuer.example", honest + ":443", honest + "#", honest + "?", " " + honest, honest + " ", honest + "\x00", "issuer.example", "", "https://issuer.example.evil.example", "https://{tenantid}.example",
	} {
		synctest.Test(t, func(t *testing.T) {
			n := testkit.NewInternet()
			n.Serve("issuer.example", map[string]string{testkit.DiscoveryPath: `{"issuer":` + testkit.Quote(other) + `,"jwks_uri":"` + evil + testkit.KeySetPath + `"}`})
			n.Serve("evil.example", map[string]string{testkit.KeySetPath: testkit.OneKey(t)})
			c := n.NewClient(t, jwks.WithIssuer(honest))
			_, err := c.KeySet(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			if !errors.Is(err, jwks.ErrIssuerMismatch) && !errors.Is(err, jwks.ErrInvalidMetadata) {
				t.Errorf("%q: %v", other, err)
			}
			n.WantRequests(t, honest+testkit.DiscoveryPath, honest+"/.well-known/oauth-authorization-server") // and not for the key set
			if _, err := c.Metadata(t.Context()); err == nil {
				t.Errorf("%q: there is metadata", other)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // at every fetch, and a good set stays
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.ReplyWith(func(r *http.Request) *http.Response {
			if r.URL.Path == testkit.DiscoveryPath {
				return testkit.Response(200, testkit.Metadata(evil, evil+testkit.KeySetPath))
			}
			if r.URL.Host != mustHost(t, env.Issuer.URL()) {
				t.Errorf("a request for %s", r.URL)
			}
			return nil
		})
		env.TakeRequests("")
		if _, err := c.Refresh(t.Context()); !errors.Is(err, jwks.ErrIssuerMismatch) {
			t.Errorf("%v", err)
		}
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 0 {
			t.Errorf("%d requests for the key set of another issuer", n)
		}
		testkit.WantKey(t, c, "k1")
		time.Sleep(20 * time.Minute)
		testkit.WantKeyWithin(t, c, "k1", 15*time.Second)
		env.ReplyWith(nil)
		time.Sleep(2 * time.Minute)
		testkit.WantKeyWithin(t, c, "k1", 15*time.Second)
		synctest.Wait() // for the refresh in the background
		if st := c.Status(); st.State != jwks.StateFresh || st.ConsecutiveFailures != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func mustHost(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
