package jwks

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/storelink"
	"github.com/seed-22400188/jwks/internal/tenants"
)

// cache holds the newest key set of one issuer and answers lookups from it. It
// has one lock, and carries out what its policy decides: lookup.go has the
// lookups, flight.go the refreshes. It knows nothing of HTTP: its origin loads.
//
// A method whose name ends in Locked is called with the lock held. Such names
// are in these three files only.
type cache struct {
	cfg       cacheConfig
	origin    origin
	announcer announcer
	clock     clock

	life    context.Context // ends with close
	end     context.CancelFunc
	running sync.WaitGroup           // the refresh under way
	calls   atomic.Int64             // lookups that may wait
	retired atomic.Pointer[leftover] // to be closed when no call is left, and what it had then; nil: not to be

	current atomic.Pointer[snapshot] // what lookups read; nil when empty or closed

	mu      sync.Mutex // everything below; never held across I/O or a callback
	closed  bool
	policy  freshness.Policy
	flight  *flight
	binding *binding.Binding // of the keys: as configured, else to the issuer that a discovery document named
	landed  chan struct{}    // closed when a refresh ends; for keepWarm
	kept    *loaded          // the discovery document of a refresh that failed after it; nil: none

	counts       struct{ fetches, notModified, failures uint64 }
	lastError    error
	lastErrorAt  freshness.Moment
	failingSince freshness.Moment // when the first of the failures in a row came

	store *storelink.Link // nil: none

	staleCopyTold bool // that a cache on the way gives copies older than the TTL
}

// cacheConfig is what a cache needs of a client's options.
type cacheConfig struct {
	retention time.Duration
	deadline  time.Duration    // of one refresh
	jwksURL   string           // as it may be shown; "" where discovery finds it
	binding   *binding.Binding // nil where no issuer is configured
}

// open makes the zero cache usable. It starts no goroutine.
func (c *cache) open(policy freshness.Config, cfg cacheConfig, o origin) {
	c.cfg, c.origin, c.clock = cfg, o, newClock()
	c.policy, c.binding = freshness.New(policy), cfg.binding
	c.announcer.logger, c.announcer.observer, c.announcer.place = o.cfg.logger, o.cfg.observer, show.WholeURL(o.place())
	c.life, c.end = context.WithCancel(context.Background())
	if o.cfg.store != nil {
		c.store = newStore(o.cfg, c.storeFailed)
	}
}

