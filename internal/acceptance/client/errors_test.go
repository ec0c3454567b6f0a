package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Every error of a client, its class and its reasons.
func TestClient_Errors(t *testing.T) {
	type setup struct {
		env *testkit.Env
		c   *jwks.Client
	}
	key := func(kid string) func(t *testing.T, s setup) error {
		return func(t *testing.T, s setup) error { _, err := s.c.Key(t.Context(), kid); return err }
	}
	ready := func(t *testing.T, s setup) error { return s.c.Ready(t.Context()) }
	fails := func(f jwkstest.Fault) func(*testing.T, setup) {
		return func(t *testing.T, s setup) { s.env.Issuer.SetFault(f) }
	}
	loaded := func(more ...func(*testing.T, setup)) func(*testing.T, setup) {
		return func(t *testing.T, s setup) {
			testkit.WantKey(t, s.c, "k1")
			for _, f := range more {
				f(t, s)
			}
		}
	}
	token := func(claims map[string]any, opts ...jwkstest.SignOption) func(t *testing.T, s setup) error {
		return func(t *testing.T, s setup) error {
			text := s.env.Issuer.Sign(claims, opts...)
			_, err := s.c.KeyForToken(t.Context(), text)
			if err != nil && (strings.Contains(err.Error(), text[:20]) || strings.Contains(err.Error(), text[len(text)-20:])) {
				t.Errorf("%v shows the token", err)
			}
			return err
		}
	}
	raw := func(text string) func(t *testing.T, s setup) error {
		return func(t *testing.T, s setup) error { _, err := s.c.KeyForToken(t.Context(), text); return err }
	}
	tests := []struct {
		rule  string
		setup func(*testing.T, setup)
		call  func(*testing.T, setup) error
		class error
		want  []error
		not   []error
	}{
		{"unknown kid, healthy", loaded(), key("k9"), jwks.ErrTokenInvalid, []error{jwks.ErrKeyNotFound}, nil},
		{"unknown kid, cold", nil, key("k9"), jwks.ErrTokenInvalid, []error{jwks.ErrKeyNotFound}, nil},
		{"unknown kid, the refresh fails", loaded(fails(jwkstest.Status(500))), key("k9"), jwks.ErrUnavailable, []error{jwks.ErrKeyNotFound}, nil},
		{"cold, connection dropped", fails(jwkstest.DropConnection()), key("k1"), jwks.ErrUnavailable, nil, []error{jwks.ErrKeyNotFound}},
		{"cold, hang", fails(jwkstest.Hang()), key("k1"), jwks.ErrUnavailable, nil, []error{context.DeadlineExceeded, jwks.ErrKeyNotFound}},
		{"cold, 404", fails(jwkstest.Status(404)), ready, jwks.ErrUnavailable, nil, nil},
		{"cold, 503", fails(jwkstest.Status(503)), ready, jwks.ErrUnavailable, nil, nil},
		{"discovery is HTML", fails(jwkstest.Body([]byte("<html>"))), ready, jwks.ErrUnavailable, []error{jwks.ErrInvalidMetadata}, nil},
		{"discovery names another issuer", fails(jwkstest.Body([]byte(`{"issuer":"https://x.example","jwks_uri":"https://x.example/k"}`))), ready, jwks.ErrUnavailable, []error{jwks.ErrIssuerMismatch}, nil},
		{"the key set is HTML", func(t *testing.T, s setup) { s.env.Issuer.SetJWKSFault(jwkstest.Body([]byte("<html>"))) }, ready, jwks.ErrUnavailable, []error{jwks.ErrInvalidKeySet}, nil},
		{"a redirect loop", func(t *testing.T, s setup) { s.env.Issuer.SetJWKSFault(jwkstest.Redirect(s.env.Issuer.JWKSURL())) }, ready, jwks.ErrUnavailable, nil, nil},
		{"closed", func(t *testing.T, s setup) { _ = s.c.Close() }, ready, jwks.ErrUnavailable, []error{jwks.ErrClosed}, nil},
		{"no token", loaded(), raw(""), jwks.ErrTokenInvalid, []error{jwt.ErrTokenMalformed}, nil},
		{"a token of any text", loaded(), raw("no.to.ken\n"), jwks.ErrTokenInvalid, []error{jwt.ErrTokenMalformed}, nil},
		{"a token that is too long", loaded(), raw(strings.Repeat("a", 20_000)), jwks.ErrTokenInvalid, []error{jwks.ErrTokenTooLarge}, nil},
		{"a token with crit", loaded(), token(nil, jwkstest.WithHeader("crit", []string{"exp"})), jwks.ErrTokenInvalid, []error{jwks.ErrUnsupportedCritical}, nil},
		{"a token with alg none", loaded(), token(nil, jwkstest.WithHeader("alg", "none")), jwks.ErrTokenInvalid, []error{jwks.ErrAlgorithmNotAllowed}, nil},
		{"a token with HS256", loaded(), token(nil, jwkstest.WithHeader("alg", "HS256")), jwks.ErrTokenInvalid, []error{jwks.ErrAlgorithmNotAllowed}, nil},
		{"a token with an alg that the key has not", loaded(), token(nil, jwkstest.WithHeader("alg", "ES384")), jwks.ErrTokenInvalid, []error{jwks.ErrAlgorithmNotAllowed}, nil},
		{"a token of another issuer", loaded(), token(map[string]any{"iss": "https://x.example"}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenInvalidIssuer}, nil},
		{"a token without iss", loaded(), token(map[string]any{"iss": nil}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenInvalidIssuer}, nil},
		{"a token with an unknown kid", loaded(), token(nil, jwkstest.WithHeader("kid", "k9\n")), jwks.ErrTokenInvalid, []error{jwks.ErrKeyNotFound}, nil},
	}
	for _, tt := range tests {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := testkit.NewEnv(t)
			s := setup{env, env.NewClient()}
			if tt.setup != nil {
				tt.setup(t, s)
			}
			err := tt.call(t, s)
			testkit.WantError(t, err, append(tt.want, tt.class)...)
			for _, n := range tt.not {
				if errors.Is(err, n) {
					t.Errorf("%v: matches %v", err, n)
				}
			}
			if len(err.Error()) > 600 {
				t.Errorf("%d characters: %v", len(err.Error()), err)
			}
			t.Log(err)
		})
	}
	testkit.Bubble(t, "a malformed token is refused before any I/O", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		for _, text := range []string{"", "a.b.c", "Bearer ", env.Issuer.Sign(nil) + "=", env.Issuer.Sign(nil, jwkstest.WithHeader("crit", []string{"x"}))} {
			_, err := c.KeyForToken(t.Context(), text)
			testkit.WantError(t, err, jwks.ErrTokenInvalid)
		}
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "a message says what was expected, what was received and what happens next", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.Rotate()
		env.Issuer.Rotate()
		c := env.NewClient(jwks.WithRefreshLimit(30*time.Second, 1))
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
		time.Sleep(12 * time.Second)
		err := testkit.WantNoKey(t, c, "nope", jwks.ErrKeyNotFound)
		want := `jwks: token invalid: key "nope" not found at https://issuer.jwkstest.example/jwks (3 keys, fetched 12s ago; next refresh for unknown keys in 18s)`
		if err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		env.ReplyWith(func(*http.Request) *http.Response { return testkit.Response(503, "{}", "Retry-After", "60") })
		time.Sleep(18 * time.Second)
		testkit.WantNoKey(t, c, "nope", jwks.ErrUnavailable)
		time.Sleep(20 * time.Second)
		err = testkit.WantNoKey(t, c, "nope", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		want = `jwks: keys unavailable: key "nope" is not in the set at hand, and fetching https://issuer.jwkstest.example/jwks: answered 503 Service Unavailable, expected 200; next attempt in 40s`
		if err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	})
	testkit.Bubble(t, "no message shows the query of a URL", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Status(404))
		c := env.NewClient(jwks.WithJWKSURL(env.Issuer.JWKSURL() + "?key=secret"))
		err := testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}
