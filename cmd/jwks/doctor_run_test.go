package main_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// found is one finding of jwks doctor -json.
type found struct{ Level, Name, Text, Advice string }

// examined runs jwks doctor and returns the findings by name.
func examined(t *testing.T, args ...string) (map[string]found, ran) {
	t.Helper()
	r := jwks(t, append([]string{"doctor", "-json"}, args...)...)
	var document struct {
		Issuer   string
		Findings []found
	}
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil {
		t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	findings := map[string]found{}
	for _, f := range document.Findings {
		findings[f.Name] = f
	}
	return findings, r
}

func TestDoctor_HealthyIssuer(t *testing.T) {
	f := newFake(t)
	f.start(t, nil, false)
	findings, r := examined(t, "-ca", f.ca, f.URL)
	if r.status != 0 || len(findings) != 20 {
		t.Errorf("exit status %d, %d findings, want 0 and 20\n%s", r.status, len(findings), r.stderr)
	}
	for name, f := range findings {
		if f.Level != "ok" || f.Text == "" || f.Advice != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	jwks(t, "doctor", "-strict", "-ca", f.ca, f.URL).expect(t, 0, "HEALTHY", "0 info, 20 ok")
}

// fault is something wrong with an issuer, and what a doctor must say.
type fault struct {
	name        string
	plant       func(t *testing.T, f *fake)
	finding     string
	level       string
	status      int
	says        string
	certificate func(t *testing.T) *tls.Certificate
	plain, dead bool
	issuer      func(f *fake) string // that is asked about; nil: its URL
}

func TestDoctor_FindsEachFault(t *testing.T) {
	var faults []fault
	faults = append(faults, keyFaults()...)
	faults = append(faults, cacheFaults()...)
	faults = append(faults, documentFaults()...)
	faults = append(faults, serverFaults()...)
	if len(faults) < 20 {
		t.Errorf("only %d faults", len(faults))
	}
	for _, test := range faults {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var c *tls.Certificate
			if test.certificate != nil {
				c = test.certificate(t)
			}
			f.start(t, c, test.plain)
			if test.plant != nil {
				f.plant(t, test.plant)
			}
			if test.dead {
				f.Close()
			}
			issuer := f.URL
			if test.issuer != nil {
				issuer = test.issuer(f)
			}
			args := []string{issuer}
			if f.ca != "" {
				args = append(args, "-ca", f.ca)
			}
			findings, r := examined(t, args...)
			got := findings[test.finding]
			if got.Level != test.level || !strings.Contains(got.Text, test.says) || got.Advice == "" {
				t.Errorf("%s: %+v, want level %s and %q", test.finding, got, test.level, test.says)
			}
			if r.status != test.status {
				t.Errorf("exit status %d, want %d", r.status, test.status)
			}
			for name, other := range findings { // and nothing else is worse than good to know
				if name != test.finding && (other.Level == "warn" || other.Level == "error") && !related(test.finding, name) {
					t.Errorf("besides %s it finds %+v", test.finding, other)
				}
			}
			f.asked.Store(0)
			strict := jwks(t, append([]string{"doctor", "-strict"}, args...)...)
			if want := max(test.status, map[string]int{"warn": 1}[test.level]); strict.status != want {
				t.Errorf("-strict: exit status %d, want %d", strict.status, want)
			}
		})
	}
}

// related says that one fault shows in two findings: a document that is not
// there because of a certificate or its length, or keys that are all bad.
func related(fault, other string) bool {
	switch fault {
	case "certificate":
		return other == "discovery"
	case "size":
		return other == "key_set" || other == "discovery"
	case "unusable_keys", "weak_keys", "private_keys":
		return other == "key_set"
	case "key_set":
		return other == "unusable_keys" || other == "size"
	}
	return false
}

