package jwksmcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"reflect"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// errNoToken is a request that came past jwkshttp without a token.
var errNoToken = errors.New("jwksmcp: no verified token in the context")

// Protect returns a middleware for the SDK's handlers. Requests pass with a token
// that v verified and that has the scopes of o; the SDK then finds its TokenInfo,
// see [TokenInfo]. All others are answered as package jwkshttp describes: 401 with the
// URL of the metadata, 403 insufficient_scope, 503 while the keys are
// unavailable. Bad options and a nil v are [jwks.ErrConfig].
//
// Preflight requests have no token: handle CORS in front of this middleware, and let pages
// read the headers WWW-Authenticate, Mcp-Session-Id and Retry-After.
func Protect(v jwkshttp.TokenVerifier, o Options) (func(http.Handler) http.Handler, error) {
	p, err := o.places()
	if err != nil {
		return nil, err
	}
	if isNil(v) {
		return nil, configError("Protect: the verifier is nil")
	}
	opts := []jwkshttp.Option{jwkshttp.WithResourceMetadata(p.metadataURL)}
	if len(o.Scopes) > 0 {
		opts = append(opts, jwkshttp.RequireScopes(o.Scopes...))
	}
	if o.Logger != nil {
		opts = append(opts, jwkshttp.WithLogger(o.Logger))
	}
	outside := jwkshttp.Middleware(v, opts...)
	// The verifier judged scopes and times, with its leeway. The SDK would judge
	// the expiry again, without.
	inside := auth.RequireBearerToken(fromContext, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL:    p.metadataURL,
		AllowMissingExpiration: true,
		ClockSkew:              math.MaxInt64,
	})
	return func(h http.Handler) http.Handler { return outside(inside(h)) }, nil
}

// fromContext is an auth.TokenVerifier for tokens that were verified before.
func fromContext(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	t, ok := jwkshttp.TokenFromContext(ctx)
	if !ok {
		return nil, errNoToken
	}
	return TokenInfo(t), nil
}

// tokenKey is where TokenInfo keeps the token in Extra.
const tokenKey = "jwks.token"

// TokenInfo returns what the SDK should know about a verified token. UserID, to which the
// SDK binds sessions, is the issuer, a space, and the subject: a subject alone is
// unique only within its issuer (OpenID Connect Core 1.0 section 2). The issuer is the one
// that the token's key is bound to, so that an alias is not another user; for a
// template, or keys that are not bound, it is the token's own. A token without a subject
// does not identify a user, so it gets a UserID of its own. [Token] returns t again.
func TokenInfo(t *jwks.Token) *auth.TokenInfo {
	return &auth.TokenInfo{
		Scopes:     t.Scopes(),
		Expiration: t.ExpiresAt(),
		UserID:     userID(t),
		Extra:      map[string]any{tokenKey: t},
	}
}

// Token returns the verified token of a request, with its scopes and claims, from the
// req.Extra.TokenInfo of a tool call. It returns false for nil and for a TokenInfo that
// this package did not make.
func Token(info *auth.TokenInfo) (*jwks.Token, bool) {
	if info == nil {
		return nil, false
	}
	t, ok := info.Extra[tokenKey].(*jwks.Token)
	return t, ok && t != nil
}

func userID(t *jwks.Token) string {
	issuer := t.Issuer()
	if key := t.Key(); key != nil && key.Issuer() != "" && !strings.Contains(key.Issuer(), "{tenantid}") {
		issuer = key.Issuer()
	}
	subject := t.Subject()
	if subject == "" {
		sum := sha256.Sum256([]byte(t.Raw()))
		subject = hex.EncodeToString(sum[:])
	}
	return issuer + " " + subject
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
