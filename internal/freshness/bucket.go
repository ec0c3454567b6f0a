package freshness

import "time"

// Bucket is a token bucket that nobody waits for: a budget of some burst,
// refilled by one each every.
type Bucket struct {
	every time.Duration
	burst int
	spent int
	since Moment // when refilling began to count
}

// NewBucket returns a full bucket. every must be positive.
func NewBucket(every time.Duration, burst int) Bucket { return Bucket{every: every, burst: burst} }

// refill gives back what time has earned.
func (b *Bucket) refill(now Moment) {
	earned := now.Sub(b.since) / b.every
	if earned >= time.Duration(b.spent) {
		b.spent, b.since = 0, now
		return
	}
	b.spent -= int(earned)
	b.since = b.since.Add(earned * b.every)
}

// Available says whether one may be charged.
func (b *Bucket) Available(now Moment) bool {
	b.refill(now)
	return b.spent < b.burst
}

// Charge takes one that was available.
func (b *Bucket) Charge(now Moment) {
	b.refill(now)
	b.spent++
}

// Next is how long until one more is available; 0 when one is, or never will
// be.
func (b *Bucket) Next(now Moment) time.Duration {
	if b.Available(now) || b.burst == 0 {
		return 0
	}
	return b.since.Add(b.every).Sub(now)
}

// Shift is the same bucket by a clock that shows d more.
func (b Bucket) Shift(d time.Duration) Bucket {
	b.since = b.since.Add(d)
	return b
}
