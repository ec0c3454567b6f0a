package model

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/seed-22400188/jwks"
)

// tenantRules are those of many issuers.
var tenantRules = []func(*view, *report){
	tenantKeys, tenantTrust, strangersUnasked, tenantsVerify, tenantsStay, tenantRequests, listedUndecided, offboarded,
	tenantWaits, callersWhoLeave, oneClass, tenantCloses,
}

// drawTenants draws a scenario of many issuers.
func (d *dice) drawTenants() scenario {
	c := config{tenants: tenants{listed: d.IntN(3), decided: 2 + d.IntN(8), max: 1 + d.IntN(6)}, tokenCache: pick(d, 0, 8), ttl: pick(d, 0, 0, 5*time.Minute)}
	c.tenants.ttl = pick(d, 0, time.Minute)
	d.config = c
	all := c.tenants.accepted() + strangers
	for n := 4 + d.IntN(16); len(d.steps) < n; {
		issuer := d.IntN(all)
		switch d.IntN(12) {
		case 0, 1, 2, 3:
			d.add(step{op: verify, issuer: issuer, kid: pick(d, 1, 2), mat: pick(d, 1, 2), d: d.patience()})
		case 4:
			d.add(step{op: verify, issuer: issuer, kid: 1, mat: ownMaterial(d.IntN(all), 1)})
		case 5, 6:
			d.add(step{op: junkTokens, issuer: issuer, kid: pick(d, 1, junk), mat: forger, n: 1 + d.IntN(40), every: pick(d, 0, 10*time.Millisecond, time.Second)})
		case 7, 8:
			d.add(step{op: wait, d: d.pause()})
		case 9:
			d.add(step{op: setFault, issuer: issuer, fault: pick(d, healthy, refused, status500, slow), d: 2 * time.Second})
		case 10:
			d.add(step{op: decide, n: d.IntN(int(deafDecision) + 1), d: pick(d, time.Second, 20*time.Second, 10*time.Minute)}, step{op: forget, issuer: issuer})
		default:
			d.tenantStory(issuer, all)
		}
	}
	return scenario{config: d.config, steps: d.steps}
}

// tenantStory adds steps that belong together.
func (d *dice) tenantStory(issuer, all int) {
	issuer = min(issuer, d.config.tenants.accepted()-1)
	valid := step{op: verify, issuer: issuer, kid: 1, mat: 1}
	switch d.IntN(7) {
	case 4: // a tenant is refused when the decision about it is renewed
		ttl := cmp.Or(d.config.tenants.ttl, 15*time.Minute)
		d.add(valid, step{op: decide, n: int(refusesAll)}, step{op: wait, d: ttl * 85 / 100}, valid, step{op: wait, d: time.Second}, valid, step{op: decide})
	case 5: // a tenant is forgotten
		d.add(valid, step{op: wait, d: time.Second}, step{op: forget, issuer: issuer}, step{op: wait, d: time.Second}, valid)
	case 6: // two tenants make room for each other, again and again
		d.config.tenants.max = 1
		other := valid
		valid.issuer, other.issuer = d.config.tenants.accepted()-1, max(d.config.tenants.accepted()-2, 0)
		for range 15 {
			d.add(valid, other, step{op: wait, d: 10 * time.Millisecond})
		}
	case 0: // a tenant in an outage, and forged tokens for the others
		d.add(valid, step{op: setFault, issuer: issuer, fault: refused},
			step{op: junkTokens, issuer: issuer + 1, kid: 1, mat: forger, n: all + d.IntN(30), every: 10 * time.Millisecond},
			step{op: wait, d: d.config.expiry() + time.Minute}, valid)
	case 1: // forged tokens name every tenant in turn, again and again
		d.add(step{op: junkTokens, issuer: issuer, kid: 1, mat: forger, n: 60 + d.IntN(100), every: pick(d, time.Millisecond, 100*time.Millisecond)})
	case 2: // a tenant leaves
		d.add(valid, step{op: decide, n: int(refusesAll)})
		for range 4 {
			d.add(step{op: wait, d: 9 * time.Minute}, valid)
		}
		d.add(step{op: decide})
	default: // a function that does not come back, and a crowd
		d.add(step{op: decide, n: int(deafDecision), d: 2 * time.Hour},
			step{op: junkTokens, issuer: all - strangers, kid: 1, mat: forger, n: strangers},
			step{op: decide}, step{op: wait, d: 16 * time.Second}, valid)
	}
}

