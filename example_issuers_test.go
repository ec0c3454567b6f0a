package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// tenants are two issuers in memory, and the HTTP client that reaches both. A
// service needs neither.
func tenants() (blue, green *jwkstest.Issuer, client *http.Client) {
	blue = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://blue.example"))
	green = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://green.example"))
	client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "blue.example" {
			return blue.HTTPClient().Transport.RoundTrip(r)
		}
		return green.HTTPClient().Transport.RoundTrip(r)
	})}
	return blue, green, client
}

func ExampleNewIssuers() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()

	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuers(blue.URL()),                                    // found by discovery
		jwks.TrustIssuer(green.URL(), jwks.WithJWKSURL(green.JWKSURL())), // without it
		jwks.WithClientOptions(jwks.WithHTTPClient(client)),              // for all of them
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()
	verifier, err := jwks.NewVerifier(issuers, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	// Both have a key "k1". The token's "iss" says whose it has to be.
	for _, text := range []string{
		blue.Sign(map[string]any{"aud": "orders-api"}),
		green.Sign(map[string]any{"aud": "orders-api"}),
		green.Sign(map[string]any{"aud": "orders-api", "iss": blue.URL()}),
		green.Sign(map[string]any{"aud": "orders-api", "iss": "https://red.example"}),
	} {
		if token, err := verifier.Verify(context.Background(), text); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(token.Issuer(), token.Key().ID())
		}
	}
	// Output:
	// https://blue.example k1
	// https://green.example k1
	// jwks: token invalid: the signature does not verify with key "k1"
	// jwks: token invalid: issuer "https://red.example" is not trusted
}

func ExampleTrustIssuerFunc() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()

	customers := map[string]bool{blue.URL(): true} // in a service: a table of its database
	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
			if !customers[issuer] {
				return nil, jwks.ErrIssuerNotTrusted // 401; any other error is 503
			}
			return nil, nil
		}),
		jwks.WithClientOptions(jwks.WithHTTPClient(client)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()

	for _, text := range []string{blue.Sign(nil), green.Sign(nil)} {
		key, err := issuers.KeyForToken(context.Background(), text)
		if errors.Is(err, jwks.ErrIssuerNotTrusted) {
			fmt.Println("refused,", green.Requests().JWKS, "requests")
		} else if err == nil {
			fmt.Println(key.ID(), "of", key.Issuer())
		}
	}
	// Output:
	// k1 of https://blue.example
	// refused, 0 requests
}

func ExampleIssuers_Client() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()
	issuers, err := jwks.NewIssuers(jwks.TrustIssuers(blue.URL(), green.URL()), jwks.WithClientOptions(jwks.WithHTTPClient(client)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()

	c, err := issuers.Client(context.Background(), blue.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	metadata, err := c.Metadata(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(metadata.JWKSURI, metadata.SigningAlgorithms)
	// Output: https://blue.example/jwks [ES256]
}
