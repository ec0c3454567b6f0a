package model

import (
	"fmt"
	"slices"
	"time"
)

// violation is a rule that a trace breaks.
type violation struct {
	rule string
	text string
}

// rules are checked on every trace. The comment at each gives the sentence of
// the documentation that it states.
var rules = []func(*view, *report){
	neverPublished,
	notHeld,
	trustedTooLong,
	removedTooLong,
	waitsWhileFresh,
	waitsInBackoff,
	staleServes,
	staleWaits,
	refusedAsUnavailable,
	refusedAsInvalid,
	refreshNeeded,
	withoutCache,
	waitsBounded,
	callersWhoLeave,
	oneClass,
	expiredTokens,
	backoffBounds,
	discoveryAsked,
	oneFlight,
	attemptsBounded,
	attemptTimes,
	refreshesJustified,
	budgetKept,
	doubtIsUnconditional,
	conditionals,
	pathAsked,
	secretsStay,
	refreshAnswers,
	eventsTell,
	spellsTold,
	statusAgrees,
	recovers,
	runKeepsWarm,
	closes,
}

// report collects violations.
type report struct{ found []violation }

func (r *report) add(rule, format string, args ...any) {
	if len(r.found) < 100 {
		r.found = append(r.found, violation{rule, fmt.Sprintf(format, args...)})
	}
}

// check lists the rules that a trace breaks.
func check(tr *trace) []violation {
	v := newView(tr)
	r := &report{}
	if tr.config.tenants != (tenants{}) {
		for _, rule := range tenantRules {
			rule(v, r)
		}
		return r.found
	}
	for _, rule := range rules {
		rule(v, r)
	}
	return r.found
}

func (c *call) String() string {
	result := "waits"
	switch {
	case c.done && c.err != nil:
		result = fmt.Sprintf("at %v: %v", c.end, c.err)
	case c.done:
		result = fmt.Sprintf("at %v: found %v", c.end, c.got)
	}
	where := ""
	if c.issuer > 0 {
		where = fmt.Sprintf(" of issuer %d", c.issuer)
	}
	return fmt.Sprintf("%s of kid %d, material %d%s at %v, %s", names[opType][c.op], c.want.kid, c.want.mat, where, c.start, result)
}

// neverPublished: nothing that was not published is accepted.
func neverPublished(v *view, r *report) {
	for _, c := range v.calls {
		for _, k := range slices.Concat(c.got, c.held) {
			ever := slices.Contains(v.config.seed, k)
			for _, d := range v.site.history {
				ever = ever || d.since <= c.end && slices.Contains(d.usable(), k)
			}
			if !ever {
				r.add("never-published", "%v was never published: %v", k, c)
			}
		}
	}
}

// notHeld: a key is accepted while the newest set has it, or while it is
// retained. "Removed key: stops being accepted as soon as a set without it has
// been fetched."
func notHeld(v *view, r *report) {
	for _, c := range v.calls {
		for _, k := range c.got {
			held := v.heldAt(c.end)
			if slices.ContainsFunc(held, func(l *landing) bool { return slices.Contains(l.document.usable(), k) }) {
				continue
			}
			switch strict, lenient := v.retainedUntil(k, c.end); {
			case c.end <= strict:
			case c.end <= lenient:
				// A seed is not retained, and a set past the end of stale
				// retains nothing.
				r.add("retention-revives", "%v is retained until %v at most: %v", k, strict, c)
			default:
				r.add("not-held", "%v is in no set at hand: %v", k, c)
			}
		}
	}
}

// retainedUntil is until when a key that left the set is retained, at a
// moment: as documented, and if seeds and sets past the end of stale were
// retained as well.
func (v *view) retainedUntil(k key, at time.Duration) (strict, lenient time.Duration) {
	strict, lenient = -1, -1
	var last *landing
	for _, l := range v.landings {
		if !l.ok || l.at > at {
			continue
		}
		replaced := slices.ContainsFunc(l.document.entries, func(e entry) bool { return e.kid == k.kid })
		switch {
		case replaced:
			strict, lenient = -1, -1
		case last != nil && slices.Contains(last.document.usable(), k):
			lenient = l.at + v.config.retain()
			if !last.seeded {
				strict = lenient
			}
		}
		if last != nil {
			_, expiry := v.expiry(last)
			if v.config.noCache { // it has no stale answers, but its sets have an age
				expiry = last.at + v.config.expiry()
			}
			if l.at >= expiry+v.config.stale() {
				strict = -1
			}
		}
		last = l
	}
	if v.config.retain() == 0 || k.kid == none {
		return -1, -1
	}
	return strict, lenient
}

