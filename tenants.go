package jwks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/tenants"
)

// tenant is an issuer that was accepted at run time, listed by nobody.
type tenant struct {
	name     string
	client   *Client
	public   bool             // nobody vouched for it: its HTTP client is guarded
	decision tenants.Decision // of the TrustIssuerFunc; guarded by the lock of the Issuers
	askAt    atomic.Int64     // when lookups have to look at the decision
	verified atomic.Bool      // a token of it verified
	waiting  atomic.Int64     // lookups that wait for its first set
	awaited  atomic.Bool      // a goroutine waits until its client has closed
}

// maxWaiting bounds the callers who wait for one issuer accepted at run time.
const maxWaiting = 1000

func (s *Issuers) newTenant(issuer string, opts []ClientOption) (*tenant, error) {
	c, err := s.cfg.newClient(issuer, append([]ClientOption{atRunTime()}, opts...))
	if err != nil {
		return nil, undecidedError(issuer, strings.ReplaceAll(bare(err), "\n", "; "))
	}
	t := &tenant{name: issuer, client: c}
	t.askAt.Store(int64(freshness.Never))
	return t, nil
}

// signingKeys is [Client.SigningKeys] with a bound on who waits for the first
// set.
func (t *tenant) signingKeys(ctx context.Context, h Header) ([]*Key, error) {
	if t.client.cache.current.Load() == nil {
		defer t.waiting.Add(-1)
		if t.waiting.Add(1) > maxWaiting {
			return nil, fault.Unavailable(show.Count(maxWaiting, "other") + " wait for the first keys of issuer " + show.Quote(t.name))
		}
	}
	return t.client.SigningKeys(ctx, h, t.name)
}

// explainDialError turns a refusal to dial into an error about the issuer. For an issuer
// whose tokens have verified before, a name that does not exist is not such a refusal.
func (t *tenant) explainDialError(err error) error {
	if t.public && (errors.Is(err, publicnet.ErrNotPublic) || publicnet.IsNotFound(err) && !t.verified.Load()) {
		return notTrustedBecause(t.name, "it leads to an address that is not public", nil)
	}
	return err
}

// findTenant returns an issuer that was accepted at run time, or is now.
func (s *Issuers) findTenant(ctx context.Context, issuer string, onTrial bool) (*tenant, error) {
	t, _, ok := s.roster.Find(issuer)
	if !ok || t.mustAsk(s.clock) {
		var err error
		issuer = strings.Clone(issuer) // or it would keep its token in memory
		if s.cfg.anyIssuer {
			t, err = s.admitAnyone(issuer)
		} else {
			t, err = s.decide(ctx, issuer)
		}
		if err != nil {
			return nil, err
		}
	}
	if !onTrial {
		s.settle(t)
	}
	return t, nil
}

func (t *tenant) mustAsk(c clock) bool {
	at := freshness.Moment(t.askAt.Load())
	return at != freshness.Never && at <= c.now()
}

func (s *Issuers) isKnown(issuer string) bool {
	_, _, ok := s.roster.Find(issuer)
	return ok
}

// verified implements reporter: the issuer of a token that verified stays.
func (s *Issuers) verified(issuer string) {
	if s.listed[issuer] != nil {
		return
	}
	t, settled := s.roster.Touch(issuer)
	if !settled {
		if s.findListed(issuer) != nil {
			return
		}
		if t, _, settled = s.roster.Find(issuer); !settled { // it had to leave meanwhile
			s.mu.Lock()
			s.roster.Vouch(issuer)
			s.mu.Unlock()
			return
		}
		s.settle(t)
	}
	s.noteVerified(t)
}

// noteVerified notes that a token of an issuer verified, which may have had to
// leave since.
func (s *Issuers) noteVerified(t *tenant) {
	if t.verified.Load() || t.verified.Swap(true) {
		return
	}
	s.mu.Lock()
	if known, _, ok := s.roster.Find(t.name); !ok || known != t { // who saw it off did not know
		s.roster.Vouch(t.name)
	}
	s.mu.Unlock()
	t.client.cache.releaseStore()
}

// settle puts an issuer among those that are in use, as the last to make room.
func (s *Issuers) settle(t *tenant) {
	if known, ok := s.roster.Touch(t.name); ok && known == t {
		return
	}
	s.mu.Lock()
	defer s.unlock()
	if known, settled, ok := s.roster.Find(t.name); !ok || settled || known != t || s.closed {
		return // it had to leave meanwhile
	}
	if t.client.cache.current.Load() != nil { // else the token was verified with what it left behind
		s.leftovers.Remove(t.name)
	}
	if left, made := s.roster.Settle(t.name, t); made {
		s.leave(left, true)
	}
}

