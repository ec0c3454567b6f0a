package invariants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
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

func TestInvariant24_EverythingIsBounded(t *testing.T) {
	t.Run("keys in a set", func(t *testing.T) {
		entries := strings.Repeat(`{"kty":"x"},`, 999) + testkit.NewSigner(t, "EdDSA", "k1").JWK()
		if set := testkit.ParseKeys(t, entries); set.Len() != 1 {
			t.Errorf("%d keys", set.Len())
		}
		if _, err := jwks.ParseKeySet([]byte(`{"keys":[{"kty":"x"},` + entries + `]}`)); !errors.Is(err, jwks.ErrInvalidKeySet) {
			t.Errorf("1001 entries: %v", err)
		}
		long := testkit.NewSigner(t, "EdDSA", strings.Repeat("k", 257))
		if set := testkit.ParseKeys(t, long.JWK(), testkit.NewSigner(t, "EdDSA", strings.Repeat("k", 256)).JWK()); set.Len() != 1 || len(set.Skipped()) != 1 {
			t.Errorf("a kid of 257 bytes: %d keys", set.Len())
		}
	})
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		t.Run("candidates for a token", func(t *testing.T) {
			var same []*testkit.Signer
			for range 6 {
				same = append(same, testkit.NewSigner(t, "ES256", "k1"))
			}
			set := testkit.KeySetOf(t, same...)
			for _, source := range []jwks.KeySource{set, offerAll(set)} {
				v := mode.fixedVerifier(t, source)
				for i, s := range same {
					if token := s.Token(testkit.Payload(nil)); i < 4 {
						testkit.Accept(t, v, token)
					} else {
						testkit.Refuse(t, v, token, jwt.ErrTokenSignatureInvalid)
					}
				}
			}
		})
		t.Run("cached tokens", func(t *testing.T) {
			if mode.opts == nil {
				return // there are none
			}
			s := testkit.NewSigner(t, "EdDSA", "k1")
			v := mode.fixedVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(4))
			tokens := make([]string, 5)
			first := make([]*jwks.Token, len(tokens))
			for i := range tokens {
				tokens[i] = s.Token(testkit.Payload(map[string]any{"jti": fmt.Sprint(i)}))
				first[i] = testkit.Accept(t, v, tokens[i])
			}
			for i := len(tokens) - 1; i >= 0; i-- { // a hit gives the very token
				if hit := testkit.Accept(t, v, tokens[i]) == first[i]; hit != (i > 0) {
					t.Errorf("token %d of 5 in a cache for 4: a hit is %t", i, hit)
				}
			}
			kept := testkit.Accept(t, v, tokens[0])
			for range 100 { // refused ones take no place
				testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"exp": 1})), jwt.ErrTokenExpired)
			}
			if testkit.Accept(t, v, tokens[0]) != kept {
				t.Error("refused tokens displaced one that was remembered")
			}
		})
	})
	testkit.Bubble(t, "remembered misses", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithKeyCacheSize(2), jwks.WithRefreshLimit(time.Second, 1000))
		testkit.WantKey(t, c, "k1")
		asks := func(kid string) int {
			env.TakeRequests("")
			testkit.WantNoKey(t, c, kid, jwks.ErrKeyNotFound)
			return len(env.TakeRequests(testkit.KeySetPath))
		}
		for _, step := range []struct {
			kid     string
			fetches int
		}{{"a", 1}, {"a", 0}, {"b", 1}, {"a", 0}, {"c", 1}, {"a", 0}, {"c", 0}, {"b", 1}} {
			if n := asks(step.kid); n != step.fetches {
				t.Errorf("%s: %d fetches, want %d", step.kid, n, step.fetches)
			}
		}
	})
	t.Run("issuers", func(t *testing.T) {
		n := testkit.NewInternet()
		for i := range 30 {
			n.Serve(fmt.Sprintf("t%d.example", i), map[string]string{})
		}
		for name, trust := range map[string]jwks.IssuersOption{
			"TrustIssuerFunc": jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) { return nil, nil }),
			"TrustAnyIssuer":  jwks.TrustAnyIssuer(),
		} {
			s := n.NewIssuers(t, trust, jwks.WithMaxIssuers(3), jwks.TrustIssuers("https://listed.example"))
			first, err := s.Client(t.Context(), "https://t99.example")
			testkit.WantNoError(t, err)
			admitted := 0
			for i := range 30 {
				if _, err := s.Client(t.Context(), fmt.Sprintf("https://t%d.example", i)); err == nil {
					admitted++
				}
				if kept := len(s.Status()); kept > 1+3 {
					t.Fatalf("%s: %d issuers are kept", name, kept)
				}
			}
			if name == "TrustAnyIssuer" && admitted > 12 { // a burst of 10, one more a second
				t.Errorf("%d new issuers at once", admitted)
			}
			if admitted < 4 {
				t.Errorf("%s: only %d were admitted", name, admitted)
			}
			if _, err := first.KeySet(t.Context()); !errors.Is(err, jwks.ErrClosed) { // the oldest went, and holds nothing any more
				t.Errorf("%s: an evicted client: %v", name, err)
			}
		}
	})
}

