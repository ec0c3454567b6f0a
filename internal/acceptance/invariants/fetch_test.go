package invariants

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
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

// newEnvWithTwoKeys makes an environment whose issuer has the keys k1 and k2,
// and a token of each.
func newEnvWithTwoKeys(t *testing.T) (env *testkit.Env, k1, k2 string) {
	env = testkit.NewEnv(t, jwkstest.WithAlgorithms("ES256", "ES256"))
	claims := map[string]any{"exp": time.Now().Add(100 * 24 * time.Hour).Unix()}
	return env, env.Issuer.Sign(claims, jwkstest.WithKeyID("k1")), env.Issuer.Sign(claims, jwkstest.WithKeyID("k2"))
}

func TestInvariant17_RemovedKeyExpiresInTime(t *testing.T) {
	const ttl, deadline, hour = 15 * time.Minute, 15 * time.Second, time.Hour
	late := jwks.WithRefreshAhead(1) // otherwise it is noticed earlier
	for _, test := range []struct {
		rule    string
		opts    []jwks.ClientOption
		after   jwkstest.Fault // what the issuer does once the key is gone
		failing bool
		within  time.Duration
	}{
		{"the defaults", nil, jwkstest.None(), false, ttl},
		{"without refresh-ahead", []jwks.ClientOption{late}, jwkstest.None(), false, ttl + deadline},
		{"a slow issuer", []jwks.ClientOption{late, jwks.WithTimeout(15 * time.Second)}, jwkstest.Delay(7 * time.Second), false, ttl + deadline},
		{"another TTL", []jwks.ClientOption{late, jwks.WithTTL(40 * time.Second)}, jwkstest.None(), false, 40*time.Second + deadline},
		{"an issuer that fails", []jwks.ClientOption{late}, jwkstest.Status(503), true, ttl + hour},
		{"an issuer that hangs", []jwks.ClientOption{late}, jwkstest.Hang(), true, ttl + hour},
		{"an issuer that fails, fail closed", []jwks.ClientOption{late, jwks.WithMaxStale(0)}, jwkstest.DropConnection(), true, ttl},
		{"a retention", []jwks.ClientOption{late, jwks.WithRetention(10 * time.Minute)}, jwkstest.None(), false, ttl + deadline + 10*time.Minute},
	} {
		t.Run(test.rule, func(t *testing.T) {
			eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
				env, k1, k2 := newEnvWithTwoKeys(t)
				v := mode.verifier(t, env.NewClient(test.opts...), jwks.WithoutAudienceCheck())
				testkit.Accept(t, v, k1)
				env.Issuer.RemoveKey("k1")
				env.Issuer.SetFault(test.after)
				removed, last := time.Now(), time.Duration(0)
				for time.Since(removed) < test.within+20*time.Minute {
					before := time.Since(removed)
					if _, err := v.Verify(t.Context(), k1); err == nil {
						last = time.Since(removed)
					} else if before > test.within && errors.Is(err, jwks.ErrUnavailable) != test.failing {
						t.Fatalf("%v", err)
					}
					time.Sleep(time.Second)
				}
				if last > test.within {
					t.Errorf("the last one passed after %v, want at most %v", last, test.within)
				}
				if last == 0 || last < test.within-5*time.Minute {
					t.Errorf("the last one passed after %v: the bound of %v is not put to the test", last, test.within)
				}
				if !test.failing {
					testkit.Accept(t, v, k2)
				}
			})
		})
	}
	t.Run("at once when the set is fetched, also after silence", func(t *testing.T) {
		eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
			env, k1, k2 := newEnvWithTwoKeys(t)
			c := env.NewClient()
			v := mode.verifier(t, c, jwks.WithoutAudienceCheck())
			testkit.Accept(t, v, k1)
			testkit.Accept(t, v, k2)
			env.Issuer.RemoveKey("k1")
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			testkit.Refuse(t, v, k1, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
			testkit.Accept(t, v, k2)
			env.Issuer.RemoveKey("k2")
			env.Issuer.AddKey("ES256")
			time.Sleep(24 * time.Hour) // without a lookup
			testkit.Refuse(t, v, k2, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		})
	})
	t.Run("also when another key has its kid now", func(t *testing.T) {
		eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
			env, k1, _ := newEnvWithTwoKeys(t)
			c := env.NewClient(jwks.WithRetention(time.Hour))
			v := mode.verifier(t, c, jwks.WithoutAudienceCheck())
			testkit.Accept(t, v, k1)
			successor := testkit.NewSigner(t, "ES256", "k1")
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + successor.JWK() + `]}`)))
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			testkit.Refuse(t, v, k1, jwt.ErrTokenSignatureInvalid, jwks.ErrTokenInvalid)
			testkit.Accept(t, v, successor.Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		})
	})
}

