package store

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// fleet is replicas that share a store.
type fleet []*jwks.Client

func newFleet(env *testkit.Env, n int, s jwks.Store, opts ...jwks.ClientOption) fleet {
	all := make(fleet, n)
	for i := range all {
		all[i] = replica(env, s, opts...)
	}
	return all
}

// serve looks a key up in every replica every step for d, and wants it at once.
func (f fleet) serve(t *testing.T, kid string, step, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) {
		for _, c := range f {
			testkit.WantKey(t, c, kid)
		}
	}
}

// A fleet refreshes once: its replicas ask the issuer about once per TTL for all,
// and a known key never waits.
func TestFleet_OneRefreshForAll(t *testing.T) {
	testkit.Bubble(t, "two hours", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		env.EditResponses(slowly(100 * time.Millisecond))
		all := newFleet(env, 20, s)
		ready := make(chan time.Duration, len(all))
		for _, c := range all { // a cold start of all
			go func() {
				ready <- testkit.Measure(func() { _ = c.Ready(t.Context()) })
			}()
		}
		for range all {
			if took := <-ready; took > time.Second {
				t.Errorf("ready after %v", took)
			}
		}
		wantRequests(t, env, 1)
		began := time.Now()
		all.serve(t, "k1", 2*time.Second, 2*time.Hour)
		n := len(env.TakeRequests(testkit.KeySetPath))
		if ttls := int(time.Since(began) / testkit.DefaultTTL); n < ttls || n > ttls*3/2 {
			t.Errorf("%d requests in %d TTLs", n, ttls)
		}
		if s.length != deadline {
			t.Errorf("a lease of %v, want %v", s.length, deadline)
		}
		wantTold(t, env, 0, "")
	})
}

// The holder of the lease dies in the middle of its fetch: another one takes
// over, and nobody waits.
func TestFleet_TakeOver(t *testing.T) {
	testkit.Bubble(t, "killed", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		env.EditResponses(slowly(20 * time.Millisecond))
		var mu sync.Mutex
		var askers []int
		var all fleet
		for i := range 10 {
			link := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				askers = append(askers, i)
				mu.Unlock()
				return env.RoundTrip(r)
			})
			all = append(all, replica(env, s, jwks.WithHTTPClient(&http.Client{Transport: link})))
		}
		for _, c := range all {
			testkit.WantNoError(t, c.Ready(t.Context()))
			synctest.Wait()
		}
		all.serve(t, "k1", time.Second, 5*time.Minute)
		asked := func() []int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(askers[1:]) // but for the cold start
		}
		env.Issuer.SetFault(jwkstest.Hang())
		for len(asked()) == 0 {
			all.serve(t, "k1", time.Second, time.Second)
		}
		holder := asked()[0]
		died := time.Now()
		testkit.WantNoError(t, all[holder].Close())
		all = slices.Delete(all, holder, holder+1)
		env.Issuer.SetFault(jwkstest.None())
		all.serve(t, "k1", time.Second, 3*time.Minute)
		if n := len(asked()); n < 2 || n > 3 {
			t.Errorf("%d requests, want one of the holder's and one of who took over", n)
		}
		for i, c := range all {
			if st := c.Status(); st.FetchedAt.Before(died) || st.State != jwks.StateFresh {
				t.Errorf("replica %d, %v: %+v", i, died, st)
			}
		}
	})
}

// Whoever has nothing to serve waits for the holder of the lease for two seconds
// at most, and then asks the issuer itself.
func TestFleet_ColdStartWaitsTwoSeconds(t *testing.T) {
	testkit.Bubble(t, "a holder that died", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		s.hold(time.Hour)
		c := replica(env, s)
		testkit.WantKeyWithin(t, c, "k1", 2*time.Second)
		wantRequests(t, env, 1)
	})
	testkit.Bubble(t, "a holder that is done soon", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		env.EditResponses(slowly(300 * time.Millisecond))
		go func() { _ = replica(env, s).Ready(t.Context()) }()
		synctest.Wait()
		testkit.WantKeyWithin(t, replica(env, s), "k1", time.Second)
		wantRequests(t, env, 1)
	})
	testkit.Bubble(t, "a set past its TTL", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		fill(t, env, s)
		time.Sleep(20 * time.Minute)
		s.hold(time.Hour)
		testkit.WantKeyWithin(t, replica(env, s), "k1", 500*time.Millisecond) // it can fall back on that
		wantRequests(t, env, 1)
	})
}

