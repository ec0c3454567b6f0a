// Package freshness is the policy of a cached key set: whether a lookup is
// answered, waits for a refresh, or is refused. It is pure: it does no I/O,
// takes no lock, reads no clock and draws no random number. Time and chance are
// parameters, so that every decision can be tested as a table.
//
// There is one question, [Policy.Ask]. The other methods that change the policy
// tell it what happened: a refresh began, an attempt failed, a refresh ended.
package freshness

import "time"

// Config is what the policy is configured with.
type Config struct {
	TTL          time.Duration // how long a set is trusted
	MinTTL       time.Duration // how early at most a server can ask for a refresh; above the TTL it counts as the TTL
	RefreshAhead float64       // of the TTL, in (0, 1]: when the background refresh is due; 1 turns it off
	MaxStale     time.Duration // past the TTL, how long a set serves while the source fails
	Deadline     time.Duration // of one refresh
	NoCache      bool          // every lookup refreshes
	Static       bool          // there is nowhere to fetch from

	// The budgets of refreshes for keys: burst at once, one more each every.
	LimitEvery time.Duration
	LimitBurst int

	MissingKeys int // how many missing keys are remembered
}

// Policy decides what lookups do. It is not safe for concurrent use: its owner
// has a lock.
type Policy struct {
	cfg   Config
	facts facts

	generation   uint64 // counts the sets that came; 0 is a seed's
	hasFull      bool   // an answer came that was not a 304
	fullAt       Moment // when the newest of them came
	missingKeys  missingKeys
	vanishedKeys vanishedKeys

	unknownBudget  Bucket // refreshes for keys that were never in a set, and for replaced ones
	vanishedBudget Bucket // refreshes for kids that left lately, which junk kids must not starve

	staleAnnounced    bool // in this spell
	throttleAnnounced bool
	expiryAnnounced   bool
	throttled         uint64
}

// New returns the policy of an empty cache.
func New(cfg Config) Policy {
	return Policy{
		cfg:            cfg,
		facts:          facts{deadline: cfg.Deadline},
		missingKeys:    missingKeys{size: cfg.MissingKeys},
		unknownBudget:  NewBucket(cfg.LimitEvery, cfg.LimitBurst),
		vanishedBudget: NewBucket(cfg.LimitEvery, cfg.LimitBurst),
	}
}

// Config is what the policy was made with. It never changes, so that reading it
// needs no lock.
func (p *Policy) Config() *Config { return &p.cfg }

// Cause is why a refresh begins.
type Cause uint8

// The causes.
const (
	ForAge         Cause = iota // the set is missing, old, or not cached at all
	ForUnknownKey               // a key that no set had, or one to replace a key that did not verify
	ForVanishedKey              // a key that left the set lately
	OnDemand                    // the operator asks
)

// ForKey says that a refresh is charged to a budget.
func (c Cause) ForKey() bool { return c == ForUnknownKey || c == ForVanishedKey }

// Lookup is what a lookup knows when it asks.
type Lookup struct {
	Found  bool // the set at hand answers it
	Name   Name // what it goes by; not needed when Found
	Failed bool // it has waited for a refresh, and that failed
}

// Announcement is what is worth telling, once in a spell. A spell lasts until
// the next success.
type Announcement uint8

// The announcements.
const (
	Nothing     Announcement = iota
	StaleServed              // a set past its TTL answers
	Throttled                // the budget for keys is spent
)

// Answer is what the policy says to a lookup.
type Answer struct {
	Action   Action
	Cause    Cause // of the refresh, if the lookup begins one
	Announce Announcement
}

// Ask decides what a lookup does. It counts what it throttles, and announces
// each thing once in a spell.
func (p *Policy) Ask(now Moment, l Lookup) Answer {
	q := question{found: l.Found, failed: l.Failed}
	var answer Answer
	if !l.Found && p.facts.loaded {
		cause := p.causeFor(l.Name, now)
		q.replacement = l.Name.Kind == Replacement
		q.remembered = p.cfg.Static || p.missingKeys.has(l.Name, p.generation, now)
		q.budget = p.budget(cause).Available(now)
		if p.facts.state(now) == Fresh { // otherwise age is reason enough, and costs no budget
			answer.Cause = cause
		}
	}
	answer.Action = p.facts.decide(now, q)
	switch answer.Action {
	case ServeStale, ServeStaleAndRefresh:
		if !p.staleAnnounced {
			p.staleAnnounced = true
			answer.Announce = StaleServed
		}
	case Throttle:
		p.throttled++
		if !p.throttleAnnounced {
			p.throttleAnnounced = true
			answer.Announce = Throttled
		}
	}
	return answer
}

// causeFor says why the source would be asked for a key that the set lacks.
func (p *Policy) causeFor(n Name, now Moment) Cause {
	if p.vanishedKeys.has(n, now) {
		return ForVanishedKey
	}
	return ForUnknownKey
}

// budget is what refreshes of a cause are charged to.
func (p *Policy) budget(c Cause) *Bucket {
	if c == ForVanishedKey {
		return &p.vanishedBudget
	}
	return &p.unknownBudget
}

