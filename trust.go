package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
)

// defaultMaxIssuers bounds the issuers that come up at run time.
const defaultMaxIssuers = 32

// IssuersOption configures an [Issuers].
type IssuersOption interface{ applyIssuers(*issuersConfig) error }

type issuersConfig struct {
	trusted    []trustedIssuer
	trustFunc  func(ctx context.Context, issuer string) ([]ClientOption, error)
	anyIssuer  bool
	guarded    *http.Client // for anyIssuer
	common     []ClientOption
	maxIssuers int
}

type trustedIssuer struct {
	issuer string
	opts   []ClientOption
}

type issuersOption func(*issuersConfig) error

func (o issuersOption) applyIssuers(c *issuersConfig) error { return o(c) }

func newIssuersConfig(opts []IssuersOption) (*issuersConfig, []error) {
	cfg := &issuersConfig{maxIssuers: defaultMaxIssuers}
	var errs []error
	for _, o := range opts {
		if isNil(o) {
			errs = append(errs, configError("NewIssuers", "an option is nil"))
		} else if err := o.applyIssuers(cfg); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 && len(cfg.trusted) == 0 && !cfg.dynamic() {
		errs = append(errs, configError("NewIssuers", "nobody is trusted: want TrustIssuers, TrustIssuer, TrustIssuerFunc or TrustAnyIssuer"))
	}
	if cfg.trustFunc != nil && cfg.anyIssuer {
		errs = append(errs, configError("TrustAnyIssuer", "contradicts TrustIssuerFunc"))
	}
	return cfg, append(errs, cfg.checkCommon()...)
}

// checkCommon checks the options for all issuers now, not at the first token.
// Those that say whose keys to take are for one issuer: given to all, they
// would let it sign for the others.
func (c *issuersConfig) checkCommon() []error {
	const probe = "https://issuer.invalid"
	common, errs := newClientConfig(c.clientOptions(probe, nil))
	if common.issuer != probe {
		errs = append(errs, configError("WithClientOptions", "WithIssuer is for one issuer; name it with TrustIssuer"))
	}
	if common.seed != nil && (c.dynamic() || len(c.trusted) > 1) {
		errs = append(errs, configError("WithClientOptions", "WithKeySet is for one issuer; give it to TrustIssuer"))
	}
	if common.jwksURL != "" && (c.dynamic() || len(c.trusted) > 1) {
		errs = append(errs, configError("WithClientOptions", "WithJWKSURL is for one issuer: one key set would verify for all; give it to TrustIssuer"))
	}
	if common.keyFile != "" && (c.dynamic() || len(c.trusted) > 1) {
		errs = append(errs, configError("WithClientOptions", "WithKeyFile is for one issuer: one key set would verify for all; give it to TrustIssuer"))
	}
	if common.aliases != nil && c.dynamic() {
		errs = append(errs, configError("WithClientOptions", "WithIssuerAliases is for one issuer; give it to TrustIssuer"))
	}
	if c.anyIssuer {
		if common.sendsSecrets() {
			errs = append(errs, configError("WithClientOptions", "WithHeader and WithHeaderFunc contradict TrustAnyIssuer, but for User-Agent and Accept: whoever made a token would be sent them"))
		}
		c.guarded = guardedClient(common)
	}
	return errs
}

// dynamic says that issuers may come up at run time.
func (c *issuersConfig) dynamic() bool { return c.trustFunc != nil || c.anyIssuer }

// newClient makes the client of one issuer. It refuses options that lead to
// another one than that.
func (c *issuersConfig) newClient(issuer string, extra []ClientOption) (*Client, error) {
	client, err := NewClient(c.clientOptions(issuer, extra)...)
	if err != nil {
		return nil, err
	}
	if actual := client.cfg.issuer; actual != issuer && !binding.Fits(actual, issuer) && !slices.Contains(client.cfg.aliases, issuer) {
		return nil, configError("TrustIssuer", "the options for %s say WithIssuer(%s)", show.Quote(issuer), show.Quote(actual))
	}
	return client, nil
}

// clientOptions are those of one issuer's client: the issuer, what is common
// to all, and what is extra for it.
func (c *issuersConfig) clientOptions(issuer string, extra []ClientOption) []ClientOption {
	opts := append([]ClientOption{WithIssuer(issuer)}, c.common...)
	if !binding.IsTemplate(issuer) {
		// WithTenants among the common options is for the templates.
		opts = append(opts, clientOption(func(c *clientConfig) error {
			c.tenants, c.tenantsSet = nil, false
			return nil
		}))
	}
	return append(append(opts, ownOptions()), extra...)
}

// atRunTime is for an issuer that nobody listed.
func atRunTime() ClientOption {
	return clientOption(func(c *clientConfig) error { c.cameAtRunTime = true; return nil })
}

// distinct takes joined errors apart and leaves out repetitions: a
// bad option for all issuers is reported once.
func distinct(errs []error) []error {
	var all []error
	seen := make(map[string]bool)
	for _, err := range errs {
		parts := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			parts = joined.Unwrap()
		}
		for _, part := range parts {
			if text := part.Error(); !seen[text] {
				seen[text] = true
				all = append(all, part)
			}
		}
	}
	return all
}

