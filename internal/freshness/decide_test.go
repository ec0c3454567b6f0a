package freshness

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The times of the table: a set fetched at 0 with a TTL of 15 min.
const (
	minute = Moment(time.Minute)
	second = Moment(time.Second)

	young  = 5 * minute
	ageing = 14 * minute          // past refresh-ahead
	late   = 15*minute - 5*second // a moment before the TTL ends
	old    = 20 * minute          // past the TTL
	older  = 80 * minute          // past the end of stale
)

var (
	found       = question{found: true, budget: true}
	lost        = question{budget: true}
	noBudget    = question{}
	remembered  = question{remembered: true, budget: true}
	replacement = question{replacement: true, budget: true}
	foundFailed = question{found: true, budget: true, failed: true} // has waited for a refresh that failed
	lostFailed  = question{budget: true, failed: true}
)

// plain is a set as the last refresh left it.
func plain() facts {
	return facts{deadline: FetchDeadline, loaded: true, Schedule: Schedule{Refresh: 12 * minute, Expiry: 15 * minute, StaleEnd: 75 * minute}}
}

func refreshing(f facts, began Moment) facts { f.begin(began); return f }

func attemptFailed(f facts) facts { f.firstAttemptFailed = true; return f }

func failed(f facts, at Moment, pause time.Duration) facts {
	f.fail(at, pause)
	return f
}

// The rows of the table in the design.
func TestDecide_Table(t *testing.T) {
	none := facts{deadline: FetchDeadline}
	tests := []struct {
		state       string
		f           facts
		now         Moment
		found, lost Action // a lookup that finds the key, and one that does not
	}{
		{"empty", none, young, Await, Await},
		{"empty, a refresh under way", refreshing(none, young), young, Await, Await},
		{"empty, its first attempt has failed", attemptFailed(refreshing(none, young)), young, Await, Await},
		{"empty, a backoff runs", failed(none, young, time.Minute), young, GiveUp, GiveUp},
		{"empty, a backoff runs and the operator refreshes", refreshing(failed(none, young, time.Minute), young), young, GiveUp, GiveUp},
		{"empty, the backoff is over", failed(none, young, time.Second), young + second, Await, Await},

		{"fresh", plain(), young, Serve, Await},
		{"fresh, a refresh under way", refreshing(plain(), young), young, Serve, Await},
		{"fresh, a backoff runs", failed(plain(), young, time.Minute), young, Serve, GiveUp},
		{"fresh, a backoff runs and the operator refreshes", refreshing(failed(plain(), young, time.Minute), young), young, Serve, GiveUp},
		{"fresh, the backoff is over", failed(plain(), young, time.Second), young + second, Serve, Await},

		{"past refresh-ahead", plain(), ageing, ServeAndRefresh, Await},
		{"past refresh-ahead, a refresh under way", refreshing(plain(), ageing), ageing, Serve, Await},
		{"past refresh-ahead, a backoff runs", failed(plain(), ageing, time.Minute), ageing, Serve, GiveUp},
		{"past refresh-ahead, the backoff is over", failed(plain(), ageing, time.Second), ageing + second, ServeAndRefresh, Await},

		{"expired", plain(), old, AwaitOrServeStale, Await},
		{"expired, a refresh that began after expiry", refreshing(plain(), old), old, AwaitOrServeStale, Await},
		{"expired, a refresh that began at expiry", refreshing(plain(), 15*minute), 15 * minute, AwaitOrServeStale, Await},
		{"expired, its first attempt has failed", attemptFailed(refreshing(plain(), old)), old, ServeStale, GiveUp},
		{"expired, a refresh that began before expiry", refreshing(plain(), late), 15 * minute, Serve, Await},
		{"expired, and its first attempt has failed", attemptFailed(refreshing(plain(), late)), 15 * minute, Serve, Await},
		{"expired, a backoff runs", failed(plain(), old, time.Minute), old, ServeStale, GiveUp},
		{"expired, a backoff runs and the operator refreshes", refreshing(failed(plain(), old, time.Minute), old), old, ServeStale, GiveUp},
		{"expired, the backoff is over", failed(plain(), old, time.Second), old + second, ServeStaleAndRefresh, Await},
		{"expired, the next attempt under way", refreshing(failed(plain(), old, time.Second), old+second), old + second, ServeStale, Await},
		{"expired, the next attempt under way after one whose first failed", refreshing(failed(attemptFailed(refreshing(plain(), old)), old, time.Second), old+second), old + second, ServeStale, Await},
		{"expired, an attempt before expiry has failed", failed(plain(), late, time.Second), 15 * minute, ServeStaleAndRefresh, Await},
		{"expired, nobody tried again within a deadline of the backoff", failed(plain(), old, time.Second), old + 16*second, AwaitOrServeStale, Await},
		{"expired, an attempt of then under way", refreshing(failed(plain(), old, time.Second), old+16*second), old + 16*second, AwaitOrServeStale, Await},
		{"expired, an attempt that began in time, later", refreshing(failed(plain(), old, time.Second), old+15*second), old + 29*second, ServeStale, Await},
		{"expired, a blip before expiry and then silence", failed(plain(), ageing, time.Second), old, AwaitOrServeStale, Await},
		{"expired, a refresh of before that outlived its deadline", refreshing(plain(), ageing), ageing + 15*second + 60*second, AwaitOrServeStale, Await},
		{"expired, one that outlived it after its first attempt failed", attemptFailed(refreshing(plain(), old)), old + 15*second, AwaitOrServeStale, Await},
		{"expired, one that outlived it failed", failed(refreshing(plain(), ageing), old, time.Minute), old, AwaitOrServeStale, Await},
		{"expired, one that outlived it failed in a backoff", failed(refreshing(failed(plain(), ageing, 10*time.Minute), ageing), old, time.Second), old, ServeStale, GiveUp},
		{"fresh, one that outlived its deadline failed", failed(refreshing(plain(), young), young+minute, time.Minute), young + minute, Serve, Await},
		{"empty, one that outlived its deadline failed", failed(refreshing(none, young), old, time.Minute), old, Await, Await},

		{"past the end of stale", plain(), older, Await, Await},
		{"past the end of stale, a refresh that began before expiry", refreshing(plain(), ageing), older, Await, Await},
		{"past the end of stale, a backoff runs", failed(plain(), older, time.Minute), older, GiveUp, GiveUp},
		{"past the end of stale, the backoff is over", failed(plain(), older, time.Second), older + second, Await, Await},

		{"static", facts{loaded: true, Schedule: permanent()}, 1e6 * 60 * minute, Serve, Await},
	}
	for _, tt := range tests {
		t.Run(tt.state, func(t *testing.T) {
			if got := tt.f.decide(tt.now, found); got != tt.found {
				t.Errorf("key found: %v, want %v", got, tt.found)
			}
			if got := tt.f.decide(tt.now, lost); got != tt.lost {
				t.Errorf("key not found: %v, want %v", got, tt.lost)
			}
		})
	}
}

