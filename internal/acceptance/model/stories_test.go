package model

import "time"

// drawStory adds steps that belong together: what happens to real issuers and
// services, and what random steps seldom form. The steps around them are as
// random as ever.
func (d *dice) drawStory() {
	stories := []func(*dice){
		latePublication, rotation, replacement, outage, lastFailure, frozenProcess, patientIssuer, forgedFlood,
		removalBehindCopies, quietMonth, slowDocuments, replacedInFlight, flappingKey, impatientCaller,
		missAcrossRotation, goneUnderFlood, expiringToken,
	}
	pick(d, stories...)(d)
}

// tell adds the steps of a story. Most often every call has ended when the next
// step comes.
func (d *dice) tell(steps ...step) {
	haste := d.often(20)
	for _, s := range steps {
		d.add(s)
		if !haste && (s.op.isLookup() || s.op == refresh) {
			d.add(step{op: wait, d: 5 * time.Millisecond})
		}
	}
}

// latePublication: tokens come before their key does.
func latePublication(d *dice) {
	kid := 5 + d.IntN(3)
	d.tell(step{op: verify, kid: kid, mat: pick(d, kid, forger)},
		step{op: wait, d: pick(d, 100*time.Millisecond, time.Second, 3*time.Second)},
		step{op: publish, kid: kid, mat: kid},
		step{op: verify, kid: kid, mat: kid, n: 2 + d.IntN(8), every: pick(d, 700*time.Millisecond, 2*time.Second, 10*time.Second)})
}

// rotation: a key is published, signs, and the old one goes.
func rotation(d *dice) {
	kid := 3 + d.IntN(4)
	d.tell(step{op: publish, kid: kid, mat: kid},
		step{op: wait, d: d.pause()},
		step{op: verify, kid: kid, mat: kid},
		step{op: remove, kid: 1},
		step{op: wait, d: d.pause()},
		step{op: verify, kid: 1, mat: 1})
}

// replacement: a key is replaced under its kid.
func replacement(d *dice) {
	kid := 1 + d.IntN(2)
	d.tell(step{op: verify, kid: kid, mat: kid},
		step{op: publish, kid: kid, mat: 8},
		step{op: verify, kid: kid, mat: 8},
		step{op: verify, kid: kid, mat: kid})
}

// outage: an issuer fails for a while, with traffic.
func outage(d *dice) {
	d.drawFault()
	d.tell(step{op: wait, d: d.pause()},
		step{op: verify, kid: 1, mat: 1, n: 1 + d.IntN(6), every: pick(d, time.Second, 40*time.Second, 5*time.Minute)},
		step{op: setFault})
}

// lastFailure: a refresh fails just before the set expires, and then it is
// quiet.
func lastFailure(d *dice) {
	ttl := d.config.expiry()
	d.tell(step{op: verify, kid: 1, mat: 1},
		step{op: wait, d: ttl * 93 / 100},
		step{op: setFault, fault: pick(d, refused, status500)},
		step{op: verify, kid: 1, mat: 1},
		step{op: wait, d: time.Second},
		step{op: setFault},
		step{op: remove, kid: 1},
		step{op: wait, d: ttl * time.Duration(10+d.IntN(90)) / 100},
		step{op: verify, kid: 1, mat: 1})
}

// frozenProcess: it stands still between two requests.
func frozenProcess(d *dice) {
	if d.ran {
		return
	}
	d.ran = true // nor Run beside it
	ttl := d.config.expiry()
	d.tell(step{op: verify, kid: 1, mat: 1},
		step{op: wait, d: pick(d, ttl*9/10, ttl*95/100)},
		step{op: verify, kid: 1, mat: 1},
		step{op: freeze, d: pick(d, 20*time.Second, ttl, ttl/2, 90*time.Minute), n: d.IntN(2)},
		step{op: verify, kid: 1, mat: 1, n: 1 + d.IntN(3), every: time.Second})
}

// patientIssuer: it says when to come back, and an operator does not wait.
func patientIssuer(d *dice) {
	d.tell(step{op: setFault, fault: retryAfter, d: pick(d, 2*time.Minute, 10*time.Minute)},
		step{op: refresh},
		step{op: wait, d: time.Second},
		step{op: setFault, fault: pick(d, refused, status500, healthy)},
		step{op: refresh},
		step{op: wait, d: pick(d, 2*time.Second, time.Minute)},
		step{op: verify, kid: 1, mat: 1},
		step{op: verify, kid: 6, mat: 6})
}

// forgedFlood: junk spends the budget, and a real rotation comes in the middle
// of it.
func forgedFlood(d *dice) {
	kid := 3 + d.IntN(4)
	d.tell(step{op: junkTokens, kid: junk + 10000 + 100*d.IntN(50), mat: forger, n: 1 + d.IntN(12), every: pick(d, time.Millisecond, time.Second, 31*time.Second)},
		step{op: publish, kid: kid, mat: kid},
		step{op: verify, kid: kid, mat: kid},
		step{op: wait, d: pick(d, time.Second, 31*time.Second, 70*time.Second)},
		step{op: verify, kid: kid, mat: kid})
}

