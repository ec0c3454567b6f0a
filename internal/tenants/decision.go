package tenants

import (
	"hash/maphash"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks/internal/freshness"
)

// Decision is a yes about an issuer: when it was asked for, and when asking
// again failed since.
type Decision struct {
	at       freshness.Moment
	failed   bool
	failedAt freshness.Moment
}

// Decided is a yes that was asked for at a moment.
func Decided(at freshness.Moment) Decision { return Decision{at: at} }

// Advice is what to do with a token whose issuer was decided on.
type Advice uint8

// What a decision advises.
const (
	Holds Advice = iota // go on
	Renew               // go on, and ask again in the background
	Await               // ask again and wait for the answer
)

const (
	renewAfter = 0.8 // of the TTL

	// askTimeout is how long asking may take. When the last failure is longer
	// ago than the pause after it and one such time, nobody knows whether asking
	// still fails.
	askTimeout = 15 * time.Second
)

// RefusalTTL is how long a no holds: a tenth of the TTL, and at most a minute,
// since a tenant's first token may come before it is known.
func RefusalTTL(ttl time.Duration) time.Duration { return min(ttl/10, time.Minute) }

// Ask says whether the decision still holds. Past the TTL a token waits for the
// next one, but for a while after asking has failed.
func (d Decision) Ask(now freshness.Moment, ttl time.Duration) Advice {
	paused := d.failed && now < d.failedAt.Add(RefusalTTL(ttl))
	switch {
	case !d.Survives(now, ttl):
		return Await
	case now < d.at.Add(time.Duration(renewAfter*float64(ttl))), paused:
		return Holds
	case now < d.at.Add(ttl), d.failed && now < d.failedAt.Add(RefusalTTL(ttl)+askTimeout):
		return Renew
	}
	return Await
}

// Next is the moment until which Ask says Holds, now that it does.
func (d Decision) Next(ttl time.Duration) freshness.Moment {
	next := d.at.Add(time.Duration(renewAfter * float64(ttl)))
	if d.failed {
		next = max(next, d.failedAt.Add(RefusalTTL(ttl)))
	}
	return min(next, d.End(ttl))
}

// Fail notes that asking again failed.
func (d *Decision) Fail(now freshness.Moment) { d.failed, d.failedAt = true, now }

// Survives says whether the decision is left standing when asking fails: for
// one more TTL, once.
func (d Decision) Survives(now freshness.Moment, ttl time.Duration) bool {
	return now < d.at.Add(ttl).Add(ttl)
}

// End is the moment after which a token has to wait for the next decision, if
// asking does not fail before.
func (d Decision) End(ttl time.Duration) freshness.Moment {
	if d.failed {
		return d.at.Add(ttl).Add(ttl)
	}
	return d.at.Add(ttl)
}

// Refusals remembers the latest nos, at most 10,000 of them. It is safe for
// concurrent use.
type Refusals struct {
	seed maphash.Seed
	nos  *lru.Cache[uint64, refusal] // by the hash of the name, which may be long
}

type refusal struct {
	err   error
	until freshness.Moment
}

const maxRefusals = 10_000

// NewRefusals returns an empty memory.
func NewRefusals() *Refusals {
	nos, _ := lru.New[uint64, refusal](maxRefusals) // fails for sizes below 1 only
	return &Refusals{maphash.MakeSeed(), nos}
}

// Add remembers a no that was asked for at a moment.
func (r *Refusals) Add(name string, err error, asked freshness.Moment, ttl time.Duration) {
	r.nos.Add(maphash.String(r.seed, name), refusal{err, asked.Add(RefusalTTL(ttl))})
}

// Get returns the no that still holds, nil if none does.
func (r *Refusals) Get(name string, now freshness.Moment) error {
	if no, ok := r.nos.Peek(maphash.String(r.seed, name)); ok && now < no.until {
		return no.err
	}
	return nil
}

// Remove forgets a no.
func (r *Refusals) Remove(name string) { r.nos.Remove(maphash.String(r.seed, name)) }
