package model

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
)

// do carries out one step.
func (w *world) do(s step) {
	switch {
	case s.op.isLookup() || s.op == refresh:
		w.repeat(s)
	case s.op == freeze:
		w.freeze(s)
		return
	default:
		w.act(s)
	}
	if w.thawing {
		w.thaw()
	}
}

// repeat makes the calls of a step.
func (w *world) repeat(s step) {
	for i := range max(s.n, 1) {
		if i > 0 {
			time.Sleep(s.every)
			if s.op == junkTokens {
				s.kid++
			}
		}
		w.begin(s)
	}
}

// act carries out a step that is not a call.
func (w *world) act(s step) {
	switch s.op {
	case wait:
		time.Sleep(s.d)
	case join:
		w.join()
	case publish, remove, spoil:
		w.net.mu.Lock()
		w.site.issue(w.now(), changed(w.site.published().entries, s))
		w.net.mu.Unlock()
	case run:
		w.run(s.d)
	case closeAll:
		w.close()
	default:
		w.net.mu.Lock()
		w.site.set(s)
		w.net.mu.Unlock()
	}
}

// changed is a document's entries after a step.
func changed(old []entry, s step) []entry {
	var all []entry
	placed := false
	for _, e := range old {
		switch {
		case e.kid != s.kid || s.kid == none && e.mat != s.mat:
			all = append(all, e)
		case s.op == publish:
			all, placed = append(all, entry{key: key{s.kid, s.mat}}), true
		case s.op == spoil:
			e.spoilt = true
			all = append(all, e)
		}
	}
	if s.op == publish && !placed {
		all = append(all, entry{key: key{s.kid, s.mat}})
	}
	return all
}

// set changes how an issuer answers.
func (s *site) set(st step) {
	switch st.op {
	case setFault:
		for _, d := range []doc{discovery, keysDoc} {
			if st.doc == both || st.doc == d {
				s.states[d] = state{st.fault, st.d}
			}
		}
	case setHeader:
		s.header, s.headerAge = header(st.n), st.d
	case setValid:
		s.validator = validator(st.n)
	case setPath:
		s.path = path(st.n)
		clear(s.copies)
	case move:
		s.moved++
	}
}

// join waits until no call is under way, but not for ever.
func (w *world) join() {
	for range 120 {
		if w.underWay() == 0 {
			return
		}
		time.Sleep(time.Second)
	}
}

func (w *world) underWay() (n int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if !c.done {
			n++
		}
	}
	return n
}

// freeze stops the process for a while, as SIGSTOP does: the clock goes on,
// and what the network brings is read when the process wakes up. With n == 1
// the next step comes before that.
func (w *world) freeze(s step) {
	if len(w.stops) > 0 || w.underWay() > 0 || w.thawing {
		return // who waits would wake up in the middle of it
	}
	w.net.mu.Lock()
	w.net.frozen = make(chan struct{})
	w.net.mu.Unlock()
	from := w.now()
	time.Sleep(s.d)
	synctest.Wait()
	w.freezes = append(w.freezes, [2]time.Duration{from, w.now()})
	if s.n == 1 {
		w.thawing = true
	} else {
		w.thaw()
	}
}

func (w *world) thaw() {
	w.net.mu.Lock()
	close(w.net.frozen)
	w.net.frozen = nil
	w.net.mu.Unlock()
	w.thawing = false
	synctest.Wait()
}

// run calls Client.Run for d.
func (w *world) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	w.stops = append(w.stops, cancel)
	r := &runCall{start: w.now(), until: w.now() + d, end: -1}
	w.runs = append(w.runs, r)
	w.tasks.Go(func() {
		err := w.client.Run(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		r.end, r.err = w.now(), err
	})
}

