package jwks

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/jwk"
)

// call is work that several wait for: a refresh, or a question to the user's
// function. It runs in a goroutine of its own, on a context of its own, so that
// it outlives each of them; a waiter whose own context ends leaves alone.
type call[T any] struct {
	done chan struct{}
	// Set before done is closed:
	result T
	err    error
}

// wait waits until the call is done, or until the waiter's own context ends. If early
// is closed first, it returns false. If several of these happen at once, the result
// takes precedence.
func (c *call[T]) wait(ctx context.Context, early <-chan struct{}) (done bool, err error) {
	select {
	case <-c.done:
		return true, nil
	case <-early:
	case <-ctx.Done():
		err = ctx.Err()
	}
	select {
	case <-c.done:
		return true, nil
	default:
		return false, err
	}
}

// refreshes counts the refreshes that began in this process.
var refreshes atomic.Uint64

// order says which of two things came first, a refresh or a token, also where
// both came within one tick of the clock.
type order uint64

// orderNow is later than every refresh that has begun, and earlier than those
// that have not.
func orderNow() order { return order(refreshes.Load()) }

// flight is one refresh. Everybody who needs one meanwhile shares it.
type flight struct {
	call[*snapshot]
	cause         freshness.Cause
	began         freshness.Moment
	order         order
	reused        *Metadata       // the discovery document of an earlier attempt, if that is used again
	ctx           context.Context // of its own; a child of the cache's would leave a map behind in that
	end           context.CancelFunc
	attemptFailed chan struct{} // closed when the first attempt has failed and others follow
	wanted        *wanted       // of the lookup that began it, nil if none did
	firstError    error         // why the first attempt failed; guarded by the cache's lock
	overdue       bool          // it outlived its deadline, and says nothing about the source; set before done is closed
	consultation                // of the store
}

// purpose is why a refresh begins.
type purpose struct {
	cause  freshness.Cause
	found  bool // only its age speaks against the current set
	direct bool // the issuer is asked, whatever the store has
}

// startLocked begins a refresh unless one is under way.
func (c *cache) startLocked(p purpose, now freshness.Moment) *flight {
	if c.flight != nil {
		return c.flight
	}
	f := &flight{cause: p.cause, began: now, order: order(refreshes.Add(1)), attemptFailed: make(chan struct{})}
	f.done = make(chan struct{})
	f.ctx, f.end = context.WithTimeout(context.Background(), c.cfg.deadline)
	if c.store != nil {
		c.prepare(&f.consultation, p, now)
	}
	c.flight = f
	c.policy.Begin(now)
	c.updateQuietUntilLocked(now)
	q := inquiry{
		cause:              p.cause,
		conditional:        c.policy.Conditional(p.cause, p.found, now),
		binding:            c.binding,
		firstAttemptFailed: func(err error) { c.firstAttemptFailed(f, err) },
	}
	if last := c.current.Load(); last != nil && !last.seeded() {
		q.last = &last.loaded
	}
	if c.kept != nil && p.cause != freshness.OnDemand {
		q.kept, f.reused = c.kept, c.kept.metadata
	}
	c.kept = nil
	c.running.Add(1)
	go c.run(f, q)
	return f
}

// run carries one refresh out.
func (c *cache) run(f *flight, q inquiry) {
	defer c.running.Done()
	defer close(f.done)
	defer f.end()
	returned := false
	defer func() {
		if !returned { // an HTTP client may end the goroutine, as t.FailNow does
			c.finish(f, nil, c.origin.abandonedError())
		}
	}()
	if c.store != nil && c.consult(f, &q) {
		returned = true
		return
	}
	l, err := c.origin.load(f.ctx, q)
	returned = true
	c.finish(f, l, err)
}

// firstAttemptFailed is called when an attempt of a refresh has failed and
// others follow: where a stale set can answer, nobody waits for them.
func (c *cache) firstAttemptFailed(f *flight, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.firstError == nil {
		f.firstError = err
		close(f.attemptFailed)
		c.policy.FirstAttemptFailed()
		c.updateQuietUntilLocked(c.clock.now())
	}
}

// finish takes the result of a refresh in.
func (c *cache) finish(f *flight, l *loaded, err error) {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if !c.endLocked(f) {
		return
	}
	now := c.clock.now()
	c.counts.fetches++
	if f.overdue = c.policy.Overdue(now); f.overdue && err == nil {
		err = c.origin.tooLateError(l, now.Sub(f.began), c.cfg.deadline)
	}
	if err != nil {
		c.keepDocumentLocked(f, l)
		c.failLocked(f, err, now)
	} else {
		c.succeedLocked(f, l, now)
		if c.store != nil && f.mayStore.Load() {
			c.save(f.result)
		}
	}
}

