package freshness

import "time"

// A store holds a key set that another process may have fetched: its record.
// What follows decides on records, and on the lease that lets one replica
// refresh for all.

// Worth is what a record is good for.
type Worth uint8

// The worths.
const (
	Useless Worth = iota // no newer than the set at hand
	TooOld               // past the end of stale
	Spare                // past the TTL: to fall back on while the source is asked, as a seed is
	Good                 // within the TTL: the source need not be asked
)

// Judge says what a record of this age is good for. newer says that it was
// fetched after the set at hand, or that there is none.
func (p *Policy) Judge(age time.Duration, newer bool) Worth {
	switch {
	case !newer:
		return Useless
	case age < p.cfg.TTL:
		return Good
	case age-p.cfg.TTL < p.cfg.MaxStale:
		return Spare
	}
	return TooOld
}

// Adopted is what a record that is taken in tells the policy.
type Adopted struct {
	Age          time.Duration // of the set: everything counts from when it was fetched
	FullAge      time.Duration // how long ago an answer came that was not a 304
	ServerTTL    time.Duration // that the headers asked for, then
	HasServerTTL bool          // whether they asked for one
	Changed      bool          // the keys are others than before
	Removed      []string      // the kids that the set before had and this one lacks
}

// Adopt says that a record is the set from now on. What is known of the source
// stays: it was not asked. random is uniform in [0, 1). It returns the generation
// of the set.
func (p *Policy) Adopt(now Moment, a Adopted, random float64) uint64 {
	if a.Changed {
		p.generation++
		p.vanishedKeys.remember(a.Removed, now)
	}
	p.hasFull, p.fullAt = true, now.Add(-a.FullAge)
	p.facts.Schedule = p.cfg.planRecord(now, a, random)
	p.facts.loaded = !p.cfg.NoCache
	p.facts.stopYielding()
	p.staleAnnounced, p.throttleAnnounced, p.expiryAnnounced = false, false, false
	return p.generation
}

// planRecord lays out the moments of a set that somebody fetched a while ago.
// What is left of the TTL is divided as the whole of it is.
func (c *Config) planRecord(now Moment, a Adopted, random float64) Schedule {
	if a.Age < c.TTL {
		r := Refreshed{Age: a.Age, ServerTTL: a.ServerTTL - a.Age, HasServerTTL: a.HasServerTTL}
		return c.plan(now, r, random)
	}
	expiry := now.Add(c.TTL - a.Age)
	return Schedule{Refresh: expiry, Expiry: expiry, StaleEnd: expiry.Add(c.MaxStale)}
}

// EndWithoutAsking says that the refresh under way ended, and that the source
// was not asked.
func (p *Policy) EndWithoutAsking() { p.facts.refreshing = false }

// Wait says what to do about a lease that another one holds.
type Wait uint8

// The waits.
const (
	AskAnyway   Wait = iota // it has been waited for long enough
	LookShortly             // nothing serves: look in the store again and again for patience, then ask the source
	ComeBack                // the set at hand serves: end this refresh, the next one tries again
)

// Patience is how long at most a refresh waits for another replica's, where
// there is nothing to serve; and how soon one that serves looks again. Where a
// set past its TTL can serve once an attempt has failed, it waits for no longer
// than shortPatience.
const (
	Patience      = 2 * time.Second
	shortPatience = 500 * time.Millisecond
)

// firstLook and lastLook are the first pause before a look for what another
// replica is fetching, and where the doubling ends.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// PatienceFor is how long a refresh waits that has nothing to serve, or a set
// past its TTL.
func (p *Policy) PatienceFor(now Moment) time.Duration {
	if p.State(now) == Stale {
		return shortPatience
	}
	return Patience
}

// AwaitLease decides what a refresh does that was refused the lease. serves says
// that lookups are answered meanwhile.
func (p *Policy) AwaitLease(now Moment, serves bool) Wait {
	switch {
	case !serves:
		return LookShortly
	case p.facts.yielding && now >= p.facts.yieldedAt.Add(p.cfg.Deadline):
		return AskAnyway
	default:
		return ComeBack
	}
}

// Yield ends a refresh for which another replica holds the lease. It returns
// when the next one is due: within [Patience], jittered, or half way to the end
// of the TTL where that is sooner. random is uniform in [0, 1).
func (p *Policy) Yield(now Moment, random float64) (pause time.Duration) {
	f := &p.facts
	if !f.yielding {
		f.yielding, f.yieldedAt = true, f.began
	}
	f.refreshing = false
	pause = time.Duration((0.5 + 0.5*random) * float64(Patience))
	if left := f.Expiry.Sub(now); left > 0 {
		pause = max(min(pause, left/2), minBackoff)
	}
	f.lookAt = now.Add(pause)
	return pause
}

// IsYielding says that the last refresh ended like that.
func (p *Policy) IsYielding() bool { return p.facts.yielding }

// StopYielding says that the source is asked after all. If it failed when the
// wait for the other replica began, it still counts as failing.
func (p *Policy) StopYielding(now Moment) {
	f := &p.facts
	if f.yieldsFailing(now) {
		f.failingUntil = max(f.failingUntil, now.Add(1))
	}
	f.stopYielding()
}

func (f *facts) stopYielding() { f.yielding, f.lookAt = false, 0 }

// yields says that a refresh that began before the set expired has been waiting
// for another replica, for no longer than a refresh may take.
func (f *facts) yields(now Moment) bool {
	return f.yielding && f.yieldedAt < f.Expiry && now < f.yieldedAt.Add(f.deadline)
}

// yieldsFailing says that one has been waiting that began while the source
// counted as failing, with time for the attempt that follows to begin.
func (f *facts) yieldsFailing(now Moment) bool {
	return f.yielding && f.yieldedAt < f.failingUntil && now < f.yieldedAt.Add(f.deadline+Patience)
}

// LookPause is the pause before the nth look in a row for what another replica
// is fetching, counted from 0: 50 ms doubling to 500 ms, jittered by a quarter.
// The first are short, because most issuers answer in a fraction of a second.
// random is uniform in [0, 1).
func LookPause(n int, random float64) time.Duration {
	return time.Duration((0.75 + 0.5*random) * doubled(firstLook, n, lastLook))
}

// Serves says that a lookup that the set answers would not wait.
func (p *Policy) Serves(now Moment) bool {
	switch p.facts.decide(now, question{found: true}) {
	case Serve, ServeAndRefresh, ServeStale, ServeStaleAndRefresh:
		return true
	}
	return false
}

// NeedsLease says that a refresh is one of those that one replica makes for all:
// its cause is age, not a key that the set at hand lacks.
func (p *Policy) NeedsLease(c Cause, found bool, now Moment) bool {
	return c == ForAge && (found || p.State(now) != Stale)
}
