package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// get asks the handler, with a token if there is one.
func get(t *testing.T, h http.Handler, path, token string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// wantMetric wants a line of the exposition format: a name, some of its labels,
// and a value.
func wantMetric(t *testing.T, metrics, name, labels, value string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + name + `\{[^}]*` + regexp.QuoteMeta(labels) + `[^}]*\} ` + value + `$`)
	if !line.MatchString(metrics) {
		var has []string
		for l := range strings.Lines(metrics) {
			if strings.HasPrefix(l, name) {
				has = append(has, l)
			}
		}
		t.Errorf("no %s{%s} %s among\n%s", name, labels, value, strings.Join(has, ""))
	}
}

func TestMetrics_OfAnAPI(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	h, closeAll, err := newHandler("my-api", jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeAll(); err != nil {
			t.Error(err)
		}
	})
	good := map[string]any{"aud": "my-api", "sub": "alice"}
	for i, want := range []struct {
		token  string
		status int
	}{
		{issuer.Sign(good), 200},
		{issuer.Sign(map[string]any{"aud": "other"}), 401},
		{issuer.Sign(map[string]any{"aud": "my-api", "exp": time.Now().Add(-time.Hour)}), 401},
	} {
		if status, _ := get(t, h, "/hello", want.token); status != want.status {
			t.Errorf("token %d: %d, want %d", i, status, want.status)
		}
	}
	issuer.Rotate()
	if status, body := get(t, h, "/hello", issuer.Sign(good)); status != 200 || body != "hello alice\n" {
		t.Errorf("after a rotation: %d %s", status, body)
	}
	issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
	if status, _ := get(t, h, "/hello", issuer.Sign(good, jwkstest.WithKeyID("new"))); status != 503 {
		t.Errorf("an unknown key in an outage: %d", status)
	}

	_, metrics := get(t, h, "/metrics", "")
	of := `jwks_issuer="` + issuer.URL() + `"`
	for _, want := range []struct{ name, labels, value string }{
		{"jwks_keyset_state", of, "1"},
		{"jwks_keyset_keys", of, "2"},
		{"jwks_keyset_age_seconds", of, `[0-9.e+-]+`},
		{"jwks_refresh_consecutive_failures", of, "1"},
		{"jwks_lookups_throttled_total", of, "0"},
		{"jwks_refreshes_total", of + `,jwks_outcome="refreshed"`, "2"},
		{"jwks_refreshes_total", of + `,jwks_outcome="failed"`, "1"},
		{"jwks_refresh_duration_seconds_count", of + `,jwks_outcome="failed"`, "1"},
		{"jwks_verify_duration_seconds_count", `jwks_reason="audience"`, "1"},
		{"jwks_verify_duration_seconds_count", `jwks_reason="expired"`, "1"},
		{"jwks_verify_duration_seconds_count", `jwks_reason="unavailable"`, "1"},
		{"jwks_verify_duration_seconds_count", `otel_scope_name="github.com/seed-22400188/jwks/contrib/otel"`, "2"},
	} {
		wantMetric(t, metrics, want.name, want.labels, want.value)
	}
}
