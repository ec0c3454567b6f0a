package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestUsage_ExitStatus64(t *testing.T) {
	token := on(t).Sign(map[string]any{"aud": "a"})
	for _, test := range []struct {
		args []string
		says string
	}{
		{nil, "Start here"},
		{[]string{"verfy"}, "did you mean verify?"},
		{[]string{"Docter"}, "did you mean doctor?"},
		{[]string{"decode", token}, "did you mean inspect?"},
		{[]string{"xyzzy"}, "jwks help lists all"},
		{[]string{token}, "want a subcommand before the token"},
		{[]string{"verify", token}, "Say -aud"},
		{[]string{"verify", "-aud", "a", "-any-audience", token}, "want one of them"},
		{[]string{"verify", "-aud", "", token}, "empty"},
		{[]string{"verify", "-any-audience"}, "$JWKS_TOKEN"},
		{[]string{"verify", "-any-audience", "a", "b"}, "want one token"},
		{[]string{"verify", "-any-audience", "@/does/not/exist"}, "could not be read"},
		{[]string{"verify", "-any-audience", "-at", "yesterday", token}, "RFC 3339"},
		{[]string{"verify", "-any-audience", "-alg", "HS256", token}, "HS256"},
		{[]string{"verify", "-any-audience", "-alg", "none", token}, "none"},
		{[]string{"verify", "-any-audience", "-leeway", "-1s", token}, "-leeway"},
		{[]string{"verify", "-any-audience", "-issuer", "login.example", token}, "-issuer"},
		{[]string{"verify", "-any-audience", "-jwks", "https://a.example", "-keys", "x", token}, "want one of them"},
		{[]string{"verify", "-any-audience", "-ca", "/does/not/exist", token}, "-ca"},
		{[]string{"verify", "-any-audience", "-isuer", "x", token}, "did you mean -issuer?"},
		{[]string{"verify", "-any-audience", "-timeout", "-1s", token}, "-timeout"},
		{[]string{"verify", "-any-audience", "-issuer", "https://a.example", "-header", "nonsense", token}, "Name: value"},
		{[]string{"inspect"}, "no token"},
		{[]string{"keys"}, "want one URL or file"},
		{[]string{"keys", "http://keys.example/jwks"}, "-insecure-http"},
		{[]string{"doctor"}, "want one issuer"},
		{[]string{"doctor", "login.example"}, "URL"},
		{[]string{"doctor", "https://a.example/.well-known/openid-configuration"}, "jwks doctor https://a.example"},
		{[]string{"watch"}, "want an issuer"},
		{[]string{"watch", "-every", "10ms", "https://a.example"}, "at least 1s"},
		{[]string{"watch", "-exit-on", "removed,broken", "https://a.example"}, "broken"},
		{[]string{"watch", "https://a.example", "https://a.example"}, "twice"},
		{[]string{"serve", "-addr", "0.0.0.0:0"}, "-expose"},
		{[]string{"serve", "-addr", ":0"}, "-expose"},
		{[]string{"serve", "-addr", "192.0.2.1:0"}, "-expose"},
		{[]string{"serve", "-addr", "nonsense"}, "host:port"},
		{[]string{"serve", "-alg", "HS256"}, "HS256"},
		{[]string{"serve", "-path", "a?b"}, "path"},
		{[]string{"serve", "-rotate", "1ms"}, "at least 1s"},
		{[]string{"help", "verfy"}, "did you mean verify?"},
		{[]string{"completion", "tcsh"}, "want one of"},
		{[]string{"version", "x"}, "no arguments"},
	} {
		r := jwks(t, test.args...)
		if r.status != 64 || r.stdout != "" || !strings.Contains(r.stderr, test.says) {
			t.Errorf("jwks %.60q: exit status %d, %q, want 64 and %q", test.args, r.status, r.stdout+r.stderr, test.says)
		}
		if len(test.args) > 0 && strings.Count(r.stderr, "\n") > 3 {
			t.Errorf("jwks %.60q: many lines: %s", test.args, r.stderr)
		}
	}
}

