package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/tenants"
)

// IssuersOption configures an [Issuers].
type IssuersOption interface{ applyIssuers(*issuersConfig) error }

type issuersOption func(*issuersConfig) error

func (o issuersOption) applyIssuers(c *issuersConfig) error { return o(c) }

// TrustIssuers trusts these issuers, compared byte for byte. The keys of each are found
// by discovery. An empty list, an empty name, a name listed twice and a name of over
// 2048 bytes are [ErrConfig]. An issuer with "{tenantid}"
// (Entra) stands for all issuers that fit it, and needs [WithTenants].
func TrustIssuers(issuers ...string) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if len(issuers) == 0 {
			return configError("TrustIssuers", "the list is empty; to trust anyone use TrustAnyIssuer")
		}
		for _, issuer := range issuers {
			if issuer == "" {
				return configError("TrustIssuers", "an issuer is empty")
			}
			c.trusted = append(c.trusted, trustedIssuer{issuer: issuer})
		}
		return nil
	})
}

// TrustIssuer trusts one issuer, with options for its client that are applied after
// those of [WithClientOptions], such as [WithJWKSURL] for an issuer without discovery.
// If two listed issuers have the same name, directly or by [WithIssuerAliases], that is
// [ErrConfig].
func TrustIssuer(issuer string, opts ...ClientOption) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if issuer == "" {
			return configError("TrustIssuer", "the issuer is empty")
		}
		c.trusted = append(c.trusted, trustedIssuer{issuer, opts})
		return nil
	})
}

// TrustIssuerFunc asks f at run time about every issuer that is neither listed, under
// any of its names, nor already known: for tenants that come and go. An issuer is any
// string of up to 2048 bytes, not only a URL (RFC 7519 section 4.1.1).
//
// To accept the issuer, f returns the options for its client, nil for plain discovery.
// An error that matches [ErrIssuerNotTrusted] refuses the token; any other error, and
// bad options, are [ErrUnavailable]. An answer holds for [WithDecisionTTL], or until
// [Issuers.Forget]. The client keeps its options as long as it lives; after
// [WithMaxIssuers] has evicted it, f is asked again.
//
// The name comes from an unverified token: look it up, and never build
// an address from it. If tenants name hosts themselves, use [WithPublicAddressesOnly].
//
// Callers who wait for the same issuer share a call of f. Its context has the
// values of the first caller's context. It ends after 15 s or with [Issuers.Close], but
// not when a caller gives up. A call that ignores its context is abandoned. At most 1,000
// calls about unknown issuers run at a time, at most 1,000 callers wait for
// each, and at most 1,000 for the first keys of an issuer. There is also a budget for new
// issuers: as many as WithMaxIssuers, but at least 100, and a tenth of that more each
// second. Whatever exceeds these limits is [ErrUnavailable].
func TrustIssuerFunc(f func(ctx context.Context, issuer string) ([]ClientOption, error)) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if f == nil {
			return configError("TrustIssuerFunc", "the function is nil")
		}
		c.trustFunc = f
		return nil
	})
}

// TrustAnyIssuer trusts every issuer that a token names. It is for tools that show what
// is in a token, as jwt.io does, and never for access control. The issuer must be
// an https URL on port 443 with a public name or address. The addresses that the name
// resolves to are checked when a connection is made; special-purpose addresses are
// refused, and so are names that do not exist. All these refusals are
// [ErrIssuerNotTrusted]. New issuers have a budget of 10, and one more each
// second; beyond it they are [ErrUnavailable]. [WithMaxIssuers] limits how many
// are kept.
//
// The package uses a transport of its own, whatever [http.DefaultTransport]
// is. If [WithHTTPClient] has an *http.Transport, that is cloned and its dialer guarded;
// it uses no proxy. For any other RoundTripper only the URLs can be checked, and it
// must make sure itself that a public name does not lead to a private address.
func TrustAnyIssuer() IssuersOption {
	return issuersOption(func(c *issuersConfig) error { c.anyIssuer = true; return nil })
}

// checkForAnyone refuses what is not for issuers that only a token names.
func (c *clientConfig) checkForAnyone() (errs []error) {
	if c.sendsSecrets() {
		errs = append(errs, configError("WithClientOptions", "WithHeader and WithHeaderFunc contradict TrustAnyIssuer, except for User-Agent and Accept: anyone who makes a token would be sent them"))
	}
	if c.store != nil {
		errs = append(errs, configError("WithClientOptions", "WithStore contradicts TrustAnyIssuer: anyone who makes a token could fill the store"))
	}
	return errs
}

// WithClientOptions sets options for every issuer's client; those of
// [TrustIssuer] and [TrustIssuerFunc] are applied after them. Default: none.
func WithClientOptions(opts ...ClientOption) IssuersOption {
	return issuersOption(func(c *issuersConfig) error { c.common = append(c.common, opts...); return nil })
}

