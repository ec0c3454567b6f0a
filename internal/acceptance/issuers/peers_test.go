package issuers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// The rules that other programs document for several issuers, in at most twelve
// lines of options each.

// peerIssuers makes issuers for one documented example.
func peerIssuers(t *testing.T, hosts ...string) ([]*jwkstest.Issuer, *jwks.Issuers) {
	t.Helper()
	n := testkit.NewInternet()
	var issuers []*jwkstest.Issuer
	var names []string
	for _, host := range hosts {
		issuers = append(issuers, n.AddIssuer(t, host))
		names = append(names, issuers[len(issuers)-1].URL())
	}
	return issuers, n.NewIssuers(t, jwks.TrustIssuers(names...))
}

func peerVerifier(t *testing.T, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	t.Helper()
	v, err := jwks.NewVerifier(source, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestForIssuer_AsEnvoy: jwt_authn with two providers, each with its issuer, its
// audiences, its clock skew, and a required client; requires_any.
func TestForIssuer_AsEnvoy(t *testing.T) {
	issuers, source := peerIssuers(t, "example.com", "another.example")
	v := peerVerifier(t, source,
		jwks.ForIssuer(issuers[0].URL(), // provider1
			jwks.WithAudience("bookstore_android.apps.googleusercontent.com", "bookstore_web.apps.googleusercontent.com"),
			jwks.WithLeeway(60*time.Second)),
		jwks.ForIssuer(issuers[1].URL(), // provider2
			jwks.WithAudience("audience3", "audience4"),
			jwks.WithClaim("sub", "spiffe://spiffe.example/foo"),
			jwks.WithMaxTokenAge(time.Hour)),
	)
	testkit.Accept(t, v, issuers[0].Sign(map[string]any{"aud": "bookstore_web.apps.googleusercontent.com", "exp": time.Now().Add(-45 * time.Second)}))
	testkit.Accept(t, v, issuers[1].Sign(map[string]any{"aud": "audience4", "sub": "spiffe://spiffe.example/foo"}))
	testkit.Refuse(t, v, issuers[0].Sign(map[string]any{"aud": "audience3"}), jwt.ErrTokenInvalidAudience)
	testkit.Refuse(t, v, issuers[1].Sign(map[string]any{"aud": "audience3", "sub": "spiffe://spiffe.example/bar"}), jwt.ErrTokenInvalidClaims)
	testkit.Refuse(t, v, issuers[1].Sign(map[string]any{"aud": "audience3", "sub": "spiffe://spiffe.example/foo", "iat": time.Now().Add(-2 * time.Hour)}), jwt.ErrTokenExpired)
}

// TestForIssuer_AsIstio: RequestAuthentication with two jwtRules, and an
// AuthorizationPolicy whose "when" wants a group, a nested role and any of two
// scopes. There, as here, the last is for the path and not for the token: 403.
func TestForIssuer_AsIstio(t *testing.T) {
	issuers, source := peerIssuers(t, "testing.example", "accounts.example")
	v := peerVerifier(t, source,
		jwks.ForIssuer(issuers[0].URL(),
			jwks.WithAudience("bookstore_web"),
			jwks.WithClaim("groups", "group1")), // request.auth.claims[groups]
		jwks.ForIssuer(issuers[1].URL(),
			jwks.WithoutAudienceCheck(),
			jwks.WithClaim("/realm_access/roles", "admin")), // request.auth.claims[realm_access][roles]
	)
	handler := jwkshttp.Middleware(v, jwkshttp.RequireAnyScope("read", "admin"))( // request.auth.claims[scope]
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	nested := map[string]any{"roles": []string{"user", "admin"}}
	for _, test := range []struct {
		name   string
		issuer int
		claims map[string]any
		want   int
	}{
		{"a group", 0, map[string]any{"aud": "bookstore_web", "groups": []string{"group1", "group2"}, "scope": "write read"}, 200},
		{"a nested role", 1, map[string]any{"realm_access": nested, "scope": "admin"}, 200},
		{"another group", 0, map[string]any{"aud": "bookstore_web", "groups": []string{"group2"}, "scope": "read"}, 401},
		{"the role of the other issuer", 0, map[string]any{"aud": "bookstore_web", "realm_access": nested, "scope": "read"}, 401},
		{"neither scope", 1, map[string]any{"realm_access": nested, "scope": "write"}, 403},
		{"no scope", 1, map[string]any{"realm_access": nested}, 403},
	} {
		r, w := httptest.NewRequest("GET", "/books", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+issuers[test.issuer].Sign(test.claims))
		if handler.ServeHTTP(w, r); w.Code != test.want {
			t.Errorf("%s: %d, want %d", test.name, w.Code, test.want)
		}
	}
}

// TestForIssuer_AsKubernetes: AuthenticationConfiguration with two jwt entries,
// their audiences, claimValidationRules with a required value and with an
// expression over exp and nbf, and a userValidationRule.
func TestForIssuer_AsKubernetes(t *testing.T) {
	issuers, source := peerIssuers(t, "example.com", "ci.example")
	v := peerVerifier(t, source,
		jwks.ForIssuer(issuers[0].URL(),
			jwks.WithAudience("my-app", "my-other-app"), // audienceMatchPolicy: MatchAny
			jwks.WithClaim("hd", "example.com"),         // claim: hd, requiredValue: example.com
			jwks.WithCheck(func(_ context.Context, t *jwks.Token) error {
				if t.NotBefore().IsZero() || t.ExpiresAt().Sub(t.NotBefore()) > 24*time.Hour {
					return fmt.Errorf("total token lifetime must not exceed 24 hours")
				}
				return nil
			})),
		jwks.ForIssuer(issuers[1].URL(), jwks.WithAudience("kubernetes"), jwks.WithClaim("email_verified", "true")),
	)
	now := time.Now()
	day := map[string]any{"aud": "my-app", "hd": "example.com", "nbf": now, "exp": now.Add(24 * time.Hour)}
	testkit.Accept(t, v, issuers[0].Sign(day))
	testkit.Accept(t, v, issuers[1].Sign(map[string]any{"aud": "kubernetes", "email_verified": true}))
	day["exp"] = now.Add(25 * time.Hour)
	testkit.Refuse(t, v, issuers[0].Sign(day), jwks.ErrTokenInvalid)
	testkit.Refuse(t, v, issuers[0].Sign(map[string]any{"aud": "my-app", "hd": "other.example"}), jwt.ErrTokenInvalidClaims)
	testkit.Refuse(t, v, issuers[0].Sign(map[string]any{"aud": "kubernetes", "hd": "example.com"}), jwt.ErrTokenInvalidAudience)
	testkit.Refuse(t, v, issuers[1].Sign(map[string]any{"aud": "kubernetes", "email_verified": false}), jwt.ErrTokenInvalidClaims)
	testkit.Refuse(t, v, issuers[1].Sign(map[string]any{"aud": "my-app", "email_verified": true}), jwt.ErrTokenInvalidAudience)
}
