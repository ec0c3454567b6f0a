package store

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwksstore"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A replica that is restarted at any minute of an outage verifies its first
// token at once, as long as the set of the first fetcher would serve.
func TestRestart_EveryMinuteOfAnOutage(t *testing.T) {
	for name, opts := range map[string][]jwks.ClientOption{
		"without discovery": nil,
		"no retries":        {jwks.WithRetries(0)},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env, s := testkit.NewEnv(t), jwksstore.Memory()
			fetched := time.Now()
			text := token(env)
			fill(t, env, s, opts...)
			time.Sleep(time.Second)
			env.Issuer.SetFault(jwkstest.Status(503))
			for minute := range 80 {
				time.Sleep(time.Until(fetched.Add(time.Duration(minute)*time.Minute + time.Second)))
				c := replica(env, s, opts...)
				v := verifier(t, c)
				age := time.Since(fetched)
				var err error
				took := testkit.Measure(func() { _, err = v.Verify(t.Context(), text) })
				if age >= testkit.DefaultTTL+time.Hour {
					testkit.WantError(t, err, jwks.ErrUnavailable)
				} else if err != nil || took > 0 {
					t.Fatalf("after %v: %v, after %v", age, err, took)
				} else {
					want := jwks.StateFresh
					if age >= testkit.DefaultTTL {
						want = jwks.StateStale
					}
					if st := c.Status(); !st.Stored.Equal(fetched) || !st.FetchedAt.Equal(fetched) || st.State != want ||
						!st.ExpiresAt.Equal(fetched.Add(testkit.DefaultTTL)) || !st.StaleUntil.Equal(fetched.Add(testkit.DefaultTTL+time.Hour)) {
						t.Fatalf("after %v: %+v", age, st)
					}
				}
				testkit.WantNoError(t, c.Close())
			}
		})
	}
}

// With discovery the document comes from the store as well.
func TestRestart_WithDiscovery(t *testing.T) {
	testkit.Bubble(t, "one document in the store, none asked for", func(t *testing.T) {
		env, s := testkit.NewEnv(t), jwksstore.Memory()
		options := jwks.WithStore(s, secret)
		first := env.NewClient(options)
		testkit.MustReady(t, first)
		synctest.Wait()
		env.TakeRequests("")
		env.Issuer.SetFault(jwkstest.DropConnection())
		c := env.NewClient(options)
		testkit.Accept(t, testkit.NewSourceVerifier(t, c), env.Issuer.Sign(nil))
		m, err := c.Metadata(t.Context())
		if err != nil || m.JWKSURI != env.Issuer.JWKSURL() {
			t.Errorf("%+v, %v", m, err)
		}
		if got := env.TakeRequests(""); len(got) != 0 {
			t.Errorf("%v", got)
		}
		if st := c.Status(); st.Fetches != 0 || st.Stored.IsZero() || st.JWKSURL != env.Issuer.JWKSURL() || st.Hash != first.Status().Hash || !first.Status().Stored.IsZero() {
			t.Errorf("%+v\n%+v", st, first.Status())
		}
	})
	testkit.Bubble(t, "the issuer that a document named", func(t *testing.T) {
		env, s := testkit.NewEnv(t), jwksstore.Memory()
		client := func() *jwks.Client {
			return env.NewClientWithoutIssuer(jwks.WithDiscoveryURL(env.Issuer.URL()+testkit.DiscoveryPath), jwks.WithStore(s, secret))
		}
		testkit.MustReady(t, client())
		synctest.Wait()
		env.Issuer.SetFault(jwkstest.DropConnection())
		c := client()
		testkit.Accept(t, testkit.NewSourceVerifier(t, c), env.Issuer.Sign(nil))
		testkit.Refuse(t, testkit.NewSourceVerifier(t, c), env.Issuer.Sign(map[string]any{"iss": "https://other.example"}), jwks.ErrTokenInvalid)
		if st := c.Status(); st.Issuer != env.Issuer.URL() {
			t.Errorf("%+v", st)
		}
	})
}

