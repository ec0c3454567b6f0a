package jwks

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
)

// Issuers finds keys for the tokens of many issuers: given only a token, its
// "iss" says which client to ask, and the keys of one issuer never verify a
// token of another. It is a [KeySource]. Safe for concurrent use; without
// [Issuers.Run] it has no goroutine but for the time of a fetch or of a call
// of the [TrustIssuerFunc]. The zero value is not usable: see [NewIssuers].
type Issuers struct {
	cfg       *issuersConfig
	listed    map[string]*Client         // by issuer and alias, never evicted
	templates binding.Templates[*Client] // of them, the issuers with "{tenantid}"
	order     []*Client                  // as they were listed

	clock clock
	life  context.Context // ends with Close
	end   context.CancelFunc
	busy  sync.WaitGroup // goroutines of decisions and of evicted clients

	mu      sync.Mutex // everything below; never held across I/O or a callback
	closed  bool
	dynamic *lru.Cache[string, *Client] // nil unless issuers may come up at run time; reading it needs no lock
	asking  map[string]*call[*Client]   // calls of the TrustIssuerFunc, by issuer

	newIssuerBudget freshness.Bucket // under TrustAnyIssuer
}

// maxIssuerLength bounds the issuer names that anything looks at: they come
// from tokens that nobody has verified.
const maxIssuerLength = 2048

// Under TrustAnyIssuer a burst of new issuers and one more a second: forged
// tokens must not turn the service into a scanner.
const (
	newIssuersEvery = time.Second
	newIssuersBurst = 10
)

