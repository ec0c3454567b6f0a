package jwkshttp

import (
	"context"

	"github.com/seed-22400188/jwks"
)

type tokenKey struct{}

// TokenFromContext returns the token that [Middleware] verified for this
// request, or false: the middleware was not there, skipped the path, or let the
// request pass without a token ([AllowAnonymous]).
func TokenFromContext(ctx context.Context) (*jwks.Token, bool) {
	t, _ := ctx.Value(tokenKey{}).(*jwks.Token)
	return t, t != nil
}

// ContextWithToken returns a copy of ctx that holds t, as [Middleware] makes
// it: for frameworks with contexts of their own, and for tests. With a nil t it
// holds none, whatever ctx held.
func ContextWithToken(ctx context.Context, t *jwks.Token) context.Context {
	return context.WithValue(ctx, tokenKey{}, t)
}
