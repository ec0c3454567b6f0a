package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// wanted is what a lookup looks for.
type wanted struct {
	header      Header
	any         bool // the first key with the kid, whatever its algorithm
	set         bool // no key: the set will do
	document    bool // with set: it must have come with a discovery document
	replacement bool // a key is there, but did not verify the token: see recheck
}

// choose finds what is wanted. A nil snapshot has nothing.
func (s *snapshot) choose(w *wanted, now freshness.Moment) ([]*Key, verdict) {
	switch {
	case s == nil, w.document && s.metadata == nil:
		return nil, missing
	case w.set:
		return nil, chosen
	case w.any:
		return s.byKeyID(w.header.KeyID, now)
	default:
		return s.chooseFor(&w.header, now)
	}
}

// chooseFor finds the keys for a token's header: in the set, else among the
// keys that left it. A retained key with the token's kid takes precedence over keys in
// the set that have no kid, and one with its thumbprint over keys that have none.
func (s *snapshot) chooseFor(h *Header, now freshness.Moment) ([]*Key, verdict) {
	if len(s.retained) == 0 || h.KeyID == "" && h.X5tS256 == "" && h.X5t == "" {
		return s.set.choose(h)
	}
	keys, v := s.set.choose(h)
	if s.set.isNamed(h, keys, v) {
		return keys, v
	}
	for _, r := range s.retained {
		if now < r.until {
			if left, w := r.keys.choose(h); w != missing && (v == missing || r.keys.isNamed(h, left, w)) {
				return left, w
			}
		}
	}
	return keys, v
}

// byKeyID finds the keys with a kid.
func (s *snapshot) byKeyID(kid string, now freshness.Moment) ([]*Key, verdict) {
	if keys := s.set.withID(kid); len(keys) > 0 {
		return keys, chosen
	}
	for _, r := range s.retained {
		if keys := r.keys.withID(kid); len(keys) > 0 && now < r.until {
			return keys, chosen
		}
	}
	return nil, missing
}

// name identifies the lookup for the policy. A lookup that names no key is identified by
// its algorithm, and all unknown algorithms are one, since no key has them.
func (w *wanted) name() freshness.Name {
	switch h := &w.header; {
	case w.replacement:
		return freshness.Name{Kind: freshness.Replacement, Text: h.Algorithm + " " + cmp.Or(h.KeyID, h.X5tS256, h.X5t)}
	case h.KeyID != "", w.any:
		return freshness.Name{Kind: freshness.KeyID, Text: h.KeyID}
	case h.X5tS256 != "":
		return freshness.Name{Kind: freshness.X5tS256, Text: h.X5tS256}
	case h.X5t != "":
		return freshness.Name{Kind: freshness.X5t, Text: h.X5t}
	case jws.Named(h.Algorithm) == jws.Unknown:
		return freshness.Name{Kind: freshness.Algorithm}
	default:
		return freshness.Name{Kind: freshness.Algorithm, Text: h.Algorithm}
	}
}

// quick returns the snapshot while it is fresh enough that lookups need not ask the
// policy, and nil otherwise. For a known key this is the whole hot path: no lock, no
// allocation.
func (c *cache) quick() (*snapshot, freshness.Moment) {
	if s := c.current.Load(); s != nil {
		if now := c.clock.now(); int64(now) < s.quietUntil.Load() {
			return s, now
		}
	}
	return nil, 0
}

// outcome is what one look at the cache comes to: an answer, or a refresh to
// wait for.
type outcome struct {
	snapshot *snapshot
	keys     []*Key
	err      error

	flight *flight         // not nil: wait for it and look again
	early  <-chan struct{} // or until this is closed
}

// find answers a lookup as the policy says. It returns the snapshot that
// answers, and the keys chosen from it.
func (c *cache) find(ctx context.Context, w *wanted) (*snapshot, []*Key, error) {
	if !c.enter() {
		return nil, nil, c.closedError()
	}
	defer c.leave()
	asked := c.clock.now()
	interrupted := false // by a process that stood still, for all that is known
	for failed := false; ; {
		// ctx.Err is called before the lock is taken: a caller's own context may panic.
		o := c.look(w, failed, ctx.Err())
		if o.flight == nil {
			return o.snapshot, o.keys, o.err
		}
		f := o.flight
		finished, err := f.wait(ctx, o.early)
		switch {
		case err != nil:
			return nil, nil, c.gaveUpError(err)
		case !finished: // its first attempt failed, or the store had a set: that may answer
			continue
		case f.err != nil && f.overdue && interrupted: // or by a transport that obeys no context
			return nil, nil, f.err
		case f.err != nil:
			failed, interrupted = !f.overdue, f.overdue
			continue
		}
		keys, v := f.result.choose(w, c.clock.now())
		if v == chosen {
			return f.result, keys, nil
		}
		if v == missing && (f.began < asked || f.result.order != f.order) {
			// A refresh that was under way already may lack what was
			// published meanwhile, and one that was told that nothing has
			// changed may have been told wrong: ask once more.
			continue
		}
		// What was fetched for this lookup is the last word.
		return nil, nil, c.lastWord(f.result, w, v)
	}
}