// One past its TTL answers when an attempt at the issuer has failed, and not
// before: the issuer may have removed a key since.
func TestRestart_StaleWaitsForOneAttempt(t *testing.T) {
	testkit.Bubble(t, "an issuer that hangs", func(t *testing.T) {
		env, s := testkit.NewEnv(t), jwksstore.Memory()
		fill(t, env, s)
		env.Issuer.SetFault(jwkstest.Hang())
		time.Sleep(20 * time.Minute)
		c := replica(env, s)
		var err error
		if took := testkit.Measure(func() { _, err = c.Key(t.Context(), "k1") }); err != nil || took != 5*time.Second {
			t.Errorf("%v after %v, want one attempt of 5s", err, took)
		}
		testkit.WantKeySteadily(t, c, "k1", time.Second, 10*time.Minute)
	})
	testkit.Bubble(t, "an issuer that answers", func(t *testing.T) {
		env, s := testkit.NewEnv(t), jwksstore.Memory()
		fill(t, env, s)
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		time.Sleep(20 * time.Minute)
		c := replica(env, s)
		testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		testkit.WantKey(t, c, "k2")
		wantRequests(t, env, 1)
	})
	testkit.Bubble(t, "a key that it lacks is waited for", func(t *testing.T) {
		env, s := testkit.NewEnv(t), jwksstore.Memory()
		fill(t, env, s)
		env.Issuer.Rotate()
		time.Sleep(20 * time.Minute)
		testkit.WantKey(t, replica(env, s), "k2")
		wantRequests(t, env, 1)
	})
}

// Over all restarts and replicas a removed key is refused when the first fetcher
// would have refused it.
func TestRestart_RemovedKeyEndsInTime(t *testing.T) {
	for name, down := range map[string]bool{"the issuer answers": false, "the issuer is down": true} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
			fetched := time.Now()
			fill(t, env, s)
			env.Issuer.Rotate()
			env.Issuer.RemoveKey("k1")
			last := testkit.DefaultTTL + deadline
			if down {
				env.Issuer.SetFault(jwkstest.Status(503))
				last = testkit.DefaultTTL + time.Hour
			}
			replicas := make([]*jwks.Client, 5)
			accepted := time.Duration(0)
			for time.Since(fetched) < 90*time.Minute {
				i := rand.IntN(len(replicas))
				if c := replicas[i]; c == nil || rand.IntN(30) == 0 {
					if c != nil {
						testkit.WantNoError(t, c.Close())
					}
					replicas[i] = replica(env, s)
				}
				for _, c := range replicas {
					if c == nil {
						continue
					}
					if _, err := c.Key(t.Context(), "k1"); err == nil {
						accepted = time.Since(fetched)
					}
				}
				time.Sleep(5 * time.Second)
			}
			if accepted >= last || down && accepted < last-time.Minute {
				t.Errorf("accepted until %v after the first fetch, want until %v", accepted, last)
			}
		})
	}
}

