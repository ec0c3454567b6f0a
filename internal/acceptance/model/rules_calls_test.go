package model

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

var opType, faultType = reflect.TypeFor[op](), reflect.TypeFor[fault]()

// tokenExpired says that a call's token had expired: the leeway is 30 s.
func (c *call) tokenExpired(at time.Duration) bool {
	return c.op == verify && c.exp != 0 && at >= c.exp.Truncate(time.Second)+30*time.Second
}

// lookups lists the calls that ask for a key or the set, before Close, with
// tokens that have not expired.
func (v *view) lookups() []*call {
	var all []*call
	for _, c := range v.calls {
		if c.op.isLookup() && !c.afterClose && c.done && !(v.closed >= 0 && c.end >= v.closed) && !c.tokenExpired(c.end) {
			all = append(all, c)
		}
	}
	return all
}

// unavailable says that it was not decided, for want of the source.
func (c *call) unavailable() bool { return errors.Is(c.err, jwks.ErrUnavailable) }

// certain is the landing that answers a call for certain when it starts: it is
// the one at hand, and it has, or retains, what is looked for.
func (v *view) certain(c *call) *landing {
	l := v.onlyHeldAt(c.start)
	if l == nil || v.config.noCache || !c.plain(l.document) && v.retainedGoesFirst(c) {
		return nil
	}
	if c.answers(l.document) {
		return l
	}
	if c.op == verify && c.want.kid != none && len(candidates(l.document, c.want.kid)) == 0 {
		if until, _ := v.retainedUntil(c.want, c.start); c.start < until {
			return l
		}
	}
	return nil
}

// waitsWhileFresh: "fresh: answer at once". "From that moment to the TTL a
// known key answers at once", whatever the server's headers say.
func waitsWhileFresh(v *view, r *report) {
	for _, c := range v.lookups() {
		l := v.certain(c)
		if l == nil {
			continue
		}
		earliest, _ := v.expiry(l)
		if c.start >= earliest || c.err == nil && c.end == c.start {
			continue
		}
		rule := "fresh-waits"
		switch {
		case !c.plain(l.document):
			rule = "keys-without-kid"
		case l.said && c.start >= l.at+l.asked:
			rule = "fresh-waits-by-header"
		case l.age > 0:
			rule = "fresh-waits-by-age"
		}
		r.add(rule, "the set of %v is fresh until %v: %v", l.at, earliest, c)
	}
}

// waitsInBackoff: while a backoff runs, nobody waits for the network.
func waitsInBackoff(v *view, r *report) {
	for _, c := range v.lookups() {
		if l := v.lastBefore(c.start); l != nil && !l.ok && c.start < l.retryAt && c.end > c.start {
			r.add("backoff-waits", "a backoff runs until %v: %v", l.retryAt, c)
		}
	}
}

// staleServes: past its TTL and before the end of stale, a set answers as soon
// as an attempt to renew it has failed; at once while a backoff runs.
func staleServes(v *view, r *report) {
	for _, c := range v.lookups() {
		l := v.certain(c)
		if l == nil || !c.unavailable() || c.gaveUp() {
			continue
		}
		if _, expiry := v.expiry(l); c.end >= expiry+v.config.stale() {
			continue
		}
		if slices.ContainsFunc(v.flights(), func(f *landing) bool { return f.overdue && f.at >= c.start-v.config.deadline() }) {
			continue // frozen: it excuses nothing
		}
		rule := "stale-refused"
		switch {
		case !c.plain(l.document):
			rule = "keys-without-kid"
		case l.said && l.asked < v.config.expiry():
			rule = "stale-refused-by-header"
		case l.age > 0:
			rule = "stale-refused-by-age"
		}
		r.add(rule, "the set of %v has it: %v", l.at, c)
	}
}

// staleWaits: who waits with a stale set at hand waits for the first attempt
// only: should it fail, the stale set answers.
func staleWaits(v *view, r *report) {
	for _, c := range v.lookups() {
		l := v.certain(c)
		if l == nil || c.start == c.end || !c.plain(l.document) {
			continue
		}
		_, expiry := v.expiry(l)
		for _, f := range v.flights() {
			if f.stumbled < c.end && f.stumbled >= c.start && f.began <= c.start && f.stumbled < expiry+v.config.stale() && f.stumbled < f.began+v.config.deadline() && !l.said && l.age == 0 {
				r.add("stale-waits", "the first attempt failed at %v, and the set of %v has it: %v", f.stumbled, l.at, c)
			}
		}
	}
}

// refusedAsUnavailable: only a source that could not be asked is unavailable:
// a refresh failed while the caller waited, or a backoff runs.
func refusedAsUnavailable(v *view, r *report) {
	for _, c := range v.lookups() {
		if !c.unavailable() || c.gaveUp() || v.failedFor(c) || c.op == metadata && !v.config.discovers() {
			continue
		}
		if seed := v.onlyHeldAt(c.start); c.op == metadata && seed != nil && seed.seeded {
			continue
		}
		r.add("unavailable-for-nothing", "no refresh failed and no backoff runs: %v", c)
	}
}

