package jwks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Every error of a client, its class and its reasons.
func TestErrorsOfAClient(t *testing.T) {
	type setup struct {
		w *world
		c *jwks.Client
	}
	key := func(kid string) func(t *testing.T, s setup) error {
		return func(t *testing.T, s setup) error { _, err := s.c.Key(t.Context(), kid); return err }
	}
	ready := func(t *testing.T, s setup) error { return s.c.Ready(t.Context()) }
	fails := func(f jwkstest.Fault) func(*testing.T, setup) {
		return func(t *testing.T, s setup) { s.w.issuer.SetFault(f) }
	}
	loaded := func(more ...func(*testing.T, setup)) func(*testing.T, setup) {
		return func(t *testing.T, s setup) {
			finds(t, s.c, "k1")
			for _, f := range more {
				f(t, s)
			}
		}
	}
	token := func(claims map[string]any, opts ...jwkstest.SignOption) func(t *testing.T, s setup) error {
		return func(t *testing.T, s setup) error {
			text := s.w.issuer.Sign(claims, opts...)
			_, err := s.c.KeyForToken(t.Context(), text)
			if err != nil && (strings.Contains(err.Error(), text[:20]) || strings.Contains(err.Error(), text[len(text)-20:])) {
				t.Errorf("%v: shows the token", err)
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
		{"the key set is HTML", func(t *testing.T, s setup) { s.w.issuer.SetJWKSFault(jwkstest.Body([]byte("<html>"))) }, ready, jwks.ErrUnavailable, []error{jwks.ErrInvalidKeySet}, nil},
		{"a redirect loop", func(t *testing.T, s setup) { s.w.issuer.SetJWKSFault(jwkstest.Redirect(s.w.issuer.JWKSURL())) }, ready, jwks.ErrUnavailable, nil, nil},
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
		bubble(t, tt.rule, func(t *testing.T) {
			w := newWorld(t)
			s := setup{w, w.client()}
			if tt.setup != nil {
				tt.setup(t, s)
			}
			err := tt.call(t, s)
			wantError(t, err, append(tt.want, tt.class)...)
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
	bubble(t, "a malformed token is refused before any I/O", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		for _, text := range []string{"", "a.b.c", "Bearer ", w.issuer.Sign(nil) + "=", w.issuer.Sign(nil, jwkstest.WithHeader("crit", []string{"x"}))} {
			_, err := c.KeyForToken(t.Context(), text)
			wantError(t, err, jwks.ErrTokenInvalid)
		}
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "a message says what was expected, what came and what is next", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Rotate()
		w.issuer.Rotate()
		c := w.client(jwks.WithRefreshLimit(30*time.Second, 1))
		finds(t, c, "k1")
		misses(t, c, "junk", jwks.ErrKeyNotFound)
		time.Sleep(12 * time.Second)
		err := misses(t, c, "nope", jwks.ErrKeyNotFound)
		want := `jwks: token invalid: key "nope" not found at https://issuer.jwkstest.example/jwks (3 keys, fetched 12s ago; next refresh for unknown keys in 18s)`
		if err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		w.replying(func(*http.Request) *http.Response { return answer(503, "{}", "Retry-After", "60") })
		time.Sleep(18 * time.Second)
		misses(t, c, "nope", jwks.ErrUnavailable)
		time.Sleep(20 * time.Second)
		err = misses(t, c, "nope", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		want = `jwks: keys unavailable: key "nope" is not in the set at hand, and fetching https://issuer.jwkstest.example/jwks: answered 503 Service Unavailable, expected 200; next attempt in 40s`
		if err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	})
	bubble(t, "no message shows the query of a URL", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetFault(jwkstest.Status(404))
		c := w.client(jwks.WithJWKSURL(w.issuer.JWKSURL() + "?key=secret"))
		err := misses(t, c, "k1", jwks.ErrUnavailable)
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}
