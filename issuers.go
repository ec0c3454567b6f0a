package jwks

import (
	"context"
	"errors"
	"net/http"
	"slices"
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
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/tenants"
)

// Issuers finds keys for the tokens of many issuers: the token's "iss" says which
// client to ask, and one issuer's keys never verify another issuer's tokens. It is a
// [KeySource], and safe for concurrent use. Without [Issuers.Run] it has a goroutine
// only during a fetch or a call of the [TrustIssuerFunc]. The zero value is not usable:
// see [NewIssuers].
type Issuers struct {
	cfg       *issuersConfig
	listed    map[string]*Client         // by issuer and alias, never evicted
	templates binding.Templates[*Client] // of them, the issuers with "{tenantid}"
	order     []*Client                  // as they were listed

	clock clock
	life  context.Context // ends with Close
	end   context.CancelFunc
	busy  sync.WaitGroup // goroutines of decisions and of evicted clients

	roster *tenants.Roster[*tenant] // nil unless issuers may be accepted at run time

	mu        sync.Mutex // everything below, and changes of the roster; never held across I/O or a callback
	closed    bool
	leftovers *lru.Cache[string, *leftover] // what the caches of the latest that had to leave had
	leaving   []*tenant                     // who had to leave; see unlock
	retiring  map[string]*tenant            // those whose clients have not closed yet
	evicted   struct {                      // for the log
		untold int
		tellAt freshness.Moment
	}
	asking    map[string]*question // calls of the TrustIssuerFunc, by issuer
	askingNew int                  // those about issuers that are not known, and those that were forgotten
	overdue   int                  // those that nobody waits for any more
	refusals  *tenants.Refusals    // its latest nos
}

// maxWarmUps bounds the issuers that Ready works on at a time.
const maxWarmUps = 32

// maxIssuerLength bounds the issuer names that anything looks at: they come
// from tokens that nobody has verified.
const maxIssuerLength = 2048

