package recipes

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

var recipes = []recipe{
	{
		name: "Auth0", page: "auth0.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://example.eu.auth0.com/")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("https://orders.example.com")},
		issuer:   "https://example.eu.auth0.com/", discovery: "https://example.eu.auth0.com/.well-known/openid-configuration",
		keys: "https://example.eu.auth0.com/.well-known/jwks.json", algorithm: "RS256",
		claims: map[string]any{
			"sub": "auth0|65f1c0ffee0000000000cafe", "aud": []string{"https://orders.example.com", "https://example.eu.auth0.com/userinfo"},
			"azp": "kVt7zQexampleClientId", "scope": "openid orders:read", "permissions": []string{"orders:read"},
		},
		refused: []refusal{
			{"an ID token: its audience is the client", map[string]any{"aud": "kVt7zQexampleClientId"}, "audience"},
			{"an issuer without its slash", map[string]any{"iss": "https://example.eu.auth0.com"}, "issuer"},
		},
	},
	{
		name: "Okta", page: "okta.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://example.okta.com/oauth2/default")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("api://default"), jwks.WithClientID("0oa1example2CLIENT3id")},
		issuer:   "https://example.okta.com/oauth2/default", discovery: "https://example.okta.com/oauth2/default/.well-known/openid-configuration",
		keys: "https://example.okta.com/oauth2/default/v1/keys", algorithm: "RS256", header: ` `,
		claims: map[string]any{
			"ver": 1, "jti": "AT.example", "sub": "alice@example.com", "aud": "api://default",
			"cid": "0oa1example2CLIENT3id", "uid": "00u1example", "scp": []string{"openid", "orders.read"},
		},
		refused: []refusal{
			{"a token of the org server", map[string]any{"iss": "https://example.okta.com", "aud": "https://example.okta.com"}, "issuer"},
			{"another application", map[string]any{"cid": "0oa9other"}, "claim"},
			{"an ID token: its audience is the client", map[string]any{"aud": "0oa1example2CLIENT3id"}, "audience"},
		},
	},
	{
		name: "Entra ID, v2 tokens of one tenant", page: "entra-id.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://login.microsoftonline.com/11111111-1111-4111-8111-11111111aaaa/v2.0"),
			jwks.WithRetention(48 * time.Hour),
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("99999999-9999-4999-8999-99999999cccc")},
		issuer:   testkit.TenantIssuer(testkit.Tenant1), discovery: testkit.TenantIssuer(testkit.Tenant1) + "/.well-known/openid-configuration",
		keys: "https://login.microsoftonline.com/" + testkit.Tenant1 + "/discovery/v2.0/keys", algorithm: "RS256", jwk: entraKey(testkit.EntraIssuer),
		claims: entraV2,
		refused: []refusal{
			{"a v1 token", map[string]any{"iss": "https://sts.windows.net/" + testkit.Tenant1 + "/", "aud": "api://orders"}, "issuer"},
			{"another tenant", map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant2), "tid": testkit.Tenant2}, "issuer"},
			{"a token for Microsoft Graph", map[string]any{"aud": "00000003-0000-0000-c000-000000000000"}, "audience"},
		},
	},
	{
		name: "Entra ID, v1 tokens of one tenant", page: "entra-id.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://sts.windows.net/11111111-1111-4111-8111-11111111aaaa/"),
			jwks.WithRetention(48 * time.Hour),
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("api://orders")},
		issuer:   "https://sts.windows.net/" + testkit.Tenant1 + "/", discovery: "https://sts.windows.net/" + testkit.Tenant1 + "/.well-known/openid-configuration",
		keys: "https://login.microsoftonline.com/common/discovery/keys", algorithm: "RS256", jwk: entraKey("https://sts.windows.net/{tenantid}/"),
		claims: map[string]any{
			"aud": "api://orders", "tid": testkit.Tenant1, "ver": "1.0", "appid": "77777777-7777-4777-8777-77777777dddd",
			"sub": "AAAAexample", "oid": "33333333-3333-4333-8333-33333333eeee", "scp": "Orders.Read",
		},
		refused: []refusal{
			{"a v2 token", map[string]any{"iss": testkit.TenantIssuer(testkit.Tenant1), "aud": "99999999-9999-4999-8999-99999999cccc"}, "issuer"},
			{"an issuer without its slash", map[string]any{"iss": "https://sts.windows.net/" + testkit.Tenant1}, "issuer"},
		},
	},
	{
		name: "Entra ID, several tenants", page: "entra-id.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://login.microsoftonline.com/{tenantid}/v2.0"),
			jwks.WithTenants("11111111-1111-4111-8111-11111111aaaa", "22222222-2222-4222-8222-22222222bbbb"),
			jwks.WithRetention(48 * time.Hour),
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("99999999-9999-4999-8999-99999999cccc")},
		issuer:   testkit.TenantIssuer(testkit.Tenant1), discovery: "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		document: testkit.Metadata(testkit.EntraIssuer, "https://login.microsoftonline.com/common/discovery/v2.0/keys"),
		keys:     "https://login.microsoftonline.com/common/discovery/v2.0/keys", algorithm: "RS256", jwk: entraKey(testkit.EntraIssuer),
		claims: entraV2,
		refused: []refusal{
			{"a tenant that is not listed", map[string]any{"iss": testkit.TenantIssuer("55555555-5555-4555-8555-55555555ffff"), "tid": "55555555-5555-4555-8555-55555555ffff"}, "issuer"},
			{"an issuer that is not that of tid", map[string]any{"tid": testkit.Tenant2}, "issuer"},
		},
	},
	{
		name: "Cognito, access tokens", page: "cognito.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI")},
		verifier: []jwks.VerifierOption{
			jwks.WithoutAudienceCheck(),
			jwks.WithClientID("3n4b5urk1ft4fl3mg5e62d9ado"),
			jwks.WithClaim("token_use", "access"),
		},
		issuer: cognito, discovery: cognito + "/.well-known/openid-configuration", keys: cognito + "/.well-known/jwks.json", algorithm: "RS256", header: ` `,
		claims: map[string]any{
			"sub": "0c5e1b1e-0000-4000-8000-000000000001", "client_id": "3n4b5urk1ft4fl3mg5e62d9ado", "token_use": "access",
			"scope": "orders/read", "username": "alice", "cognito:groups": []string{"clerks"}, "jti": "j1", "origin_jti": "j0",
		},
		refused: []refusal{
			{"an ID token", map[string]any{"token_use": "id", "aud": "3n4b5urk1ft4fl3mg5e62d9ado", "client_id": nil}, "claim"},
			{"a token of another application", map[string]any{"client_id": "another"}, "claim"},
		},
	},
	{
		name: "Cognito, ID tokens", page: "cognito.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("3n4b5urk1ft4fl3mg5e62d9ado"), jwks.WithClaim("token_use", "id")},
		issuer:   cognito, discovery: cognito + "/.well-known/openid-configuration", keys: cognito + "/.well-known/jwks.json", algorithm: "RS256", header: ` `,
		claims:  map[string]any{"sub": "0c5e1b1e-0000-4000-8000-000000000001", "aud": "3n4b5urk1ft4fl3mg5e62d9ado", "token_use": "id", "cognito:username": "alice"},
		refused: []refusal{{"an access token", map[string]any{"token_use": "access", "client_id": "3n4b5urk1ft4fl3mg5e62d9ado", "aud": nil}, "claim"}},
	},
	{
		name: "Firebase", page: "firebase.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://securetoken.google.com/example-project")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("example-project"), jwks.WithRequiredClaims("sub", "auth_time")},
		issuer:   "https://securetoken.google.com/example-project", discovery: "https://securetoken.google.com/example-project/.well-known/openid-configuration",
		keys: "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com", algorithm: "RS256",
		claims: map[string]any{
			"sub": "Xk893u23H9SI", "user_id": "Xk893u23H9SI", "aud": "example-project", "auth_time": time.Now().Add(-time.Minute).Unix(),
			"firebase": map[string]any{"sign_in_provider": "password"},
		},
		refused: []refusal{
			{"another project", map[string]any{"iss": "https://securetoken.google.com/other", "aud": "other"}, "issuer"},
			{"a session cookie", map[string]any{"iss": "https://session.firebase.google.com/example-project"}, "issuer"},
			{"a token without a user", map[string]any{"sub": nil}, "claim"},
		},
	},
	{
		name: "Google, users who sign in", page: "google.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://accounts.google.com"),
			jwks.WithIssuerAliases("accounts.google.com"),
		},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("1234567890-abc123.apps.googleusercontent.com"),
			jwks.WithClaim("hd", "example.com"),
		},
		issuer: "https://accounts.google.com", discovery: "https://accounts.google.com/.well-known/openid-configuration",
		keys: "https://www.googleapis.com/oauth2/v3/certs", algorithm: "RS256",
		claims: map[string]any{
			"iss": "accounts.google.com", "sub": "110169484474386276334", "aud": "1234567890-abc123.apps.googleusercontent.com",
			"azp": "1234567890-abc123.apps.googleusercontent.com", "hd": "example.com", "email": "alice@example.com", "email_verified": true,
		},
		refused: []refusal{
			{"a private account with an address of the company", map[string]any{"hd": nil}, "claim"},
			{"another application", map[string]any{"aud": "9-other.apps.googleusercontent.com"}, "audience"},
		},
	},
	{
		name: "Google, service accounts", page: "google.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://accounts.google.com")},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("https://orders-abc123-ew.a.run.app"),
			jwks.WithClaim("email", "billing@example-project.iam.gserviceaccount.com"),
			jwks.WithClaim("email_verified", "true"),
		},
		issuer: "https://accounts.google.com", discovery: "https://accounts.google.com/.well-known/openid-configuration",
		keys: "https://www.googleapis.com/oauth2/v3/certs", algorithm: "RS256",
		claims: map[string]any{
			"sub": "104029292853099978293", "aud": "https://orders-abc123-ew.a.run.app", "azp": "104029292853099978293",
			"email": "billing@example-project.iam.gserviceaccount.com", "email_verified": true,
		},
		refused: []refusal{{"another service account", map[string]any{"email": "x@other-project.iam.gserviceaccount.com"}, "claim"}},
	},
	{
		name: "Google IAP", page: "google-iap.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://cloud.google.com/iap"),
			jwks.WithJWKSURL("https://www.gstatic.com/iap/verify/public_key-jwk"),
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("/projects/123456789012/global/backendServices/987654321098")},
		issuer:   "https://cloud.google.com/iap", keys: "https://www.gstatic.com/iap/verify/public_key-jwk", algorithm: "ES256",
		claims: map[string]any{
			"sub": "accounts.google.com:110169484474386276334", "email": "alice@example.com",
			"aud": "/projects/123456789012/global/backendServices/987654321098",
		},
		refused: []refusal{{"another backend of the project", map[string]any{"aud": "/projects/123456789012/global/backendServices/1"}, "audience"}},
	},
}

const cognito = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"

var entraV2 = map[string]any{
	"aud": "99999999-9999-4999-8999-99999999cccc", "tid": testkit.Tenant1, "ver": "2.0", "azp": "77777777-7777-4777-8777-77777777dddd",
	"sub": "AAAAexample", "oid": "33333333-3333-4333-8333-33333333eeee", "scp": "Orders.Read", "roles": []string{"Clerk"},
}

// entraKey is a key as Entra publishes it: without alg, with an issuer.
func entraKey(issuer string) func(s *testkit.Signer) string {
	return func(s *testkit.Signer) string {
		return testkit.WithMembers(s.JWK(), `"x5t":"`+strings.Repeat("A", 27)+`","issuer":"`+issuer+`"`)
	}
}

// inTrustDomain is on the page about SPIFFE.
func inTrustDomain(_ context.Context, t *jwks.Token) error {
	if !strings.HasPrefix(t.Subject(), "spiffe://example.org/") {
		return errors.New("want a workload of example.org")
	}
	return nil
}
