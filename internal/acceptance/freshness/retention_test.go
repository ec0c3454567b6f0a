package freshness

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_Retention(t *testing.T) {
	// left makes a client of a set that has just lost k1.
	left := func(t *testing.T, d time.Duration) (*testkit.Env, *jwks.Client) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		c := env.NewClient(jwks.WithRetention(d), jwks.WithTTL(1000*time.Hour))
		testkit.WantKey(t, c, "k1")
		env.Issuer.RemoveKey("k1")
		testkit.MustRefresh(t, c)
		return env, c
	}
	testkit.Bubble(t, "by default there is none", func(t *testing.T) {
		_, c := left(t, 0)
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	testkit.Bubble(t, "keeps a key for d from the first set without it, and no longer", func(t *testing.T) {
		env, c := left(t, time.Hour)
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		token := env.Issuer.Sign(map[string]any{"exp": nil}, jwkstest.WithKeyID("k1"))
		env.TakeRequests("")
		for range 60 {
			testkit.WantKey(t, c, "k1")
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if st := c.Status(); !slices.Equal(st.Retained, []string{"k1"}) || !slices.Equal(st.KeyIDs, []string{"k2"}) {
				t.Fatalf("%+v", st)
			}
			time.Sleep(time.Minute - 1)
			testkit.MustRefresh(t, c) // later sets do not prolong it
			time.Sleep(time.Nanosecond)
		}
		env.TakeRequests("")
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		_, err = v.Verify(t.Context(), token)
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	testkit.Bubble(t, "later changes of the set do not prolong it", func(t *testing.T) {
		env, c := left(t, time.Hour)
		for range 4 {
			time.Sleep(14 * time.Minute)
			env.Issuer.Rotate()
			testkit.MustRefresh(t, c)
			testkit.WantKey(t, c, "k1")
		}
		time.Sleep(4 * time.Minute)
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "each key has its own time", func(t *testing.T) {
		env, c := left(t, time.Hour)
		env.Issuer.Rotate()
		time.Sleep(30 * time.Minute)
		env.Issuer.RemoveKey("k2")
		testkit.MustRefresh(t, c)
		if st := c.Status(); !slices.Equal(st.Retained, []string{"k2", "k1"}) {
			t.Errorf("retained %v", st.Retained)
		}
		time.Sleep(30 * time.Minute)
		testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound)
		testkit.WantKey(t, c, "k2")
		time.Sleep(30 * time.Minute)
		testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "KeySet stays what the issuer published", func(t *testing.T) {
		_, c := left(t, time.Hour)
		if kids := testkit.KeyIDsOf(t, c); !slices.Equal(kids, []string{"k2"}) {
			t.Errorf("%v", kids)
		}
	})
	testkit.Bubble(t, "a token without a kid does not see it", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.AddKey("ES384")
		c := env.NewClient(jwks.WithRetention(time.Hour))
		if _, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES384"}, ""); err != nil {
			t.Fatal(err)
		}
		env.Issuer.RemoveKey("k2")
		testkit.MustRefresh(t, c)
		testkit.WantKey(t, c, "k2")
		_, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES384"}, "")
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "its thumbprint is worth more than keys without one", func(t *testing.T) {
		env := testkit.NewEnv(t)
		first, second := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k2")
		publish := func(entries ...string) {
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
		}
		c := env.NewClient(jwks.WithRetention(time.Hour))
		v := testkit.NewSourceVerifier(t, c)
		token := first.Sign(`{"alg":"ES256","x5t":"t1"}`, always(env))
		publish(testkit.WithMembers(first.JWK(), `"x5t":"t1"`), second.JWK())
		testkit.AcceptOnce(t, v, token)
		publish(second.JWK())
		testkit.MustRefresh(t, c)
		testkit.AcceptOnce(t, v, token)
		testkit.AcceptOnce(t, v, second.Sign(`{"alg":"ES256","x5t":"t2"}`, always(env)))
		time.Sleep(time.Hour)
		testkit.RefuseOnce(t, v, token, jwt.ErrTokenSignatureInvalid)
	})
	testkit.Bubble(t, "finding it sends no request", func(t *testing.T) {
		env, c := left(t, time.Hour)
		env.TakeRequests("")
		for range 100 {
			testkit.WantKey(t, c, "k1")
		}
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "the algorithm of the key is still checked", func(t *testing.T) {
		_, c := left(t, time.Hour)
		_, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1", Algorithm: "ES384"}, "")
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrAlgorithmNotAllowed)
	})
	testkit.Bubble(t, "a forged token under it is refused", func(t *testing.T) {
		env, c := left(t, time.Hour)
		_, err := c.KeyForToken(t.Context(), env.Issuer.Sign(map[string]any{"iss": "https://other.example"}, jwkstest.WithKeyID("k1")))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
	})

	// What a later set says of the kid.
	for _, tt := range []struct {
		rule  string
		entry func(old string) string
		found bool
	}{
		{"a kid that comes back as it was is an ordinary key", func(old string) string { return old }, true},
		{"other material under the kid ends it at once", func(string) string { return testkit.NewSigner(t, "ES256", "k1").JWK() }, true},
		{"a skipped entry with the kid ends it at once", func(string) string { return `{"kty":"EC","crv":"P-256","kid":"k1","x":"bad"}` }, false},
		{"an entry that is not for signatures ends it at once", func(old string) string { return strings.Replace(old, `"sig"`, `"enc"`, 1) }, false},
	} {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			first, second := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k2")
			publish := func(entries ...string) {
				env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
			}
			c := env.NewClient(jwks.WithRetention(time.Hour))
			publish(first.JWK(), second.JWK())
			before, err := c.Key(t.Context(), "k1")
			if err != nil {
				t.Fatal(err)
			}
			publish(second.JWK())
			testkit.MustRefresh(t, c)
			if key, err := c.Key(t.Context(), "k1"); err != nil || key != before {
				t.Fatalf("not retained: %v", err)
			}
			entry := tt.entry(first.JWK())
			publish(second.JWK(), entry)
			testkit.MustRefresh(t, c)
			if st := c.Status(); len(st.Retained) != 0 {
				t.Errorf("retained %v", st.Retained)
			}
			key, err := c.Key(t.Context(), "k1")
			switch {
			case !tt.found:
				testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			case err != nil:
				t.Error(err)
			case (key.Thumbprint() == before.Thumbprint()) != (entry == first.JWK()):
				t.Error("the wrong key was found")
			}
			publish(second.JWK())
			testkit.MustRefresh(t, c)
			if key, err := c.Key(t.Context(), "k1"); tt.found != (err == nil) || err == nil && key.Thumbprint() == before.Thumbprint() != (entry == first.JWK()) {
				t.Errorf("when it leaves again: %v", err)
			}
		})
	}
}
