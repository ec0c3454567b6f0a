package jwkshttp

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-22400188/jwks"
)

// Option configures [Middleware]. A bad option makes Middleware panic, at the start of
// the program, because it is a mistake in the code. The panic names the option.
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
// that has anything decides, and later places are not searched: a
// good token never makes up for a bad or malformed one before it. Default: only the
// Authorization header ([BearerToken]). An empty list and a nil Extractor
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

// RequireScopes requires the token to have all of these scopes, see
// [jwks.Token.Scopes]. If it is given more than once, the scopes of all are required. A
// token that lacks one is refused with [ErrInsufficientScope]. The challenges of a 403,
// and of a 401 without a token, name the scopes (RFC 6750 section 3). Default: none. An
// empty list, and a scope that RFC 6749 section 3.3 does not allow, panic.
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

// AllowAnonymous lets a request pass if it has no token, or only credentials of
// another scheme; [TokenFromContext] then returns false. A bad token is still refused, and
// so is a missing one if [RequireScopes] or another Require option is given. Default:
// a token is required.
func AllowAnonymous() Option {
	return option(func(c *config) error { c.anonymous = true; return nil })
}

// SkipPaths lets requests pass that match one of these [http.ServeMux] patterns, without
// looking at their tokens, for example "GET /healthz". If it is given more than once, all
// patterns count. A path is skipped only if it matches exactly as it was sent and is
// clean, because servers behind the middleware may read other paths differently. A path is
// not clean if it has "..", ".", "//", an encoded slash or an encoded dot; if, once
// decoded, it has a semicolon (which starts a path parameter in some servers), a backslash,
// a percent sign, a control character, invalid UTF-8 or a segment of dots alone; or if a
// mux would redirect it. The path is the one that the middleware sees, so
// a prefix removed by [http.StripPrefix] in front of it is not part of it, and a pattern
// with a host trusts the Host header. Default: none. A pattern that http.ServeMux
// refuses panics, as do two that conflict; the same one twice is fine.
func SkipPaths(patterns ...string) Option {
	return option(func(c *config) error { c.skip = append(c.skip, patterns...); return nil })
}

// WithRealm sets the realm of challenges (RFC 9110 section 11.5). Default: none, as
// with "". A control character panics.
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

// WithErrorHandler makes f write the answer to every refusal: status and body.
// WWW-Authenticate and Retry-After are set before f is called, as the package
// documentation describes. err matches [ErrNoToken],
// [ErrMalformed], [ErrInsufficientScope], [ErrForbidden], [jwks.ErrTokenInvalid] or
// [jwks.ErrUnavailable], unless a [TokenVerifier] of your own returned another error;
// [StatusCode] returns its status. err is for logs, not for the caller: it may
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