// NewIssuers makes a source for many issuers. At least one of [TrustIssuers],
// [TrustIssuer], [TrustIssuerFunc] and [TrustAnyIssuer] must say whom to trust. It
// does no I/O and starts no goroutine. It reports every bad option at once,
// joined, each matching [ErrConfig].
func NewIssuers(opts ...IssuersOption) (*Issuers, error) {
	cfg, errs := newIssuersConfig(opts)
	s := &Issuers{
		cfg:    cfg,
		listed: make(map[string]*Client, len(cfg.trusted)),
		clock:  newClock(),
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
		newcomers := tenants.NewcomerBudget(cfg.maxIssuers)
		if cfg.anyIssuer {
			newcomers = tenants.ScannerBudget()
		}
		s.roster = tenants.NewRoster[*tenant](cfg.maxIssuers, newcomers)
		s.leftovers, _ = lru.New[string, *leftover](max(cfg.maxIssuers, 16)) // fails for sizes below 1 only
		s.retiring = make(map[string]*tenant)
		s.asking, s.refusals = make(map[string]*question), tenants.NewRefusals()
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// list makes the client of a listed issuer and files it under all its names.
func (s *Issuers) list(trusted trustedIssuer) error {
	if len(trusted.issuer) > maxIssuerLength {
		return configError("TrustIssuer", "%s is longer than %d bytes", show.QuotePlace(trusted.issuer), maxIssuerLength)
	}
	if s.listed[trusted.issuer] != nil {
		return configError("TrustIssuer", "%s is listed twice, as an issuer or as an alias of one", show.QuotePlace(trusted.issuer))
	}
	c, err := s.cfg.newClient(trusted.issuer, trusted.opts)
	if err != nil {
		return err
	}
	for _, alias := range c.cfg.aliases {
		if other := s.listed[alias]; other != nil && other != c {
			return configError("WithIssuerAliases", "%s is listed already: %s and %s would share the name",
				show.QuotePlace(alias), show.QuotePlace(other.cfg.issuer), show.QuotePlace(trusted.issuer))
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
// [Client.Status] or a [Client.Refresh]. The client of an issuer accepted by
// [TrustIssuerFunc] or [TrustAnyIssuer] is closed when [WithMaxIssuers] evicts it, as
// soon as no call of it is under way: do not keep it, ask for it each time. The
// client of a listed issuer with "{tenantid}" is found by that name and by
// those of its tenants.
//
// Errors: [ErrIssuerNotTrusted], without a request to the issuer; [ErrUnavailable] if
// trust could not be decided; [ErrClosed].
func (s *Issuers) Client(ctx context.Context, issuer string) (*Client, error) {
	c, _, err := s.find(ctx, issuer, false)
	return c, err
}

// find returns the client of an issuer and, if that was accepted at run time, what
// it is among those. onTrial is for callers that report whether a token verified.
func (s *Issuers) find(ctx context.Context, issuer string, onTrial bool) (*Client, *tenant, error) {
	if s.life.Err() != nil {
		return nil, nil, s.closedError()
	}
	if len(issuer) > maxIssuerLength {
		return nil, nil, notTrusted(issuer)
	}
	if c := s.findListed(issuer); c != nil {
		return c, nil, nil
	}
	if s.roster == nil {
		return nil, nil, s.notListed(issuer)
	}
	if issuer == "" || binding.IsTemplate(issuer) {
		return nil, nil, notTrusted(issuer)
	}
	t, err := s.findTenant(ctx, issuer, onTrial)
	if err != nil {
		return nil, nil, err
	}
	return t.client, t, nil
}

// findListed returns the client of a listed issuer, by any of its names or as a
// tenant of a template.
func (s *Issuers) findListed(issuer string) *Client {
	if c := s.listed[issuer]; c != nil {
		return c
	}
	return s.templates.Find(issuer, allowsTenant)
}

// allowsTenant says whether a template's client is for this tenant.
func allowsTenant(c *Client, tenant string) bool { return c.cache.cfg.binding.Allows(tenant) }

func (s *Issuers) closedError() error { return fault.Unavailable("the issuers were closed", ErrClosed) }

// SigningKeys implements [KeySource]: the keys of the token's issuer that may
// have signed it. An issuer that is not trusted is refused before any I/O.
// Whether the token then verifies is not known here, so an issuer that was accepted
// at run time counts as in use: see [WithMaxIssuers].
//
// Errors: [ErrIssuerNotTrusted], and those of [Client.SigningKeys].
func (s *Issuers) SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error) {
	return s.signingKeys(ctx, h, issuer, false)
}

func (s *Issuers) signingKeys(ctx context.Context, h Header, issuer string, onTrial bool) ([]*Key, error) {
	if binding.IsTemplate(issuer) { // it stands for others and issues nothing itself
		return nil, notTrusted(issuer)
	}
	c, t, err := s.find(ctx, issuer, onTrial)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return c.SigningKeys(ctx, h, issuer)
	}
	keys, err := t.signingKeys(ctx, h)
	for errors.Is(err, ErrClosed) && t.client.cache.hasClosed() {
		// It was evicted or forgotten since. The next one is held; see hold.
		if t, err = s.hold(ctx, issuer, onTrial); err != nil {
			return nil, err
		}
		keys, err = t.signingKeys(ctx, h)
		t.client.cache.leave()
	}
	if err != nil {
		return nil, t.explainDialError(err)
	}
	return keys, nil
}

// hold finds the client of an issuer accepted at run time and counts a call
// of it, so that it is not closed before leave.
func (s *Issuers) hold(ctx context.Context, issuer string, onTrial bool) (*tenant, error) {
	for {
		_, t, err := s.find(ctx, issuer, onTrial)
		if err != nil || t.client.cache.enter() {
			return t, err
		}
		// It was evicted, or closed by a caller of Client: it must not be found again.
		s.drop(t)
	}
}

// recheck implements rechecker.
func (s *Issuers) recheck(ctx context.Context, h Header, issuer string, tried []*Key, since order) ([]*Key, error) {
	c, _, err := s.find(ctx, issuer, true)
	if err != nil {
		return nil, nil
	}
	return c.recheck(ctx, h, issuer, tried, since)
}

// bindsIssuer implements issuerBinder.
func (s *Issuers) bindsIssuer() bool { return true }

// KeyForToken finds the key of a token from the token alone, as
// [Client.KeyForToken] does for one issuer. Errors are as for that, and
// [ErrIssuerNotTrusted].
func (s *Issuers) KeyForToken(ctx context.Context, token string) (*Key, error) {
	return keyForToken(ctx, s, token)
}

// Keyfunc is for [jwt.Parse], as [Client.Keyfunc] is for one issuer.
func (s *Issuers) Keyfunc(t *jwt.Token) (any, error) {
	return keysForParsed(context.Background(), s, t)
}

// KeyfuncCtx is [Issuers.Keyfunc] with the caller's context.
func (s *Issuers) KeyfuncCtx(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) { return keysForParsed(ctx, s, t) }
}

// Ready loads the keys of every listed issuer, at most 32 at a time. It returns nil
// once all have a usable set. Otherwise its error names the issuers that failed, and
// matches [ErrUnavailable] and everything that their errors match.
func (s *Issuers) Ready(ctx context.Context) error {
	if s.life.Err() != nil {
		return s.closedError()
	}
	errs := make([]error, len(s.order))
	var g errgroup.Group
	g.SetLimit(maxWarmUps)
	for i, c := range s.order {
		g.Go(func() error {
			errs[i] = c.Ready(ctx)
			return nil
		})
	}
	_ = g.Wait() // each error has its place in errs
	var failed fault.Problems
	for i, err := range errs {
		if err != nil {
			failed.Add(show.QuotePlace(s.order[i].cfg.issuer)+": "+bare(err), err)
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

// Run keeps the keys of every listed issuer fresh, as [Client.Run] does for
// one. It blocks until ctx ends and returns ctx.Err(), or [ErrClosed] if the Issuers
// are closed first. Issuers accepted at run time are refreshed by traffic only.
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

// Status returns the status of every client: the listed issuers in their order,
// then those that were accepted at run time and are in use. It never blocks.
func (s *Issuers) Status() []Status {
	var all []Status
	for _, c := range s.order {
		all = append(all, c.Status())
	}
	if s.roster != nil {
		for _, t := range s.roster.Settled() {
			all = append(all, t.client.Status())
		}
	}
	return all
}

// Close closes every client, waits for fetches under way and for calls of the
// [TrustIssuerFunc], whose context ends, and returns nil. A call that ignores
// its context is abandoned after its 15 s. Close is idempotent; later lookups
// return [ErrClosed].
func (s *Issuers) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	for _, c := range s.order {
		_ = c.Close() // always nil
	}
	s.busy.Wait()
	if s.roster != nil {
		for _, t := range s.roster.All() {
			_ = t.client.Close() // always nil
			s.roster.Remove(t.name)
		}
	}
	return nil
}

// defaultMaxIssuers bounds the issuers that are accepted at run time.
const defaultMaxIssuers = 1000

// defaultDecisionTTL is how long an answer of the TrustIssuerFunc holds.
const defaultDecisionTTL = 15 * time.Minute

// issuersConfig is what the options of [Issuers] amount to.
type issuersConfig struct {
	trusted    []trustedIssuer
	trustFunc  func(ctx context.Context, issuer string) ([]ClientOption, error)
	anyIssuer  bool
	guarded    *http.Client // for anyIssuer
	common     []ClientOption
	maxIssuers int

	decisionTTL time.Duration
}

type trustedIssuer struct {
	issuer string
	opts   []ClientOption
}

func newIssuersConfig(opts []IssuersOption) (*issuersConfig, []error) {
	cfg := &issuersConfig{maxIssuers: defaultMaxIssuers, decisionTTL: defaultDecisionTTL}
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
		errs = append(errs, common.checkForAnyone()...)
		c.guarded = guardedClient(common)
	}
	return errs
}

// dynamic says that issuers may be accepted at run time.
func (c *issuersConfig) dynamic() bool { return c.trustFunc != nil || c.anyIssuer }

// newClient makes the client of one issuer. It refuses options that lead to
// another one than that.
func (c *issuersConfig) newClient(issuer string, extra []ClientOption) (*Client, error) {
	client, err := NewClient(c.clientOptions(issuer, extra)...)
	if err != nil {
		return nil, err
	}
	if actual := client.cfg.issuer; actual != issuer && !binding.Fits(actual, issuer) && !slices.Contains(client.cfg.aliases, issuer) {
		return nil, configError("TrustIssuer", "the options for %s contain WithIssuer(%s)", show.QuotePlace(issuer), show.QuotePlace(actual))
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
