package jwkshttp

import (
	"context"

	"github.com/seed-22400188/jwks"
)

type tokenKey struct{}

// TokenFromContext returns the token that [Middleware] verified for this
// request. It returns false if there was no middleware, or if it skipped the path or let
// the request pass without a token ([AllowAnonymous]).
func TokenFromContext(ctx context.Context) (*jwks.Token, bool) {
	t, _ := ctx.Value(tokenKey{}).(*jwks.Token)
	return t, t != nil
}

// ContextWithToken returns a copy of ctx with t, as [Middleware] passes it to the
// handler: for frameworks with their own contexts, and for tests. With a nil t the copy
// has no token, even if ctx has one.
func ContextWithToken(ctx context.Context, t *jwks.Token) context.Context {
	return context.WithValue(ctx, tokenKey{}, t)
}