// What the table leaves to the fine print.
func TestDecide_FinePrint(t *testing.T) {
	none := facts{deadline: FetchDeadline}
	tests := []struct {
		rule string
		f    facts
		now  Moment
		q    question
		want Action
	}{
		{"fresh, out of budget: at once", plain(), young, noBudget, Throttle},
		{"fresh, out of budget: not even a refresh under way is waited for", refreshing(plain(), young), young, noBudget, Throttle},
		{"fresh, out of budget, a backoff runs: the source could not be asked", failed(plain(), young, time.Minute), young, noBudget, GiveUp},
		{"fresh, remembered as missing: the source has answered", plain(), young, remembered, Refuse},
		{"fresh, remembered as missing, a backoff runs: the source could not be asked again", failed(plain(), young, time.Minute), young, remembered, GiveUp},
		{"expired: the budget is for fresh sets", plain(), old, noBudget, Await},
		{"expired: so is the memory", plain(), old, remembered, Await},
		{"empty: so is the budget", none, young, noBudget, Await},
		{"fresh, waited for a refresh that failed: no second wait", plain(), young, lostFailed, GiveUp},
		{"empty, waited for a refresh that failed", none, young, lostFailed, GiveUp},
		{"expired, waited for a refresh that failed: the stale set", plain(), old, foundFailed, ServeStale},
		{"expired, waited for a refresh that failed for a missing key", plain(), old, lostFailed, GiveUp},
		{"past the end of stale, waited for a refresh that failed", plain(), older, foundFailed, GiveUp},
		{"fresh, only another key under the name would help", plain(), young, replacement, Await},
		{"expired, the same", plain(), old, replacement, Await},
		{"expired while a refresh still runs, the same", refreshing(plain(), late), 15 * minute, replacement, Await},
		{"expired, attempts fail: the key at hand decides", failed(plain(), old, time.Second), old + second, replacement, GiveUp},
		{"expired, the next attempt under way, the same", refreshing(failed(plain(), old, time.Second), old+second), old + second, replacement, GiveUp},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := tt.f.decide(tt.now, tt.q); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestDecide_MomentsBeginStates(t *testing.T) {
	f := plain()
	for _, tt := range []struct {
		now  Moment
		want State
	}{
		{f.Expiry - 1, Fresh}, {f.Expiry, Stale}, {f.StaleEnd - 1, Stale}, {f.StaleEnd, Expired},
	} {
		if got := f.state(tt.now); got != tt.want {
			t.Errorf("at %v: %v, want %v", tt.now, got, tt.want)
		}
	}
	if got := f.decide(f.Refresh-1, found); got != Serve {
		t.Errorf("before refresh-ahead: %v", got)
	}
	if got := f.decide(f.Refresh, found); got != ServeAndRefresh {
		t.Errorf("at refresh-ahead: %v", got)
	}
}

// A removed key must not be accepted because of a failure that nobody has looked
// into since: whatever the times, a stale set answers at once only until one
// deadline after the backoff.
func TestDecide_FailureExcusesForADeadline(t *testing.T) {
	for _, deadline := range []time.Duration{FetchDeadline, time.Minute} {
		for _, pause := range []time.Duration{minBackoff, maxBackoff, maxRetryAfter} {
			const expiry = 15 * minute
			f := facts{deadline: deadline, loaded: true, Schedule: Schedule{expiry, expiry, Never}}
			f.fail(expiry, pause)
			last := expiry.Add(pause + deadline)
			if got := f.decide(expiry.Add(pause), found); got != ServeStaleAndRefresh {
				t.Errorf("deadline %v, backoff %v, when it ends: %v", deadline, pause, got)
			}
			if got := f.decide(last-1, found); got != ServeStaleAndRefresh {
				t.Errorf("deadline %v, backoff %v, at the last moment: %v", deadline, pause, got)
			}
			if got := f.decide(last, found); got != AwaitOrServeStale {
				t.Errorf("deadline %v, backoff %v, later: %v", deadline, pause, got)
			}
		}
	}
}

// A server that named a time is not asked sooner because of a later failure.
func TestFail_KeepsTheLaterBackoff(t *testing.T) {
	f := failed(plain(), young, 10*time.Minute)
	f = failed(refreshing(f, young+minute), young+minute, time.Second)
	if want := young + 10*minute; f.retryAt != want || f.failingUntil != want.Add(FetchDeadline) || f.failures != 2 {
		t.Errorf("%+v", f)
	}
	f = failed(refreshing(f, young+minute), young+minute, 20*time.Minute)
	if want := young + 21*minute; f.retryAt != want {
		t.Errorf("a later one: %+v", f)
	}
}

// A busy machine may end a refresh a little late; only a process that stood
// still ends it much later, and that failure opens no window.
func TestFail_OverdueOpensNoWindow(t *testing.T) {
	end := young.Add(FetchDeadline)
	for _, tt := range []struct {
		at      Moment
		overdue bool
	}{{end, false}, {end + second, false}, {end + second + 1, true}, {older, true}} {
		f := refreshing(plain(), young)
		if got := f.overdue(tt.at); got != tt.overdue {
			t.Errorf("ended at %v: overdue %t", tt.at, got)
		}
		f = failed(f, tt.at, time.Minute)
		if backoff := tt.at < f.retryAt; backoff == tt.overdue || f.failures != 1 || f.refreshing {
			t.Errorf("ended at %v: %+v", tt.at, f)
		}
	}
}

// eachFacts yields every state whose moments are odd numbers up to 9, so that
// the even numbers and the odd ones are just before, at and just after each of
// them.
func eachFacts(yield func(facts)) {
	const last = 9
	var schedules []Schedule
	for r := Moment(1); r <= last; r += 2 {
		for e := r; e <= last; e += 2 {
			for s := e; s <= last; s += 2 {
				schedules = append(schedules, Schedule{r, e, s})
			}
		}
	}
	schedules = append(schedules, Schedule{0, 0, 5}, permanent()) // a seed's, and a static client's
	for _, schedule := range schedules {
		for retryAt := Moment(-1); retryAt <= last; retryAt += 2 { // -1: no backoff ever ran
			for failingUntil := Moment(-1); failingUntil <= last; failingUntil += 2 {
				f := facts{deadline: 3, loaded: true, Schedule: schedule, retryAt: retryAt, failingUntil: failingUntil}
				yield(f)
				for began := Moment(0); began <= last; began++ {
					yield(refreshing(f, began))
					yield(attemptFailed(refreshing(f, began)))
				}
				for yieldedAt := Moment(0); yieldedAt <= last; yieldedAt += 3 {
					f.yielding, f.yieldedAt, f.lookAt = true, yieldedAt, yieldedAt+2
					yield(f)
					yield(refreshing(f, yieldedAt+2))
					f.yieldedAt -= Moment(Patience) // that much longer ago
					yield(f)
					yield(refreshing(f, yieldedAt+2))
				}
			}
		}
	}
	yield(facts{})
	yield(refreshing(facts{}, 1))
}

// A lookup within the quiet time skips the policy. Over every state and every
// moment before, at and after each of its boundaries: the quiet time ends
// exactly where decide first says something else, neither earlier, for which
// the hot path would pay, nor later.
func TestQuietUntil_EqualsDecide(t *testing.T) {
	const end = Moment(11) // past the last boundary
	states, quiet := 0, 0
	eachFacts(func(f facts) {
		for _, announced := range []bool{false, true} {
			for now := Moment(0); now <= end; now++ {
				states++
				want := now
				for ; want <= end; want++ {
					if a := f.decide(want, question{found: true}); a != Serve && (a != ServeStale || !announced) {
						break
					}
				}
				switch {
				case want == now:
					want = 0
				case want > end: // nothing changes any more
					want = Never
				}
				if want > now {
					quiet++
				}
				if got := f.quietUntil(now, announced); got != want {
					t.Fatalf("at %d, stale announced %t: quiet until %d, but decide says until %d: %+v", now, announced, got, want, f)
				}
			}
		}
	})
	if states < 100_000 || quiet < states/10 {
		t.Errorf("%d states, %d of them quiet: the test shows little", states, quiet)
	}
}

// randomFacts makes any state that the transitions can lead to.
func randomFacts() (f facts, now Moment, staleAnnounced bool) {
	upTo := func(d time.Duration) time.Duration { return rand.N(d + 1) }
	ttl := time.Second + upTo(time.Hour)
	f.deadline = FetchDeadline
	for range rand.IntN(12) {
		now = now.Add(upTo(ttl))
		switch {
		case !f.refreshing && rand.IntN(2) == 0:
			f.begin(now)
		case !f.refreshing:
		case rand.IntN(4) == 0:
			f.firstAttemptFailed = true
		case rand.IntN(8) == 0:
			p := Policy{facts: f}
			p.Yield(now, rand.Float64())
			f = p.facts
		case rand.IntN(2) == 0:
			f.fail(now, backoff(f.failures+1, upTo(maxRetryAfter), rand.Float64()))
		default:
			cfg := Config{TTL: ttl, MinTTL: upTo(ttl), RefreshAhead: 1 - rand.Float64(), MaxStale: upTo(time.Hour)}
			r := Refreshed{Age: upTo(2 * ttl), ServerTTL: upTo(ttl), HasServerTTL: rand.IntN(2) == 0}
			f.renew(cfg.plan(now, r, rand.Float64()))
		}
	}
	return f, now.Add(upTo(ttl)), rand.IntN(2) == 0
}

// The same with times as they are, on states that a client goes through.
func TestQuietUntil_EqualsDecideInRealTimes(t *testing.T) {
	quiet := 0
	for range 300_000 {
		f, now, announced := randomFacts()
		until := f.quietUntil(now, announced)
		silent := func(at Moment) bool {
			a := f.decide(at, found)
			return a == Serve || a == ServeStale && announced
		}
		if until > now {
			quiet++
			for _, at := range []Moment{now, now + (until-now)/2, now + rand.N(until-now), until - 1} {
				if !silent(at) {
					t.Fatalf("quiet from %v until %v, but at %v the policy says %v: %+v", now, until, at, f.decide(at, found), f)
				}
			}
		}
		if end := max(until, now); end != Never && silent(end) {
			t.Fatalf("quiet from %v until %v only, but there the policy says %v: %+v", now, until, f.decide(end, found), f)
		}
	}
	if quiet < 10_000 {
		t.Errorf("only %d states were quiet: the test shows little", quiet)
	}
}

func (a Action) String() string {
	names := []string{"Serve", "ServeAndRefresh", "ServeStale", "ServeStaleAndRefresh", "Await", "AwaitOrServeStale", "Refuse", "Throttle", "GiveUp"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}
