package model

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-22400188/jwks"
)

// refreshAnswers: what Refresh returns is what the issuer published while it
// ran, whatever caches and validators say.
func refreshAnswers(v *view, r *report) {
	for _, c := range v.calls {
		if c.op != refresh || c.err != nil || !c.done || v.stubbornFor() > 0 {
			continue
		}
		if !slices.ContainsFunc(v.landings, func(f *landing) bool {
			_, alone := v.onDemand(f)
			return alone && f.began == c.start && f.at == c.end
		}) {
			continue // it joined one that was under way
		}
		if !slices.ContainsFunc(v.publishedFor(c), func(d *document) bool { return slices.Equal(d.usable(), c.held) }) {
			rule := "refresh-brings-old"
			if v.liedTo() {
				rule = "refresh-believes-validators"
			}
			r.add(rule, "it returned %v: %v", c.held, c)
		}
	}
}

func kidsOf(keys []key) []string {
	kids := []string{}
	for _, k := range keys {
		if text := kidText(k.kid); !slices.Contains(kids, text) {
			kids = append(kids, text)
		}
	}
	return kids
}

// without lists what is in a and not in b, in order.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// eventsTell: the events of refreshes say what changed, and why one failed.
func eventsTell(v *view, r *report) {
	var before []key
	for _, l := range v.landings {
		switch {
		case l.seeded:
		case !l.ok && l.err == nil:
			r.add("event-error", "the failed refresh of %v tells no error", l.at)
		case l.unfounded:
			r.add("event-without-answer", "a refresh landed at %v, and no usable answer came", l.at)
			return
		case l.ok && !l.confirmed:
			was, is := kidsOf(before), kidsOf(l.document.usable())
			if added, removed := without(is, was), without(was, is); !equalSets(l.event.Added, added) || !equalSets(l.event.Removed, removed) {
				r.add("event-changes", "at %v: added %v, removed %v, want %v and %v", l.at, l.event.Added, l.event.Removed, added, removed)
			}
			v.eventChanged(l, before, r)
		}
		if l.ok {
			before = l.document.usable()
		}
	}
}