func TestInvariant18_JunkCostsBoundedFetches(t *testing.T) {
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env, k1, k2 := newEnvWithTwoKeys(t)
		c := env.NewClient()
		v := mode.verifier(t, c, jwks.WithoutAudienceCheck())
		testkit.Accept(t, v, k1)
		testkit.Accept(t, v, k2)
		const burst, every, rate, long = 5, 30 * time.Second, 10, 5 * time.Minute
		env.TakeRequests("")
		attacker := testkit.NewSigner(t, "ES256", "k1")
		claims := `{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`
		forged := attacker.Token(claims)
		start := time.Now()
		for i := 0; time.Since(start) < long; i++ {
			for _, junk := range []string{attacker.Sign(fmt.Sprintf(`{"alg":"ES256","kid":"junk-%d"}`, i), claims), forged} {
				var err error
				if took := testkit.Measure(func() { _, err = v.Verify(t.Context(), junk) }); took != 0 || !errors.Is(err, jwks.ErrTokenInvalid) {
					t.Fatalf("junk took %v: %v", took, err)
				}
			}
			if took := testkit.Measure(func() { testkit.Accept(t, v, k1) }); took != 0 {
				t.Fatalf("a token with a known kid took %v beside it", took)
			}
			time.Sleep(time.Second / rate)
		}
		budget := burst + int(long/every)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n > budget || n < budget/2 {
			t.Errorf("%d fetches, want at most %d, and some", n, budget)
		}
		// The budget is spent, and a key that left lately has another one: an
		// issuer that takes it back is believed at once.
		flood := func() {
			testkit.Refuse(t, v, attacker.Sign(`{"alg":"ES256","kid":"more"}`, claims), jwks.ErrKeyNotFound)
		}
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + testkit.NewSigner(t, "ES256", "k9").JWK() + `]}`)))
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		flood()
		env.Issuer.SetJWKSFault(jwkstest.None())
		env.TakeRequests("")
		flood()
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests for junk: the budget is not spent", n)
		}
		testkit.Accept(t, v, k2)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d fetches for a kid that left lately, want 1", n)
		}
	})
}

func TestInvariant19_MissesShareAFetch(t *testing.T) {
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env, k1, _ := newEnvWithTwoKeys(t)
		v := mode.verifier(t, env.NewClient(), jwks.WithoutAudienceCheck())
		env.Issuer.SetFault(jwkstest.Delay(2 * time.Second)) // 4 s for both documents
		start := time.Now()
		var wait sync.WaitGroup
		for i := range 300 {
			patience := []time.Duration{0, time.Second, 3 * time.Second, time.Minute}[i%4]
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if i == 1 { // the first of all may be one that goes
					cancel()
				}
				defer cancel()
				_, err := v.Verify(ctx, k1)
				switch took := time.Since(start); {
				case i == 1:
					if took != 0 || !errors.Is(err, context.Canceled) || !errors.Is(err, jwks.ErrUnavailable) {
						t.Errorf("cancelled: %v after %v", err, took)
					}
				case patience < 4*time.Second:
					if took != patience || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, jwks.ErrUnavailable) {
						t.Errorf("with %v: %v after %v", patience, err, took)
					}
				default:
					if took != 4*time.Second || err != nil {
						t.Errorf("with %v: %v after %v", patience, err, took)
					}
				}
			})
		}
		wait.Wait()
		if n := env.Issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("%+v for 300 callers", n)
		}
	})
	t.Run("a hung issuer costs each what it has patience for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			env, k1, _ := newEnvWithTwoKeys(t)
			v := cacheMode{}.verifier(t, env.NewClient(), jwks.WithoutAudienceCheck())
			env.Issuer.SetFault(jwkstest.Hang())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if took := testkit.Measure(func() { _, _ = v.Verify(ctx, k1) }); took != time.Second {
				t.Errorf("took %v", took)
			}
			if took := testkit.Measure(func() { _, _ = v.Verify(t.Context(), k1) }); took > 15*time.Second {
				t.Errorf("without a deadline of its own: %v", took)
			}
			env.Issuer.SetFault(jwkstest.None())
			time.Sleep(time.Minute)
			testkit.Accept(t, v, k1)
		})
	})
}

