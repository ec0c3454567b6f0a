// Command dpop shows that a token bound to a key is useless to a thief. An
// issuer inside the program binds tokens to the key of their client (RFC 9449,
// DPoP), a client makes a proof for each request, and a handler serves requests
// that have both. It needs no network and no port.
//
//	go run ./examples/dpop
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const orders = "https://api.example/orders"

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer) error {
	// The issuer and its client. In a token request the client proves its key
	// once, and the issuer writes the key's thumbprint into the token.
	issuer := jwkstest.Start()
	defer issuer.Close()
	alice := jwkstest.NewProofKey("ES256")
	token := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api", "cnf": alice.Confirmation()})

	protect, closer, err := service(issuer)
	if err != nil {
		return err
	}
	defer closer.Close()
	handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", t.Subject())
	}))
	var nonce string // of the last answer
	send := func(who string, change func(r *http.Request)) {
		r := httptest.NewRequest("GET", orders, nil)
		change(r)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if n := w.Header().Get("DPoP-Nonce"); n != "" {
			nonce = n
		}
		says := w.Body.String()
		if w.Code != http.StatusOK {
			says = w.Header().Get("WWW-Authenticate")
		}
		fmt.Fprintf(out, "%-34s %d  %s\n", who, w.Code, says)
	}

	// The client. Its first request gets the nonce of the service.
	var seen http.Header // what a thief who intercepts the request gets
	send("alice, first request", func(r *http.Request) { alice.Authorize(r, token) })
	send("alice, with the nonce", func(r *http.Request) {
		alice.Authorize(r, token, jwkstest.WithNonce(nonce))
		seen = r.Header.Clone()
	})

	// The thief has the token and Alice's last request, but not her key.
	send("thief, the token as Bearer", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	send("thief, the token without a proof", func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+token) })
	send("thief, Alice's request once more", func(r *http.Request) { r.Header = seen.Clone() })
	send("thief, Alice's proof for a DELETE", func(r *http.Request) { r.Header, r.Method = seen.Clone(), "DELETE" })
	send("thief, a proof of his own key", func(r *http.Request) {
		jwkstest.NewProofKey("ES256").Authorize(r, token, jwkstest.WithNonce(nonce))
	})
	send("alice, next request", func(r *http.Request) { alice.Authorize(r, token, jwkstest.WithNonce(nonce)) })
	return nil
}

// service is what a program sets up at its start.
func service(issuer *jwkstest.Issuer) (protect func(http.Handler) http.Handler, closer io.Closer, err error) {
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		return nil, nil, err
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		return nil, nil, err
	}
	secret := make([]byte, 32) // replicas share it, and the store of proofs
	if _, err := rand.Read(secret); err != nil {
		return nil, nil, err
	}
	proofs, err := dpop.New(dpop.WithAlgorithms("ES256", "EdDSA"), dpop.WithNonces(secret, 5*time.Minute))
	if err != nil {
		return nil, nil, err
	}
	return jwkshttp.Middleware(verifier, jwkshttp.WithProof(proofs.Proof)), client, nil
}
