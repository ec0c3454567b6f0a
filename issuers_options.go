package jwks

import (
	"context"
	"net/http"

	"github.com/seed-22400188/jwks/internal/publicnet"
)

// defaultMaxIssuers bounds the issuers that come up at run time.
const defaultMaxIssuers = 32

// IssuersOption configures an [Issuers].
type IssuersOption interface{ applyIssuers(*issuersConfig) error }

type issuersConfig struct {
	trusted    []trustedIssuer
	decide     func(ctx context.Context, issuer string) ([]ClientOption, error)
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
		if o == nil {
			errs = append(errs, configError("NewIssuers", "an option is nil"))
		} else if err := o.applyIssuers(cfg); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 && len(cfg.trusted) == 0 && !cfg.dynamic() {
		errs = append(errs, configError("NewIssuers", "nobody is trusted: want TrustIssuers, TrustIssuer, TrustIssuerFunc or TrustAnyIssuer"))
	}
	if cfg.decide != nil && cfg.anyIssuer {
		errs = append(errs, configError("TrustAnyIssuer", "contradicts TrustIssuerFunc"))
	}
	return cfg, append(errs, cfg.checkCommon()...)
}

// checkCommon judges the options for all issuers now, not at the first token.
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
	if common.jwksURL != "" && c.anyIssuer {
		errs = append(errs, configError("WithClientOptions", "WithJWKSURL contradicts TrustAnyIssuer: one key set would verify for everyone"))
	}
	if c.anyIssuer {
		c.guarded = publicnet.Client(common.httpClient)
	}
	return errs
}

// dynamic says that issuers may come up at run time.
func (c *issuersConfig) dynamic() bool { return c.decide != nil || c.anyIssuer }

// newClient makes the client of one issuer. It refuses options that lead to
// another one than that.
func (c *issuersConfig) newClient(issuer string, own []ClientOption) (*Client, error) {
	client, err := NewClient(c.clientOptions(issuer, own)...)
	if err != nil {
		return nil, err
	}
	if actual := client.cfg.issuer; actual != issuer && !(isTemplate(actual) && fits(actual, issuer)) {
		return nil, configError("TrustIssuer", "the options for %s say WithIssuer(%s)", quote(issuer), quote(actual))
	}
	return client, nil
}

// clientOptions are those of one issuer's client: the issuer, what is common
// to all, and its own.
func (c *issuersConfig) clientOptions(issuer string, own []ClientOption) []ClientOption {
	opts := append([]ClientOption{WithIssuer(issuer)}, c.common...)
	if !isTemplate(issuer) {
		// WithTenants among the common options is for the templates.
		opts = append(opts, clientOption(func(c *clientConfig) error {
			c.tenants, c.tenantsSet = nil, false
			return nil
		}))
	}
	return append(opts, own...)
}

// distinct takes joined errors apart and leaves out what was said before: a
// bad option for all issuers is reported once.
func distinct(errs []error) []error {
	var all []error
	said := make(map[string]bool)
	for _, err := range errs {
		parts := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			parts = joined.Unwrap()
		}
		for _, part := range parts {
			if text := part.Error(); !said[text] {
				said[text] = true
				all = append(all, part)
			}
		}
	}
	return all
}

// TrustIssuers trusts these issuers, compared byte for byte, each found by
// discovery. An empty list, an empty name and a name listed twice are
// [ErrConfig]. An issuer with "{tenantid}" (Entra) stands for those that fit
// it, and needs [WithTenants].
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
// of [WithClientOptions]: such as [WithJWKSURL] for one without discovery.
func TrustIssuer(issuer string, opts ...ClientOption) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if issuer == "" {
			return configError("TrustIssuer", "the issuer is empty")
		}
		c.trusted = append(c.trusted, trustedIssuer{issuer, opts})
		return nil
	})
}

// TrustIssuerFunc asks f about every issuer that is not listed and not known:
// for tenants that come and go. It returns the options for that issuer's
// client, nil for plain discovery, or an error: one that matches
// [ErrIssuerNotTrusted] refuses the token, any other is [ErrUnavailable], and
// so are options that are no good. Clients are kept, with their options, in an
// LRU of [WithMaxIssuers], and f is asked again after one was evicted;
// refusals are not remembered.
//
// The name comes from a token that nobody has verified: look it up, never make
// an address of it. Callers who wait for one issuer share a call; its context
// has the values of the first one's, ends after 15 s or with [Issuers.Close],
// and not when a caller leaves. At most 1,000 calls are under way, past which
// it is [ErrUnavailable].
func TrustIssuerFunc(f func(ctx context.Context, issuer string) ([]ClientOption, error)) IssuersOption {
	return issuersOption(func(c *issuersConfig) error {
		if f == nil {
			return configError("TrustIssuerFunc", "the function is nil")
		}
		c.decide = f
		return nil
	})
}

// TrustAnyIssuer takes any issuer's word for itself: for tools that show what
// is in a token, as jwt.io does, never for access control. The issuer must be
// an https URL on port 443 with a public name or address; what it resolves to
// is checked when it is dialled, and special-purpose addresses are refused,
// both as [ErrIssuerNotTrusted]. New issuers have a budget of 10 and one more
// a second, past which they are [ErrUnavailable]; [WithMaxIssuers] bounds
// those that are kept.
//
// With [WithHTTPClient] an *http.Transport is cloned and its dialer guarded;
// it uses no proxy. Of any other RoundTripper only the URLs can be checked:
// that it does not follow a public name to a private address is then its own
// affair.
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