// tenantKeys: a key of one issuer never verifies a token of another.
func tenantKeys(v *view, r *report) {
	for _, c := range v.calls {
		for _, k := range c.got {
			if k.mat/10-1 != c.issuer || k.kid != c.want.kid {
				r.add("tenant-foreign-key", "issuer %d, %v: %v", c.issuer, k, c)
			}
		}
	}
}

// answersOf lists what the function said of an issuer until a moment.
func (v *view) answersOf(issuer int, until time.Duration) (yes, no, failed, waiting int) {
	for _, a := range v.many.asked {
		switch {
		case a.issuer != issuer || a.start > until:
		case a.end < 0 || a.end > until:
			waiting++
		case a.yes:
			yes++
		case errors.Is(a.err, jwks.ErrIssuerNotTrusted):
			no++
		default:
			failed++
		}
	}
	return yes, no, failed, waiting
}

// tenantTrust: an issuer is trusted only if it is listed or the function said
// so; one that it refused is ErrIssuerNotTrusted, one that it could not decide
// on is ErrUnavailable.
func tenantTrust(v *view, r *report) {
	for _, c := range v.calls {
		if !c.done || c.issuer < v.config.tenants.listed || c.afterClose {
			continue
		}
		yes, no, failed, waiting := v.answersOf(c.issuer, c.end)
		untrusted := errors.Is(c.err, jwks.ErrIssuerNotTrusted)
		switch {
		case c.err == nil && yes == 0:
			r.add("tenant-untrusted", "the function never said yes to issuer %d: %v", c.issuer, c)
		case untrusted && no == 0:
			r.add("tenant-refused", "the function never said no to issuer %d: %v", c.issuer, c)
		case c.err != nil && !untrusted && !c.unavailable() && yes == 0:
			r.add("tenant-class", "the function did not say yes to issuer %d (no %d, failed %d, under way %d): %v", c.issuer, no, failed, waiting, c)
		}
	}
}

// strangersUnasked: an issuer that is not trusted is refused before any I/O.
func strangersUnasked(v *view, r *report) {
	for _, q := range v.requests {
		issuer := slices.Index(v.sites, q.site)
		if issuer < v.config.tenants.listed {
			continue
		}
		if yes, _, _, _ := v.answersOf(issuer, q.start); yes == 0 {
			r.add("tenant-fetched", "issuer %d is not trusted, and was asked for %s", issuer, q.url)
		}
	}
}

// wellUntil says that an issuer answered whatever it was asked, and that the
// function always said yes when it was asked about it.
func (v *view) wellUntil(issuer int, until time.Duration) bool {
	for _, q := range v.requests {
		if q.site == v.sites[issuer] && q.start <= until && (!q.usable() || q.end-q.start > time.Second) {
			return false
		}
	}
	for _, a := range v.many.asked {
		if a.issuer == issuer && a.start <= until && (!a.yes || a.end > a.start) {
			return false
		}
	}
	return true
}

// tenantsVerify: a good token of a trusted issuer that is well verifies,
// whatever forged tokens and other issuers do, and whatever the function does
// not answer about others.
func tenantsVerify(v *view, r *report) {
	for _, c := range v.calls {
		good := c.kidAndMaterialFit() && c.issuer < v.config.tenants.accepted()
		if !good || c.err == nil || !c.done || c.gaveUp() || c.afterClose || !v.wellUntil(c.issuer, c.end) {
			continue
		}
		if c.issuer >= v.config.tenants.listed {
			if yes, _, _, _ := v.answersOf(c.issuer, c.end); yes == 0 {
				continue // not decided on: the slots for decisions are another rule's
			}
		}
		r.add("tenant-valid-refused", "issuer %d is well: %v", c.issuer, c)
	}
}

