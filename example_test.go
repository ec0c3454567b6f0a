package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// The issuer of these examples lives in memory. A service names its own, and
// needs no HTTP client option.

func ExampleNewClient() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()

	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithTTL(10*time.Minute),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	if err := client.Ready(context.Background()); err != nil { // optional: load the keys before the first token
		fmt.Println(err)
		return
	}
	status := client.Status()
	fmt.Println(status.State, status.KeyIDs)
	// Output: fresh [k1]
}

func ExampleNewVerifier() {
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
	text := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api", "tenant": "blue"})
	token, err := verifier.Verify(context.Background(), "Bearer "+text)
	if err != nil {
		fmt.Println(err)
		return
	}
	var claims struct {
		Tenant string `json:"tenant"`
	}
	if err := token.Claims(&claims); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject(), claims.Tenant)
	// Output: alice blue
}

// Every option that is wrong or missing is reported at once.
func ExampleNewVerifier_undecided() {
	client, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/keys"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = jwks.NewVerifier(client, jwks.WithAlgorithms("HS256"))
	fmt.Println(errors.Is(err, jwks.ErrConfig))
	// Output: true
}

func ExampleVerifier_Verify() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
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
	status := func(text string) int {
		switch _, err := verifier.Verify(context.Background(), text); {
		case err == nil:
			return 200
		case errors.Is(err, jwks.ErrUnavailable): // the token may be fine
			return 503
		default:
			return 401
		}
	}

	fmt.Println("good:", status(issuer.Sign(map[string]any{"aud": "orders-api"})))
	fmt.Println("for somebody else:", status(issuer.Sign(map[string]any{"aud": "billing-api"})))
	issuer.SetFault(jwkstest.Status(503))
	issuer.Rotate()
	fmt.Println("new key, issuer down:", status(issuer.Sign(map[string]any{"aud": "orders-api"})))
	// Output:
	// good: 200
	// for somebody else: 401
	// new key, issuer down: 503
}

func ExampleClient_Keyfunc() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	text := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api"})
	token, err := jwt.Parse(text, client.Keyfunc, jwt.WithAudience("orders-api"), jwt.WithExpirationRequired())
	if err != nil {
		fmt.Println(err)
		return
	}
	subject, _ := token.Claims.GetSubject()
	fmt.Println(subject, token.Valid)
	// Output: alice true
}

// A key set from a file, and no network at all.
func ExampleParseKeySet() {
	set, err := jwks.ParseKeySet([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"2026","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"oct","kid":"oops","k":"c2VjcmV0"}
	]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for key := range set.All() {
		fmt.Println("key", key.ID(), key.Algorithms())
	}
	for _, entry := range set.Skipped() {
		fmt.Println("left out", entry.KeyID+":", entry.Err)
	}
	// Output:
	// key 2026 [EdDSA Ed25519]
	// left out oops: symmetric member "k" published
}
