package jwks

import (
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/show"
)

// clientConfig is what the options of a [Client] amount to.
type clientConfig struct {
	issuer, jwksURL, discoveryURL, discoveryPath string
	aliases                                      []string // other names of the issuer in tokens
	seed                                         *KeySet
	hasSource                                    bool            // one of them was given, even a bad one
	tenants                                      map[string]bool // nil and tenantsSet: any
	tenantsSet                                   bool
	localRewrite                                 bool
	uses                                         []string // of keys that sign; nil: the default

	httpClient  *http.Client
	header      http.Header
	timeout     time.Duration
	retries     int
	maxDocument int64
	insecure    bool
	publicOnly  bool

	ttl          time.Duration
	ttlSet       bool
	minTTL       time.Duration
	noCache      bool
	refreshAhead float64
	maxStale     time.Duration
	retention    time.Duration
	limitEvery   time.Duration
	limitBurst   int
	keyCache     int

	logger   *slog.Logger
	observer func(Event)

	accelerator Accelerator
}

// newClientConfig applies the options and returns every problem at once.
func newClientConfig(opts []ClientOption) (*clientConfig, []error) {
	c := &clientConfig{
		header:       http.Header{},
		timeout:      defaultTimeout,
		retries:      defaultRetries,
		maxDocument:  defaultMaxDocument,
		ttl:          defaultTTL,
		minTTL:       defaultMinTTL,
		refreshAhead: defaultRefreshAhead,
		maxStale:     defaultMaxStale,
		limitEvery:   defaultLimitEvery,
		limitBurst:   defaultLimitBurst,
		keyCache:     defaultKeyCache,
	}
	var errs []error
	for _, o := range opts {
		if isNil(o) {
			errs = append(errs, configError("NewClient", "an option is nil"))
		} else if err := o.applyClient(c); err != nil {
			errs = append(errs, err)
		}
	}
	return c, append(errs, c.check()...)
}

// check checks what needs all options to be known.
func (c *clientConfig) check() []error {
	errs := c.checkURLs()
	if !c.hasSource {
		errs = append(errs, configError("NewClient", "no source: want WithIssuer, WithJWKSURL, WithDiscoveryURL or WithKeySet"))
	}
	if c.noCache && c.ttlSet {
		errs = append(errs, configError("WithoutCache", "contradicts WithTTL"))
	}
	if len(c.aliases) > 0 && c.issuer == "" && !c.discovers() {
		errs = append(errs, configError("WithIssuerAliases", "there is no issuer that they stand for: say WithIssuer"))
	}
	switch {
	case c.issuer == "" && c.tenantsSet && !c.discovers():
		errs = append(errs, configError("WithTenants", "there is no issuer to fill in: say WithIssuer"))
	case c.issuer == "":
	case strings.Contains(c.issuer, "?") && c.discoversFromIssuer():
		errs = append(errs, configError("WithIssuer", "%s has a query, so discovery cannot append its path", show.QuoteURL(c.issuer)))
	case binding.IsTemplate(c.issuer) && !c.tenantsSet:
		errs = append(errs, configError("WithIssuer", "%s stands for many tenants: name them with WithTenants(id, …), or allow any with WithTenants()", show.Quote(c.issuer)))
	case !binding.IsTemplate(c.issuer) && c.tenantsSet:
		errs = append(errs, configError("WithTenants", "the issuer %s has no %s to fill in", show.Quote(c.issuer), binding.Placeholder))
	}
	return errs
}

// checkURLs checks what will be fetched, and an issuer where it is discovered.
func (c *clientConfig) checkURLs() []error {
	var errs []error
	if c.issuer != "" && c.discoversFromIssuer() {
		if _, err := fetch.CheckURL(c.issuer, c.insecure); err != nil {
			errs = append(errs, configError("WithIssuer", "%v; only where nothing is discovered may it be any name", err))
		}
	}
	for _, given := range [...]struct{ option, url string }{{"WithJWKSURL", c.jwksURL}, {"WithDiscoveryURL", c.discoveryURL}} {
		if given.url == "" {
			continue
		}
		if _, err := fetch.CheckURL(given.url, c.insecure); err != nil {
			errs = append(errs, configError(given.option, "%v", err))
		}
	}
	return errs
}

// static says that there is nowhere to fetch from.
func (c *clientConfig) static() bool {
	return c.jwksURL == "" && !c.discovers()
}

// discovers says whether the key set's URL comes from a discovery document.
func (c *clientConfig) discovers() bool {
	return c.jwksURL == "" && (c.discoveryURL != "" || c.discoversFromIssuer())
}

// discoversFromIssuer says whether the issuer is where the discovery document
// is looked for. One that is just a name cannot be: beside a key set alone, it
// makes a static client.
func (c *clientConfig) discoversFromIssuer() bool {
	return c.jwksURL == "" && c.discoveryURL == "" && c.issuer != "" && (c.seed == nil || isWeb(c.issuer))
}

// headerHosts are the hosts that configured headers may go to: those that the
// configuration names. Never nil.
func (c *clientConfig) headerHosts() []string {
	hosts := []string{}
	for _, named := range []string{c.issuer, c.discoveryURL, c.jwksURL} {
		if u, err := url.Parse(named); err == nil && isWeb(named) {
			hosts = append(hosts, fetch.HeaderHostOf(u))
		}
	}
	return hosts
}

// deadline is how long one refresh may take: long enough for one attempt at
// each of its documents.
func (c *clientConfig) deadline() time.Duration {
	if c.discovers() && c.timeout <= math.MaxInt64/2 {
		return max(freshness.FetchDeadline, 2*c.timeout)
	}
	return max(freshness.FetchDeadline, c.timeout)
}

// cache is the part that the cache needs.
func (c *clientConfig) cache() cacheConfig {
	return cacheConfig{
		policy: freshness.Config{
			TTL:          c.ttl,
			MinTTL:       c.minTTL,
			RefreshAhead: c.refreshAhead,
			MaxStale:     c.maxStale,
			Deadline:     c.deadline(),
			NoCache:      c.noCache,
			Static:       c.static(),
			LimitEvery:   c.limitEvery,
			LimitBurst:   c.limitBurst,
			MissingKeys:  c.keyCache,
		},
		retention: c.retention,
		deadline:  c.deadline(),
		jwksURL:   c.jwksURL,
		binding:   binding.New(c.issuer, c.tenants, c.aliases...),
		logger:    c.logger,
		observer:  c.observer,
	}
}

// bindsIssuer says whether the keys will be bound to an issuer.
func (c *clientConfig) bindsIssuer() bool {
	return c.issuer != "" || c.discovers() && c.seed == nil // a seed comes before the document that names the issuer
}
