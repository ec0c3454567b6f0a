package main

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"gopkg.in/go-jose/go-jose.v2"
)

// auth0Verifier is go-jwt-middleware's validator on its caching provider. The
// cache lasts longer than the measurement, so that no refresh is timed; the
// others refresh later than that by themselves.
type auth0Verifier struct {
	keys *jwks.CachingProvider
	v    *validator.Validator
}

func openAuth0(s setting) (verifier, error) {
	issuer, err := url.Parse(s.issuer)
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuer, time.Hour, jwks.WithCustomClient(s.client))
	v, err := validator.New(keys.KeyFunc, validator.SignatureAlgorithm(s.alg), s.issuer, []string{s.audience})
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
	set, ok := found.(*jose.JSONWebKeySet)
	if !ok {
		return nil, errors.New("auth0: the key set has another type")
	}
	if keys := set.Key(kid); len(keys) > 0 {
		return keys[0].Key, nil
	}
	return nil, errors.New("auth0: no such key")
}

func (*auth0Verifier) close() {}

func auth0Library() library {
	return library{
		name:   "go-jwt-middleware",
		module: "github.com/auth0/go-jwt-middleware/v2",
		open:   openAuth0,
		parse: func(document []byte) (int, error) {
			var set jose.JSONWebKeySet
			err := json.Unmarshal(document, &set)
			return len(set.Keys), err
		},
	}
}