// look puts a lookup to the policy and does what it says. failed says that the
// lookup has waited for a refresh that failed; gone is the error of a context
// that has ended, whose owner starts no fetch.
func (c *cache) look(w *wanted, failed bool, gone error) outcome {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	switch {
	case c.closed:
		return outcome{err: c.closedError()}
	case w.header.cannotExist():
		return outcome{err: fault.Invalid(fmt.Sprintf("%s not found: its name is longer than %d bytes", naming(w.header), maxKeyID), ErrKeyNotFound)}
	}
	now := c.clock.now()
	s := c.current.Load()
	keys, v := s.choose(w, now)
	answer := c.askLocked(w, v != missing, failed, now)
	switch answer.Action {
	case freshness.Await, freshness.AwaitOrServeStale:
		if gone != nil {
			return outcome{err: c.gaveUpError(gone)}
		}
		f := c.joinLocked(w, purpose{cause: answer.Cause, found: v != missing}, now)
		o := outcome{flight: f}
		switch {
		case answer.Action == freshness.Await:
			o.early = f.storeNews
		case f.firstError == nil: // else it is waited for all the same, and has outlived its deadline
			o.early = f.attemptFailed
		}
		return o
	case freshness.Refuse, freshness.Throttle:
		return outcome{err: c.notFoundLocked(s, w, v, now)}
	case freshness.GiveUp:
		return outcome{err: c.unavailableLocked(w, now)}
	}
	if v != chosen {
		return outcome{err: c.notFoundLocked(s, w, v, now)}
	}
	return outcome{snapshot: s, keys: keys}
}

// askLocked puts a lookup to the policy, and does of its answer what is not the
// lookup's own: refreshing in the background, and announcing.
func (c *cache) askLocked(w *wanted, found, failed bool, now freshness.Moment) freshness.Answer {
	l := freshness.Lookup{Found: found, Failed: failed}
	if !found {
		l.Name = w.name()
	}
	answer := c.policy.Ask(now, l)
	switch answer.Announce {
	case freshness.StaleServed:
		why := c.lastError
		if c.flight != nil && c.flight.firstError != nil {
			why = c.flight.firstError
		}
		c.announceLocked(notice{Event: Event{Kind: EventServedStale, Failures: c.policy.Failures(), Err: why}})
	case freshness.Throttled:
		next := timeOf(now.Add(c.policy.NextFor(l.Name, now)), now, time.Now())
		c.announceLocked(notice{Event: Event{Kind: EventThrottled, KeyID: w.header.KeyID}, next: next})
	}
	if answer.Action == freshness.GiveUp {
		c.announceExpiryLocked(now)
	}
	switch answer.Action {
	case freshness.ServeAndRefresh, freshness.ServeStaleAndRefresh:
		c.startLocked(purpose{cause: freshness.ForAge, found: true}, now)
	}
	c.updateQuietUntilLocked(now)
	return answer
}

// joinLocked returns the refresh under way, or begins one for a lookup.
func (c *cache) joinLocked(w *wanted, p purpose, now freshness.Moment) *flight {
	if c.flight != nil {
		return c.flight
	}
	f := c.startLocked(p, now)
	f.wanted = w
	return f
}

// lastWord answers a lookup whose own refresh did not bring what it wants.
func (c *cache) lastWord(s *snapshot, w *wanted, v verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.now()
	if v == missing {
		c.policy.RememberMissing(w.name(), s.generation, now)
	}
	return c.notFoundLocked(s, w, v, now)
}

// recheck looks again for a token that no candidate verified: in the set at
// hand, which may be another one by now, and then by a refresh within the budget
// for unknown keys, because an issuer may replace a key under its kid. It
// returns the candidates that were not tried, if there are any; the error is
// that of a caller who gave up waiting, or notYet.
func (c *cache) recheck(ctx context.Context, h Header, tried []*Key, since order) ([]*Key, error) {
	if !c.enter() {
		return nil, nil
	}
	defer c.leave()
	w := &wanted{header: h, replacement: true}
	for interrupted := false; ; {
		o := c.lookAgain(w, tried, since, ctx.Err() != nil)
		f := o.flight
		if f == nil {
			return o.keys, o.err
		}
		if _, err := f.wait(ctx, nil); err != nil {
			return nil, c.gaveUpError(err)
		}
		switch {
		case f.err == nil:
		case f.overdue && !interrupted: // as in find
			interrupted = true
		case !w.replacement: // the key may be there, and nobody can be asked
			return nil, f.err
		default: // the key at hand decides
			return nil, nil
		}
	}
}

