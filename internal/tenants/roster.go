// Package tenants decides about issuers that come up at run time: which of them
// are kept, how long a decision about one holds, and what one that had to leave
// may cost when it comes back. It does no I/O and reads no clock: time is a
// parameter, so that every decision can be tested as a table.
package tenants

import (
	"hash/maphash"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks/internal/freshness"
)

// Roster holds the members that are kept. Those of whom a token verified are
// settled, up to a size, and the one whose last verification is longest ago
// makes room. Those that a token merely named are on trial, in a small space of
// their own, so that they push out nobody but each other.
//
// Find, Touch, Settled and All are safe for concurrent use. The owner has a
// lock around the others.
type Roster[T any] struct {
	size, trialSize int
	settled, trial  *lru.Cache[string, T]

	newcomers  freshness.Bucket // the budget for who is new
	departures *lru.Cache[uint64, *Departure]
	seed       maphash.Seed // departures are by the hash of the name, which may be long
}

// TrialSize is how many members may be on trial beside size settled ones: the
// larger of 16 and a tenth.
func TrialSize(size int) int { return max(16, size/10) }

// NewRoster returns an empty roster with this budget for who is new. size must
// be positive.
func NewRoster[T any](size int, newcomers freshness.Bucket) *Roster[T] {
	r := &Roster[T]{size: size, trialSize: TrialSize(size), newcomers: newcomers, seed: maphash.MakeSeed()}
	r.settled, _ = lru.New[string, T](size) // fails for sizes below 1 only
	r.trial, _ = lru.New[string, T](r.trialSize)
	r.departures, _ = lru.New[uint64, *Departure](memory(size))
	return r
}

// Find returns a member, and whether it is settled. To be found keeps a member
// on trial, and is nothing to a settled one: see Touch.
func (r *Roster[T]) Find(name string) (member T, settled, ok bool) {
	if member, ok = r.settled.Peek(name); ok {
		return member, true, true
	}
	if member, ok = r.trial.Get(name); ok {
		return member, false, true
	}
	member, ok = r.settled.Peek(name) // it may have moved there in between; see Settle
	return member, ok, ok
}

// Touch makes a settled member the last to make room, and returns it.
func (r *Roster[T]) Touch(name string) (member T, ok bool) { return r.settled.Get(name) }

// Try takes a new member in on trial. It returns the one that made room, if one
// had to.
func (r *Roster[T]) Try(name string, member T) (left T, made bool) {
	if r.trial.Len() == r.trialSize {
		_, left, made = r.trial.RemoveOldest()
	}
	r.trial.Add(name, member)
	return left, made
}

// Settle takes a member in for good, which may be new or on trial. It returns
// the one that made room, if one had to. Find finds the member all the while.
func (r *Roster[T]) Settle(name string, member T) (left T, made bool) {
	if r.settled.Len() == r.size && !r.settled.Contains(name) {
		_, left, made = r.settled.RemoveOldest()
	}
	r.settled.Add(name, member)
	r.trial.Remove(name)
	return left, made
}

// Remove takes a member off.
func (r *Roster[T]) Remove(name string) {
	r.settled.Remove(name)
	r.trial.Remove(name)
}

// Obstacle is why an issuer may not come now.
type Obstacle uint8

// The obstacles.
const (
	None      Obstacle = iota
	NotSoSoon          // it left, and its own budget is spent or its backoff runs
	Overrun            // the budget for who is new is spent
)

// MayCome says whether an issuer that is not a member may become one, and
// charges that: to the budget for who is new, unless a token of it verified
// before, and to its own, if it was a member lately. It returns what is
// remembered of it, nil if nothing, and how long until it may come.
func (r *Roster[T]) MayCome(name string, now freshness.Moment) (before *Departure, o Obstacle, wait time.Duration) {
	before, _ = r.departures.Get(r.hash(name))
	newcomer := before == nil || !before.Settled
	if newcomer && !r.newcomers.Available(now) {
		return before, Overrun, r.newcomers.Next(now)
	}
	if before != nil {
		if wait, ok := before.Return(now); !ok {
			return before, NotSoSoon, wait
		}
	}
	if newcomer {
		r.newcomers.Charge(now)
	}
	return before, None, 0
}

// Depart remembers what a member that leaves may cost when it comes back.
func (r *Roster[T]) Depart(name string, d Departure) { r.departures.Add(r.hash(name), &d) }

// Vouch notes that a token of an issuer verified that is not a member any more.
func (r *Roster[T]) Vouch(name string) {
	if d, ok := r.departures.Get(r.hash(name)); ok {
		d.Settled = true
	}
}

// Forget forgets what an issuer may cost.
func (r *Roster[T]) Forget(name string) { r.departures.Remove(r.hash(name)) }

func (r *Roster[T]) hash(name string) uint64 { return maphash.String(r.seed, name) }

// Settled lists the settled members, the next to make room first.
func (r *Roster[T]) Settled() []T { return r.settled.Values() }

// All lists all members.
func (r *Roster[T]) All() []T { return append(r.settled.Values(), r.trial.Values()...) }
