package jwkshttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestRequire_Answers(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	denied := errors.New("denied")
	require := func(err error) jwkshttp.Option {
		return jwkshttp.Require(func(context.Context, *jwks.Token) error { return err })
	}
	anyOf, admin := jwkshttp.RequireAnyScope("read", "write"), jwkshttp.RequireClaim("/realm_access/roles", "admin")
	nested := map[string]any{"realm_access": map[string]any{"roles": []string{"user", "admin"}}}
	for _, test := range []struct {
		rule   string
		claims map[string]any
		opts   []jwkshttp.Option
		status int
		want   []error
	}{
		{"one of the scopes", map[string]any{"scope": "x write"}, []jwkshttp.Option{anyOf}, 200, nil},
		{"none of the scopes", map[string]any{"scope": "readwrite"}, []jwkshttp.Option{anyOf}, 403, []error{jwkshttp.ErrInsufficientScope}},
		{"no scopes", nil, []jwkshttp.Option{anyOf}, 403, []error{jwkshttp.ErrInsufficientScope}},
		{"one of each list", map[string]any{"scope": "read b"}, []jwkshttp.Option{anyOf, jwkshttp.RequireAnyScope("a", "b")}, 200, nil},
		{"one of one list", map[string]any{"scope": "read write"}, []jwkshttp.Option{anyOf, jwkshttp.RequireAnyScope("a", "b")}, 403, []error{jwkshttp.ErrInsufficientScope}},
		{"all and one of", map[string]any{"scope": "read"}, []jwkshttp.Option{anyOf, jwkshttp.RequireScopes("x")}, 403, []error{jwkshttp.ErrInsufficientScope}},
		{"a role", nested, []jwkshttp.Option{admin}, 200, nil},
		{"another role", map[string]any{"realm_access": map[string]any{"roles": []string{"user"}}}, []jwkshttp.Option{admin}, 403, []error{jwkshttp.ErrForbidden}},
		{"no role", nil, []jwkshttp.Option{admin}, 403, []error{jwkshttp.ErrForbidden}},
		{"a boolean", map[string]any{"email_verified": true}, []jwkshttp.Option{jwkshttp.RequireClaim("email_verified", "true")}, 200, nil},
		{"a number", map[string]any{"level": 3}, []jwkshttp.Option{jwkshttp.RequireClaim("level", "2", "3")}, 200, nil},
		{"two claims", nested, []jwkshttp.Option{admin, jwkshttp.RequireClaim("x", "y")}, 403, []error{jwkshttp.ErrForbidden}},
		{"a check that passes", nil, []jwkshttp.Option{require(nil)}, 200, nil},
		{"a check that refuses", nil, []jwkshttp.Option{require(denied)}, 403, []error{jwkshttp.ErrForbidden, denied}},
		{"one of two refuses", nil, []jwkshttp.Option{require(nil), require(denied)}, 403, []error{jwkshttp.ErrForbidden, denied}},
		{"it calls the token invalid", nil, []jwkshttp.Option{require(jwks.ErrTokenInvalid)}, 403, []error{jwkshttp.ErrForbidden}},
		{"it calls the token expired", nil, []jwkshttp.Option{require(jwt.ErrTokenExpired)}, 403, []error{jwkshttp.ErrForbidden}},
		{"it cannot decide", nil, []jwkshttp.Option{require(fmt.Errorf("%w: down", jwks.ErrUnavailable))}, 503, []error{jwks.ErrUnavailable}},
		{"it says both", nil, []jwkshttp.Option{require(errors.Join(jwkshttp.ErrForbidden, jwks.ErrUnavailable))}, 503, []error{jwks.ErrUnavailable}},
		{"a fetch of its own failed", nil, []jwkshttp.Option{require(&jwks.FetchError{RetryAfter: 7e9})}, 503, []error{jwks.ErrUnavailable}},
	} {
		t.Run(test.rule, func(t *testing.T) {
			var refusal error
			h := jwkshttp.Middleware(verifier, append(test.opts, jwkshttp.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
				refusal = err
				w.WriteHeader(jwkshttp.StatusCode(err))
			}))...)(served)
			claims := map[string]any{"aud": audience}
			for name, value := range test.claims {
				claims[name] = value
			}
			w := answer(h, bearing(issuer.Sign(claims)))
			if w.Code != test.status {
				t.Errorf("%d for %v, want %d", w.Code, refusal, test.status)
			}
			for _, want := range test.want {
				if !errors.Is(refusal, want) {
					t.Errorf("%v does not match %v", refusal, want)
				}
			}
			challenge := w.Header().Get("WWW-Authenticate")
			if scope := errors.Is(refusal, jwkshttp.ErrInsufficientScope); scope != strings.Contains(challenge, "insufficient_scope") || !scope && challenge != "" {
				t.Errorf("challenge %q for %v", challenge, refusal)
			}
			if errors.Is(refusal, jwkshttp.ErrForbidden) && jwkshttp.Reason(refusal) != "forbidden" && test.status == 403 {
				t.Errorf("reason %q", jwkshttp.Reason(refusal))
			}
			if text := fmt.Sprint(refusal); strings.Contains(text, "jwks: token invalid: claim") {
				t.Errorf("%q calls a valid token invalid", text)
			}
		})
	}
}

