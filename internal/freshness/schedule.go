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
	return min(m, Never-Moment(max(d, 0))) + Moment(d)
}

// Sub returns the time from u to m.
func (m Moment) Sub(u Moment) time.Duration { return time.Duration(m - u) }

// Bounds of the policy that no option changes.
const (
	// FetchDeadline bounds one refresh with its retries and its discovery, where
	// the time-outs of its documents do not add up to more.
	FetchDeadline = 15 * time.Second

	doubtEvery    = time.Hour        // how long at most the validators of a server are believed
	overdueGrace  = time.Second      // how late a refresh may end because the machine is busy
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

// minTTL is how early at most a server can ask for a refresh.
func (c *Config) minTTL() time.Duration { return min(c.MinTTL, c.TTL) }

// lifetime is how long an answer is trusted from now on: the TTL, counted from
// when the origin made it. The server has no say in that: its headers only tell
// when to look again.
//
// An answer as old as the TTL, or older, comes from a cache on the way that obeys
// nobody, for it was asked for past all caches. There is nothing better to have,
// so it is trusted until its copy ends, within the bounds of the configuration.
// No answer is trusted for no time at all: the next refresh would be due at once,
// for as long as the age, in whole seconds, is just the TTL.
func (c *Config) lifetime(r Refreshed) time.Duration {
	if r.Age < c.TTL {
		return c.TTL - r.Age
	}
	return max(min(r.ServerTTL, c.TTL), c.minTTL())
}

// plan lays out the moments of a set that was fetched now. random is uniform
// in [0, 1): refresh-ahead moves by ±10 % so that a fleet does not march in
// step, and stays short of the expiry. So does the moment at which the headers
// of the answer ask for another look (RFC 9111 section 4.2), where it is
// earlier.
func (c *Config) plan(now Moment, r Refreshed, random float64) Schedule {
	life := c.lifetime(r)
	expiry := now.Add(life)
	s := Schedule{Refresh: expiry, Expiry: expiry, StaleEnd: expiry.Add(c.MaxStale)}
	if ahead := c.RefreshAhead; ahead < 1 {
		low, high := 0.9*ahead, min(1.1*ahead, (1+ahead)/2)
		s.Refresh = now.Add(time.Duration((low + (high-low)*random) * float64(life)))
	}
	if asked := max(r.ServerTTL, c.minTTL()); r.HasServerTTL && asked < c.TTL {
		s.Refresh = min(s.Refresh, now.Add(time.Duration((0.9+0.2*random)*float64(asked))))
	}
	return s
}

// backoff is the pause after the nth failure in a row: 1 s doubling to 60 s
// with full jitter, raised by Retry-After. random is uniform in [0, 1).
func backoff(failures int, retryAfter time.Duration, random float64) time.Duration {
	step := doubled(firstBackoff, failures-1, maxBackoff)
	pause := max(time.Duration(random*step), minBackoff)
	return max(pause, min(retryAfter, maxRetryAfter))
}

// doubled is d doubled n times, at most limit.
func doubled(d time.Duration, n int, limit time.Duration) float64 {
	return min(float64(d)*math.Exp2(float64(n)), float64(limit))
}