// admit adds a new issuer, on trial, with the lock held. If it was evicted recently and
// calls still keep its client open, that client is revived. Otherwise its keys are
// fetched again if the budgets permit, since it may have other options now; if they do
// not, it continues with the set that it had.
func (s *Issuers) admit(t *tenant) (*tenant, error) {
	if old := s.callBack(t); old != nil {
		t = old
	} else if err := s.open(t); err != nil {
		return nil, err
	}
	if left, made := s.roster.Try(t.name, t); made {
		s.leave(left, false)
	}
	return t, nil
}

// open makes the client of an issuer ready that is new or comes back, with the
// lock held.
func (s *Issuers) open(t *tenant) error {
	before, obstacle, wait := s.roster.MayCome(t.name, s.clock.now())
	if obstacle != tenants.None {
		rest, _ := s.leftovers.Peek(t.name)
		switch {
		case rest != nil && rest.cfg.samePlace(t.client.cfg):
			t.client.cache.resume(rest)
		case obstacle == tenants.Overrun:
			return busyError(t.name, "is new, and the budget for new issuers is spent; one more in ", wait)
		default:
			return busyError(t.name, "made room for others and came back too often; its keys can be fetched again in ", wait)
		}
	}
	if before != nil {
		t.client.cache.setBudget(before.Budget, s.clock)
		if t.verified.Store(before.Settled); before.Settled {
			t.client.cache.releaseStore()
		}
	}
	return nil
}

// callBack returns the client of an issuer that had to leave and has not closed
// yet, if it had the options of t, with the lock held.
func (s *Issuers) callBack(t *tenant) *tenant {
	old := s.retiring[t.name]
	if old == nil {
		return nil
	}
	if old.client.cfg.samePlace(t.client.cfg) && old.client.cache.revive() {
		delete(s.retiring, t.name)
		old.decision = t.decision
		old.askAt.Store(t.askAt.Load())
		return old
	}
	if old.client.cache.closing() {
		s.keep(old)
	}
	return nil
}

// evictedEvery is how often the log hears of evictions.
const evictedEvery = time.Minute

// leave sees an issuer off that makes room, with the lock held: retired later, it
// might have been called back by then.
func (s *Issuers) leave(t *tenant, evicted bool) {
	if cost, ok := t.client.cache.departure(s.clock); ok {
		cost.Settled = t.verified.Load()
		s.roster.Depart(t.name, cost)
	}
	s.busy.Add(1)
	s.retiring[t.name] = t
	if evicted { // it was in use
		told := 0
		s.evicted.untold++
		if now := s.clock.now(); now >= s.evicted.tellAt {
			told, s.evicted.untold, s.evicted.tellAt = s.evicted.untold, 0, now.Add(evictedEvery)
		}
		t.client.cache.queueEvicted(told)
	}
	t.client.cache.retire()
	s.leaving = append(s.leaving, t)
}

// endTrust closes the client of an issuer that is not trusted any more, with
// the lock held.
func (s *Issuers) endTrust(t *tenant) {
	s.roster.Remove(t.name)
	t.client.cache.close()
	s.busy.Go(func() { _ = t.client.Close() }) // for the fetch under way
}

// drop takes an issuer off whose client was closed.
func (s *Issuers) drop(t *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, _, ok := s.roster.Find(t.name); ok && known == t {
		s.roster.Remove(t.name)
	}
}

// unlock gives the lock back, and cleans up after the issuers that had to leave.
func (s *Issuers) unlock() {
	leaving := s.leaving
	s.leaving = nil
	s.mu.Unlock()
	for _, t := range leaving {
		t.client.cache.announcer.deliver()
		if !s.keepLeftover(t) || t.client.cfg.store != nil { // which it may be saving to
			s.awaitRetired(t)
		}
		s.busy.Done()
	}
}

// keepLeftover keeps what a client had that was retired and has closed, should
// its issuer come back.
func (s *Issuers) keepLeftover(t *tenant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(t)
}

// keep is keepLeftover with the lock held. What a client had that was forgotten, or
// of whose issuer another one left since, is not kept.
func (s *Issuers) keep(t *tenant) bool {
	if s.retiring[t.name] != t {
		return false
	}
	rest := t.client.cache.takeLeftover()
	if rest == nil {
		return false
	}
	rest.cfg = t.client.cfg
	s.leftovers.Add(t.name, rest)
	s.retired(t)
	return true
}

