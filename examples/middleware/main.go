// Command middleware shows package jwkshttp in front of a service: an
// http.ServeMux with a path for each scope, a health path that stays open, and
// the metadata by which clients find the authorization server. The issuer and
// the requests are inside the program, so it needs no network and no port.
//
//	go run ./examples/middleware
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const resource = "https://orders.example"

// newService is what a service consists of.
func newService(verifier jwkshttp.TokenVerifier, issuer string) http.Handler {
	const metadata = "/.well-known/oauth-protected-resource"
	challenge := jwkshttp.WithResourceMetadata(resource + metadata)
	protect := jwkshttp.Middleware(verifier, challenge)
	mayRead := jwkshttp.Middleware(verifier, challenge, jwkshttp.RequireScopes("orders:read"))
	mayWrite := jwkshttp.Middleware(verifier, challenge, jwkshttp.RequireScopes("orders:write"))

	mux := http.NewServeMux()
	mux.Handle("GET /me", protect(http.HandlerFunc(showCaller)))
	mux.Handle("GET /orders/{id}", mayRead(http.HandlerFunc(showOrder)))
	mux.Handle("DELETE /orders/{id}", mayWrite(http.HandlerFunc(cancelOrder)))

	// Open: for the load balancer, and for clients that have no token yet. (To
	// put one middleware around a whole mux, list such paths in SkipPaths.)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.Handle(metadata, jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{
		Resource:             resource,
		AuthorizationServers: []string{issuer},
		ScopesSupported:      []string{"orders:read", "orders:write"},
	}))
	return mux
}

func showCaller(w http.ResponseWriter, r *http.Request) {
	token, _ := jwkshttp.TokenFromContext(r.Context())
	fmt.Fprint(w, "you are ", token.Subject())
}

func showOrder(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "order ", r.PathValue("id")) }

func cancelOrder(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "cancelled ", r.PathValue("id"))
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// The issuer: in production this is Auth0, Entra, Keycloak, Okta, …
	issuer := jwkstest.Start()
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience(resource))
	if err != nil {
		return err
	}
	service := newService(verifier, issuer.URL()) // for http.ListenAndServe

	send := func(method, path, token string) {
		r := httptest.NewRequestWithContext(ctx, method, path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Fprintf(out, "%-7s%-40s%d  %s\n", method, path, w.Code, told(w))
	}
	reader := issuer.Sign(map[string]any{"aud": resource, "sub": "alice", "scope": "orders:read"})
	send("GET", "/healthz", "")
	send("GET", "/.well-known/oauth-protected-resource", "")
	send("GET", "/me", "")
	send("GET", "/me", reader)
	send("GET", "/orders/7", "")
	send("GET", "/orders/7", reader)
	send("DELETE", "/orders/7", reader)
	send("GET", "/orders/7", issuer.Sign(map[string]any{"aud": "https://billing.example"}))

	issuer.Rotate() // a key that the service has not seen, from an issuer that is down
	issuer.SetFault(jwkstest.Status(503))
	send("GET", "/me", issuer.Sign(map[string]any{"aud": resource}))
	return nil
}

// told is the challenge of a refusal, else the body.
func told(w *httptest.ResponseRecorder) string {
	if c := w.Header().Get("WWW-Authenticate"); c != "" {
		return c
	}
	return strings.TrimSpace(w.Body.String())
}
