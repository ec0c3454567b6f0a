// Command gateway shows one handler for the tokens of three issuers, each with
// its own rules: a SaaS with a key set, no discovery and a plain name as issuer; an
// issuer with a placeholder for the tenant, like Entra; and a tenant that a function
// decides on. All run inside the program. It prints the answers to each issuer's
// tokens, with the audience and the algorithm of that issuer, and with those of the
// others.
//
//	go run ./examples/gateway
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const tenant = "11111111-1111-4111-8111-111111111111"

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// issuer is one of the three, and what its tokens are like.
type issuer struct {
	name, audience, kid string
	*jwkstest.Issuer
	says map[string]any // in every token of it
}

// token is signed by i, and otherwise like a token of as.
func (i issuer) token(as issuer) string {
	claims := map[string]any{"aud": as.audience, "sub": "alice"}
	for name, value := range i.says {
		claims[name] = value
	}
	return i.Sign(claims, jwkstest.WithKeyID(as.kid))
}

func run(out io.Writer) error {
	start := func(opts ...jwkstest.Option) *jwkstest.Issuer {
		return jwkstest.Start(append(opts, jwkstest.WithAlgorithms("RS256", "ES256", "EdDSA"))...)
	}
	saas := issuer{"saas", "urn:orders", "k1", start(jwkstest.WithBaseURL("https://saas.example")), map[string]any{"iss": "acme-saas"}}
	entra := issuer{"entra", "api://orders", "k2", start(jwkstest.WithBaseURL("https://login.example"), jwkstest.WithPath("/{tenantid}/v2.0")),
		map[string]any{"iss": "https://login.example/" + tenant + "/v2.0", "tid": tenant}}
	shop := issuer{"shop", "orders", "k3", start(jwkstest.WithBaseURL("https://shop.example")), nil}
	all := []issuer{saas, entra, shop}
	for _, i := range all {
		defer i.Close()
	}

	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuer("acme-saas", jwks.WithJWKSURL(saas.JWKSURL())),
		jwks.TrustIssuer(entra.URL(), jwks.WithTenants(tenant)),
		jwks.TrustIssuerFunc(func(_ context.Context, name string) ([]jwks.ClientOption, error) {
			if name != shop.URL() { // in a service: look it up, never build an address from it
				return nil, jwks.ErrIssuerNotTrusted
			}
			return nil, nil
		}),
		jwks.WithClientOptions(jwks.WithHTTPClient(jwkstest.HTTPClient(saas.Issuer, entra.Issuer, shop.Issuer))),
	)
	if err != nil {
		return err
	}
	defer issuers.Close()

	verifier, err := jwks.NewVerifier(issuers,
		jwks.ForIssuer("acme-saas", jwks.WithAudience(saas.audience), jwks.WithAlgorithms("RS256")),
		jwks.ForIssuer(entra.URL(), jwks.WithAudience(entra.audience), jwks.WithAlgorithms("ES256")),
		jwks.ForIssuerFunc(func(context.Context, string) ([]jwks.VerifierOption, error) {
			return []jwks.VerifierOption{jwks.WithAudience(shop.audience), jwks.WithAlgorithms("EdDSA")}, nil
		}))
	if err != nil {
		return err
	}
	var reason string
	handler := jwkshttp.Middleware(verifier, jwkshttp.OnRefusal(func(_ *http.Request, err error) { reason = jwkshttp.Reason(err) }))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reason = "served" }))

	fmt.Fprintf(out, "%-22s", "signed by, like one of")
	for _, as := range all {
		fmt.Fprintf(out, " %-14s", as.name)
	}
	for _, by := range all {
		fmt.Fprintf(out, "\n%-22s", by.name)
		for _, as := range all {
			r, w := httptest.NewRequest("GET", "/orders", nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+by.token(as))
			handler.ServeHTTP(w, r)
			fmt.Fprintf(out, " %d %-10s", w.Code, reason)
		}
	}
	fmt.Fprintln(out)
	return nil
}
