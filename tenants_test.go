package jwks

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/publicnet"
)

// staticCache is the cache of a client that needs no network.
func staticCache(t *testing.T) *cache {
	t.Helper()
	client, err := NewClient(WithKeySet(ed25519Set(t, 1, "k")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &client.cache
}

// A retired cache closes with its last call, and may be revived until then.
func TestCache_Retirement(t *testing.T) {
	// wantOpen and wantClosed say how a cache answers.
	wantOpen := func(t *testing.T, c *cache) {
		t.Helper()
		if !c.enter() {
			t.Fatal("it takes no call")
		}
		if c.leave(); c.life.Err() != nil || c.hasClosed() || c.closing() {
			t.Error("it has closed")
		}
	}
	wantClosed := func(t *testing.T, c *cache) {
		t.Helper()
		if c.life.Err() == nil || !c.hasClosed() || !c.closing() || c.enter() || c.revive() {
			t.Error("it has not closed")
		}
	}
	t.Run("without a call it closes at once", func(t *testing.T) {
		c := staticCache(t)
		wantOpen(t, c)
		c.retire()
		wantClosed(t, c)
		if left := c.takeLeftover(); left == nil || left.snapshot == nil || c.takeLeftover() != nil {
			t.Errorf("left: %+v, or it can be taken twice", left)
		}
	})
	t.Run("with the last of its calls", func(t *testing.T) {
		c := staticCache(t)
		c.enter()
		c.enter()
		c.retire()
		if c.leave(); c.life.Err() != nil || c.takeLeftover() != nil {
			t.Error("before that")
		}
		c.leave()
		wantClosed(t, c)
	})
	t.Run("whatever they were", func(t *testing.T) {
		c := staticCache(t)
		_, _, _ = c.find(t.Context(), &wanted{any: true})
		_, _ = c.recheck(t.Context(), Header{}, nil, 0)
		_, _ = c.refresh(t.Context())
		c.retire()
		wantClosed(t, c)
	})
	t.Run("revived, it goes on after the last of them", func(t *testing.T) {
		c := staticCache(t)
		c.enter()
		c.retire()
		if !c.revive() {
			t.Fatal("not revived")
		}
		c.leave()
		wantOpen(t, c)
		if c.revive() {
			t.Error("revived without being retired")
		}
		wantOpen(t, c)
		c.retire()
		wantClosed(t, c)
	})
	t.Run("revived after the last of them, before it has closed", func(t *testing.T) {
		c := staticCache(t)
		c.retired.Store(new(leftover))
		c.calls.Store(retiredForCalls)
		if !c.revive() {
			t.Fatal("not revived")
		}
		c.closeUnlessCalled()
		wantOpen(t, c)
	})
	t.Run("one that was never retired leaves nothing", func(t *testing.T) {
		c := staticCache(t)
		if c.close(); c.takeLeftover() != nil || !c.hasClosed() {
			t.Error("it left something, or is open")
		}
	})
	t.Run("who asks while it closes waits for that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for name, ask := range map[string]func(*cache) bool{"closing": (*cache).closing, "hasClosed": (*cache).hasClosed} {
				c := staticCache(t)
				c.calls.Store(closedForCalls)
				for range 3 {
					if c.enter() {
						t.Errorf("%s: it takes a call", name)
					}
				}
				answer := make(chan bool, 1)
				go func() { answer <- ask(c) }()
				if synctest.Wait(); len(answer) > 0 {
					t.Errorf("%s: answered before", name)
				}
				if c.close(); !<-answer {
					t.Errorf("%s: not closed", name)
				}
			}
		})
	})
}

