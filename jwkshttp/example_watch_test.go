package jwkshttp_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// One line for each refusal, and never the token.
func ExampleWithLogger() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	handler := jwkshttp.Middleware(verifier, jwkshttp.WithLogger(logger))(http.NotFoundHandler())

	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Sign(map[string]any{"aud": "billing-api"}))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=INFO msg="jwkshttp: request refused" status=401 reason=audience error="jwks: token invalid: token has invalid audience: aud [\"billing-api\"] has none of [\"my-api\"]" method=GET
}

// A count of refusals by reason, for metrics. The answer stays the default one.
func ExampleOnRefusal() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()
	refused := map[string]int{} // in a service: a counter with the label reason
	handler := jwkshttp.Middleware(verifier, jwkshttp.OnRefusal(func(_ *http.Request, err error) {
		refused[jwkshttp.Reason(err)]++
	}))(http.NotFoundHandler())

	ask(handler, "GET", "/orders", "")
	ask(handler, "GET", "/orders", "Bearer "+issuer.Sign(map[string]any{"aud": "billing-api"}))
	fmt.Println(refused)
	// Output:
	// 401 Bearer
	// 401 Bearer error="invalid_token", error_description="The token is expired, malformed or not valid here"
	// map[audience:1 no_token:1]
}

// How the keys are, for people and for programs. Put it behind what protects your
// other internal pages.
func ExampleStatusHandler() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /internal/keys", jwkshttp.StatusHandler(jwkshttp.Clients(client)))

	r := httptest.NewRequest("GET", "/internal/keys", nil)
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	var status struct {
		Clients []struct{ Issuer, State string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.Clients)
	// Output: [{https://issuer.jwkstest.example empty}]
}

// Tokens that are bound to the client certificate of the TLS connection (RFC 8705).
func ExampleClientCertificate() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()
	handler := jwkshttp.Middleware(verifier, jwkshttp.WithProof(jwkshttp.ClientCertificate(nil)))(http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) {}))

	certificate := jwkstest.ClientCertificate()
	token := issuer.Sign(map[string]any{"aud": "my-api", "cnf": jwkstest.CertificateConfirmation(certificate.Leaf)})
	ask(handler, "GET", "/orders", "Bearer "+token) // without TLS, so without the certificate
	// Output: 401 Bearer error="invalid_token", error_description="The token is expired, malformed or not valid here"
}