// TrustIssuers trusts these issuers, compared byte for byte, each found by
// discovery. An empty list, an empty name and a name listed twice are
// [ErrConfig], and so is one of over 2048 bytes. An issuer with "{tenantid}"
// (Entra) stands for those that fit it, and needs [WithTenants].
func TrustIssuers(issuers ...string) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if len(issuers) == 0 {
			return configError("TrustIssuers", "the list is empty; to trust anyone say TrustAnyIssuer")
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

// TrustIssuer trusts one issuer, with options of its own that come after those
// of [WithClientOptions]: such as [WithJWKSURL] for one without discovery. A
// name that two listed issuers have, as issuer or by [WithIssuerAliases], is
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

// TrustIssuerFunc asks f about every issuer that is not listed, under any of its
// names, and not known: for tenants that come and go. An issuer is any string
// of up to 2048 bytes, not only a URL (RFC 7519 section 4.1.1). It returns the options for that issuer's
// client, nil for plain discovery, or an error: one that matches
// [ErrIssuerNotTrusted] refuses the token, any other is [ErrUnavailable], and
// so are bad options. Clients are kept, with their options, in an
// LRU of [WithMaxIssuers], and f is asked again after one was evicted;
// refusals are not remembered.
//
// The name comes from a token that nobody has verified: look it up, never build
// an address from it. Callers who wait for one issuer share a call; its context
// has the values of the first one's, ends after 15 s or with [Issuers.Close],
// and not when a caller leaves. At most 1,000 calls are under way, past which
// it is [ErrUnavailable].
func TrustIssuerFunc(f func(ctx context.Context, issuer string) ([]ClientOption, error)) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if f == nil {
			return configError("TrustIssuerFunc", "the function is nil")
		}
		c.trustFunc = f
		return nil
	})
}

// TrustAnyIssuer takes any issuer's word for itself: for tools that show what
// is in a token, as jwt.io does, never for access control. The issuer must be
// an https URL on port 443 with a public name or address; what it resolves to
// is checked when a connection is made, and special-purpose addresses are
// refused, as are names that do not exist: all as [ErrIssuerNotTrusted]. New issuers have a budget of 10 and one more
// a second, past which they are [ErrUnavailable]; [WithMaxIssuers] bounds
// those that are kept.
//
// The transport is one of the package's own, whatever [http.DefaultTransport]
// is. With [WithHTTPClient] an *http.Transport is cloned and its dialer guarded;
// it uses no proxy. Of any other RoundTripper only the URLs can be checked; it
// must see to it itself that a public name does not lead to a private address.
func TrustAnyIssuer() IssuersOption {
	return issuersOption(func(c *issuersConfig) error { c.anyIssuer = true; return nil })
}

// WithClientOptions are options for every issuer's client; those of
// [TrustIssuer] and [TrustIssuerFunc] come after them.
func WithClientOptions(opts ...ClientOption) IssuersOption {
	return issuersOption(func(c *issuersConfig) error { c.common = append(c.common, opts...); return nil })
}

// WithMaxIssuers bounds the issuers that [TrustIssuerFunc] and
// [TrustAnyIssuer] keep, least recently used first out. Default 32. Listed
// issuers do not count.
func WithMaxIssuers(n int) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if n <= 0 {
			return configError("WithMaxIssuers", "%d is not positive", n)
		}
		c.maxIssuers = n
		return nil
	})
}

// maxAsking bounds the calls of the TrustIssuerFunc that are under way: tokens
// with forged issuers may come faster than it answers.
const maxAsking = 1000

