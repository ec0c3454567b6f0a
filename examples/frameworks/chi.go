package frameworks

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed-22400188/jwks/jwkshttp"
)

// Chi is a service on chi, which takes net/http middleware.
func Chi(verifier jwkshttp.TokenVerifier) http.Handler {
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	r.Group(func(r chi.Router) {
		r.Use(jwkshttp.Middleware(verifier, jwkshttp.WithErrorHandler(Problem)))
		r.Get("/hello", func(w http.ResponseWriter, r *http.Request) {
			token, _ := jwkshttp.TokenFromContext(r.Context())
			fmt.Fprint(w, "hello ", token.Subject())
		})
	})
	return r
}