// clock gives the moments of the policy. It is monotonic.
type clock struct{ epoch time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() freshness.Moment { return freshness.Moment(time.Since(c.epoch)) }

// snapshot is what the cache holds: immutable, but for the moment until which
// lookups need not ask the policy.
type snapshot struct {
	loaded
	generation uint64 // of the set, for the policy's memory
	retained   []retained
	order      order            // of the refresh that brought it
	fetchedAt  freshness.Moment // when the origin made the answer; Never for a seed
	quietUntil atomic.Int64

	hashed   sync.Once // guards hashText
	hashText string
}

// seeded says that the set came with the configuration.
func (s *snapshot) seeded() bool { return s.fetchedAt == freshness.Never }

// installSeed takes in a set that came with the configuration.
func (c *cache) installSeed(set *KeySet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &snapshot{loaded: loaded{set: set}, fetchedAt: freshness.Never} // of order 0: before any lookup
	c.policy.InstallSeed()
	c.current.Store(s)
}

// updateQuietUntilLocked tells lookups until when they need not ask the policy.
func (c *cache) updateQuietUntilLocked(now freshness.Moment) {
	if s := c.current.Load(); s != nil {
		s.quietUntil.Store(int64(c.policy.QuietUntil(now)))
	}
}

// announceLocked queues an event. It is delivered when the lock is given back.
func (c *cache) announceLocked(n notice) {
	if c.announcer.idle() {
		return
	}
	now, wall := c.clock.now(), time.Now()
	n.Issuer, n.URL, n.Dynamic = c.issuerLocked(), show.WholeURL(c.jwksURLLocked()), c.origin.cfg.cameAtRunTime
	n.at, n.state = wall, State(c.policy.State(now)) // the same states in the same order
	if n.state != StateEmpty {
		n.Until = timeOf(c.policy.Schedule().StaleEnd, now, wall)
	}
	if retryAt := c.policy.RetryAt(); n.next.IsZero() && now < retryAt {
		n.next = timeOf(retryAt, now, wall)
	}
	c.announcer.announce(n)
}

// timeOf is a moment as the wall clock has it; zero for one that never comes.
func timeOf(m, now freshness.Moment, wall time.Time) time.Time {
	if m == freshness.Never {
		return time.Time{}
	}
	return wall.Add(m.Sub(now))
}

// tellSetLocked announces a set that has replaced the last one, and what
// is odd about it.
func (c *cache) tellSetLocked(n notice, last, next *snapshot) {
	if c.binding == nil && next.binding != nil {
		c.binding = next.binding
		c.announceLocked(notice{message: "jwks: keys are bound to the issuer that the discovery document names; use WithIssuer to check it"})
	}
	n.first = last == nil || last.seeded()
	c.announceLocked(n)
	if last != nil && last.set == next.set {
		return
	}
	if err := next.set.untried(); err != nil {
		c.announceLocked(notice{message: "jwks: some keys of the key set are not tried", Event: Event{Err: err}})
	}
	c.announceSkippedLocked(newlySkipped(last, next))
}

// unlockAndDeliver gives the lock back, and then delivers the events that were
// queued under it.
func (c *cache) unlockAndDeliver() {
	c.mu.Unlock()
	c.announcer.deliver()
}

// issuerLocked is the issuer that the keys are bound to, "" while that is not
// known or none.
func (c *cache) issuerLocked() string {
	return c.binding.Issuer()
}

// jwksURLLocked is the URL of the key set, "" until it is known.
func (c *cache) jwksURLLocked() string {
	if s := c.current.Load(); s != nil && s.jwksURL != "" {
		return s.jwksURL
	}
	return c.cfg.jwksURL
}

// status says how the cache is doing.
func (c *cache) status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, wall := c.clock.now(), time.Now()
	at := func(m freshness.Moment) time.Time { return timeOf(m, now, wall) }
	st := Status{
		Issuer:              c.issuerLocked(),
		Dynamic:             c.origin.cfg.cameAtRunTime,
		JWKSURL:             show.WholeURL(c.jwksURLLocked()),
		LastError:           c.lastError,
		ConsecutiveFailures: c.policy.Failures(),
		Fetches:             c.counts.fetches,
		NotModified:         c.counts.notModified,
		Failures:            c.counts.failures,
		Throttled:           c.policy.ThrottledLookups(),
	}
	if c.lastError != nil {
		st.LastErrorAt = at(c.lastErrorAt)
	}
	if retryAt := c.policy.RetryAt(); now < retryAt {
		st.NextAttempt = at(retryAt)
	}
	s := c.current.Load()
	if s == nil {
		return st
	}
	schedule := c.policy.Schedule()
	st.State = State(schedule.State(now)) // the same states in the same order
	st.KeyIDs, st.Skipped, st.Hash = s.set.ids(), s.set.Skipped(), s.hash()
	for _, r := range s.retained {
		if now < r.until {
			st.Retained = append(st.Retained, r.keys.ids()...)
		}
	}
	if s.from != nil && s.from.stored {
		st.Stored = s.from.fetchedAt
	}
	st.FetchedAt, st.ExpiresAt, st.StaleUntil = at(s.fetchedAt), at(schedule.Expiry), at(schedule.StaleEnd)
	return st
}

// close ends the refresh under way and empties the cache. It does not wait.
func (c *cache) close() {
	c.mu.Lock()
	last := c.current.Swap(nil)
	if c.flight != nil {
		c.flight.end()
	} else if left := c.retired.Load(); left != nil && last != nil {
		*left = leftover{clock: c.clock, policy: c.policy, binding: c.binding, snapshot: last}
	}
	c.closed = true
	c.mu.Unlock()
	c.end()
}

// leftover is what a retired cache had when it closed. A later cache for the same
// issuer may continue with it.
type leftover struct {
	cfg      *clientConfig // of the client
	clock    clock
	policy   freshness.Policy
	binding  *binding.Binding
	snapshot *snapshot
}

// takeLeftover returns what the cache had, once, after it was retired and when
// it has closed without a refresh under way; else nil.
func (c *cache) takeLeftover() *leftover {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.retired.Load()
	if left == nil || left.snapshot == nil {
		return nil
	}
	c.retired.Store(new(leftover))
	return left
}

// resume continues with what another cache had. It is called before the first lookup.
func (c *cache) resume(l *leftover) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock, c.policy, c.binding = l.clock, l.policy, l.binding
	c.current.Store(l.snapshot)
}

