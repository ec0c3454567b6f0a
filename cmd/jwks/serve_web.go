package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

// newWeb serves the documents of an issuer, signs tokens and takes orders.
func newWeb(issuer *jwkstest.Issuer, keys *rotator, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		claims, err := claimsOf(r.URL.Query(), now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(plainText(w), issuer.Sign(claims))
	})
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(plainText(w), keys.rotate())
	})
	mux.HandleFunc("PUT /fault/{kind}", func(w http.ResponseWriter, r *http.Request) {
		fault, err := faultNamed(r.PathValue("kind"), r.URL.Query().Get("delay"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		issuer.SetFault(fault)
		fmt.Fprintln(plainText(w), "ok")
	})
	for path, method := range map[string]string{"/token": "GET", "/rotate": "POST", "/fault/": "PUT"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			http.Error(w, "want "+method+" "+r.URL.Path, http.StatusMethodNotAllowed)
		})
	}
	mux.Handle("/", issuer.Handler())
	return allowPages(mux)
}

func plainText(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return w
}

// allowPages lets pages of every origin ask (https://fetch.spec.whatwg.org,
// CORS protocol).
func allowPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT")
			w.Header().Set("Access-Control-Allow-Headers", "*")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// textClaims are strings by RFC 7519 and RFC 8693, whatever they look like.
var textClaims = []string{"iss", "sub", "aud", "jti", "scope", "client_id", "azp"}

// claimsOf makes claims of the parameters of a request.
func claimsOf(query url.Values, now time.Time) (map[string]any, error) {
	claims := map[string]any{}
	for name, values := range query {
		var list []any
		for _, value := range values {
			v, err := claimOf(name, value, now)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if claims[name] = list; len(list) == 1 {
			claims[name] = list[0]
		}
	}
	return claims, nil
}

func claimOf(name, value string, now time.Time) (any, error) {
	if slices.Contains(textClaims, name) {
		return value, nil
	}
	if slices.Contains(timeClaims, name) {
		if d, err := time.ParseDuration(value); err == nil && value != "0" {
			return now.Add(d), nil
		}
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("%s is %s, want seconds since 1970, or a duration from now such as 5m or -5m", name, quote(value))
		}
	}
	if json.Valid([]byte(value)) {
		return json.RawMessage(value), nil
	}
	return value, nil
}

// faultNamed makes the fault of PUT /fault/KIND.
func faultNamed(kind, delay string) (jwkstest.Fault, error) {
	switch kind {
	case "none":
		return jwkstest.None(), nil
	case "hang":
		return jwkstest.Hang(), nil
	case "slow":
		d, err := time.ParseDuration(delay)
		if err != nil || d <= 0 {
			return jwkstest.Fault{}, fmt.Errorf("delay is %s, want a duration such as 2s", quote(delay))
		}
		return jwkstest.Delay(d), nil
	}
	status, err := strconv.Atoi(kind)
	if err != nil || status < 200 || status > 599 {
		return jwkstest.Fault{}, fmt.Errorf("no fault %s: want a status such as 503, hang, slow or none", quote(kind))
	}
	return jwkstest.Status(status), nil
}

// rotator lets new keys sign, and takes the oldest out when there are many, as
// issuers do.
type rotator struct {
	issuer *jwkstest.Issuer

	mu   sync.Mutex
	kids []string // published ones, the oldest first
	most int
}

// minPublished is how many keys stay published at least.
const minPublished = 3

// newRotator is for an issuer that starts with n keys, which jwkstest calls k1
// and so on.
func newRotator(issuer *jwkstest.Issuer, n int) *rotator {
	r := &rotator{issuer: issuer, most: max(n, minPublished)}
	for i := range n {
		r.kids = append(r.kids, "k"+strconv.Itoa(i+1))
	}
	return r
}

// rotate returns the kid of the new key.
func (r *rotator) rotate() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	kid := r.issuer.Rotate()
	if r.kids = append(r.kids, kid); len(r.kids) > r.most {
		r.issuer.RemoveKey(r.kids[0])
		r.kids = r.kids[1:]
	}
	return kid
}
