package main_test

import (
	"bufio"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// normal replaces what differs from run to run by what reads well in a
// document: ports, times, durations, sizes, keys and tokens.
var normal = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`), "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJhdWQi...fQ.c2lnbmF0dXJl..."},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:8080"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-11-27T13:22:10Z"},
	{regexp.MustCompile(`\b1[789]\d{8}\b`), "1795785730"},
	{regexp.MustCompile(`(200, |document |key set )(under 1 ms|[\d.]+ (ms|s))`), "${1}3 ms"},
	{regexp.MustCompile(`\d+ bytes, at most`), "521 bytes, at most"},
	{regexp.MustCompile(`(document|set) [\d.]+ (bytes|KB)`), "$1 421 bytes"},
	{regexp.MustCompile(`next attempt in \d+m?s`), "next attempt in 700ms"},
	{regexp.MustCompile(`fetched \d+m?s ago`), "fetched 0s ago"},
	{regexp.MustCompile(`within \d+ s`), "within 1 s"},
	{regexp.MustCompile(`ends in [^(]+\(`), "ends in 81 days ("},
	{regexp.MustCompile(`(?m)([ "])[A-Za-z0-9_-]{43}("|$)`), "${1}0jaPrlcD3bxzpKnEgeX1HyzG6bR0GCY4e2msASSTs4Y${2}"},
	{regexp.MustCompile(`"revision": "[0-9a-f]+"`), `"revision": "3875a7e0c5d1"`},
	{regexp.MustCompile(`\([0-9a-f]{12}\) `), ""},
	{regexp.MustCompile(`go1\.[0-9.a-z]+( \S+)?`), "go1.26.8 linux/amd64"},
}

func normalised(text string) string {
	for _, n := range normal {
		text = n.pattern.ReplaceAllString(text, n.by)
	}
	return text
}

// golden compares a text with testdata/NAME.golden.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	text = normalised(text)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test ./cmd/jwks -run Golden -update writes it", err)
	}
	if text != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s has changed: look at it and run with -update\ngot\n%s\nwant\n%s", path, text, want)
	}
}

// on serves an issuer of jwkstest on loopback.
func on(t *testing.T, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	server, issuer := unstarted(t, opts...)
	server.Start()
	return issuer
}

func TestGolden_Verify(t *testing.T) {
	issuer := on(t)
	now := time.Now().Truncate(time.Second)
	at := now.Add(time.Minute).UTC().Format(time.RFC3339)
	claims := map[string]any{"aud": "orders-api", "iat": now, "exp": now.Add(time.Hour), "scope": "orders.read"}
	good := issuer.Sign(claims)
	claims["aud"], claims["exp"] = []string{"billing-api"}, now.Add(-2*time.Minute)
	bad := issuer.Sign(claims)
	for _, test := range []struct {
		name, token string
		status      int
		args        []string
	}{
		{"verified", good, 0, []string{"-aud", "orders-api", "-scope", "orders.read"}},
		{"refused", bad, 1, []string{"-aud", "orders-api"}},
		{"json", bad, 1, []string{"-aud", "orders-api", "-json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"verify", "-issuer", issuer.URL(), "-at", at}, test.args...)
			r := jwksWith(t, test.token, nil, append(args, "-")...)
			r.expect(t, test.status)
			golden(t, "verify-"+test.name, r.stdout)
		})
	}
	t.Run("undecided", func(t *testing.T) {
		issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
		r := jwksWith(t, good, nil, "verify", "-issuer", issuer.URL(), "-aud", "orders-api", "-at", at, "-")
		r.expect(t, 2)
		golden(t, "verify-undecided", r.stdout)
	})
}

func TestGolden_Inspect(t *testing.T) {
	issuer := on(t)
	now := time.Now()
	token := issuer.Sign(map[string]any{"aud": []string{"orders-api"}, "iat": now.Add(-20*time.Minute - 5*time.Second), "exp": now.Add(135 * time.Minute), "roles": []string{"admin"}})
	r := jwks(t, "inspect", token)
	r.expect(t, 0)
	golden(t, "inspect", r.stdout)
	r = jwks(t, "inspect", "-json", token)
	r.expect(t, 0)
	golden(t, "inspect-json", r.stdout)
}

func TestGolden_Keys(t *testing.T) {
	f := newFake(t)
	f.keys = []any{ecKey(t, "2026-10"), edKey(t, "2026-11"), ecKey(t, "for-encryption").with("use", "enc"), weakKey(t, "old"), leakedKey(t, "oops")}
	f.start(t, nil, true)
	r := jwks(t, "keys", f.URL)
	r.expect(t, 0)
	golden(t, "keys", r.stdout)
	r = jwks(t, "keys", "-json", f.URL)
	r.expect(t, 0)
	golden(t, "keys-json", r.stdout)
}

func TestGolden_Doctor(t *testing.T) {
	healthy := newFake(t)
	healthy.start(t, nil, false)
	r := jwks(t, "doctor", "-ca", healthy.ca, healthy.URL)
	r.expect(t, 0)
	golden(t, "doctor", r.stdout)

	f := newFake(t)
	f.keys = []any{ecKey(t, "2026-10"), weakKey(t, "2019-01"), leakedKey(t, "2026-11")}
	f.keysHeader = http.Header{"Cache-Control": {"public, max-age=604800"}}
	f.start(t, nil, false)
	r = jwks(t, "doctor", "-ca", f.ca, f.URL)
	r.expect(t, 1)
	golden(t, "doctor-unhealthy", r.stdout)
	r = jwks(t, "doctor", "-json", "-ca", f.ca, f.URL)
	r.expect(t, 1)
	golden(t, "doctor-json", r.stdout)
}

// TestGolden_Watch answers each line with the next change.
func TestGolden_Watch(t *testing.T) {
	for name, more := range map[string][]string{"watch": nil, "watch-json": {"-json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := on(t)
			r := start(t, append([]string{"watch", "-every", "1s", "-exit-on", "recovered", issuer.URL()}, more...)...)
			var text strings.Builder
			lines := bufio.NewScanner(r.stdout)
			for lines.Scan() {
				text.WriteString(lines.Text() + "\n")
				switch line := lines.Text(); {
				case strings.Contains(line, "keys") && !strings.Contains(line, "failed"):
					issuer.Rotate()
				case strings.Contains(line, "added"):
					issuer.RemoveKey("k1")
				case strings.Contains(line, "removed"):
					issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
				case strings.Contains(line, "failed"):
					issuer.SetFault(jwkstest.None())
				}
			}
			if status := r.wait(t); status != 1 {
				t.Errorf("exit status %d, want 1 by -exit-on\n%s", status, r.stderr)
			}
			golden(t, name, text.String())
		})
	}
}

func TestGolden_Serve(t *testing.T) {
	for name, args := range map[string][]string{"serve": nil, "serve-token": {"-print-token", "-path", "/tenant"}, "serve-json": {"-json", "-print-token"}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, args...)
			golden(t, name, s.said)
			s.end(t)
		})
	}
}

func TestGolden_Help(t *testing.T) {
	r := jwks(t, "help")
	r.expect(t, 0)
	golden(t, "help", r.stdout)
	for _, name := range []string{"verify", "inspect", "keys", "doctor", "watch", "serve", "version", "completion", "tokens", "exit", "json", "network"} {
		r := jwks(t, "help", name)
		r.expect(t, 0)
		golden(t, "help-"+name, r.stdout)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := jwks(t, "completion", shell)
		r.expect(t, 0)
		golden(t, "completion-"+shell, r.stdout)
	}
	r = jwks(t, "version")
	r.expect(t, 0)
	golden(t, "version", r.stdout)
}
