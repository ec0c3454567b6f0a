package jwks

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/show"
)

// Defaults of a [Client]. Each option's comment repeats its own.
const (
	defaultTTL          = 15 * time.Minute
	defaultMinTTL       = time.Minute
	defaultRefreshAhead = 0.8
	defaultMaxStale     = time.Hour
	defaultLimitEvery   = 30 * time.Second
	defaultLimitBurst   = 5
	defaultKeyCache     = 1024
	defaultTimeout      = 5 * time.Second
	defaultRetries      = 2
	defaultMaxDocument  = 1 << 20
)

// clientConfig is what the options of a [Client] amount to.
type clientConfig struct {
	issuer, jwksURL, discoveryURL, discoveryPath string
	keyFile                                      string
	aliases                                      []string // other names of the issuer in tokens
	seed                                         *KeySet
	tenants                                      map[string]bool // nil and tenantsSet: any
	uses                                         []string        // of keys that sign; nil: the default

	httpClient  *http.Client
	tls         *tls.Config
	headers     []header
	headerHosts []headerHost
	timeout     time.Duration
	retries     int
	maxDocument int64

	ttl          time.Duration
	minTTL       time.Duration
	refreshAhead float64
	maxStale     time.Duration
	retention    time.Duration
	limitEvery   time.Duration
	limitBurst   int
	keyCache     int

	logger   *slog.Logger
	observer func(Event)

	accelerator Accelerator
	store       *storeConfig // nil: none

	said map[string]uint8 // the list of each option that has rivals
	list uint8            // that the options at hand are of: 0, or 1 for those that come after [ownOptions]

	// Side by side, because a service may have many clients.
	hasSource     bool // an option named a source, even a bad one
	tenantsSet    bool
	localRewrite  bool
	insecure      bool
	publicOnly    bool
	noCache       bool
	cameAtRunTime bool // the issuer is one that nobody listed
}

