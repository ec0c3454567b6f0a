package jwks

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
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

// wait waits until the call is done, under the waiter's own context. When early
// is closed first it returns false.
func (c *call[T]) wait(ctx context.Context, early <-chan struct{}) (done bool, err error) {
	select {
	case <-c.done:
		return true, nil
	case <-early:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// flight is one refresh. Everybody who needs one meanwhile shares it.
type flight struct {
	call[*snapshot]
	cause         freshness.Cause
	began         freshness.Moment
	ctx           context.Context // of its own; a child of the cache's would leave a map behind in that
	end           context.CancelFunc
	attemptFailed chan struct{} // closed when the first attempt has failed and others follow
	wanted        *wanted       // of the lookup that began it, nil if none did
	firstError    error         // why the first attempt failed; guarded by the cache's lock
}

// wait waits for the refresh to end, under the waiter's own context. With
// orAttempt it also returns, with false, when the first attempt has failed.
func (f *flight) wait(ctx context.Context, orAttempt bool) (finished bool, err error) {
	if orAttempt {
		return f.call.wait(ctx, f.attemptFailed)
	}
	return f.call.wait(ctx, nil)
}

// startLocked begins a refresh unless one is under way.
func (c *cache) startLocked(cause freshness.Cause, now freshness.Moment) *flight {
	if c.flight != nil {
		return c.flight
	}
	f := &flight{cause: cause, began: now, attemptFailed: make(chan struct{})}
	f.done = make(chan struct{})
	f.ctx, f.end = context.WithTimeout(context.Background(), c.cfg.deadline)
	c.flight = f
	c.policy.Begin(now)
	c.updateQuietUntilLocked(now)
	q := inquiry{
		cause:              cause,
		binding:            c.binding,
		firstAttemptFailed: func(err error) { c.firstAttemptFailed(f, err) },
	}
	if last := c.current.Load(); last != nil && !last.seeded() {
		q.last = &last.loaded
	}
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
	c.flight = nil
	if c.closed { // what came too late is dropped
		f.err = c.closedError()
		return
	}
	now := c.clock.now()
	c.counts.fetches++
	if err != nil {
		c.failLocked(f, err, now)
	} else {
		c.succeedLocked(f, l, now)
	}
	if c.landed != nil {
		close(c.landed)
		c.landed = nil
	}
}

// failLocked is the end of a refresh that failed: the backoff begins.
func (c *cache) failLocked(f *flight, err error, now freshness.Moment) {
	var e *FetchError
	var retryAfter time.Duration
	if errors.As(err, &e) {
		retryAfter = e.RetryAfter
	}
	c.counts.failures++
	c.lastError, c.lastErrorAt = err, now
	if c.policy.Failures() == 0 {
		c.failingSince = now
	}
	c.policy.Fail(now, retryAfter, rand.Float64())
	c.updateQuietUntilLocked(now)
	failed := c.failureLocked(now)
	f.err = fault.Unavailable(failed.text(), failed)
	c.announceLocked(notice{Event: Event{Kind: EventRefreshFailed, Duration: now.Sub(f.began), Failures: c.policy.Failures(), Err: err}})
	c.announceExpiryLocked(now)
}

// announceExpiryLocked tells once that nothing is left to serve. It is called
// when a lookup is told so, or a refresh failed: an expired set that the next
// refresh renews, as after a quiet night, is not worth an alarm.
func (c *cache) announceExpiryLocked(now freshness.Moment) {
	if c.policy.AnnounceExpiry(now) {
		c.announceLocked(notice{Event: Event{Kind: EventExpired, Failures: c.policy.Failures(), Err: c.lastError}})
	}
}

// succeedLocked is the end of a refresh that brought or confirmed a set.
func (c *cache) succeedLocked(f *flight, l *loaded, now freshness.Moment) {
	next := &snapshot{loaded: *l, began: f.began, fetchedAt: now}
	last := c.current.Load()
	event := Event{Kind: EventRefreshed, Duration: now.Sub(f.began)}
	failures := c.policy.Failures()
	if l.notModified {
		c.counts.notModified++
		event.Kind = EventNotModified
	}
	changed := last == nil || last.set != next.set
	if changed {
		event.Added, event.Removed, event.Changed = changes(last, next)
		next.retained = retain(last, next.set, now, c.cfg.retention)
	} else {
		next.retained = last.retained
	}
	next.generation = c.policy.Succeed(now, freshness.Refreshed{
		Cause:        f.cause,
		Age:          l.age,
		ServerTTL:    l.serverTTL,
		HasServerTTL: l.hasServerTTL,
		Changed:      changed,
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
	if c.binding == nil && l.binding != nil {
		c.binding = l.binding
		c.announceLocked(notice{message: "jwks: keys are bound to the issuer that the discovery document names; say WithIssuer to check it"})
	}
	c.announceLocked(notice{Event: event, first: last == nil || last.seeded()})
	if changed {
		if skipped := newlySkipped(last, next); len(skipped) > 0 {
			c.announceLocked(notice{message: "jwks: entries of the key set are not usable", skipped: skipped})
		}
	}
	if failures > 0 {
		c.announceLocked(notice{Event: Event{Kind: EventRecovered, Duration: now.Sub(c.failingSince), Failures: failures}})
	}
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
	f := c.demand()
	if f == nil {
		return nil, c.closedError()
	}
	if _, err := f.wait(ctx, false); err != nil {
		return nil, c.gaveUpError(err)
	}
	return f.result, f.err
}

// demand begins a refresh unless one is under way, whatever the policy says. It
// returns nil when the cache is closed.
func (c *cache) demand() *flight {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if c.closed {
		return nil
	}
	return c.startLocked(freshness.OnDemand, c.clock.now())
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
		c.startLocked(freshness.ForAge, now)
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
		timer := time.NewTimer(d)
		defer timer.Stop()
		alarm = timer.C
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
		case !slices.EqualFunc(before, next.set.withID(kid), (*Key).sameAs):
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

// newlySkipped lists the entries that the set before did not have, or had for
// another reason.
func newlySkipped(last, next *snapshot) []SkippedKey {
	known := map[string]bool{}
	name := func(e SkippedKey) string { return e.KeyID + "\x00" + e.Err.Error() }
	if last != nil {
		for _, e := range last.set.skipped {
			known[name(e)] = true
		}
	}
	var fresh []SkippedKey
	for _, e := range next.set.skipped {
		if !known[name(e)] {
			fresh = append(fresh, e)
		}
	}
	return fresh
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
