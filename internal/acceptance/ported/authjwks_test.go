package ported

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// What auth-jwks does; the table in pyjwt_test.go says which of its
// features each shows.
func TestPorted_AuthJWKS(t *testing.T) {
	type setup struct {
		*testkit.Internet
		issuer *jwkstest.Issuer
		place  jwks.ClientOption
	}
	start := func(t *testing.T) setup {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "your-issuer.example")
		return setup{n, issuer, jwks.WithDiscoveryURL(issuer.URL() + testkit.DiscoveryPath)}
	}
	verifier := func(t *testing.T, c *jwks.Client, opts ...jwks.VerifierOption) *jwks.Verifier {
		v, err := jwks.NewVerifier(c, append([]jwks.VerifierOption{jwks.WithAudience("your-client-id")}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	claims := map[string]any{"aud": "your-client-id"}

	t.Run("discovery_url", func(t *testing.T) {
		w := start(t)
		testkit.Accept(t, verifier(t, w.NewClient(t, w.place)), w.issuer.Sign(claims))
		w.WantRequests(t, w.issuer.URL()+testkit.DiscoveryPath, w.issuer.JWKSURL())
	})
	t.Run("jwks_uri_wins", func(t *testing.T) {
		w := start(t)
		c := w.NewClient(t, w.place, jwks.WithJWKSURL(w.issuer.JWKSURL()), jwks.WithIssuer(w.issuer.URL()))
		testkit.Accept(t, verifier(t, c), w.issuer.Sign(claims))
		w.WantRequests(t, w.issuer.JWKSURL())
	})
	t.Run("issuer_match", func(t *testing.T) {
		w := start(t)
		testkit.Accept(t, verifier(t, w.NewClient(t, w.place, jwks.WithIssuer(w.issuer.URL()))), w.issuer.Sign(claims))
	})
	t.Run("issuer_mismatch", func(t *testing.T) {
		w := start(t)
		c := w.NewClient(t, w.place, jwks.WithIssuer("https://another.example"))
		testkit.Refuse(t, verifier(t, c), w.issuer.Sign(claims), jwks.ErrIssuerMismatch, jwks.ErrUnavailable)
	})
	t.Run("empty_issuer", func(t *testing.T) {
		w := start(t)
		if _, err := jwks.NewClient(w.place, jwks.WithIssuer("")); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	t.Run("no_source", func(t *testing.T) {
		if _, err := jwks.NewClient(jwks.WithTTL(time.Minute)); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	t.Run("aud", func(t *testing.T) {
		w := start(t)
		v := verifier(t, w.NewClient(t, w.place))
		testkit.Refuse(t, v, w.issuer.Sign(map[string]any{"aud": "another"}), jwt.ErrTokenInvalidAudience)
		testkit.Refuse(t, v, w.issuer.Sign(nil), jwt.ErrTokenRequiredClaimMissing)
	})
	t.Run("allowed_algorithms", func(t *testing.T) {
		w := start(t) // whose key is for ES256
		testkit.Refuse(t, verifier(t, w.NewClient(t, w.place), jwks.WithAlgorithms("RS256")), w.issuer.Sign(claims), jwks.ErrAlgorithmNotAllowed)
		testkit.Accept(t, verifier(t, w.NewClient(t, w.place), jwks.WithAlgorithms("RS256", "ES256")), w.issuer.Sign(claims))
	})
	t.Run("leeway", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			token := w.issuer.Sign(map[string]any{"aud": "your-client-id", "exp": time.Now().Add(time.Minute).Unix()})
			v, strict := verifier(t, w.NewClient(t, w.place)), verifier(t, w.NewClient(t, w.place), jwks.WithLeeway(0))
			time.Sleep(time.Minute + 29*time.Second)
			testkit.Accept(t, v, token) // 30 s, as there
			testkit.Refuse(t, strict, token, jwt.ErrTokenExpired)
			time.Sleep(time.Second)
			testkit.Refuse(t, v, token, jwt.ErrTokenExpired)
		})
	})
	t.Run("cache_ttl", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			v := verifier(t, w.NewClient(t, w.place, jwks.WithRefreshAhead(1)))
			testkit.Accept(t, v, w.issuer.Sign(claims))
			time.Sleep(15*time.Minute - time.Second) // 900 s, as there
			testkit.Accept(t, v, w.issuer.Sign(claims))
			if got := w.issuer.Requests().JWKS; got != 1 {
				t.Errorf("%d fetches within the TTL", got)
			}
			time.Sleep(2 * time.Second)
			testkit.Accept(t, v, w.issuer.Sign(claims))
			if got := w.issuer.Requests().JWKS; got != 2 {
				t.Errorf("%d fetches after the TTL", got)
			}
		})
	})
	t.Run("timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			w.issuer.SetFault(jwkstest.Hang())
			began := time.Now()
			testkit.Refuse(t, verifier(t, w.NewClient(t, w.place)), w.issuer.Sign(claims), jwks.ErrUnavailable)
			if took := time.Since(began); took != 5*time.Second { // as there
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("retries", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			w.issuer.SetFault(jwkstest.Status(503))
			c := w.NewClient(t, w.place, jwks.WithRetries(3))
			testkit.Refuse(t, verifier(t, c), w.issuer.Sign(claims), jwks.ErrUnavailable)
			if got := w.issuer.Requests().Discovery; got != 4 {
				t.Errorf("%d attempts, want 4", got)
			}
			w.issuer.SetFault(jwkstest.None())
			time.Sleep(time.Minute) // the backoff
			testkit.Accept(t, verifier(t, c), w.issuer.Sign(claims))
		})
	})
	t.Run("fix_local_url", func(t *testing.T) {
		n := testkit.NewInternet()
		key := testkit.NewSigner(t, "ES256", "k1")
		// A container publishes the address that the outside world knows.
		n.Serve("localhost:4444", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://sso.example", "https://sso.example/keys"), "/keys": `{"keys":[` + key.JWK() + `]}`})
		c := n.NewClient(t, jwks.WithDiscoveryURL("http://localhost:4444"+testkit.DiscoveryPath), jwks.WithIssuer("https://sso.example"), jwks.WithLocalURLRewrite())
		v := verifier(t, c, testkit.AtNow())
		testkit.Accept(t, v, key.Token(testkit.Payload(map[string]any{"iss": "https://sso.example", "aud": "your-client-id"})))
		n.WantRequests(t, "http://localhost:4444"+testkit.DiscoveryPath, "http://localhost:4444/keys")
	})
	t.Run("key_rotation", func(t *testing.T) {
		w := start(t)
		v := verifier(t, w.NewClient(t, w.place))
		testkit.Accept(t, v, w.issuer.Sign(claims))
		w.issuer.Rotate()
		testkit.Accept(t, v, w.issuer.Sign(claims))
	})
	t.Run("verify_token", func(t *testing.T) {
		w := start(t)
		v := verifier(t, w.NewClient(t, w.place))
		got, err := jwks.ClaimsAs[map[string]any](testkit.Accept(t, v, w.issuer.Sign(map[string]any{"aud": "your-client-id", "role": "admin"})))
		if err != nil || got["role"] != "admin" {
			t.Errorf("%v %v", got, err)
		}
		testkit.Refuse(t, v, "not.a.token", jwt.ErrTokenMalformed)
	})
	t.Run("bearer", func(t *testing.T) {
		w := start(t)
		v := verifier(t, w.NewClient(t, w.place))
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
			token := w.issuer.Sign(claims)
			if got := testkit.Accept(t, v, scheme+token); got.Raw() != token {
				t.Errorf("%q stays in Raw", scheme)
			}
		}
	})
	t.Run("close", func(t *testing.T) {
		w := start(t)
		c := w.NewClient(t, w.place)
		v := verifier(t, c)
		testkit.Accept(t, v, w.issuer.Sign(claims))
		testkit.WantNoError(t, c.Close())
		testkit.Refuse(t, v, w.issuer.Sign(claims), jwks.ErrClosed, jwks.ErrUnavailable)
	})
}
