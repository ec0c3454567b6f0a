package docs

import (
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// troubles are the texts that docs/troubleshooting.md explains, and what brings
// them about. The page has each as a heading, in backquotes.
var troubles = map[string]func(t *testing.T, w *trouble) error{
	"it has 1 segment, want 3": func(t *testing.T, w *trouble) error {
		return w.verify(t, "ory_at_Q8mHTMQNbqK1yzV7sGKbZ0Zx")
	},
	"token has invalid audience": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"aud": "billing-api"})
	},
	"they differ in the slash at the end": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"iss": w.issuer.URL() + "/"})
	},
	"token is expired": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"exp": time.Now().Add(-time.Hour)})
	},
	"token used before issued": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"iat": time.Now().Add(time.Hour)})
	},
	"token is missing required claim": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"exp": nil})
	},
	"not found at": func(t *testing.T, w *trouble) error {
		return w.sign(t, nil, jwkstest.WithKeyID("another"))
	},
	"is in the set but not usable": func(t *testing.T, w *trouble) error {
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(testkit.KeySetDocument(`{"kid":"k1","use":"enc",`+testkit.P256Members+`}`, `{"kid":"k2",`+testkit.P256Members+`}`))))
		return w.sign(t, nil)
	},
	"the signature does not verify": func(t *testing.T, w *trouble) error {
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(testkit.KeySetDocument(`{"kid":"k1",` + testkit.P256Members + `}`))))
		return w.sign(t, nil)
	},
	"is not allowed, want a signature algorithm": func(t *testing.T, w *trouble) error {
		return w.verify(t, testkit.Segment(`{"alg":"HS256"}`)+"."+testkit.Segment(`{}`)+"."+testkit.Segment("x"))
	},
	"it is bound to a key": func(t *testing.T, w *trouble) error {
		return w.sign(t, map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})
	},
	"answered 404 Not Found": func(t *testing.T, w *trouble) error {
		w.issuer.SetFault(jwkstest.Status(404))
		return w.sign(t, nil)
	},
	"the discovery document's issuer is": func(t *testing.T, w *trouble) error {
		w.issuer.SetFault(jwkstest.Body([]byte(testkit.Metadata("https://other.example", "https://other.example/jwks"))))
		return w.sign(t, nil)
	},
	"what came is an HTML page": func(t *testing.T, w *trouble) error {
		w.issuer.SetJWKSFault(jwkstest.Body([]byte("<!doctype html><p>Sign in")))
		return w.sign(t, nil)
	},
	"an unknown authority": func(t *testing.T, _ *trouble) error {
		server := httptest.NewUnstartedServer(nil)
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshake
		server.StartTLS()
		defer server.Close()
		client, err := jwks.NewClient(jwks.WithJWKSURL(server.URL), jwks.WithRetries(0))
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		return client.Ready(t.Context())
	},
	"http is for loopback hosts only": func(*testing.T, *trouble) error {
		_, err := jwks.NewClient(jwks.WithIssuer("http://keycloak:8080/realms/shop"))
		return err
	},
	"the audience is not decided": func(_ *testing.T, w *trouble) error {
		_, err := jwks.NewVerifier(w.client)
		return err
	},
	"the issuer is not decided": func(*testing.T, *trouble) error {
		client, err := jwks.NewClient(jwks.WithJWKSURL("https://login.example.com/keys"))
		if err != nil {
			return err
		}
		_, err = jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
		return err
	},
}

// trouble is an issuer and who verifies its tokens.
type trouble struct {
	issuer   *jwkstest.Issuer
	client   *jwks.Client
	verifier *jwks.Verifier
}

func newTrouble(t *testing.T) *trouble {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		t.Fatal(err)
	}
	return &trouble{issuer, client, verifier}
}

func (w *trouble) verify(t *testing.T, token string) error {
	_, err := w.verifier.Verify(t.Context(), token)
	return err
}

func (w *trouble) sign(t *testing.T, claims map[string]any, opts ...jwkstest.SignOption) error {
	all := map[string]any{"aud": "orders-api"}
	maps.Copy(all, claims)
	return w.verify(t, w.issuer.Sign(all, opts...))
}

func TestTroubleshooting_Texts(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	for text, cause := range troubles {
		t.Run(text, func(t *testing.T) {
			err := cause(t, newTrouble(t))
			t.Log(err)
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("error %v, want one with %q", err, text)
			}
			if !strings.Contains(string(page), "## `"+text+"`\n") {
				t.Errorf("the page has no heading with %q", text)
			}
		})
	}
	if headings, rows := strings.Count(string(page), "\n## `"), len(troubles); headings != rows {
		t.Errorf("the page explains %d texts, and %d are tested", headings, rows)
	}
}