// failedFor says that the source could not be asked for a call.
func (v *view) failedFor(c *call) bool {
	if slices.ContainsFunc(v.flights(), func(f *landing) bool { return f.stumbled <= c.end && f.at >= c.start }) {
		return true // one that has stumbled is under way
	}
	var last *landing // before the call
	for _, l := range v.landings {
		switch {
		case l.at < c.start || l.seeded:
			last = l
		case l.at <= c.end && !l.ok:
			return true
		}
	}
	return last != nil && !last.ok && c.start <= last.retryAt
}

// refusedAsInvalid: a token under a published key verifies on its first
// arrival, unless a named reason is there.
func refusedAsInvalid(v *view, r *report) {
	if v.config.noCache {
		return // see withoutCache
	}
	for _, c := range v.lookups() {
		if c.err == nil || c.unavailable() || c.op == keyfunc || c.gaveUp() && c.end > c.start {
			continue
		}
		if v.retainedGoesFirst(c) {
			continue
		}
		if landed := v.landedWithin(c); landed != nil && v.publishedThroughout(c) {
			rule := "landed-key-not-tried"
			if !c.plain(landed.document) {
				rule = "keys-without-kid"
			}
			r.add(rule, "the set that landed at %v has it: %v", landed.at, c)
			continue
		}
		if !v.publishedThroughout(c) || c.op == keyForToken {
			continue
		}
		if rule, why := v.reason(c); why == "" {
			r.add(rule, "it is published, and there is no reason to refuse it: %v", c)
		}
	}
}

// retainedGoesFirst says that a call names a key that has left, which is tried
// instead of those that have no kid.
func (v *view) retainedGoesFirst(c *call) bool {
	return v.config.retain() > 0 && c.want.kid != none && slices.ContainsFunc(v.landings, func(l *landing) bool {
		return l.ok && l.at <= c.end && c.end <= v.leftAt(l)+v.config.retain() && slices.ContainsFunc(l.document.usable(), func(k key) bool { return k.kid == c.want.kid })
	})
}

// leftAt is when what a landing brought was replaced.
func (v *view) leftAt(l *landing) time.Duration {
	if next := v.next(l); next != nil {
		return next.at
	}
	return v.ended
}

// landedWithin is a refresh that landed while a call waited and has what it
// looks for.
func (v *view) landedWithin(c *call) *landing {
	for _, l := range v.landings {
		if l.ok && !l.seeded && l.at > c.start && l.at < c.end+1 && c.answers(l.document) {
			// One that comes between the lookup and its end, and is not the
			// newest, may have been and gone.
			if next := v.next(l); next == nil || next.at > c.end || c.answers(next.document) {
				return l
			}
		}
	}
	return nil
}

// reason is why a published key may be refused as not there. The rule is the
// one that is broken if it is none.
func (v *view) reason(c *call) (rule, why string) {
	rule = "published-refused"
	if slices.ContainsFunc(v.publishedFor(c), func(d *document) bool { return !c.plain(d) }) {
		rule = "keys-without-kid"
	}
	if l := v.onlyHeldAt(c.start); v.failedFor(c) || l != nil && len(candidates(l.document, c.want.kid)) > 0 && v.excused(l, c.start) {
		return rule, "bad signature while the refresh fails or a backoff runs"
	}
	if l := v.onlyHeldAt(c.start); l != nil && c.want.kid == none && len(l.document.usable()) > 4 {
		return rule, "it names no key, and more than four may be meant: a refresh is not asked for"
	}
	if _, burst := v.config.limit(); burst == 0 {
		return rule, "unknown keys never cause a refresh"
	}
	if v.budgetSpent(c, c.start) || v.budgetSpent(c, c.end) {
		return rule, "the budget may be spent"
	}
	for _, l := range v.landings {
		if l.ok && l.began >= c.start && l.at <= c.end && !l.seeded {
			return rule, "the fetch for it did not bring it"
		}
	}
	n, since := v.missed(c)
	switch last := v.lastBefore(c.start); {
	case v.liedTo():
		rule += "-validators"
	case last != nil && !last.ok && c.end == c.start:
		rule = "old-failure-refuses"
	}
	switch {
	case n == 0:
	case since <= memoryOf(n):
		return rule, "the kid is remembered as missing"
	case since <= time.Minute:
		return "late-key-refused", ""
	}
	return rule, ""
}

// memoryOf is how long a kid is remembered as missing after its nth miss.
func memoryOf(n int) time.Duration {
	all := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute}
	return all[min(n, len(all))-1]
}

// missed counts the sets that were fetched for a kid and did not have it, and
// tells how long ago the last one was. A change of the keys ends the memory.
func (v *view) missed(c *call) (n int, since time.Duration) {
	if v.config.keyCache < 0 {
		return 0, 0
	}
	for _, l := range v.landings {
		if l.seeded || !l.ok || l.at > c.end {
			continue
		}
		if held := v.heldAt(c.end); !slices.ContainsFunc(held, func(h *landing) bool { return slices.Equal(h.document.entries, l.document.entries) }) {
			continue
		}
		for _, other := range v.calls {
			if other != c && other.want.kid == c.want.kid && other.done && other.err != nil && other.start <= l.began && other.end >= l.at {
				n, since = n+1, c.end-l.at
				break
			}
			// Whoever left before the refresh landed asked for it all the same.
			if other != c && other.want.kid == c.want.kid && other.start <= l.began && (!other.done || other.end >= l.began) {
				n, since = n+1, c.end-l.at
				break
			}
		}
	}
	return n, since
}