func (v *view) eventChanged(l *landing, before []key, r *report) {
	with := func(all []key, kid string) (some []key) {
		for _, k := range all {
			if kidText(k.kid) == kid {
				some = append(some, k)
			}
		}
		return some
	}
	var changed []string
	is := l.document.usable()
	for _, kid := range kidsOf(is) {
		if was := with(before, kid); was != nil && !slices.Equal(was, with(is, kid)) {
			changed = append(changed, kid)
		}
	}
	if got := l.event.Changed; !equalSets(got, changed) {
		r.add("event-changed", "at %v: changed %v, want %v", l.at, got, changed)
	}
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// toldSince says that an event of a kind was heard from a good landing on,
// until a moment.
func (v *view) toldSince(l *landing, at time.Duration, kind string) (n int) {
	from := time.Duration(0)
	if l != nil {
		from = l.at
	}
	for _, e := range v.events {
		if e.at >= from && e.at <= at && e.event.Kind.String() == kind {
			n++
		}
	}
	return n
}

// spellsTold: serving past the TTL, a spent budget, the end of stale and a
// recovery are told, once per spell.
func spellsTold(v *view, r *report) {
	for i, l := range v.landings {
		if !l.ok {
			continue
		}
		end := v.ended
		if next := v.next(l); next != nil {
			end = next.at
		}
		for _, kind := range []string{"served stale", "throttled", "expired"} {
			// Two spells may touch: their events come in one moment then.
			if n := v.toldSince(l, end-1, kind) - v.toldSince(l, l.at, kind); n > 1 {
				r.add("spell-told-twice", "%s, %d times from %v to %v", kind, n, l.at, end)
			}
		}
		if i > 0 && !v.landings[i-1].ok && !slices.ContainsFunc(v.events, func(e event) bool { return e.at == l.at && e.event.Kind.String() == "recovered" }) {
			r.add("recovered-untold", "the refresh of %v is the first good one after a failure", l.at)
		}
	}
	for _, c := range v.lookups() {
		l := v.onlyHeldAt(c.start)
		if l == nil || v.config.noCache || c.op == metadata && !v.config.discovers() {
			continue
		}
		_, expiry := v.expiry(l)
		gone := expiry + v.config.stale()
		switch last := v.lastBefore(c.start); {
		case c.err == nil && c.start > expiry && c.end == c.start && v.toldSince(l, c.end, "served stale") == 0 && last != nil && !last.ok && c.start < last.retryAt:
			r.add("stale-untold", "%v", c)
		case c.err != nil && c.start > gone && c.unavailable() && !c.gaveUp() && !l.seeded && v.onlyHeldAt(c.end) == l && v.toldSince(l, c.end, "expired") == 0:
			r.add("end-untold", "the set of %v has been past the end of stale since %v: %v", l.at, gone, c)
		}
	}
}

// statusAgrees: the status agrees with the events and with itself.
func statusAgrees(v *view, r *report) {
	for _, s := range v.samples {
		var fetches, confirmed, failures, inRow, throttled int
		for _, e := range v.events[:s.events] {
			switch e.event.Kind {
			case jwks.EventRefreshed:
				fetches, inRow = fetches+1, 0
			case jwks.EventNotModified:
				fetches, confirmed, inRow = fetches+1, confirmed+1, 0
			case jwks.EventRefreshFailed:
				fetches, failures, inRow = fetches+1, failures+1, inRow+1
			case jwks.EventThrottled:
				throttled++
			}
		}
		st := s.status
		if v.closed >= 0 && s.at >= v.closed {
			continue
		}
		if int(st.Fetches) != fetches || int(st.NotModified) != confirmed || int(st.Failures) != failures || st.ConsecutiveFailures != inRow {
			r.add("status-counts", "at %v: %d fetches, %d not modified, %d failures, %d in a row; events tell %d, %d, %d, %d",
				s.at, st.Fetches, st.NotModified, st.Failures, st.ConsecutiveFailures, fetches, confirmed, failures, inRow)
		}
		if (st.LastError != nil) != (failures > 0) {
			r.add("status-counts", "at %v: last error %v after %d failures", s.at, st.LastError, failures)
		}
		if (st.Throttled > 0) != (throttled > 0) {
			r.add("status-throttled", "at %v: %d throttled, %d events", s.at, st.Throttled, throttled)
		}
		v.statusOfSet(s, r)
	}
}

// statusOfSet compares a status with the set at hand.
func (v *view) statusOfSet(s sample, r *report) {
	st := s.status
	moment := func(t time.Time) time.Duration { return t.Sub(bubbleStart) }
	if at := moment(st.NextAttempt); !st.NextAttempt.IsZero() && at <= s.at {
		r.add("status-next-attempt", "at %v: it is at %v", s.at, at)
	}
	held := v.heldAt(s.at)
	if len(held) == 0 {
		if st.State != jwks.StateEmpty || len(st.KeyIDs) > 0 {
			r.add("status-state", "at %v: %v with %v, and nothing was fetched", s.at, st.State, st.KeyIDs)
		}
		return
	}
	l := held[0] // the samples come when nothing moves
	if want := kidsOf(l.document.usable()); !slices.Equal(st.KeyIDs, want) {
		r.add("status-kids", "at %v: %q, want %q", s.at, st.KeyIDs, want)
	}
	want := jwks.StateFresh
	expires, stale := moment(st.ExpiresAt), moment(st.StaleUntil)
	switch {
	case s.at >= stale:
		want = jwks.StateExpired
	case s.at >= expires:
		want = jwks.StateStale
	}
	if st.State != want {
		r.add("status-state", "at %v: %v, want %v", s.at, st.State, want)
	}
	if stale != expires+v.config.stale() {
		r.add("status-times", "at %v: expires at %v, stale until %v", s.at, expires, stale)
	}
	if made := moment(st.FetchedAt) + l.age; !l.seeded && (made > l.at || made < l.at-l.delay-time.Second) {
		r.add("status-fetched-at", "at %v: fetched at %v, want %v", s.at, moment(st.FetchedAt), l.at-l.age)
	}
	earliest, latest := v.expiry(l)
	if v.config.noCache || earliest <= expires && expires <= latest {
		return
	}
	rule := "status-expiry"
	switch {
	case l.age > 0:
		rule = "status-expiry-by-age"
	case l.said && expires < earliest:
		rule = "status-expiry-by-header"
	}
	r.add(rule, "at %v: expires at %v, want %v to %v", s.at, expires, earliest, latest)
}

// recovers: a minute and a fetch after everything is well again, so is the
// client; and once the budgets are full, everything published verifies.
func recovers(v *view, r *report) {
	if v.settled == 0 {
		return
	}
	for _, c := range v.lookups() {
		if c.start < v.settled-2*time.Second {
			continue
		}
		if c.unavailable() {
			r.add("recovers-late", "all has been well since %v: %v", v.healed, c)
		}
	}
	for _, s := range v.samples {
		// Without refresh-ahead a set ends when nobody happens to look.
		if s.at == v.settled && s.status.State != jwks.StateFresh && v.config.expiry() >= 5*time.Minute && v.config.ahead != 1 {
			rule := "recovers-late"
			if l := v.onlyHeldAt(s.at); l != nil && (l.said || l.age > 0) {
				rule = "recovers-late-by-header"
			}
			r.add(rule, "all has been well since %v, and at %v the state is %v", v.healed, s.at, s.status.State)
		}
	}
	for _, c := range v.calls {
		l := v.onlyHeldAt(v.ended)
		if c.start >= v.settled+2*time.Hour && c.err != nil && !c.afterClose && v.publishedThroughout(c) && l != nil {
			rule := "recovers-never"
			switch {
			case !c.plain(v.site.published()):
				rule = "keys-without-kid"
			case v.liedTo():
				rule = "recovers-never-validators"
			}
			r.add(rule, "all has been well since %v: %v", v.healed, c)
		}
	}
}

// runKeepsWarm: while Run runs and nothing goes wrong, no lookup finds the set
// expired, and Run ends with its context or with the client.
func runKeepsWarm(v *view, r *report) {
	for _, run := range v.runs {
		switch {
		case run.end < 0:
			r.add("run-goes-on", "Run of %v until %v goes on", run.start, run.until)
		case v.closed >= 0 && v.closed < run.until && !errors.Is(run.err, jwks.ErrClosed):
			r.add("run-ends", "closed at %v, and Run of %v ended at %v: %v", v.closed, run.start, run.end, run.err)
		case v.closed > run.until && (!errors.Is(run.err, context.DeadlineExceeded) || run.end != run.until):
			r.add("run-ends", "its context ended at %v, and Run of %v ended at %v: %v", run.until, run.start, run.end, run.err)
		}
		for _, c := range v.lookups() {
			l := v.onlyHeldAt(c.start)
			if l == nil || l.seeded || l.at < run.start || c.start > run.until || v.config.ahead == 1 || v.config.noCache || v.wasWrong(run.start, c.end) {
				continue
			}
			// A refresh ahead needs the time that the TTL leaves for it.
			if _, expiry := v.expiry(l); c.start >= expiry && v.config.expiry() >= 5*time.Minute && l.age == 0 && !l.said {
				r.add("run-cools", "the set of %v expired at %v while Run ran: %v", l.at, expiry, c)
			}
		}
	}
}

// saving is how long a store may take to save, for which Close waits.
const saving = 250 * time.Millisecond

// closes: Close ends what is under way and waits for it; no goroutine is left.
func closes(v *view, r *report) {
	for _, problem := range v.problems {
		r.add("close", "%s", problem)
	}
	limit := time.Millisecond
	if v.config.store == hangingStore {
		limit += saving
	}
	if v.ended-v.closed > limit && v.ended >= 0 {
		r.add("close-slow", "Close took %v", v.ended-v.closed)
	}
	for _, c := range v.calls {
		if c.afterClose && c.end > c.start {
			r.add("closed-waits", "%v", c)
		}
	}
}