func TestInvariant25_ClockJumps(t *testing.T) {
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env, _, _ := newEnvWithTwoKeys(t)
		var ahead time.Duration
		wall := func() time.Time { return time.Now().Add(ahead) }
		c := env.NewClient()
		v := mode.verifier(t, c, jwks.WithoutAudienceCheck(), jwks.WithNow(wall))
		issued := func() string {
			return env.Issuer.Sign(map[string]any{"iat": wall().Unix(), "exp": wall().Add(time.Hour).Unix()}, jwkstest.WithKeyID("k1"))
		}
		before := issued()
		testkit.Accept(t, v, before)
		fetches := env.Issuer.Requests().JWKS
		for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour, 48 * time.Hour, 100 * 365 * 24 * time.Hour, -100 * 365 * 24 * time.Hour} {
			if ahead = jump; wall().Unix() < 0 {
				ahead = -time.Duration(time.Now().Unix()-3600) * time.Second // claims begin in 1970
			}
			testkit.Accept(t, v, issued()) // the claims follow the clock
			if _, err := v.Verify(t.Context(), before); err == nil {
				t.Errorf("%v: a token of another time passes", jump)
			}
			// The keys do not: nothing was fetched, nothing is stale.
			if n := env.Issuer.Requests().JWKS; n != fetches {
				t.Errorf("%v: %d fetches, want %d", jump, n, fetches)
			}
			if st := c.Status(); st.State != jwks.StateFresh {
				t.Errorf("%v: %v", jump, st.State)
			}
		}
		// And a clock that stands still keeps no key: the issuer removes k1,
		// and the TTL passes.
		stopped := time.Now()
		still := mode.verifier(t, c, jwks.WithoutAudienceCheck(), jwks.WithNow(func() time.Time { return stopped }))
		testkit.Accept(t, still, before)
		env.Issuer.RemoveKey("k1")
		time.Sleep(16 * time.Minute)
		testkit.Refuse(t, still, before, jwks.ErrKeyNotFound)
		if n := env.Issuer.Requests().JWKS; n == fetches {
			t.Error("nothing was fetched after the TTL")
		}
	})
	// A server's clock may be anywhere: its dates neither shorten the TTL nor
	// lengthen it, and an absurd Age leaves the minimum.
	for _, test := range []struct {
		date, expires, age string
		ttl                time.Duration
	}{
		{"", "", "", 15 * time.Minute},
		{"", "Thu, 01 Jan 1970 00:00:00 GMT", "", 15 * time.Minute},
		{"", "Fri, 31 Dec 9999 23:59:59 GMT", "", 15 * time.Minute},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "", 15 * time.Minute},
		{"Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "", 15 * time.Minute},
		{"Thu, 01 Jan 1970 00:00:00 GMT", "", "", 15 * time.Minute},
		{"", "", "99999999999", time.Minute},
		{"", "", "-5", 15 * time.Minute},
	} {
		testkit.Bubble(t, fmt.Sprintf("Date %q, Expires %q, Age %q", test.date, test.expires, test.age), func(t *testing.T) {
			env := testkit.NewEnv(t)
			env.EditResponses(func(_ *http.Request, resp *http.Response) {
				for name, value := range map[string]string{"Date": test.date, "Expires": test.expires, "Age": test.age} {
					if value != "" {
						resp.Header.Set(name, value)
					}
				}
			})
			c := env.NewClient()
			testkit.WantKey(t, c, "k1")
			st := c.Status()
			if got := time.Until(st.ExpiresAt); got != test.ttl {
				t.Errorf("a TTL of %v, want %v", got, test.ttl)
			}
		})
	}
}

