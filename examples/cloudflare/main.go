// Command cloudflare shows package cfaccess in front of a service: people and
// service tokens, the groups of a person, and a health path that stays open.
// The team of Cloudflare Access is inside the program, so it needs no network,
// no port and no account.
//
//	go run ./examples/cloudflare
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	team     = "my-team"
	audience = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"
)

// newService is what a service behind Access consists of.
func newService(access *cfaccess.Validator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := cfaccess.UserFromContext(r.Context())
		if user.CommonName != "" {
			fmt.Fprint(w, "hello, service ", user.CommonName)
			return
		}
		fmt.Fprint(w, "hello, ", user.Email)
	})
	mux.HandleFunc("GET /groups", func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		identity, err := access.Identity(r.Context(), token.Raw())
		if errors.Is(err, cfaccess.ErrNoEmail) {
			http.Error(w, "for people only", http.StatusForbidden)
			return
		}
		if err != nil {
			status := jwkshttp.StatusCode(err)
			http.Error(w, http.StatusText(status), status)
			return
		}
		fmt.Fprint(w, identity.Name, " is in ", strings.Join(identity.Groups, ", "))
	})
	return access.Middleware(cfaccess.SkipPaths("GET /healthz"))(mux)
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	fake := newTeam()
	defer fake.Close()

	// In a service the first two arguments are all there is.
	access, err := cfaccess.New(team, audience, cfaccess.WithHTTPClient(&http.Client{Transport: fake}))
	if err != nil {
		return err
	}
	defer access.Close()
	service := newService(access) // for http.ListenAndServe

	send := func(who, path, token string) {
		r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
		if token != "" {
			r.Header.Set(cfaccess.Header, token) // as Access does
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Fprintf(out, "%-16s%-10s%d  %s\n", who, path, w.Code, strings.TrimSpace(w.Body.String()))
	}
	alice := fake.Sign(map[string]any{"aud": []string{audience}, "sub": fake.subject, "email": "alice@example.com", "country": "PT"})
	robot := fake.Sign(map[string]any{"aud": audience, "sub": "", "common_name": "e367826f93b8d711.access"})
	send("nobody", "/healthz", "")
	send("nobody", "/", "")
	send("alice", "/", alice)
	send("alice", "/groups", alice)
	send("a service", "/", robot)
	send("a service", "/groups", robot)
	send("another app's", "/", fake.Sign(map[string]any{"aud": "other"}))
	fake.SetFault(jwkstest.Status(503)) // the keys are known, so this has no effect
	send("alice", "/", alice)
	return nil
}

// fakeTeam is what cfaccess asks of a team, in memory: the keys and the
// identity endpoint.
type fakeTeam struct {
	*jwkstest.Issuer
	subject string
}

func newTeam() *fakeTeam {
	return &fakeTeam{
		Issuer:  jwkstest.Start(jwkstest.WithBaseURL("https://" + team + ".cloudflareaccess.com")),
		subject: "7335d417-61da-459d-899c-0a01c76a2f94",
	}
}

// RoundTrip answers a request that would go to the team.
func (f *fakeTeam) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch r.URL.Path {
	case "/cdn-cgi/access/certs":
		r = r.Clone(r.Context())
		r.URL.Path = "/jwks" // where the issuer has them
		f.Handler().ServeHTTP(w, r)
	case "/cdn-cgi/access/get-identity":
		fmt.Fprintf(w, `{"name":"Alice","user_uuid":%q,"groups":["admins",{"id":"g7","name":"everyone"}]}`, f.subject)
	default:
		http.NotFound(w, r)
	}
	return w.Result(), nil
}
