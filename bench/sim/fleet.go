package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// fleet is a number of replicas that use the library the same way. Each serves
// so much traffic that whatever lookups drive happens at once.
type fleet struct {
	policy
	replicas int
	spread   time.Duration // replicas start within this time of each other
	horizon  time.Duration // how long to look

	// Each replica is restarted once, at any time from the one to the other; 0: not.
	restartFrom, restartTo time.Duration

	// The first token under the new key. Each replica gets so many tokens a
	// second; tokens are renewed within tokenLife of signs, evenly.
	signs     time.Duration // when the issuer begins to sign with it; 0: never
	tokens    float64
	tokenLife time.Duration
}

// kind of an event.
type kind uint8

const (
	wake    kind = iota // a refresh may be due
	request             // a request leaves
	newKey              // the first token under the new key arrives
	look                // a refresh that has nothing to serve looks in the store again
	saved               // a set is in the store
	restart             // a replica is restarted
)

type event struct {
	at      time.Duration
	replica int32
	kind    kind
	life    uint8 // of the replica: what it had under way ends with it
	set     kept  // that was saved
}

// replica is the state of one client.
type replica struct {
	loaded          bool
	refresh, expiry time.Duration
	failures        int
	retryAt         time.Duration
	version         int           // of its key set
	fetchedAt       time.Duration // by whoever fetched it

	flying  bool
	forKey  bool
	what    document
	attempt int

	yielding          bool // another replica holds the lease
	yieldedAt, lookAt time.Duration
	looks             int
	lookEnd           time.Duration

	life       uint8
	empty      bool // it cannot answer, since a restart
	emptySince time.Duration
}

// tick is less than anything takes, answers above all: what happens in one has
// its consequences in a later one.
const tick = 10 * time.Millisecond

// run is one run of the model.
type run struct {
	fleet
	issuer *issuer
	random *rand.Rand
	all    []replica
	queue  [][]event       // by ticks
	late   int             // replicas whose first token under the new key could not be verified at once
	ready  []time.Duration // when each replica that had to ask for the new key had it
	back   []time.Duration // when each replica first succeeded after the outage
	out    []bool          // which replicas ran past the end of stale before
	shared shared
	silent time.Duration // how long restarted replicas could not answer, all together
}

// simulate lets the fleet loose on an issuer. The same seed gives the same run.
func simulate(f fleet, i *issuer, seed uint64) *run {
	r := &run{fleet: f, issuer: i, random: rand.New(rand.NewPCG(seed, 1)), all: make([]replica, f.replicas)}
	r.back, r.out = make([]time.Duration, f.replicas), make([]bool, f.replicas)
	r.queue = make([][]event, f.horizon/tick+1)
	for n := range r.all {
		r.push(event{at: r.within(f.spread), replica: int32(n), kind: wake})
		if f.signs > 0 {
			r.push(event{at: f.firstToken(r.random), replica: int32(n), kind: newKey})
		}
		if f.restartTo > 0 {
			r.push(event{at: f.restartFrom + r.within(f.restartTo-f.restartFrom), replica: int32(n), kind: restart})
		}
	}
	for n := range r.queue {
		now := r.queue[n]
		slices.SortFunc(now, func(a, b event) int { return cmp.Compare(a.at, b.at) })
		for _, e := range now {
			r.handle(e)
		}
		r.queue[n] = nil
	}
	for n := range r.all {
		r.served(&r.all[n], event{at: f.horizon})
	}
	return r
}

func (r *run) within(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(r.random.Int64N(int64(d)))
}

// firstToken is when a replica sees the first token under the new key. The
// share of new tokens grows evenly, so the chance to meet one grows with the
// square of the time.
func (f *fleet) firstToken(r *rand.Rand) time.Duration {
	return f.signs + time.Duration(math.Sqrt(2*f.tokenLife.Seconds()*r.ExpFloat64()/f.tokens)*float64(time.Second))
}

func (r *run) push(e event) {
	e.life = r.all[e.replica].life
	if n := int(e.at / tick); n < len(r.queue) {
		r.queue[n] = append(r.queue[n], e)
	}
}

func (r *run) handle(e event) {
	c := &r.all[e.replica]
	if e.life != c.life && (e.kind == wake || e.kind == request || e.kind == look) {
		return
	}
	switch e.kind {
	case wake:
		if !c.flying && e.at >= c.due() && !(r.store && r.consult(c, e)) {
			r.depart(c, e, false)
		}
	case look:
		if !r.take(c, e) {
			r.lookLater(c, e)
		}
	case saved:
		r.save(e.set)
	case restart:
		r.restart(c, e)
	case newKey:
		r.meet(c, e)
	case request:
		r.ask(c, e)
	}
}

// meet is the first token under the new key.
func (r *run) meet(c *replica, e event) {
	if r.store && c.version == 0 && !c.flying {
		r.take(c, e)
	}
	switch {
	case c.version > 0 || c.flying: // has it, or waits for it
	case !c.loaded || e.at < c.retryAt:
		r.late++
	default: // within the budget, which a rotation alone does not spend
		r.depart(c, e, true)
	}
}

// due is when the next refresh may begin.
func (c *replica) due() time.Duration {
	if !c.loaded {
		return c.retryAt
	}
	return max(c.refresh, c.retryAt, c.lookAt)
}

// depart begins a refresh. One for a key needs no discovery document: that is
// younger than the TTL.
func (r *run) depart(c *replica, e event, forKey bool) {
	c.flying, c.forKey, c.attempt = true, forKey, 1
	c.yielding, c.lookAt = false, 0
	if c.what = keySet; r.discovery && !forKey {
		c.what = metadata
	}
	r.ask(c, event{at: e.at, replica: e.replica, kind: request})
}

// ask sends a request and deals with the answer.
func (r *run) ask(c *replica, e event) {
	a := r.issuer.ask(e.at, c.what, c.forKey)
	now := e.at + latency
	if !a.ok && c.loaded && now < c.expiry+r.maxStale {
		r.served(c, event{at: now})
	}
	switch {
	case a.ok && c.what == metadata:
		c.what, c.attempt = keySet, 1
		r.push(event{at: now, replica: e.replica, kind: request})
	case a.ok:
		life := r.lifetime(a)
		if r.back[e.replica] == 0 && r.issuer.downTo > 0 && now >= r.issuer.downTo {
			r.back[e.replica] = now
			r.out[e.replica] = c.loaded && now >= c.expiry+r.maxStale
		}
		if c.forKey {
			r.ready = append(r.ready, now)
		}
		r.served(c, event{at: now})
		*c = replica{loaded: true, version: a.version, fetchedAt: now - a.age, expiry: now + life, refresh: r.policy.due(now, life, a, r.random), life: c.life}
		if r.store {
			r.push(event{at: now, replica: e.replica, kind: saved, set: kept{true, now - a.age, a.version}})
		}
		r.push(event{at: c.due(), replica: e.replica, kind: wake})
	case c.attempt <= r.retries && a.retryAfter == 0:
		r.push(event{at: now + r.pause(c.attempt, r.random), replica: e.replica, kind: request})
		c.attempt++
	default:
		c.flying = false
		c.failures++
		c.retryAt = now + r.backoff(c.failures, a.retryAfter, r.random)
		r.push(event{at: c.due(), replica: e.replica, kind: wake})
	}
}
