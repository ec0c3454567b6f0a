package freshness

import (
	"testing"
	"time"
)

// storePolicy is that of a client with a store, with a set fetched at 0.
func storePolicy() Policy {
	p := New(Config{TTL: 15 * time.Minute, MinTTL: time.Minute, RefreshAhead: 0.8, MaxStale: time.Hour, Deadline: FetchDeadline, LimitEvery: time.Second, LimitBurst: 1})
	p.facts = plain()
	p.facts.deadline = FetchDeadline
	return p
}

func TestJudge_Table(t *testing.T) {
	p := storePolicy()
	const end = 75 * time.Minute
	for _, tt := range []struct {
		record string
		age    time.Duration
		newer  bool
		want   Worth
	}{
		{"of now", 0, true, Good},
		{"of now, the one at hand", 0, false, Useless},
		{"at the last moment of the TTL", 15*time.Minute - 1, true, Good},
		{"at the end of the TTL", 15 * time.Minute, true, Spare},
		{"at the last moment of stale", end - 1, true, Spare},
		{"at the end of stale", end, true, TooOld},
		{"past it, the one at hand", end, false, Useless},
	} {
		if got := p.Judge(tt.age, tt.newer); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.record, got, tt.want)
		}
	}
	p.cfg.MaxStale = 0
	if got := p.Judge(15*time.Minute, true); got != TooOld {
		t.Errorf("without stale, at the end of the TTL: %d", got)
	}
}

// Everything counts from when the set was fetched, whoever fetched it.
func TestAdopt_Schedule(t *testing.T) {
	for _, tt := range []struct {
		name    string
		a       Adopted
		refresh time.Duration // from now on, at a random number of 0.5
		expiry  time.Duration
	}{
		{"of now", Adopted{}, 12 * time.Minute, 15 * time.Minute},
		{"five minutes old", Adopted{Age: 5 * time.Minute}, 8 * time.Minute, 10 * time.Minute},
		{"a second before its end", Adopted{Age: 15*time.Minute - time.Second}, 800 * time.Millisecond, time.Second},
		{"at its end", Adopted{Age: 15 * time.Minute}, 0, 0},
		{"half an hour old", Adopted{Age: 30 * time.Minute}, -15 * time.Minute, -15 * time.Minute},
		{"asked for again after ten minutes", Adopted{Age: 5 * time.Minute, ServerTTL: 10 * time.Minute, HasServerTTL: true}, 5 * time.Minute, 10 * time.Minute},
		{"asked for again long ago", Adopted{Age: 5 * time.Minute, ServerTTL: time.Minute, HasServerTTL: true}, time.Minute, 10 * time.Minute},
	} {
		p := New(storePolicy().cfg)
		const now = 100 * minute
		p.Begin(now)
		generation := p.Adopt(now, Adopted{tt.a.Age, tt.a.FullAge, tt.a.ServerTTL, tt.a.HasServerTTL, true, nil}, 0.5)
		s := p.Schedule()
		if s.Refresh != now.Add(tt.refresh) || s.Expiry != now.Add(tt.expiry) || s.StaleEnd != s.Expiry.Add(time.Hour) || generation != 1 {
			t.Errorf("%s: refresh in %v, expiry in %v: %+v", tt.name, s.Refresh.Sub(now), s.Expiry.Sub(now), s)
		}
		if !p.facts.refreshing || !p.facts.loaded {
			t.Errorf("%s: %+v", tt.name, p.facts)
		}
		if p.EndWithoutAsking(); p.facts.refreshing {
			t.Errorf("%s: it goes on", tt.name)
		}
	}
}

// The issuer was not asked: what it said of when to ask it again stays.
func TestAdopt_KeepsTheBackoff(t *testing.T) {
	p := storePolicy()
	p.Begin(young)
	p.Fail(young, 10*time.Minute, 0.5)
	p.Adopt(young+second, Adopted{Age: time.Second, Changed: true, Removed: []string{"k0"}}, 0.5)
	if p.RetryAt() != young+10*minute || p.Failures() != 1 {
		t.Errorf("%+v", p.facts)
	}
	if got := p.Ask(young+second, Lookup{Found: true}); got.Action != Serve {
		t.Errorf("%v", got)
	}
	if got := p.Ask(young+second, Lookup{Name: Name{Kind: KeyID, Text: "k0"}}); got.Action != GiveUp {
		t.Errorf("%v", got)
	}
}

