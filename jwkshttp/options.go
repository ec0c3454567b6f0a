package jwkshttp

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-22400188/jwks"
)

// Option configures [Middleware]. An option that cannot mean anything panics
// there, at the start of the program, because it is a mistake in its text: the
// panic names the option.
type Option interface{ apply(*config) error }

type config struct {
	extractors       []Extractor
	scopes           []string      // all of them
	anyScopes        []string      // of RequireAnyScope, for challenges
	required         []requirement // further scopes, and claims
	checks           []requirement // of Require
	anonymous        bool
	skip             []string
	realm            string
	resourceMetadata string
	proofs           []func(*http.Request) (jwks.Proof, error)
	errorHandler     func(http.ResponseWriter, *http.Request, error)
	logger           *slog.Logger
	onRefusal        []func(*http.Request, error)
	endAtExpiry      bool
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithExtractors sets where to look for the token, in order. The first place
// that holds anything decides, and the places after it are not looked at: a
// good token never makes up for a bad or malformed one before it. Default: the
// Authorization header alone ([BearerToken]). An empty list and a nil Extractor
// panic.
func WithExtractors(e ...Extractor) Option {
	return option(func(c *config) error {
		if len(e) == 0 || slices.ContainsFunc(e, func(e Extractor) bool { return e == nil }) {
			return fmt.Errorf("WithExtractors: no extractor, or a nil one")
		}
		c.extractors = slices.Clone(e)
		return nil
	})
}

// RequireScopes requires all of these scopes of the token, see
// [jwks.Token.Scopes]; given more than once, the scopes add up. Without them:
// [ErrInsufficientScope]. The challenges of a 403, and of a 401 without a token,
// name them (RFC 6750 section 3). Default: none. An empty list, and a scope that RFC
// 6749 section 3.3 does not allow, panic.
func RequireScopes(scopes ...string) Option {
	return option(func(c *config) error {
		if err := checkScopes("RequireScopes", scopes); err != nil {
			return err
		}
		for _, s := range scopes {
			if !slices.Contains(c.scopes, s) {
				c.scopes = append(c.scopes, s)
			}
		}
		return nil
	})
}

// AllowAnonymous passes a request without a token, also one with credentials of
// another scheme: [TokenFromContext] then has none. A bad token is refused as
// ever, and so is a missing one where [RequireScopes] or another Require option
// asks for something. Default:
// a token is required.
func AllowAnonymous() Option {
	return option(func(c *config) error { c.anonymous = true; return nil })
}

// SkipPaths passes requests that match one of these [http.ServeMux] patterns
// without looking at them, for example "GET /healthz"; given more than once,
// the patterns add up. Only a clean path matches, as it stands, because what lies
// behind the middleware may read it in another way: one with "..", ".", "//", an
// encoded slash or dot is not skipped, nor is one that, once decoded, has a
// semicolon (a path parameter to some servers), a backslash, a percent sign, a
// control character, invalid UTF-8 or a segment of dots alone, nor one that a mux
// would redirect. The path is the one that the middleware sees, so
// it has no prefix that [http.StripPrefix] took off before, and a pattern with
// a host believes the Host header. Default: none. A pattern that http.ServeMux
// refuses panics, as do two that conflict; the same one twice is fine.
func SkipPaths(patterns ...string) Option {
	return option(func(c *config) error { c.skip = append(c.skip, patterns...); return nil })
}

// WithRealm sets the realm of challenges (RFC 9110 section 11.5). Default, and
// "": none. A control character panics.
func WithRealm(realm string) Option {
	return option(func(c *config) error {
		if !quotable(realm) {
			return fmt.Errorf("WithRealm: %q has control characters", realm)
		}
		c.realm = realm
		return nil
	})
}

// WithResourceMetadata sets the URL of the protected resource's metadata, which
// every challenge then names (RFC 9728 section 5.1), so that a client finds the
// authorization server. [ResourceMetadataHandler] serves the document. Default:
// none. Anything but an absolute http or https URL panics.
func WithResourceMetadata(url string) Option {
	return option(func(c *config) error {
		if !isAbsolute(url) {
			return fmt.Errorf("WithResourceMetadata: %q is no absolute URL", url)
		}
		c.resourceMetadata = url
		return nil
	})
}

func isAbsolute(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && quotable(raw)
}

// WithErrorHandler lets f write the answer to every refusal: status and body.
// WWW-Authenticate and Retry-After, where the table in the package
// documentation has them, are set before f is called. err matches [ErrNoToken],
// [ErrMalformed], [ErrInsufficientScope], [jwks.ErrTokenInvalid] or
// [jwks.ErrUnavailable], unless a [TokenVerifier] of your own returned another;
// [StatusCode] gives its status. err is for logs, not for the caller: it may
// quote the token's claims and name the issuers. Default: the status and its
// text, as text/plain. A nil f panics.
func WithErrorHandler(f func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return option(func(c *config) error {
		if f == nil {
			return fmt.Errorf("WithErrorHandler: the function is nil")
		}
		c.errorHandler = f
		return nil
	})
}
