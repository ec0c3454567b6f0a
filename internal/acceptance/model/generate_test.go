package model

import (
	"math/rand/v2"
	"time"
)

// dice draws a scenario.
type dice struct {
	*rand.Rand
	config config
	steps  []step
	ran    bool // Run was drawn: no freezing beside it
}

// generate draws the scenario with a number.
func generate(seed, number uint64) scenario {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, number))}
	if d.often(12) {
		return d.drawTenants()
	}
	d.config = d.drawConfig()
	for n := 3 + d.IntN(22); len(d.steps) < n; {
		d.draw()
	}
	return scenario{config: d.config, steps: d.steps}
}

// pick is one of several.
func pick[T any](d *dice, of ...T) T { return of[d.IntN(len(of))] }

// often is true in n of 100 draws.
func (d *dice) often(n int) bool { return d.IntN(100) < n }

func (d *dice) drawConfig() config {
	c := config{source: pick(d, byIssuer, byIssuer, byURL, byURLAndIssuer, byDiscoveryURL), initial: []key{{1, 1}}}
	if d.often(10) {
		c.initial = []key{{none, 1}}
	} else if d.often(50) {
		c.initial = append(c.initial, key{2, 2})
	}
	c.otherHost = d.often(10)
	if d.often(15) {
		c.seed = []key{{pick(d, 1, 7), pick(d, 1, 7)}}
	}
	if d.often(40) {
		c.ttl = pick(d, 10*time.Second, time.Minute, 5*time.Minute, 10*time.Minute, 2*time.Hour)
	}
	c.noCache = c.ttl == 0 && d.often(8)
	if d.often(40) {
		c.maxStale = pick(d, off, time.Minute, 5*time.Minute, 24*time.Hour)
	}
	if d.often(20) {
		c.retention = pick(d, 5*time.Minute, time.Hour, 48*time.Hour)
	}
	if d.often(25) {
		c.ahead = pick(d, 0.5, 1, 1)
	}
	if d.often(25) {
		c.every, c.burst = pick(d, 10*time.Second, time.Minute), pick(d, off, 1, 2, 10)
	}
	if d.often(10) {
		c.keyCache = pick(d, off, 1)
	}
	if d.often(30) {
		c.timeout = pick(d, time.Second, 10*time.Second, 20*time.Second)
	}
	if d.often(30) {
		c.retries = pick(d, off, 1)
	}
	if d.often(30) {
		c.tokenCache = pick(d, 1, 16)
	}
	if d.often(20) {
		c.minTTL = pick(d, 10*time.Second, 5*time.Minute)
	}
	if d.often(25) {
		c.store = pick(d, goodStore, goodStore, failingStore, hangingStore, forgingStore)
	}
	c.validator = pick(d, noValidator, trueETag, trueETag, trueModified, lyingETag, lyingModified)
	if d.often(40) {
		c.header, c.headerAge = d.drawHeader()
	}
	if d.often(25) {
		c.path = pick(d, obeying, obeying, stubborn)
		if c.header == noHeader {
			c.header, c.headerAge = maxAgeHeader, pick(d, time.Hour, 24*time.Hour)
		}
	}
	return c
}

func (d *dice) drawHeader() (header, time.Duration) {
	h := pick(d, maxAgeHeader, maxAgeHeader, expiresHeader, noCacheHeader, noStoreHeader)
	if h == noCacheHeader || h == noStoreHeader {
		return h, 0
	}
	return h, pick(d, 0, 10*time.Second, time.Minute, 3*time.Minute, time.Hour, 24*time.Hour)
}

func (d *dice) add(steps ...step) { d.steps = append(d.steps, steps...) }

// kid and mat are small numbers, so that things meet.
func (d *dice) kid() int {
	if d.config.initial[0].kid == none {
		if d.often(85) {
			return none
		}
	} else if d.often(2) {
		return none
	}
	return 1 + d.IntN(4)
}

func (d *dice) mat() int { return 1 + d.IntN(4) }

// pair is a key, most often the one whose kid and material have one number.
func (d *dice) pair() (kid, mat int) {
	kid, mat = d.kid(), d.mat()
	if kid > 0 && d.often(75) {
		mat = kid
	}
	return kid, mat
}

