package freshness

import (
	"testing"
	"time"
)

func config() Config {
	return Config{
		TTL:          15 * time.Minute,
		MinTTL:       time.Minute,
		Deadline:     FetchDeadline,
		RefreshAhead: 0.8,
		MaxStale:     time.Hour,
		LimitEvery:   30 * time.Second,
		LimitBurst:   2,
		MissingKeys:  10,
	}
}

// fetched is a policy whose set was fetched now.
func fetched(cfg Config, now Moment) *Policy {
	p := New(cfg)
	p.Begin(now)
	p.Succeed(now, Refreshed{Changed: true}, 0.5)
	return &p
}

func kid(text string) Lookup { return Lookup{Name: Name{KeyID, text}} }

func wants(t *testing.T, when string, p *Policy, now Moment, l Lookup, want Answer) {
	t.Helper()
	if got := p.Ask(now, l); got != want {
		t.Errorf("%s: %+v, want %+v", when, got, want)
	}
}

// A refresh draws on a budget only where the set is fresh, so that nothing but
// the missing key is a reason for it.
func TestAsk_Cause(t *testing.T) {
	p := New(config())
	wants(t, "empty", &p, 0, kid("k"), Answer{Action: Await, Cause: ForAge})

	f := fetched(config(), 0)
	f.Succeed(0, Refreshed{Changed: true, Removed: []string{"gone"}}, 0.5)
	wants(t, "fresh, found", f, second, Lookup{Found: true}, Answer{Action: Serve})
	wants(t, "fresh, unknown", f, second, kid("k"), Answer{Action: Await, Cause: ForUnknownKey})
	wants(t, "fresh, vanished", f, second, kid("gone"), Answer{Action: Await, Cause: ForVanishedKey})
	wants(t, "fresh, to be replaced", f, second, Lookup{Name: Name{Replacement, "RS256 gone"}}, Answer{Action: Await, Cause: ForUnknownKey})
	wants(t, "stale, unknown", f, old, kid("k"), Answer{Action: Await, Cause: ForAge})
	wants(t, "stale, vanished", f, old, kid("gone"), Answer{Action: Await, Cause: ForAge})
}

// Junk kids cannot starve a key that left the set lately: each has a budget of
// its own, charged by refreshes that succeed.
func TestAsk_BudgetsAreApart(t *testing.T) {
	p := fetched(config(), 0)
	p.Succeed(0, Refreshed{Changed: true, Removed: []string{"gone"}}, 0.5)
	for range 2 {
		p.Succeed(second, Refreshed{Cause: ForUnknownKey}, 0.5)
	}
	wants(t, "junk", p, second, kid("junk"), Answer{Action: Throttle, Cause: ForUnknownKey, Announce: Throttled})
	wants(t, "junk again", p, second, kid("more junk"), Answer{Action: Throttle, Cause: ForUnknownKey})
	wants(t, "a replacement", p, second, Lookup{Name: Name{Replacement, "RS256 k"}}, Answer{Action: Throttle, Cause: ForUnknownKey})
	wants(t, "vanished", p, second, kid("gone"), Answer{Action: Await, Cause: ForVanishedKey})
	if n := p.ThrottledLookups(); n != 3 {
		t.Errorf("%d lookups were throttled, want 3", n)
	}
	// Both were charged after the set came; the first is refilled 30 s after
	// the bucket was last full.
	if got := p.NextFor(Name{KeyID, "junk"}, second); got != 30*time.Second {
		t.Errorf("the next refresh for junk is in %v", got)
	}
	if got := p.NextFor(Name{KeyID, "gone"}, second); got != 0 {
		t.Errorf("the next refresh for the vanished key is in %v", got)
	}
	for range 2 {
		p.Succeed(second, Refreshed{Cause: ForVanishedKey}, 0.5)
	}
	wants(t, "vanished, and its budget spent", p, second, kid("gone"), Answer{Action: Throttle, Cause: ForVanishedKey, Announce: Throttled})
	wants(t, "half a minute later", p, second+30*second, kid("junk"), Answer{Action: Await, Cause: ForUnknownKey})
}

// Another policy of the same source goes on with what is left of the budget for
// unknown keys, and with no other.
func TestSetBudget_GoesOn(t *testing.T) {
	p := fetched(config(), 0)
	for range 2 {
		p.Succeed(second, Refreshed{Cause: ForUnknownKey}, 0.5)
	}
	next := fetched(config(), 0)
	next.Succeed(0, Refreshed{Changed: true, Removed: []string{"gone"}}, 0.5)
	next.SetBudget(p.Budget())
	wants(t, "unknown", next, second, kid("junk"), Answer{Action: Throttle, Cause: ForUnknownKey, Announce: Throttled})
	wants(t, "vanished", next, second, kid("gone"), Answer{Action: Await, Cause: ForVanishedKey})
	wants(t, "refilled", next, second+30*second, kid("junk"), Answer{Action: Await, Cause: ForUnknownKey})
}