// Whoever serves tries for the lease every two seconds for one lease length, and
// then refreshes without it.
func TestFleet_RefusedForALeaseLength(t *testing.T) {
	testkit.Bubble(t, "for ever", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		fill(t, env, s)
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		s.hold(24 * time.Hour)
		refused, asked := time.Time{}, s.leases()
		for len(env.TakeRequests(testkit.KeySetPath)) == 0 {
			testkit.WantKey(t, c, "k1")
			synctest.Wait()
			if refused.IsZero() && s.leases() > asked {
				refused = time.Now()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(refused); took < deadline || took > deadline+2500*time.Millisecond {
			t.Errorf("it asked the issuer %v after it was refused the lease first", took)
		}
		if n := s.leases() - asked; n < 8 || n > 17 {
			t.Errorf("it asked for the lease %d times", n)
		}
		if st := c.Status(); st.State != jwks.StateFresh || !st.Stored.IsZero() {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "without traffic", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		fill(t, env, s)
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		s.hold(24 * time.Hour)
		time.Sleep(14 * time.Minute)
		testkit.WantKey(t, c, "k1") // begins a refresh
		time.Sleep(deadline - time.Millisecond)
		wantRequests(t, env, 0)
		time.Sleep(2 * time.Second)
		wantRequests(t, env, 1)
		time.Sleep(time.Hour) // and nothing goes on by itself
		wantRequests(t, env, 0)
	})
	testkit.Bubble(t, "closed meanwhile", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		fill(t, env, s)
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		s.hold(24 * time.Hour)
		time.Sleep(14 * time.Minute)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		testkit.WantNoError(t, c.Close())
		time.Sleep(time.Minute)
		wantRequests(t, env, 0)
	})
	testkit.Bubble(t, "the holder's own failure is tried again without it", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		env.Issuer.SetFault(jwkstest.DropConnection())
		c := replica(env, s, jwks.WithRetries(0))
		_, err := c.Key(t.Context(), "k1")
		testkit.WantError(t, err, jwks.ErrUnavailable)
		env.Issuer.SetFault(jwkstest.None())
		time.Sleep(time.Second) // the backoff
		testkit.WantKey(t, c, "k1")
		if n := s.leases(); n != 1 {
			t.Errorf("it asked for the lease %d times", n)
		}
	})
	testkit.Bubble(t, "a TTL shorter than the lease", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		all := newFleet(env, 10, s, jwks.WithTTL(4*time.Second))
		testkit.MustReady(t, all[0])
		synctest.Wait()
		env.TakeRequests("")
		all.serve(t, "k1", 50*time.Millisecond, 2*time.Minute)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n < 30 || n > 60 {
			t.Errorf("%d requests in 30 TTLs", n)
		}
	})
}

// An unknown key and the operator need no lease.
func TestFleet_WhatNeedsNoLease(t *testing.T) {
	testkit.Bubble(t, "held by another one", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		fill(t, env, s)
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		s.hold(time.Hour)
		asked := s.leases()
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k2")
		testkit.MustRefresh(t, c)
		time.Sleep(20 * time.Minute)
		env.Issuer.Rotate()
		testkit.WantKey(t, c, "k3")
		wantRequests(t, env, 3)
		if n := s.leases(); n != asked {
			t.Errorf("it asked for the lease %d times", n-asked)
		}
	})
}

// Without a leaser everybody who finds nothing newer asks the issuer.
func TestFleet_WithoutLeases(t *testing.T) {
	testkit.Bubble(t, "the store is shared all the same", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		all := newFleet(env, 20, s)
		for _, c := range all {
			testkit.MustReady(t, c)
			synctest.Wait()
		}
		wantRequests(t, env, 1)
		all.serve(t, "k1", 5*time.Second, 3*time.Hour)
		if n := len(env.TakeRequests(testkit.KeySetPath)); n < 12 || n > 60 {
			t.Errorf("%d requests in 12 TTLs, want far fewer than %d", n, 12*len(all))
		}
	})
}

