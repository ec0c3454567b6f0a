package cfaccess

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fetch"
)

// Option configures a [Validator].
type Option interface{ apply(*config) error }

type config struct {
	clientOptions   []jwks.ClientOption
	verifierOptions []jwks.VerifierOption
	httpClient      *http.Client
	base            string // "": of the team
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithClientOptions adds options for the client that fetches the keys, such as
// [jwks.WithLogger] or [jwks.WithMaxStale]. They are applied after the Validator's
// own, [jwks.WithIssuer] and [jwks.WithJWKSURL], and take precedence. It may be given more
// than once. Default: none.
func WithClientOptions(opts ...jwks.ClientOption) Option {
	return option(func(c *config) error { c.clientOptions = append(c.clientOptions, opts...); return nil })
}

// WithVerifierOptions adds options for the verifier, such as [jwks.WithCheck],
// or [jwks.WithAudience] for several applications. They are applied after the
// Validator's own [jwks.WithAudience], and take precedence. It may be given more than
// once. Default: none. In particular, the key decides the
// algorithm: Access publishes RSA keys for RS256 only.
func WithVerifierOptions(opts ...jwks.VerifierOption) Option {
	return option(func(c *config) error { c.verifierOptions = append(c.verifierOptions, opts...); return nil })
}

// WithHTTPClient sets the HTTP client for the keys and the identity endpoint.
// Its cookie jar is not used, and for the identity endpoint no redirect is
// followed. Default: a transport of its own, with the proxy of the environment
// ([http.ProxyFromEnvironment]). nil is [jwks.ErrConfig].
func WithHTTPClient(c *http.Client) Option {
	return option(func(cfg *config) error {
		if c == nil {
			return configError("WithHTTPClient: the client is nil")
		}
		cfg.httpClient = c
		return nil
	})
}

// WithBaseURL replaces https://TEAM.cloudflareaccess.com, for tests. The URL is also the
// issuer, where a slash at its end counts. It must
// be https, or http on a loopback host or with [jwks.AllowInsecureHTTP] among
// the client options, and have no query; anything else is [jwks.ErrConfig].
func WithBaseURL(url string) Option {
	return option(func(c *config) error {
		// Paths are appended to it.
		if strings.Contains(url, "?") {
			return configError("WithBaseURL: the URL has a query")
		}
		// Whether plain http is allowed is known when all options are.
		if err := fetch.CheckOwnURL(url, true); err != nil {
			return configError("WithBaseURL: %v", err)
		}
		c.base = url
		return nil
	})
}

// configError is one bad option or argument.
func configError(format string, args ...any) error {
	return fmt.Errorf("%w: cfaccess: %s", jwks.ErrConfig, fmt.Sprintf(format, args...))
}