// recover heals everything and makes the calls by which the rules see that the
// client is well again.
func (w *world) recover() {
	if w.thawing {
		w.thaw()
	}
	w.net.mu.Lock()
	s := w.site
	s.states = [3]state{}
	s.set(step{op: setPath})
	if len(s.published().usable()) == 0 {
		s.issue(w.now(), append(s.published().entries, entry{key: key{900, 9}}))
	}
	w.healed = w.now()
	valid := s.published().usable()
	w.net.mu.Unlock()

	pause := time.Duration(0)
	if next := w.client.Status().NextAttempt; !next.IsZero() {
		pause = next.Sub(w.epoch) - w.now()
	}
	probe := step{op: verify, kid: valid[0].kid, mat: valid[0].mat}
	for range 6 { // a minute, a fetch, and what was under way before
		time.Sleep(pause)
		w.begin(probe)
		pause = 15 * time.Second
	}
	time.Sleep(time.Second)
	w.look()
	w.settled = w.now()

	every, burst := w.config.limit()
	time.Sleep(max(5*time.Minute, time.Duration(burst)*every)) // budgets fill up, memories end
	ask := func(keys []key) {
		for _, k := range keys {
			w.begin(step{op: verify, kid: k.kid, mat: k.mat})
			time.Sleep(2 * time.Second)
		}
	}
	ask(valid)
	time.Sleep(2*time.Hour + w.config.expiry() + 2*w.config.deadline())
	ask(valid[:1])
	ask(w.everSeen())
	w.look()
}

// everSeen lists the keys that were ever published or asked for.
func (w *world) everSeen() []key {
	seen := map[key]bool{}
	var all []key
	add := func(k key) {
		if !seen[k] && len(all) < 8 && k.kid < junk {
			seen[k] = true
			all = append(all, k)
		}
	}
	for _, k := range w.config.seed {
		add(k)
	}
	for _, d := range w.site.history {
		for _, e := range d.entries {
			add(e.key)
		}
	}
	return all
}

// close closes the client, in the middle of whatever goes on.
func (w *world) close() {
	if w.thawing {
		w.thaw()
	}
	w.closed = w.now()
	if err := w.client.Close(); err != nil {
		w.problems = append(w.problems, fmt.Sprint("Close: ", err))
	}
	w.net.mu.Lock()
	for _, r := range w.net.requests {
		if !r.done {
			w.problems = append(w.problems, "a request is under way after Close: "+r.url)
		}
	}
	w.net.mu.Unlock()
	w.ended = w.now()
}

// finish ends what goes on, and asks the closed client once more.
func (w *world) finish() {
	for _, op := range []op{verify, keyByID, keySet, refresh, ready} {
		w.begin(step{op: op, kid: 1, mat: 1})
	}
	w.calling.Wait()
	w.tasks.Wait()
	for _, stop := range w.stops {
		stop()
	}
	if err := w.client.Close(); err != nil {
		w.problems = append(w.problems, fmt.Sprint("the second Close: ", err))
	}
	if err := w.client.Run(context.Background()); !errors.Is(err, jwks.ErrClosed) {
		w.problems = append(w.problems, fmt.Sprint("Run after Close: ", err))
	}
	w.requests = w.net.requests
}

// Defaults of the options, as documented.

func (c config) limit() (every time.Duration, burst int) {
	every, burst = 30*time.Second, 5
	if c.every != 0 {
		every = c.every
	}
	if c.burst != 0 {
		burst = max(c.burst, 0)
	}
	return every, burst
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

func (c config) expiry() time.Duration  { return orDefault(c.ttl, 15*time.Minute) }
func (c config) stale() time.Duration   { return orDefault(c.maxStale, time.Hour) }
func (c config) attempt() time.Duration { return orDefault(c.timeout, 5*time.Second) }
func (c config) discovers() bool        { return c.source == byIssuer || c.source == byDiscoveryURL }
func (c config) retain() time.Duration  { return max(c.retention, 0) }
func (c config) floor() time.Duration   { return min(orDefault(c.minTTL, time.Minute), c.expiry()) }
func (c config) refreshesAhead() float64 {
	return map[bool]float64{true: 0.8, false: c.ahead}[c.ahead == 0]
}
func (c config) attempts() int {
	return map[bool]int{true: 2, false: max(c.retries, 0)}[c.retries == 0] + 1
}

// deadline is what one refresh may take: 15 s, or as many times the limit of
// an attempt as there are documents.
func (c config) deadline() time.Duration {
	documents := time.Duration(1)
	if c.discovers() {
		documents = 2
	}
	return max(15*time.Second, documents*c.attempt())
}
