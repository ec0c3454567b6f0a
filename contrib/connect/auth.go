package jwksconnect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"connectrpc.com/connect"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// errNoVerdict is a TokenVerifier that breaks its contract.
var errNoVerdict = errors.New("jwksconnect: the verifier returned neither a token nor an error")

// AuthFunc returns a function for connectrpc.com/authn. That returns the *[jwks.Token]
// of a request, nil for a [Public] procedure, or a *[connect.Error] that says why
// there is none. The package documentation has the table of its answers. A nil v
// and a bad option panic, see [Option].
func AuthFunc(v jwkshttp.TokenVerifier, opts ...Option) func(context.Context, *http.Request) (any, error) {
	if isNil(v) {
		panic("jwksconnect: AuthFunc: the verifier is nil")
	}
	g := &guard{config: newConfig(opts), verifier: v}
	return func(ctx context.Context, r *http.Request) (any, error) {
		rule := g.ruleFor(r.URL.Path)
		if rule.public && r.URL.RawPath == "" { // an encoded slash makes another path for the mux
			return nil, nil
		}
		t, err := g.verify(ctx, r, rule.scopes)
		if err == nil {
			return t, nil
		}
		refused := refuse(codeOf(ctx, err), err, rule.scopes)
		if isGRPC(r) {
			refused.Meta().Del("WWW-Authenticate")
			refused.Meta().Del("Retry-After")
		}
		return nil, refused
	}
}

// guard is a configured check. It does not change once made.
type guard struct {
	config
	verifier jwkshttp.TokenVerifier
}

func (g *guard) verify(ctx context.Context, r *http.Request, scopes []string) (*jwks.Token, error) {
	raw, err := jwkshttp.BearerToken(r)
	if err != nil {
		return nil, err
	}
	t, err := g.verifier.Verify(ctx, raw)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, errNoVerdict // not a pass, whatever was meant
	case !t.HasScopes(scopes...):
		return nil, fmt.Errorf("%w: want %s", jwkshttp.ErrInsufficientScope, strings.Join(scopes, " "))
	}
	return t, nil
}

// codeOf is codeFor where the caller's context is known: only its own end means
// that the caller gave up.
func codeOf(ctx context.Context, err error) connect.Code {
	code := codeFor(err)
	if (code == connect.CodeCanceled || code == connect.CodeDeadlineExceeded) && ctx.Err() == nil {
		return connect.CodeUnavailable
	}
	return code
}

// isGRPC says whether the answer goes into trailers: gRPC and gRPC-Web.
func isGRPC(r *http.Request) bool {
	const prefix = "application/grpc"
	contentType := r.Header.Get("Content-Type")
	return len(contentType) >= len(prefix) && strings.EqualFold(contentType[:len(prefix)], prefix)
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Interface, reflect.Slice, reflect.Chan:
		return r.IsNil()
	}
	return false
}
