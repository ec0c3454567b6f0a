package testkit

import (
	"sync/atomic"
	"time"

	"github.com/seed-22400188/jwks"
)

// Measure returns how long a call takes.
func Measure(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// AtNow fixes the time of a verifier at [Now].
func AtNow() jwks.VerifierOption { return jwks.WithNow(NowTime) }

// Clock is the time of a verifier, which its test moves.
type Clock struct {
	Unix atomic.Int64 // in seconds
}

// NewClock makes a clock that stands at [Now].
func NewClock() *Clock {
	c := new(Clock)
	c.Unix.Store(Now)
	return c
}

// Advance moves the clock, in whole seconds.
func (c *Clock) Advance(d time.Duration) { c.Unix.Add(int64(d / time.Second)) }

// Option gives the clock to a verifier.
func (c *Clock) Option() jwks.VerifierOption {
	return jwks.WithNow(func() time.Time { return time.Unix(c.Unix.Load(), 0) })
}

// NowTime is [Now] as a time.
func NowTime() time.Time { return time.Unix(Now, 0) }