// Only refreshes for keys that succeed are charged.
func TestAsk_OtherRefreshesAreFree(t *testing.T) {
	p := fetched(config(), 0)
	for range 5 {
		p.Succeed(0, Refreshed{Cause: ForAge}, 0.5)
		p.Succeed(0, Refreshed{Cause: OnDemand}, 0.5)
		p.Fail(0, 0, 0.5)
		p.Succeed(0, Refreshed{}, 0.5)
	}
	wants(t, "then", p, 0, kid("k"), Answer{Action: Await, Cause: ForUnknownKey})
}

// What a set lacks is remembered until the set changes, and of a set that is
// no longer the newest it says nothing.
func TestAsk_MissingKeyIsRefused(t *testing.T) {
	p := fetched(config(), 0)
	generation := p.Succeed(0, Refreshed{}, 0.5)
	p.RememberMissing(Name{KeyID, "k"}, generation, 0)
	wants(t, "remembered", p, second/2, kid("k"), Answer{Action: Refuse, Cause: ForUnknownKey})
	wants(t, "of another kind", p, second/2, Lookup{Name: Name{X5t, "k"}}, Answer{Action: Await, Cause: ForUnknownKey})
	if same := p.Succeed(second/2, Refreshed{}, 0.5); same != generation {
		t.Errorf("confirmed, the set has generation %d, not %d", same, generation)
	}
	wants(t, "after a 304", p, second/2, kid("k"), Answer{Action: Refuse, Cause: ForUnknownKey})
	if next := p.Succeed(second, Refreshed{Changed: true}, 0.5); next == generation {
		t.Error("another set has the same generation")
	}
	wants(t, "after a change", p, second, kid("k"), Answer{Action: Await, Cause: ForUnknownKey})
	p.RememberMissing(Name{KeyID, "k"}, generation, second)
	wants(t, "a late note on the old set", p, second, kid("k"), Answer{Action: Await, Cause: ForUnknownKey})
}

// What is remembered of a set must not be taken for another's, whichever way the
// two came.
func TestPolicy_GenerationsDiffer(t *testing.T) {
	for _, ways := range []string{"aaaa", "ffff", "afaf", "fafa", "aaff", "ffaa"} {
		p := New(config())
		p.InstallSeed()
		seen := map[uint64]bool{0: true} // the seed's
		for n, way := range ways {
			var generation uint64
			if way == 'f' {
				generation = p.Succeed(second, Refreshed{Changed: true}, 0.5)
			} else {
				generation = p.Adopt(second, Adopted{Changed: true}, 0.5)
			}
			if seen[generation] {
				t.Errorf("%s: set %d has the generation of an earlier one, %d", ways, n+1, generation)
			}
			seen[generation] = true
		}
	}
}

// While the source fails, the key at hand decides about a token that it did not
// verify: only a key that is missing is worth the wait for another attempt.
func TestAsk_ReplacementIsNotWaitedFor(t *testing.T) {
	replaced := Lookup{Name: Name{Replacement, "RS256 k"}}
	p := fetched(config(), 0)
	wants(t, "fresh", p, second, replaced, Answer{Action: Await, Cause: ForUnknownKey})
	wants(t, "expired", p, old, replaced, Answer{Action: Await})
	p.Begin(old)
	p.Fail(old, 0, 0)
	wants(t, "expired, the source fails", p, old+second, replaced, Answer{Action: GiveUp})
	wants(t, "the same, a key that is missing", p, old+second, kid("k"), Answer{Action: Await})
}

// Each failure in a row doubles the backoff, from a second on; a success ends
// the row.
func TestFail_DoublesTheBackoff(t *testing.T) {
	p := New(config())
	for range 2 {
		for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			now := p.RetryAt()
			p.Begin(now)
			p.Fail(now, 0, 1-1e-9)
			if got := p.RetryAt().Sub(now).Round(time.Millisecond); got != want*time.Second {
				t.Errorf("after failure %d at most %v, want %v", n+1, got, want*time.Second)
			}
		}
		p.Succeed(p.RetryAt(), Refreshed{Changed: true}, 0.5)
	}
}

// Serving stale is announced once in a spell, which a success ends.
func TestAsk_StaleIsAnnouncedOnce(t *testing.T) {
	p := fetched(config(), 0)
	found := Lookup{Found: true}
	for spell := range 2 {
		start := Moment(spell) * 2 * 60 * minute
		expired := start + 20*minute
		p.Begin(expired)
		wants(t, "under way", p, expired, found, Answer{Action: AwaitOrServeStale})
		p.FirstAttemptFailed()
		if until := p.QuietUntil(expired); until != 0 {
			t.Errorf("before the announcement lookups are quiet until %v", until)
		}
		wants(t, "its first attempt failed", p, expired, found, Answer{Action: ServeStale, Announce: StaleServed})
		wants(t, "again", p, expired, found, Answer{Action: ServeStale})
		if until, end := p.QuietUntil(expired), expired.Add(FetchDeadline); until != end {
			t.Errorf("then lookups are quiet until %v, want %v", until, end)
		}
		p.Fail(expired, 0, 0.5)
		wants(t, "a backoff runs", p, expired, found, Answer{Action: ServeStale})
		p.Succeed(start+2*60*minute, Refreshed{}, 0.5)
	}
}