// endLocked ends a refresh, before its result is taken in. It returns false when
// the cache is closed: what comes too late is dropped.
func (c *cache) endLocked(f *flight) bool {
	c.flight = nil
	if c.landed != nil { // who waits for it needs the lock
		close(c.landed)
		c.landed = nil
	}
	if c.closed {
		f.err = c.closedError()
	}
	return !c.closed
}

// keepDocumentLocked keeps the discovery document of a refresh that failed after
// it, for the next refresh: if both documents are slow, only one may fit into
// the time of a refresh. It is reused only once, in case it caused the failure.
func (c *cache) keepDocumentLocked(f *flight, l *loaded) {
	if l == nil || l.metadata == nil || l.metadata == f.reused || c.policy.Config().NoCache {
		return
	}
	if s := c.current.Load(); s != nil && s.metadata == l.metadata {
		return
	}
	c.kept = l
}

// failLocked is the end of a refresh that failed: the backoff begins. The event, the log
// and the error give the time that is really waited.
func (c *cache) failLocked(f *flight, err error, now freshness.Moment) {
	var e *FetchError
	var retryAfter time.Duration
	if errors.As(err, &e) {
		retryAfter = e.RetryAfter
	}
	if c.policy.Failures() == 0 {
		c.failingSince = now
	}
	c.policy.Fail(now, retryAfter, rand.Float64())
	if told, ok := err.(*FetchError); ok {
		waits := *told
		waits.RetryAfter = max(c.policy.RetryAt().Sub(now), 0)
		err = &waits
	}
	c.counts.failures++
	c.lastError, c.lastErrorAt = err, now
	c.updateQuietUntilLocked(now)
	failed := c.failureLocked(now)
	f.err = fault.Unavailable(failed.text(), failed)
	c.announceLocked(notice{Event: Event{Kind: EventRefreshFailed, Duration: now.Sub(f.began), Failures: c.policy.Failures(), Err: err}})
	c.announceExpiryLocked(now)
}

// announceExpiryLocked announces once that no usable set is left. It is called
// only when a lookup or a refresh has failed: an expired set that the next
// refresh renews, as after a night without traffic, is not worth an alarm.
func (c *cache) announceExpiryLocked(now freshness.Moment) {
	if c.policy.AnnounceExpiry(now) {
		c.announceLocked(notice{Event: Event{Kind: EventExpired, Failures: c.policy.Failures(), Err: c.lastError}})
	}
}

// succeedLocked is the end of a refresh that brought or confirmed a set.
func (c *cache) succeedLocked(f *flight, l *loaded, now freshness.Moment) {
	next := &snapshot{loaded: *l, order: f.order, fetchedAt: now.Add(-l.age)}
	last := c.current.Load()
	if l.onTrust { // validators may lie: who doubts the set asks for the whole
		next.order = last.order
	}
	event := Event{Kind: EventRefreshed, Duration: now.Sub(f.began)}
	failures := c.policy.Failures()
	if l.notModified {
		c.counts.notModified++
		event.Kind = EventNotModified
	}
	changed := last == nil || last.set != next.set
	if changed {
		event.Added, event.Removed, event.Changed = changes(last, next)
	}
	if c.retainsLocked(last, now) {
		next.retained = last.retained
		if changed {
			next.retained = retain(last, next.set, now, c.cfg.retention)
		}
	}
	next.generation = c.policy.Succeed(now, freshness.Refreshed{
		Cause:        f.cause,
		Age:          l.age,
		ServerTTL:    l.serverTTL,
		HasServerTTL: l.hasServerTTL,
		NotModified:  l.notModified,
		Changed:      last == nil || !slices.Equal(last.set.keys, next.set.keys), // equal entries keep their keys
		Removed:      event.Removed,
	}, rand.Float64())
	if f.wanted != nil { // who joined for the same key need not ask again
		if _, v := next.choose(f.wanted, now); v == missing {
			c.policy.RememberMissing(f.wanted.name(), next.generation, now)
		}
	}
	f.result = next
	c.current.Store(next)
	c.updateQuietUntilLocked(now)
	c.tellSetLocked(notice{Event: event}, last, next)
	if failures > 0 {
		c.announceLocked(notice{Event: Event{Kind: EventRecovered, Duration: now.Sub(c.failingSince), Failures: failures}})
	}
	if l.age >= c.policy.Config().TTL && !c.staleCopyTold {
		c.staleCopyTold = true
		c.announceLocked(notice{message: "jwks: a cache on the way serves copies of the key set older than the TTL and does not obey Cache-Control: no-cache; removed keys stay in use for longer"})
	}
}

// retainsLocked says whether keys that left the set outlive it. Keys of a seed do not,
// because the issuer may never have published them. After the end of stale no key does,
// because a key that was no longer usable must not become usable again.
func (c *cache) retainsLocked(last *snapshot, now freshness.Moment) bool {
	return last != nil && !last.seeded() && c.policy.Schedule().State(now) != freshness.Expired
}

