package main

import (
	"context"
	"crypto"
	"errors"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// jwxVerifier is jwx on its caching key set.
type jwxVerifier struct {
	set     jwk.CachedSet
	options []jwt.ParseOption
	stop    context.CancelFunc // of its cache's goroutines
}

func openJWX(s setting) (verifier, error) {
	ctx, stop := context.WithCancel(context.Background())
	set, err := cachedSet(ctx, s)
	if err != nil {
		stop()
		return nil, err
	}
	options := []jwt.ParseOption{jwt.WithKeySet(set), jwt.WithValidate(true), jwt.WithIssuer(s.issuer),
		jwt.WithAudience(s.audience), jwt.WithRequiredClaim(jwt.ExpirationKey)}
	return &jwxVerifier{set, options, stop}, nil
}

func cachedSet(ctx context.Context, s setting) (jwk.CachedSet, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	if err := cache.Register(ctx, s.jwksURL, jwk.WithHTTPClient(s.client)); err != nil {
		return nil, err
	}
	return cache.CachedSet(s.jwksURL)
}

func (j *jwxVerifier) verify(_ context.Context, token string) (string, error) {
	t, err := jwt.ParseString(token, j.options...)
	if err != nil {
		return "", err
	}
	subject, _ := t.Subject()
	return subject, nil
}

func (j *jwxVerifier) key(_ context.Context, kid string) (crypto.PublicKey, error) {
	return exported(j.set, kid)
}

// exported is a key of a set in the form that Go's packages take.
func exported(set jwk.Set, kid string) (crypto.PublicKey, error) {
	found, ok := set.LookupKeyID(kid)
	if !ok {
		return nil, errors.New("jwx: no such key")
	}
	var raw any
	err := jwk.Export(found, &raw)
	return raw, err
}

func (j *jwxVerifier) close() { j.stop() }

func jwxLibrary() library {
	return library{
		name:   "jwx",
		module: "github.com/lestrrat-go/jwx/v3",
		open:   openJWX,
		parse:  parseAsJWX,
	}
}

func parseAsJWX(document []byte) (int, error) {
	set, err := jwk.Parse(document)
	if err != nil {
		return 0, err
	}
	return set.Len(), nil
}
