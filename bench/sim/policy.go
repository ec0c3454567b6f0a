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

// lifetime is how long an answer is fresh: the TTL less its age, or less if its
// headers say so, but a minute at least.
func (p *policy) lifetime(a answer) time.Duration {
	d := p.ttl - a.age
	if a.maxAge > 0 {
		d = min(d, a.maxAge-a.age)
	}
	return max(d, min(p.ttl, time.Minute))
}

// due is when a set is refreshed that is fresh for life from now on.
func (p *policy) due(now, life time.Duration, r *rand.Rand) time.Duration {
	if p.ahead >= 1 {
		return now + life
	}
	share := p.ahead
	if p.jitterAhead {
		low, high := 0.9*p.ahead, min(1.1*p.ahead, (1+p.ahead)/2)
		share = low + (high-low)*r.Float64()
	}
	return now + time.Duration(share*float64(life))
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