func (c *call) kidAndMaterialFit() bool {
	return (c.want.kid == 1 || c.want.kid == 2) && c.want.mat == ownMaterial(c.issuer, c.want.kid)
}

// fetchedBefore is when the key set was fetched, at the earliest, that a call
// which found a key was answered from.
func (v *view) fetchedBefore(c *call) time.Duration {
	fetched := time.Duration(0)
	for _, r := range v.requests {
		if r.site != nil && r.site.host == hostOf(c.issuer) && r.doc == keysDoc && r.answer != nil && r.answer.good && r.end <= c.end {
			fetched = max(fetched, r.end)
		}
	}
	return fetched
}

// tenantsStay: what a token merely claims must not cost those whose tokens
// verify. A tenant whose tokens verify keeps its set through an outage unless
// more tenants than there is room for had tokens that verify.
func tenantsStay(v *view, r *report) {
	for _, c := range v.calls {
		if !c.kidAndMaterialFit() || c.err == nil || !c.done || c.gaveUp() || c.afterClose || !c.unavailable() {
			continue
		}
		var last *call
		seen := map[int]bool{c.issuer: true}
		for _, p := range v.calls {
			if p.done && p.end < c.start && p.err == nil {
				if p.issuer == c.issuer {
					last = p
				}
			}
		}
		if last == nil || c.end >= v.fetchedBefore(last)+v.config.stale() || v.refusedSince(last.start, c.end) || v.forgottenSince(c.issuer, last.start, c.end) {
			continue
		}
		for _, p := range v.calls {
			if p.done && p.end >= last.start && p.start <= c.end && p.err == nil && p.issuer >= v.config.tenants.listed {
				seen[p.issuer] = true
			}
		}
		if len(seen) <= v.config.tenants.max {
			r.add("tenant-pushed-out", "issuer %d verified at %v, and %d tenants since: %v", c.issuer, last.end, len(seen)-1, c)
		}
	}
}

// refusedSince says that the function did anything but its duty in a span.
// forgottenSince says that trust in a tenant ended within a time.
func (v *view) forgottenSince(issuer int, from, to time.Duration) bool {
	return slices.ContainsFunc(v.many.forgotten, func(f forgetting) bool { return f.issuer == issuer && from <= f.at && f.at <= to })
}

func (v *view) refusedSince(from, to time.Duration) bool {
	for i, m := range v.many.modes {
		ends := never
		if i+1 < len(v.many.modes) {
			ends = v.many.modes[i+1].at
		}
		if m.mode != asUsual && m.at <= to && ends >= from {
			return true
		}
	}
	return slices.ContainsFunc(v.many.asked, func(a *asking) bool { return a.end < 0 || a.end-a.start > 0 && a.end >= from })
}

// comebacks is how often in a row the keys of a tenant that made room are fetched
// anew when it comes back, beside the budget for its unknown keys.
const comebacks = 5

// tenantRequests: an accepted tenant's documents are fetched at most once a TTL
// and its budget, however many forged tokens name it and however often its
// client was evicted.
func tenantRequests(v *view, r *report) {
	every, burst := v.config.limit()
	if v.config.tenants.max < v.config.tenants.decided { // tenants make room, and come back
		burst += comebacks
	}
	for number, s := range v.sites {
		forgotten := 0 // Forget forgets the budget, too
		for _, st := range v.steps {
			if st.op == forget && min(st.issuer, len(v.sites)-1) == number {
				forgotten++
			}
		}
		var moments []time.Duration
		for _, q := range v.requests {
			if q.site == s && q.doc == keysDoc && q.usable() {
				moments = append(moments, q.start)
			}
		}
		for i, from := range moments {
			for j := i; j < len(moments); j++ {
				span := moments[j] - from
				most := (2+burst)*(1+forgotten) + int(span/(v.config.expiry()/2)) + int(span/every)
				if n := j - i + 1; n > most {
					r.add("tenant-requests", "issuer %d was asked %d times for its key set from %v to %v, want at most %d", number, n, from, moments[j], most)
					return
				}
			}
		}
	}
}

