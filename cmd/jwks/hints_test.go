package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// verifyIn verifies a token as jwks verify does, with keys from memory.
func verifyIn(t *testing.T, transport http.RoundTripper, token string, args ...string) *verifyJSON {
	t.Helper()
	f := newFlags("verify")
	v := newVerification(f)
	if _, err := f.parse(args); err != nil {
		t.Fatal(err)
	}
	v.rec = &recorder{base: transport}
	source, err := v.source()
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	verifier, err := jwks.NewVerifier(source, v.verifierOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	e := &explained{v: v, now: time.Now(), report: verifier.Explain(context.Background(), token), spaces: strings.ContainsAny(token, " \n")}
	e.look(context.Background(), source, token)
	return e.result()
}

// TestExplained_OwnIssuer: the issuer that the token names is asked, and what it
// answered is told.
func TestExplained_OwnIssuer(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("RS256", "ES256"))
	got := verifyIn(t, issuer.HTTPClient().Transport, issuer.Sign(nil), "-any-audience")
	steps := map[string]string{}
	for _, s := range got.Steps {
		steps[s.Name] = s.Verdict + " " + s.Detail
	}
	for name, want := range map[string]string{
		"issuer":    "passed " + issuer.URL() + "   from the token; pin it with -issuer",
		"discovery": "passed " + issuer.URL() + "/.well-known/openid-configuration   200, ",
		"keys":      "passed " + issuer.JWKSURL() + "   200, ",
		"key":       `passed "k1", RSA 2048, use sig`,
		"signature": "passed good",
	} {
		if !strings.HasPrefix(steps[name], want) {
			t.Errorf("%s: %q, want %q", name, steps[name], want)
		}
	}
	if got.status != exitOK || !strings.HasSuffix(steps["keys"], "2 keys") || !strings.Contains(got.Hint, "with -issuer") {
		t.Errorf("%+v", got)
	}
	if n := issuer.Requests(); n != (jwkstest.Requests{Discovery: 1, JWKS: 1}) {
		t.Errorf("looking costs requests: %+v", n)
	}
	nameless := jwkstest.New(t, jwkstest.WithAlgorithms("ES256", "ES256"), jwkstest.WithoutKeyIDs())
	got = verifyIn(t, nameless.HTTPClient().Transport, nameless.Sign(nil), "-any-audience", "-issuer", nameless.URL())
	if text := got.text(newProgram(nil, nil, nil, func(string) string { return "" })); !strings.Contains(text, "key         without a kid, EC P-256") || got.status != exitOK {
		t.Error(text)
	}
}

func TestHint_CommonCauses(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	other := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://other.example"))
	now := time.Now()
	sign := func(name string, value any, opts ...jwkstest.SignOption) string {
		return issuer.Sign(map[string]any{"aud": "a", name: value}, opts...)
	}
	good := sign("x", 1)
	segments := strings.Split(good, ".")
	for _, test := range []struct{ name, token, args, want string }{
		{"nothing", good, "-aud a", ""},
		{"opaque", "2YotnFZFEjr1zCsicMWpAA", "-aud a", "opaque"},
		{"encrypted", "a.b.c.d.e", "-aud a", "encrypted"},
		{"line breaks", segments[0] + ".\n" + segments[1] + "." + segments[2], "-aud a", "white space"},
		{"cut", good[:len(good)-1], "-aud a", "cut off"},
		{"too large", sign("x", strings.Repeat("x", 20000)), "-aud a", "smaller"},
		{"HS256", sign("x", 1, jwkstest.WithHeader("alg", "HS256")), "-aud a", "shared secret"},
		{"none", sign("x", 1, jwkstest.WithHeader("alg", "none")), "-aud a", "nobody signed"},
		{"another algorithm", good, "-aud a -alg RS256", "-alg does not allow"},
		{"an algorithm that the key does not allow", sign("x", 1, jwkstest.WithHeader("alg", "RS256")), "-aud a", "other algorithms"},
		{"an unknown kid", sign("x", 1, jwkstest.WithHeader("kid", "k9")), "-aud a", "not published"},
		{"an old token with an unknown kid", sign("exp", now.Add(-time.Hour), jwkstest.WithHeader("kid", "k9")), "-aud a", "no longer published"},
		{"a changed payload", segments[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+issuer.URL()+`","aud":"a"}`)) + "." + segments[2], "-aud a", "changed or cut"},
		{"another issuer's", other.Sign(map[string]any{"aud": "a"}), "-aud a", "https://other.example"},
		{"an issuer with a slash", sign("iss", issuer.URL()+"/"), "-aud a", "slash at the end"},
		{"another iss", sign("iss", "https://x.example"), "-aud a", "https://x.example"},
		{"no iss", sign("iss", nil), "-aud a", "no iss"},
		{"another audience", good, "-aud b", `made for "a"; ask the issuer for one with audience "b"`},
		{"no audience", sign("aud", nil), "-aud b", "names no audience"},
		{"audience before expiry", sign("exp", now.Add(-time.Hour)), "-aud b", "made for"},
		{"milliseconds", sign("exp", now.UnixMilli()), "-aud a", "only the issuer can fix that"},
		{"expired just now", sign("exp", now.Add(-time.Minute)), "-aud a", "compare the clocks"},
		{"expired", sign("exp", now.Add(-time.Hour)), "-aud a", "no longer valid"},
		{"no exp", sign("exp", nil), "-aud a", "valid forever"},
		{"soon", sign("nbf", now.Add(2*time.Minute)), "-aud a", "from the future by 2 min"},
		{"from a time zone", sign("iat", now.Add(2*time.Hour)), "-aud a", "time zone"},
		{"type", good, "-aud a -typ at+jwt", "ID token"},
		{"scope", sign("scope", "x y"), "-aud a -scope y,z", "request the scope"},
		{"bound", sign("cnf", map[string]any{"jkt": "x"}), "-aud a", "bound to a key"},
	} {
		got := verifyIn(t, issuer.HTTPClient().Transport, test.token, append(strings.Fields(test.args), "-issuer", issuer.URL())...)
		for _, s := range got.Steps {
			if strings.Contains(s.Detail, "With") {
				t.Errorf("%s: an option where a flag is meant: %s", test.name, s.Detail)
			}
		}
		if !strings.Contains(got.Hint, test.want) || (got.Hint == "") != (test.want == "") {
			t.Errorf("%s: hint %q, want %q\n%+v", test.name, got.Hint, test.want, got.Steps)
		}
	}
	for _, test := range []struct {
		name  string
		fault jwkstest.Fault
		want  string
	}{
		{"503", jwkstest.Status(503), "jwks doctor " + issuer.URL()},
		{"404", jwkstest.Status(404), "nothing at this URL"},
		{"another issuer's document", jwkstest.Body([]byte(`{"issuer":"https://x.example","jwks_uri":"https://x.example/jwks"}`)), "by another name"},
	} {
		issuer.SetFault(test.fault)
		if got := verifyIn(t, issuer.HTTPClient().Transport, good, "-aud", "a", "-issuer", issuer.URL()); got.status != exitUndecidable || !strings.Contains(got.Hint, test.want) {
			t.Errorf("%s: hint %q, want %q", test.name, got.Hint, test.want)
		}
	}
}