// removalBehindCopies: a key goes while caches on the way have the old set.
func removalBehindCopies(d *dice) {
	d.tell(step{op: setHeader, n: int(maxAgeHeader), d: pick(d, time.Hour, 24*time.Hour)},
		step{op: setPath, n: int(pick(d, obeying, obeying, stubborn))},
		step{op: publish, kid: 3, mat: 3},
		step{op: refresh},
		step{op: wait, d: time.Second},
		step{op: remove, kid: 3},
		step{op: verify, kid: 3, mat: 3, n: 3 + d.IntN(4), every: pick(d, d.config.expiry()*9/10, d.config.expiry()/2, 7*time.Minute)})
}

// quietMonth: nobody asks for a long time, and a key goes meanwhile.
func quietMonth(d *dice) {
	d.tell(step{op: verify, kid: 1, mat: 1},
		step{op: wait, d: pick(d, time.Second, time.Minute)},
		step{op: remove, kid: 1},
		step{op: publish, kid: 4, mat: 4},
		step{op: wait, d: pick(d, 3*time.Hour, 30*24*time.Hour)},
		step{op: verify, kid: 4, mat: 4},
		step{op: verify, kid: 1, mat: 1})
}

// slowDocuments: both take their time.
func slowDocuments(d *dice) {
	d.tell(step{op: setFault, fault: pick(d, slow, slowBody), d: pick(d, 4*time.Second, 9*time.Second, 12*time.Second)},
		step{op: wait, d: pick(d, 0, d.config.expiry()*9/10, 2*d.config.expiry())},
		step{op: verify, kid: 1, mat: 1, d: d.patience()},
		step{op: verify, kid: 1, mat: 1},
		step{op: join})
}

// replacedInFlight: a key is replaced under its kid while a fetch for another
// one is under way.
func replacedInFlight(d *dice) {
	d.tell(step{op: verify, kid: 1, mat: 1},
		step{op: wait, d: time.Second},
		step{op: publish, kid: 1, mat: 8},
		step{op: setFault, fault: slow, d: 2 * time.Second, doc: keysDoc},
		step{op: junkTokens, kid: junk + 20000 + 100*d.IntN(50), mat: forger},
		step{op: wait, d: 500 * time.Millisecond},
		step{op: verify, kid: 1, mat: 8, d: pick(d, 0, 0, 500*time.Millisecond)},
		step{op: join},
		step{op: setFault})
}

// flappingKey: replicas disagree about a key.
func flappingKey(d *dice) {
	for range 2 {
		d.tell(step{op: remove, kid: 2},
			step{op: pick(d, refresh, wait), d: pick(d, time.Second, d.config.expiry())},
			step{op: verify, kid: 2, mat: 2},
			step{op: publish, kid: 2, mat: pick(d, 2, 2, 8)},
			step{op: verify, kid: 2, mat: 2},
			step{op: wait, d: d.pause()})
	}
}

// impatientCaller: one leaves, and others wait for the same fetch.
func impatientCaller(d *dice) {
	kid, mat := d.pair()
	d.tell(step{op: setFault, fault: slow, d: pick(d, time.Second, 4*time.Second)},
		step{op: verify, kid: kid, mat: mat, d: 500 * time.Millisecond},
		step{op: verify, kid: kid, mat: mat},
		step{op: wait, d: pick(d, 100*time.Millisecond, 3*time.Second)},
		step{op: verify, kid: kid, mat: mat, d: pick(d, 0, 200*time.Millisecond)},
		step{op: join},
		step{op: setFault})
}

// missAcrossRotation: a kid is missed, the keys change, and then it comes. What
// was remembered of the old set says nothing about the new one.
func missAcrossRotation(d *dice) {
	kid := 5 + d.IntN(2)
	other := kid + 2
	d.tell(step{op: verify, kid: kid, mat: kid},
		step{op: publish, kid: other, mat: other},
		step{op: verify, kid: other, mat: other},
		step{op: wait, d: 100 * time.Millisecond},
		step{op: publish, kid: kid, mat: kid},
		step{op: wait, d: pick(d, time.Millisecond, 300*time.Millisecond, 20*time.Second)},
		step{op: verify, kid: kid, mat: kid})
}

// goneUnderFlood: a key leaves the set and comes back while junk has spent the
// budget for unknown kids. It has one of its own.
func goneUnderFlood(d *dice) {
	d.tell(step{op: publish, kid: 2, mat: 2},
		step{op: refresh},
		step{op: wait, d: time.Second},
		step{op: remove, kid: 2},
		step{op: refresh},
		step{op: wait, d: time.Second},
		step{op: junkTokens, kid: junk + 30000 + 100*d.IntN(50), mat: forger, n: 12, every: 10 * time.Millisecond},
		step{op: publish, kid: 2, mat: 2},
		step{op: verify, kid: 2, mat: 2})
}

// expiringToken: a token is verified before and after it expires. It comes at
// the start, because times of tokens count from there.
func expiringToken(d *dice) {
	token := step{op: verify, kid: 1, mat: 1, exp: pick(d, time.Minute, 10*time.Minute)}
	d.steps = append([]step{token, {op: wait, d: token.exp + pick(d, 29*time.Second, 31*time.Second)}, token}, d.steps...)
}
