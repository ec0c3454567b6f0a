package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// quick returns the set while lookups that it answers need not ask the policy,
// else nil. It is all that the lookup of a known key does before it looks:
// no lock, no allocation.
func (c *Client) quick() (*snapshot, moment) {
	if s := c.current.Load(); s != nil {
		if now := c.now(); int64(now) < s.quietUntil.Load() {
			return s, now
		}
	}
	return nil, 0
}

// find answers a lookup as the policy says. It returns the snapshot that
// answers, and the keys chosen from it.
func (c *Client) find(ctx context.Context, w *wanted) (*snapshot, []*Key, error) {
	if !c.enter() {
		return nil, nil, c.closedError()
	}
	defer c.leave()
	asked := c.now()
	for failed := false; ; {
		gone := ctx.Err() // before the lock, which a context that panics must not take along
		c.mu.Lock()
		if c.closed || w.hopeless() {
			defer c.mu.Unlock()
			return nil, nil, c.refusalLocked(w)
		}
		now := c.now()
		s := c.current.Load()
		keys, v := s.choose(w, now)
		spend := c.causeFor(w, now)
		act := c.askLocked(w, v != missing, spend, failed, now)
		switch act {
		case answer, answerAndRefresh, answerStale, answerStaleRefresh:
			var err error
			if v != chosen {
				err = c.absentLocked(s, w, v, now, spend)
			}
			c.unlock()
			return s, keys, err
		case refuse, throttle:
			err := c.absentLocked(s, w, v, now, spend)
			c.unlock()
			return nil, nil, err
		case giveUp:
			err := c.unavailableLocked(w, now)
			c.unlock()
			return nil, nil, err
		}

		if gone != nil { // who has gone already starts no fetch
			c.unlock()
			return nil, nil, c.gaveUp(gone)
		}
		f := c.joinLocked(w, spend, now)
		c.unlock()
		landed, err := f.wait(ctx, act == awaitOrStale)
		switch {
		case err != nil:
			return nil, nil, c.gaveUp(err)
		case !landed: // its first attempt failed: the stale set answers
			continue
		case f.err != nil:
			failed = true
			continue
		}
		now = c.now()
		keys, v = f.snapshot.choose(w, now)
		if v == chosen {
			return f.snapshot, keys, nil
		}
		if v == missing && f.began < asked {
			// A refresh that was under way already may lack what was
			// published meanwhile: ask once more.
			continue
		}
		// What was fetched for this lookup is the last word.
		c.mu.Lock()
		defer c.mu.Unlock()
		if v == missing {
			c.memory.remember(w, f.snapshot.set, now)
		}
		return nil, nil, c.absentLocked(f.snapshot, w, v, now, spend)
	}
}

// askLocked puts a lookup to the policy, and does of its decision what is not
// the lookup's own: refreshing in the background, counting and announcing.
// spend is the budget that a refresh for a missing key would draw on.
func (c *Client) askLocked(w *wanted, found bool, spend cause, failed bool, now moment) action {
	q := question{found: found, failed: failed, again: w.again}
	if s := c.current.Load(); s != nil && !found {
		q.remembered = c.cfg.static() || c.memory.absentFrom(w, s.set, now)
		q.budget = c.budget(spend).available(now)
	}
	act := c.policy.decide(now, q)
	switch act {
	case throttle:
		c.throttledLocked()
	case answerStale, answerStaleRefresh:
		c.servedStaleLocked()
	}
	switch act {
	case answerAndRefresh, answerStaleRefresh:
		c.startLocked(causeAge, now)
	}
	c.hushLocked(now)
	return act
}

// joinLocked returns the refresh under way, or begins one: at the expense of
// the budget where the set is fresh and only a key is missing.
func (c *Client) joinLocked(w *wanted, spend cause, now moment) *flight {
	if c.policy.state(now) != StateFresh {
		spend = causeAge
	}
	if c.flight != nil {
		return c.flight
	}
	f := c.startLocked(spend, now)
	f.wanted = w
	return f
}

