// Command multitenant shows one verifier for the tokens of many issuers. Two of
// them run inside the program, each with a key named "k1": their tokens verify,
// a token that one signs in the other's name does not, and a token of an issuer
// that is not listed is refused without a request to that issuer.
//
//	go run ./examples/multitenant
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// network reaches issuers in memory, by host. A service has the real one.
type network map[string]*jwkstest.Issuer

func (n network) start(host string) *jwkstest.Issuer {
	n[host] = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://"+host))
	return n[host]
}

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	return n[r.URL.Host].HTTPClient().Transport.RoundTrip(r)
}

func run(ctx context.Context, out io.Writer) error {
	net := network{}
	acme, globex, stranger := net.start("acme.example"), net.start("globex.example"), net.start("stranger.example")
	defer acme.Close()
	defer globex.Close()
	defer stranger.Close()

	// One source for both tenants, and one verifier on top. Each issuer has a
	// client of its own: its keys are bound to it, and its outages affect no other.
	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuers(acme.URL(), globex.URL()),
		jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: net})),
	)
	if err != nil {
		return err
	}
	defer issuers.Close()
	verifier, err := jwks.NewVerifier(issuers, jwks.WithAudience("gateway"))
	if err != nil {
		return err
	}
	show := func(what, token string) {
		t, err := verifier.Verify(ctx, token)
		switch {
		case err == nil:
			fmt.Fprintf(out, "%-18s 200  key %q of %s\n", what, t.Key().ID(), t.Key().Issuer())
		case errors.Is(err, jwks.ErrUnavailable):
			fmt.Fprintf(out, "%-18s 503  %v\n", what, err)
		case errors.Is(err, jwks.ErrIssuerNotTrusted):
			fmt.Fprintf(out, "%-18s 401  issuer not trusted; it got %d requests\n", what, stranger.Requests().Discovery+stranger.Requests().JWKS)
		case errors.Is(err, jwt.ErrTokenSignatureInvalid):
			fmt.Fprintf(out, "%-18s 401  not signed by the issuer that it names\n", what)
		default:
			fmt.Fprintf(out, "%-18s 401  %v\n", what, err)
		}
	}

	show("token of acme", acme.Sign(map[string]any{"aud": "gateway"}))
	show("token of globex", globex.Sign(map[string]any{"aud": "gateway"}))
	show("forged by globex", globex.Sign(map[string]any{"aud": "gateway", "iss": acme.URL()}))
	show("token of stranger", stranger.Sign(map[string]any{"aud": "gateway"}))
	return nil
}
