package main

import (
	"context"
	"crypto"
	"errors"

	"github.com/seed-22400188/jwks"
)

// jwksVerifier is this project's library.
type jwksVerifier struct {
	client *jwks.Client
	v      *jwks.Verifier
}

func openJWKS(s setting, more ...jwks.VerifierOption) (*jwksVerifier, error) {
	client, err := jwks.NewClient(jwks.WithIssuer(s.issuer), jwks.WithHTTPClient(s.client))
	if err != nil {
		return nil, err
	}
	options := append([]jwks.VerifierOption{jwks.WithAudience(s.audience), jwks.WithAlgorithms(s.alg)}, more...)
	v, err := jwks.NewVerifier(client, options...)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &jwksVerifier{client, v}, nil
}

func (j *jwksVerifier) verify(ctx context.Context, token string) (string, error) {
	t, err := j.v.Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return t.Subject(), nil
}

func (j *jwksVerifier) key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k, err := j.client.Key(ctx, kid)
	if err != nil {
		return nil, err
	}
	return k.Public(), nil
}

func (j *jwksVerifier) close() { _ = j.client.Close() } // always nil

func jwksLibrary() library {
	return library{
		name:   ours,
		module: "github.com/seed-22400188/jwks",
		open:   func(s setting) (verifier, error) { return openJWKS(s) },
		parse: func(document []byte) (int, error) {
			set, err := jwks.ParseKeySet(document)
			if err != nil {
				return 0, err
			}
			return set.Len(), nil
		},
	}
}