// NewIssuers makes a source for many issuers. At least one of [TrustIssuers],
// [TrustIssuer], [TrustIssuerFunc] and [TrustAnyIssuer] says whom to trust. It
// does no I/O and starts no goroutine. It reports every bad option at once,
// joined, each matching [ErrConfig].
func NewIssuers(opts ...IssuersOption) (*Issuers, error) {
	cfg, errs := newIssuersConfig(opts)
	s := &Issuers{
		cfg:    cfg,
		listed: make(map[string]*Client, len(cfg.trusted)),
		clock:  newClock(),
		asking: make(map[string]*call[*Client]),

		newIssuerBudget: freshness.NewBucket(newIssuersEvery, newIssuersBurst),
	}
	for _, trusted := range cfg.trusted {
		if err := s.list(trusted); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(distinct(errs)...)
	}
	if cfg.dynamic() {
		s.dynamic, _ = lru.New[string, *Client](cfg.maxIssuers) // fails for sizes below 1 only
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// list makes the client of a listed issuer and files it under all its names.
func (s *Issuers) list(trusted trustedIssuer) error {
	if len(trusted.issuer) > maxIssuerLength {
		return configError("TrustIssuer", "%s is longer than %d bytes", show.Quote(trusted.issuer), maxIssuerLength)
	}
	if s.listed[trusted.issuer] != nil {
		return configError("TrustIssuer", "%s is listed twice, as an issuer or as an alias of one", show.Quote(trusted.issuer))
	}
	c, err := s.cfg.newClient(trusted.issuer, trusted.opts)
	if err != nil {
		return err
	}
	for _, alias := range c.cfg.aliases {
		if other := s.listed[alias]; other != nil && other != c {
			return configError("WithIssuerAliases", "%s is listed already: %s and %s would share the name",
				show.Quote(alias), show.Quote(other.cfg.issuer), show.Quote(trusted.issuer))
		}
		s.listed[alias] = c
	}
	s.listed[trusted.issuer] = c
	s.order = append(s.order, c)
	if binding.IsTemplate(trusted.issuer) {
		s.templates.Add(trusted.issuer, c)
	}
	return nil
}

// Client returns the client of one issuer: for its [Client.Metadata], its
// [Client.Status] or a [Client.Refresh]. A client that [TrustIssuerFunc] or
// [TrustAnyIssuer] led to is closed when [WithMaxIssuers] evicts it, as soon
// as no call of it is under way: ask for it anew rather than keep it. The
// client of a listed issuer with "{tenantid}" is found by that name and by
// those of its tenants.
//
// Errors: [ErrIssuerNotTrusted], before any I/O; [ErrUnavailable] when it
// could not be decided; [ErrClosed].
func (s *Issuers) Client(ctx context.Context, issuer string) (*Client, error) {
	if s.life.Err() != nil {
		return nil, s.closedError()
	}
	if len(issuer) > maxIssuerLength {
		return nil, notTrusted(issuer)
	}
	if c := s.listed[issuer]; c != nil {
		return c, nil
	}
	if c := s.templates.Find(issuer, allowsTenant); c != nil {
		return c, nil
	}
	if s.dynamic == nil {
		return nil, s.notListed(issuer)
	}
	if c, ok := s.dynamic.Get(issuer); ok {
		return c, nil
	}
	if issuer == "" || binding.IsTemplate(issuer) {
		return nil, notTrusted(issuer)
	}
	issuer = strings.Clone(issuer) // or it would keep its token in memory
	if s.cfg.anyIssuer {
		return s.admitAnyone(issuer)
	}
	return s.askTrustFunc(ctx, issuer)
}

// allowsTenant says whether a template's client is for this tenant.
func allowsTenant(c *Client, tenant string) bool { return c.cache.cfg.binding.Allows(tenant) }

func notTrusted(issuer string) error {
	if issuer == "" {
		return fault.Invalid("iss claim is missing, and no issuer can be trusted without it", ErrIssuerNotTrusted, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing)
	}
	return notTrustedBecause(issuer, "", nil)
}

// notListed is notTrusted where only the list decides. It names the listed
// issuer that people take for this one.
func (s *Issuers) notListed(issuer string) error {
	swapped := strings.Replace(issuer, "http://", "https://", 1)
	if strings.HasPrefix(issuer, "https://") {
		swapped = strings.Replace(issuer, "https://", "http://", 1)
	}
	for _, near := range []string{strings.TrimSuffix(issuer, "/"), issuer + "/", swapped, strings.TrimSuffix(swapped, "/"), swapped + "/", strings.ToLower(issuer)} {
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

func (s *Issuers) closedError() error { return fault.Unavailable("the issuers were closed", ErrClosed) }

// SigningKeys implements [KeySource]: the keys of the token's issuer that may
// have signed it. An issuer that is not trusted is refused before any I/O.
//
// Errors: [ErrIssuerNotTrusted], and those of [Client.SigningKeys].
func (s *Issuers) SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error) {
	if len(issuer) > maxIssuerLength || binding.IsTemplate(issuer) { // a template stands for others and issues nothing itself
		return nil, notTrusted(issuer)
	}
	if c := s.listed[issuer]; c != nil {
		return c.SigningKeys(ctx, h, issuer)
	}
	c, err := s.Client(ctx, issuer)
	if err != nil {
		return nil, err
	}
	keys, err := c.SigningKeys(ctx, h, issuer)
	if c.dynamic && errors.Is(err, ErrClosed) {
		// It was evicted after we found it. The next one is held.
		if c, err = s.hold(ctx, issuer); err != nil {
			return nil, err
		}
		keys, err = c.SigningKeys(ctx, h, issuer)
		c.cache.leave()
	}
	if err != nil {
		return nil, explainDialError(c, issuer, err)
	}
	return keys, nil
}

// hold finds a client and counts a call of it, so that it is not closed before
// leave.
func (s *Issuers) hold(ctx context.Context, issuer string) (*Client, error) {
	for {
		c, err := s.Client(ctx, issuer)
		if err != nil || c.cache.enter() {
			return c, err
		}
		// It was evicted, or closed by a caller of Client: it must not be found again.
		s.mu.Lock()
		if known, ok := s.dynamic.Peek(issuer); ok && known == c {
			s.dynamic.Remove(issuer)
		}
		s.mu.Unlock()
	}
}

// explainDialError turns a refusal to dial into what it says of the issuer.
func explainDialError(c *Client, issuer string, err error) error {
	if c.public && (errors.Is(err, publicnet.ErrNotPublic) || publicnet.IsNotFound(err)) {
		return notTrustedBecause(issuer, "it leads to an address that is not public", nil)
	}
	return err
}

// recheck implements rechecker.
func (s *Issuers) recheck(ctx context.Context, h Header, issuer string, tried []*Key, since order) ([]*Key, error) {
	c, err := s.Client(ctx, issuer)
	if err != nil {
		return nil, nil
	}
	return c.recheck(ctx, h, issuer, tried, since)
}

// bindsIssuer implements issuerBinder.
func (s *Issuers) bindsIssuer() bool { return true }

// KeyForToken finds the key of a token from the token alone, as
// [Client.KeyForToken] does for one issuer. Errors as there, and
// [ErrIssuerNotTrusted].
func (s *Issuers) KeyForToken(ctx context.Context, token string) (*Key, error) {
	return keyForToken(ctx, s, token)
}

// Keyfunc is for [jwt.Parse], as [Client.Keyfunc] is for one issuer.
func (s *Issuers) Keyfunc(t *jwt.Token) (any, error) {
	return keysForParsed(context.Background(), s, t)
}

// KeyfuncCtx is [Issuers.Keyfunc] under a context of the caller's.
func (s *Issuers) KeyfuncCtx(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) { return keysForParsed(ctx, s, t) }
}

// Ready loads the keys of every listed issuer, side by side, and returns what
// went wrong in one error, which matches [ErrUnavailable] and whatever the
// error of each issuer does; nil once all have a usable set.
func (s *Issuers) Ready(ctx context.Context) error {
	if s.life.Err() != nil {
		return s.closedError()
	}
	errs := make([]error, len(s.order))
	var g errgroup.Group
	for i, c := range s.order {
		g.Go(func() error {
			errs[i] = c.Ready(ctx)
			return nil
		})
	}
	_ = g.Wait() // each error has its place in errs
	var failed fault.Problems
	for _, err := range errs {
		if err != nil {
			failed.Add(bare(err), err)
		}
	}
	if failed.Texts == nil {
		return nil
	}
	shown := failed.Texts[:min(len(failed.Texts), show.MaxListed)]
	if more := len(failed.Texts) - len(shown); more > 0 {
		shown = append(shown[:show.MaxListed:show.MaxListed], "and "+strconv.Itoa(more)+" more")
	}
	return fault.Unavailable(strings.Join(shown, "; "), failed.Reasons...)
}

// Run keeps the keys of every listed issuer warm, as [Client.Run] does for
// one. It blocks until ctx ends and returns ctx.Err(), or [ErrClosed] when it
// is closed first. Issuers that came up at run time are refreshed by traffic.
func (s *Issuers) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, c := range s.order {
		g.Go(func() error { return c.Run(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-s.life.Done():
	}
	_ = g.Wait() // they end for the same reasons
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.closedError()
}

// Status tells the status of every client: the listed issuers in their order,
// then those that came up at run time. It never blocks.
func (s *Issuers) Status() []Status {
	var all []Status
	for _, c := range s.order {
		all = append(all, c.Status())
	}
	if s.dynamic != nil {
		for _, c := range s.dynamic.Values() {
			all = append(all, c.Status())
		}
	}
	return all
}

// Close closes every client, waits for fetches in flight and for calls of the
// [TrustIssuerFunc], whose context ends, and returns nil. It is idempotent;
// later calls give [ErrClosed].
func (s *Issuers) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	for _, c := range s.order {
		_ = c.Close() // always nil
	}
	s.busy.Wait()
	if s.dynamic != nil {
		for _, c := range s.dynamic.Values() {
			_ = c.Close() // always nil
		}
		s.dynamic.Purge()
	}
	return nil
}
