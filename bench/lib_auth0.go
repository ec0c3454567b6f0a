package main

import (
	"context"
	"crypto"
	"errors"
	"net/url"

	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// auth0Verifier is go-jwt-middleware's validator on its caching provider, all
// defaults but the HTTP client. Its cache refreshes after 12 minutes, which is
// longer than anything here takes.
type auth0Verifier struct {
	keys *jwks.CachingProvider
	v    *validator.Validator
}

func openAuth0(s setting) (verifier, error) {
	issuer, err := url.Parse(s.issuer)
	if err != nil {
		return nil, err
	}
	keys, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuer), jwks.WithCustomClient(s.client))
	if err != nil {
		return nil, err
	}
	v, err := validator.New(
		validator.WithKeyFunc(keys.KeyFunc),
		validator.WithAlgorithm(validator.SignatureAlgorithm(s.alg)),
		validator.WithIssuer(s.issuer),
		validator.WithAudience(s.audience),
	)
	if err != nil {
		return nil, err
	}
	return &auth0Verifier{keys, v}, nil
}

func (a *auth0Verifier) verify(ctx context.Context, token string) (string, error) {
	t, err := a.v.ValidateToken(ctx, token)
	if err != nil {
		return "", err
	}
	claims, ok := t.(*validator.ValidatedClaims)
	if !ok {
		return "", errors.New("auth0: the claims have another type")
	}
	return claims.RegisteredClaims.Subject, nil
}

func (a *auth0Verifier) key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	found, err := a.keys.KeyFunc(ctx)
	if err != nil {
		return nil, err
	}
	set, ok := found.(jwk.Set)
	if !ok {
		return nil, errors.New("auth0: the key set has another type")
	}
	return exported(set, kid)
}

func (*auth0Verifier) close() {}

func auth0Library() library {
	return library{
		name:   "go-jwt-middleware",
		module: "github.com/auth0/go-jwt-middleware/v3",
		open:   openAuth0,
		parse:  parseAsJWX, // as its provider does
	}
}
