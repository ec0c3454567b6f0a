package issuers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestForIssuerFunc_Answers(t *testing.T) {
	n := testkit.NewInternet()
	a, b, listed := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example"), n.AddIssuer(t, "listed.example")
	asked := map[string]int{}
	var answer func(issuer string) ([]jwks.VerifierOption, error)
	source := n.NewIssuers(t, jwks.TrustIssuers(listed.URL()), jwks.TrustIssuerFunc(testkit.TrustAll()))
	v, err := jwks.NewVerifier(source, jwks.ForIssuer(listed.URL(), jwks.WithAudience("listed")),
		jwks.ForIssuerFunc(func(_ context.Context, issuer string) ([]jwks.VerifierOption, error) {
			asked[issuer]++
			return answer(issuer)
		}))
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("the database is down")
	token := a.Sign(map[string]any{"aud": "a"})
	for rule, test := range map[string]struct {
		opts []jwks.VerifierOption
		err  error
		want []error
	}{
		"an error":                       {nil, down, []error{jwks.ErrUnavailable, down}},
		"an error of the other class":    {nil, jwt.ErrTokenExpired, []error{jwks.ErrUnavailable}},
		"a refusal that is undecided":    {nil, jwks.ErrTokenInvalid, []error{jwks.ErrUnavailable}},
		"a bad option":                   {[]jwks.VerifierOption{jwks.WithAudience()}, nil, []error{jwks.ErrUnavailable}},
		"a nil option":                   {[]jwks.VerifierOption{nil}, nil, []error{jwks.ErrUnavailable}},
		"an option for all":              {[]jwks.VerifierOption{jwks.WithAudience("a"), jwks.WithTokenCache(1)}, nil, []error{jwks.ErrUnavailable}},
		"an expectation that never fits": {[]jwks.VerifierOption{jwks.WithAudience("a"), jwks.WithExpectedIssuer(listed.URL())}, nil, []error{jwks.ErrUnavailable}},
	} {
		clear(asked)
		answer = func(string) ([]jwks.VerifierOption, error) { return test.opts, test.err }
		for range 2 {
			testkit.RefuseOnce(t, v, token, test.want...)
		}
		if asked[a.URL()] != 2 {
			t.Errorf("%s: asked %d times, want 2", rule, asked[a.URL()])
		}
	}
	clear(asked)
	answer = func(issuer string) ([]jwks.VerifierOption, error) {
		if issuer == b.URL() {
			return nil, fmt.Errorf("%w: no contract", jwks.ErrIssuerNotTrusted)
		}
		return []jwks.VerifierOption{jwks.WithAudience("a")}, nil
	}
	for range 3 {
		testkit.Accept(t, v, token)
		testkit.Refuse(t, v, a.Sign(map[string]any{"aud": "b"}), jwt.ErrTokenInvalidAudience)
		testkit.Refuse(t, v, b.Sign(map[string]any{"aud": "a"}), jwks.ErrIssuerNotTrusted)
		testkit.Accept(t, v, listed.Sign(map[string]any{"aud": "listed"}))
		testkit.Refuse(t, v, listed.Sign(map[string]any{"aud": "a"}), jwt.ErrTokenInvalidAudience)
	}
	if fmt.Sprint(asked) != fmt.Sprint(map[string]int{a.URL(): 1, b.URL(): 1}) {
		t.Errorf("asked %v", asked)
	}
}

