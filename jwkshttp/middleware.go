package jwkshttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/openpath"
)

// TokenVerifier verifies a token. [*jwks.Verifier] is one, and so is the
// Validator of package cfaccess. Its error should match [jwks.ErrTokenInvalid]
// or [jwks.ErrUnavailable]; any other is answered with 500.
type TokenVerifier interface {
	Verify(ctx context.Context, token string) (*jwks.Token, error)
}

// Middleware returns a function that wraps a handler. Every request that reaches the
// handler has a token that v verified, which [TokenFromContext] returns, except for
// requests that [AllowAnonymous] or [SkipPaths] lets pass. The package documentation has
// the answers to all other requests. No request is exempt by default, not even OPTIONS: if
// your service answers CORS preflight requests, do so in front of this middleware.
//
// Middleware panics if v is nil or a nil pointer, and for a bad option, see [Option].
func Middleware(v TokenVerifier, opts ...Option) func(http.Handler) http.Handler {
	if isNil(v) {
		panic("jwkshttp: Middleware: the verifier is nil")
	}
	c := config{
		extractors:   []Extractor{BearerToken},
		errorHandler: defaultErrorHandler,
	}
	for _, o := range opts {
		if o == nil {
			panic("jwkshttp: Middleware: an option is nil")
		}
		if err := o.apply(&c); err != nil {
			panic("jwkshttp: " + err.Error())
		}
	}
	g := &guard{
		config:     c,
		verifier:   v,
		open:       openpath.New(c.skip),
		challenges: challenges(c.realm, c.resourceMetadata, c.wantedScopes()),
		bearer:     areBearerToken(c.extractors),
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("jwkshttp: Middleware: the handler is nil")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, next) })
	}
}

// guard is a configured middleware. It does not change once made.
type guard struct {
	config
	verifier   TokenVerifier
	open       *openpath.Set
	challenges [refusals]string
	bearer     []bool // which extractors are BearerToken
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if g.open.Match(r) {
		next.ServeHTTP(w, r)
		return
	}
	shown := g.presentedBy(r)
	raw, err := g.find(r, shown)
	if err == nil && raw == "" {
		if g.anonymous && !g.needsToken() {
			next.ServeHTTP(w, withoutToken(r))
			return
		}
		err = ErrNoToken
	}
	if err == nil {
		err = shown.refusal()
	}
	if err != nil {
		g.refuse(w, r, err, shown)
		return
	}
	t, err := g.verify(r.Context(), raw, shown)
	if err != nil {
		g.refuse(w, r, err, shown)
		return
	}
	if shown != nil {
		shown.setHeaders(w, nil)
		expose(w.Header(), r)
	}
	ctx := ContextWithToken(r.Context(), t)
	if g.endAtExpiry {
		var cancel context.CancelFunc
		ctx, cancel = endingWith(ctx, t)
		defer cancel()
	}
	next.ServeHTTP(w, r.WithContext(ctx))
}

// isNil says that v holds no verifier: nil, or a nil pointer, function or the
// like in an interface, which would only panic at the first request.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch value := reflect.ValueOf(v); value.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return value.IsNil()
	}
	return false
}

// find returns the token of the first place that holds one, or "".
func (g *guard) find(r *http.Request, shown *presented) (string, error) {
	for i, e := range g.extractors {
		raw, err := shown.extractor(e, g.bearer[i])(r)
		switch {
		case errors.Is(err, jwks.ErrUnavailable), errors.Is(err, jwks.ErrTokenInvalid), errors.Is(err, ErrMalformed):
			return "", err
		case errors.Is(err, ErrNoToken):
		case err != nil:
			return "", fmt.Errorf("%w: %w", ErrMalformed, err)
		case raw != "":
			return raw, nil
		}
	}
	return "", nil
}

func (g *guard) verify(ctx context.Context, raw string, shown *presented) (*jwks.Token, error) {
	t, err := g.verifier.Verify(shown.context(ctx), raw)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, errNoVerdict // not a pass, whatever was meant
	}
	if err := shown.checkScheme(t); err != nil {
		return nil, err
	}
	if err := g.permit(ctx, t); err != nil {
		return nil, err
	}
	return t, nil
}

// withoutToken makes sure that an anonymous request does not bring the token of
// another middleware in front of this one.
func withoutToken(r *http.Request) *http.Request {
	if _, ok := TokenFromContext(r.Context()); !ok {
		return r
	}
	return r.WithContext(ContextWithToken(r.Context(), nil))
}

// refuse sets the headers of a refusal and has it written.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, err error, shown *presented) {
	refused := refusalFor(err)
	if c := g.challengesFor(refused, err, shown); c != nil {
		w.Header()["Www-Authenticate"] = c
	}
	shown.setHeaders(w, err)
	if refused == refusedUnavailable {
		if after := retryAfter(err); after != "" {
			w.Header().Set("Retry-After", after)
		}
	}
	expose(w.Header(), r)
	g.tell(r, err)
	g.errorHandler(w, r, err)
}