func TestInvariant26_ConcurrentUse(t *testing.T) {
	// A bubble ends only when its goroutines have: what a constructor or Close
	// left behind would be a deadlock here.
	t.Run("no goroutine from a constructor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			before := runtime.NumGoroutine()
			env := testkit.NewEnv(t)
			for range 20 {
				c, err := jwks.NewClient(jwks.WithIssuer(env.Issuer.URL()), jwks.WithHTTPClient(env.HTTPClient()), jwks.WithRefreshAhead(0.5))
				if err != nil {
					t.Fatal(err)
				}
				s, err := jwks.NewIssuers(jwks.TrustIssuers(env.Issuer.URL()), jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) { return nil, nil }))
				if err != nil {
					t.Fatal(err)
				}
				for _, source := range []jwks.KeySource{c, s} {
					cacheMode{[]jwks.VerifierOption{jwks.WithTokenCache(8)}}.verifier(t, source, jwks.WithoutAudienceCheck())
				}
			}
			if after := runtime.NumGoroutine(); after >= before+20 { // fewer may be of the runtime and of other tests
				t.Errorf("%d goroutines, %d before", after, before)
			}
			if n := env.Issuer.Requests(); n != (jwkstest.Requests{}) {
				t.Errorf("constructors sent %+v", n)
			}
		})
	})
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env, k1, k2 := newEnvWithTwoKeys(t)
		c := env.NewClient(jwks.WithTTL(2*time.Second), jwks.WithRetention(time.Second), jwks.WithRefreshLimit(time.Second, 3))
		s, err := jwks.NewIssuers(jwks.TrustIssuers(env.Issuer.URL()), jwks.WithClientOptions(jwks.WithHTTPClient(env.HTTPClient()), jwks.WithTTL(time.Second)))
		if err != nil {
			t.Fatal(err)
		}
		junk := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		repeat := func(n int, f func()) {
			for range n {
				wait.Go(func() {
					for range 40 {
						f()
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
		}
		closing := false // afterwards every call says so
		var mu sync.Mutex
		tolerated := func(err error) bool {
			mu.Lock()
			defer mu.Unlock()
			return err == nil || closing && errors.Is(err, jwks.ErrClosed)
		}
		for _, source := range []interface {
			jwks.KeySource
			Keyfunc(*jwt.Token) (any, error)
			KeyForToken(context.Context, string) (*jwks.Key, error)
		}{c, s} {
			v := mode.verifier(t, source, jwks.WithoutAudienceCheck())
			repeat(4, func() {
				if got, err := v.Verify(ctx, k2); !tolerated(err) || err == nil && got.Subject() != "user" {
					t.Errorf("%v", err)
				}
				if _, err := v.Verify(ctx, junk); err == nil {
					t.Error("junk passes")
				}
				_, _ = v.Verify(ctx, k1) // comes and goes
				_, _ = jwt.Parse(k2, source.Keyfunc)
				if key, err := source.KeyForToken(ctx, k2); !tolerated(err) || err == nil && len(key.Thumbprint()) != 43 {
					t.Errorf("%v", err)
				} else if err == nil {
					_, _, _ = key.Public(), key.JWK(), key.Algorithms()
				}
			})
		}
		repeat(2, func() { _, _ = c.Refresh(ctx); _, _ = c.Key(ctx, "junk") })
		repeat(2, func() {
			_, _ = c.Status(), s.Status()
			if set, err := c.KeySet(ctx); err == nil {
				_, _ = set.MarshalJSON()
			}
			_, _ = c.Metadata(ctx)
			_ = s.Ready(ctx)
		})
		wait.Go(func() { _ = c.Run(ctx) })
		wait.Go(func() { _ = s.Run(ctx) })
		wait.Go(func() {
			for range 10 {
				env.Issuer.RemoveKey("k1")
				time.Sleep(200 * time.Millisecond)
				env.Issuer.AddKey("ES256")
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(500 * time.Millisecond)
			mu.Lock()
			closing = true
			mu.Unlock()
			for range 3 {
				wait.Go(func() {
					if err := errors.Join(c.Close(), s.Close()); err != nil {
						t.Error(err)
					}
				})
			}
		})
		wait.Wait()
		cancel()
		if _, err := c.Key(t.Context(), "k2"); !errors.Is(err, jwks.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
	testkit.Bubble(t, "Close ends a fetch that hangs, and Run", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Hang())
		c := env.NewClient()
		var wait sync.WaitGroup
		for range 5 {
			wait.Go(func() {
				if _, err := c.Key(t.Context(), "k1"); !errors.Is(err, jwks.ErrClosed) {
					t.Errorf("a lookup that waited: %v", err)
				}
			})
		}
		synctest.Wait()
		if took := testkit.Measure(func() { _ = c.Close() }); took != 0 {
			t.Errorf("Close took %v", took)
		}
		wait.Wait()

		warm := env.NewClient()
		env.Issuer.SetFault(jwkstest.None())
		wait.Go(func() {
			if err := warm.Run(t.Context()); !errors.Is(err, jwks.ErrClosed) {
				t.Errorf("Run: %v", err)
			}
		})
		synctest.Wait() // it has a set and waits for it to age
		if took := testkit.Measure(func() { _ = warm.Close(); wait.Wait() }); took != 0 {
			t.Errorf("Run went on for %v", took)
		}
	})
}
