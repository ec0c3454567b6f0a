package jwks

import (
	"math"
	"time"
)

// The freshness policy: what a lookup does, decided from state and time alone.
// The cache carries it out and decides nothing itself.

// moment is a time on the monotonic clock, counted from the client's birth: a
// jump of the wall clock neither expires a key nor keeps it.
type moment = time.Duration

const never moment = math.MaxInt64

// Bounds of the policy that no option changes.
const (
	minServerTTL    = time.Minute      // a server may not shorten the TTL below this
	firstBackoff    = time.Second      // after the first failure, doubling
	maxBackoff      = time.Minute      //
	minBackoff      = time.Second / 10 // whatever the jitter says
	maxRetryAfter   = 10 * time.Minute // what a server may ask for
	fetchDeadline   = 15 * time.Second // one fetch with its retries and its discovery
	missingMemory   = time.Minute      // how long a kid is remembered as missing
	vanishedMemory  = 48 * time.Hour   // how long a kid that left the set has a budget of its own
	vanishedEntries = maxKeys          // how many such kids are remembered
)

// schedule holds the moments of one snapshot, in this order.
type schedule struct {
	refresh moment // from here on a lookup refreshes in the background
	expiry  moment // the end of the TTL
	stale   moment // the end of serving it while the source fails
}

// state says how far a set has aged.
func (s schedule) state(now moment) State {
	switch {
	case now < s.expiry:
		return StateFresh
	case now < s.stale:
		return StateStale
	default:
		return StateExpired
	}
}

// permanent is the schedule of a static client.
func permanent() schedule { return schedule{never, never, never} }

// lifetime is how long an answer is fresh from now on: the TTL less the
// answer's Age, or what its headers ask for where that is shorter, but they
// cannot ask for less than a minute (RFC 9111 section 4.2).
func lifetime(ttl, age, asked time.Duration, said bool) time.Duration {
	d := ttl - age
	if said {
		d = min(d, asked)
	}
	return max(d, min(ttl, minServerTTL))
}

// plan lays out the moments of a set that was fetched now. random is uniform
// in [0, 1): refresh-ahead moves by ±10 % so that a fleet does not march in
// step, and stays short of the expiry.
func plan(now moment, life time.Duration, ahead float64, maxStale time.Duration, random float64) schedule {
	expiry := later(now, life)
	s := schedule{refresh: expiry, expiry: expiry, stale: later(expiry, maxStale)}
	if ahead < 1 {
		low, high := 0.9*ahead, min(1.1*ahead, (1+ahead)/2)
		s.refresh = later(now, time.Duration((low+(high-low)*random)*float64(life)))
	}
	return s
}

// later adds without overflow.
func later(m moment, d time.Duration) moment {
	if d > never-m {
		return never
	}
	return m + d
}

// backoff is the pause after the nth failure in a row: 1 s doubling to 60 s
// with full jitter, raised by Retry-After.
func backoff(failures int, retryAfter time.Duration, random float64) time.Duration {
	step := maxBackoff
	if failures < 7 {
		step = min(maxBackoff, firstBackoff<<(failures-1))
	}
	pause := max(time.Duration(random*float64(step)), minBackoff)
	return max(pause, min(retryAfter, maxRetryAfter))
}

// freshness is the state that the policy decides from. A refresh begins, may
// stumble, and fails or renews it.
type freshness struct {
	loaded bool // there is a set to answer from; never with WithoutCache
	schedule

	flying   bool   // a refresh is under way
	began    moment // when it began
	stumbled bool   // its first attempt has failed, and others follow

	failures int    // failed refreshes since the last good one
	retryAt  moment // end of the backoff
	excused  moment // until then the source counts as failing
}

// begin is the start of a refresh.
func (f *freshness) begin(now moment) { f.flying, f.began, f.stumbled = true, now, false }

// fail is the end of a refresh that failed. The backoff runs for pause.
//
// For how long after that may a stale set answer at once? Traffic tries again
// as soon as the backoff ends. When none came for a TTL, nobody knows whether
// the source still fails, and a key that it removed meanwhile must not be
// accepted on an old excuse.
func (f *freshness) fail(now moment, pause, ttl time.Duration) {
	f.flying, f.stumbled = false, false
	f.failures++
	f.retryAt = now + pause
	f.excused = max(later(now, ttl), f.retryAt+fetchDeadline)
}

// renew is the end of a refresh that brought or confirmed a set.
func (f *freshness) renew(s schedule) { *f = freshness{loaded: true, schedule: s} }

// question is what a lookup knows when it asks the policy.
type question struct {
	found      bool // the set answers it
	remembered bool // a fresh set was asked for the same lately and did not have it
	budget     bool // a refresh for an unknown key may be afforded
	failed     bool // the lookup has waited for a refresh, and that failed
	again      bool // a key is there, and only another one under its name would help
}

// action is what the policy decides.
type action uint8

const (
	answer             action = iota // from the set
	answerAndRefresh                 // from the set, and refresh in the background
	answerStale                      // from the set, past its TTL
	answerStaleRefresh               // the same, and refresh in the background
	await                            // refresh, or join the refresh under way, wait for it and look again
	awaitOrStale                     // the same; should its first attempt fail, answer from the stale set
	refuse                           // not there: the source has answered
	throttle                         // not there, and the budget to ask again is spent
	giveUp                           // the source cannot be asked now
)

// state says how far the set has aged.
func (f *freshness) state(now moment) State {
	if !f.loaded {
		return StateEmpty
	}
	return f.schedule.state(now)
}

// decide is the table of the freshness policy.
func (f *freshness) decide(now moment, q question) action {
	noWait := q.failed || now < f.retryAt // during a backoff nobody waits for the network
	switch f.state(now) {
	case StateFresh:
		switch {
		case q.found && now >= f.refresh && !f.flying && !noWait:
			return answerAndRefresh
		case q.found:
			return answer
		case noWait:
			return giveUp
		case q.remembered:
			return refuse
		case !q.budget:
			return throttle
		default:
			return await
		}

	case StateStale:
		inTime := f.flying && f.began < f.expiry // it is merely slow
		failing := noWait || f.flying && f.stumbled || now < f.excused
		switch {
		case q.found && inTime:
			return answer
		case q.found && !failing:
			return awaitOrStale
		case q.found && (f.flying || noWait):
			return answerStale
		case q.found:
			return answerStaleRefresh
		case noWait, f.flying && f.stumbled && !inTime, q.again && failing && !inTime:
			return giveUp
		default: // the next attempt may bring what was published meanwhile
			return await
		}

	default: // empty, or past the end of stale
		if noWait {
			return giveUp
		}
		return await
	}
}

// quiet is the moment until which a lookup that the set answers need not ask
// the policy, if nothing else happens: decide would say answer, or answerStale
// once that was announced.
func (f *freshness) quiet(now moment, staleAnnounced bool) moment {
	switch state := f.state(now); {
	case state == StateFresh && !f.flying:
		return min(max(f.refresh, f.retryAt), f.expiry)
	case state == StateFresh: // the refresh under way began in time
		return f.stale
	case state != StateStale:
		return 0
	case f.flying && f.began < f.expiry:
		return f.stale
	case !staleAnnounced:
		return 0
	case f.flying && f.stumbled:
		return f.stale
	case f.flying:
		return min(f.excused, f.stale)
	default:
		return min(f.retryAt, f.stale)
	}
}
