package jwks

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The times of the table: a set fetched at 0 with a TTL of 15 min.
const (
	young  = 5 * time.Minute
	ageing = 14 * time.Minute // past refresh-ahead
	old    = 20 * time.Minute // past the TTL
	older  = 80 * time.Minute // past the end of stale
)

var (
	hit    = question{found: true, budget: true}
	miss   = question{budget: true}
	broke  = question{}
	known  = question{remembered: true, budget: true}
	doubt  = question{again: true, budget: true}
	hitAlt = question{found: true, budget: true, failed: true} // has waited for a refresh that failed
	missed = question{budget: true, failed: true}
)

// plain is a set as the last refresh left it.
func plain() freshness {
	return freshness{loaded: true, schedule: schedule{refresh: 12 * time.Minute, expiry: 15 * time.Minute, stale: 75 * time.Minute}}
}

// The rows of the table in the design, and what it leaves to the fine print.
func TestDecisions(t *testing.T) {
	flying := func(f freshness, began moment) freshness { f.begin(began); return f }
	stumbled := func(f freshness) freshness { f.stumbled = true; return f }
	failed := func(f freshness, at moment, pause time.Duration) freshness {
		f.fail(at, pause, 15*time.Minute)
		return f
	}
	none := freshness{}
	tests := []struct {
		state       string
		f           freshness
		now         moment
		found, lost action // a lookup that finds the key, and one that does not
	}{
		{"empty", none, young, await, await},
		{"empty, a refresh under way", flying(none, young), young, await, await},
		{"empty, its first attempt has failed", stumbled(flying(none, young)), young, await, await},
		{"empty, a backoff runs", failed(none, young, time.Minute), young, giveUp, giveUp},
		{"empty, a backoff runs and the operator refreshes", flying(failed(none, young, time.Minute), young), young, giveUp, giveUp},
		{"empty, the backoff is over", failed(none, young, time.Second), young + time.Second, await, await},

		{"fresh", plain(), young, answer, await},
		{"fresh, a refresh under way", flying(plain(), young), young, answer, await},
		{"fresh, a backoff runs", failed(plain(), young, time.Minute), young, answer, giveUp},
		{"fresh, a backoff runs and the operator refreshes", flying(failed(plain(), young, time.Minute), young), young, answer, giveUp},
		{"fresh, the backoff is over", failed(plain(), young, time.Second), young + time.Second, answer, await},

		{"past refresh-ahead", plain(), ageing, answerAndRefresh, await},
		{"past refresh-ahead, a refresh under way", flying(plain(), ageing), ageing, answer, await},
		{"past refresh-ahead, a backoff runs", failed(plain(), ageing, time.Minute), ageing, answer, giveUp},
		{"past refresh-ahead, the backoff is over", failed(plain(), ageing, time.Second), ageing + time.Second, answerAndRefresh, await},

		{"expired", plain(), old, awaitOrStale, await},
		{"expired, a refresh that began after expiry", flying(plain(), old), old, awaitOrStale, await},
		{"expired, its first attempt has failed", stumbled(flying(plain(), old)), old, answerStale, giveUp},
		{"expired, a refresh that began before expiry", flying(plain(), ageing), old, answer, await},
		{"expired, and its first attempt has failed", stumbled(flying(plain(), ageing)), old, answer, await},
		{"expired, a backoff runs", failed(plain(), old, time.Minute), old, answerStale, giveUp},
		{"expired, a backoff runs and the operator refreshes", flying(failed(plain(), old, time.Minute), old), old, answerStale, giveUp},
		{"expired, the backoff is over", failed(plain(), old, time.Second), old + time.Second, answerStaleRefresh, await},
		{"expired, the next attempt under way", flying(failed(plain(), old, time.Second), old+time.Second), old + time.Second, answerStale, await},
		{"expired, an attempt before expiry has failed", failed(plain(), ageing, time.Second), 15 * time.Minute, answerStaleRefresh, await},
		{"expired, no attempt for a TTL since one failed", failed(plain(), old, time.Second), old + 15*time.Minute, awaitOrStale, await},

		{"past the end of stale", plain(), older, await, await},
		{"past the end of stale, a refresh that began before expiry", flying(plain(), ageing), older, await, await},
		{"past the end of stale, a backoff runs", failed(plain(), older, time.Minute), older, giveUp, giveUp},
		{"past the end of stale, the backoff is over", failed(plain(), older, time.Second), older + time.Second, await, await},

		{"static", freshness{loaded: true, schedule: permanent()}, 1e6 * time.Hour, answer, await},
	}
	for _, tt := range tests {
		t.Run(tt.state, func(t *testing.T) {
			if got := tt.f.decide(tt.now, hit); got != tt.found {
				t.Errorf("key found: %v, want %v", got, tt.found)
			}
			if got := tt.f.decide(tt.now, miss); got != tt.lost {
				t.Errorf("key not found: %v, want %v", got, tt.lost)
			}
		})
	}

	more := []struct {
		rule string
		f    freshness
		now  moment
		q    question
		want action
	}{
		{"fresh, out of budget: at once", plain(), young, broke, throttle},
		{"fresh, out of budget: not even a refresh under way is waited for", flying(plain(), young), young, broke, throttle},
		{"fresh, out of budget, a backoff runs: the source could not be asked", failed(plain(), young, time.Minute), young, broke, giveUp},
		{"fresh, remembered as missing: the source has answered", plain(), young, known, refuse},
		{"fresh, remembered as missing, a backoff runs: the source could not be asked again", failed(plain(), young, time.Minute), young, known, giveUp},
		{"expired: the budget is for fresh sets", plain(), old, broke, await},
		{"expired: so is the memory", plain(), old, known, await},
		{"empty: so is the budget", none, young, broke, await},
		{"fresh, waited in vain: no second wait", plain(), young, missed, giveUp},
		{"empty, waited in vain", none, young, missed, giveUp},
		{"expired, waited in vain: the stale set", plain(), old, hitAlt, answerStale},
		{"expired, waited in vain for a missing key", plain(), old, missed, giveUp},
		{"past the end of stale, waited in vain", plain(), older, hitAlt, giveUp},
		{"fresh, only another key under the name would help", plain(), young, doubt, await},
		{"expired, the same", plain(), old, doubt, await},
		{"expired while a refresh still runs, the same", flying(plain(), ageing), old, doubt, await},
		{"expired, attempts fail: the key at hand decides", failed(plain(), old, time.Second), old + time.Second, doubt, giveUp},
		{"expired, the next attempt under way, the same", flying(failed(plain(), old, time.Second), old+time.Second), old + time.Second, doubt, giveUp},
	}
	for _, tt := range more {
		t.Run(tt.rule, func(t *testing.T) {
			if got := tt.f.decide(tt.now, tt.q); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestMomentsBelongToWhatTheyBegin(t *testing.T) {
	f := plain()
	for _, tt := range []struct {
		now  moment
		want State
	}{
		{f.expiry - 1, StateFresh}, {f.expiry, StateStale}, {f.stale - 1, StateStale}, {f.stale, StateExpired},
	} {
		if got := f.state(tt.now); got != tt.want {
			t.Errorf("at %v: %v, want %v", tt.now, got, tt.want)
		}
	}
	if got := f.decide(f.refresh-1, hit); got != answer {
		t.Errorf("before refresh-ahead: %v", got)
	}
	if got := f.decide(f.refresh, hit); got != answerAndRefresh {
		t.Errorf("at refresh-ahead: %v", got)
	}
}

// A removed key must not be accepted for longer than the TTL because of a
// failure that nobody has looked into since: whatever the times, a stale set
// answers at once only when an attempt failed less than a TTL ago, or the
// backoff after it has only just ended.
func TestAnExcuseLastsForTheTTL(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, time.Minute, 15 * time.Minute, 24 * time.Hour} {
		for _, pause := range []time.Duration{minBackoff, maxBackoff, maxRetryAfter} {
			f := freshness{loaded: true, schedule: schedule{ttl, ttl, never}}
			f.fail(ttl, pause, ttl)
			last := ttl + max(ttl, pause+fetchDeadline)
			if got := f.decide(ttl+pause, hit); got != answerStaleRefresh {
				t.Errorf("TTL %v, backoff %v, when it ends: %v", ttl, pause, got)
			}
			if got := f.decide(last-1, hit); got != answerStaleRefresh {
				t.Errorf("TTL %v, backoff %v, at the last moment: %v", ttl, pause, got)
			}
			if got := f.decide(last, hit); got != awaitOrStale {
				t.Errorf("TTL %v, backoff %v, later: %v", ttl, pause, got)
			}
		}
	}
}

// randomFreshness makes any state that the transitions can lead to.
func randomFreshness() (f freshness, now moment, staleAnnounced bool) {
	upTo := func(d time.Duration) time.Duration { return rand.N(d + 1) }
	ttl := time.Second + upTo(time.Hour)
	for range rand.IntN(12) {
		now += upTo(ttl)
		switch {
		case !f.flying && rand.IntN(2) == 0:
			f.begin(now)
		case !f.flying:
		case rand.IntN(4) == 0:
			f.stumbled = true
		case rand.IntN(2) == 0:
			f.fail(now, backoff(f.failures+1, upTo(maxRetryAfter), rand.Float64()), ttl)
		default:
			f.renew(plan(now, ttl, 0.01+0.99*rand.Float64(), upTo(time.Hour), rand.Float64()))
		}
	}
	now += upTo(ttl)
	return f, now, rand.IntN(2) == 0
}

// A lookup within the quiet time skips the policy. It must do what the policy
// would have said, for as long as nothing but time happens.
func TestQuietNeverDisagreesWithThePolicy(t *testing.T) {
	quiet := 0
	for range 200_000 {
		f, now, announced := randomFreshness()
		until := f.quiet(now, announced)
		if until <= now {
			continue
		}
		quiet++
		for _, at := range []moment{now, now + (until-now)/2, now + rand.N(until-now), until - 1} {
			got := f.decide(at, hit)
			if got != answer && !(got == answerStale && announced) {
				t.Fatalf("quiet from %v until %v, but at %v the policy says %v: %+v", now, until, at, got, f)
			}
		}
	}
	if quiet < 10_000 {
		t.Errorf("only %d states were quiet: the test shows little", quiet)
	}
}

// The other direction: the quiet time is not cut short without need, or the
// hot path would pay for it.
func TestQuietLastsAsLongAsThePolicySaysAnswer(t *testing.T) {
	for range 200_000 {
		f, now, announced := randomFreshness()
		until := max(f.quiet(now, announced), now)
		if until == never {
			continue
		}
		if got := f.decide(until, hit); got == answer || got == answerStale && announced {
			// At an expiry while a backoff runs the state changes and the
			// announcement is due.
			if until != f.expiry {
				t.Fatalf("quiet from %v until %v only, but there the policy says %v: %+v", now, until, got, f)
			}
		}
	}
}

func TestLifetime(t *testing.T) {
	const ttl = 15 * time.Minute
	tests := []struct {
		rule       string
		ttl        time.Duration
		age, asked time.Duration
		said       bool
		want       time.Duration
	}{
		{"without headers the TTL", ttl, 0, 0, false, ttl},
		{"less the age", ttl, 4 * time.Minute, 0, false, 11 * time.Minute},
		{"max-age may shorten it", ttl, 0, 5 * time.Minute, true, 5 * time.Minute},
		{"nothing lengthens it", ttl, 0, 7 * 24 * time.Hour, true, ttl},
		{"nor a long max-age with an age", ttl, 4 * time.Minute, time.Hour, true, 11 * time.Minute},
		{"not below a minute", ttl, 0, time.Second, true, time.Minute},
		{"no-store means a minute", ttl, 0, 0, true, time.Minute},
		{"an answer older than the TTL", ttl, time.Hour, 0, false, time.Minute},
		{"of any age", ttl, 1 << 31 * time.Second, 0, true, time.Minute},
		{"a shorter TTL is the user's own", time.Second, 0, time.Hour, true, time.Second},
		{"which a server cannot shorten", 30 * time.Second, 0, 0, true, 30 * time.Second},
		{"nor an age", 30 * time.Second, time.Hour, 0, false, 30 * time.Second},
		{"the longest TTL", math.MaxInt64, 0, 0, false, math.MaxInt64},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := lifetime(tt.ttl, tt.age, tt.asked, tt.said); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	const now, life, maxStale = time.Hour, 100 * time.Minute, 30 * time.Minute
	tests := []struct {
		rule   string
		ahead  float64
		random float64
		want   schedule
	}{
		{"10 % early", 0.8, 0, schedule{now + 72*time.Minute, now + life, now + life + maxStale}},
		{"in the middle", 0.8, 0.5, schedule{now + 80*time.Minute, now + life, now + life + maxStale}},
		{"1 turns refresh-ahead off", 1, 0.5, schedule{now + life, now + life, now + life + maxStale}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got := plan(now, life, tt.ahead, maxStale, tt.random)
			if d := got.refresh - tt.want.refresh; d < -time.Microsecond || d > time.Microsecond || got.expiry != tt.want.expiry || got.stale != tt.want.stale {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	t.Run("the moments are in order and the jitter is at most 10 %", func(t *testing.T) {
		for range 100_000 {
			ahead := 1 - rand.Float64()
			life := 1 + rand.N(100*time.Hour)
			s := plan(now, life, ahead, rand.N(time.Hour), rand.Float64())
			if now > s.refresh || s.refresh > s.expiry || s.expiry > s.stale {
				t.Fatalf("%v of %v: %v", ahead, life, s)
			}
			if share := float64(s.refresh-now) / float64(life); ahead < 1 && (share < 0.9*ahead-1e-6 || share > 1.1*ahead+1e-6) {
				t.Fatalf("%v of %v: refresh at %v of it", ahead, life, share)
			}
		}
	})
	t.Run("the longest times do not overflow", func(t *testing.T) {
		if s := plan(now, math.MaxInt64, 1, math.MaxInt64, 0.5); s != permanent() {
			t.Errorf("%v", s)
		}
		if s := plan(now, life, 0.8, math.MaxInt64, 0.5); s.stale != never {
			t.Errorf("%v", s)
		}
	})
}

func TestBackoff(t *testing.T) {
	const almost = 1 - 1e-9
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if got := backoff(n+1, 0, almost).Round(time.Millisecond); got != want*time.Second {
			t.Errorf("after failure %d at most %v, want %v", n+1, got, want*time.Second)
		}
		if got := backoff(n+1, 0, 0); got != minBackoff {
			t.Errorf("after failure %d at least %v, want %v", n+1, got, minBackoff)
		}
		if got := backoff(n+1, 0, 0.5).Round(time.Millisecond); got != want*time.Second/2 {
			t.Errorf("after failure %d half of it is %v: the jitter is not full", n+1, got)
		}
	}
	if got := backoff(math.MaxInt, 0, almost).Round(time.Millisecond); got != time.Minute {
		t.Errorf("after ever so many failures %v", got)
	}
	for _, tt := range []struct {
		rule            string
		retryAfter, out time.Duration
	}{
		{"Retry-After raises it", 2 * time.Minute, 2 * time.Minute},
		{"to 10 minutes at most", 24 * time.Hour, 10 * time.Minute},
		{"and does not lower it", time.Second, 30 * time.Second},
	} {
		if got := backoff(7, tt.retryAfter, 0.5); got != tt.out {
			t.Errorf("%s: %v, want %v", tt.rule, got, tt.out)
		}
	}
}

func (a action) String() string {
	names := []string{"answer", "answerAndRefresh", "answerStale", "answerStaleRefresh", "await", "awaitOrStale", "refuse", "throttle", "giveUp"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}
