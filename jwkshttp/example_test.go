package jwkshttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

func exampleVerifier() (*jwkstest.Issuer, *jwks.Verifier) {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		panic(err)
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
	if err != nil {
		panic(err)
	}
	return issuer, verifier
}

func ask(h http.Handler, method, path, authorization string) {
	r := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

func ExampleMiddleware() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()

	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprintln(w, "hello", token.Subject())
	})
	protect := jwkshttp.Middleware(verifier, jwkshttp.RequireScopes("read"))
	mux := http.NewServeMux()
	mux.Handle("GET /hello", protect(hello))

	r := httptest.NewRequest("GET", "/hello", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice", "scope": "read"}))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Print(w.Body)
	ask(mux, "GET", "/hello", "")
	// Output:
	// hello alice
	// 401 Bearer scope="read"
}

func ExampleMiddleware_wholeService() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /things", func(http.ResponseWriter, *http.Request) {})
	service := jwkshttp.Middleware(verifier, jwkshttp.SkipPaths("GET /healthz"), jwkshttp.WithRealm("things"))(mux)

	ask(service, "GET", "/healthz", "")
	ask(service, "GET", "/things", "")
	ask(service, "GET", "/things", "Bearer "+issuer.Sign(map[string]any{"aud": "my-api"}))
	// Output:
	// 200
	// 401 Bearer realm="things"
	// 200
}

func ExampleWithErrorHandler() {
	_, verifier := exampleVerifier()
	protect := jwkshttp.Middleware(verifier, jwkshttp.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
		// Headers are set; the cause is for the log, not for the caller.
		if !errors.Is(err, jwkshttp.ErrNoToken) {
			fmt.Println("log: refused", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(jwkshttp.StatusCode(err))
		fmt.Fprintf(w, `{"status":%d}`, jwkshttp.StatusCode(err))
	}))
	ask(protect(http.NotFoundHandler()), "GET", "/things", "Bearer x")
	// Output:
	// log: refused /things
	// 401 Bearer error="invalid_token", error_description="The token is expired, malformed or not valid here"
}

func ExampleBearerToken() {
	issuer, verifier := exampleVerifier()
	defer issuer.Close()

	// Where there is no net/http middleware: a token and its verification.
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"}))
	raw, err := jwkshttp.BearerToken(r)
	if err != nil {
		fmt.Println(jwkshttp.StatusCode(err))
		return
	}
	token, err := verifier.Verify(r.Context(), raw)
	if err != nil {
		fmt.Println(jwkshttp.StatusCode(err))
		return
	}
	fmt.Println(token.Subject())
	// Output: alice
}

func ExampleResourceMetadataHandler() {
	mux := http.NewServeMux()
	mux.Handle("/.well-known/oauth-protected-resource", jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{
		Resource:               "https://api.example",
		AuthorizationServers:   []string{"https://issuer.example"},
		BearerMethodsSupported: []string{"header"},
	}))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource", nil))
	fmt.Println(w.Body)
	// Output: {"resource":"https://api.example","authorization_servers":["https://issuer.example"],"bearer_methods_supported":["header"]}
}
