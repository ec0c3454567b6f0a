package frameworks_test

import (
	"net/http/httptest"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/examples/frameworks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestHello is the test of a protected handler: a real token of a fake issuer,
// and no network.
func TestHello(t *testing.T) {
	issuer := jwkstest.New(t)
	client, _ := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	verifier, _ := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
	r := httptest.NewRequest("GET", "/hello", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"}))
	w := httptest.NewRecorder()
	frameworks.Chi(verifier).ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "hello alice" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
