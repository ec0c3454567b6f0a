package model

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// beganBy lists the calls that may have begun a refresh.
func (v *view) beganBy(f *landing) []*call {
	var all []*call
	for _, c := range v.calls {
		if !c.afterClose && c.start <= f.began && (!c.done || c.end >= f.began) {
			all = append(all, c)
		}
	}
	return all
}

// onDemand says that Refresh began a refresh, perhaps after one that it found
// under way; alone, if nobody else can have.
func (v *view) onDemand(f *landing) (any, alone bool) {
	alone = !v.running(f.began)
	for _, c := range v.beganBy(f) {
		if c.op == refresh && (c.start == f.began || v.lands(f.began)) {
			any = true
		} else {
			alone = false
		}
	}
	return any, any && alone
}

// running says that Client.Run is under way at a moment.
func (v *view) running(at time.Duration) bool {
	return slices.ContainsFunc(v.runs, func(r *runCall) bool { return r.start <= at && (r.end < 0 || r.end >= at) })
}

// firstKeys is the first request of a refresh for the key set.
func (f *landing) firstKeys() *request {
	for _, r := range f.requests {
		if r.doc == keysDoc {
			return r
		}
	}
	return nil
}

func (r *request) pastCaches() bool { return strings.Contains(r.cacheControl, "no-cache") }

func (r *request) conditional() bool { return r.ifNoneMatch != "" || r.ifModifiedSince != "" }

// earliestRefresh is before when no refresh for age begins, latestRefresh from
// when on a lookup begins one: at a fraction of the TTL, or when the server's
// headers ask for it, ±10 %.
func (v *view) earliestRefresh(l *landing) time.Duration {
	if l.seeded || v.config.noCache {
		return l.at
	}
	life := max(v.config.expiry()-l.age, 0)
	if l.age >= v.config.expiry() {
		life = min(v.config.floor(), l.copyLeft)
	}
	if l.said {
		life = min(life, max(l.asked, v.config.floor()))
	}
	return l.at + time.Duration(0.9*v.config.refreshesAhead()*float64(life))
}

func (v *view) latestRefresh(l *landing) (byAge, byHeader time.Duration) {
	byAge, byHeader = never, never
	ahead := v.config.refreshesAhead()
	if ahead < 1 {
		byAge = l.at + time.Duration(min(1.1*ahead, (1+ahead)/2)*float64(v.config.expiry()))
	}
	if asked := max(l.asked, v.config.floor()); l.said && asked < v.config.expiry() {
		byHeader = l.at + time.Duration(1.1*float64(asked)) + time.Second
	}
	return byAge, byHeader
}

// refreshNeeded: past refresh-ahead, a lookup that the set answers begins a
// refresh in the background.
func refreshNeeded(v *view, r *report) {
	for _, c := range v.lookups() {
		l := v.certain(c)
		if l == nil || l.seeded || c.err != nil {
			continue
		}
		byAge, byHeader := v.latestRefresh(l)
		rule := "refresh-ahead"
		if c.start < byAge {
			rule = "refresh-by-header"
		}
		if last := v.lastBefore(c.start); c.start < min(byAge, byHeader) || last == nil || !last.ok && c.start <= last.retryAt {
			continue
		}
		if !slices.ContainsFunc(v.flights(), func(f *landing) bool { return f.began <= c.start && c.start <= f.at && !f.seeded }) {
			r.add(rule, "no refresh began, and one was due at %v: %v", min(byAge, byHeader), c)
		}
	}
}

// refreshesJustified: nothing is fetched without a reason, and nothing during
// a backoff unless Refresh says so.
func refreshesJustified(v *view, r *report) {
	for _, f := range v.landings {
		if f.seeded {
			continue
		}
		demanded, _ := v.onDemand(f)
		callers := v.beganBy(f)
		if len(callers) == 0 && !v.running(f.began) {
			r.add("refresh-for-nobody", "nobody asked for the refresh of %v", f.began)
		}
		if last := v.lastBefore(f.began); last != nil && !last.ok && f.began < last.retryAt && !demanded {
			r.add("backoff-asked", "a refresh began at %v, in a backoff until %v", f.began, last.retryAt)
		}
		l := v.onlyHeldAt(f.began)
		if l == nil || demanded || v.config.noCache || f.began >= v.earliestRefresh(l) {
			continue
		}
		if !slices.ContainsFunc(callers, func(c *call) bool { return c.op.isLookup() && !c.answers(l.document) }) {
			rule := "refresh-too-early"
			if slices.ContainsFunc(callers, func(c *call) bool { return !c.plain(l.document) }) {
				rule = "keys-without-kid"
			}
			r.add(rule, "a refresh began at %v, and the set of %v needs none before %v", f.began, l.at, v.earliestRefresh(l))
		}
	}
}

