package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

var (
	rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecAlgorithms  = []string{"ES256", "ES384", "ES512"}
	edAlgorithms  = []string{"EdDSA", "Ed25519"}
	allAlgorithms = append(append(append([]string{}, rsaAlgorithms...), ecAlgorithms...), edAlgorithms...)
)

// processIssuer is an issuer that runs as a process.
func processIssuer(t *testing.T, name string, p program, algorithms []string) (*issuer, *part) {
	t.Helper()
	running := start(t, p, map[string]any{"port": freePort(t), "algorithms": algorithms})
	return &issuer{
		name: name, version: running.ready.Version, url: running.ready.Issuer,
		algorithms: algorithms, discovery: true,
		mint: func(_ context.Context, audience, algorithm string) (string, error) {
			a, err := running.try(map[string]any{"do": "token", "audience": audience, "algorithm": algorithm})
			return a.Token, err
		},
		rotate: func(t *testing.T) { running.call(t, map[string]any{"do": "rotate"}) },
		retire: func(t *testing.T) { running.call(t, map[string]any{"do": "retire"}) },
		stop:   running.stop,
		start:  running.start,
	}, running
}

func TestIssuer_OIDCProvider(t *testing.T) {
	oidcProvider(t).examine(t)
}

func oidcProvider(t *testing.T) *issuer {
	t.Helper()
	i, _ := processIssuer(t, "oidc-provider", node("oidc-provider.mjs", "oidc-provider"), allAlgorithms)
	i.mint = func(ctx context.Context, audience, _ string) (string, error) {
		answer, err := grant(ctx, i.url+"/token", audience)
		return answer.AccessToken, err
	}
	return i
}

func TestIssuer_Jose(t *testing.T) {
	i, _ := processIssuer(t, "jose", node("jose-issuer.mjs", "jose"), allAlgorithms)
	i.examine(t)
}

func TestIssuer_PyJWT(t *testing.T) {
	i, _ := processIssuer(t, "PyJWT", python("issuer.py", "pyjwt", "python3-jwt"), []string{"RS256", "PS256"})
	i.examine(t)
}

func TestIssuer_Authlib(t *testing.T) {
	i, _ := processIssuer(t, "Authlib", python("issuer.py", "authlib", "python3-authlib"), append([]string{"RS256", "PS256"}, ecAlgorithms...))
	i.examine(t)
}

// granted is the answer of a token endpoint (RFC 6749 section 5.1).
type granted struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	IDToken     string `json:"id_token"`
}

// grant asks for an access token with the client credentials grant.
func grant(ctx context.Context, endpoint, audience string) (granted, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}, "resource": {audience}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return granted{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("service", "a-secret-of-this-test")
	return send(http.DefaultClient, r)
}

func send(client *http.Client, r *http.Request) (answer granted, err error) {
	response, err := client.Do(r)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // what there is of it
		return answer, fmt.Errorf("%s answers %s: %s", r.URL.Path, response.Status, said)
	}
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