// wait waits for a refresh to land, under the waiter's own context. With
// orStumbled it also returns, with false, when the first attempt has failed.
func (f *flight) wait(ctx context.Context, orStumbled bool) (landed bool, err error) {
	var stumbled chan struct{}
	if orStumbled {
		stumbled = f.stumbled
	}
	select {
	case <-f.done:
		return true, nil
	case <-stumbled:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// budget is the bucket that a refresh for this cause draws on.
func (c *Client) budget(why cause) *bucket {
	if why == causeVanishedKey {
		return &c.vanished
	}
	return &c.unknown
}

// causeFor says which budget a lookup that finds nothing may draw on.
func (c *Client) causeFor(w *wanted, now moment) cause {
	if c.memory.left(w.header.KeyID, now) {
		return causeVanishedKey
	}
	return causeUnknownKey
}

// recheck implements rechecker: a refresh within the budget for unknown keys,
// because an issuer may replace a key under its kid.
func (c *Client) recheck(ctx context.Context, h Header, _ string, tried []*Key, since time.Time) []*Key {
	if !c.enter() {
		return nil
	}
	defer c.leave()
	w := &wanted{header: h, again: true}
	asked := since.Sub(c.epoch)
	for waited := false; ; waited = true {
		gone := ctx.Err()
		c.mu.Lock()
		now := c.now()
		s := c.current.Load()
		// A set that was asked for since is the last word. One that was asked
		// for at the same tick of the clock is only if it was for this call.
		if s == nil || c.cfg.noCache || s.began > asked || waited && s.began == asked {
			keys, v := s.choose(w, now)
			if s != nil && v == wrongAlg { // asked for under another algorithm again and again, it shall cost one fetch
				c.memory.remember(w, s.set, now)
			}
			c.mu.Unlock()
			if slices.ContainsFunc(keys, func(k *Key) bool { return !contains(tried, k) }) {
				return keys
			}
			return nil
		}
		// The same decision as for an unknown key.
		act := c.askLocked(w, false, causeUnknownKey, false, now)
		if act != await || gone != nil {
			c.unlock()
			return nil
		}
		f := c.joinLocked(nil, causeUnknownKey, now)
		c.unlock()
		if _, err := f.wait(ctx, false); err != nil || f.err != nil {
			return nil
		}
	}
}

// contains looks for the same key, not the same pointer.
func contains(keys []*Key, key *Key) bool {
	return slices.ContainsFunc(keys, key.sameAs)
}

// The errors of lookups, each one line that says what was expected, what came
// and what happens next.

// refusalLocked is for a lookup that needs no source to be refused.
func (c *Client) refusalLocked(w *wanted) error {
	if c.closed {
		return c.closedError()
	}
	return invalid(fmt.Sprintf("%s not found: names of keys have at most %d bytes", naming(w.header), maxKeyID), ErrKeyNotFound)
}

func (c *Client) closedError() error { return unavailable("the client was closed", ErrClosed) }

func (c *Client) gaveUp(err error) error {
	return unavailable("the caller gave up waiting for the keys of "+c.origin()+": "+err.Error(), err)
}

// origin names the source of the keys.
func (c *Client) origin() string {
	for _, place := range []string{c.cfg.jwksURL, c.cfg.issuer, c.cfg.discoveryURL} {
		if place != "" {
			return showURL(place)
		}
	}
	return "the static key set"
}

// absentLocked is for a lookup that the source answered and that found nothing.
func (c *Client) absentLocked(s *snapshot, w *wanted, v verdict, now moment, spend cause) error {
	var b strings.Builder
	if w.any {
		b.WriteString(naming(w.header) + " not found")
	} else {
		b.WriteString(v.describe(w.header))
	}
	from := s.jwksURL
	if from == "" {
		from = c.origin()
	}
	fmt.Fprintf(&b, " at %s (%s", showURL(from), count(s.set.Len(), "key"))
	if !s.seeded() {
		fmt.Fprintf(&b, ", fetched %s ago", round(now-s.fetchedAt))
	}
	if left := c.budget(spend).next(now); left > 0 && v == missing {
		fmt.Fprintf(&b, "; next refresh for unknown keys in %s", round(left))
	}
	b.WriteString(")")
	return invalid(b.String(), v.reason())
}

// unavailableLocked is for a lookup that the source could not be asked about.
func (c *Client) unavailableLocked(w *wanted, now moment) error {
	failed := c.failureLocked(now)
	if state := c.policy.state(now); w.set || state == StateEmpty || state == StateExpired {
		return unavailable(failed.text(), failed)
	}
	return unavailable(naming(w.header)+" is not in the set at hand, and "+failed.text(), ErrKeyNotFound, failed)
}

// failureLocked is the newest failure for one caller: a copy that says how
// much of the backoff is left.
func (c *Client) failureLocked(now moment) *FetchError {
	failed := &FetchError{URL: c.cfg.jwksURL}
	var last *FetchError
	if errors.As(c.lastError, &last) {
		*failed = *last
	}
	failed.RetryAfter = max(c.policy.retryAt-now, 0)
	return failed
}
