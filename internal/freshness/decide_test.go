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
	ageing = 14 * minute // past refresh-ahead
	old    = 20 * minute // past the TTL
	older  = 80 * minute // past the end of stale
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
	return facts{loaded: true, Schedule: Schedule{Refresh: 12 * minute, Expiry: 15 * minute, StaleEnd: 75 * minute}}
}

func refreshing(f facts, began Moment) facts { f.begin(began); return f }

func attemptFailed(f facts) facts { f.firstAttemptFailed = true; return f }

func failed(f facts, at Moment, pause time.Duration) facts {
	f.fail(at, pause, 15*time.Minute)
	return f
}

// The rows of the table in the design.
func TestDecide_Table(t *testing.T) {
	none := facts{}
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
		{"expired, its first attempt has failed", attemptFailed(refreshing(plain(), old)), old, ServeStale, GiveUp},
		{"expired, a refresh that began before expiry", refreshing(plain(), ageing), old, Serve, Await},
		{"expired, and its first attempt has failed", attemptFailed(refreshing(plain(), ageing)), old, Serve, Await},
		{"expired, a backoff runs", failed(plain(), old, time.Minute), old, ServeStale, GiveUp},
		{"expired, a backoff runs and the operator refreshes", refreshing(failed(plain(), old, time.Minute), old), old, ServeStale, GiveUp},
		{"expired, the backoff is over", failed(plain(), old, time.Second), old + second, ServeStaleAndRefresh, Await},
		{"expired, the next attempt under way", refreshing(failed(plain(), old, time.Second), old+second), old + second, ServeStale, Await},
		{"expired, an attempt before expiry has failed", failed(plain(), ageing, time.Second), 15 * minute, ServeStaleAndRefresh, Await},
		{"expired, no attempt for a TTL since one failed", failed(plain(), old, time.Second), old + 15*minute, AwaitOrServeStale, Await},

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
	none := facts{}
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
		{"expired while a refresh still runs, the same", refreshing(plain(), ageing), old, replacement, Await},
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

// A removed key must not be accepted for longer than the TTL because of a
// failure that nobody has looked into since: whatever the times, a stale set
// answers at once only when an attempt failed less than a TTL ago, or the
// backoff after it has only just ended.
func TestDecide_FailureExcusesForTheTTL(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, time.Minute, 15 * time.Minute, 24 * time.Hour} {
		for _, pause := range []time.Duration{minBackoff, maxBackoff, maxRetryAfter} {
			expiry := Moment(ttl)
			f := facts{loaded: true, Schedule: Schedule{expiry, expiry, Never}}
			f.fail(expiry, pause, ttl)
			last := expiry.Add(max(ttl, pause+FetchDeadline))
			if got := f.decide(expiry.Add(pause), found); got != ServeStaleAndRefresh {
				t.Errorf("TTL %v, backoff %v, when it ends: %v", ttl, pause, got)
			}
			if got := f.decide(last-1, found); got != ServeStaleAndRefresh {
				t.Errorf("TTL %v, backoff %v, at the last moment: %v", ttl, pause, got)
			}
			if got := f.decide(last, found); got != AwaitOrServeStale {
				t.Errorf("TTL %v, backoff %v, later: %v", ttl, pause, got)
			}
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
				f := facts{loaded: true, Schedule: schedule, retryAt: retryAt, failingUntil: failingUntil}
				yield(f)
				for began := Moment(0); began <= last; began++ {
					yield(refreshing(f, began))
					yield(attemptFailed(refreshing(f, began)))
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
	for range rand.IntN(12) {
		now = now.Add(upTo(ttl))
		switch {
		case !f.refreshing && rand.IntN(2) == 0:
			f.begin(now)
		case !f.refreshing:
		case rand.IntN(4) == 0:
			f.firstAttemptFailed = true
		case rand.IntN(2) == 0:
			f.fail(now, backoff(f.failures+1, upTo(maxRetryAfter), rand.Float64()), ttl)
		default:
			f.renew(plan(now, ttl, 0.01+0.99*rand.Float64(), upTo(time.Hour), rand.Float64()))
		}
	}
	return f, now.Add(upTo(ttl)), rand.IntN(2) == 0
}

// The same with times as they are, on states that a client goes through.
func TestQuietUntil_EqualsDecideInRealTimes(t *testing.T) {
	quiet := 0
	for range 200_000 {
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
