package jwksconnect_test

import (
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/connect"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A call brings no proof of a key, so a token that is bound to one is refused,
// whatever the scheme, unless the program accepts it from anyone.
func TestBoundToken_IsRefused(t *testing.T) {
	issuer := newIssuer(t)
	key := jwkstest.NewProofKey("ES256")
	token := sign(issuer, map[string]any{"cnf": key.Confirmation()})
	for name, test := range map[string]struct {
		verifier *jwks.Verifier
		scheme   string
		refused  bool
	}{
		"as Bearer":       {newVerifier(t, issuer), "Bearer ", true},
		"as DPoP":         {newVerifier(t, issuer), "DPoP ", true},
		"with a cache":    {newVerifier(t, issuer, jwks.WithTokenCache(10)), "Bearer ", true},
		"accepted anyway": {newVerifier(t, issuer, jwks.WithoutProofOfPossession()), "Bearer ", false},
	} {
		r := httptest.NewRequest("POST", "http://api.example"+whoAmI, nil)
		r.Header.Set("Authorization", test.scheme+token)
		r.Header.Set("DPoP", key.Proof("POST", "http://api.example"+whoAmI, token))
		for range 2 {
			info, err := jwksconnect.AuthFunc(test.verifier)(t.Context(), r)
			if refused := connect.CodeOf(err) == connect.CodeUnauthenticated && info == nil; err != nil != test.refused || refused != test.refused {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
	}
}
