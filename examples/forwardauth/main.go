// Command forwardauth verifies tokens on behalf of a proxy: nginx (auth_request),
// Traefik (ForwardAuth) or Envoy (ext_authz) asks it about each request, and lets
// the request pass when it answers 204, with the user in X-Auth-Subject.
//
// nginx.conf beside it is tested with a real nginx. README.md has what Traefik and
// Envoy need.
//
//	go run ./examples/forwardauth -issuer https://login.example.com -audience my-api -listen localhost:9000
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// newHandler answers for the proxy: 204 with the user, or what package jwkshttp
// answers to requests that do not pass.
func newHandler(v jwkshttp.TokenVerifier, opts ...jwkshttp.Option) http.Handler {
	return jwkshttp.Middleware(v, opts...)(http.HandlerFunc(pass))
}

func pass(w http.ResponseWriter, r *http.Request) {
	token, _ := jwkshttp.TokenFromContext(r.Context())
	for name, value := range map[string]string{
		"X-Auth-Issuer":  token.Issuer(),
		"X-Auth-Subject": token.Subject(),
		"X-Auth-Scopes":  strings.Join(token.Scopes(), " "),
	} {
		if !fits(value) {
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return
		}
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusNoContent)
}

// fits says whether a header field holds value as it stands (RFC 9110 section
// 5.5). Others would be changed on their way: "alice\n" would come out as alice.
func fits(value string) bool {
	return value == strings.TrimSpace(value) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

func main() {
	issuer := flag.String("issuer", "", "the issuer of the tokens")
	audience := flag.String("audience", "", "the audience that tokens must have")
	listen := flag.String("listen", "localhost:9000", "address that the proxy asks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *issuer, *audience, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, issuer, audience, listen string) error {
	keys, err := jwks.NewClient(jwks.WithIssuer(issuer))
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }()
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience(audience))
	if err != nil {
		return err
	}
	server := &http.Server{Addr: listen, Handler: newHandler(verifier), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