func TestInvariant20_FetchesAreLimited(t *testing.T) {
	for _, opts := range [][]jwks.ClientOption{
		{jwks.WithIssuer("http://issuer.example")}, {jwks.WithJWKSURL("http://issuer.example/jwks")}, {jwks.WithDiscoveryURL("http://10.0.0.1/d")}, {jwks.WithJWKSURL("file:///etc/passwd")}, {jwks.WithJWKSURL("ftp://issuer.example/jwks")},
	} {
		if _, err := jwks.NewClient(opts...); !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("a URL that is not https: %v", err)
		}
	}
	good := testkit.NewSigner(t, "ES256", "new")
	document := `{"keys":[` + good.JWK() + `]}`
	const limit = 1 << 20
	padded := func(n int) string { return document + strings.Repeat(" ", n-len(document)) }
	hops := func(n int) func(*http.Request) *http.Response { // n redirects, then the document
		return func(r *http.Request) *http.Response {
			if left := len(strings.TrimPrefix(r.URL.RawQuery, "hop")); left < n {
				return testkit.Response(302, "", "Location", r.URL.Path+"?hop"+strings.Repeat("x", left+1))
			}
			return testkit.Response(200, document)
		}
	}
	for _, test := range []struct {
		rule  string
		reply func(*http.Request) *http.Response
		good  bool
	}{
		{"200", func(*http.Request) *http.Response { return testkit.Response(200, document) }, true},
		{"201", func(*http.Request) *http.Response { return testkit.Response(201, document) }, false},
		{"203", func(*http.Request) *http.Response { return testkit.Response(203, document) }, false},
		{"204", func(*http.Request) *http.Response { return testkit.Response(204, document) }, false},
		{"206", func(*http.Request) *http.Response { return testkit.Response(206, document) }, false},
		{"300", func(*http.Request) *http.Response { return testkit.Response(300, document) }, false},
		{"304", func(*http.Request) *http.Response { return testkit.Response(304, document) }, false}, // Refresh has no condition
		{"404", func(*http.Request) *http.Response { return testkit.Response(404, document) }, false},
		{"500", func(*http.Request) *http.Response { return testkit.Response(500, document) }, false},
		{"as much as allowed", func(*http.Request) *http.Response { return testkit.Response(200, padded(limit)) }, true},
		{"a byte more", func(*http.Request) *http.Response { return testkit.Response(200, padded(limit+1)) }, false},
		{"a byte more than it says", func(*http.Request) *http.Response {
			resp := testkit.Response(200, padded(limit+1))
			resp.ContentLength = 10
			return resp
		}, false},
		{"no end", func(*http.Request) *http.Response {
			resp := testkit.Response(200, "")
			resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(document), endless{})), -1
			return resp
		}, false},
		{"a truncated body", func(*http.Request) *http.Response {
			resp := testkit.Response(200, document)
			resp.ContentLength++
			return resp
		}, false},
		{"a byte a second", func(*http.Request) *http.Response {
			resp := testkit.Response(200, "")
			resp.Body, resp.ContentLength = io.NopCloser(drip{strings.NewReader(document)}), -1
			return resp
		}, false},
		{"three redirects", hops(3), true},
		{"four redirects", hops(4), false},
		{"a redirect to http", func(r *http.Request) *http.Response {
			if r.URL.Scheme == "http" {
				return testkit.Response(200, document)
			}
			return testkit.Response(302, "", "Location", strings.Replace(r.URL.String(), "https", "http", 1))
		}, false},
	} {
		testkit.Bubble(t, test.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			env.EditResponses(func(_ *http.Request, resp *http.Response) { resp.Header.Set("Set-Cookie", "session=1; Path=/") })
			c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: env, Jar: jar}), jwks.WithRetries(0))
			testkit.WantKey(t, c, "k1")
			env.ReplyWith(func(r *http.Request) *http.Response {
				if !strings.HasSuffix(r.URL.Path, testkit.KeySetPath) {
					return nil
				}
				resp := test.reply(r)
				resp.Header.Set("Set-Cookie", "session=2; Path=/")
				return resp
			})
			var fetchErr error
			if took := testkit.Measure(func() { _, fetchErr = c.Refresh(t.Context()) }); took > 15*time.Second {
				t.Errorf("takes %v", took)
			}
			if test.good != (fetchErr == nil) {
				t.Errorf("%v", fetchErr)
			}
			if fetchErr != nil {
				testkit.WantError(t, fetchErr, jwks.ErrUnavailable)
				testkit.WantKey(t, c, "k1") // which the failure did not touch
			}
			env.ReplyWith(nil)
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			for _, r := range env.TakeRequests("") {
				if r.Header.Get("Cookie") != "" {
					t.Errorf("the cookie %q was sent to %s", r.Header.Get("Cookie"), r.Path)
				}
			}
		})
	}
}

// drip gives a byte a second.
type drip struct{ io.Reader }

func (d drip) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return d.Reader.Read(p[:1])
}
