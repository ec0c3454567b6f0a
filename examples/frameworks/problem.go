package frameworks

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/seed-22400188/jwks/jwkshttp"
)

const problemType = "application/problem+json"

// problem is a problem detail of the type "about:blank" (RFC 9457 section
// 4.2.1): the status says it all.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
}

func problemFor(err error) problem {
	status := jwkshttp.StatusCode(err)
	return problem{Title: http.StatusText(status), Status: status}
}

// Problem is an error handler for jwkshttp.WithErrorHandler. The challenge and
// Retry-After are set already. What was wrong with the token is for the log.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	slog.InfoContext(r.Context(), "request refused", "path", r.URL.Path, "error", err)
	p := problemFor(err)
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // it fails when the client has gone
}