// trustedTooLong: a set answers until its TTL ends, and past that only while
// the source fails, as long as max-stale.
func trustedTooLong(v *view, r *report) {
	for _, c := range v.calls {
		if c.err != nil || !c.op.isLookup() || v.config.noCache || !c.done {
			continue
		}
		why := "there is no set at hand"
		if slices.ContainsFunc(v.heldAt(c.end), func(l *landing) bool {
			_, expiry := v.expiry(l)
			switch {
			case c.end <= expiry:
				return true
			case c.end > expiry+v.config.stale():
				why = fmt.Sprintf("the set of %v is past the end of stale, which was at %v", l.at, expiry+v.config.stale())
			case v.excused(l, c.end):
				return true
			default:
				why = fmt.Sprintf("the set of %v expired at %v, and nothing says that the source fails", l.at, expiry)
			}
			return false
		}) {
			continue
		}
		r.add(v.tooLong(c), "%s: %v", why, c)
	}
}

// tooLong names what a set that was trusted too long shows.
func (v *view) tooLong(c *call) string {
	for _, l := range v.heldAt(c.end) {
		if l.age >= v.config.expiry() || l.age > 0 && c.end <= l.at+v.config.floor() {
			return "copy-trusted-too-long"
		}
	}
	for _, f := range v.flights() {
		if f.began <= c.end && f.at >= c.end-v.config.expiry() && f.overdue {
			return "frozen-refresh-excuses"
		}
	}
	if len(v.freezes) > 0 {
		for _, f := range v.freezes {
			if f[0] <= c.end && c.end <= f[1] {
				return "frozen-refresh-excuses"
			}
		}
	}
	if last := v.heldAt(c.end); len(last) > 0 {
		for _, f := range v.landings {
			if f.number > last[0].number && !f.ok && f.at < c.end {
				return "old-failure-excuses"
			}
		}
	}
	return "trusted-too-long"
}

// removedTooLong is the end of the same rule as users read it, in terms of
// what the issuer did and nothing that the client says of itself: "at the
// latest one TTL plus one fetch deadline after the issuer removed it while the
// issuer answers, plus max-stale while it does not"; "behind validators that
// lie, one hour plus one TTL; behind a cache that obeys nobody, when its copy
// ends".
func removedTooLong(v *view, r *report) {
	for _, c := range v.calls {
		for _, k := range c.got {
			removed := v.removedAt(k, c.end)
			if removed < 0 || !slices.Contains(v.heldAt(c.end)[0].document.usable(), k) {
				continue // a retained key is a matter of notHeld
			}
			limit := removed + v.config.expiry() + 2*v.config.deadline() + time.Second
			if v.wasWrong(removed-v.config.expiry()-v.config.deadline(), c.end) {
				limit += v.config.stale()
			}
			rule := "removed-too-long"
			if v.liedTo() {
				limit += time.Hour
				rule = "removed-too-long-validators"
			}
			if v.config.path != direct || slices.ContainsFunc(v.steps, func(s step) bool { return s.op == setPath && s.n != int(direct) }) {
				rule = "removed-too-long-copies"
				limit += v.stubbornFor()
			}
			if c.end > limit && len(v.config.seed) == 0 {
				r.add(rule, "%v was removed at %v and may be accepted until %v: %v", k, removed, limit, c)
			}
		}
	}
}

// removedAt is when the issuer stopped publishing a key, -1 if it has not.
func (v *view) removedAt(k key, at time.Duration) time.Duration {
	removed := time.Duration(-1)
	for _, d := range v.site.history {
		if d.since > at {
			break
		}
		switch {
		case slices.Contains(d.usable(), k):
			removed = -1
		case removed < 0:
			removed = d.since
		}
	}
	return removed
}

// wasWrong says that a request went wrong in a span, or the process stood
// still.
func (v *view) wasWrong(from, to time.Duration) bool {
	for _, r := range v.requests {
		if !r.usable() && r.end >= from && r.start <= to {
			return true
		}
	}
	for _, f := range v.freezes {
		if f[1] >= from && f[0] <= to {
			return true
		}
	}
	return false
}

// liedTo says that a validator lied at some time.
func (v *view) liedTo() bool {
	if slices.ContainsFunc(v.requests, func(q *request) bool { return q.ifModifiedSince != "" && q.answer != nil && q.answer.confirms }) {
		return true // in whole seconds
	}
	lies := func(x validator) bool { return x == lyingETag || x == lyingModified }
	return lies(v.config.validator) || slices.ContainsFunc(v.steps, func(s step) bool { return s.op == setValid && lies(validator(s.n)) })
}

// stubbornFor is how long a copy may live in a cache that obeys nobody.
func (v *view) stubbornFor() time.Duration {
	stays := v.config.path == stubborn
	longest := v.config.headerAge
	for _, s := range v.steps {
		stays = stays || s.op == setPath && s.n == int(stubborn)
		if s.op == setHeader {
			longest = max(longest, s.d)
		}
	}
	if stays {
		return longest
	}
	return 0
}