// tenantWaits: a call ends with its context, and after one decision and a few
// refreshes in any case.
func tenantWaits(v *view, r *report) {
	for _, c := range v.calls {
		limit := decisionTime + 2*v.config.deadline() + time.Second
		if c.patience > 0 {
			limit = min(limit, c.patience)
		}
		switch {
		case !c.done:
			r.add("waits-for-ever", "%v", c)
		case c.end > c.start+limit && c.patience > 0:
			r.add("waits-too-long", "want an end within %v: %v", limit, c)
		case c.end > c.start+limit:
			r.add("tenant-decision-waits", "want an end within %v: %v", limit, c)
		}
	}
}

// tenantCloses: Close ends what is under way. It waits for the user's function,
// which nobody can end.
func tenantCloses(v *view, r *report) {
	if slices.ContainsFunc(v.many.modes, func(m modeSince) bool { return m.mode == deafDecision }) {
		return
	}
	closes(v, r)
}

// listedUndecided: listed issuers come first; the function is not asked.
func listedUndecided(v *view, r *report) {
	for _, a := range v.many.asked {
		if a.issuer >= 0 && a.issuer < v.config.tenants.listed {
			r.add("tenant-listed-asked", "the function was asked about issuer %d, which is listed", a.issuer)
		}
	}
}

// offboarded: a no ends the trust when the answer before it is as old as a
// decision may get; an error leaves the earlier yes for one more TTL, once.
func offboarded(v *view, r *report) {
	ttl := v.config.tenants.ttl
	if ttl == 0 {
		ttl = 15 * time.Minute
	}
	for _, c := range v.calls {
		if c.err != nil || c.issuer < v.config.tenants.listed || !c.done {
			continue
		}
		since := time.Duration(-1)
		for _, m := range v.many.modes {
			switch {
			case m.at > c.end:
			case m.mode != refusesAll:
				since = -1
			case since < 0:
				since = m.at
			}
		}
		if since >= 0 && c.end > since+2*ttl+2*decisionTime {
			r.add("tenant-offboarded", "the function has said no since %v: %v", since, c)
		}
		for _, f := range v.many.forgotten {
			if f.issuer == c.issuer && f.at < c.start && !v.askedSince(c.issuer, f.at) {
				r.add("tenant-forgotten-trusted", "it was forgotten at %v, and nobody has asked since: %v", f.at, c)
			}
		}
		if a := v.lastAnswer(c.issuer, c.start); a != nil && errors.Is(a.err, jwks.ErrIssuerNotTrusted) && !v.yesWithin(c.issuer, a.end, c.end) {
			r.add("tenant-refused-trusted", "the function said no at %v: %v", a.end, c)
		}
	}
}

// lastAnswer is the last one that the function gave about an issuer before a
// moment, in time and about the time after the last Forget.
func (v *view) lastAnswer(issuer int, before time.Duration) *asking {
	var last *asking
	for _, a := range v.many.asked {
		if a.issuer == issuer && a.end >= 0 && a.end < before && a.end < a.start+askingEnds && !v.forgottenSince(issuer, a.start, a.end) {
			last = a
		}
	}
	return last
}

// yesWithin says that the function trusted an issuer within a time.
func (v *view) yesWithin(issuer int, from, to time.Duration) bool {
	return slices.ContainsFunc(v.many.asked, func(a *asking) bool { return a.issuer == issuer && a.yes && from <= a.end && a.end <= to })
}

// askedSince says that a question about an issuer began at a moment or later.
func (v *view) askedSince(issuer int, at time.Duration) bool {
	return slices.ContainsFunc(v.many.asked, func(a *asking) bool { return a.issuer == issuer && a.start >= at })
}