// lookAgain is look for recheck. A set that was asked for since the token came
// is the last word.
func (c *cache) lookAgain(w *wanted, tried []*Key, since order, gone bool) outcome {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	now := c.clock.now()
	s := c.current.Load()
	keys, v := s.choose(w, now)
	if untried := without(keys, tried); untried != nil {
		return outcome{keys: untried}
	}
	// Keys without a kid stood in for one that the set lacks, and may have had.
	w.replacement = w.header.KeyID == "" || s == nil || len(s.set.withID(w.header.KeyID)) > 0
	if s == nil || s.order > since {
		if s != nil && (v == wrongAlg || !w.replacement) { // the same token again and again shall cost one refresh
			c.policy.RememberMissing(w.name(), s.generation, now)
		}
		return outcome{}
	}
	// The same decision as for an unknown key.
	answer := c.askLocked(w, false, false, now)
	switch {
	case answer.Action == freshness.Await && !gone:
		return outcome{flight: c.joinLocked(nil, purpose{cause: answer.Cause, direct: true}, now)}
	case answer.Action == freshness.GiveUp && !w.replacement:
		return outcome{err: c.unavailableLocked(w, now)}
	case answer.Action == freshness.Throttle:
		if wait := c.policy.NextFor(w.name(), now); wait > 0 {
			return outcome{err: notYet(wait)}
		}
	}
	return outcome{}
}

// notYet is how long it takes until the budget permits a refresh that might
// bring another key. It is not a verdict: the current keys decide.
type notYet time.Duration

func (d notYet) Error() string {
	return "the next refresh that could bring another key may be in " + show.Round(time.Duration(d)).String()
}

// addTo adds it to the error that the current keys led to.
func (d notYet) addTo(err error) error { return fault.Add(err, "; "+d.Error()) }

// without lists the keys that are not among others.
func without(keys, others []*Key) (left []*Key) {
	for _, k := range keys {
		if !contains(others, k) {
			left = append(left, k)
		}
	}
	return left
}

// contains looks for the same key, not the same pointer.
func contains(keys []*Key, key *Key) bool {
	return slices.ContainsFunc(keys, key.sameAs)
}

// The errors of lookups, each one line that says what was expected, what came
// and what happens next.

func (c *cache) closedError() error { return fault.Unavailable("the client was closed", ErrClosed) }

func (c *cache) gaveUpError(err error) error {
	return fault.Unavailable("the caller gave up waiting for the keys of "+c.origin.name()+": "+err.Error(), err)
}

// notFoundLocked is for a lookup that the source answered and that found
// nothing.
func (c *cache) notFoundLocked(s *snapshot, w *wanted, v verdict, now freshness.Moment) error {
	place := show.Place(s.jwksURL)
	if s.jwksURL == "" {
		place = c.origin.name()
	}
	var b strings.Builder
	b.WriteString(s.set.describe(v, &w.header, "at "+place))
	fmt.Fprintf(&b, " (%s", show.Count(s.set.Len(), "key"))
	if !s.seeded() {
		fmt.Fprintf(&b, ", fetched %s ago", show.Round(now.Sub(s.fetchedAt)))
		if s.from != nil && s.from.stored {
			b.WriteString(" and taken from the store")
		}
	}
	if v == missing {
		if left := c.policy.NextFor(w.name(), now); left > 0 {
			fmt.Fprintf(&b, "; next refresh for unknown keys in %s", show.Round(left))
		}
	}
	b.WriteString(")")
	return fault.Invalid(b.String(), v.reason())
}

// unavailableLocked is for a lookup that the source could not be asked about.
func (c *cache) unavailableLocked(w *wanted, now freshness.Moment) error {
	failed := c.failureLocked(now)
	if state := c.policy.State(now); w.set || state == freshness.Empty || state == freshness.Expired {
		return fault.Unavailable(failed.text(), failed)
	}
	return fault.Unavailable(naming(w.header)+" is not in the set at hand, and "+failed.text(), ErrKeyNotFound, failed)
}

// failureLocked is the newest failure for one caller: a copy that says how much
// of the backoff is left.
func (c *cache) failureLocked(now freshness.Moment) *FetchError {
	failed := &FetchError{URL: c.cfg.jwksURL}
	newest := c.lastError
	if c.flight != nil && c.flight.firstError != nil { // not that of an earlier outage
		newest = c.flight.firstError
	}
	var last *FetchError
	if errors.As(newest, &last) {
		*failed = *last
	}
	failed.RetryAfter = max(c.policy.RetryAt().Sub(now), 0)
	return failed
}