func keyFaults() []fault {
	replace := func(keys func(t *testing.T) []any) func(*testing.T, *fake) {
		return func(t *testing.T, f *fake) { f.keys = keys(t) }
	}
	return []fault{
		{name: "RSA-1024", finding: "weak_keys", level: "warn", says: "1024 bits", plant: func(t *testing.T, f *fake) { f.keys = append(f.keys, weakKey(t, "weak")) }},
		{name: "enc-only keys", finding: "key_set", level: "error", status: 1, says: "none that is usable", plant: replace(func(t *testing.T) []any {
			return []any{ecKey(t, "a").with("use", "enc"), ecKey(t, "b").with("use", "enc")}
		})},
		{name: "an enc key beside others", finding: "unusable_keys", level: "warn", says: `use "enc"`, plant: func(t *testing.T, f *fake) { f.keys = append(f.keys, ecKey(t, "a").with("use", "enc")) }},
		{name: "a private key", finding: "private_keys", level: "error", status: 1, says: "private member", plant: func(t *testing.T, f *fake) { f.keys = append(f.keys, leakedKey(t, "leak")) }},
		{name: "missing kids", finding: "missing_kids", level: "warn", says: "2 of 2", plant: replace(func(t *testing.T) []any {
			return []any{ecKey(t, ""), edKey(t, "")}
		})},
		{name: "duplicate kids", finding: "duplicate_kids", level: "info", says: `"same"`, plant: replace(func(t *testing.T) []any {
			return []any{ecKey(t, "same"), ecKey(t, "same")}
		})},
		{name: "no spare key", finding: "spare_key", level: "info", says: "one usable key", plant: replace(func(t *testing.T) []any { return []any{ecKey(t, "only")} })},
		{name: "an empty set", finding: "key_set", level: "error", status: 1, says: "empty", plant: replace(func(*testing.T) []any { return []any{} })},
	}
}

func cacheFaults() []fault {
	return []fault{
		{name: "week-long max-age", finding: "caching", level: "warn", says: "7 days", plant: func(_ *testing.T, f *fake) {
			f.keysHeader = http.Header{"Cache-Control": {"public, max-age=604800"}}
		}},
		{name: "never cached", finding: "caching", level: "info", says: "may not be cached", plant: func(_ *testing.T, f *fake) {
			f.keysHeader = http.Header{"Cache-Control": {"no-cache"}}
		}},
		{name: "304 to everything", finding: "validators", level: "warn", says: "cannot know", plant: func(_ *testing.T, f *fake) { f.lies = true }},
		{name: "one ETag for two sets", finding: "validators", level: "warn", says: "two different key sets", plant: func(t *testing.T, f *fake) {
			bodies := [2][]byte{}
			for i := range bodies {
				bodies[i], _ = json.Marshal(map[string]any{"keys": []any{ecKey(t, "k1"), ecKey(t, "k2")}})
			}
			f.keysBody = func(n int) []byte { return bodies[min(n, 2)-1] }
			f.etag = func([]byte) string { return `"constant"` }
		}},
		{name: "the date of a reproducible image", finding: "validators", level: "warn", says: "1980", plant: func(_ *testing.T, f *fake) {
			f.keysHeader.Set("Last-Modified", "Tue, 01 Jan 1980 00:00:01 GMT")
			f.etag = func([]byte) string { return `"12cea601-18b"` }
		}},
	}
}

