package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// pausing delays some calls, or all, whatever their context says.
func pausing(d time.Duration, calls ...string) func(context.Context, string) error {
	return func(_ context.Context, call string) error {
		if len(calls) == 0 || slices.Contains(calls, call) {
			time.Sleep(d)
		}
		return nil
	}
}

// failing fails some calls, or all.
func failing(calls ...string) func(context.Context, string) error {
	return func(_ context.Context, call string) error {
		if len(calls) == 0 || slices.Contains(calls, call) {
			return errBroken
		}
		return nil
	}
}

func hanging(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// A store that hangs, is slow, fills up or dies costs no lookup of a known key
// anything, and a cold start at most 250 ms.
func TestFaults_CostNoLookup(t *testing.T) {
	const limit = 250 * time.Millisecond
	for name, test := range map[string]struct {
		fault func(context.Context, string) error
		cold  time.Duration
		told  int
	}{
		"hangs":                         {hanging, limit, 1},
		"hangs and ignores its context": {pausing(24 * time.Hour), limit, 1},
		"is slow":                       {pausing(limit - 1), limit, 1}, // load and lease together are too much for who waits
		"is a little slow":              {pausing(limit / 3), limit * 2 / 3, 0},
		"fills up":                      {failing("save"), 0, 1},
		"dies":                          {failing(), 0, 1},
		"panics":                        {func(context.Context, string) error { panic("boom") }, 0, 1},
		"gives no lease":                {failing("lease"), 0, 1},
		"hangs at the lease":            {pausing(24*time.Hour, "lease"), limit, 1},
		"hangs at saving":               {pausing(24*time.Hour, "save"), 0, 1},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
			defer time.Sleep(48 * time.Hour) // until what was left behind has come back
			s.do(test.fault)
			c := replica(env, s)
			defer c.Close()
			var err error
			if took := testkit.Measure(func() { _, err = c.Key(t.Context(), "k1") }); err != nil || took.Round(time.Microsecond) > test.cold.Round(time.Microsecond) {
				t.Fatalf("cold start: %v after %v, want at most %v", err, took, test.cold)
			}
			testkit.WantKeySteadily(t, c, "k1", 10*time.Second, 2*time.Hour)
			wantTold(t, env, test.told, "")
			if n := len(env.TakeRequests(testkit.KeySetPath)); n < 8 || n > 13 {
				t.Errorf("%d refreshes in two hours", n)
			}
		})
	}
}

// While a store fails it is asked beside the issuer: whoever waits for a key
// does not wait for the store. Once it answers again it is asked first.
func TestFaults_AskedBesideTheIssuer(t *testing.T) {
	testkit.Bubble(t, "unknown keys", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		s.do(hanging)
		a, b := replica(env, s, jwks.WithRefreshLimit(time.Second, 10)), replica(env, newShelf())
		testkit.WantKeyWithin(t, a, "k1", 250*time.Millisecond)
		for i := range 5 {
			time.Sleep(10 * time.Second)
			env.Issuer.Rotate()
			testkit.WantKey(t, a, fmt.Sprintf("k%d", i+2))
		}
		wantTold(t, env, 1, "did not answer within 250ms")
		s.do(nil)
		time.Sleep(10 * time.Second)
		env.Issuer.Rotate()
		testkit.WantKey(t, a, "k7") // the store is asked beside, and answers
		synctest.Wait()
		time.Sleep(10 * time.Second)
		env.Issuer.Rotate()
		testkit.WantKey(t, a, "k8")
		if loads, saves := s.counts(); loads != 2 || saves == 0 {
			t.Errorf("%d loads and %d saves since it works", loads, saves)
		}
		s.do(failing())
		time.Sleep(10 * time.Second)
		env.Issuer.Rotate()
		testkit.WantKey(t, a, "k9")
		wantTold(t, env, 1, "connection refused") // another spell
		_ = b
	})
	testkit.Bubble(t, "a cold start in an outage", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		env.Issuer.SetFault(jwkstest.DropConnection())
		s.do(failing())
		c := replica(env, s)
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		s.do(nil)
		for begun := time.Now(); ; time.Sleep(time.Second) {
			if _, err = c.Key(t.Context(), "k1"); err == nil {
				break
			}
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("the store works again, and: %v", err)
			}
		}
	})
}

// After a call that failed the same refresh makes no other.
func TestFaults_OneCallARefresh(t *testing.T) {
	for _, broken := range []string{"load", "lease"} {
		testkit.Bubble(t, broken, func(t *testing.T) {
			env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
			var calls []string
			s.do(func(_ context.Context, call string) error {
				calls = append(calls, call)
				return failing(broken)(nil, call)
			})
			testkit.MustReady(t, replica(env, s))
			synctest.Wait()
			if last := calls[len(calls)-1]; last != broken {
				t.Errorf("%v", calls)
			}
		})
	}
}

// Saving delays nobody who waits for keys.
func TestFaults_SavingDelaysNobody(t *testing.T) {
	testkit.Bubble(t, "a slow store", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		s.do(pausing(200*time.Millisecond, "save"))
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		synctest.Wait() // the first is being saved
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
		testkit.MustRefresh(t, c)
		if took := testkit.Measure(func() { testkit.WantNoError(t, c.Close()) }); took > 500*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		if _, saves := s.counts(); saves != 2 { // the one under way and the newest
			t.Errorf("%d saves", saves)
		}
	})
}

// A spell of failing is one warning with the word store in it.
func TestFaults_LoggedOnceASpell(t *testing.T) {
	testkit.Bubble(t, "two spells", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		var log bytes.Buffer
		c := replica(env, s, jwks.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))))
		for range 2 {
			s.do(failing())
			for range 3 {
				testkit.MustRefresh(t, c)
				synctest.Wait()
			}
			s.do(nil)
			testkit.MustRefresh(t, c)
			synctest.Wait()
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "store") || !strings.Contains(lines[0], "connection refused") {
			t.Errorf("%s", log.String())
		}
	})
}
