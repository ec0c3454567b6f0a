package model

import (
	"slices"
	"time"

	"github.com/seed-22400188/jwks"
)

// view is a trace put in order: which refresh brought which keys when, and
// until when they may be used.
type view struct {
	*trace
	landings []*landing
	orphans  []*request // of no refresh that landed
}

// landing is the end of a refresh, or the seed.
type landing struct {
	number    int
	began, at time.Duration
	seeded    bool
	ok        bool
	confirmed bool // 304
	requests  []*request
	stumbled  time.Duration // when its first attempt failed; never
	err       error
	event     jwks.Event
	status    jwks.Status
	failures  int           // in a row, with this one
	retryAt   time.Duration // end of the backoff, as the client says
	age       time.Duration // of the answer that brought or confirmed the set
	delay     time.Duration // between asking for that answer and having it
	copyLeft  time.Duration // for how long a cache would go on using that answer
	asked     time.Duration // the lifetime from now that its headers ask for
	said      bool
	document  *document // what is held from now on
	overdue   bool      // it was under way beyond its deadline
	unfounded bool      // it landed well, and no usable answer had come
}

const never = time.Duration(1<<63 - 1)

// newView puts a trace in order.
func newView(tr *trace) *view {
	v := &view{trace: tr}
	if len(tr.config.seed) > 0 {
		v.landings = append(v.landings, &landing{seeded: true, ok: true, began: -1, stumbled: never,
			document: &document{entries: entries(tr.config.seed), number: -1}})
	}
	for _, e := range tr.events {
		switch e.event.Kind {
		case jwks.EventRefreshed, jwks.EventNotModified, jwks.EventRefreshFailed:
			v.land(e)
		}
	}
	for _, r := range tr.requests {
		if !slices.ContainsFunc(v.landings, func(l *landing) bool { return slices.Contains(l.requests, r) }) {
			v.orphans = append(v.orphans, r)
		}
	}
	return v
}

// land adds a refresh that an event tells of.
func (v *view) land(e event) {
	l := &landing{number: len(v.landings), at: e.at, began: e.at - e.event.Duration, stumbled: never, event: e.event, status: e.status, err: e.event.Err,
		ok: e.event.Kind != jwks.EventRefreshFailed, confirmed: e.event.Kind == jwks.EventNotModified}
	l.overdue = l.at-l.began > v.config.deadline()+time.Second
	for _, r := range v.requests {
		if l.began <= r.start && r.start < l.at && r.end <= l.at && r.done {
			l.requests = append(l.requests, r)
			if !r.usable() && r.retried() {
				l.stumbled = min(l.stumbled, r.end)
			}
		}
	}
	last := v.last()
	if last != nil && !last.ok {
		l.failures = last.failures
	}
	if !l.ok {
		l.failures++
		l.retryAt = l.at
		if !e.status.NextAttempt.IsZero() {
			l.retryAt = e.status.NextAttempt.Sub(bubbleStart)
		}
	} else {
		v.bring(l)
	}
	v.landings = append(v.landings, l)
}

// bring fills in what a good refresh brought.
func (v *view) bring(l *landing) {
	l.failures = 0
	for _, r := range l.requests {
		if a := r.answer; r.doc == keysDoc && a != nil && a.good {
			l.delay = r.end - r.start
			l.age, l.asked, l.said = a.age, max(a.asked-a.age, 0), a.said
			if a.said && a.copyEnds > a.made {
				l.copyLeft = max(a.asked-a.age, 0)
			}
			l.document = a.document
		}
	}
	if held := v.held(); l.confirmed && held != nil {
		l.document = held.document
	}
	if l.document == nil {
		l.document, l.unfounded = &document{}, true
	}
}

func (r *request) usable() bool { return r.answer != nil && r.answer.good }

func (v *view) last() *landing {
	if len(v.landings) == 0 {
		return nil
	}
	return v.landings[len(v.landings)-1]
}

// held is the newest landing that brought keys.
func (v *view) held() *landing {
	for _, l := range slices.Backward(v.landings) {
		if l.ok {
			return l
		}
	}
	return nil
}

// heldAt lists the landings whose keys may be the ones at hand at a moment:
// one, or two when a refresh lands at that very moment; none while there are
// none.
func (v *view) heldAt(at time.Duration) []*landing {
	var all []*landing
	for _, l := range slices.Backward(v.landings) {
		if !l.ok || l.at > at {
			continue
		}
		all = append(all, l)
		if l.at < at || l.seeded {
			break
		}
	}
	return all
}

// onlyHeldAt is the landing whose keys are at hand for certain.
func (v *view) onlyHeldAt(at time.Duration) *landing {
	if all := v.heldAt(at); len(all) == 1 && (all[0].at < at || all[0].seeded) {
		return all[0]
	}
	return nil
}

// lastBefore is the newest landing, good or not, before a moment for certain;
// nil also if one comes at that very moment.
func (v *view) lastBefore(at time.Duration) *landing {
	var last *landing
	for _, l := range v.landings {
		if l.at == at && !l.seeded {
			return nil
		}
		if l.at < at || l.seeded {
			last = l
		}
	}
	return last
}

