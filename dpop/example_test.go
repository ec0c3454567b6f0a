package dpop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A token that is bound to a key is good for the client that has the key, once a
// request, and for nobody who has stolen the token.
func ExampleNew() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256")) // stands for your provider
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
	proofs, err := dpop.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := jwkshttp.Middleware(verifier, jwkshttp.WithProof(proofs.Proof))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprint(w, "orders of ", token.Subject())
	}))

	key := jwkstest.NewProofKey("ES256") // the client's
	token := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api", "cnf": key.Confirmation()})

	r := httptest.NewRequest("GET", "https://api.example/orders", nil)
	key.Authorize(r, token)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)

	stolen := httptest.NewRequest("GET", "https://api.example/orders", nil)
	stolen.Header.Set("Authorization", "Bearer "+token)
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, stolen)
	fmt.Println(w.Code)
	// Output:
	// 200 orders of alice
	// 401
}