// Conditional says whether a refresh may ask with the validators of the copy at
// hand (RFC 9110 section 13.1). Servers lie: static files that all have one date
// keep their validators through a rotation. So only a copy whose age is all
// there is against it is asked for like that, not one that lacks what a lookup
// wants, nor one past the end of stale, which nobody is served; and in every hour
// one refresh asks for the whole.
func (p *Policy) Conditional(c Cause, found bool, now Moment) bool {
	return c == ForAge && found && !p.cfg.NoCache && p.State(now) != Expired && p.hasFull && now.Add(p.cfg.TTL) <= p.fullAt.Add(doubtEvery)
}

// Begin says that a refresh began.
func (p *Policy) Begin(now Moment) { p.facts.begin(now) }

// FirstAttemptFailed says that the first attempt of the refresh under way
// failed, and that others follow: a stale set need not wait for them.
func (p *Policy) FirstAttemptFailed() { p.facts.firstAttemptFailed = true }

// Fail says that a refresh failed: the backoff begins. retryAfter is what the
// server asked for, 0 if nothing; random is uniform in [0, 1).
func (p *Policy) Fail(now Moment, retryAfter time.Duration, random float64) {
	p.facts.fail(now, backoff(p.facts.failures+1, retryAfter, random))
}

// Overdue says that the refresh under way has outlived its deadline: the
// process stood still, so that whatever comes of it tells nothing about the
// source as it is now.
func (p *Policy) Overdue(now Moment) bool { return p.facts.overdue(now) }

// Refreshed is what a successful refresh tells the policy.
type Refreshed struct {
	Cause        Cause
	Age          time.Duration // how long ago the origin made the answer
	ServerTTL    time.Duration // the lifetime that its headers ask for, 0 if for none
	HasServerTTL bool          // whether they ask for one
	NotModified  bool          // the answer was that nothing has changed
	Changed      bool          // the keys are others than before
	Removed      []string      // the kids that the one before had and this one lacks
}

// Succeed says that a refresh brought or confirmed a set, and starts its
// schedule. random is uniform in [0, 1). It returns the generation of the set.
func (p *Policy) Succeed(now Moment, r Refreshed, random float64) uint64 {
	if r.Changed {
		p.generation++
		p.vanishedKeys.remember(r.Removed, now)
	}
	if r.Cause.ForKey() {
		p.budget(r.Cause).Charge(now)
	}
	if !r.NotModified {
		p.hasFull, p.fullAt = true, now
	}
	p.start(p.cfg.plan(now, r, random))
	return p.generation
}

// InstallSeed says that there is a set before anything was fetched: for good
// where there is nowhere to fetch from, else as one that has just expired. Its
// generation is 0.
func (p *Policy) InstallSeed() {
	if p.cfg.Static {
		p.start(permanent())
	} else {
		p.start(Schedule{StaleEnd: Moment(0).Add(p.cfg.MaxStale)})
	}
}

func (p *Policy) start(s Schedule) {
	p.facts.renew(s)
	p.facts.loaded = !p.cfg.NoCache || p.cfg.Static
	p.staleAnnounced, p.throttleAnnounced, p.expiryAnnounced = false, false, false
}

// RememberMissing notes that the set of a generation lacks a key, so that nobody
// asks for it again soon.
func (p *Policy) RememberMissing(n Name, generation uint64, now Moment) {
	p.missingKeys.remember(n, generation, now)
}

// QuietUntil is the moment until which lookups that the set answers need not
// ask, if nothing but time happens: Ask would say Serve, or ServeStale with
// nothing to announce. 0 when they have to ask now.
func (p *Policy) QuietUntil(now Moment) Moment { return p.facts.quietUntil(now, p.staleAnnounced) }

// Due is when the next refresh is due without anybody asking: 0 for a set that
// is missing, Never when none is, or when one is under way.
func (p *Policy) Due() Moment {
	if p.cfg.Static || p.cfg.NoCache || p.facts.refreshing {
		return Never
	}
	return max(p.facts.Refresh, p.facts.retryAt, p.facts.lookAt)
}

// State says how far the set that lookups may use has aged: Empty without one,
// and where nothing is cached.
func (p *Policy) State(now Moment) State { return p.facts.state(now) }

// Schedule holds the moments of the newest set, whether or not lookups may use
// it.
func (p *Policy) Schedule() Schedule { return p.facts.Schedule }

// NextFor is how long until a refresh for a missing key can be afforded; 0 when
// it can be now, or never.
func (p *Policy) NextFor(n Name, now Moment) time.Duration {
	return p.budget(p.causeFor(n, now)).Next(now)
}

// RetryAt is the end of the backoff; in the past when none runs.
func (p *Policy) RetryAt() Moment { return p.facts.retryAt }

// Failures counts the failed refreshes since the last success.
func (p *Policy) Failures() int { return p.facts.failures }

// ThrottledLookups counts the lookups that the budgets refused to refresh for.
func (p *Policy) ThrottledLookups() uint64 { return p.throttled }

// Budget is what is left of the budget of refreshes for unknown keys.
func (p *Policy) Budget() Bucket { return p.unknownBudget }

// SetBudget goes on with the budget of another policy of the same source.
func (p *Policy) SetBudget(b Bucket) { p.unknownBudget = b }