// WithDecisionTTL sets how long a yes of the [TrustIssuerFunc] holds. Default
// 15 min; 0 is [ErrConfig]. From 80 % of it on, the function is asked again in
// the background; after its end, tokens wait for the answer. A no ends the
// trust and closes the issuer's client. After an error, the earlier yes holds for one
// more TTL, but only once. A no holds for a tenth of the TTL, and at most for a minute,
// because a tenant's first token may come before the tenant is known. Up to 10,000
// refused issuers are remembered.
func WithDecisionTTL(d time.Duration) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if d <= 0 {
			return configError("WithDecisionTTL", "%v is not positive", d)
		}
		c.decisionTTL = d
		return nil
	})
}

// WithMaxIssuers limits how many issuers accepted by [TrustIssuerFunc] and
// [TrustAnyIssuer] are kept. Default 1000. Listed issuers do not count.
//
// An issuer counts from its first token that verifies. If there are too many, the one
// whose last verified token is oldest is evicted ([EventEvicted]). Issuers that so far
// only unverified tokens have named are kept separately, at most n/10 but at least 16,
// and evict only each other. A [Verifier] and
// [Issuers.KeyForToken] know which tokens verified. [Issuers.Keyfunc],
// [Issuers.SigningKeys] and [Issuers.Client] do not, so the issuers that they are
// asked for count as if a token had verified. However often an issuer is evicted and
// accepted again, its documents are fetched at most once per TTL, plus the budget of
// [WithRefreshLimit].
func WithMaxIssuers(n int) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if n <= 0 {
			return configError("WithMaxIssuers", "%d is not positive", n)
		}
		c.maxIssuers = n
		return nil
	})
}

// maxAsking bounds the calls of the TrustIssuerFunc that are under way about
// issuers that are not known: tokens with forged issuers may come faster than
// it answers. maxOverdue bounds those that run on past their time, since the
// function ignores its context.
const (
	maxAsking  = 1000
	maxOverdue = 10_000
)

// trustFuncTimeout bounds one call of the TrustIssuerFunc.
const trustFuncTimeout = 15 * time.Second

// question is one call of the TrustIssuerFunc. Its fields are guarded by the
// lock of the Issuers; those of the embedded call may be read once it is done.
type question struct {
	call[*tenant]
	began    freshness.Moment
	newcomer bool // about an issuer that was not known
	waiting  int
	settled  bool
	timer    *time.Timer
}

// errForgotten is for an answer that came too late: it must be asked for anew.
var errForgotten = errors.New("forgotten meanwhile")

// decide returns the tenant of an issuer once the function has said yes to it
// and as long as that holds.
func (s *Issuers) decide(ctx context.Context, issuer string) (*tenant, error) {
	gaveUp := func() error {
		return fault.Unavailable("the caller gave up before issuer "+show.Quote(issuer)+" was decided on: "+ctx.Err().Error(), fault.ErrIssuerUndecided, ctx.Err())
	}
	for {
		gone := ctx.Err() != nil // before the lock is taken: a caller's own context may panic
		t, q, err := s.consult(ctx, issuer, gone)
		if q == nil {
			if err == nil && t == nil {
				return nil, gaveUp()
			}
			return t, err
		}
		done, err := q.wait(ctx, s.life.Done())
		s.mu.Lock()
		q.waiting--
		s.mu.Unlock()
		switch {
		case err != nil:
			return nil, gaveUp()
		case !done:
			return nil, s.closedError()
		case q.err != errForgotten:
			return q.result, q.err
		}
	}
}

// consult looks for a decision that holds, or returns the question whose answer
// the caller has to wait for. For a caller that is gone it asks nothing and returns
// neither.
func (s *Issuers) consult(ctx context.Context, issuer string, gone bool) (*tenant, *question, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, s.closedError()
	}
	now, ttl := s.clock.now(), s.cfg.decisionTTL
	t, _, known := s.roster.Find(issuer)
	if known {
		switch t.decision.Ask(now, ttl) {
		case tenants.Holds:
			t.askAt.Store(int64(t.decision.Next(ttl)))
			return t, nil, nil
		case tenants.Renew:
			if s.asking[issuer] == nil {
				_, _ = s.ask(ctx, t.name, false, now) // fails for newcomers only
			}
			t.askAt.Store(int64(min(now.Add(trustFuncTimeout), t.decision.End(ttl))))
			return t, nil, nil
		}
	} else if err := s.refusals.Get(issuer, now); err != nil {
		return nil, nil, err
	}
	if gone {
		return nil, nil, nil
	}
	q := s.asking[issuer]
	if q == nil {
		var err error
		if q, err = s.ask(ctx, issuer, !known, now); err != nil {
			return nil, nil, err
		}
	}
	if q.waiting >= maxWaiting {
		return nil, nil, undecidedError(issuer, show.Count(maxWaiting, "other")+" wait for that")
	}
	q.waiting++
	return nil, q, nil
}

