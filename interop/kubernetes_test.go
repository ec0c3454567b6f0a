package interop

import (
	"context"
	"testing"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// TestClient_Kubernetes asks the authenticator that an API server runs for the
// flag --oidc-issuer-url.
func TestClient_Kubernetes(t *testing.T) {
	accepts := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
	issuer, server := fakeIssuer(t, allAlgorithms, true)
	noPrefix := ""
	authenticator, err := oidc.New(t.Context(), oidc.Options{
		JWTAuthenticator: apiserver.JWTAuthenticator{
			Issuer:        apiserver.Issuer{URL: issuer.URL(), Audiences: []string{audience}},
			ClaimMappings: apiserver.ClaimMappings{Username: apiserver.PrefixedClaimOrExpression{Claim: "sub", Prefix: &noPrefix}},
		},
		Client:               server.Client(),
		SupportedSigningAlgs: accepts,
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "discovery by the API server", func() error { return authenticator.HealthCheck() })
	c := &client{
		name: "Kubernetes API server", version: moduleVersion(t, "k8s.io/apiserver"), issuer: issuer, audience: audience, accepts: accepts,
		verify: func(ctx context.Context, token string) (string, error) {
			answer, ok, err := authenticator.AuthenticateToken(ctx, token)
			if err != nil {
				return "", refusal(err.Error())
			}
			if !ok {
				return "", refusal("not authenticated")
			}
			return answer.User.GetName(), nil
		},
	}
	c.examine(t)
}
