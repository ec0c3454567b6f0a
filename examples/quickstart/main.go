// Command quickstart shows the main job of package jwks with an issuer that runs
// inside the program: it fetches keys, verifies tokens, and answers 200, 401 or
// 503. It needs no network and no port.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// The issuer: in production this is Auth0, Entra, Keycloak, Okta, …
	issuer := jwkstest.Start()
	defer issuer.Close()

	// A service makes these two once. The client finds the keys by discovery
	// and keeps them fresh; the verifier checks signature, issuer, audience
	// and times.
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		return err
	}
	show := func(what, token string) {
		t, err := verifier.Verify(ctx, token)
		switch {
		case err == nil:
			fmt.Fprintf(out, "%-20s 200  subject %q under key %q\n", what, t.Subject(), t.Key().ID())
		case errors.Is(err, jwks.ErrUnavailable): // the token may be fine
			fmt.Fprintf(out, "%-20s 503  the keys are unavailable\n", what)
		case errors.Is(err, jwt.ErrTokenExpired):
			fmt.Fprintf(out, "%-20s 401  expired\n", what)
		case errors.Is(err, jwt.ErrTokenInvalidAudience):
			fmt.Fprintf(out, "%-20s 401  meant for another service\n", what)
		default:
			fmt.Fprintf(out, "%-20s 401  %v\n", what, err)
		}
	}

	claims := map[string]any{"sub": "alice", "aud": "orders-api"}
	show("good token", issuer.Sign(claims))
	show("expired", issuer.Sign(map[string]any{"aud": "orders-api", "exp": time.Now().Add(-time.Hour).Unix()}))
	show("foreign audience", issuer.Sign(map[string]any{"aud": "billing-api"}))

	issuer.Rotate() // the client has not seen the new key, and asks for it
	show("rotated key", issuer.Sign(claims))

	issuer.SetFault(jwkstest.Status(503))
	issuer.Rotate() // the client has not seen this key either, and now the issuer does not answer
	show("issuer unreachable", issuer.Sign(claims))
	return nil
}