// TestRequire_WithoutToken: what is required of a token is not granted without
// one, and the challenge says which scopes to ask for.
func TestRequire_WithoutToken(t *testing.T) {
	verifier := newVerifier(t, newIssuer(t))
	pass := jwkshttp.Require(func(context.Context, *jwks.Token) error { return nil })
	for _, test := range []struct {
		rule      string
		opts      []jwkshttp.Option
		challenge string
	}{
		{"one of two scopes", []jwkshttp.Option{jwkshttp.RequireAnyScope("read", "write")}, `Bearer scope="read write"`},
		{"and one more", []jwkshttp.Option{jwkshttp.RequireAnyScope("read", "write"), jwkshttp.RequireScopes("x", "read")}, `Bearer scope="x read write"`},
		{"a claim", []jwkshttp.Option{jwkshttp.RequireClaim("role", "admin")}, `Bearer`},
		{"a check", []jwkshttp.Option{pass}, `Bearer`},
	} {
		for _, opts := range [][]jwkshttp.Option{test.opts, append(test.opts, jwkshttp.AllowAnonymous())} {
			w := answer(jwkshttp.Middleware(verifier, opts...)(served), httptest.NewRequest("GET", "/", nil))
			if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != test.challenge {
				t.Errorf("%s: %d %q, want %q", test.rule, w.Code, got, test.challenge)
			}
		}
	}
}

// TestRequire_Order: the program's checks see only tokens with the scopes and
// claims, and stop at the first error.
func TestRequire_Order(t *testing.T) {
	issuer := newIssuer(t)
	var calls []string
	check := func(name string, err error) jwkshttp.Option {
		return jwkshttp.Require(func(_ context.Context, token *jwks.Token) error {
			calls = append(calls, name+" "+token.Subject())
			return err
		})
	}
	h := jwkshttp.Middleware(newVerifier(t, issuer), check("first", nil), check("second", errors.New("no")), check("third", nil),
		jwkshttp.RequireClaim("role", "admin"), jwkshttp.RequireScopes("read"))(served)
	for _, claims := range []map[string]any{{"scope": "read"}, {"role": "admin"}, {"scope": "read", "role": "admin", "aud": "other"}} {
		if claims["aud"] == nil {
			claims["aud"] = audience
		}
		answer(h, bearing(issuer.Sign(claims)))
	}
	if calls != nil {
		t.Errorf("called: %q", calls)
	}
	answer(h, bearing(issuer.Sign(map[string]any{"aud": audience, "sub": "u", "scope": "read", "role": "admin"})))
	if strings.Join(calls, ", ") != "first u, second u" {
		t.Errorf("called: %q", calls)
	}
}

func TestRequire_BadOptions(t *testing.T) {
	verifier := newVerifier(t, newIssuer(t))
	for rule, opt := range map[string]func() jwkshttp.Option{
		"no scope":       func() jwkshttp.Option { return jwkshttp.RequireAnyScope() },
		"an empty scope": func() jwkshttp.Option { return jwkshttp.RequireAnyScope("a", "") },
		"two in one":     func() jwkshttp.Option { return jwkshttp.RequireAnyScope("a b") },
		"no claim":       func() jwkshttp.Option { return jwkshttp.RequireClaim("", "a") },
		"no values":      func() jwkshttp.Option { return jwkshttp.RequireClaim("x") },
		"an empty value": func() jwkshttp.Option { return jwkshttp.RequireClaim("x", "") },
		"a bad pointer":  func() jwkshttp.Option { return jwkshttp.RequireClaim("/~2", "a") },
		"a nil function": func() jwkshttp.Option { return jwkshttp.Require(nil) },
	} {
		if panics(func() { jwkshttp.Middleware(verifier, opt()) }) == nil {
			t.Errorf("%s: no panic", rule)
		}
	}
}