// setBudget continues with a budget whose times are by another clock.
func (c *cache) setBudget(b freshness.Bucket, by clock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy.SetBudget(b.Shift(by.epoch.Sub(c.clock.epoch)))
}

// departure says what the issuer may still cost if it is accepted again after this cache
// was retired: the rest of its budget, the end of its backoff, and until when its set would
// have lasted. Its times are by the clock by. It returns false if nothing was fetched.
func (c *cache) departure(by clock) (d tenants.Departure, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, s := c.clock.now(), c.current.Load()
	d = tenants.Departure{Budget: c.policy.Budget(), RetryAt: c.policy.RetryAt()}
	switch {
	case c.policy.Config().NoCache, c.policy.Config().Static:
		return d, false
	case c.flight != nil:
		d.FreeAt = now.Add(c.policy.Config().TTL)
	case s != nil && !s.seeded():
		d.FreeAt = c.policy.Schedule().Expiry
	case d.RetryAt <= now:
		return d, false
	}
	passed := c.clock.epoch.Sub(by.epoch)
	d.FreeAt, d.RetryAt, d.Budget = d.FreeAt.Add(passed), d.RetryAt.Add(passed), d.Budget.Shift(passed)
	return d, true
}

// queueEvicted queues the event that the issuer made room for another. It does not
// deliver it, because the caller still holds a lock of its own. count is the number of
// evictions to log, with this one as the latest; 0 means no log line.
func (c *cache) queueEvicted(count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announceLocked(notice{Event: Event{Kind: EventEvicted}, evicted: count})
}

// Two marks that are added to a cache's count of calls: that the cache is retired, and
// that it has closed (so far below zero that calls cannot make it positive). They share one
// number with the count, so that the end of a call cannot close a cache that was revived
// in the meantime.
const (
	retiredForCalls = 1 << 62
	closedForCalls  = -1 << 62
)

// enter counts a call that may wait; leave must follow, and retire does not
// close the cache until then. It returns false when the cache is closed.
func (c *cache) enter() bool { return c.calls.Add(1) > 0 && c.life.Err() == nil }

func (c *cache) leave() {
	if c.calls.Add(-1) == retiredForCalls {
		c.closeUnlessCalled()
	}
}

// retire closes the cache as soon as no call of it is under way; c.life ends
// with that. It is not called twice, nor beside revive.
func (c *cache) retire() {
	c.retired.Store(new(leftover))
	if c.calls.Add(retiredForCalls) == retiredForCalls {
		c.closeUnlessCalled()
	}
}

func (c *cache) closeUnlessCalled() {
	if c.calls.CompareAndSwap(retiredForCalls, closedForCalls) {
		c.close()
	}
}

// closing says whether a retired cache has closed. If it is about to close, it waits for
// that.
func (c *cache) closing() bool {
	if c.enter() {
		c.leave()
		return false
	}
	<-c.life.Done()
	return true
}

// hasClosed reports whether the cache has closed or is about to. An error that
// matches ErrClosed may also come from the program's HTTP client.
func (c *cache) hasClosed() bool {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	return closed || c.closing()
}

// revive makes a retired cache usable again, unless it has closed.
func (c *cache) revive() bool {
	for {
		calls := c.calls.Load()
		if calls < retiredForCalls {
			return false
		}
		if c.calls.CompareAndSwap(calls, calls-retiredForCalls) {
			c.retired.Store(nil)
			return true
		}
	}
}

// retained is what left the set at one time and is trusted a while longer.
type retained struct {
	keys  *KeySet
	until freshness.Moment
}

// retain lists the keys to trust although set, the new one, lacks them: those
// that the old set had, from now for d, and those retained already. A key ends
// when a key or a skipped entry of the new set has its kid. Keys without a kid
// are not retained, and no more than a set may have; the newest come first.
func retain(old *snapshot, set *KeySet, now freshness.Moment, d time.Duration) []retained {
	if d <= 0 {
		return nil
	}
	var kept []retained
	room := maxKeys
	keep := func(from *KeySet, until freshness.Moment) {
		left := new(KeySet)
		for _, k := range from.keys {
			if kid := k.ID(); kid != "" && len(set.withID(kid)) == 0 && !set.skips(kid) {
				left.insert(k)
			}
		}
		if n := len(left.keys); n > 0 && n <= room && now < until {
			kept = append(kept, retained{left, until})
			room -= n
		}
	}
	keep(old.set, now.Add(d))
	for _, r := range old.retained {
		keep(r.keys, r.until)
	}
	return kept
}
