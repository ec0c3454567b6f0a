package ported

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestPorted_PyJWKSet(t *testing.T) {
	es, rs := testkit.NewSigner(t, "ES256", "es"), testkit.NewSigner(t, "RS256", "rs")
	unknown := `{"kty":"EC","crv":"secp256k1","kid":"unknown","x":"AA","y":"AA"}`
	t.Run("should_load_keys_from_jwk_data_json_string", func(t *testing.T) {
		if got := testkit.KeySetOf(t, es, rs).Len(); got != 2 {
			t.Errorf("%d keys", got)
		}
	})
	t.Run("keyset_should_index_by_kid", func(t *testing.T) {
		if key, ok := testkit.KeySetOf(t, es, rs).Key("rs"); !ok || key.Type() != "RSA" {
			t.Error("rs is not found")
		}
	})
	t.Run("keyset_iterator", func(t *testing.T) {
		var kids []string
		for key := range testkit.KeySetOf(t, es, rs).All() {
			kids = append(kids, key.ID())
		}
		if strings.Join(kids, " ") != "es rs" {
			t.Errorf("keys %v", kids)
		}
	})
	t.Run("keyset_with_unknown_alg", func(t *testing.T) {
		set := testkit.ParseKeys(t, unknown, es.JWK())
		if _, ok := set.Key("unknown"); ok || set.Len() != 1 || len(set.Skipped()) != 1 || set.Skipped()[0].KeyID != "unknown" {
			t.Errorf("%d keys, skipped %v", set.Len(), set.Skipped())
		}
	})
	for name, document := range map[string]string{
		"keyset_with_only_unknown_alg": `{"keys":[` + unknown + `]}`,
		"invalid_keys_list":            `{"keys":"string"}`,
		"empty_keys_list":              `{"keys":[]}`,
		"key_is_not_an_object":         `{"keys":[3]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jwks.ParseKeySet([]byte(document))
			testkit.WantError(t, err, jwks.ErrInvalidKeySet, jwks.ErrUnavailable)
		})
	}
	t.Run("jwk_decode_kid_missing", func(t *testing.T) {
		other := testkit.NewSigner(t, "ES256", "other")
		v := testkit.NewVerifier(t, testkit.KeySetOf(t, es, other))
		if key := testkit.Accept(t, v, other.Sign(`{"alg":"ES256"}`, testkit.Payload(nil))).Key(); key.ID() != "other" {
			t.Errorf("key %q", key.ID())
		}
		testkit.Refuse(t, v, testkit.NewSigner(t, "ES256", "").Sign(`{"alg":"ES256"}`, testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
	})
	t.Run("jwk_decode_algorithm_tampered_with", func(t *testing.T) {
		v := testkit.NewVerifier(t, testkit.KeySetOf(t, es))
		testkit.Refuse(t, v, es.Sign(`{"alg":"none","kid":"es"}`, testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed)
		testkit.Refuse(t, v, es.Sign(`{"alg":"HS256","kid":"es"}`, testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed)
	})
}

// The errors of golang-jwt are those that users of PyJWT know by other names.
func TestPorted_PyJWTErrors(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example")
	v, err := jwks.NewVerifier(n.NewClient(t, jwks.WithIssuer(issuer.URL())), jwks.WithAudience("api"))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour).Unix()
	for name, test := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"ExpiredSignatureError":     {map[string]any{"aud": "api", "exp": past}, jwt.ErrTokenExpired},
		"ImmatureSignatureError":    {map[string]any{"aud": "api", "nbf": past + 7200}, jwt.ErrTokenNotValidYet},
		"InvalidAudienceError":      {map[string]any{"aud": "other"}, jwt.ErrTokenInvalidAudience},
		"InvalidIssuerError":        {map[string]any{"aud": "api", "iss": "https://other.example"}, jwt.ErrTokenInvalidIssuer},
		"MissingRequiredClaimError": {map[string]any{"aud": "api", "exp": nil}, jwt.ErrTokenRequiredClaimMissing},
	} {
		t.Run(name, func(t *testing.T) { testkit.Refuse(t, v, issuer.Sign(test.claims), test.want, jwks.ErrTokenInvalid) })
	}
}
