package freshness

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_Seed(t *testing.T) {
	testkit.Bubble(t, "the first lookup fetches", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithKeySet(seedFrom(t, env)))
		if st := c.Status(); st.State != jwks.StateStale || !st.FetchedAt.IsZero() || !st.ExpiresAt.Equal(time.Now()) || !st.StaleUntil.Equal(time.Now().Add(time.Hour)) || len(st.KeyIDs) != 1 {
			t.Errorf("%+v", st)
		}
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", time.Minute) }); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if st := c.Status(); st.State != jwks.StateFresh || st.Fetches != 1 {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "while that fails the seed serves until the end of stale", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		env.Issuer.SetFault(jwkstest.Hang())
		made := time.Now()
		c := env.NewClient(jwks.WithKeySet(seed))
		if took := testkit.Measure(func() { testkit.WantKeyWithin(t, c, "k1", time.Minute) }); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		testkit.WantKeySteadily(t, c, "k1", time.Second, time.Until(made.Add(time.Hour)))
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if e := env.TakeEvents(jwks.EventServedStale); len(e) != 1 {
			t.Errorf("served stale %d times", len(e))
		}
	})
	testkit.Bubble(t, "a fetched set takes its place", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		c := env.NewClient(jwks.WithKeySet(seed))
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		testkit.WantKey(t, c, "k2")
	})
	testkit.Bubble(t, "WithMaxStale(0): it never serves", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantNoKey(t, env.NewClient(jwks.WithKeySet(seed), jwks.WithMaxStale(0)), "k1", jwks.ErrUnavailable)
	})
	testkit.Bubble(t, "its keys are bound to the client's issuer", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		env.Issuer.SetFault(jwkstest.Status(404))
		c := env.NewClient(jwks.WithKeySet(seed))
		key, err := c.Key(t.Context(), "k1")
		if err != nil || key.Issuer() != env.Issuer.URL() {
			t.Errorf("bound to %q, %v", key.Issuer(), err)
		}
		if set, err := c.KeySet(t.Context()); err != nil || !everyKeyIsBound(set, env.Issuer.URL()) {
			t.Errorf("the set is not, %v", err)
		}
		_, err = c.KeyForToken(t.Context(), env.Issuer.Sign(map[string]any{"iss": "https://other.example"}))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
		if key, _ := seed.Key("k1"); key.Issuer() != "" {
			t.Error("the seed itself was changed")
		}
	})
	// The same bytes must not bring the seed's unbound keys back.
	testkit.Bubble(t, "keys of an issuer that discovery names are bound to it, seed or not", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		c := env.NewClientWithoutIssuer(jwks.WithDiscoveryURL(env.Issuer.URL()+testkit.DiscoveryPath), jwks.WithKeySet(seed))
		key, err := c.Key(t.Context(), "k1")
		if err != nil || key.Issuer() != env.Issuer.URL() {
			t.Errorf("bound to %q, %v", key.Issuer(), err)
		}
		if st := c.Status(); st.Issuer != env.Issuer.URL() {
			t.Errorf("status %+v", st)
		}
	})
	testkit.Bubble(t, "it has no discovery document", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seed := seedFrom(t, env)
		env.Issuer.SetFault(jwkstest.Status(404))
		c := env.NewClient(jwks.WithKeySet(seed))
		for range 1000 { // the backoff holds
			_, err := c.Metadata(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := env.Issuer.Requests().Discovery; n > 50 {
			t.Errorf("%d requests in 100 s", n)
		}
		env.Issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute)
		m, err := c.Metadata(t.Context())
		for err != nil { // the attempt that this call began is in the background
			synctest.Wait()
			m, err = c.Metadata(t.Context())
		}
		if m.Issuer != env.Issuer.URL() {
			t.Errorf("%+v", m)
		}
	})
	testkit.Bubble(t, "a set with no key for the issuer is refused", func(t *testing.T) {
		foreign := strings.TrimSuffix(testkit.NewSigner(t, "ES256", "k1").JWK(), "}") + `,"issuer":"https://other.example"}`
		_, err := jwks.NewClient(jwks.WithIssuer("https://issuer.example"), jwks.WithKeySet(testkit.ParseKeys(t, foreign)))
		if !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithKeySet") {
			t.Errorf("%v", err)
		}
	})
}

func everyKeyIsBound(set *jwks.KeySet, issuer string) bool {
	for k := range set.All() {
		if k.Issuer() != issuer {
			return false
		}
	}
	return true
}

func TestClient_WithoutCache(t *testing.T) {
	testkit.Bubble(t, "every lookup fetches", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithoutCache())
		for n := 1; n <= 10; n++ {
			testkit.WantKey(t, c, "k1")
			if got := env.Issuer.Requests(); got.JWKS != n || got.Discovery != n {
				t.Fatalf("after %d lookups %+v", n, got)
			}
		}
		if kids := testkit.KeyIDsOf(t, c); len(kids) != 1 || env.Issuer.Requests().JWKS != 11 {
			t.Errorf("KeySet %v, %+v", kids, env.Issuer.Requests())
		}
		if _, err := c.Metadata(t.Context()); err != nil || env.Issuer.Requests().Discovery != 12 {
			t.Errorf("Metadata: %v, %+v", err, env.Issuer.Requests())
		}
	})
	testkit.Bubble(t, "a bad signature does not fetch", func(t *testing.T) {
		env := testkit.NewEnv(t)
		v, err := jwks.NewVerifier(env.NewClient(jwks.WithoutCache()), jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		if n := env.Issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "neither budget nor memory holds unknown kids up", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithoutCache())
		for range 100 {
			testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if got := env.Issuer.Requests().JWKS; got != 100 {
			t.Errorf("%d requests for 100 lookups", got)
		}
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
		env.Issuer.RemoveKey("k2")
		testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); st.Throttled != 0 {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "concurrent lookups may share", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		c := env.NewClient(jwks.WithoutCache())
		done := make(chan error)
		for range 10 {
			go func() { _, err := c.Key(t.Context(), "k1"); done <- err }()
		}
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := env.Issuer.Requests().JWKS; got != 1 {
			t.Errorf("%d requests", got)
		}
	})
	testkit.Bubble(t, "no stale keys are served, and the backoff holds", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithoutCache(), jwks.WithKeySet(seedFrom(t, env)))
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(404))
		env.TakeRequests("")
		for range 600 {
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(env.TakeRequests(testkit.DiscoveryPath)); n < 3 || n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
		if e := env.TakeEvents(jwks.EventServedStale); len(e) != 0 {
			t.Errorf("events %v", e)
		}
	})
	testkit.Bubble(t, "Run has nothing to do", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithoutCache())
		done := make(chan error)
		go func() { done <- c.Run(t.Context()) }()
		time.Sleep(time.Hour)
		if n := env.Issuer.Requests().JWKS; n != 0 {
			t.Errorf("%d requests", n)
		}
		_ = c.Close()
		if err := <-done; !errors.Is(err, jwks.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

// seedFrom is the issuer's set as it is now.
func seedFrom(t *testing.T, env *testkit.Env) *jwks.KeySet {
	t.Helper()
	return testkit.ParseKeySet(t, answerOf(t, env))
}
