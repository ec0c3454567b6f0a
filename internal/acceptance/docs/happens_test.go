package docs

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestReadme_WhatHappens plays the table "What happens when" of the README, and
// looks for the status and the line of the log in its rows.
func TestReadme_WhatHappens(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := func(t *testing.T, situation string) string {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| "+situation+" |") {
				return line
			}
		}
		t.Fatalf("the README has no row %q", situation)
		return ""
	}
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.get(nil, nil)

		check := func(situation string, status int, logged ...string) {
			t.Helper()
			line := row(t, situation)
			if !strings.Contains(line, strconv.Itoa(status)) {
				t.Errorf("%s: status %d, the README says %s", situation, status, line)
			}
			for _, want := range logged {
				if !strings.Contains(s.log.String(), want) {
					t.Errorf("%s: want %q in the log:\n%s", situation, want, s.log.String())
				}
				if !strings.Contains(line, strings.Trim(want, `"`)) {
					t.Errorf("%s: want %q in the row %s", situation, want, line)
				}
			}
			s.log.Reset()
		}
		check("a token is expired", s.get(map[string]any{"exp": time.Now().Add(-time.Minute)}, nil), `"jwkshttp: request refused"`, "reason=expired", "INFO")
		check("a token is forged", s.get(nil, func(token string) string { return token[:len(token)-8] + "AAAAAAAA" }), `"jwkshttp: request refused"`, "reason=signature", "INFO")
		s.issuer.Rotate()
		check("the issuer rotates its keys", s.get(nil, nil), `"jwks: key set changed"`, "INFO")

		time.Sleep(13 * time.Minute) // a refresh is due from now on
		s.issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
		s.serveFor(5*time.Minute, http.StatusOK)
		check("the issuer is down for 5 minutes", s.get(nil, nil), `"jwks: refresh failed, the keys at hand still serve"`, "WARN")
		s.serveFor(55*time.Minute, http.StatusOK)
		time.Sleep(time.Hour)
		check("the issuer is down for 2 hours", s.get(nil, nil), `"jwks: keys expired: no token can be verified until a refresh succeeds"`, "ERROR")
		s.issuer.SetFault(jwkstest.None())
		time.Sleep(2 * time.Minute) // past the longest backoff
		check("the issuer is back", s.get(nil, nil), `"jwks: refresh works again"`, "INFO")
	})
}

// service is the README's program without its socket.
type service struct {
	t       *testing.T
	issuer  *jwkstest.Issuer
	handler http.Handler
	log     bytes.Buffer
}

func newService(t *testing.T) *service {
	s := &service{t: t, issuer: jwkstest.New(t)}
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	client, err := jwks.NewClient(jwks.WithIssuer(s.issuer.URL()), jwks.WithHTTPClient(s.issuer.HTTPClient()), jwks.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		t.Fatal(err)
	}
	s.handler = jwkshttp.Middleware(verifier, jwkshttp.WithLogger(logger))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return s
}

// get sends one request with a token of the issuer, changed by f, and waits until
// what it began in the background is done.
func (s *service) get(claims map[string]any, f func(string) string) int {
	all := map[string]any{"aud": "orders-api"}
	maps.Copy(all, claims)
	token := s.issuer.Sign(all)
	if f != nil {
		token = f(token)
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	time.Sleep(2 * time.Second)
	synctest.Wait()
	return w.Code
}

// serveFor sends a request a minute, which must all get this status.
func (s *service) serveFor(d time.Duration, want int) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
		if got := s.get(nil, nil); got != want {
			s.t.Errorf("status %d, want %d", got, want)
		}
	}
}