// Run and an outage: the whole fleet goes on with what it has, and with what one
// of them gets.
func TestFleet_Outage(t *testing.T) {
	testkit.Bubble(t, "50 minutes", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		all := newFleet(env, 10, s)
		testkit.MustReady(t, all[0])
		synctest.Wait()
		for i, c := range all {
			testkit.WantKey(t, c, "k1")
			if i%2 == 0 {
				go func() { _ = c.Run(t.Context()) }()
			}
		}
		time.Sleep(time.Minute)
		env.Issuer.SetFault(jwkstest.Hang())
		for end := time.Now().Add(50 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			for i, c := range all {
				// Past the TTL the first attempt is waited for once, after a
				// silence; from then on nobody waits.
				testkit.WantKeyWithin(t, c, "k1", 5*time.Second)
				if c.Status().State == jwks.StateExpired {
					t.Fatalf("replica %d expired", i)
				}
			}
		}
		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.Rotate()
		time.Sleep(2 * time.Minute)
		all.serve(t, "k2", time.Second, time.Minute)
	})
}

// A dynamic issuer's set is saved once a token of it has verified.
func TestIssuers_SavedOnceVerified(t *testing.T) {
	for name, loses := range map[string]int{"in the order of things": 0, "when the first tokens are forged": 3} {
		testkit.Bubble(t, name, func(t *testing.T) {
			n, s := testkit.NewInternet(), newShelf()
			issuer := n.AddIssuer(t, "a.example")
			common := jwks.WithClientOptions(jwks.WithStore(s, secret))
			issuers := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), common)
			v := testkit.NewSourceVerifier(t, issuers)
			good := issuer.Sign(nil)
			for i := range loses {
				testkit.RefuseOnce(t, v, good[:len(good)-8]+fmt.Sprintf("AAAAAAA%c", 'A'+4*rune(i)), jwks.ErrTokenInvalid)
			}
			if names := s.names(); len(names) != 0 {
				t.Fatalf("saved before a token verified: %v", names)
			}
			testkit.Accept(t, v, good)
			if names := s.names(); len(names) != 1 {
				t.Fatalf("saved: %v", names)
			}
			issuer.SetFault(jwkstest.DropConnection())
			testkit.Accept(t, testkit.NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), common)), good)
		})
	}
	testkit.Bubble(t, "listed ones at once, each under its name", func(t *testing.T) {
		n, s := testkit.NewInternet(), newShelf()
		n.AddIssuer(t, "a.example")
		n.AddIssuer(t, "b.example")
		issuers := n.NewIssuers(t, jwks.TrustIssuers("https://a.example", "https://b.example"), jwks.WithClientOptions(jwks.WithStore(s, secret)))
		testkit.WantNoError(t, issuers.Ready(t.Context()))
		if names := s.names(); len(names) != 2 {
			t.Errorf("%v", names)
		}
	})
}

// What an issuer that had to make room is still saving is waited for by Close.
func TestIssuers_CloseWaitsForSaves(t *testing.T) {
	testkit.Bubble(t, "of one that had to leave", func(t *testing.T) {
		n, s := testkit.NewInternet(), newShelf()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		first := true
		s.do(func(_ context.Context, call string) error {
			if call == "save" && first {
				first = false
				time.Sleep(200 * time.Millisecond)
			}
			return nil
		})
		issuers := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1), jwks.WithClientOptions(jwks.WithStore(s, secret)))
		v := testkit.NewSourceVerifier(t, issuers)
		testkit.Accept(t, v, a.Sign(nil))
		synctest.Wait()                   // it is being saved
		testkit.Accept(t, v, b.Sign(nil)) // takes a's place
		if took := testkit.Measure(func() { testkit.WantNoError(t, issuers.Close()) }); took != 200*time.Millisecond {
			t.Errorf("Close took %v, want what is left of the save", took)
		}
	})
}