// expiry is the end of the TTL of what a landing brought: it counts from when
// the origin made the answer. Where even an answer that was asked for past all
// caches is older than that, it is trusted while its copy is, within bounds.
// Age counts in whole seconds, and the answer may have been made at any time
// between the request and its arrival, so the moment is known to that.
func (v *view) expiry(l *landing) (earliest, latest time.Duration) {
	ttl := v.config.expiry()
	switch {
	case l.seeded:
		return 0, 0
	case v.config.noCache:
		return l.at, l.at
	case l.age >= ttl:
		end := l.at + min(ttl, max(v.config.floor(), l.copyLeft))
		return end - time.Second, end + time.Second
	case l.age > 0:
		return l.at - l.age - l.delay + ttl - time.Second, l.at - l.age + ttl
	}
	return l.at - l.delay + ttl, l.at + ttl
}

// next is the good landing after l, nil if there is none.
func (v *view) next(l *landing) *landing {
	for _, n := range v.landings {
		if n.at >= l.at && n != l && n.ok && n.number > l.number {
			return n
		}
	}
	return nil
}

// excused says whether the set that l brought may answer at a moment past its
// expiry: while a refresh that began in time is under way, while one that has
// stumbled is, and for as long after a failure as its backoff and one fetch
// deadline. A refresh that outlived its own deadline excuses nothing.
func (v *view) excused(l *landing, at time.Duration) bool {
	_, expiry := v.expiry(l)
	deadline := v.config.deadline()
	window := never // the end of what the newest failure excuses
	hasWindow := false
	for _, f := range v.flights() {
		if f.number <= l.number || f.began > at {
			continue
		}
		lasts := min(f.at, f.began+deadline)
		during := f.began <= at && at <= lasts
		switch {
		case during && f.began < expiry,
			during && f.stumbled <= at,
			during && hasWindow && f.began <= window:
			return true
		}
		if f.ok && f.at < at {
			return false // there is a newer set
		}
		if !f.ok && !f.overdue {
			window, hasWindow = f.retryAt+deadline, true
			if f.at <= at && at <= window {
				return true
			}
		}
	}
	return false
}

// flights are the landings and, last, the refresh that Close ended.
func (v *view) flights() []*landing {
	began := never
	if len(v.orphans) > 0 {
		began = v.orphans[0].start
	}
	if n := len(v.loads); n > 0 { // it begins with the store
		if last := len(v.landings) - 1; v.closed >= 0 && (last < 0 || v.landings[last].seeded || v.loads[n-1] >= v.landings[last].at) {
			began = min(began, v.loads[n-1])
		}
	}
	if began == never {
		return v.landings
	}
	f := &landing{number: len(v.landings), began: began, at: v.closed, stumbled: never, failures: 1, retryAt: v.closed}
	for _, r := range v.orphans {
		if !r.usable() && r.retried() && r.end < v.closed {
			f.stumbled = min(f.stumbled, r.end)
		}
	}
	return append(slices.Clone(v.landings), f)
}

// candidates are the keys of a document that may have signed a token: those
// with its kid; those without one for a kid that no key has; all for a token
// without a kid, unless there are too many.
func candidates(d *document, kid int) []key {
	var named, nameless []key
	for _, k := range d.usable() {
		switch k.kid {
		case none:
			nameless = append(nameless, k)
		case kid:
			named = append(named, k)
		}
	}
	switch {
	case kid == none && len(d.usable()) > 4:
		return nil
	case kid == none:
		return d.usable()
	case len(named) > 0:
		return named
	case slices.ContainsFunc(d.entries, func(e entry) bool { return e.kid == kid }):
		return nil // the entry is there and not usable
	default:
		return nameless
	}
}

// answers says whether a document has what a call looks for.
func (c *call) answers(d *document) bool {
	if d == nil {
		return false
	}
	keys := candidates(d, c.want.kid)
	switch c.op {
	case keySet, ready:
		return true
	case keyByID:
		return slices.ContainsFunc(d.usable(), func(k key) bool { return k.kid == c.want.kid })
	case verify, keyForToken:
		return slices.ContainsFunc(keys, func(k key) bool { return k.mat == c.want.mat })
	case keyfunc: // of a token that names no key it checks the signature itself
		return slices.ContainsFunc(keys, func(k key) bool { return k.mat == c.want.mat || c.want.kid != none && k.kid != none })
	case signingKeys:
		return len(keys) > 0
	}
	return false
}

// plain says that a call names a kid and a document answers with a key of it:
// neither is without a kid.
func (c *call) plain(d *document) bool {
	return c.want.kid != none && !slices.ContainsFunc(d.usable(), func(k key) bool { return k.kid == none })
}

// publishedFor lists the documents that were the published one at some time
// during a call.
func (v *view) publishedFor(c *call) []*document {
	var all []*document
	for i, d := range v.site.history {
		if i == c.published || i > c.published && d.since <= c.end {
			all = append(all, d)
		}
	}
	return all
}

// publishedThroughout says that whatever was published during a call answers.
func (v *view) publishedThroughout(c *call) bool {
	return !slices.ContainsFunc(v.publishedFor(c), func(d *document) bool { return !c.answers(d) })
}