// askTrustFunc asks the user's function about an issuer, or joins a call that
// is under way.
func (s *Issuers) askTrustFunc(ctx context.Context, issuer string) (*Client, error) {
	gaveUp := func() error {
		return fault.Unavailable("the caller gave up before issuer "+show.Quote(issuer)+" was decided on: "+ctx.Err().Error(), ctx.Err())
	}
	if ctx.Err() != nil {
		return nil, gaveUp()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, s.closedError()
	}
	if c, ok := s.dynamic.Get(issuer); ok { // decided since we looked
		s.mu.Unlock()
		return c, nil
	}
	asked := s.asking[issuer]
	if asked == nil && len(s.asking) == maxAsking {
		s.mu.Unlock()
		return nil, undecidedError(issuer, show.Count(maxAsking, "other")+" are being decided on")
	}
	if asked == nil {
		asked = &call[*Client]{done: make(chan struct{})}
		s.asking[issuer] = asked
		s.busy.Add(1)
		go s.runTrustFunc(ctx, issuer, asked)
	}
	s.mu.Unlock()
	switch done, err := asked.wait(ctx, s.life.Done()); {
	case err != nil:
		return nil, gaveUp()
	case !done:
		return nil, s.closedError()
	}
	return asked.result, asked.err
}

// trustFuncTimeout bounds one call of the TrustIssuerFunc.
const trustFuncTimeout = 15 * time.Second

// runTrustFunc carries out one call, in a goroutine of its own, whatever the
// user's function does.
func (s *Issuers) runTrustFunc(ctx context.Context, issuer string, asked *call[*Client]) {
	asked.err = undecidedError(issuer, "the function ended its goroutine")
	defer func() {
		if v := recover(); v != nil { // the value may hold anything
			asked.err = undecidedError(issuer, fmt.Sprintf("the function panicked (%T)", v))
		}
		s.mu.Lock()
		delete(s.asking, issuer)
		s.mu.Unlock()
		close(asked.done)
		s.busy.Done()
	}()
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), trustFuncTimeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	opts, err := s.cfg.trustFunc(inner, issuer)
	if err != nil {
		asked.err = trustFuncError(issuer, err)
		return
	}
	c, err := s.cfg.newClient(issuer, append([]ClientOption{atRunTime()}, opts...))
	if err != nil {
		asked.err = undecidedError(issuer, strings.ReplaceAll(bare(err), "\n", "; "))
		return
	}
	asked.result, asked.err = s.admit(issuer, c, false)
}

// undecidedError is for an issuer that is neither trusted nor refused.
func undecidedError(issuer, why string, reasons ...error) error {
	return fault.Unavailable("issuer "+show.Quote(issuer)+" could not be decided on: "+why, reasons...)
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

// maxIssuerName bounds the issuer names that tokens may bring in.
const maxIssuerName = 512

// admitAnyone makes a client for an issuer that nobody listed: for public names
// only, with a guarded HTTP client, and within the budget for new issuers.
func (s *Issuers) admitAnyone(issuer string) (*Client, error) {
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
	c, err := s.cfg.newClient(issuer, []ClientOption{atRunTime(), WithHTTPClient(s.cfg.guarded)})
	if err != nil {
		return nil, fault.Unavailable("no client for issuer " + show.Quote(issuer) + ": " + strings.ReplaceAll(bare(err), "\n", "; "))
	}
	c.public = true
	return s.admit(issuer, c, true)
}

// admit puts a client among the dynamic ones, unless the issuer has one already
// or the Issuers are closed, and retires the one that has to make room.
func (s *Issuers) admit(issuer string, c *Client, budgeted bool) (*Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, s.closedError()
	}
	if known, ok := s.dynamic.Get(issuer); ok {
		return known, nil
	}
	if now := s.clock.now(); budgeted {
		if !s.newIssuerBudget.Available(now) {
			left := s.newIssuerBudget.Next(now) // for a Retry-After
			return nil, fault.Unavailable("issuer "+show.Quote(issuer)+" is new, and the budget for new issuers is spent; one more in "+show.Round(left).String(),
				&FetchError{URL: issuer, RetryAfter: left, Err: errors.New("the budget for new issuers is spent")})
		}
		s.newIssuerBudget.Charge(now)
	}
	if s.dynamic.Len() == s.cfg.maxIssuers {
		if _, evicted, ok := s.dynamic.RemoveOldest(); ok {
			evicted.cache.retire()
			s.busy.Add(1)
			go s.awaitRetired(evicted)
		}
	}
	c.dynamic = true
	s.dynamic.Add(issuer, c)
	return c, nil
}

// awaitRetired waits until a retired client has closed, which it does after its
// last call or with the Issuers.
func (s *Issuers) awaitRetired(c *Client) {
	defer s.busy.Done()
	select {
	case <-c.cache.life.Done():
	case <-s.life.Done():
	}
	_ = c.Close() // always nil
}
