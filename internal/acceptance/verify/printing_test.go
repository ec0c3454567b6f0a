package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// wantNoToken wants a text without any segment of a token.
func wantNoToken(t *testing.T, how, text, token string) {
	t.Helper()
	for _, part := range append(strings.Split(token, "."), token) {
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprintf("%v", []byte(part))} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a part of the token: %.200s", how, text)
				return
			}
		}
	}
}

// A token is a credential: no verb prints it, no handler logs it, neither of a
// *Token nor of a copied one, wherever it is.
func TestInvariant33_TokensPrintNothing(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	raw := s.Token(testkit.Payload(map[string]any{"sub": "alice\n"}))
	token := testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s)), raw)
	type public struct {
		Token *jwks.Token
		Copy  jwks.Token
	}
	type private struct {
		token *jwks.Token
		copy  jwks.Token
	}
	values := map[string]any{
		"pointer":                  token,
		"copy":                     *token,
		"pointer to pointer":       &token,
		"slice":                    []*jwks.Token{token},
		"slice of copies":          []jwks.Token{*token},
		"map":                      map[string]any{"token": token, "copy": *token},
		"exported fields":          public{token, *token},
		"pointer to them":          &public{token, *token},
		"unexported fields":        private{token, *token},
		"pointer to them as well":  &private{token, *token},
		"error":                    fmt.Errorf("with %v and %v", token, *token),
		"interface in a structure": struct{ V any }{*token},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T", "%b", "%o", "%t", "%U", "%c", "%e", "%10.3v", "%!"} {
			wantNoToken(t, name+" with "+verb, fmt.Sprintf(verb, value), raw)
		}
		wantNoToken(t, name+" with Sprint", fmt.Sprint(value)+fmt.Sprintln(value), raw)
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).With("with", value).WithGroup("g").Info("message", "value", value, slog.Group("inner", "value", value))
		}
		wantNoToken(t, name+" in a log", out.String(), raw)
		if b, err := json.Marshal(value); err == nil {
			wantNoToken(t, name+" as JSON", string(b), raw)
		}
	}
	if got := fmt.Sprintf("%s", *token); got != `jwks.Token{iss: "https://issuer.example", sub: "alice\n", exp: 2026-01-01T01:00:00Z}` {
		t.Errorf("prints %s", got)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("seen", "token", token)
	if got := out.String(); !strings.Contains(got, `token.iss=https://issuer.example token.sub="alice\n" token.exp=2026-01-01T01:00:00`) {
		t.Errorf("logs %s", got)
	}
	if got := fmt.Sprint((*jwks.Token)(nil)); got != "<nil>" {
		t.Errorf("nil prints %s", got)
	}
	if got := fmt.Sprint(jwks.Token{}); got != `jwks.Token{iss: "", sub: ""}` {
		t.Errorf("the zero Token prints %s", got)
	}
	if c := *token; c.Raw() != raw || token.Raw() != raw {
		t.Error("Raw is not the token")
	}
}
