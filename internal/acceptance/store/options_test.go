package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwksstore"
)

func TestWithStore_Refusals(t *testing.T) {
	s := jwksstore.Memory()
	set := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k1"))
	issuer := jwks.WithIssuer("https://issuer.example")
	for name, opts := range map[string][]jwks.ClientOption{
		"a nil store":                      {issuer, jwks.WithStore(nil, secret)},
		"a nil pointer":                    {issuer, jwks.WithStore((*shelf)(nil), secret)},
		"a nil secret":                     {issuer, jwks.WithStore(s, nil)},
		"a short secret":                   {issuer, jwks.WithStore(s, secret[:31])},
		"WithoutCache":                     {issuer, jwks.WithStore(s, secret), jwks.WithoutCache()},
		"WithKeyFile":                      {issuer, jwks.WithStore(s, secret), jwks.WithKeyFile("keys.json")},
		"a static client":                  {jwks.WithKeySet(set), jwks.WithStore(s, secret)},
		"a static one by name":             {jwks.WithIssuer("urn:x"), jwks.WithKeySet(set), jwks.WithStore(s, secret)},
		"before the file":                  {issuer, jwks.WithKeyFile("keys.json"), jwks.WithStore(s, secret)},
		"a seed does not stand in the way": {issuer, jwks.WithKeySet(set), jwks.WithStore(s, secret)},
	} {
		c, err := jwks.NewClient(opts...)
		if name == "a seed does not stand in the way" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if c != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithStore") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), string(secret[:8])) {
			t.Errorf("%s shows the secret: %v", name, err)
		}
	}
	if _, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithStore(s, secret))); !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithStore") {
		t.Errorf("TrustAnyIssuer: %v", err)
	}
}

// An option of one issuer wins over a common one.
func TestWithStore_OptionsOfOneIssuer(t *testing.T) {
	s := jwksstore.Memory()
	set := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k1"))
	common := jwks.WithClientOptions(jwks.WithStore(s, secret))
	for name, own := range map[string]jwks.ClientOption{
		"WithoutCache": jwks.WithoutCache(),
		"WithKeyFile":  jwks.WithKeyFile("keys.json"),
	} {
		if _, err := jwks.NewIssuers(jwks.TrustIssuer("https://issuer.example", own), common); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := jwks.NewIssuers(jwks.TrustIssuer("urn:x", jwks.WithKeySet(set)), common); err != nil {
		t.Errorf("a static one: %v", err)
	}
	if _, err := jwks.NewIssuers(jwks.TrustIssuer("urn:x", jwks.WithKeySet(set), jwks.WithStore(s, secret))); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("a static one with a store of its own: %v", err)
	}
	if _, err := jwks.NewIssuers(jwks.TrustIssuer("https://issuer.example", jwks.WithStore(s, secret)), jwks.WithClientOptions(jwks.WithoutCache())); err != nil {
		t.Errorf("a store of one's own: %v", err)
	}
}

// The secret is copied.
func TestWithStore_CopiesTheSecret(t *testing.T) {
	testkit.Bubble(t, "overwritten", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		own := bytes.Clone(secret)
		option := jwks.WithStore(s, own)
		clear(own)
		fill(t, env, s, option)
		testkit.WantKey(t, replica(env, s), "k1")
		wantRequests(t, env, 0)
	})
}
