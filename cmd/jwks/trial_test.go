package main_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

// TestTrial_SixTokens goes the way of somebody who has read jwks help and
// nothing else: the first line of "Start here", then what the answer says.
func TestTrial_SixTokens(t *testing.T) {
	issuer := on(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithPath("/realms/shop"))
	staging := on(t, jwkstest.WithAlgorithms("ES256"))
	staging.Rotate()
	now := time.Now()
	issuer.AddKey("ES256")
	retired := issuer.Sign(map[string]any{"aud": "orders-api"}, jwkstest.WithKeyID("k2"))
	issuer.RemoveKey("k2")
	for _, test := range []struct {
		name, token string
		then        string // flags that the answer before, or the question, suggests
		cause       string
	}{
		{"a token of yesterday", issuer.Sign(map[string]any{"exp": now.Add(-26 * time.Hour)}), "", "expired 26 h ago"},
		{"a token for another service", issuer.Sign(map[string]any{"aud": "billing-api"}), "-aud orders-api", `made for "billing-api"`},
		{"a token under a key that was taken out", retired, "", "is not published"},
		{"a token of staging that says production", staging.Sign(map[string]any{"iss": issuer.URL()}), "", `key "k2" not found`},
		{"a token with a shared secret", issuer.Sign(nil, jwkstest.WithHeader("alg", "HS256")), "", "HS256 uses a shared secret"},
		{"an access token that is opaque", "2YotnFZFEjr1zCsicMWpAA", "", "opaque token"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			first := jwks(t, "verify", "-any-audience", test.token)
			t.Logf("jwks verify -any-audience TOKEN\n%s", first.stdout)
			if first.status != 1 {
				t.Errorf("exit status %d", first.status)
			}
			if strings.Contains(first.stdout, test.cause) {
				return // found at once
			}
			flags := strings.Fields(test.then)
			if named := "-issuer " + issuer.URL(); strings.Contains(first.stdout, named) {
				flags = append(flags, strings.Fields(named)...)
			}
			if test.then == "" {
				flags = append(flags, "-any-audience")
			}
			second := jwks(t, append(append([]string{"verify"}, flags...), test.token)...)
			t.Logf("jwks verify %s TOKEN\n%s", strings.Join(flags, " "), second.stdout)
			second.expect(t, 1, test.cause)
		})
	}
}

// TestTrial_FourIssuers does the same with the second line of "Start here".
func TestTrial_FourIssuers(t *testing.T) {
	for _, test := range []struct {
		name        string
		plant       func(t *testing.T, f *fake)
		certificate func(t *testing.T) *tls.Certificate
		status      int
		cause       []string
	}{
		{"a leak in the key set", func(t *testing.T, f *fake) { f.keys = append(f.keys, leakedKey(t, "2026-11")) }, nil, 1, []string{"ERROR  private_keys", "take it down now"}},
		{"tokens are refused after each rotation", func(t *testing.T, f *fake) {
			f.keys = []any{ecKey(t, "only")}
			f.keysHeader = http.Header{"Cache-Control": {"public, max-age=604800"}}
		}, nil, 0, []string{"WARN   caching", "7 days", "INFO   spare_key"}},
		{"nobody can log in since the move", func(_ *testing.T, f *fake) { f.named = "http://keycloak:8080/realms/shop" }, nil, 1, []string{"ERROR  issuer", "keycloak:8080"}},
		{"all services answer 503 since midnight", nil, func(t *testing.T) *tls.Certificate { return certificate(t, time.Now().Add(-3*time.Hour)) }, 2, []string{"ERROR  certificate", "expired 3 h ago"}},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			f := newFake(t)
			var c *tls.Certificate
			if test.certificate != nil {
				c = test.certificate(t)
			}
			f.start(t, c, false)
			if test.plant != nil {
				f.plant(t, test.plant)
			}
			r := jwks(t, "doctor", "-ca", f.ca, f.URL)
			t.Logf("jwks doctor ISSUER\n%s", r.stdout)
			r.expect(t, test.status, test.cause...)
		})
	}
}