// charged says that a refresh may have been charged to the budget for unknown
// keys: those go past caches on the way, and Refresh costs nothing.
func (v *view) charged(f *landing) bool {
	first := f.firstKeys()
	if f.seeded || !f.ok || first == nil || !first.pastCaches() || v.config.noCache {
		return false
	}
	_, alone := v.onDemand(f)
	return !alone
}

// vanished says that a kid was in a set and is in none at hand: it has a budget
// of its own.
func (v *view) vanished(kid int, at time.Duration) bool {
	has := func(l *landing) bool {
		return slices.ContainsFunc(l.document.usable(), func(k key) bool { return k.kid == kid })
	}
	if kid == none || slices.ContainsFunc(v.heldAt(at), has) {
		return false
	}
	return slices.ContainsFunc(v.landings, func(l *landing) bool { return l.ok && l.at <= at && has(l) })
}

// budgetSpent says that the budget of a call may have been spent at a moment.
func (v *view) budgetSpent(c *call, at time.Duration) bool {
	every, burst := v.config.limit()
	own := v.vanished(c.want.kid, at)
	spent := 0
	var moments []time.Duration
	for _, f := range v.landings {
		if f.at > at || !v.charged(f) {
			continue
		}
		if slices.ContainsFunc(v.beganBy(f), func(other *call) bool { return v.vanished(other.want.kid, f.began) == own }) {
			moments = append(moments, f.at)
		}
	}
	for i, from := range moments {
		spent = max(spent, len(moments)-i-int((at-from)/every))
	}
	return spent >= burst
}

// budgetKept: refreshes for unknown keys and bad signatures cost at most burst
// and elapsed/every fetches; kids that left have a budget of their own.
func budgetKept(v *view, r *report) {
	every, burst := v.config.limit()
	var moments []time.Duration
	budgets := 1
	for _, f := range v.landings {
		if demanded, _ := v.onDemand(f); demanded || !v.charged(f) {
			continue
		}
		for _, c := range v.beganBy(f) {
			if v.vanished(c.want.kid, f.began) {
				budgets = 2
			}
		}
		moments = append(moments, f.at)
	}
	for i, from := range moments {
		for j := i; j < len(moments); j++ {
			if n, most := j-i+1, budgets*(burst+int((moments[j]-from)/every)); n > most {
				r.add("budget-exceeded", "%d refreshes for unknown keys from %v to %v, want at most %d", n, from, moments[j], most)
				return
			}
		}
	}
}

// doubtIsUnconditional: a refresh for an unknown key, a bad signature, Refresh
// and WithoutCache doubts the copy at hand. It goes past caches on the way and
// is unconditional.
func doubtIsUnconditional(v *view, r *report) {
	for _, f := range v.landings {
		if f.seeded {
			continue
		}
		_, demanded := v.onDemand(f)
		l := v.onlyHeldAt(f.began)
		early := l != nil && !v.config.noCache && f.began < v.earliestRefresh(l)
		if !demanded && !early && !v.config.noCache {
			continue
		}
		prefix := "doubt"
		if v.config.noCache && !demanded {
			prefix = "without-cache"
		}
		for _, q := range f.requests {
			if !q.pastCaches() {
				r.add(prefix+"-cached", "the refresh of %v asks for %s without no-cache", f.began, q.url)
			}
			if q.conditional() {
				r.add(prefix+"-conditional", "the refresh of %v asks for %s with a condition", f.began, q.url)
			}
		}
	}
}