// ask begins a call of the function, with the lock held.
func (s *Issuers) ask(ctx context.Context, issuer string, newcomer bool, now freshness.Moment) (*question, error) {
	if newcomer && s.askingNew >= maxAsking {
		return nil, undecidedError(issuer, show.Count(maxAsking, "other")+" are being decided on")
	}
	if s.overdue >= maxOverdue {
		return nil, undecidedError(issuer, show.Count(maxOverdue, "call")+" of the function have not returned")
	}
	q := &question{began: now, newcomer: newcomer}
	q.done = make(chan struct{})
	if newcomer {
		s.askingNew++
	}
	s.asking[issuer] = q
	s.busy.Add(1)
	q.timer = time.AfterFunc(trustFuncTimeout, func() {
		s.answer(issuer, q, nil, undecidedError(issuer, "the function did not answer within "+trustFuncTimeout.String()), true)
	})
	go s.runTrustFunc(ctx, issuer, q)
	return q, nil
}

// runTrustFunc carries out one call, in a goroutine of its own, whatever the
// user's function does.
func (s *Issuers) runTrustFunc(ctx context.Context, issuer string, q *question) {
	err := undecidedError(issuer, "the function ended its goroutine")
	var fresh *tenant
	defer func() {
		if v := recover(); v != nil { // the value may hold anything
			err = undecidedError(issuer, fmt.Sprintf("the function panicked (%T)", v))
		}
		s.answer(issuer, q, fresh, err, false)
	}()
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), trustFuncTimeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	opts, refused := s.cfg.trustFunc(inner, issuer)
	if refused != nil {
		err = trustFuncError(issuer, refused)
		return
	}
	if fresh, err = nil, nil; !s.isKnown(issuer) { // or its options are those that it has
		fresh, err = s.newTenant(issuer, opts)
	}
}

// answer takes in what the function said, or that it did not say anything in
// time: whichever comes first.
func (s *Issuers) answer(issuer string, q *question, fresh *tenant, err error, overdue bool) {
	s.mu.Lock()
	defer s.unlock()
	if q.settled {
		s.overdue-- // it returned after all
		return
	}
	q.settled = true
	defer s.busy.Done()
	defer close(q.done)
	if q.timer.Stop(); overdue {
		s.overdue++
	}
	if q.newcomer {
		s.askingNew--
	}
	switch {
	case s.closed:
		q.err = s.closedError()
	case s.asking[issuer] != q:
		q.err = errForgotten
	default:
		delete(s.asking, issuer)
		q.result, q.err = s.conclude(issuer, q.began, fresh, err)
	}
}

// conclude turns an answer into a decision, with the lock held. The decision counts
// from when the function was called: what it knew may be as old as that.
func (s *Issuers) conclude(issuer string, asked freshness.Moment, fresh *tenant, err error) (*tenant, error) {
	ttl := s.cfg.decisionTTL
	t, _, known := s.roster.Find(issuer)
	switch now := s.clock.now(); {
	case err == nil && known:
		t.decision = tenants.Decided(asked)
	case err == nil && fresh == nil:
		return nil, errForgotten // it had to leave meanwhile
	case err == nil:
		fresh.decision = tenants.Decided(asked)
		fresh.askAt.Store(int64(fresh.decision.Next(ttl)))
		return s.admit(fresh)
	case errors.Is(err, ErrIssuerNotTrusted):
		s.refusals.Add(issuer, err, asked, ttl)
		if known {
			s.endTrust(t)
		}
		return nil, err
	case known && t.decision.Survives(now, ttl):
		t.decision.Fail(now)
	default:
		return nil, err
	}
	t.askAt.Store(int64(t.decision.Next(ttl)))
	return t, nil
}

// Forget ends the trust in an issuer that [TrustIssuerFunc] or [TrustAnyIssuer]
// accepted, at once: its client is closed, and the function is asked again at its next
// token. A refusal is forgotten too. Listed issuers are not affected.
func (s *Issuers) Forget(issuer string) {
	if s.roster == nil {
		return
	}
	s.mu.Lock()
	defer s.unlock()
	delete(s.asking, issuer) // what is being answered may be about the time before
	t, _, known := s.roster.Find(issuer)
	if known && !s.closed {
		s.endTrust(t)
	}
	if old := s.retiring[issuer]; old != nil { // it made room, and calls keep it open
		old.client.cache.close()
		s.retired(old) // so that what it had is not kept
	}
	s.refusals.Remove(issuer)
	s.roster.Forget(issuer)
	s.leftovers.Remove(issuer)
}

// maxIssuerName bounds the issuer names that tokens may bring in.
const maxIssuerName = 512

// admitAnyone makes a client for an issuer that nobody listed: for public names
// only, with a guarded HTTP client, and within the budget for new issuers.
func (s *Issuers) admitAnyone(issuer string) (*tenant, error) {
	u, err := url.Parse(issuer)
	if err == nil {
		err = publicnet.CheckURL(u)
	}
	if err == nil && (u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#") || binding.IsTemplate(issuer) || len(issuer) > maxIssuerName) {
		err = errors.New("it is not a plain URL")
	}
	if err != nil {
		return nil, notTrustedBecause(issuer, err.Error(), nil)
	}
	t, err := s.newTenant(issuer, []ClientOption{WithHTTPClient(s.cfg.guarded)})
	if err != nil {
		return nil, err
	}
	t.public = true
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return nil, s.closedError()
	}
	if known, _, ok := s.roster.Find(issuer); ok {
		return known, nil
	}
	return s.admit(t)
}