// TestForIssuerFunc_Lifetime: an answer ends with the issuer's client and with
// the decision, and is asked for once by all who wait.
func TestForIssuerFunc_Lifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		aud, asked := "old", make(chan string, 100)
		source := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1))
		v, err := jwks.NewVerifier(source, jwks.WithTokenCache(8), jwks.ForIssuerFunc(func(_ context.Context, issuer string) ([]jwks.VerifierOption, error) {
			asked <- issuer
			time.Sleep(time.Second)
			return []jwks.VerifierOption{jwks.WithAudience(aud)}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		sign := func(aud string) string {
			return a.Sign(map[string]any{"aud": aud, "exp": time.Now().Add(time.Hour)})
		}
		done := make(chan error)
		for range 10 {
			go func() {
				_, err := v.Verify(t.Context(), sign("old"))
				done <- err
			}()
		}
		for range 10 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if len(asked) != 1 {
			t.Fatalf("asked %d times by 10 at once", len(asked))
		}
		token := sign("old")
		testkit.Accept(t, v, token)
		aud = "new"
		time.Sleep(10 * time.Minute)
		testkit.Accept(t, v, token)
		time.Sleep(5*time.Minute + time.Second)
		testkit.Refuse(t, v, token, jwt.ErrTokenInvalidAudience) // also on a hit of the token cache
		testkit.Accept(t, v, sign("new"))
		if len(asked) != 2 {
			t.Fatalf("asked %d times", len(asked))
		}
		aud = "newer"
		testkit.Accept(t, v, b.Sign(map[string]any{"aud": "newer"})) // takes a's place
		testkit.Accept(t, v, sign("newer"))
		if len(asked) != 4 {
			t.Errorf("asked %d times after the client was evicted", len(asked))
		}
		aud = "newest"
		testkit.Accept(t, v, sign("newer"))
		source.Forget(a.URL())
		testkit.Accept(t, v, sign("newest"))
		if len(asked) != 5 {
			t.Errorf("asked %d times after the issuer was forgotten", len(asked))
		}
	})
}

// TestForIssuerFunc_LongAndShortTTL: an answer ends with the decision on its issuer,
// however long that holds; of several Issuers in a union the shortest counts.
func TestForIssuerFunc_LongAndShortTTL(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"short": time.Minute, "long": 2 * time.Hour} {
		for _, inUnion := range []bool{false, true} {
			testkit.Bubble(t, fmt.Sprint(name, ", in a union: ", inUnion), func(t *testing.T) {
				n := testkit.NewInternet()
				a := n.AddIssuer(t, "a.example")
				aud, asked := "old", 0
				issuers := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithDecisionTTL(ttl))
				var source jwks.KeySource = issuers
				if inUnion {
					source = jwks.AnyOf(n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithDecisionTTL(ttl+time.Hour)), issuers)
				}
				v, err := jwks.NewVerifier(source, jwks.WithTokenCache(8), jwks.ForIssuerFunc(func(context.Context, string) ([]jwks.VerifierOption, error) {
					asked++
					return []jwks.VerifierOption{jwks.WithAudience(aud)}, nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				token := a.Sign(map[string]any{"aud": "old", "exp": time.Now().Add(24 * time.Hour)})
				testkit.AcceptOnce(t, v, token)
				aud = "new"
				time.Sleep(ttl - time.Second)
				testkit.AcceptOnce(t, v, token)
				if asked != 1 {
					t.Errorf("asked %d times within the TTL", asked)
				}
				time.Sleep(2 * time.Second)
				testkit.RefuseOnce(t, v, token, jwt.ErrTokenInvalidAudience)
				if asked != 2 {
					t.Errorf("asked %d times after the TTL", asked)
				}
			})
		}
	}
}

func TestForIssuerFunc_ThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a := n.AddIssuer(t, "a.example")
		release := make(chan struct{})
		var calls atomic.Int32
		v, err := jwks.NewVerifier(n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll())), jwks.ForIssuerFunc(func(context.Context, string) ([]jwks.VerifierOption, error) {
			calls.Add(1)
			<-release
			return []jwks.VerifierOption{jwks.WithoutAudienceCheck()}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = v.Verify(ctx, a.Sign(nil))
		testkit.WantError(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
		took := testkit.Measure(func() { _, err = v.Verify(t.Context(), a.Sign(nil)) })
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if took != 14*time.Second || calls.Load() != 1 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v and %d calls", err, took, calls.Load())
		}
		synctest.Wait()
		took = testkit.Measure(func() { _, err = v.Verify(t.Context(), a.Sign(nil)) })
		if took != 15*time.Second || calls.Load() != 2 {
			t.Errorf("%v after %v and %d calls, want a new one", err, took, calls.Load())
		}
		close(release)
		synctest.Wait()
		testkit.Accept(t, v, a.Sign(nil))
	})
}

func TestForIssuerFunc_ThatPanics(t *testing.T) {
	n := testkit.NewInternet()
	a := n.AddIssuer(t, "a.example")
	v, err := jwks.NewVerifier(n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll())), jwks.ForIssuerFunc(func(context.Context, string) ([]jwks.VerifierOption, error) {
		panic("secret")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := testkit.Refuse(t, v, a.Sign(nil), jwks.ErrUnavailable); strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
