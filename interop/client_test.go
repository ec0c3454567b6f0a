package interop

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/jwkstest"
)

// client is a verifier that others wrote, before our fake issuer.
type client struct {
	name, version string
	issuer        *jwkstest.Issuer
	audience      string
	accepts       []string // the algorithms that it says it knows
	verify        func(ctx context.Context, token string) (subject string, err error)
}

// fakeIssuer serves package jwkstest's issuer, with every algorithm, on a socket.
func fakeIssuer(t *testing.T, algorithms []string, tls bool) (*jwkstest.Issuer, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	scheme := "http"
	if tls {
		scheme = "https"
	}
	base := scheme + "://" + server.Listener.Addr().String()
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms(algorithms...), jwkstest.WithBaseURL(base))
	server.Config.Handler = issuer.Handler()
	if tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return issuer, server
}

const audience = "interop"

func processClient(t *testing.T, name string, p program, accepts []string, tls bool) {
	issuer, server := fakeIssuer(t, allAlgorithms, tls)
	config := map[string]any{"issuer": issuer.URL(), "audience": audience, "jwks_uri": issuer.JWKSURL()}
	if tls {
		config["ca"] = certificateFile(t, server)
	}
	running := start(t, p, config)
	c := &client{
		name: name, version: running.ready.Version, issuer: issuer, audience: audience, accepts: accepts,
		verify: func(_ context.Context, token string) (string, error) {
			a, err := running.try(map[string]any{"do": "verify", "token": token})
			return a.Subject, err
		},
	}
	c.examine(t)
}

func certificateFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestClient_Jose(t *testing.T) {
	processClient(t, "jose", node("jose-client.mjs", "jose"), allAlgorithms, false)
}

func TestClient_AWSJWTVerify(t *testing.T) {
	processClient(t, "aws-jwt-verify", node("aws-client.mjs", "aws-jwt-verify"),
		[]string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"}, true)
}

func TestClient_JWKSRSA(t *testing.T) {
	processClient(t, "jwks-rsa", node("jwks-rsa-client.mjs", "jwks-rsa"), allAlgorithms, false)
}

func TestClient_PyJWT(t *testing.T) {
	processClient(t, "PyJWT", python("client.py", "pyjwt", "python3-jwt"), allAlgorithms[:10], false)
}

func TestClient_Authlib(t *testing.T) {
	processClient(t, "Authlib", python("client.py", "authlib", "python3-authlib"), allAlgorithms[:10], false)
}

func (c *client) examine(t *testing.T) {
	row := results.row(t, clientsTable, c.name, c.version)
	row.step(t, "token", c.examineTokens)
	row.step(t, "wrong audience", func(t *testing.T) {
		c.refused(t, c.issuer.Sign(map[string]any{"aud": "other"}))
	})
	row.step(t, "wrong issuer", func(t *testing.T) {
		c.refused(t, c.issuer.Sign(map[string]any{"aud": c.audience, "iss": "https://other.example"}))
	})
	row.step(t, "expired", func(t *testing.T) {
		c.refused(t, c.issuer.Sign(map[string]any{"aud": c.audience, "iat": 1_000_000_000, "exp": 1_000_000_300}))
	})
	row.step(t, "forged", func(t *testing.T) {
		c.refused(t, forged(c.issuer.Sign(map[string]any{"aud": c.audience})))
	})
	row.step(t, "rotation", c.examineRotation)
	row.step(t, "outage", c.examineOutage)
}

func (c *client) accepted(t *testing.T, token string) {
	t.Helper()
	if err := c.try(t, token); err != nil {
		t.Error(err)
	}
}

func (c *client) try(t *testing.T, token string) error {
	t.Helper()
	subject, err := c.verify(t.Context(), token)
	if err != nil {
		return err
	}
	if subject == "" {
		return fmt.Errorf("%s accepts the token and tells no subject", c.name)
	}
	return nil
}

func (c *client) refused(t *testing.T, token string) {
	t.Helper()
	_, err := c.verify(t.Context(), token)
	if said := refusal(""); err == nil {
		t.Errorf("%s accepts it", c.name)
	} else if !errors.As(err, &said) {
		t.Errorf("%s did not refuse the token, it failed: %v", c.name, err)
	}
}

// examineTokens signs with every key of the issuer in turn. What the client
// accepts must be what it is said to accept.
func (c *client) examineTokens(t *testing.T) {
	var accepted []string
	for n, alg := range allAlgorithms {
		token := c.issuer.Sign(map[string]any{"aud": c.audience}, jwkstest.WithKeyID(fmt.Sprintf("k%d", n+1)))
		err := c.try(t, token)
		if err == nil {
			accepted = append(accepted, alg)
		} else if slices.Contains(c.accepts, alg) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if !slices.Equal(accepted, c.accepts) {
		t.Errorf("%s accepts %s, want %s", c.name, strings.Join(accepted, " "), strings.Join(c.accepts, " "))
	}
	detail(t, "%s", strings.Join(accepted, " "))
}

func (c *client) examineRotation(t *testing.T) {
	before := c.issuer.Sign(map[string]any{"aud": c.audience})
	c.issuer.Rotate()
	c.accepted(t, c.issuer.Sign(map[string]any{"aud": c.audience}))
	c.accepted(t, before)
}

// examineOutage wants that a client goes on with the keys that it has, and
// takes up new ones after the return.
func (c *client) examineOutage(t *testing.T) {
	token := c.issuer.Sign(map[string]any{"aud": c.audience})
	c.accepted(t, token)
	c.issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
	c.accepted(t, token)
	c.issuer.Rotate()
	fresh := c.issuer.Sign(map[string]any{"aud": c.audience})
	c.refused(t, fresh)
	c.issuer.SetFault(jwkstest.None())
	eventually(t, "a token after the return", func() error { return c.try(t, fresh) })
}