// TestKeys_Unavailable: what has no keys is undecidable, and not a mistake of
// the command line.
func TestKeys_Unavailable(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no such file")
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := on(t)
	for _, where := range []string{missing, junk, "http://127.0.0.1:1", issuer.URL() + "/nothing", "http://127.0.0.1:1/{tenantid}/v2.0"} {
		if r := jwks(t, "keys", where); r.status != 2 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("keys %s: exit status %d, %q", where, r.status, r.stdout+r.stderr)
		}
	}
	token := issuer.Sign(map[string]any{"aud": "a"})
	for _, file := range []string{missing, junk} {
		jwks(t, "verify", "-any-audience", "-keys", file, token).expect(t, 2, "UNDECIDED")
	}
}

// TestKeys_WaysToThem: an issuer, its document, its key set and files lead to
// the same keys.
func TestKeys_WaysToThem(t *testing.T) {
	issuer := on(t, jwkstest.WithPath("/tenant"))
	direct := jwks(t, "keys", issuer.JWKSURL())
	direct.expect(t, 0, "1 key, 1 usable", "RSA 2048")
	for _, where := range []string{issuer.URL(), issuer.URL() + "/.well-known/openid-configuration"} {
		if got := jwks(t, "keys", where); got.stdout != direct.stdout {
			t.Errorf("%s:\n%s\nwant\n%s", where, got.stdout, direct.stdout)
		}
	}
	resp, body := request(t, "GET", issuer.JWKSURL())
	if resp.StatusCode != 200 {
		t.Fatal(body)
	}
	file := filepath.Join(t.TempDir(), "key set.json")
	if err := os.WriteFile(file, []byte("\ufeff"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	jwks(t, "keys", file).expect(t, 0, "1 key, 1 usable")
	jwks(t, "verify", "-keys", file, "-any-audience", issuer.Sign(nil)).expect(t, 0, "VERIFIED")
	jwks(t, "verify", "-jwks", issuer.JWKSURL(), "-any-audience", issuer.Sign(nil)).expect(t, 0, "VERIFIED", "not checked: name it with -issuer")
	jwks(t, "verify", "-jwks", issuer.JWKSURL(), "-issuer", "urn:another", "-any-audience", issuer.Sign(nil)).expect(t, 1, `want "urn:another"`)

	pem := filepath.Join(t.TempDir(), "keys.pem")
	ca := newFake(t)
	ca.start(t, nil, false)
	text, err := os.ReadFile(ca.ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pem, append(text, text...), 0o600); err != nil {
		t.Fatal(err)
	}
	jwks(t, "keys", pem).expect(t, 0, "2 keys", "(none)", "RSA")
}

func TestUsage_WaysToGiveAToken(t *testing.T) {
	issuer := on(t)
	token := issuer.Sign(map[string]any{"aud": "a"})
	file := filepath.Join(t.TempDir(), "a token.txt")
	if err := os.WriteFile(file, []byte("  Bearer "+token+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"-issuer", issuer.URL(), "-aud", "x", "-aud", "a"}
	for name, run := range map[string]ran{
		"an argument":                  jwks(t, append(append([]string{"verify"}, flags...), token)...),
		"before its flags":             jwks(t, append([]string{"verify", token}, flags...)...),
		"after --":                     jwks(t, append(append([]string{"verify"}, flags...), "--", token)...),
		"stdin":                        jwksWith(t, "Bearer "+token+"\n", nil, append(append([]string{"verify"}, flags...), "-")...),
		"a file":                       jwks(t, append(append([]string{"verify"}, flags...), "@"+file)...),
		"the environment":              jwksWith(t, "", []string{"JWKS_TOKEN=bearer " + token}, append([]string{"verify"}, flags...)...),
		"two words":                    jwks(t, append(append([]string{"verify"}, flags...), "Bearer", token)...),
		"an argument over environment": jwksWith(t, "", []string{"JWKS_TOKEN=junk"}, append(append([]string{"verify"}, flags...), token)...),
		"double dashes":                jwks(t, "verify", "--issuer="+issuer.URL(), "--aud=a", token),
	} {
		if run.status != 0 || !strings.Contains(run.stdout, "VERIFIED") {
			t.Errorf("%s: exit status %d\n%s%s", name, run.status, run.stdout, run.stderr)
		}
	}
}

func TestUsage_HelpNeverFails(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"help", "help"}, {"help", "verify"}, {"verify", "-h"}, {"verify", "--help"}, {"doctor", "x", "-h"}, {"version"}, {"--version"}} {
		if r := jwks(t, args...); r.status != 0 || r.stdout == "" || r.stderr != "" {
			t.Errorf("%q: exit status %d, stdout %.40q, stderr %q", args, r.status, r.stdout, r.stderr)
		}
	}
}

// TestVerify_RealToken goes by a token and a key set of a real issuer.
func TestVerify_RealToken(t *testing.T) {
	dir := testkit.SharedDir(t, "seed")
	token := "@" + filepath.Join(dir, "auth0-token.jwt")
	keys := []string{"verify", "-keys", filepath.Join(dir, "auth0-jwks.json"), "-issuer", "https://dev-87evx9ru.auth0.com/"}
	with := func(args ...string) []string { return append(append([]string{}, keys...), args...) }
	aud := "https://expenses-api"
	jwks(t, with("-aud", aud, "-at", "2019-10-25T12:36:00Z", token)...).expect(t, 0, "VERIFIED")
	jwks(t, with("-aud", aud, token)...).expect(t, 1, "REFUSED", "expired", "years ago (2019-10-25T12:36:04Z")
	jwks(t, with(token)...).expect(t, 64, "-aud")
	jwks(t, with("-aud", "other", "-at", "2019-10-25T12:36:00Z", token)...).expect(t, 1, "REFUSED  1 of", `"https://expenses-api"`)
	jwks(t, with("-any-audience", "-alg", "ES256", "-at", "2019-10-25T12:36:00Z", token)...).expect(t, 1, `"RS256"`)
	jwks(t, "verify", "-issuer", "http://127.0.0.1:1/", "-aud", aud, token).expect(t, 2, "UNDECIDED")
	jwks(t, "verify", "-keys", filepath.Join(dir, "README.md"), "-aud", aud, token).expect(t, 2, "UNDECIDED")
	jwks(t, "verify", "-keys", filepath.Join(dir, "auth0-jwks.json"), "-aud", aud, "-at", "2019-10-25T12:36:00Z", token).expect(t, 0, "not checked: name it with -issuer")
}

// TestVerify_CountsChecks: n of m counts the steps that passed or failed, and
// not the claims that nobody signed.
func TestVerify_CountsChecks(t *testing.T) {
	issuer := on(t)
	token := issuer.Sign(map[string]any{"aud": "a", "nbf": 1})
	forged := token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 342)
	for name, test := range map[string]struct {
		token   string
		outcome string
		checks  []string // that count
		failed  int
	}{
		"good":   {token, "verified", []string{"size", "form", "header", "algorithm", "issuer", "discovery", "keys", "key", "signature", "claims", "iss", "aud", "exp", "nbf", "iat"}, 0},
		"forged": {forged, "refused", []string{"size", "form", "header", "algorithm", "issuer", "discovery", "keys", "key", "signature"}, 1},
		"opaque": {"opaque-token", "refused", []string{"size", "form"}, 1},
	} {
		var got struct {
			Outcome        string
			Checks, Failed int
			Steps          []struct{ Name, Verdict, Detail string }
			Header, Claims json.RawMessage
			Hint           *string
		}
		r := jwks(t, "verify", "-json", "-issuer", issuer.URL(), "-aud", "a", test.token)
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatal(err)
		}
		if got.Outcome != test.outcome || got.Checks != len(test.checks) || got.Failed != test.failed || got.Hint == nil || got.Header == nil {
			t.Errorf("%s: %s", name, r.stdout)
		}
		verdicts := map[string]string{}
		for _, s := range got.Steps {
			verdicts[s.Name] = s.Verdict
		}
		for _, name := range test.checks {
			if v := verdicts[name]; v != "passed" && v != "failed" {
				t.Errorf("%s is %q", name, v)
			}
		}
	}
}

// TestVerify_OwnIssuer: the issuer that a token names is asked at a public
// address only.
func TestVerify_OwnIssuer(t *testing.T) {
	issuer := on(t, jwkstest.WithAlgorithms("ES256"))
	r := jwks(t, "verify", "-any-audience", issuer.Sign(nil))
	r.expect(t, 1, "not a public address", "-issuer "+issuer.URL())
	old := issuer.Sign(map[string]any{"exp": time.Now().Add(-time.Hour)})
	jwks(t, "verify", "-any-audience", old).expect(t, 1, "it has expired", "unverified: expired 1 h ago")
	if issuer.Requests() != (jwkstest.Requests{}) {
		t.Errorf("it was asked: %+v", issuer.Requests())
	}
}
