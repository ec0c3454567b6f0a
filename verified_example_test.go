package jwks_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func ExampleClaimsAs() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	token, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{
		"aud": "orders-api", "scope": "orders:read", "roles": []string{"clerk", "auditor"},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := jwks.ClaimsAs[struct {
		Roles []string `json:"roles"`
	}](token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Roles, token.HasScopes("orders:read"), token.HasScopes("orders:write"))
	// Output: [clerk auditor] true false
}

// A check of the program's own. An error that matches ErrUnavailable would say
// that it could not be decided.
func ExampleWithCheck() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	errRevoked := errors.New("token is revoked")
	revoked := map[string]bool{"token-7": true}
	verifier, err := jwks.NewVerifier(client,
		jwks.WithAudience("orders-api"),
		jwks.WithRequiredClaims("jti"),
		jwks.WithCheck(func(_ context.Context, t *jwks.Token) error {
			if revoked[t.ID()] {
				return errRevoked
			}
			return nil
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(context.Background(), issuer.Sign(map[string]any{"aud": "orders-api", "jti": "token-7"}))
	fmt.Println(err)
	fmt.Println(errors.Is(err, errRevoked), errors.Is(err, jwks.ErrTokenInvalid))
	// Output:
	// jwks: token invalid: check: "token is revoked"
	// true true
}
