package cfaccess

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/seed-22400188/jwks/internal/openpath"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// Where Access puts the token.
const (
	Header = "Cf-Access-Jwt-Assertion" // on every request that it lets through
	Cookie = "CF_Authorization"        // on requests of browsers, besides
)

// MiddlewareOption configures [Validator.Middleware]. A bad option makes that panic, at
// the start of the program.
type MiddlewareOption interface{ apply(*middlewareConfig) }

type middlewareConfig struct {
	skip    []string
	dev     *User
	handler func(http.ResponseWriter, *http.Request, error)
}

type middlewareOption func(*middlewareConfig)

func (o middlewareOption) apply(c *middlewareConfig) { o(c) }

// SkipPaths lets requests pass that match one of these [http.ServeMux] patterns, without
// looking at their tokens, under the rules of jwkshttp.SkipPaths: for health
// checks that do not come through Access. These requests have no user. Default: none.
func SkipPaths(patterns ...string) MiddlewareOption {
	return middlewareOption(func(c *middlewareConfig) { c.skip = append(c.skip, patterns...) })
}

// WithDevUser serves requests without a token as u, for development on a
// machine that Access does not protect. Anyone who reaches the service is then u, so
// never leave it unconditionally in the code of a deployed service.
// [Validator.Middleware] logs a warning about it with [slog.Default],
// once. A request with a token is not affected: a bad token is refused. The development
// user has no token, so jwkshttp.TokenFromContext returns false. Default: none, and
// no environment variable changes that.
func WithDevUser(u User) MiddlewareOption {
	return middlewareOption(func(c *middlewareConfig) { c.dev = &u })
}

// WithErrorHandler makes f write the answer to every refusal, as
// jwkshttp.WithErrorHandler does. A nil f panics in [Validator.Middleware].
func WithErrorHandler(f func(w http.ResponseWriter, r *http.Request, err error)) MiddlewareOption {
	return middlewareOption(func(c *middlewareConfig) {
		if f == nil {
			panic("cfaccess: WithErrorHandler: the function is nil")
		}
		c.handler = f
	})
}

// Middleware returns a function that wraps a handler, so that it gets only requests that
// Access let through. [UserFromContext] returns the visitor and
// jwkshttp.TokenFromContext the token. The package documentation lists the
// answers to other requests. A nil option and a pattern that http.ServeMux refuses panic.
func (v *Validator) Middleware(opts ...MiddlewareOption) func(http.Handler) http.Handler {
	if v == nil {
		panic("cfaccess: Middleware: the validator is nil")
	}
	var c middlewareConfig
	for _, o := range opts {
		if o == nil {
			panic("cfaccess: Middleware: an option is nil")
		}
		o.apply(&c)
	}
	options := []jwkshttp.Option{
		jwkshttp.WithExtractors(jwkshttp.FromHeader(Header), jwkshttp.FromCookie(Cookie)),
	}
	if c.handler != nil {
		options = append(options, jwkshttp.WithErrorHandler(c.handler))
	}
	if c.dev != nil {
		options = append(options, jwkshttp.AllowAnonymous())
		slog.Default().Warn("cfaccess: a development user is configured: requests without a token are served as this user",
			"subject", c.dev.Subject, "email", c.dev.Email, "common_name", c.dev.CommonName)
	}
	protect := jwkshttp.Middleware(v, options...)
	// Not jwkshttp's own: what it skips must not become the development user.
	open := openpath.New(c.skip)

	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("cfaccess: Middleware: the handler is nil")
		}
		guarded := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(c.welcome(r.Context())))
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if open.Match(r) {
				next.ServeHTTP(w, r)
				return
			}
			guarded.ServeHTTP(w, r)
		})
	}
}

// welcome adds the visitor to the context of a request that passed.
func (c *middlewareConfig) welcome(ctx context.Context) context.Context {
	if t, ok := jwkshttp.TokenFromContext(ctx); ok {
		return context.WithValue(ctx, userKey{}, t)
	}
	return context.WithValue(ctx, userKey{}, c.dev) // only with a development user
}