// newClientConfig applies the options and returns every problem at once.
func newClientConfig(opts []ClientOption) (*clientConfig, []error) {
	c := &clientConfig{
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
	errs := append(c.settleRivals(), c.checkURLs()...)
	if err := c.checkStore(); err != nil {
		errs = append(errs, err)
	}
	if !c.hasSource {
		errs = append(errs, configError("NewClient", "no source: want WithIssuer, WithJWKSURL, WithDiscoveryURL, WithKeyFile or WithKeySet"))
	}
	if len(c.aliases) > 0 && c.issuer == "" && !c.discovers() {
		errs = append(errs, configError("WithIssuerAliases", "there is no issuer that they stand for: use WithIssuer"))
	}
	switch {
	case c.issuer == "" && c.tenantsSet && !c.discovers():
		errs = append(errs, configError("WithTenants", "there is no issuer to fill in: use WithIssuer"))
	case c.issuer == "":
	case strings.Contains(c.issuer, "?") && c.discoversFromIssuer():
		errs = append(errs, configError("WithIssuer", "%s has a query, so discovery cannot append its path", show.QuotePlace(c.issuer)))
	case binding.IsTemplate(c.issuer) && !c.tenantsSet:
		errs = append(errs, configError("WithIssuer", "%s stands for many tenants: name them with WithTenants(id, …), or allow any with WithTenants()", show.Own(c.issuer)))
	case !binding.IsTemplate(c.issuer) && c.tenantsSet:
		errs = append(errs, configError("WithTenants", "the issuer %s has no %s to fill in", show.Own(c.issuer), binding.Placeholder))
	}
	return errs
}

// checkURLs checks what will be fetched, and an issuer where it is discovered.
func (c *clientConfig) checkURLs() []error {
	var errs []error
	if c.issuer != "" && c.discoversFromIssuer() {
		if hasPlaceholder(c.issuer) {
			errs = append(errs, placeholderError("WithIssuer", c.issuer))
		} else if err := fetch.CheckOwnURL(c.issuer, c.insecure); err != nil {
			errs = append(errs, configError("WithIssuer", "%v; only where nothing is discovered may it be any name", err))
		}
	}
	for _, given := range [...]struct{ option, url string }{{"WithJWKSURL", c.jwksURL}, {"WithDiscoveryURL", c.discoveryURL}} {
		if given.url == "" {
			continue
		}
		if hasPlaceholder(given.url) {
			errs = append(errs, placeholderError(given.option, given.url))
			continue
		}
		if err := fetch.CheckOwnURL(given.url, c.insecure); err != nil {
			errs = append(errs, configError(given.option, "%v", err))
		}
	}
	return errs
}

// hasPlaceholder says that a URL was copied from a documentation and not filled
// in: no URL has these characters as they stand (RFC 3986 section 2).
func hasPlaceholder(url string) bool {
	return strings.ContainsAny(url, "{}<>") && !binding.IsTemplate(url)
}

func placeholderError(option, url string) error {
	place, _, _ := strings.Cut(url, "?") // as it stands: braces would be escaped
	return configError(option, "%s has a placeholder that was not filled in", show.Own(place[strings.LastIndexByte(place, '@')+1:]))
}

// static says that there is nowhere to fetch from.
func (c *clientConfig) static() bool {
	return c.jwksURL == "" && c.keyFile == "" && !c.discovers()
}

// discovers says whether the key set's URL comes from a discovery document.
func (c *clientConfig) discovers() bool {
	return c.jwksURL == "" && c.keyFile == "" && (c.discoveryURL != "" || c.discoversFromIssuer())
}

// discoversFromIssuer says whether the issuer is where the discovery document
// is looked for. One that is just a name cannot be: beside a key set alone, it
// makes a static client.
func (c *clientConfig) discoversFromIssuer() bool {
	return c.jwksURL == "" && c.keyFile == "" && c.discoveryURL == "" && c.issuer != "" && (c.seed == nil || isWeb(c.issuer))
}

// deadline is how long one refresh may take: long enough for one attempt at
// each of its documents.
func (c *clientConfig) deadline() time.Duration {
	if c.discovers() && c.timeout <= math.MaxInt64/2 {
		return max(freshness.FetchDeadline, 2*c.timeout)
	}
	return max(freshness.FetchDeadline, c.timeout)
}

// policy is the part that the cache's policy needs.
func (c *clientConfig) policy() freshness.Config {
	return freshness.Config{
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
	}
}

// cache is the part that the cache needs.
func (c *clientConfig) cache() cacheConfig {
	return cacheConfig{
		retention: c.retention,
		deadline:  c.deadline(),
		jwksURL:   show.WholeURL(cmp.Or(c.jwksURL, c.keyFile)),
		binding:   binding.New(c.issuer, c.tenants, c.aliases...),
	}
}

// bindsIssuer says whether the keys will be bound to an issuer.
func (c *clientConfig) bindsIssuer() bool {
	return c.issuer != "" || c.discovers() && c.seed == nil // a seed comes before the document that names the issuer
}

// ownOptions stands between the options for all issuers and those of one, which
// win over the former where both cannot hold.
func ownOptions() ClientOption {
	return clientOption(func(c *clientConfig) error { c.list++; return nil })
}

// say notes that an option with rivals was given.
func (c *clientConfig) say(option string) {
	if c.said == nil {
		c.said = make(map[string]uint8)
	}
	c.said[option] = c.list
}

// rivals are pairs of options that cannot both hold, each with what takes it
// back.
var rivals = []struct {
	a, b               string
	withoutA, withoutB func(*clientConfig)
}{
	{"WithoutCache", "WithTTL",
		func(c *clientConfig) { c.noCache = false },
		func(c *clientConfig) { c.ttl = defaultTTL }},
	{"WithTLSConfig", "WithHTTPClient",
		func(c *clientConfig) { c.tls = nil },
		func(c *clientConfig) { c.httpClient = nil }},
	{"WithKeyFile", "WithJWKSURL",
		func(c *clientConfig) { c.keyFile = "" },
		func(c *clientConfig) { c.jwksURL = "" }},
	{"WithKeyFile", "WithDiscoveryURL",
		func(c *clientConfig) { c.keyFile = "" },
		func(c *clientConfig) { c.discoveryURL = "" }},
	{"WithStore", "WithoutCache",
		func(c *clientConfig) { c.store = nil },
		func(c *clientConfig) { c.noCache = false }},
	{"WithStore", "WithKeyFile",
		func(c *clientConfig) { c.store = nil },
		func(c *clientConfig) { c.keyFile = "" }},
}

// settleRivals refuses rivals in one list of options. Of rivals in two lists
// the later one holds.
func (c *clientConfig) settleRivals() []error {
	var errs []error
	for _, r := range rivals {
		a, saidA := c.said[r.a]
		b, saidB := c.said[r.b]
		switch {
		case !saidA || !saidB:
		case a == b:
			errs = append(errs, configError(r.a, "contradicts %s", r.b))
		case a < b:
			r.withoutA(c)
		default:
			r.withoutB(c)
		}
	}
	c.said = nil
	return errs
}

// header is a header field of the configuration: with a value, or with a
// function for it.
type header struct {
	name, value string
	f           func(context.Context) (string, error)
	list        uint8 // that it was in
}

// headerHost is a host that header fields may go to.
type headerHost struct {
	host string
	list uint8
}

// headerGroups sorts the configured headers by where they may go. Those that
// are common to all issuers may go to a host that nobody listed only if it was
// named for them.
func (c *clientConfig) headerGroups() []fetch.HeaderGroup {
	if len(c.headers) == 0 {
		return nil
	}
	named := []string{} // not nil, which would be any host
	for _, place := range []string{c.issuer, c.discoveryURL, c.jwksURL} {
		if u, err := url.Parse(place); err == nil && isWeb(place) {
			named = append(named, fetch.HeaderHostOf(u))
		}
	}
	common := []string{}
	for _, h := range c.headerHosts {
		named = append(named, h.host)
		if h.list == 0 {
			common = append(common, h.host)
		}
	}
	groups := []fetch.HeaderGroup{{Header: http.Header{}, Hosts: common}, {Header: http.Header{}, Hosts: named}}
	for _, h := range c.headers {
		g := &groups[1]
		if c.cameAtRunTime && h.list == 0 {
			g = &groups[0]
		}
		if h.f != nil {
			g.Funcs = append(g.Funcs, fetch.HeaderFunc{Name: h.name, Value: h.f})
		} else {
			g.Header.Add(h.name, h.value)
		}
	}
	return groups
}

// sendsSecrets says whether there are headers that must not go everywhere.
func (c *clientConfig) sendsSecrets() bool {
	return slices.ContainsFunc(c.headers, func(h header) bool { return !fetch.IsPublicHeader(h.name) })
}

// Kinds of options.

func sourceOption(option, value string, set func(*clientConfig)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.hasSource = true
		c.say(option)
		return nonEmpty(option, value, set).applyClient(c)
	})
}

func nonEmpty(option, value string, set func(*clientConfig)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if value == "" {
			return configError(option, "the value is empty")
		}
		set(c)
		return nil
	})
}

func notNegative(option string, n int, set func(*clientConfig)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if n < 0 {
			return configError(option, "%d is negative", n)
		}
		set(c)
		return nil
	})
}

func notNegativeDuration(option string, d time.Duration, set func(*clientConfig)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d < 0 {
			return configError(option, "%v is negative", d)
		}
		set(c)
		return nil
	})
}

// headerOption is for a header field that get makes, or finds fault with.
func headerOption(option, name string, get func() (header, error)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if !isToken(name) {
			return configError(option, "%s is not a header name", show.Quote(name))
		}
		h, err := get()
		if err != nil {
			return err
		}
		h.name, h.list = name, c.list
		c.headers = append(c.headers, h)
		return nil
	})
}

// isToken checks RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