// conditionals: a validator is one that the same URL gave; Last-Modified only
// if the answer's Date is at least a second later; and at least once an hour
// there is no condition.
func conditionals(v *view, r *report) {
	for i, q := range v.requests {
		if !q.conditional() {
			continue
		}
		full := time.Duration(-1)
		given, strong := false, false
		for _, p := range v.requests[:i] {
			if p.url != q.url || !p.done || p.end > q.start || p.answer == nil || !p.answer.good {
				continue
			}
			h := p.answer.header
			if p.answer.status == 200 {
				full = p.end
			}
			given = given || q.ifNoneMatch != "" && q.ifNoneMatch == h.Get("ETag") || q.ifModifiedSince != "" && q.ifModifiedSince == h.Get("Last-Modified")
			strong = strong || q.ifNoneMatch != "" || q.ifModifiedSince != "" && h.Get("Last-Modified") == q.ifModifiedSince && h.Get("Date") != q.ifModifiedSince
		}
		switch {
		case !given:
			r.add("foreign-validator", "%s was asked at %v with %q %q, which it never gave", q.url, q.start, q.ifNoneMatch, q.ifModifiedSince)
		case !strong:
			r.add("weak-last-modified", "%s was asked at %v with a Last-Modified as young as its answer, %q", q.url, q.start, q.ifModifiedSince)
		case q.start-full > time.Hour+v.config.deadline():
			r.add("hourly-unconditional", "%s was asked at %v with a condition, and last without at %v", q.url, q.start, full)
		}
	}
}

// pathAsked: a refresh for age, the first fetch included, says how old an
// answer may be, and an older one is asked for again past all caches.
func pathAsked(v *view, r *report) {
	want := "max-age=" + strconv.Itoa(int(v.config.expiry()/time.Second))
	for _, f := range v.landings {
		first := f.firstKeys()
		if f.seeded || first == nil || v.config.noCache {
			continue
		}
		demanded, _ := v.onDemand(f)
		l := v.onlyHeldAt(f.began)
		early := l != nil && f.began < v.earliestRefresh(l)
		if !demanded && !early && first.cacheControl != want && !first.pastCaches() {
			r.add("age-asked", "the refresh of %v says Cache-Control %q, want %q", f.began, first.cacheControl, want)
		}
		if first.usable() && first.answer.age > v.config.expiry() && !slices.ContainsFunc(f.requests, func(q *request) bool { return q.doc == keysDoc && q.pastCaches() }) {
			r.add("aged-answer-taken", "the refresh of %v took an answer that was %v old", f.began, first.answer.age)
		}
	}
}

// secretsStay: configured headers go only to configured hosts.
func secretsStay(v *view, r *report) {
	for _, q := range v.requests {
		configured := q.doc == discovery || !v.config.discovers() || v.site.keysHost == v.site.host
		if q.secret && (!configured || strings.Contains(q.url, "//evil-")) {
			r.add("secret-leaks", "a configured header was sent to %s", q.url)
		}
	}
}

// retried says that another attempt may go better.
func (q *request) retried() bool {
	if q.answer == nil {
		return true
	}
	a := q.answer
	return (a.status == 429 || a.status >= 500) && a.wait == 0
}

// attemptsBounded: inside one refresh a document is asked for again after
// connection errors, 429 and 5xx, so and so often, and not after anything else.
func attemptsBounded(v *view, r *report) {
	for _, f := range v.landings {
		tries := 0
		var last *request
		for _, q := range f.requests {
			switch {
			case last == nil || last.url != q.url:
				tries = 1
			case last.usable() && q.pastCaches():
				tries = 1 // for want of a younger answer
			case !last.retried():
				r.add("retried-in-vain", "the refresh of %v asks for %s again, after status %d", f.began, q.url, last.answer.status)
			default:
				tries++
			}
			if tries > v.config.attempts() {
				r.add("too-many-attempts", "the refresh of %v asks %d times for %s", f.began, tries, q.url)
			}
			last = q
		}
		if len(f.requests) > 8*v.config.attempts() {
			r.add("too-many-attempts", "the refresh of %v makes %d requests", f.began, len(f.requests))
		}
		frozen := slices.ContainsFunc(f.requests, func(q *request) bool { return q.frozen })
		if !f.ok && last != nil && last.retried() && tries < v.config.attempts() && f.at-f.began < v.config.deadline()-2*time.Second && !frozen {
			rule := "too-few-attempts"
			if last.ended && f.at-f.began >= 15*time.Second {
				rule = "attempt-cut-by-deadline"
			}
			r.add(rule, "the refresh of %v gave up after %d attempts and %v", f.began, tries, f.at-f.began)
		}
	}
}

