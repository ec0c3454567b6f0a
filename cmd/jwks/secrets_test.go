package main_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/jwkstest"
)

var flagName = regexp.MustCompile(`(?m)^  -([a-z-]+)`)

// TestSecrets_NotInAnyOutput gives tokens to every subcommand, in every way and
// as the value of every flag, and looks for them in all that is written.
func TestSecrets_NotInAnyOutput(t *testing.T) {
	issuer := on(t)
	inner := issuer.Sign(map[string]any{"aud": "inner"})
	good := issuer.Sign(map[string]any{"aud": "a", "act_token": inner}, jwkstest.WithHeader("kid", "k1"), jwkstest.WithHeader("note", inner))
	cut := good[:len(good)-3]
	tokens := map[string]string{"good": good, "cut": cut, "inner": inner, "bad": good + "AAAA", "upper": "Bearer " + good}
	var secrets []string
	for _, token := range []string{good, inner} {
		signature := token[strings.LastIndexByte(token, '.')+1:]
		secrets = append(secrets, token, signature, signature[:40], signature[len(signature)-40:])
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "token.txt")
	if err := os.WriteFile(file, []byte(good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runs := 0
	scan := func(stdin string, env []string, args ...string) {
		t.Helper()
		runs++
		r := jwksWith(t, stdin, env, args...)
		for _, secret := range secrets {
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("jwks %.120q shows %.20q…:\n%s%s", args, secret, r.stdout, r.stderr)
				return
			}
		}
	}
	verify := []string{"verify", "-issuer", issuer.URL(), "-aud", "a"}
	for _, token := range tokens {
		for _, before := range [][]string{verify, append(verify, "-json"), {"verify", "-any-audience"}, {"inspect"}, {"inspect", "-json"}} {
			scan("", nil, append(before, token)...)
			scan(token, nil, append(before, "-")...)
			scan("", []string{"JWKS_TOKEN=" + token}, before...)
		}
		for _, args := range [][]string{
			{token}, {token, "x"}, {"help", token}, {"completion", token}, {"version", token}, {"keys", token}, {"doctor", token},
			{"watch", token}, {"serve", token}, {"verify", token, token}, {"verify", "@" + token}, {"inspect", token, "x"},
			{"keys", issuer.URL() + "/" + token}, {"doctor", issuer.URL() + "/" + token}, {"keys", issuer.URL() + "/jwks?t=" + url.QueryEscape(token)},
			{"watch", "-timeout", "100ms", issuer.URL() + "/" + token}, {"verify", "-aud", token, "-issuer", issuer.URL(), good},
		} {
			scan("", nil, args...)
		}
	}
	scan("", nil, append(verify, "@"+file)...)
	scan(strings.Repeat(good, 3), nil, append(verify, "-")...)
	for _, c := range []string{"verify", "inspect", "keys", "doctor", "watch", "serve", "version", "completion", "help"} {
		flags := flagName.FindAllStringSubmatch(jwks(t, "help", c).stdout, -1)
		for _, f := range flags {
			if c == "serve" && f[1] == "print-token" {
				continue // it would serve
			}
			args := []string{c, "-" + f[1], good}
			if c == "verify" && f[1] != "issuer" {
				args = append(args, "-issuer", issuer.URL())
			}
			if c == "serve" {
				args = append(args, "-timeout", "100ms")
			}
			scan("", nil, append(args, "-"+f[1]+"="+good)...)
			scan("", nil, append(args, good)...)
		}
		scan("", nil, c, "-"+good)
		scan("", nil, c, "--"+good+"=1")
	}
	issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
	scan("", nil, append(verify, good)...)
	issuer.SetFault(jwkstest.Body([]byte(good))) // a document that is a token
	scan("", nil, append(verify, good)...)
	scan("", nil, "keys", issuer.URL())
	scan("", nil, "doctor", issuer.URL())
	issuer.SetFault(jwkstest.Redirect("/" + good))
	scan("", nil, "doctor", issuer.URL())
	scan("", nil, "keys", issuer.URL()+"/jwks")
	if runs < 200 {
		t.Errorf("only %d runs", runs)
	}
}

// TestHeaders_OnlyToTheNamedHost: -header does not follow a jwks_uri or a
// redirect to another host.
func TestHeaders_OnlyToTheNamedHost(t *testing.T) {
	const secret = "s3cr3t-header-value"
	named, other := newFake(t), newFake(t)
	leaked := make(chan string, 100)
	other.first = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Api-Key") != "" {
			leaked <- r.URL.Path
		}
		return false
	}
	other.start(t, nil, true)
	named.first = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Api-Key") != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	named.keysURL = other.URL + "/jwks"
	named.start(t, nil, true)
	header := []string{"-header", "X-Api-Key: " + secret}
	for _, args := range [][]string{{"keys", named.URL}, {"doctor", named.URL}, {"watch", "-exit-on", "keys", named.URL}} {
		r := jwks(t, append(args, header...)...)
		if want := map[string]int{"watch": 1}[args[0]]; r.status != want {
			t.Errorf("%s: exit status %d, want %d: %s%s", args[0], r.status, want, r.stdout, r.stderr)
		}
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("%s shows the header", args[0])
		}
		if without := jwks(t, "keys", named.URL); without.status != 2 || !strings.Contains(without.stderr, "401") {
			t.Errorf("without the header: exit status %d: %s", without.status, without.stderr)
		}
	}
	token := "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJ4In0." + strings.Repeat("A", 86)
	jwks(t, append([]string{"verify", "-issuer", named.URL, "-any-audience", token}, header...)...).expect(t, 1, "signature")
	jwks(t, append([]string{"verify", "-any-audience", token}, header...)...).expect(t, 64, "-issuer")
	close(leaked)
	for path := range leaked {
		t.Errorf("the header went to %s of the other host", path)
	}
}
