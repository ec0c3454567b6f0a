package freshness

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_BudgetOfVanishedKeys(t *testing.T) {
	// The set loses k1 and gets it back, as Entra's replicas do.
	flap := func(t *testing.T) (env *testkit.Env, c *jwks.Client, with, without string) {
		env = testkit.NewEnv(t)
		with = answerOf(t, env)
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		without = answerOf(t, env)
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		c = env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(without)))
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return env, c, with, without
	}
	drain := func(t *testing.T, c *jwks.Client) {
		t.Helper()
		for i := range 10 {
			testkit.WantNoKey(t, c, fmt.Sprint("junk-", time.Now().Unix(), i), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
	}
	testkit.Bubble(t, "junk kids cannot starve it", func(t *testing.T) {
		env, c, with, _ := flap(t)
		drain(t, c)
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		testkit.WantKey(t, c, "k1")
	})
	testkit.Bubble(t, "and it does not starve them", func(t *testing.T) {
		env, c, _, _ := flap(t)
		env.TakeRequests("")
		for range 10 {
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
			if env.Elapsed() > 9*time.Minute { // before refresh-ahead
				break
			}
		}
		env.TakeRequests("")
		drain(t, c)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "it is bounded as well", func(t *testing.T) {
		env, c, with, without := flap(t)
		c2 := env.NewClient(jwks.WithKeyCacheSize(0)) // no memory of missing kids
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		testkit.WantKey(t, c2, "k1")
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(without)))
		if _, err := c2.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		env.TakeRequests("")
		for range 100 {
			testkit.WantNoKey(t, c2, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 5 {
			t.Errorf("%d requests", n)
		}
		_ = c
	})
	testkit.Bubble(t, "for 48 h", func(t *testing.T) {
		env, c, with, _ := flap(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(48*time.Hour - time.Minute)
		drain(t, c)
		env.TakeRequests("")
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("within them %d requests", n)
		}
		time.Sleep(10 * time.Minute)
		drain(t, c)
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "bad signatures draw on the other one", func(t *testing.T) {
		env, c, with, _ := flap(t)
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		testkit.WantKey(t, c, "k1") // left and came back
		drain(t, c)
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		env.TakeRequests("")
		_, err = v.Verify(t.Context(), testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestClient_RemovedKey(t *testing.T) {
	for _, size := range []int{0, 1024} {
		testkit.Bubble(t, fmt.Sprintf("is refused once a set without it was fetched, with WithKeyCacheSize(%d)", size), func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.Issuer.Rotate()
			c := env.NewClient(jwks.WithKeyCacheSize(size))
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(100))
			if err != nil {
				t.Fatal(err)
			}
			token := env.Issuer.Sign(nil, jwkstest.WithKeyID("k1"))
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			env.Issuer.RemoveKey("k1")
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("before: %v", err)
			}
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), token)
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if e := env.TakeEvents(jwks.EventRefreshed); len(e) < 2 || len(e[1].Removed) != 1 || e[1].Removed[0] != "k1" {
				t.Errorf("events %v", e)
			}
		})
	}
	testkit.Bubble(t, "at the latest a TTL after its removal, under traffic", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.RemoveKey("k1")
		removed := env.Elapsed()
		for {
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := env.Elapsed() - removed; took > testkit.DefaultTTL {
			t.Errorf("accepted for %v", took)
		}
	})
}

func TestClient_ReplacedKey(t *testing.T) {
	testkit.Bubble(t, "verifies its first token", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		old := env.Issuer.Sign(nil)
		if _, err := v.Verify(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		next := testkit.NewSigner(t, "ES256", "k1")
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.JWK() + `]}`)))
		token := next.Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		_, err = v.Verify(t.Context(), old)
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	})
	for name, algs := range map[string][2]string{
		"of another type":  {"ES256", "EdDSA"},
		"of another curve": {"ES384", "ES256"},
		"of another alg":   {"RS256", "PS256"},
	} {
		testkit.Bubble(t, "by one "+name+", it verifies its first token too, within the budget", func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
			if err != nil {
				t.Fatal(err)
			}
			payload := `{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`
			old, next := testkit.NewSigner(t, algs[0], "k1"), testkit.NewSigner(t, algs[1], "k1")
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + old.JWKWithAlg(old.Algorithm) + `]}`)))
			testkit.Accept(t, v, old.Token(payload))
			env.TakeRequests("")
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.JWKWithAlg(next.Algorithm) + `]}`)))
			time.Sleep(time.Second)
			testkit.Accept(t, v, next.Token(payload))
			if n := len(env.TakeRequests("")); n != 1 {
				t.Errorf("%d requests", n)
			}
			time.Sleep(time.Second)
			for range 10 * 60 { // who goes on with the other alg does not drain the budget
				testkit.RefuseOnce(t, v, old.Token(payload), jwks.ErrAlgorithmNotAllowed)
				time.Sleep(time.Second)
			}
			if n := len(env.TakeRequests("")); n > 4+10 {
				t.Errorf("%d requests for tokens under another alg", n)
			}
		})
	}
	testkit.Bubble(t, "with a retention too", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRetention(time.Hour))
		testkit.WantKey(t, c, "k1")
		next := testkit.NewSigner(t, "ES256", "k1")
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.JWK() + `]}`)))
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		keys, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1"}, "")
		if err != nil || len(keys) != 1 || !next.Key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(keys[0].Public()) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	testkit.Bubble(t, "no lookup waits for one while attempts fail", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Hang())
		time.Sleep(testkit.DefaultTTL + time.Minute)
		testkit.WantKeyWithin(t, c, "k1", time.Minute)
		payload := `{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`
		for token, want := range map[string]error{
			testkit.NewSigner(t, "ES256", "k1").Token(payload): jwt.ErrTokenSignatureInvalid,
			testkit.NewSigner(t, "EdDSA", "k1").Token(payload): jwks.ErrAlgorithmNotAllowed,
		} {
			for range 300 {
				testkit.WantKey(t, c, "k1") // at once, and looks again when the backoff is over
				var err error
				if took := testkit.Measure(func() { _, err = v.Verify(t.Context(), token) }); took != 0 {
					t.Fatalf("it took %v: %v", took, err)
				}
				testkit.WantError(t, err, jwks.ErrTokenInvalid, want)
				time.Sleep(time.Second)
			}
		}
	})
	for name, fault := range map[string]jwkstest.Fault{"while the refresh fails": jwkstest.Status(404), "while it hangs": jwkstest.Hang()} {
		testkit.Bubble(t, "the cached key decides "+name, func(t *testing.T) {
			env := testkit.NewEnv(t)
			c := env.NewClient()
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
			if err != nil {
				t.Fatal(err)
			}
			testkit.WantKey(t, c, "k1")
			env.Issuer.SetFault(fault)
			forged := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
			_, err = v.Verify(t.Context(), forged)
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			took := testkit.Measure(func() { _, err = v.Verify(t.Context(), forged) }) // a backoff runs
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			if took != 0 {
				t.Errorf("during the backoff it took %v", took)
			}
		})
	}
	testkit.Bubble(t, "a canceled caller sends no request", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		testkit.WantKey(t, c, "k1")
		env.TakeRequests("")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = v.Verify(ctx, testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		synctest.Wait()
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "a caller whose deadline ends meanwhile has no verdict", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := testkit.NewSourceVerifier(t, c)
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var err error
		took := testkit.Measure(func() {
			_, err = v.Verify(ctx, testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		})
		testkit.WantError(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
		if took != 100*time.Millisecond || errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
