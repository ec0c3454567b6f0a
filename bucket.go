package jwks

import "time"

// bucket is a token bucket that nobody waits for: a budget of burst, refilled
// by one each every.
type bucket struct {
	every time.Duration
	burst int
	spent int
	since moment // when refilling began to count
}

// refill gives back what time has earned.
func (b *bucket) refill(now moment) {
	earned := (now - b.since) / b.every
	if earned >= time.Duration(b.spent) {
		b.spent, b.since = 0, now
		return
	}
	b.spent -= int(earned)
	b.since += earned * b.every
}

func (b *bucket) available(now moment) bool {
	b.refill(now)
	return b.spent < b.burst
}

// charge takes one that was available.
func (b *bucket) charge(now moment) {
	b.refill(now)
	b.spent++
}

// next is how long until one more may be afforded; 0 when it is now, or never.
func (b *bucket) next(now moment) time.Duration {
	if b.available(now) || b.burst == 0 {
		return 0
	}
	return b.since + b.every - now
}
