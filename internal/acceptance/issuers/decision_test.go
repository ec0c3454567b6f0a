package issuers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// A withdrawn tenant is refused at the latest one WithDecisionTTL later, two if
// the function fails, and at once after Forget; its client is closed.
func TestDecision_WithdrawnTenant(t *testing.T) {
	const ttl = 10 * time.Minute
	var withdrawn, failing bool
	calls := 0
	setup := func(t *testing.T) (*town, *jwks.Issuers, *jwks.Verifier, *jwks.Client) {
		withdrawn, failing, calls = false, false, 0
		w := newTown(t)
		s := w.issuers(t, jwks.WithDecisionTTL(ttl), jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) {
			calls++
			switch {
			case failing:
				return nil, errDatabase
			case withdrawn:
				return nil, jwks.ErrIssuerNotTrusted
			}
			return nil, nil
		}))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		testkit.Accept(t, v, w.token(0))
		c, err := s.Client(t.Context(), tenantName(0))
		testkit.WantNoError(t, err)
		return w, s, v, c
	}
	lastAccepted := func(t *testing.T, v *jwks.Verifier, token string, step time.Duration) (last time.Duration) {
		began := time.Now()
		for time.Since(began) < 4*ttl {
			if _, err := v.Verify(t.Context(), token); errors.Is(err, jwks.ErrIssuerNotTrusted) || errors.Is(err, jwks.ErrUnavailable) {
				return last
			}
			last = time.Since(began)
			time.Sleep(step)
		}
		t.Fatal("never refused")
		return 0
	}
	closed := func(t *testing.T, c *jwks.Client) {
		t.Helper()
		_, err := c.KeySet(t.Context())
		testkit.WantError(t, err, jwks.ErrClosed)
	}
	for _, step := range []time.Duration{time.Second, time.Minute, 9 * time.Minute, 11 * time.Minute} {
		testkit.Bubble(t, fmt.Sprintf("with traffic every %v", step), func(t *testing.T) {
			w, _, v, c := setup(t)
			withdrawn = true
			if got := lastAccepted(t, v, w.token(0), step); got > ttl {
				t.Errorf("accepted after %v", got)
			}
			closed(t, c)
		})
		testkit.Bubble(t, fmt.Sprintf("while the function fails, every %v", step), func(t *testing.T) {
			w, _, v, _ := setup(t)
			withdrawn, failing = true, true
			if got := lastAccepted(t, v, w.token(0), step); got+step < 2*ttl || got > 2*ttl {
				t.Errorf("accepted until %v", got)
			}
			if calls > 30 {
				t.Errorf("the function was asked %d times", calls)
			}
			failing = false
			testkit.Refuse(t, v, w.token(0), jwks.ErrIssuerNotTrusted)
		})
	}
	testkit.Bubble(t, "after Forget", func(t *testing.T) {
		w, s, v, c := setup(t)
		withdrawn = true
		testkit.Accept(t, v, w.token(0))
		s.Forget(tenantName(0))
		closed(t, c)
		testkit.RefuseOnce(t, v, w.token(0), jwks.ErrIssuerNotTrusted)
		testkit.RefuseOnce(t, v, w.token(0), jwks.ErrIssuerNotTrusted)
		if calls != 2 {
			t.Errorf("asked %d times: a no holds for a while", calls)
		}
		withdrawn = false
		time.Sleep(30 * time.Second)
		testkit.RefuseOnce(t, v, w.token(0), jwks.ErrIssuerNotTrusted)
		s.Forget(tenantName(0)) // drops the no as well
		testkit.Accept(t, v, w.token(0))
	})
	testkit.Bubble(t, "a no holds for a minute at most", func(t *testing.T) {
		w, s, v, _ := setup(t)
		withdrawn = true
		s.Forget(tenantName(0))
		testkit.RefuseOnce(t, v, w.token(0), jwks.ErrIssuerNotTrusted)
		withdrawn = false
		time.Sleep(time.Minute)
		testkit.Accept(t, v, w.token(0))
	})
}

// TestDecision_Renewed: from 80 % of its TTL on, a yes is asked for anew in the
// background, once at a time, and counts from when the function was called. After
// a failure the function is left alone for a tenth of the TTL, at most a minute.
func TestDecision_Renewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 10 * time.Minute
		calls := 0
		var takes time.Duration
		w := newTown(t)
		s := w.issuers(t, jwks.WithDecisionTTL(ttl), jwks.TrustIssuerFunc(func(ctx context.Context, _ string) ([]jwks.ClientOption, error) {
			calls++
			select {
			case <-time.After(takes):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}))
		v, began := testkit.NewSourceVerifier(t, s, testkit.AtNow()), time.Now()
		for _, step := range []struct {
			at    time.Duration
			takes time.Duration // the function, from now on
			calls int           // of it, once a token was verified
		}{
			{0, 0, 1},
			{8*time.Minute - 1, 3 * time.Second, 1},
			{8 * time.Minute, 3 * time.Second, 2},
			{8*time.Minute + 2*time.Second, 3 * time.Second, 2},
			{10*time.Minute + 1, 0, 2},
			{16*time.Minute - 1, time.Hour, 2},
			{16 * time.Minute, time.Hour, 3},
			{16*time.Minute + 15*time.Second - 1, time.Hour, 3},
			{17*time.Minute + 15*time.Second - 1, 0, 3},
			{17*time.Minute + 15*time.Second, 0, 4},
			{25*time.Minute + 15*time.Second - 1, 0, 4},
			{25*time.Minute + 15*time.Second, 0, 5},
		} {
			time.Sleep(time.Until(began.Add(step.at)))
			takes = step.takes
			testkit.Accept(t, v, w.token(0))
			synctest.Wait()
			if waited := time.Since(began) - step.at; waited != 0 || calls != step.calls {
				t.Errorf("%v: %d calls, want %d; the token waited %v", step.at, calls, step.calls, waited)
			}
		}
	})
}

func TestDecision_OptionsRefused(t *testing.T) {
	for _, d := range []time.Duration{0, -1} {
		if _, err := jwks.NewIssuers(jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithDecisionTTL(d)); !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("%v: %v", d, err)
		}
	}
	s, err := jwks.NewIssuers(jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithDecisionTTL(1))
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, s.Close())
}
