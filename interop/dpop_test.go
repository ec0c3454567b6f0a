package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// proofAlgorithms are those that oidc-provider takes proofs of.
var proofAlgorithms = []string{"Ed25519", "ES256"}

// service takes tokens of an issuer, with proofs where they are bound.
type service struct {
	url string

	mu       sync.Mutex
	requests []*http.Request // that came
	refusals []error
}

func newService(t *testing.T, i *issuer, opts ...dpop.Option) *service {
	t.Helper()
	checker, err := dpop.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{}
	protect := jwkshttp.Middleware(i.verifier(t, i.client(t), ours+"ES256"), jwkshttp.WithProof(checker.Proof),
		jwkshttp.OnRefusal(func(_ *http.Request, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refusals = append(s.refusals, err)
		}))
	handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		confirmation, _ := token.Confirmation()
		fmt.Fprintf(w, "%s with %s", token.Subject(), confirmation.JWKThumbprint)
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Clone(context.Background()))
		s.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// last is the newest request, for one to be made that is like it.
func (s *service) last(t *testing.T) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		t.Fatal("no request has come")
	}
	r := s.requests[len(s.requests)-1].Clone(t.Context())
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = "http", r.Host
	return r
}

// want sends a request and checks status and challenge.
func (s *service) want(t *testing.T, r *http.Request, status int, challenge string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != status || !strings.HasPrefix(got, challenge) {
		t.Errorf("%d %s, want %d %s: %v", answer.StatusCode, got, status, challenge, s.refusals)
	}
}

// TestProofs_OpenIDClient lets npm's openid-client get tokens that are bound to
// its key from npm's oidc-provider and send them to a service of ours.
func TestProofs_OpenIDClient(t *testing.T) {
	i := oidcProvider(t)
	sender := start(t, node("openid-client.mjs", "openid-client"), map[string]any{"issuer": i.url})
	row := results.row(t, proofsTable, "openid-client, with tokens of oidc-provider", sender.ready.Version)
	plain := newService(t, i)
	token := ""
	send := func(t *testing.T, s *service, token string) answer {
		t.Helper()
		return sender.call(t, map[string]any{"do": "send", "method": "GET", "url": s.url + "/orders?page=2", "token": token})
	}

	row.step(t, "bound token", func(t *testing.T) {
		for _, algorithm := range proofAlgorithms {
			sender.call(t, map[string]any{"do": "key", "algorithm": algorithm})
			token = sender.call(t, map[string]any{"do": "token", "audience": ours + "ES256"}).Token
			for range 3 { // each request has a proof of its own
				if a := send(t, plain, token); a.Status != http.StatusOK || !strings.HasPrefix(a.Subject, "service with ") || len(a.Subject) < 40 {
					t.Errorf("%s: %d %q, %v", algorithm, a.Status, a.Subject, plain.refusals)
				}
			}
		}
		detail(t, "%s", strings.Join(proofAlgorithms, " "))
	})
	row.step(t, "nonce", func(t *testing.T) {
		s := newService(t, i, dpop.WithNonces([]byte(strings.Repeat("n", 32)), time.Hour))
		if a := send(t, s, token); a.Status != http.StatusOK || len(s.requests) != 2 {
			t.Errorf("%d after %d requests, want 200 after 2: %v", a.Status, len(s.requests), s.refusals)
		}
		if a := send(t, s, token); a.Status != http.StatusOK || len(s.requests) != 3 {
			t.Errorf("%d after %d requests, want 200 after 3: %v", a.Status, len(s.requests), s.refusals)
		}
	})
	row.step(t, "replay", func(t *testing.T) {
		send(t, plain, token)
		plain.want(t, plain.last(t), http.StatusUnauthorized, `DPoP error="invalid_dpop_proof"`)
	})
	row.step(t, "another URL", func(t *testing.T) {
		s := newService(t, i)
		send(t, plain, token)
		r := plain.last(t)
		r.URL.Host = strings.TrimPrefix(s.url, "http://")
		r.Host = r.URL.Host
		s.want(t, r, http.StatusUnauthorized, `DPoP error="invalid_dpop_proof"`)
	})
	row.step(t, "as Bearer", func(t *testing.T) {
		send(t, plain, token)
		r := plain.last(t)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Del("DPoP")
		plain.want(t, r, http.StatusUnauthorized, `DPoP error="invalid_token"`)
	})
	row.step(t, "another key", func(t *testing.T) {
		sender.call(t, map[string]any{"do": "key", "algorithm": "ES256"})
		if a := send(t, plain, token); a.Status != http.StatusUnauthorized {
			t.Errorf("%d for a stolen token", a.Status)
		}
	})
	row.step(t, "unbound token", func(t *testing.T) {
		unbound, err := i.mint(t.Context(), ours+"ES256", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		if a := send(t, plain, unbound); a.Status != http.StatusUnauthorized {
			t.Errorf("%d for an unbound token with the scheme DPoP", a.Status)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, plain.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+unbound)
		plain.want(t, r, http.StatusOK, "")
	})
}
