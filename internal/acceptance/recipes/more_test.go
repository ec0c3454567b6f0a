package recipes

import (
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// selfHosted are the providers that one may run, and those of platforms.
var selfHosted = []recipe{
	{
		name: "Keycloak", page: "keycloak.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://keycloak.example.com/realms/shop")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("orders-api"), jwks.WithClaim("typ", "Bearer")},
		issuer:   "https://keycloak.example.com/realms/shop", discovery: "https://keycloak.example.com/realms/shop/.well-known/openid-configuration",
		keys: "https://keycloak.example.com/realms/shop/protocol/openid-connect/certs", algorithm: "RS256",
		others: []string{`{"kid":"enc-1","kty":"RSA","alg":"RSA-OAEP","use":"enc","n":"AQAB","e":"AQAB"}`},
		claims: keycloakClaims("https://keycloak.example.com/realms/shop"),
		refused: []refusal{
			{"no audience mapper", map[string]any{"aud": "account"}, "audience"},
			{"an ID token", map[string]any{"typ": "ID"}, "claim"},
			{"another realm", map[string]any{"iss": "https://keycloak.example.com/realms/master"}, "issuer"},
		},
	},
	{
		name: "In containers, with one name", page: "keycloak.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("http://keycloak:8080/realms/shop"),
			jwks.AllowInsecureHTTP(), // inside a network of containers
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("orders-api")},
		issuer:   "http://keycloak:8080/realms/shop", discovery: "http://keycloak:8080/realms/shop/.well-known/openid-configuration",
		keys: "http://keycloak:8080/realms/shop/protocol/openid-connect/certs", algorithm: "RS256", claims: keycloakClaims("http://keycloak:8080/realms/shop"),
		refused: []refusal{{"a token that was fetched under another name", map[string]any{"iss": "http://localhost:8080/realms/shop"}, "issuer"}},
	},
	{
		name: "In containers, with two names", page: "keycloak.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("http://localhost:8080/realms/shop"),
			jwks.WithDiscoveryURL("http://keycloak:8080/realms/shop/.well-known/openid-configuration"),
			jwks.WithLocalURLRewrite(), // the keys too are fetched from keycloak:8080
			jwks.AllowInsecureHTTP(),
		},
		verifier: []jwks.VerifierOption{jwks.WithAudience("orders-api")},
		issuer:   "http://localhost:8080/realms/shop", discovery: "http://keycloak:8080/realms/shop/.well-known/openid-configuration",
		document: testkit.Metadata("http://localhost:8080/realms/shop", "http://localhost:8080/realms/shop/protocol/openid-connect/certs"),
		keys:     "http://keycloak:8080/realms/shop/protocol/openid-connect/certs", algorithm: "RS256", claims: keycloakClaims("http://localhost:8080/realms/shop"),
		refused: []refusal{{"a token that was fetched under the inner name", map[string]any{"iss": "http://keycloak:8080/realms/shop"}, "issuer"}},
	},
	{
		name: "Zitadel", page: "zitadel.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://example-ab12cd.us1.zitadel.cloud")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("284567890123456789")},
		issuer:   "https://example-ab12cd.us1.zitadel.cloud", discovery: "https://example-ab12cd.us1.zitadel.cloud/.well-known/openid-configuration",
		keys: "https://example-ab12cd.us1.zitadel.cloud/oauth/v2/keys", algorithm: "RS256",
		claims: map[string]any{
			"sub": "284560000000000001", "aud": []string{"284567890123450000@shop", "284567890123456789"}, "client_id": "284567890123450000@shop", "jti": "j1",
			"urn:zitadel:iam:org:project:roles": map[string]any{"clerk": map[string]any{"284560000000000000": "example.zitadel.cloud"}},
		},
		refused: []refusal{{"the audience of the project was not asked for", map[string]any{"aud": []string{"284567890123450000@shop"}}, "audience"}},
	},
	{
		name: "Ory", page: "ory.md",
		client:   []jwks.ClientOption{jwks.WithIssuer("https://example.projects.oryapis.com")},
		verifier: []jwks.VerifierOption{jwks.WithAudience("https://orders.example.com")},
		issuer:   "https://example.projects.oryapis.com", discovery: "https://example.projects.oryapis.com/.well-known/openid-configuration",
		keys: "https://example.projects.oryapis.com/.well-known/jwks.json", algorithm: "RS256",
		claims: map[string]any{
			"sub": "b8a1d2c3", "aud": []string{"https://orders.example.com"}, "client_id": "c1", "scp": []string{"orders.read"}, "ext": map[string]any{}, "jti": "j1",
		},
		refused: []refusal{
			{"the client asked for no audience", map[string]any{"aud": []string{}}, "audience"},
			{"a slash that the issuer does not have", map[string]any{"iss": "https://example.projects.oryapis.com/"}, "issuer"},
		},
	},
	{
		name: "GitHub Actions", page: "github-actions.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://token.actions.githubusercontent.com")},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("https://deploy.example.com"),
			jwks.WithClaim("repository_id", "123456789"),
			jwks.WithClaim("ref", "refs/heads/main"),
		},
		issuer: "https://token.actions.githubusercontent.com", discovery: "https://token.actions.githubusercontent.com/.well-known/openid-configuration",
		keys: "https://token.actions.githubusercontent.com/.well-known/jwks", algorithm: "RS256",
		claims: map[string]any{
			"sub": "repo:example/orders:ref:refs/heads/main", "aud": "https://deploy.example.com", "ref": "refs/heads/main",
			"repository": "example/orders", "repository_id": "123456789", "repository_owner_id": "42", "event_name": "push", "jti": "j1",
		},
		refused: []refusal{
			{"any other repository on GitHub", map[string]any{"repository": "mallory/orders", "repository_id": "666"}, "claim"},
			{"a pull request", map[string]any{"ref": "refs/pull/7/merge", "event_name": "pull_request"}, "claim"},
			{"the default audience", map[string]any{"aud": "https://github.com/example"}, "audience"},
		},
	},
	{
		name: "GitLab", page: "gitlab.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://gitlab.com")},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("https://deploy.example.com"),
			jwks.WithClaim("project_id", "20"),
			jwks.WithClaim("ref_protected", "true"),
		},
		issuer: "https://gitlab.com", discovery: "https://gitlab.com/.well-known/openid-configuration", keys: "https://gitlab.com/oauth/discovery/keys", algorithm: "RS256",
		claims: map[string]any{
			"sub": "project_path:example/orders:ref_type:branch:ref:main", "aud": "https://deploy.example.com", "project_id": "20",
			"project_path": "example/orders", "ref": "main", "ref_type": "branch", "ref_protected": "true", "jti": "j1",
		},
		refused: []refusal{
			{"another project", map[string]any{"project_id": "21"}, "claim"},
			{"an unprotected branch", map[string]any{"ref": "feature", "ref_protected": "false"}, "claim"},
		},
	},
	{
		name: "Kubernetes, from outside the cluster", page: "kubernetes.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE")},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("orders-api"),
			jwks.WithClaim("/kubernetes.io/namespace", "billing"),
		},
		issuer: eks, discovery: eks + "/.well-known/openid-configuration", keys: eks + "/keys", algorithm: "RS256", header: ` `,
		claims: map[string]any{
			"sub": "system:serviceaccount:billing:invoices", "aud": []string{"orders-api"},
			"kubernetes.io": map[string]any{"namespace": "billing", "serviceaccount": map[string]any{"name": "invoices"}},
		},
		refused: []refusal{
			{"a pod's default token, for the API server", map[string]any{"aud": []string{"https://kubernetes.default.svc"}}, "audience"},
			{"another namespace", map[string]any{"kubernetes.io": map[string]any{"namespace": "default"}}, "claim"},
		},
	},
	{
		name: "SPIFFE", page: "spiffe.md",
		client: []jwks.ClientOption{
			jwks.WithJWKSURL("https://spire.example.org/bundle"),
			jwks.WithKeyUses("jwt-svid"),
		},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("spiffe://example.org/orders"),
			jwks.WithoutIssuerCheck(), // a JWT-SVID need not have one
			jwks.WithCheck(inTrustDomain),
		},
		issuer: "", keys: "https://spire.example.org/bundle", algorithm: "ES256",
		jwk: func(s *testkit.Signer) string {
			return testkit.WithMembers(withoutUse(s.JWK()), `"use":"jwt-svid"`)
		},
		others: []string{`{"use":"x509-svid","kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`},
		claims: map[string]any{"iss": nil, "sub": "spiffe://example.org/billing", "aud": []string{"spiffe://example.org/orders"}},
		refused: []refusal{
			{"another trust domain", map[string]any{"sub": "spiffe://other.example/billing"}, "check"},
			{"a SPIFFE ID of a domain that only begins alike", map[string]any{"sub": "spiffe://example.org.evil.example/billing"}, "check"},
		},
	},
	{
		name: "Supabase", page: "supabase.md",
		client: []jwks.ClientOption{
			jwks.WithIssuer("https://abcdefghijklmnopqrst.supabase.co/auth/v1"),
			jwks.WithJWKSURL("https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json"),
		},
		verifier: []jwks.VerifierOption{
			jwks.WithAudience("authenticated"),
			jwks.WithClaim("role", "authenticated"),
			jwks.WithClaim("is_anonymous", "false"),
		},
		issuer: "https://abcdefghijklmnopqrst.supabase.co/auth/v1", keys: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json", algorithm: "ES256",
		jwk: func(s *testkit.Signer) string {
			return testkit.WithMembers(s.JWKWithAlg("ES256"), `"ext":true,"key_ops":["verify"]`)
		},
		claims: map[string]any{
			"sub": "11111111-2222-4333-8444-555555555555", "aud": "authenticated", "role": "authenticated", "aal": "aal1",
			"session_id": "s1", "is_anonymous": false, "email": "alice@example.com",
		},
		refused: []refusal{
			{"an anonymous user", map[string]any{"is_anonymous": true}, "claim"},
			{"a service role", map[string]any{"role": "service_role"}, "claim"},
		},
	},
	{
		name: "Clerk", page: "clerk.md",
		client: []jwks.ClientOption{jwks.WithIssuer("https://clerk.example.com")},
		verifier: []jwks.VerifierOption{
			jwks.WithoutAudienceCheck(),
			jwks.WithAuthorizedParties("https://app.example.com"),
			jwks.WithRequiredClaims("sid"),
		},
		issuer: "https://clerk.example.com", discovery: "https://clerk.example.com/.well-known/openid-configuration",
		keys: "https://clerk.example.com/.well-known/jwks.json", algorithm: "RS256",
		claims: map[string]any{"sub": "user_2abc", "azp": "https://app.example.com", "sid": "sess_2abc", "sts": "active", "v": 2},
		refused: []refusal{
			{"another site that shares the cookie", map[string]any{"azp": "https://blog.example.com"}, "claim"},
			{"a token of a JWT template", map[string]any{"sid": nil}, "claim"},
		},
	},
}

const eks = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

func keycloakClaims(issuer string) map[string]any {
	return map[string]any{
		"iss": issuer, "sub": "3b9f0c6e-0000-4000-8000-000000000001", "aud": []string{"orders-api", "account"}, "typ": "Bearer", "azp": "shop-web",
		"scope": "openid profile", "realm_access": map[string]any{"roles": []string{"clerk"}},
	}
}

func withoutUse(jwk string) string { return strings.Replace(jwk, `"use":"sig",`, "", 1) }