// attemptTimes: an attempt has its time-out, no more and no less; a refresh has
// its deadline.
func attemptTimes(v *view, r *report) {
	for _, f := range v.landings {
		for _, q := range f.requests {
			took := q.end - q.start
			switch {
			case q.frozen:
			case took > v.config.attempt():
				r.add("attempt-too-long", "%s took %v", q.url, took)
			case q.ended && took < v.config.attempt() && f.at-f.began < v.config.deadline():
				rule := "attempt-cut"
				if f.at-f.began >= 15*time.Second {
					rule = "attempt-cut-by-deadline" // that of one document
				}
				r.add(rule, "%s was given %v, in a refresh that took %v", q.url, took, f.at-f.began)
			}
		}
		frozen := slices.ContainsFunc(v.freezes, func(z [2]time.Duration) bool { return z[0] <= f.at && z[1] >= f.began })
		if f.at-f.began > v.config.deadline() && !frozen {
			r.add("deadline-exceeded", "the refresh of %v took %v", f.began, f.at-f.began)
		}
	}
}

// discoveryAsked: the discovery document is fetched with every refresh, but for
// one for an unknown key while it is younger than the TTL; and at once when the
// key set is not where it said.
func discoveryAsked(v *view, r *report) {
	if !v.config.discovers() {
		return
	}
	asked := time.Duration(-1)
	kept := false // by a refresh that failed after that
	for _, f := range v.landings {
		fresh := kept && f.began-asked < v.config.expiry()
		kept = !f.ok && (kept || slices.ContainsFunc(f.requests, func(q *request) bool { return q.doc == discovery && q.usable() }))
		first, last := f.firstKeys(), (*request)(nil)
		for _, q := range f.requests {
			last = q
			if q.doc == discovery && q.usable() {
				asked = q.end
			}
		}
		if f.seeded || first == nil || fresh {
			continue
		}
		if demanded, _ := v.onDemand(f); f.requests[0] == first && (!first.pastCaches() || demanded && len(v.beganBy(f)) == 1 || first.start-asked > v.config.expiry()+v.config.deadline()) {
			r.add("discovery-skipped", "the refresh of %v asks for the key set and not for the discovery document, which is of %v", f.began, asked)
		}
		if f.requests[0] == first && !f.ok && last == first && first.answer != nil && first.answer.status == 404 {
			r.add("move-not-followed", "the refresh of %v ended at the 404 of %s", f.began, first.url)
		}
	}
}

// oneFlight: there is one refresh at a time.
func oneFlight(v *view, r *report) {
	for i, f := range v.landings {
		if i > 0 && f.began < v.landings[i-1].at {
			r.add("two-at-a-time", "one refresh lasts from %v to %v, and the next begins at %v", v.landings[i-1].began, v.landings[i-1].at, f.began)
		}
	}
}

// backoffBounds: 1 s doubling to 60 s, with jitter, raised by Retry-After (10
// min at most) and never shortened by a later failure.
func backoffBounds(v *view, r *report) {
	var last *landing
	for _, f := range v.landings {
		if !f.ok {
			step := time.Minute
			if f.failures < 7 {
				step = min(step, time.Second<<(f.failures-1))
			}
			asked := time.Duration(0)
			if n := len(f.requests); n > 0 && f.requests[n-1].answer != nil {
				asked = min(f.requests[n-1].answer.wait, 10*time.Minute)
			}
			kept := f.at
			if last != nil && !last.ok {
				kept = last.retryAt
			}
			switch pause := f.retryAt - f.at; {
			case f.overdue && pause <= 0: // what came of it tells nothing about the issuer as it is now
			case pause <= 0:
				r.add("no-backoff", "after the refresh that failed at %v", f.at)
			case pause < asked:
				r.add("retry-after-ignored", "the pause from %v is %v, asked for were %v", f.at, pause, asked)
			case f.retryAt < kept:
				r.add("retry-after-lost", "the pause from %v ends at %v, it was to last until %v", f.at, f.retryAt, kept)
			case f.retryAt > max(f.at+step, f.at+asked, kept)+time.Millisecond:
				r.add("backoff-too-long", "the pause from %v is %v, want %v at most", f.at, pause, max(step, asked))
			}
		}
		last = f
	}
}