// manyIssuers accepts whoever asks, and counts how often.
func manyIssuers(t *testing.T, asked *int, opts ...IssuersOption) *Issuers {
	t.Helper()
	s, err := NewIssuers(append(opts, TrustIssuerFunc(func(context.Context, string) ([]ClientOption, error) {
		*asked++
		return nil, nil
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// What a caller finds who comes between another's look and its lock.
func TestIssuers_Meanwhile(t *testing.T) {
	const issuer = "https://a.example"
	come := func(t *testing.T, s *Issuers) *tenant {
		t.Helper()
		c, err := s.findTenant(t.Context(), issuer, true)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	isSettled := func(s *Issuers) bool { _, settled, _ := s.roster.Find(issuer); return settled }
	t.Run("a decision that came is not asked for again", func(t *testing.T) {
		asked := 0
		s := manyIssuers(t, &asked)
		c := come(t, s)
		c.askAt.Store(0)
		got, q, err := s.consult(t.Context(), issuer, false)
		if s.busy.Wait(); got != c || q != nil || err != nil || asked != 1 || c.mustAsk(s.clock) {
			t.Errorf("%v, %v, %v after %d calls", got, q, err, asked)
		}
	})
	t.Run("a client that left does not settle in the place of the next", func(t *testing.T) {
		asked := 0
		s := manyIssuers(t, &asked)
		c := come(t, s)
		before, err := s.newTenant(issuer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.settle(before); isSettled(s) {
			t.Error("it did")
		}
		if s.drop(before); !s.isKnown(issuer) {
			t.Error("nor does it take the next along")
		}
		if s.settle(c); !isSettled(s) {
			t.Error("the next did not")
		}
		if s.settle(before); s.roster.Settled()[0] != c {
			t.Error("it did later")
		}
		if s.drop(c); s.isKnown(issuer) {
			t.Error("the next was not dropped")
		}
		if s.settle(c); s.isKnown(issuer) {
			t.Error("what was dropped came back")
		}
	})
	t.Run("nobody settles in what was closed", func(t *testing.T) {
		asked := 0
		s := manyIssuers(t, &asked)
		c := come(t, s)
		s.closed = true
		if s.settle(c); isSettled(s) {
			t.Error("it did")
		}
	})
	t.Run("nobody comes to what was closed", func(t *testing.T) {
		s, err := NewIssuers(TrustAnyIssuer())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if c, err := s.admitAnyone(issuer); c != nil || !errors.Is(err, ErrClosed) || s.isKnown(issuer) {
			t.Errorf("%v", err)
		}
	})
	t.Run("who came by another caller is found", func(t *testing.T) {
		s, err := NewIssuers(TrustAnyIssuer())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		first, err := s.admitAnyone(issuer)
		if again, _ := s.admitAnyone(issuer); err != nil || again != first {
			t.Errorf("%v, %v, %v", first, again, err)
		}
	})
	t.Run("what a client left behind stays until the next has keys", func(t *testing.T) {
		for _, keys := range []bool{false, true} {
			asked := 0
			s := manyIssuers(t, &asked)
			c := come(t, s)
			s.leftovers.Add(issuer, new(leftover))
			if keys {
				c.client.cache.installSeed(ed25519Set(t, 1, "k"))
			}
			if s.settle(c); s.leftovers.Contains(issuer) == keys {
				t.Errorf("keys: %t, left: %t", keys, !keys)
			}
		}
	})
}

// How many may ask, be asked about and wait at a time.
func TestIssuers_Crowds(t *testing.T) {
	const issuer = "https://a.example"
	for _, test := range []struct {
		name      string
		crowd     func(s *Issuers, n int)
		most      int
		says      string
		evenKnown bool // it holds also for issuers that are known
	}{
		{"calls about new issuers", func(s *Issuers, n int) { s.askingNew = n }, maxAsking, "1000 others are being decided on", false},
		{"calls that do not return", func(s *Issuers, n int) { s.overdue = n }, maxOverdue, "10000 calls of the function have not returned", true},
	} {
		for _, newcomer := range []bool{true, false} {
			for n := test.most - 1; n <= test.most+1; n++ {
				asked := 0
				s := manyIssuers(t, &asked)
				s.mu.Lock()
				test.crowd(s, n)
				q, err := s.ask(t.Context(), issuer, newcomer, s.clock.now())
				s.mu.Unlock()
				refused := n >= test.most && (newcomer || test.evenKnown)
				if (q == nil) != refused || (err != nil) != refused || err != nil && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.says)) {
					t.Errorf("%s, %d, newcomer %t: %v", test.name, n, newcomer, err)
				}
			}
		}
	}
	asked := 0
	s := manyIssuers(t, &asked)
	for n, refused := range map[int]bool{maxWaiting - 1: false, maxWaiting: true} {
		q := &question{call: call[*tenant]{done: make(chan struct{})}, waiting: n}
		s.asking[issuer] = q
		_, got, err := s.consult(t.Context(), issuer, false)
		if (got == nil) != refused || (err != nil) != refused || !refused && q.waiting != n+1 || refused && !strings.Contains(err.Error(), "1000 others wait for that") {
			t.Errorf("%d wait for a decision: %v, and then %d", n, err, q.waiting)
		}
		delete(s.asking, issuer)
	}
	c, err := s.newTenant(issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.client.Close() // so that nobody waits in earnest
	for n, want := range map[int64]error{maxWaiting - 1: ErrClosed, maxWaiting: ErrUnavailable} {
		c.waiting.Store(n)
		if _, err := c.signingKeys(t.Context(), Header{KeyID: "k"}); !errors.Is(err, want) || errors.Is(err, ErrClosed) != (want == ErrClosed) || c.waiting.Load() != n ||
			want == ErrUnavailable && !strings.Contains(err.Error(), "1000 others wait for the first keys") {
			t.Errorf("%d wait for its first keys: %v, and then %d", n, err, c.waiting.Load())
		}
	}
}

// An issuer that is not listed is told which listed one looks like it.
func TestIssuers_NearMisses(t *testing.T) {
	s, err := NewIssuers(TrustIssuers("https://a.example", "https://b.example/", "https://c.example/http://x", "http://d.example/https://x"), WithClientOptions(AllowInsecureHTTP()))
	if err != nil {
		t.Fatal(err)
	}
	for issuer, near := range map[string]string{
		"https://a.example/":          "https://a.example",
		"http://a.example":            "https://a.example",
		"http://a.example/":           "", // in both
		"https://A.example":           "https://a.example",
		"https://b.example":           "https://b.example/",
		"http://b.example":            "",
		"http://c.example/http://x":   "https://c.example/http://x",
		"https://d.example/https://x": "http://d.example/https://x",
		"a.example":                   "",
		"https://z.example":           "",
		"https://a.example/x":         "",
	} {
		err := s.notListed(issuer)
		if told := strings.Contains(err.Error(), "is not trusted: "); !errors.Is(err, ErrIssuerNotTrusted) || told != (near != "") || !strings.Contains(err.Error(), near) {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

// For an issuer that only a token named, a refusal to dial is one to trust it.
func TestTenant_DialErrors(t *testing.T) {
	private, missing := error(publicnet.ErrNotPublic), error(&net.DNSError{IsNotFound: true})
	for _, test := range []struct {
		name             string
		public, verified bool
		err              error
		refused          bool
	}{
		{"an address that is not public", true, false, private, true},
		{"also of one that verified", true, true, private, true},
		{"where the program vouched for it", false, false, private, false},
		{"a name that does not exist", true, false, missing, true},
		{"of one that verified", true, true, missing, false},
		{"where the program vouched for that", false, false, missing, false},
		{"any other", true, false, ErrClosed, false},
	} {
		c := &tenant{name: "https://a.example", public: test.public}
		c.verified.Store(test.verified)
		err := c.explainDialError(test.err)
		if errors.Is(err, ErrIssuerNotTrusted) != test.refused || !test.refused && err != test.err {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestTenant_MustAsk(t *testing.T) {
	c, now := new(tenant), newClock()
	for at, want := range map[freshness.Moment]bool{0: true, freshness.Never: false, math.MaxInt64 / 2: false} {
		c.askAt.Store(int64(at))
		if got := c.mustAsk(now); got != want {
			t.Errorf("at %v: %t", at, got)
		}
	}
}

// A client that comes back goes on with what an earlier one of its issuer had, if
// both would have fetched the same keys and bound them to the same tokens.
func TestClientConfig_SamePlace(t *testing.T) {
	base := func() *clientConfig {
		return &clientConfig{issuer: "https://a.example", ttl: time.Hour, timeout: time.Second, aliases: []string{"a"}, uses: []string{"sig"}, tenants: map[string]bool{"t": true}}
	}
	for name, edit := range map[string]func(c *clientConfig){
		"issuer":        func(c *clientConfig) { c.issuer = "https://b.example" },
		"key set":       func(c *clientConfig) { c.jwksURL = "https://a.example/jwks" },
		"file":          func(c *clientConfig) { c.keyFile = "keys.json" },
		"discovery URL": func(c *clientConfig) { c.discoveryURL = "https://a.example/d" },
		"path":          func(c *clientConfig) { c.discoveryPath = "/d" },
		"rewrite":       func(c *clientConfig) { c.localRewrite = true },
		"http":          func(c *clientConfig) { c.insecure = true },
		"public only":   func(c *clientConfig) { c.publicOnly = true },
		"aliases":       func(c *clientConfig) { c.aliases = []string{"b"} },
		"uses":          func(c *clientConfig) { c.uses = []string{"sig", "x"} },
		"any tenants":   func(c *clientConfig) { c.tenantsSet = true },
		"tenants":       func(c *clientConfig) { c.tenants = map[string]bool{"u": true} },
		"TTL":           func(c *clientConfig) { c.ttl = time.Minute },
		"retention":     func(c *clientConfig) { c.retention = time.Minute },
	} {
		a, b, again := base(), base(), base()
		edit(b)
		edit(again)
		if a.samePlace(b) || b.samePlace(a) || !b.samePlace(again) || !a.samePlace(base()) {
			t.Errorf("%s does not count, or the same one does", name)
		}
	}
	other := base()
	if other.cameAtRunTime, other.logger = true, slog.Default(); !other.samePlace(base()) {
		t.Error("what does not change the keys counts")
	}
}

// What an issuer that has to leave may still cost, by the clock of who sees it off.
func TestCache_Departure(t *testing.T) {
	const ttl, ahead = 15 * time.Minute, 10 * time.Second // that the other clock is ahead
	fetched := func(c *cache, now freshness.Moment) {
		c.policy.Begin(now)
		c.policy.Succeed(now, freshness.Refreshed{Changed: true}, 0.5)
		c.current.Store(&snapshot{loaded: loaded{set: keysOf("a ES256")}, fetchedAt: now})
	}
	failed := func(c *cache, now freshness.Moment) {
		c.policy.Begin(now)
		c.policy.Fail(now, time.Minute, 0.5)
	}
	issuer, seed := WithIssuer("https://a.example"), WithKeySet(keysOf("a ES256"))
	for _, test := range []struct {
		name    string
		opts    []ClientOption
		before  func(c *cache, now freshness.Moment)
		after   time.Duration
		ok      bool
		free    time.Duration // from before on; 0: not said
		retryAt time.Duration
	}{
		{name: "nothing", opts: []ClientOption{issuer}, before: func(*cache, freshness.Moment) {}},
		{name: "a seed", opts: []ClientOption{issuer, seed}, before: func(*cache, freshness.Moment) {}},
		{name: "a seed, and a failure", opts: []ClientOption{issuer, seed}, before: failed, ok: true, retryAt: time.Minute},
		{name: "a failure", opts: []ClientOption{issuer}, before: failed, after: time.Minute - 1, ok: true, retryAt: time.Minute},
		{name: "a failure long ago", opts: []ClientOption{issuer}, before: failed, after: time.Minute},
		{name: "a set", opts: []ClientOption{issuer}, before: fetched, after: time.Second, ok: true, free: ttl},
		{name: "a set that has expired", opts: []ClientOption{issuer}, before: fetched, after: 2 * ttl, ok: true, free: ttl},
		{name: "a set, and a failure", opts: []ClientOption{issuer}, before: func(c *cache, now freshness.Moment) { fetched(c, now); failed(c, now) }, ok: true, free: ttl, retryAt: time.Minute},
		{name: "a refresh under way", opts: []ClientOption{issuer}, before: func(c *cache, now freshness.Moment) { c.flight = new(flight) }, after: time.Second, ok: true, free: ttl + time.Second},
		{name: "a set that is not kept", opts: []ClientOption{issuer, WithoutCache()}, before: fetched},
		{name: "a set with nowhere to fetch from", opts: []ClientOption{seed}, before: fetched},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, err := NewClient(test.opts...)
			if err != nil {
				t.Fatal(err)
			}
			c := &client.cache
			time.Sleep(time.Hour)
			now := c.clock.now()
			test.before(c, now)
			time.Sleep(test.after)
			by := clock{c.clock.epoch.Add(-ahead)}
			d, ok := c.departure(by)
			if ok != test.ok {
				t.Errorf("%s: %t", test.name, ok)
			}
			if at := now.Add(test.free + ahead); ok && test.free > 0 && d.FreeAt != at || ok && test.free == 0 && d.FreeAt > now {
				t.Errorf("%s: free at %v, want %v", test.name, d.FreeAt, at)
			}
			if at := now.Add(test.retryAt + ahead); ok && test.retryAt > 0 && d.RetryAt != at {
				t.Errorf("%s: retry at %v, want %v", test.name, d.RetryAt, at)
			}
			c.flight = nil
			_ = client.Close()
		})
	}
}