// A kid that left with a record is as one that left with an answer: it may be
// asked for out of a budget of its own.
func TestAdopt_RemembersVanishedKids(t *testing.T) {
	p := storePolicy()
	p.Adopt(young, Adopted{Changed: true, Removed: []string{"gone"}}, 0.5)
	for text, want := range map[string]Cause{"gone": ForVanishedKey, "new": ForUnknownKey} {
		if got := p.Ask(young+second, kid(text)); got.Action != Await || got.Cause != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// A record ends a spell, as an answer does: what was told of the set before is
// worth telling of this one.
func TestAdopt_EndsTheSpell(t *testing.T) {
	p := storePolicy()
	p.Succeed(young, Refreshed{Cause: ForUnknownKey}, 0.5)
	tell := func(from Moment) {
		t.Helper()
		if got := p.Ask(from, kid("junk")); got.Announce != Throttled {
			t.Errorf("at %v, throttled: %+v", from, got)
		}
		expired := from + 20*minute
		p.Begin(expired)
		p.FirstAttemptFailed()
		if got := p.Ask(expired, Lookup{Found: true}); got.Announce != StaleServed {
			t.Errorf("at %v, stale: %+v", expired, got)
		}
		p.EndWithoutAsking()
		if !p.AnnounceExpiry(from + 80*minute) {
			t.Errorf("at %v: the end of stale is not told", from)
		}
	}
	tell(young)
	later := young + 100*minute
	p.Adopt(later, Adopted{}, 0.5)
	p.budget(ForUnknownKey).Charge(later)
	tell(later)
}

// Nor does a record that another replica saved leave anything to wait for: who
// is refused the lease then begins to wait anew.
func TestAdopt_EndsTheWaitForTheLease(t *testing.T) {
	p := storePolicy()
	p.Begin(ageing)
	p.Yield(ageing, 1)
	p.Adopt(ageing+second, Adopted{}, 0.5)
	if due, want := p.Due(), ageing+second+12*minute; p.IsYielding() || due != want {
		t.Errorf("yielding %t, due at %v, want %v", p.IsYielding(), due, want)
	}
	next := ageing.Add(FetchDeadline)
	p.Begin(next)
	if got := p.AwaitLease(next, true); got != ComeBack {
		t.Errorf("the next time: %d", got)
	}
}

// A record's set may be asked about with its validators, for an hour after
// somebody had the whole.
func TestAdopt_Conditional(t *testing.T) {
	for full, want := range map[time.Duration]bool{0: true, 30 * time.Minute: true, 45 * time.Minute: true, 46 * time.Minute: false} {
		p := storePolicy()
		p.Adopt(young, Adopted{FullAge: full}, 0.5)
		if got := p.Conditional(ForAge, true, young); got != want {
			t.Errorf("the whole %v ago: %t", full, got)
		}
	}
}

func TestNeedsLease_Table(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause Cause
		found bool
		now   Moment
		want  bool
	}{
		{"age, in the background", ForAge, true, ageing, true},
		{"age, past the TTL", ForAge, true, old, true},
		{"past the TTL, a key that the set lacks", ForAge, false, old, false},
		{"past the end of stale", ForAge, false, older, true},
		{"an unknown key", ForUnknownKey, false, young, false},
		{"a vanished key", ForVanishedKey, false, young, false},
		{"the operator", OnDemand, false, young, false},
	} {
		p := storePolicy()
		if got := p.NeedsLease(tt.cause, tt.found, tt.now); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	empty := New(Config{TTL: time.Minute})
	if !empty.NeedsLease(ForAge, false, 0) {
		t.Error("a cold start needs none")
	}
}

func TestPatienceFor_Table(t *testing.T) {
	p := storePolicy()
	for now, want := range map[Moment]time.Duration{young: 2 * time.Second, old: 500 * time.Millisecond, older: 2 * time.Second} {
		if got := p.PatienceFor(now); got != want {
			t.Errorf("at %v: %v", now, got)
		}
	}
}

func TestServes_Table(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    facts
		now  Moment
		want bool
	}{
		{"empty", facts{deadline: FetchDeadline}, 0, false},
		{"fresh", plain(), young, true},
		{"past refresh-ahead", plain(), ageing, true},
		{"expired", plain(), old, false},
		{"expired, attempts fail", failed(plain(), old, time.Second), old + second, true},
		{"past the end of stale", plain(), older, false},
	} {
		p := storePolicy()
		if p.facts = tt.f; p.Serves(tt.now) != tt.want {
			t.Errorf("%s: %t", tt.name, !tt.want)
		}
	}
}

// What a refresh does that was refused the lease, from the first refusal on.
func TestAwaitLease_Table(t *testing.T) {
	p := storePolicy()
	if got := p.AwaitLease(ageing, false); got != LookShortly {
		t.Errorf("nothing serves: %d", got)
	}
	p.Begin(ageing)
	if got := p.AwaitLease(ageing, true); got != ComeBack {
		t.Errorf("the first refusal: %d", got)
	}
	p.Yield(ageing, 0)
	for _, tt := range []struct {
		at   Moment
		want Wait
	}{{ageing + second, ComeBack}, {ageing.Add(FetchDeadline) - 1, ComeBack}, {ageing.Add(FetchDeadline), AskAnyway}} {
		p.Begin(tt.at)
		if got := p.AwaitLease(tt.at, true); got != tt.want {
			t.Errorf("%v after the first refusal: %d, want %d", tt.at.Sub(ageing), got, tt.want)
		}
	}
	p.StopYielding(ageing.Add(FetchDeadline))
	p.Begin(old)
	if got := p.AwaitLease(old, true); got != ComeBack {
		t.Errorf("the next time: %d", got)
	}
}

func TestYield_LooksAgainWithinPatience(t *testing.T) {
	for _, tt := range []struct {
		now    Moment
		random float64
		want   time.Duration
	}{
		{ageing, 0, time.Second},
		{ageing, 1, 2 * time.Second},
		{15*minute - second, 1, 500 * time.Millisecond}, // half way to the end of the TTL
		{15*minute - 1, 1, minBackoff},
		{15 * minute, 1, 2 * time.Second},
		{old, 1, 2 * time.Second},
	} {
		p := storePolicy()
		p.Begin(tt.now)
		if got := p.Yield(tt.now, tt.random); got != tt.want || got != p.facts.lookAt.Sub(tt.now) || !p.IsYielding() {
			t.Errorf("at %v, random %v: in %v, want %v", tt.now, tt.random, got, tt.want)
		}
		if p.facts.refreshing || tt.now < 15*minute && p.Due() != p.facts.lookAt {
			t.Errorf("at %v: %+v", tt.now, p.facts)
		}
	}
}

// The first looks for what another replica is fetching come soon.
func TestLookPause_DoublesWithJitter(t *testing.T) {
	for n, want := range []time.Duration{50, 100, 200, 400, 500, 500, 500} {
		want *= time.Millisecond
		for random, part := range map[float64]time.Duration{0: want * 3 / 4, 0.5: want, 1: want * 5 / 4} {
			if got := LookPause(n, random); got != part {
				t.Errorf("before look %d, random %v: %v, want %v", n, random, got, part)
			}
		}
	}
}

// yielded is a set whose refresh found the lease with another replica.
func yielded(f facts, at Moment) facts {
	p := Policy{facts: f}
	p.Begin(at)
	p.Yield(at, 1)
	return p.facts
}

// While another replica refreshes, a set that serves goes on serving: for one
// deadline past its TTL, as with a refresh of its own, and no longer.
func TestDecide_WhileAnotherRefreshes(t *testing.T) {
	const soon = ageing + 2*second // when to look again
	failing := failed(plain(), old, time.Second)
	for _, tt := range []struct {
		state       string
		f           facts
		now         Moment
		found, lost Action
	}{
		{"fresh, before the next look", yielded(plain(), ageing), soon - 1, Serve, Await},
		{"fresh, at the next look", yielded(plain(), ageing), soon, ServeAndRefresh, Await},
		{"fresh, the next look under way", refreshing(yielded(plain(), ageing), soon), soon, Serve, Await},
		{"expired, refused before", yielded(plain(), late), 15 * minute, ServeAndRefresh, Await},
		{"expired, refused before, the next look under way", refreshing(yielded(plain(), late), 15*minute), 15 * minute, Serve, Await},
		{"expired, refused before, at the last moment", yielded(plain(), late), late.Add(FetchDeadline) - 1, ServeAndRefresh, Await},
		{"expired, refused before, a deadline later", yielded(plain(), late), late.Add(FetchDeadline), AwaitOrServeStale, Await},
		{"expired, refused at its end", yielded(plain(), 15*minute), 15*minute + second, AwaitOrServeStale, Await},
		{"expired, refused after", yielded(plain(), old), old + second, AwaitOrServeStale, Await},
		{"expired, attempts fail, refused then", yielded(failing, old+second), old + 2*second, ServeStale, Await},
		{"expired, attempts fail, at the next look", yielded(failing, old+second), old + 3*second, ServeStaleAndRefresh, Await},
		{"expired, refused when the failure ceased to excuse", yielded(failing, old+16*second), old + 17*second, AwaitOrServeStale, Await},
		{"expired, attempts fail, a deadline later", yielded(failing, old+second), old + 17*second, ServeStaleAndRefresh, Await},
		{"expired, attempts fail, silence", yielded(failing, old+second), old + 19*second, AwaitOrServeStale, Await},
		{"past the end of stale", yielded(plain(), ageing), older, Await, Await},
	} {
		t.Run(tt.state, func(t *testing.T) {
			if got := tt.f.decide(tt.now, found); got != tt.found {
				t.Errorf("key found: %v, want %v", got, tt.found)
			}
			if got := tt.f.decide(tt.now, lost); got != tt.lost {
				t.Errorf("key not found: %v, want %v", got, tt.lost)
			}
		})
	}
	p := storePolicy()
	p.facts = refreshing(yielded(failing, old+second), old+17*second)
	p.StopYielding(old + 17*second)
	if got := p.facts.decide(old+18*second, found); got != ServeStale {
		t.Errorf("attempts fail, the issuer is asked after all: %v", got)
	}
	p.EndWithoutAsking()
	if got := p.facts.decide(old+17*second+1, found); got != AwaitOrServeStale {
		t.Errorf("once that has ended, the failure of before excuses on: %v", got)
	}
}
