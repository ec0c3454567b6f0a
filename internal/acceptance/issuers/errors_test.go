package issuers

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// An HTTP client may use this package itself, for a token of its own, and fail with
// one of its errors. That is a failed fetch, whatever it matches: the token could not
// be decided, and nobody looks for another client for it.
func TestIssuers_HTTPClientFailsWithOurErrors(t *testing.T) {
	for _, sentinel := range []error{jwks.ErrClosed, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound, jwks.ErrIssuerNotTrusted, jwks.ErrInvalidKeySet, jwks.ErrConfig} {
		for name, trust := range map[string]jwks.IssuersOption{"listed": jwks.TrustIssuers("https://a.example"), "by a function": jwks.TrustIssuerFunc(testkit.TrustAll())} {
			testkit.Bubble(t, fmt.Sprint(sentinel, ", ", name), func(t *testing.T) {
				failing := &http.Client{Transport: testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) {
					return nil, fmt.Errorf("no token for the proxy: %w", sentinel)
				})}
				s, err := jwks.NewIssuers(trust, jwks.WithClientOptions(jwks.WithHTTPClient(failing)))
				testkit.WantNoError(t, err)
				defer s.Close()
				v, err := jwks.NewVerifier(s, jwks.WithoutAudienceCheck())
				testkit.WantNoError(t, err)
				token := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"https://a.example","exp":99999999999}`)
				for range 3 {
					testkit.RefuseOnce(t, v, token, jwks.ErrUnavailable)
				}
			})
		}
	}
}
