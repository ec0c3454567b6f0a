package issuers

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A function that never comes back costs at most 10,000 calls; what they were
// about is undecided, and decided on again once they return.
func TestFlood_CallsThatRunOnAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 10_000
		w := newTown(t)
		release := make(chan struct{})
		var running, most atomic.Int64
		s := w.issuers(t, jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			defer running.Add(-1)
			<-release
			return nil, nil
		}))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		for round := range 2 * bound / 1000 {
			for i := range 1000 {
				go func() { _, _ = s.Client(t.Context(), fmt.Sprintf("https://r%d-%d.example", round, i)) }()
			}
			synctest.Wait()
			time.Sleep(15 * time.Second)
			synctest.Wait()
		}
		if got := most.Load(); got < bound || got > bound+1000 {
			t.Errorf("%d calls ran at a time, want about %d", got, bound)
		}
		before := running.Load()
		testkit.RefuseOnce(t, v, w.token(1), jwks.ErrUnavailable)
		if got := running.Load(); got != before {
			t.Error("the function was called all the same")
		}
		close(release)
		synctest.Wait()
		if got := running.Load(); got != 0 {
			t.Fatalf("%d calls run", got)
		}
		testkit.Accept(t, v, w.token(1))
	})
}

// An answer that was asked for before Forget does not count: it may be about
// the time before.
func TestForget_WhileTheFunctionRuns(t *testing.T) {
	for name, second := range map[string]error{"then yes": nil, "then no": jwks.ErrIssuerNotTrusted} {
		testkit.Bubble(t, name, func(t *testing.T) {
			w := newTown(t)
			answers := make(chan error)
			calls := 0
			s := w.issuers(t, jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) {
				calls++
				return nil, <-answers
			}))
			v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
			verified := make(chan error, 1)
			go func() {
				_, err := v.Verify(t.Context(), w.token(0))
				verified <- err
			}()
			synctest.Wait()
			s.Forget(tenantName(0))
			answers <- nil // to the first call
			answers <- second
			if err := <-verified; second == nil {
				testkit.WantNoError(t, err)
			} else {
				testkit.WantError(t, err, second)
			}
			if calls != 2 {
				t.Errorf("the function was asked %d times, want 2", calls)
			}
		})
	}
}

// A token that verifies through a union counts for its tenant as any other:
// names that nobody verified do not push it out.
func TestFlood_UnionTellsWhatVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		other, err := jwks.ParseKeySet([]byte(testkit.KeySetDocument(testkit.NewSigner(t, "ES256", "other").JWK())))
		testkit.WantNoError(t, err)
		union := jwks.AnyOf(other, w.issuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(2)))
		v := testkit.NewSourceVerifier(t, union, testkit.AtNow(), jwks.WithoutIssuerCheck())
		testkit.Accept(t, v, w.token(0))
		for i := range 60 {
			testkit.RefuseOnce(t, v, w.forged(10+i))
		}
		for range 3 {
			testkit.Accept(t, v, w.token(0))
		}
		if got := w.asked["t0.example"]; got != 1 {
			t.Errorf("the verified tenant's keys were fetched %d times", got)
		}
	})
}

// A newcomer whose keys are still being fetched may lose its place to other
// names; its first token verifies all the same, and the next moves in.
func TestFlood_PushedOutBeforeItVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		slow := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "t0.example" {
				time.Sleep(2 * time.Second)
			}
			return w.RoundTrip(r)
		})
		s, err := jwks.NewIssuers(jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(2), jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: slow})))
		testkit.WantNoError(t, err)
		defer s.Close()
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		verified := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), w.token(0))
			verified <- err
		}()
		synctest.Wait()
		for i := range 60 {
			testkit.RefuseOnce(t, v, w.forged(10+i))
		}
		testkit.WantNoError(t, <-verified)
		testkit.Accept(t, v, w.token(0))
		for i := range 60 {
			testkit.RefuseOnce(t, v, w.forged(100+i))
		}
		testkit.Accept(t, v, w.token(0))
		if got := w.asked["t0.example"]; got > 2 {
			t.Errorf("its keys were fetched %d times, want at most twice", got)
		}
	})
}

// Forget closes the client of an issuer that had to make room, too, which calls
// under way keep open: they ask the function anew.
func TestForget_WhileItMakesRoom(t *testing.T) {
	for name, second := range map[string]error{"then yes": nil, "then no": jwks.ErrIssuerNotTrusted} {
		testkit.Bubble(t, name, func(t *testing.T) {
			n := testkit.NewInternet()
			a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
			var calls atomic.Int32 // about a
			s := n.NewIssuers(t, jwks.WithMaxIssuers(1), jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
				if issuer == a.URL() && calls.Add(1) > 1 {
					return nil, second
				}
				return nil, nil
			}))
			v := testkit.NewSourceVerifier(t, s)
			_, err := s.Client(t.Context(), a.URL()) // in use
			testkit.WantNoError(t, err)
			a.SetFault(jwkstest.Delay(3 * time.Second))
			verified := make(chan error, 1)
			go func() {
				_, err := v.Verify(t.Context(), a.Sign(nil))
				verified <- err
			}()
			synctest.Wait()
			testkit.Accept(t, v, b.Sign(nil)) // takes a's place
			s.Forget(a.URL())
			if err := <-verified; second == nil {
				testkit.WantNoError(t, err)
			} else {
				testkit.WantError(t, err, second)
			}
			if calls.Load() != 2 {
				t.Errorf("the function was asked %d times, want 2", calls.Load())
			}
		})
	}
}
