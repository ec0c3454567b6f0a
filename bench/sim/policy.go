package main

import (
	"math/rand/v2"
	"time"
)

// policy is what a replica does, in the terms of the library's options. Its
// arithmetic is that of the library's freshness policy, written down once more
// so that a hundred thousand replicas fit into a second; the tests hold it
// against real clients.
type policy struct {
	ttl           time.Duration // WithTTL
	ahead         float64       // WithRefreshAhead
	maxStale      time.Duration // WithMaxStale
	retries       int           // WithRetries
	discovery     bool          // WithIssuer; else WithJWKSURL
	limitEvery    time.Duration // WithRefreshLimit
	limitBurst    int           //
	store         bool          // WithStore, shared by all
	leases        bool          // the store is a Leaser
	jitterAhead   bool          // not an option: always on in the library
	jitterBackoff bool          // the same
}

// standard is a client with nothing but WithIssuer.
func standard() policy {
	return policy{
		ttl: 15 * time.Minute, ahead: 0.8, maxStale: time.Hour, retries: 2, discovery: true,
		limitEvery: 30 * time.Second, limitBurst: 5, jitterAhead: true, jitterBackoff: true,
	}
}

// lifetime is how long an answer is trusted: the TTL, counted from when the
// issuer made it. What its headers say does not matter for that.
func (p *policy) lifetime(a answer) time.Duration { return p.ttl - a.age }

// due is when a set is refreshed that is trusted for life from now on: before
// its end, and sooner where the headers of the answer ask for it, but not within
// a minute.
func (p *policy) due(now, life time.Duration, a answer, r *rand.Rand) time.Duration {
	random := 0.5
	if p.jitterAhead {
		random = r.Float64()
	}
	due := now + life
	if p.ahead < 1 {
		low, high := 0.9*p.ahead, min(1.1*p.ahead, (1+p.ahead)/2)
		due = now + time.Duration((low+(high-low)*random)*float64(life))
	}
	if asked := max(a.maxAge-a.age, time.Minute); a.maxAge > 0 && asked < p.ttl {
		due = min(due, now+time.Duration((0.9+0.2*random)*float64(asked)))
	}
	return due
}

// backoff is the pause after the nth failure in a row.
func (p *policy) backoff(failures int, retryAfter time.Duration, r *rand.Rand) time.Duration {
	step := min(time.Second<<min(failures-1, 6), time.Minute)
	pause := step
	if p.jitterBackoff {
		pause = max(time.Duration(r.Float64()*float64(step)), 100*time.Millisecond)
	}
	return max(pause, min(retryAfter, 10*time.Minute))
}

// pause is that between the attempts of one fetch, after the nth.
func (p *policy) pause(n int, r *rand.Rand) time.Duration {
	const step = 100 * time.Millisecond
	if !p.jitterBackoff {
		return time.Duration(n)*step + step/2
	}
	return time.Duration(n)*step + time.Duration(r.Int64N(int64(step)))
}
