package main

import (
	"context"
	"crypto"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// keyfuncVerifier is keyfunc with golang-jwt, all defaults but the HTTP client.
type keyfuncVerifier struct {
	keys   keyfunc.Keyfunc
	parser *jwt.Parser
	stop   context.CancelFunc // of keyfunc's goroutine
}

func openKeyfunc(s setting) (verifier, error) {
	ctx, stop := context.WithCancel(context.Background())
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{s.jwksURL}, keyfunc.Override{Client: s.client})
	if err != nil {
		stop()
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{s.alg}), jwt.WithIssuer(s.issuer),
		jwt.WithAudience(s.audience), jwt.WithExpirationRequired())
	return &keyfuncVerifier{keys, parser, stop}, nil
}

func (k *keyfuncVerifier) verify(ctx context.Context, token string) (string, error) {
	claims := jwt.RegisteredClaims{}
	if _, err := k.parser.ParseWithClaims(token, &claims, k.keys.KeyfuncCtx(ctx)); err != nil {
		return "", err
	}
	return claims.Subject, nil
}

func (k *keyfuncVerifier) key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	found, err := k.keys.Storage().KeyRead(ctx, kid)
	if err != nil {
		return nil, err
	}
	return found.Key(), nil
}

func (k *keyfuncVerifier) close() { k.stop() }

func keyfuncLibrary() library {
	return library{
		name:   "keyfunc",
		module: "github.com/MicahParks/keyfunc/v3",
		open:   openKeyfunc,
		parse: func(document []byte) (int, error) {
			keys, err := keyfunc.NewJWKSetJSON(document)
			if err != nil {
				return 0, err
			}
			all, err := keys.Storage().KeyReadAll(context.Background())
			return len(all), err
		},
	}
}