// refresh fetches now, or joins the refresh under way.
func (c *cache) refresh(ctx context.Context) (*snapshot, error) {
	if !c.enter() {
		return nil, c.closedError()
	}
	defer c.leave()
	if err := ctx.Err(); err != nil {
		return nil, c.gaveUpError(err)
	}
	for {
		f, doubts := c.demand()
		if f == nil {
			return nil, c.closedError()
		}
		if _, err := f.wait(ctx, nil); err != nil {
			return nil, c.gaveUpError(err)
		}
		if doubts && !f.unasked {
			return f.result, f.err
		}
	}
}

// demand begins a refresh unless one is under way, whatever the policy says. It
// returns nil when the cache is closed. doubts says that the refresh is unconditional and
// bypasses caches; a refresh for age may be told by a cache on the way that the current set
// is still good.
func (c *cache) demand() (f *flight, doubts bool) {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if c.closed {
		return nil, false
	}
	now := c.clock.now()
	f = c.startLocked(purpose{cause: freshness.OnDemand}, now)
	if f.cause != freshness.ForAge {
		return f, true
	}
	switch c.policy.State(now) { // where no set serves there is none to doubt
	case freshness.Empty, freshness.Expired:
		return f, true
	}
	return f, c.current.Load().seeded()
}

// keepWarm refreshes when a lookup would, until ctx ends or the cache is
// closed.
func (c *cache) keepWarm(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		landed, wait := c.refreshIfDue()
		if landed == nil {
			return c.closedError()
		}
		c.pause(ctx, landed, wait)
	}
}

// refreshIfDue begins the refresh that is due. It returns what is closed when
// the next one ends, nil when the cache is closed, and how long until one is
// due; negative when that depends on the one under way.
func (c *cache) refreshIfDue() (landed <-chan struct{}, wait time.Duration) {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if c.closed {
		return nil, 0
	}
	now := c.clock.now()
	if c.policy.Due() <= now {
		c.startLocked(purpose{cause: freshness.ForAge, found: true}, now)
	}
	if c.landed == nil {
		c.landed = make(chan struct{})
	}
	if due := c.policy.Due(); due != freshness.Never {
		return c.landed, due.Sub(now)
	}
	return c.landed, -1
}

// pause waits for a refresh to end, for the end of ctx or of the cache, or for
// d unless that is negative.
func (c *cache) pause(ctx context.Context, landed <-chan struct{}, d time.Duration) {
	var alarm <-chan time.Time
	if d >= 0 {
		alarm = time.After(d)
	}
	select {
	case <-ctx.Done():
	case <-c.life.Done():
	case <-landed:
	case <-alarm:
	}
}

// changes lists the kids that came, those that went, and those whose keys are
// others now.
func changes(last, next *snapshot) (added, removed, changed []string) {
	if last == nil {
		return next.set.ids(), nil, nil
	}
	for _, kid := range next.set.ids() {
		switch before := last.set.withID(kid); {
		case len(before) == 0:
			added = append(added, kid)
		case !slices.EqualFunc(before, next.set.withID(kid), (*Key).samePublished):
			changed = append(changed, kid)
		}
	}
	for _, kid := range last.set.ids() {
		if len(next.set.withID(kid)) == 0 {
			removed = append(removed, kid)
		}
	}
	return added, removed, changed
}

// announceSkippedLocked tells of entries that are not used.
func (c *cache) announceSkippedLocked(secret, others []SkippedKey) {
	if len(secret) > 0 {
		c.announceLocked(notice{message: "jwks: private or symmetric keys are published; they are not usable here, tell the issuer", skipped: secret, alarm: true})
	}
	if len(others) > 0 {
		c.announceLocked(notice{message: "jwks: entries of the key set are not usable", skipped: others})
	}
}

// newlySkipped lists the entries that the set before did not have, or had for
// another reason; secret are those that nobody should see.
func newlySkipped(last, next *snapshot) (secret, others []SkippedKey) {
	known := map[string]bool{}
	name := func(e SkippedKey) string { return e.KeyID + "\x00" + e.Err.Error() }
	if last != nil {
		for _, e := range last.set.skipped {
			known[name(e)] = true
		}
	}
	for _, e := range next.set.skipped {
		switch {
		case known[name(e)]:
		case errors.Is(e.Err, jwk.ErrSecret):
			secret = append(secret, e)
		default:
			others = append(others, e)
		}
	}
	return secret, others
}

// ids lists the kids in document order, each once.
func (s *KeySet) ids() []string {
	ids := make([]string, 0, len(s.keys))
	seen := make(map[string]bool, len(s.keys))
	for _, k := range s.keys {
		if !seen[k.ID()] {
			seen[k.ID()] = true
			ids = append(ids, k.ID())
		}
	}
	return slices.Clip(ids)
}
