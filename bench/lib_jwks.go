package main

import (
	"context"
	"crypto"
	"errors"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/accel"
)

// jwksVerifier is this project's library.
type jwksVerifier struct {
	client *jwks.Client
	v      *jwks.Verifier
}

func openJWKS(s setting, client []jwks.ClientOption, rules []jwks.VerifierOption) (*jwksVerifier, error) {
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithIssuer(s.issuer), jwks.WithHTTPClient(s.client)}, client...)...)
	if err != nil {
		return nil, err
	}
	rules = append([]jwks.VerifierOption{jwks.WithAudience(s.audience), jwks.WithAlgorithms(s.alg)}, rules...)
	v, err := jwks.NewVerifier(c, rules...)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &jwksVerifier{c, v}, nil
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
		open:   func(s setting) (verifier, error) { return openJWKS(s, nil, nil) },
		parse: func(document []byte) (int, error) {
			set, err := jwks.ParseKeySet(document)
			if err != nil {
				return 0, err
			}
			return set.Len(), nil
		},
	}
}

// acceleratedLibrary is the same library with keys prepared once. It reads key
// sets as the other does: a key is prepared when it first checks a signature.
func acceleratedLibrary() library {
	return library{
		name:   accelerated,
		module: "github.com/seed-22400188/jwks/contrib/accel",
		open: func(s setting) (verifier, error) {
			return openJWKS(s, []jwks.ClientOption{jwks.WithAccelerator(accel.New())}, nil)
		},
	}
}
