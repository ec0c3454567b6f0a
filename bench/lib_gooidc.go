package main

import (
	"context"
	"encoding/json"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// goOIDCVerifier is go-oidc's ID token verifier. The library shows nobody its
// keys.
type goOIDCVerifier struct{ v *oidc.IDTokenVerifier }

func openGoOIDC(s setting) (verifier, error) {
	ctx := oidc.ClientContext(context.Background(), s.client)
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	config := oidc.Config{ClientID: s.audience, SupportedSigningAlgs: []string{s.alg}}
	return goOIDCVerifier{provider.VerifierContext(ctx, &config)}, nil
}

func (g goOIDCVerifier) verify(ctx context.Context, token string) (string, error) {
	t, err := g.v.Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return t.Subject, nil
}

func (goOIDCVerifier) close() {}

func goOIDCLibrary() library {
	return library{
		name:   "go-oidc",
		module: "github.com/coreos/go-oidc/v3",
		open:   openGoOIDC,
		parse:  parseAsGoOIDC,
	}
}

// parseAsGoOIDC does what go-oidc's unexported reader does: the entries one by
// one, their "alg" looked at first, the rest read by go-jose.
func parseAsGoOIDC(document []byte) (int, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(document, &set); err != nil {
		return 0, err
	}
	keys := make([]jose.JSONWebKey, 0)
	for _, entry := range set.Keys {
		var peek struct{ Alg string }
		if err := json.Unmarshal(entry, &peek); err != nil {
			return 0, err
		}
		var key jose.JSONWebKey
		if err := json.Unmarshal(entry, &key); err != nil {
			return 0, err
		}
		keys = append(keys, key)
	}
	return len(keys), nil
}
