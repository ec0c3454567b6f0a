package freshness

import "time"

// facts is what the policy decides from. A refresh begins, its first attempt
// may fail, and it ends by failing or by renewing the set.
type facts struct {
	deadline time.Duration // of one refresh

	loaded             bool // there is a set to answer from; never without a cache
	refreshing         bool // a refresh is under way
	firstAttemptFailed bool // its first attempt, and others follow
	yielding           bool // refreshes ended because another replica holds the lease

	Schedule
	began Moment // when the refresh under way began

	failures     int    // failed refreshes since the last success
	retryAt      Moment // end of the backoff
	failingUntil Moment // until then the source counts as failing

	yieldedAt Moment // when the first of those that yielded began
	lookAt    Moment // when the next is due
}

func (f *facts) begin(now Moment) {
	f.refreshing, f.began, f.firstAttemptFailed = true, now, false
}

// attempting says that a refresh is under way within its deadline.
func (f *facts) attempting(now Moment) bool {
	return f.refreshing && now < f.began.Add(f.deadline)
}

// overdue says that a refresh is under way beyond its deadline, by more than a
// busy machine explains: the process was frozen meanwhile.
func (f *facts) overdue(now Moment) bool {
	return f.refreshing && now > f.began.Add(f.deadline).Add(overdueGrace)
}

// fail ends a refresh that failed. The backoff runs for pause, or to the end of
// the one before where that is later: a server that named a time is not asked
// sooner because somebody else was refused in between.
//
// For how long after that may a stale set answer at once? Traffic tries again
// as soon as the backoff ends. When none came for as long as an attempt may
// take, nobody knows whether the source still fails, and a key that it removed
// meanwhile must not be accepted because of an old failure. The failure of a
// process that was frozen is not the source's at all.
func (f *facts) fail(now Moment, pause time.Duration) {
	overdue := f.overdue(now)
	f.refreshing = false
	f.failures++
	if overdue {
		return
	}
	f.retryAt = max(f.retryAt, now.Add(pause))
	f.failingUntil = f.retryAt.Add(f.deadline)
}

// renew ends a refresh that brought or confirmed a set.
func (f *facts) renew(s Schedule) { *f = facts{deadline: f.deadline, loaded: true, Schedule: s} }

// question is a lookup as the decision sees it.
type question struct {
	found       bool // the set answers it
	remembered  bool // a fresh set was asked for the same lately and did not have it
	budget      bool // a refresh for a key can be afforded
	failed      bool // the lookup has waited for a refresh, and that failed
	replacement bool // the key is there, and only another one under its name would help
}

// Action is what a lookup has to do.
type Action uint8

// The actions.
const (
	Serve                Action = iota // answer from the set
	ServeAndRefresh                    // the same, and refresh in the background
	ServeStale                         // answer from the set, past its TTL
	ServeStaleAndRefresh               // the same, and refresh in the background
	Await                              // refresh or join the refresh under way, wait for it and look again
	AwaitOrServeStale                  // the same; should its first attempt fail, look again at once
	Refuse                             // not there: the source has answered
	Throttle                           // not there, and the budget to ask again is spent
	GiveUp                             // the source cannot be asked now
)

// state says how far the set that lookups may use has aged.
func (f *facts) state(now Moment) State {
	if !f.loaded {
		return Empty
	}
	return f.Schedule.State(now)
}

// decide is the table of the freshness policy.
func (f *facts) decide(now Moment, q question) Action {
	noWait := q.failed || now < f.retryAt // during a backoff nobody waits for the network
	switch f.state(now) {
	case Fresh:
		return f.decideFresh(now, q, noWait)
	case Stale:
		return f.decideStale(now, q, noWait)
	}
	if noWait {
		return GiveUp
	}
	return Await
}

func (f *facts) decideFresh(now Moment, q question, noWait bool) Action {
	switch {
	case q.found && now >= max(f.Refresh, f.lookAt) && !f.refreshing && !noWait:
		return ServeAndRefresh
	case q.found:
		return Serve
	case noWait:
		return GiveUp
	case q.remembered:
		return Refuse
	case !q.budget:
		return Throttle
	default:
		return Await
	}
}

func (f *facts) decideStale(now Moment, q question, noWait bool) Action {
	attempting, yields := f.attempting(now), f.yields(now)
	inTime := yields || attempting && f.began < f.Expiry // the refresh is merely slow
	attemptFailed := attempting && f.firstAttemptFailed
	failing := noWait || attemptFailed || f.isFailing(now)
	if q.found {
		idle := !f.refreshing && !noWait && now >= f.lookAt
		switch {
		case yields && idle:
			return ServeAndRefresh
		case inTime:
			return Serve
		case !failing:
			return AwaitOrServeStale
		case idle:
			return ServeStaleAndRefresh
		default:
			return ServeStale
		}
	}
	switch {
	case noWait:
		return GiveUp
	case !inTime && (attemptFailed || q.replacement && failing):
		return GiveUp
	default: // the next attempt may bring what was published meanwhile
		return Await
	}
}

// isFailing says that the source counts as failing: because of a failure that is
// not long ago, or was not when what is under way began.
func (f *facts) isFailing(now Moment) bool {
	return now < f.failingUntil || f.attempting(now) && f.began < f.failingUntil || f.yieldsFailing(now)
}

// quietUntil is the moment until which lookups that the set answers need not
// ask, if nothing but time happens: the answer stays Serve, or ServeStale once
// that was announced. 0 when it is neither now.
//
// What decide says of such a lookup changes at a few moments only, so asking it
// at each of them is enough. The last of them is the end of stale, at which
// nothing is served any more.
func (f *facts) quietUntil(now Moment, staleAnnounced bool) Moment {
	until := Moment(0)
	for at := now; ; at = until {
		a := f.decide(at, question{found: true})
		if a != Serve && (a != ServeStale || !staleAnnounced) {
			return until
		}
		until = f.nextChange(at)
	}
}

// nextChange is the first moment after now at which time alone may change a
// decision.
func (f *facts) nextChange(now Moment) Moment {
	next := Never
	for _, at := range [...]Moment{f.Refresh, f.Expiry, f.StaleEnd, f.retryAt, f.failingUntil, f.lookAt} {
		if at > now {
			next = min(next, at)
		}
	}
	if f.attempting(now) {
		next = min(next, f.began.Add(f.deadline))
	}
	if f.yielding {
		for _, at := range [...]Moment{f.yieldedAt.Add(f.deadline), f.yieldedAt.Add(f.deadline + Patience)} {
			if at > now {
				next = min(next, at)
			}
		}
	}
	return next
}