// withoutCache: every lookup fetches. One that joined a fetch begun before it
// asked, and found nothing, fetches once more.
func withoutCache(v *view, r *report) {
	if !v.config.noCache {
		return
	}
	for _, c := range v.lookups() {
		fetched := func(own bool) *landing {
			for _, l := range v.landings {
				if l.ok && !l.seeded && l.at >= c.start && l.at <= c.end && (!own || l.began >= c.start) {
					return l
				}
			}
			return nil
		}
		switch {
		case c.err == nil && fetched(false) == nil:
			r.add("without-cache", "nothing was fetched for it: %v", c)
		case c.err == nil || c.unavailable() || c.op == keyfunc || c.op == keyForToken || !v.publishedThroughout(c):
		case fetched(true) == nil && !v.failedFor(c):
			r.add("without-cache-joined", "it joined a fetch that began before it, and asked no more: %v", c)
		}
	}
}

// waitsBounded: a call ends with its context, and after a few refreshes in any
// case: one that was under way, one of its own, and the same for a bad
// signature.
func waitsBounded(v *view, r *report) {
	for _, c := range v.calls {
		limit := 4*v.config.deadline() + time.Second
		for _, f := range v.freezes {
			if f[0] <= c.start+limit && f[1] >= c.start {
				limit += f[1] - f[0]
			}
		}
		if c.patience > 0 {
			limit = min(limit, c.patience)
		}
		switch {
		case !c.done:
			r.add("waits-for-ever", "%v", c)
		case c.end > c.start+limit:
			r.add("waits-too-long", "want an end within %v: %v", limit, c)
		}
	}
}

// callersWhoLeave: who gave up is told so, as ErrUnavailable with the error of
// the context, and nobody else is.
func callersWhoLeave(v *view, r *report) {
	for _, c := range v.calls {
		ofContext := errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded)
		switch {
		case ofContext && !c.gaveUp():
			r.add("foreign-context", "its context had not ended: %v", c)
		case ofContext && !c.unavailable():
			r.add("gave-up-class", "it gave up: %v", c)
		case c.err != nil && !ofContext && c.gaveUp() && c.end > c.start && !v.somethingLands(c.end):
			r.add("gave-up-untold", "it gave up: %v", c)
		}
	}
}

// somethingLands says that an answer comes at a moment, of whatever issuer: a
// context that ends just then may be told either way.
func (v *view) somethingLands(at time.Duration) bool {
	return at == v.closed || v.lands(at) || slices.ContainsFunc(v.many.asked, func(a *asking) bool { return a.end == at || a.start+askingEnds == at }) || slices.ContainsFunc(v.requests, func(r *request) bool { return r.end == at })
}

func (v *view) lands(at time.Duration) bool {
	return slices.ContainsFunc(v.flights(), func(l *landing) bool { return l.at == at || l.stumbled == at })
}

// oneClass: every error matches exactly one of the two classes, is one line,
// and shows nothing of the token.
func oneClass(v *view, r *report) {
	for _, c := range v.calls {
		if c.err == nil {
			continue
		}
		invalid := errors.Is(c.err, jwks.ErrTokenInvalid)
		if invalid == c.unavailable() {
			r.add("one-class", "invalid: %v, unavailable: %v: %v", invalid, c.unavailable(), c)
		}
		if (c.op == keySet || c.op == ready || c.op == refresh || c.op == metadata) && invalid {
			r.add("one-class", "want ErrUnavailable: %v", c)
		}
		text := c.err.Error()
		if strings.Contains(text, "\n") || !strings.HasPrefix(text, "jwks: ") || strings.Contains(text, "eyJ") {
			r.add("error-text", "want one line that begins with jwks: and shows no token: %v", c)
		}
		if closed := errors.Is(c.err, jwks.ErrClosed); closed != (c.afterClose || v.closed >= 0 && c.end >= v.closed) && !c.gaveUp() && (c.afterClose || c.end != v.closed) {
			r.add("closed-told", "closed at %v: %v", v.closed, c)
		}
	}
}

// expiredTokens: a token past exp and leeway is refused as expired if its key
// is there, from a token cache too.
func expiredTokens(v *view, r *report) {
	for _, c := range v.calls {
		if c.op != verify || !c.done || !c.tokenExpired(c.end) {
			continue
		}
		if c.err == nil {
			r.add("expired-accepted", "%v", c)
		}
		if l := v.certain(c); l != nil && c.end == c.start && !c.afterClose && c.plain(l.document) && !c.unavailable() && !errors.Is(c.err, jwt.ErrTokenExpired) {
			r.add("expired-untold", "%v", c)
		}
	}
}
