package jwksmcp_test

import (
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A server takes no proofs of keys, so a token that is bound to one is refused,
// unless the program accepts it from anyone.
func TestBoundToken_IsRefused(t *testing.T) {
	issuer := newIssuer(t)
	token := sign(issuer, map[string]any{"cnf": jwkstest.NewProofKey("ES256").Confirmation()})
	w := post(protected(t, newVerifier(t, issuer), options), initialize, token, "")
	if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = post(protected(t, newVerifier(t, issuer, jwks.WithoutProofOfPossession()), options), initialize, token, "")
	if w.Code != 200 {
		t.Errorf("accepted from anyone: %d %v", w.Code, w.Header())
	}
}