func TestSeed_HasJustExpired(t *testing.T) {
	p := New(config())
	p.InstallSeed()
	wants(t, "the first lookup", &p, second, Lookup{Found: true}, Answer{Action: AwaitOrServeStale})
	p.Fail(second, 0, 0.5)
	wants(t, "the source fails", &p, second, Lookup{Found: true}, Answer{Action: ServeStale, Announce: StaleServed})
	wants(t, "until the end of stale", &p, 60*minute, Lookup{Found: true}, Answer{Action: Await})
	if due := p.Due(); due != p.RetryAt() {
		t.Errorf("due at %v, want %v", due, p.RetryAt())
	}
}

func TestSeed_ServesForGoodWhenStatic(t *testing.T) {
	cfg := config()
	cfg.Static = true
	p := New(cfg)
	p.InstallSeed()
	ages := 1e6 * 60 * minute
	wants(t, "found", &p, ages, Lookup{Found: true}, Answer{Action: Serve})
	wants(t, "not found: nobody else can be asked", &p, ages, kid("k"), Answer{Action: Refuse, Cause: ForUnknownKey})
	if p.QuietUntil(0) != Never || p.Due() != Never {
		t.Errorf("quiet until %v, due at %v", p.QuietUntil(0), p.Due())
	}
}

func TestNoCache_AlwaysRefreshes(t *testing.T) {
	cfg := config()
	cfg.NoCache = true
	p := fetched(cfg, 0)
	wants(t, "found", p, 0, Lookup{Found: true}, Answer{Action: Await})
	wants(t, "not found", p, 0, kid("k"), Answer{Action: Await, Cause: ForAge})
	if p.State(0) != Empty || p.Schedule().State(0) != Fresh {
		t.Errorf("for lookups the set is %v, and of itself %v", p.State(0), p.Schedule().State(0))
	}
	if p.QuietUntil(0) != 0 || p.Due() != Never {
		t.Errorf("quiet until %v, due at %v", p.QuietUntil(0), p.Due())
	}
	p.Fail(0, 0, 0.5)
	wants(t, "a backoff runs", p, 0, Lookup{Found: true}, Answer{Action: GiveUp})
}

func TestDue_FollowsSetAndBackoff(t *testing.T) {
	p := New(config())
	if got := p.Due(); got != 0 {
		t.Errorf("empty: %v", got)
	}
	p.Begin(0)
	if got := p.Due(); got != Never {
		t.Errorf("under way: %v", got)
	}
	p.Fail(0, time.Minute, 0)
	if got := p.Due(); got != minute || p.RetryAt() != minute || p.Failures() != 1 {
		t.Errorf("failed: due %v, backoff until %v, %d failures", got, p.RetryAt(), p.Failures())
	}
	p.Begin(minute)
	p.Succeed(minute, Refreshed{Age: time.Minute, ServerTTL: 5 * time.Minute, HasServerTTL: true}, 0.5)
	if got := p.Due(); got != minute+5*minute || p.Failures() != 0 {
		t.Errorf("fetched with a server's TTL of 5 min: due %v, %d failures", got, p.Failures())
	}
}

// Validators are believed where age is the only reason to ask, and for less than
// an hour: a server may keep them through a rotation.
func TestConditional_OnlyForAgeAndAnHour(t *testing.T) {
	p := New(config())
	if p.Conditional(ForAge, true, 0) {
		t.Error("there is nothing to compare with yet")
	}
	noCache := config()
	noCache.NoCache = true
	full := func(cfg Config) *Policy {
		p := New(cfg)
		p.Succeed(minute, Refreshed{Changed: true}, 0.5)
		p.Succeed(10*minute, Refreshed{NotModified: true}, 0.5)
		return &p
	}
	for _, tt := range []struct {
		rule  string
		p     *Policy
		cause Cause
		found bool
		now   Moment
		want  bool
	}{
		{"for age", full(config()), ForAge, true, 12 * minute, true},
		{"by a lookup that finds nothing", full(config()), ForAge, false, 12 * minute, false},
		{"for an unknown key", full(config()), ForUnknownKey, false, 12 * minute, false},
		{"for a key that left", full(config()), ForVanishedKey, false, 12 * minute, false},
		{"on demand", full(config()), OnDemand, true, 12 * minute, false},
		{"without a cache", full(noCache), ForAge, true, 12 * minute, false},
		{"the last one after which the next is within the hour", full(config()), ForAge, true, minute + 45*minute, true},
		{"the next would be too late", full(config()), ForAge, true, minute + 45*minute + 1, false},
	} {
		if got := tt.p.Conditional(tt.cause, tt.found, tt.now); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.rule, got, tt.want)
		}
	}
}