// A newer set than the one at hand is taken without asking the issuer, when the
// age of that one or an unknown key asks for it.
func TestAdoption_NewerSets(t *testing.T) {
	testkit.Bubble(t, "when age asks for it", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		a, b := replica(env, s), replica(env, s)
		testkit.MustReady(t, a)
		synctest.Wait()
		testkit.MustReady(t, b)
		time.Sleep(10 * time.Minute)
		env.Issuer.Rotate()
		testkit.MustRefresh(t, a)
		at := time.Now()
		wantRequests(t, env, 2)
		time.Sleep(testkit.DefaultTTL - 10*time.Minute - time.Second)
		testkit.WantKey(t, b, "k1") // begins a refresh in the background
		synctest.Wait()
		env.TakeEvents()
		testkit.WantKey(t, b, "k2")
		wantRequests(t, env, 0)
		if st := b.Status(); !st.Stored.Equal(at) || !st.ExpiresAt.Equal(at.Add(testkit.DefaultTTL)) || st.Fetches != 0 || st.State != jwks.StateFresh {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "when an unknown key asks for it", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		a, b := replica(env, s), replica(env, s)
		testkit.MustReady(t, a)
		synctest.Wait()
		testkit.MustReady(t, b)
		time.Sleep(time.Minute)
		env.Issuer.Rotate()
		testkit.WantKey(t, a, "k2")
		synctest.Wait()
		wantRequests(t, env, 2)
		testkit.WantKey(t, b, "k2")
		wantRequests(t, env, 0)
		time.Sleep(time.Second)
		env.Issuer.Rotate() // and a third key, which the store lacks
		testkit.WantKey(t, b, "k3")
		wantRequests(t, env, 1)
		synctest.Wait()
		testkit.WantKey(t, a, "k3")
		wantRequests(t, env, 0)
	})
	testkit.Bubble(t, "newer, and it lacks the key all the same", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		a, b := replica(env, s), replica(env, s)
		testkit.MustReady(t, b)
		time.Sleep(time.Minute)
		testkit.MustRefresh(t, a)
		synctest.Wait()
		env.Issuer.Rotate()
		wantRequests(t, env, 2)
		testkit.WantKey(t, b, "k2") // its first token verifies
		wantRequests(t, env, 1)
		for range 3 {
			testkit.WantNoKey(t, b, "junk", jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		}
		wantRequests(t, env, 1)
	})
	testkit.Bubble(t, "an older one is not", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		name, old := s.only(t)
		c := replica(env, s)
		testkit.MustReady(t, c)
		time.Sleep(30 * time.Second)
		testkit.MustRefresh(t, c)
		synctest.Wait()
		s.put(name, old)
		wantRequests(t, env, 1)
		testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound)
		wantRequests(t, env, 1)
		wantTold(t, env, 0, "") // as when two replicas save in another order than they fetched
	})
	testkit.Bubble(t, "a seed gives way to it", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		other := testkit.NewSigner(t, "ES256", "seed")
		c := replica(env, s, jwks.WithKeySet(testkit.KeySetOf(t, other)), jwks.WithRetention(time.Hour))
		testkit.WantKey(t, c, "k1")
		wantRequests(t, env, 0)
		testkit.WantNoKey(t, c, "seed", jwks.ErrKeyNotFound)
	})
}

// Refresh and a bad signature always ask the issuer, and save.
func TestAdoption_DoubtsGoPastTheStore(t *testing.T) {
	testkit.Bubble(t, "Refresh", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		c := replica(env, s)
		testkit.MustRefresh(t, c)
		wantRequests(t, env, 1)
		if loads, saves := s.counts(); loads != 1 || saves != 2 {
			t.Errorf("%d loads and %d saves", loads, saves)
		}
		if st := c.Status(); !st.Stored.IsZero() {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "Refresh while the store is asked", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		c := replica(env, s)
		s.do(pausing(100*time.Millisecond, "load"))
		go func() { _ = c.Ready(t.Context()) }()
		synctest.Wait()
		testkit.MustRefresh(t, c)
		wantRequests(t, env, 1)
	})
	testkit.Bubble(t, "a bad signature", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		a, b := replica(env, s), replica(env, s)
		testkit.MustReady(t, b)
		time.Sleep(time.Minute)
		testkit.MustRefresh(t, a)
		synctest.Wait()
		wantRequests(t, env, 2)
		loads, saves := s.counts()
		text := token(env)
		testkit.RefuseOnce(t, verifier(t, b), text[:len(text)-8]+"AAAAAAAA", jwks.ErrTokenInvalid)
		wantRequests(t, env, 1)
		if l, n := s.counts(); l != loads || n != saves+1 {
			t.Errorf("%d loads and %d saves for a bad signature", l-loads, n-saves)
		}
	})
}