func documentFaults() []fault {
	return []fault{
		{name: "a foreign issuer", finding: "issuer", level: "error", status: 1, says: "https://other.example", plant: func(_ *testing.T, f *fake) { f.named = "https://other.example" }},
		{name: "a slash", finding: "issuer", level: "error", status: 1, says: "slash", plant: func(_ *testing.T, f *fake) { f.named = f.URL + "/" }},
		{name: "404 at the OpenID place", finding: "discovery", level: "info", says: "oauth-authorization-server", plant: func(_ *testing.T, f *fake) {
			f.path = "/.well-known/oauth-authorization-server"
		}},
		{name: "404 everywhere", finding: "discovery", level: "error", status: 2, says: "404 Not Found", plant: func(_ *testing.T, f *fake) { f.path = "/elsewhere" }},
		{name: "HTML", finding: "discovery", level: "error", status: 2, says: "HTML", plant: func(_ *testing.T, f *fake) {
			f.discoveryBody = []byte("<!DOCTYPE html><html><title>Sign in</title></html>")
			f.header = http.Header{"Content-Type": {"text/html"}}
		}},
		{name: "HTML for keys", finding: "key_set", level: "error", status: 2, says: "HTML", plant: func(_ *testing.T, f *fake) {
			f.keysBody = func(int) []byte { return []byte("<!DOCTYPE html><html><title>Sign in</title></html>") }
		}},
		{name: "keys that are not there", finding: "key_set", level: "error", status: 2, says: "404", plant: func(_ *testing.T, f *fake) { f.keysURL = f.URL + "/moved" }},
		{name: "no jwks_uri", finding: "key_set", level: "error", status: 2, says: "jwks_uri", plant: func(_ *testing.T, f *fake) {
			f.discoveryBody, _ = json.Marshal(map[string]any{"issuer": f.URL})
		}},
		{name: "a gzip bomb", finding: "size", level: "error", status: 2, says: "1 MiB", plant: func(_ *testing.T, f *fake) {
			f.keysHeader.Set("Content-Encoding", "gzip")
			bomb := gzipped(64 << 20)
			f.keysBody = func(int) []byte { return bomb }
		}},
		{name: "a huge document", finding: "size", level: "error", status: 2, says: "1 MiB", plant: func(_ *testing.T, f *fake) {
			f.keysBody = func(int) []byte { return bytes.Repeat([]byte(" "), 2<<20) }
		}},
		{name: "a large document", finding: "size", level: "info", says: "KB", plant: func(t *testing.T, f *fake) {
			for range 600 {
				f.keys = append(f.keys, ecKey(t, strconv.Itoa(len(f.keys))))
			}
		}},
		{name: "text/html around JSON", finding: "content_type", level: "info", says: "text/html", plant: func(_ *testing.T, f *fake) { f.keysHeader.Set("Content-Type", "text/html") }},
	}
}

func serverFaults() []fault {
	return []fault{
		{name: "a redirect", finding: "redirects", level: "info", says: "/jwks", plant: func(_ *testing.T, f *fake) {
			f.keysURL = f.URL + "/old"
			f.first = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/old" {
					return false
				}
				http.Redirect(w, r, "/jwks", http.StatusFound)
				return true
			}
		}},
		{name: "plain http", finding: "https", level: "warn", says: "http://", plain: true},
		{name: "slow", finding: "latency", level: "info", says: "slow", plant: func(_ *testing.T, f *fake) { f.delay = 1100 * time.Millisecond }},
		{name: "a clock that is off", finding: "clock", level: "warn", says: "5 min behind", plant: func(_ *testing.T, f *fake) {
			f.header.Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
		}},
		{name: "an expired certificate", finding: "certificate", level: "error", status: 2, says: "expired 2 days ago", certificate: func(t *testing.T) *tls.Certificate {
			return certificate(t, time.Now().Add(-48*time.Hour))
		}},
		{name: "a certificate that ends soon", finding: "certificate", level: "info", says: "in 3 days", certificate: func(t *testing.T) *tls.Certificate {
			return certificate(t, time.Now().Add(72*time.Hour+time.Minute))
		}},
		{name: "dead", finding: "discovery", level: "error", status: 2, says: "connection refused", dead: true},
	}
}

func gzipped(zeros int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	chunk := make([]byte, 1<<20)
	for range zeros >> 20 {
		_, _ = w.Write(chunk)
	}
	_ = w.Close()
	return b.Bytes()
}

// TestDoctor_NamesFlags: what mends a failure is a flag of the command, not an
// option of the library.
func TestDoctor_NamesFlags(t *testing.T) {
	f := newFake(t)
	f.start(t, nil, false)
	for _, args := range [][]string{{"doctor", f.URL}, {"keys", f.URL}, {"watch", "-exit-on", "failed", f.URL}, {"verify", "-any-audience", "-issuer", f.URL, "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"}} {
		r := jwks(t, args...)
		if want := map[string]int{"watch": 1}[args[0]]; want != r.status && r.status != 2 {
			t.Errorf("%s: exit status %d", args[0], r.status)
		}
		if text := r.stdout + r.stderr; !strings.Contains(text, "-ca") || strings.Contains(text, "WithTLSConfig") {
			t.Errorf("%s: %s", args[0], text)
		}
	}
}
