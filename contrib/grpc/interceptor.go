package jwksgrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

var (
	// errNoVerdict is a TokenVerifier that breaks its contract.
	errNoVerdict = errors.New("jwksgrpc: the verifier returned neither a token nor an error")

	// errNoMethod is an AuthFunc outside of a call.
	errNoMethod = errors.New("jwksgrpc: the context does not name the method that is called, so its scopes are unknown")
)

// UnaryServerInterceptor verifies the token of every unary call. The package
// documentation has the table of its answers. A nil v and a bad option panic,
// see [Option].
func UnaryServerInterceptor(v jwkshttp.TokenVerifier, opts ...Option) grpc.UnaryServerInterceptor {
	g := newGuard("UnaryServerInterceptor", v, opts)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		tell := func(err error) error {
			tellPushback(err, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
			return err
		}
		t, err := g.admit(ctx, info.FullMethod)
		if err != nil {
			return nil, tell(err)
		}
		if t != nil {
			reply, err := handler(jwkshttp.ContextWithToken(ctx, t), req)
			return reply, tell(err)
		}
		reply, err := handler(ctx, req)
		return reply, tell(err)
	}
}

// StreamServerInterceptor verifies the token of every streaming call when it
// begins; see [EndStreamsAtExpiry] for what happens later, and
// [UnaryServerInterceptor] for the rest.
func StreamServerInterceptor(v jwkshttp.TokenVerifier, opts ...Option) grpc.StreamServerInterceptor {
	g := newGuard("StreamServerInterceptor", v, opts)
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx := stream.Context()
		t, err := g.admit(ctx, info.FullMethod)
		switch {
		case err != nil:
		case t == nil:
			err = handler(srv, stream)
		default:
			err = g.serve(srv, stream, jwkshttp.ContextWithToken(ctx, t), t, handler)
		}
		tellPushback(err, stream.SetTrailer)
		return err
	}
}

// AuthFunc returns the same check as a function for the auth interceptors of
// github.com/grpc-ecosystem/go-grpc-middleware. The function returns the context with
// the token, or the status of the refusal. A nil v and a bad option panic, see
// [Option].
func AuthFunc(v jwkshttp.TokenVerifier, opts ...Option) func(context.Context) (context.Context, error) {
	g := newGuard("AuthFunc", v, opts)
	if g.endAtExpiry {
		panic("jwksgrpc: AuthFunc: EndStreamsAtExpiry needs StreamServerInterceptor")
	}
	return func(ctx context.Context) (context.Context, error) {
		method, ok := grpc.Method(ctx)
		if !ok && len(g.scopes) > 0 {
			return nil, Error(errNoMethod)
		}
		t, err := g.admit(ctx, method)
		if err != nil {
			tellPushback(err, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
			return nil, err
		}
		if t == nil {
			return ctx, nil
		}
		return jwkshttp.ContextWithToken(ctx, t), nil
	}
}

// TokenFromContext returns the token that was verified for this call. It returns false if
// there was no interceptor of this package, or the method is [Public]. It is the same as
// [jwkshttp.TokenFromContext], so code that serves both HTTP and gRPC needs only one.
func TokenFromContext(ctx context.Context) (*jwks.Token, bool) { return jwkshttp.TokenFromContext(ctx) }

// guard is a configured check. It does not change once made.
type guard struct {
	config
	verifier jwkshttp.TokenVerifier
}

func newGuard(caller string, v jwkshttp.TokenVerifier, opts []Option) *guard {
	if isNil(v) {
		panic("jwksgrpc: " + caller + ": the verifier is nil")
	}
	return &guard{config: newConfig(caller, opts), verifier: v}
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

// admit returns the token of a call, nil for a public method, or the status of
// its refusal.
func (g *guard) admit(ctx context.Context, method string) (*jwks.Token, error) {
	rule := g.ruleFor(method)
	if rule.public {
		return nil, nil
	}
	t, err := g.verify(ctx, rule.scopes)
	if err != nil {
		code := codeFor(err)
		if (code == codes.Canceled || code == codes.DeadlineExceeded) && ctx.Err() == nil {
			code = codes.Unavailable // somebody else's context ended, not the caller's
		}
		return nil, refuse(code, err)
	}
	return t, nil
}

func (g *guard) verify(ctx context.Context, scopes []string) (*jwks.Token, error) {
	raw, err := bearerToken(ctx)
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

// bearerToken reads the one authorization value as the HTTP header it was.
func bearerToken(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	return jwkshttp.BearerToken(&http.Request{Header: http.Header{"Authorization": values}})
}