// pause is a time to wait: of no matter, or at the edges of the policy.
func (d *dice) pause() time.Duration {
	ttl, stale := d.config.expiry(), d.config.stale()
	if d.often(50) {
		return pick(d, time.Millisecond, 100*time.Millisecond, 500*time.Millisecond, time.Second, 3*time.Second, 10*time.Second, 20*time.Second, 40*time.Second, 70*time.Second)
	}
	edge := pick(d, ttl/2, ttl*3/4, ttl*95/100, ttl-time.Second, ttl, ttl+time.Second, ttl*5/4, 2*ttl, ttl+stale-time.Second, ttl+stale+time.Second, ttl+stale/2, 90*time.Minute)
	return max(edge, time.Millisecond)
}

// draw adds a step or a few that belong together.
func (d *dice) draw() {
	switch n := d.IntN(100); {
	case n < 24:
		d.add(step{op: wait, d: d.pause()})
	case n < 48:
		d.drawLookup()
	case n < 58:
		d.drawIssuer()
	case n < 72:
		d.drawFault()
	case n < 76:
		d.add(step{op: refresh, d: d.patience()})
	case n < 79:
		d.add(step{op: junkTokens, kid: junk + 100*d.IntN(50), mat: forger + d.IntN(2), n: 1 + d.IntN(8), every: pick(d, 0, time.Millisecond, time.Second, 20*time.Second)})
	case n < 82:
		kid, _ := d.pair()
		d.add(step{op: verify, kid: kid, mat: forger, n: 1 + d.IntN(6), every: pick(d, 0, time.Second)})
	case n < 84 && len(d.steps) > 2:
		d.add(step{op: join})
	case n < 85 && !d.ran:
		d.ran = true
		d.add(step{op: run, d: pick(d, time.Minute, time.Hour, 5*time.Hour)})
	case n < 86 && d.often(20):
		d.add(step{op: closeAll})
	default:
		d.drawStory()
	}
}

func (d *dice) patience() time.Duration {
	if d.often(70) {
		return 0
	}
	return pick(d, time.Millisecond, 500*time.Millisecond, 2*time.Second, 30*time.Second)
}

func (d *dice) drawLookup() {
	kid, mat := d.pair()
	s := step{op: verify, kid: kid, mat: mat, d: d.patience()}
	if d.often(25) {
		s.op = pick(d, keyByID, signingKeys, keyForToken, keyfunc, keySet, ready, metadata)
	}
	if s.op == verify && d.often(5) {
		s.exp = pick(d, time.Minute, 10*time.Minute, time.Hour)
	}
	if d.often(15) {
		s.n, s.every = 2+d.IntN(8), pick(d, 100*time.Millisecond, time.Second, 10*time.Second, 31*time.Second)
	}
	d.add(s)
	if d.often(40) {
		d.add(step{op: wait, d: 5 * time.Millisecond})
	}
}

func (d *dice) drawIssuer() {
	kid, mat := d.pair()
	switch d.IntN(8) {
	case 0, 1, 2:
		d.add(step{op: publish, kid: kid, mat: mat})
	case 3, 4:
		d.add(step{op: remove, kid: kid})
	case 5:
		d.add(step{op: spoil, kid: kid})
	case 6:
		h, age := d.drawHeader()
		d.add(step{op: setHeader, n: int(h), d: age})
	default:
		if d.config.source == byIssuer || d.config.source == byDiscoveryURL {
			d.add(step{op: move})
		} else {
			d.add(step{op: setValid, n: d.IntN(int(lyingModified) + 1)})
		}
	}
}

func (d *dice) drawFault() {
	if d.often(35) {
		d.add(step{op: setFault})
		return
	}
	s := step{op: setFault, fault: fault(d.IntN(int(faultsCount))), doc: pick(d, both, keysDoc, keysDoc, discovery)}
	switch s.fault {
	case retryAfter:
		s.d = pick(d, 2*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute, time.Hour)
	case slow, slowBody:
		s.d = pick(d, 100*time.Millisecond, 2*time.Second, 4*time.Second, 7*time.Second, 12*time.Second)
	case foreign, noURL, elsewhere, badGateway:
		s.doc = discovery
	}
	if s.fault == foreign && d.config.source == byDiscoveryURL {
		s.fault = noURL // who names no issuer takes the one of the document
	}
	d.add(s)
}
