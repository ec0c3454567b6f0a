package freshness

import (
	"math"
	"time"
)

// Moment is a point on a monotonic clock, in nanoseconds since the clock
// started: a jump of the wall clock neither expires a key nor keeps it.
type Moment int64

// Never is later than every other moment.
const Never Moment = math.MaxInt64

// Add returns the moment d later, at most Never.
func (m Moment) Add(d time.Duration) Moment {
	if d > 0 && m > Never-Moment(d) {
		return Never
	}
	return m + Moment(d)
}

// Sub returns the time from u to m.
func (m Moment) Sub(u Moment) time.Duration { return time.Duration(m - u) }

// Bounds of the policy that no option changes.
const (
	// FetchDeadline bounds one refresh with its retries and its discovery.
	FetchDeadline = 15 * time.Second

	minServerTTL  = time.Minute      // the shortest TTL that a server may ask for
	firstBackoff  = time.Second      // after the first failure, doubling
	maxBackoff    = time.Minute      // where the doubling ends
	minBackoff    = time.Second / 10 // whatever the jitter says
	maxRetryAfter = 10 * time.Minute // the longest pause that a server may ask for
)

// State says how far a set has aged.
type State uint8

// The states follow each other with time.
const (
	Empty   State = iota // no set
	Fresh                // within the TTL
	Stale                // past the TTL: serves only while the source fails
	Expired              // past the end of stale: does not serve
)

// Schedule holds the moments of one set, in this order. Each moment belongs to
// what begins with it.
type Schedule struct {
	Refresh  Moment // from here on a lookup refreshes in the background
	Expiry   Moment // the end of the TTL
	StaleEnd Moment // the end of serving the set while the source fails
}

// State says how far the set has aged.
func (s Schedule) State(now Moment) State {
	switch {
	case now < s.Expiry:
		return Fresh
	case now < s.StaleEnd:
		return Stale
	default:
		return Expired
	}
}

// permanent is the schedule of a set that has nowhere to be fetched from.
func permanent() Schedule { return Schedule{Never, Never, Never} }

// lifetime is how long an answer stays fresh: the TTL less the answer's Age, or
// what its headers ask for where that is shorter. Headers cannot ask for less
// than a minute (RFC 9111 section 4.2).
func lifetime(ttl, age, serverTTL time.Duration, hasServerTTL bool) time.Duration {
	d := ttl - age
	if hasServerTTL {
		d = min(d, serverTTL)
	}
	return max(d, min(ttl, minServerTTL))
}

// plan lays out the moments of a set that was fetched now. random is uniform
// in [0, 1): refresh-ahead moves by ±10 % so that a fleet does not march in
// step, and stays short of the expiry.
func plan(now Moment, life time.Duration, ahead float64, maxStale time.Duration, random float64) Schedule {
	expiry := now.Add(life)
	s := Schedule{Refresh: expiry, Expiry: expiry, StaleEnd: expiry.Add(maxStale)}
	if ahead < 1 {
		low, high := 0.9*ahead, min(1.1*ahead, (1+ahead)/2)
		s.Refresh = now.Add(time.Duration((low + (high-low)*random) * float64(life)))
	}
	return s
}

// backoff is the pause after the nth failure in a row: 1 s doubling to 60 s
// with full jitter, raised by Retry-After. random is uniform in [0, 1).
func backoff(failures int, retryAfter time.Duration, random float64) time.Duration {
	step := maxBackoff
	if failures < 7 {
		step = min(maxBackoff, firstBackoff<<(failures-1))
	}
	pause := max(time.Duration(random*float64(step)), minBackoff)
	return max(pause, min(retryAfter, maxRetryAfter))
}