// retired says, with the lock held, that a client that had to leave has closed.
func (s *Issuers) retired(t *tenant) {
	if s.retiring[t.name] == t {
		delete(s.retiring, t.name)
	}
}

// awaitRetired waits in the background until a retired client has closed, which
// it does after its last call or with the Issuers.
func (s *Issuers) awaitRetired(t *tenant) {
	if t.awaited.Swap(true) {
		return // it was called back, and has to leave again
	}
	s.busy.Go(func() {
		select {
		case <-t.client.cache.life.Done():
		case <-s.life.Done():
		}
		if !s.keepLeftover(t) {
			s.mu.Lock()
			s.retired(t)
			s.mu.Unlock()
		}
		_ = t.client.Close() // always nil
	})
}

// notTrusted refuses the token of an issuer.
func notTrusted(issuer string) error {
	if issuer == "" {
		return fault.Invalid("iss claim is missing, and no issuer can be trusted without it", ErrIssuerNotTrusted, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing)
	}
	return notTrustedBecause(issuer, "", nil)
}

// notListed is notTrusted where only the list decides. It names the listed
// issuer that people take for this one.
func (s *Issuers) notListed(issuer string) error {
	swapped := issuer
	if rest, ok := strings.CutPrefix(issuer, "http://"); ok {
		swapped = "https://" + rest
	} else if rest, ok := strings.CutPrefix(issuer, "https://"); ok {
		swapped = "http://" + rest
	}
	for _, near := range []string{strings.TrimSuffix(issuer, "/"), issuer + "/", swapped, strings.ToLower(issuer)} {
		if s.listed[near] == nil {
			continue
		}
		if _, hint := show.Overlooked(issuer, []string{near}); hint != "" {
			return notTrustedBecause(issuer, show.Own(near)+" is, "+hint, nil)
		}
	}
	return notTrusted(issuer)
}

func notTrustedBecause(issuer, why string, cause error) error {
	text := "issuer " + show.Quote(issuer) + " is not trusted"
	if why != "" {
		text += ": " + why
	}
	reasons := []error{ErrIssuerNotTrusted, jwt.ErrTokenInvalidIssuer}
	if cause != nil {
		reasons = append(reasons, cause)
	}
	return fault.Invalid(text, reasons...)
}

// undecidedError is for an issuer that is neither trusted nor refused.
func undecidedError(issuer, why string, reasons ...error) error {
	return fault.Unavailable("issuer "+show.Quote(issuer)+" could not be decided on: "+why, append(reasons, fault.ErrIssuerUndecided)...)
}

// trustFuncError is for a function that refused the issuer or failed. Its error
// stays in the chain unless that would put it into the other class, or make
// it look like the end of the caller's own context.
func trustFuncError(issuer string, err error) error {
	if errors.Is(err, ErrIssuerNotTrusted) {
		if err == ErrIssuerNotTrusted {
			return notTrusted(issuer)
		}
		why := show.Quote(bare(err))
		if errors.Is(err, ErrUnavailable) || ofContext(err) {
			err = nil
		}
		return notTrustedBecause(issuer, why, err)
	}
	if errors.Is(err, ErrTokenInvalid) || ofContext(err) {
		return undecidedError(issuer, show.Quote(bare(err)))
	}
	return undecidedError(issuer, show.Quote(bare(err)), err)
}

func ofContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// busyError is for an issuer that may not be fetched from yet.
func busyError(issuer, why string, wait time.Duration) error {
	text := "issuer " + show.Quote(issuer) + " " + why + show.Round(wait).String()
	return fault.Unavailable(text, fault.ErrIssuerUndecided, &FetchError{URL: issuer, RetryAfter: wait, Err: errors.New("a budget is spent")})
}

// samePlace says whether keys that were fetched by one configuration are those
// that the other would fetch, and bound to the same tokens.
func (c *clientConfig) samePlace(other *clientConfig) bool {
	return c.issuer == other.issuer && c.jwksURL == other.jwksURL && c.keyFile == other.keyFile && c.discoveryURL == other.discoveryURL && c.discoveryPath == other.discoveryPath &&
		c.localRewrite == other.localRewrite && c.insecure == other.insecure && c.publicOnly == other.publicOnly &&
		slices.Equal(c.aliases, other.aliases) && slices.Equal(c.uses, other.uses) && c.tenantsSet == other.tenantsSet && maps.Equal(c.tenants, other.tenants) &&
		c.policy() == other.policy() && c.retention == other.retention
}
