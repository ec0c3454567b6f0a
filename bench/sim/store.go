package main

import "time"

// shared is a store that the replicas share (WithStore), with leases.
type shared struct {
	kept
	leaseUntil time.Duration
	leaseBy    int32
}

// kept is a record.
type kept struct {
	held      bool // there is one
	fetchedAt time.Duration
	version   int
}

// The library's bounds of the lease.
const (
	leaseLength = 15 * time.Second
	patience    = 2 * time.Second
	lookBudget  = patience - 250*time.Millisecond // of a refresh that has nothing to serve

	shortLookBudget = 250 * time.Millisecond // of one that has a set past its TTL
)

// serves says that lookups of known keys are answered without a wait.
func (c *replica) serves(p *policy, now time.Duration) bool {
	return c.loaded && (now < c.expiry || c.failures > 0 && now < c.expiry+p.maxStale)
}

// consult asks the store before the issuer is asked for age. It returns true
// when that is not needed, or not yet.
func (r *run) consult(c *replica, e event) bool {
	if r.take(c, e) {
		return true
	}
	if !r.leases || r.shared.leaseBy == e.replica && e.at < r.shared.leaseUntil {
		return false
	}
	if e.at >= r.shared.leaseUntil {
		r.shared.leaseUntil, r.shared.leaseBy = e.at+leaseLength, e.replica
		return false
	}
	if !c.serves(&r.policy, e.at) {
		c.flying, c.looks, c.lookEnd = true, 0, e.at+lookBudget
		if c.loaded && e.at < c.expiry+r.maxStale { // that will do once an attempt has failed
			c.lookEnd = e.at + shortLookBudget
		}
		r.lookLater(c, e)
		return true
	}
	if !c.yielding {
		c.yielding, c.yieldedAt = true, e.at
	} else if e.at >= c.yieldedAt+leaseLength {
		return false
	}
	pause := time.Duration((0.5 + 0.5*r.random.Float64()) * float64(patience))
	if left := c.expiry - e.at; left > 0 {
		pause = max(min(pause, left/2), 100*time.Millisecond)
	}
	c.lookAt = e.at + pause
	r.push(event{at: c.lookAt, replica: e.replica, kind: wake})
	return true
}

// take takes the record in where that is of use. It returns true when the
// issuer need not be asked.
func (r *run) take(c *replica, e event) bool {
	s := &r.shared
	if !s.held || c.loaded && s.fetchedAt <= c.fetchedAt || e.at >= s.fetchedAt+r.ttl+r.maxStale {
		return false
	}
	expiry := s.fetchedAt + r.ttl
	fresh := e.at < expiry
	c.loaded, c.fetchedAt, c.version, c.expiry, c.yielding, c.lookAt = true, s.fetchedAt, s.version, expiry, false, 0
	if !fresh { // it answers once an attempt has failed
		c.refresh = expiry
		return false
	}
	c.flying, c.refresh = false, r.policy.due(e.at, expiry-e.at, answer{}, r.random)
	r.served(c, e)
	r.push(event{at: c.due(), replica: e.replica, kind: wake})
	return true
}

// lookLater has a refresh with nothing to serve look in the store again.
func (r *run) lookLater(c *replica, e event) {
	step := min(50*time.Millisecond<<min(c.looks, 4), 500*time.Millisecond)
	pause := time.Duration((0.75 + 0.5*r.random.Float64()) * float64(step))
	c.looks++
	if e.at+pause > c.lookEnd {
		r.depart(c, e, false)
		return
	}
	r.push(event{at: e.at + pause, replica: e.replica, kind: look})
}

// save puts a set into the store.
func (r *run) save(k kept) {
	if !r.shared.held || k.fetchedAt > r.shared.fetchedAt {
		r.shared.kept = k
	}
}

// restart is a replica that has lost what it knew.
func (r *run) restart(c *replica, e event) {
	r.served(c, e)
	*c = replica{life: c.life + 1, emptySince: e.at, empty: true}
	r.push(event{at: e.at + tick, replica: e.replica, kind: wake})
}

// served notes that a replica answers tokens again.
func (r *run) served(c *replica, e event) {
	if c.empty {
		r.silent += e.at - c.emptySince
		c.empty = false
	}
}
