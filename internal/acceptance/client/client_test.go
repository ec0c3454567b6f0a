// Package client shows what a Client does apart from keeping its keys fresh: every
// method and option, discovery, errors, events, and how it ends.
package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_EveryMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		if n := env.Issuer.Requests(); n != (jwkstest.Requests{}) {
			t.Errorf("making a client sent %+v", n)
		}
		v, err := jwks.NewVerifier(c, jwks.WithAudience("api"))
		if err != nil {
			t.Fatal(err)
		}
		token := env.Issuer.Sign(map[string]any{"aud": "api"})
		if verified, err := v.Verify(t.Context(), token); err != nil || verified.Issuer() != env.Issuer.URL() {
			t.Errorf("Verify: %v, %v", verified, err)
		}
		if parsed, err := jwt.Parse(token, c.Keyfunc); err != nil || !parsed.Valid {
			t.Errorf("jwt.Parse: %v", err)
		}
		if parsed, err := jwt.Parse(token, c.KeyfuncCtx(t.Context())); err != nil || !parsed.Valid {
			t.Errorf("jwt.Parse: %v", err)
		}
		if key, err := c.KeyForToken(t.Context(), token); err != nil || key.ID() != "k1" || key.Issuer() != env.Issuer.URL() {
			t.Errorf("KeyForToken: %v, %v", key, err)
		}
		if keys, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1", Algorithm: "ES256"}, ""); err != nil || len(keys) != 1 {
			t.Errorf("SigningKeys: %v, %v", keys, err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready: %v", err)
		}
		m, err := c.Metadata(t.Context())
		if err != nil || m.Issuer != env.Issuer.URL() || m.JWKSURI != env.Issuer.JWKSURL() || len(m.Raw) == 0 || !slices.Equal(m.SigningAlgorithms, []string{"ES256"}) {
			t.Errorf("Metadata: %+v, %v", m, err)
		}
		if n := env.Issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("all that sent %+v", n)
		}
	})
}

func TestClient_ReturnsCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewEnv(t).NewClient()
		m, err := c.Metadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.JWKSURI, m.Raw[0], m.SigningAlgorithms[0] = "https://evil.example", 'X', "none"
		st := c.Status()
		st.KeyIDs[0] = "evil"
		again, err := c.Metadata(t.Context())
		if err != nil || again.JWKSURI == m.JWKSURI || again.Raw[0] != '{' || again.SigningAlgorithms[0] != "ES256" {
			t.Errorf("a caller changed the metadata: %+v, %v", again, err)
		}
		if st := c.Status(); st.KeyIDs[0] != "k1" {
			t.Errorf("a caller changed the status: %v", st.KeyIDs)
		}
	})
}

func TestClient_KeysWithoutKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		bare := testkit.NewSigner(t, "ES256", "")
		entries := []string{bare.JWK(), testkit.NewSigner(t, "ES384", "other").JWK()}
		for _, kid := range []string{"3", "4", "5"} {
			entries = append(entries, testkit.NewSigner(t, "EdDSA", kid).JWK())
		}
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(testkit.KeySetDocument(entries...))))
		c := env.NewClient()
		if key, err := c.Key(t.Context(), ""); err != nil || key.ID() != "" {
			t.Errorf("an empty kid finds %v, %v", key, err)
		}
		if keys, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256"}, ""); err != nil || len(keys) != 1 || keys[0].ID() != "" {
			t.Errorf("the only key for an algorithm: %v, %v", keys, err)
		}
		env.TakeRequests("")
		_, err := c.SigningKeys(t.Context(), jwks.Header{}, "")
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("a token that five keys fit sent %d requests", n)
		}
		_, err = c.SigningKeys(t.Context(), jwks.Header{KeyID: "other", Algorithm: "ES256"}, "")
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrAlgorithmNotAllowed)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("a token with the wrong alg sent %d requests", n)
		}
	})
}

func TestClient_Static(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := testkit.NewSigner(t, "ES256", "k1")
		seed := testkit.KeySetOf(t, key)
		c, err := jwks.NewClient(jwks.WithKeySet(seed))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		testkit.WantKey(t, c, "k1")
		for range 10 { // no budget, and nothing to fetch from
			testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if set, err := c.Refresh(t.Context()); err != nil || set != seed {
			t.Errorf("Refresh: %v, %v", set, err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready: %v", err)
		}
		_, err = c.Metadata(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidMetadata)
		st := c.Status()
		if st.State != jwks.StateFresh || st.Fetches != 0 || st.Failures != 0 || st.Throttled != 0 || !st.ExpiresAt.IsZero() || !st.StaleUntil.IsZero() || !st.FetchedAt.IsZero() {
			t.Errorf("status %+v", st)
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), key.Token(`{}`)); err != nil {
			t.Errorf("Verify: %v", err)
		}
		_, err = v.Verify(t.Context(), testkit.NewSigner(t, "ES256", "k1").Token(`{}`))
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable, jwks.ErrClosed)
	})
}

func TestClient_MetadataWithoutDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithJWKSURL(env.Issuer.JWKSURL()))
		_, err := c.Metadata(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidMetadata)
		testkit.WantKey(t, c, "k1")
		if n := len(env.TakeRequests(testkit.DiscoveryPath)); n != 0 {
			t.Errorf("%d discovery requests beside WithJWKSURL", n)
		}
	})
}