// The log, errors and the status say how old the set is.
func TestAdoption_SaysHowOld(t *testing.T) {
	testkit.Bubble(t, "12 minutes", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		time.Sleep(12 * time.Minute)
		var log bytes.Buffer
		c := replica(env, s, jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		testkit.MustReady(t, c)
		if text := log.String(); !strings.Contains(text, "level=INFO") || !strings.Contains(text, "taken from the store") || !strings.Contains(text, "age=12m0s") {
			t.Errorf("%s", text)
		}
		if err := testkit.WantNoKey(t, c, "k2", jwks.ErrKeyNotFound); !strings.Contains(err.Error(), "fetched 0s ago") {
			t.Errorf("%v", err) // the issuer was asked for it
		}
		env.Issuer.SetFault(jwkstest.Status(503))
		c = replica(env, s, jwks.WithRefreshLimit(time.Minute, 0))
		time.Sleep(time.Minute)
		if err := testkit.WantNoKey(t, c, "k3", jwks.ErrKeyNotFound, jwks.ErrTokenInvalid); !strings.Contains(err.Error(), "fetched 1m0s ago and taken from the store") {
			t.Errorf("%v", err)
		}
	})
}

// So does Explain.
func TestAdoption_ExplainSaysHowOld(t *testing.T) {
	testkit.Bubble(t, "5 minutes", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		c := replica(env, s)
		testkit.MustReady(t, c)
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		explained := func(source jwks.KeySource) string {
			for _, step := range verifier(t, source).Explain(t.Context(), token(env)).Steps {
				if step.Name == "keys" {
					return step.Detail
				}
			}
			return ""
		}
		options := jwks.WithClientOptions(jwks.WithHTTPClient(env.HTTPClient()))
		listed, err := jwks.NewIssuers(jwks.TrustIssuer(env.Issuer.URL(), jwks.WithJWKSURL(env.Issuer.JWKSURL()), jwks.WithStore(s, secret)), options)
		testkit.WantNoError(t, err)
		defer listed.Close()
		for want, source := range map[string]jwks.KeySource{
			", fetched 5m0s ago":                           c,
			", fetched 5m0s ago and taken from the store":  replica(env, s),
			", fetched 5m0s ago and taken from the store ": listed,
		} {
			if got := explained(source); !strings.HasSuffix(got, strings.TrimSpace(want)) || !strings.HasPrefix(got, "1 candidate: ") {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

// What a 304 confirms is saved with its new date, and a replica can go on with
// the validators of another.
func TestAdoption_Validators(t *testing.T) {
	testkit.Bubble(t, "a record's", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		for range 3 {
			time.Sleep(14 * time.Minute) // another restart: the record is due
			c := replica(env, s)
			testkit.WantKey(t, c, "k1")
			time.Sleep(time.Minute - time.Second)
			testkit.WantKey(t, c, "k1")
			synctest.Wait()
			if st := c.Status(); st.NotModified != 1 || st.Fetches != 1 || !st.Stored.IsZero() {
				t.Errorf("%+v", st)
			}
			testkit.WantNoError(t, c.Close())
		}
		if got := env.TakeRequests(testkit.KeySetPath); len(got) != 3 {
			t.Errorf("%v", got)
		}
		time.Sleep(14 * time.Minute) // in every hour one asks for the whole, whoever it is
		c := replica(env, s)
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Minute - time.Second)
		testkit.WantKey(t, c, "k1")
		synctest.Wait()
		if st := c.Status(); st.NotModified != 0 || st.Fetches != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// The operator's issuer and places decide which record it is.
func TestRecord_Names(t *testing.T) {
	testkit.Bubble(t, "three clients, three records", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		testkit.MustReady(t, env.NewClient(jwks.WithStore(s, secret)))
		testkit.MustReady(t, replica(env, s))
		testkit.MustReady(t, env.NewClientWithoutIssuer(jwks.WithJWKSURL(env.Issuer.JWKSURL()), jwks.WithStore(s, secret)))
		names := s.names()
		if len(names) != 3 || len(strings.Join(names, "")) != 3*32 {
			t.Errorf("%q", names)
		}
	})
}
