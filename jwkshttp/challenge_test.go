package jwkshttp_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestChallengesNameRealmAndMetadata(t *testing.T) {
	const metadata = "https://api.example/.well-known/oauth-protected-resource"
	for _, test := range []struct {
		rule string
		opts []jwkshttp.Option
		want string
	}{
		{"nothing set", nil, `Bearer`},
		{"a realm", []jwkshttp.Option{jwkshttp.WithRealm("api")}, `Bearer realm="api"`},
		{"an empty realm is none", []jwkshttp.Option{jwkshttp.WithRealm("")}, `Bearer`},
		{"metadata", []jwkshttp.Option{jwkshttp.WithResourceMetadata(metadata)}, `Bearer resource_metadata="` + metadata + `"`},
		{"both", []jwkshttp.Option{jwkshttp.WithResourceMetadata(metadata), jwkshttp.WithRealm("api")}, `Bearer realm="api", resource_metadata="` + metadata + `"`},
		{"a quote and a backslash", []jwkshttp.Option{jwkshttp.WithRealm(`a "b" \c`)}, `Bearer realm="a \"b\" \\c"`},
		{"a comma and an equals sign", []jwkshttp.Option{jwkshttp.WithRealm(`a, error="x"`)}, `Bearer realm="a, error=\"x\""`},
	} {
		w := answer(jwkshttp.Middleware(failing(errInvalid), test.opts...)(served), httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Values("WWW-Authenticate"); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: challenge %q, want %q", test.rule, got, test.want)
		}
		w = answer(jwkshttp.Middleware(failing(errInvalid), test.opts...)(served), bearing("x"))
		want := strings.TrimPrefix(test.want+`, error="invalid_token", `, "Bearer,")
		if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(strings.TrimPrefix(got, "Bearer"), strings.TrimPrefix(want, "Bearer")) {
			t.Errorf("%s: challenge %q, want %q", test.rule, got, want)
		}
	}
}

// TestChallenge_NamesScopes: who has no token learns what to ask for; who has a
// bad one is told nothing more than before.
func TestChallenge_NamesScopes(t *testing.T) {
	h := jwkshttp.Middleware(failing(errInvalid), jwkshttp.RequireScopes("read", "write"), jwkshttp.WithRealm("api"))(served)
	if got := answer(h, httptest.NewRequest("GET", "/", nil)).Header().Get("WWW-Authenticate"); got != `Bearer realm="api", scope="read write"` {
		t.Errorf("without a token: %s", got)
	}
	if got := answer(h, bearing("x")).Header().Get("WWW-Authenticate"); strings.Contains(got, "scope=") {
		t.Errorf("with a bad token: %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	fetch := func(d time.Duration) error {
		return fmt.Errorf("wrapped: %w", &jwks.FetchError{RetryAfter: d})
	}
	for _, test := range []struct {
		rule string
		err  error
		want string
	}{
		{"whole seconds", fetch(7 * time.Second), "7"},
		{"a fraction is rounded up", fetch(7*time.Second + 1), "8"},
		{"less than a second is one", fetch(time.Millisecond), "1"},
		{"nothing told", fetch(0), ""},
		{"a time that is over", fetch(-time.Second), ""},
		{"no fetch failed", errUnavailable, ""},
		{"the longest there is", fetch(1<<63 - 1), "9223372037"},
		{"not for a bad token", errors.Join(jwks.ErrTokenInvalid), ""},
	} {
		w := answer(jwkshttp.Middleware(failing(test.err))(served), bearing("x"))
		if got := w.Header().Get("Retry-After"); got != test.want {
			t.Errorf("%s: Retry-After %q, want %q", test.rule, got, test.want)
		}
	}
}

// FuzzChallenge: whatever the realm, the challenge is one line that reads back
// as that realm and nothing else, or the program does not start.
func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{"", "api", `a"b`, `a\`, `\"`, "a\r\nX: y", "ä", "\xff", "a\tb", `", error="x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, realm string) {
		var challenge string
		if panics(func() {
			h := jwkshttp.Middleware(failing(errInvalid), jwkshttp.WithRealm(realm))(served)
			challenge = answer(h, httptest.NewRequest("GET", "/", nil)).Header().Get("WWW-Authenticate")
		}) != nil {
			if !strings.ContainsFunc(realm, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("WithRealm(%q) panics", realm)
			}
			return
		}
		if strings.ContainsAny(challenge, "\r\n\x00") {
			t.Fatalf("%q has a line break", challenge)
		}
		if realm == "" {
			if challenge != "Bearer" {
				t.Errorf("%q for no realm", challenge)
			}
			return
		}
		quoted, ok := strings.CutPrefix(challenge, "Bearer realm=")
		if !ok {
			t.Fatalf("%q for %q", challenge, realm)
		}
		if got, rest := unquote(quoted); got != realm || rest != "" {
			t.Errorf("%q reads back as %q with %q behind it, want %q", challenge, got, rest, realm)
		}
	})
}

// unquote reads a quoted-string as RFC 9110 section 5.6.4 says.
func unquote(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		return "", s
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i == len(s) {
				return "", s
			}
		}
		b.WriteByte(s[i])
	}
	return "", s
}
