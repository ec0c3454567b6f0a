package jwks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

func TestTokenTellsWhatWasVerified(t *testing.T) {
	s := newSigner(t, "ES256", "k1")
	set := keySetOf(t, s)
	text := s.sign(`{"alg":"ES256","kid":"k1","typ":"at+jwt","x5t":"a","x5t#S256":"b"}`,
		`{"iss":"https://issuer.example","sub":"us\u0065r","aud":["api","other"],"exp":1767229200.5,"nbf":1767225600,"iat":1767225600,"jti":"id","scope":"read write"}`)
	got := accepted(t, newVerifier(t, set), text)
	key, _ := set.Key("k1")
	for name, pair := range map[string][2]any{
		"Issuer":    {got.Issuer(), testIssuer},
		"Subject":   {got.Subject(), "user"},
		"Audience":  {fmt.Sprint(got.Audience()), "[api other]"},
		"ExpiresAt": {got.ExpiresAt(), time.Unix(1767229200, 500000000).UTC()},
		"NotBefore": {got.NotBefore(), time.Unix(1767225600, 0).UTC()},
		"IssuedAt":  {got.IssuedAt(), time.Unix(1767225600, 0).UTC()},
		"ID":        {got.ID(), "id"},
		"Scopes":    {fmt.Sprint(got.Scopes()), "[read write]"},
		"Header":    {got.Header(), jwks.Header{Algorithm: "ES256", KeyID: "k1", Type: "at+jwt", X5t: "a", X5tS256: "b"}},
		"Key":       {got.Key(), key},
		"Raw":       {got.Raw(), text},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestTokenWithoutClaims(t *testing.T) {
	s := newSigner(t, "EdDSA", "")
	v := bareVerifier(t, keySetOf(t, s), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutExpiry())
	got := accepted(t, v, s.sign(`{"alg":"EdDSA"}`, `{}`))
	if got.Issuer() != "" || got.Subject() != "" || got.ID() != "" || got.Audience() != nil || got.Scopes() != nil ||
		!got.ExpiresAt().IsZero() || !got.NotBefore().IsZero() || !got.IssuedAt().IsZero() || got.Header() != (jwks.Header{Algorithm: "EdDSA"}) {
		t.Errorf("something came from nothing: %+v", got)
	}
	if !got.HasScopes() || got.HasScopes("") {
		t.Error("HasScopes of a token without scopes")
	}
}

// TestTokenIsImmutable, and safe to share.
func TestTokenIsImmutable(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(8))
	for _, aud := range []any{"api", []string{"api", "other"}} {
		text := s.token(payloadWith(map[string]any{"aud": aud, "scp": []string{"a", "b"}}))
		token := accepted(t, v, text)
		want := token.Audience()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				token.Audience()[0] = "changed"
				token.Scopes()[0] = "changed"
				var claims map[string]any
				if err := token.Claims(&claims); err != nil {
					t.Error(err)
				}
				claims["sub"] = "changed"
			})
		}
		wg.Wait()
		again := accepted(t, v, text)
		if !slices.Equal(again.Audience(), want) || !slices.Equal(again.Scopes(), []string{"a", "b"}) || again.Subject() != "user" {
			t.Errorf("the token changed: %v %v %v", again.Audience(), again.Scopes(), again.Subject())
		}
	}
}

func TestScopes(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	v := newVerifier(t, keySetOf(t, s))
	for claims, want := range map[string][]string{
		`"scope":"read write"`:              {"read", "write"},
		`"scope":"read"`:                    {"read"},
		`"scope":" read  write "`:           {"read", "write"},
		`"scope":""`:                        nil,
		`"scope":" "`:                       nil,
		`"scope":null`:                      nil,
		`"scope":1`:                         nil,
		`"scope":"read\twrite"`:             {"read\twrite"}, // RFC 6749 section 3.3: spaces
		`"scope":["read","write"]`:          {"read", "write"},
		`"scp":"read write"`:                {"read", "write"},
		`"scp":["read","write"]`:            {"read", "write"},
		`"scp":["read write"]`:              {"read write"}, // one scope, of an odd name
		`"scp":["read",""]`:                 {"read"},
		`"scp":["read",1]`:                  nil,
		`"scp":[]`:                          nil,
		`"scp":{"read":true}`:               nil,
		`"scp":["\ud800"]`:                  nil,
		`"scope":"read","scp":["all"]`:      {"read"},
		`"scope":null,"scp":["read"]`:       {"read"},
		`"scope":"","scp":["all"]`:          nil,
		`"Scope":"all","SCP":"all"`:         nil,
		`"scope":"\u0072ead"`:               {"read"},
		`"scopes":"all","scope":"a a a"`:    {"a", "a", "a"},
		`"scope":"read","permissions":"no"`: {"read"},
	} {
		token := accepted(t, v, s.token(claimsPlus(","+claims)))
		if got := token.Scopes(); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %q, want %q", claims, got, want)
		}
		if !token.HasScopes(want...) || !token.HasScopes() {
			t.Errorf("%s: HasScopes(%q) is false", claims, want)
		}
		for _, other := range []string{"all", "", "rea", "Read", "read write", "read "} {
			if has := slices.Contains(want, other); token.HasScopes(other) != has {
				t.Errorf("%s: HasScopes(%q) is %t", claims, other, !has)
			}
		}
		if token.HasScopes(append(slices.Clone(want), "more")...) {
			t.Errorf("%s: HasScopes is true though one is missing", claims)
		}
	}
}

func TestClaims(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	token := accepted(t, newVerifier(t, keySetOf(t, s)), s.token(claimsPlus(`,"roles":["a","b"],"level":3,"address":{"country":"NL"},"long":"`+strings.Repeat("x", 3000)+`","big":1`+strings.Repeat("0", 400))))

	type claims struct {
		Roles   []string
		Level   int                        `json:"level"`
		Address struct{ Country string }   `json:"address"`
		Expiry  *jwt.NumericDate           `json:"exp"`
		Raw     map[string]json.RawMessage `json:"-"`
		Absent  string                     `json:"absent"`
	}
	got, err := jwks.ClaimsAs[claims](token)
	if err != nil || !slices.Equal(got.Roles, []string{"a", "b"}) || got.Level != 3 || got.Address.Country != "NL" || got.Expiry.Unix() != testNow+3600 {
		t.Errorf("%+v, %v", got, err)
	}
	if all, err := jwks.ClaimsAs[map[string]json.RawMessage](token); err != nil || string(all["level"]) != "3" || len(all) != 10 {
		t.Errorf("%d claims, %v", len(all), err)
	}
	got.Absent = "stays"
	if err := token.Claims(&got); err != nil || got.Absent != "stays" {
		t.Errorf("%q, %v", got.Absent, err)
	}

	type misfit struct {
		Before string `json:"iss"`
		Level  string `json:"level"`
	}
	wrong, err := jwks.ClaimsAs[misfit](token)
	var cause *json.UnmarshalTypeError
	if !errors.Is(err, jwks.ErrTokenInvalid) || !errors.Is(err, jwt.ErrTokenInvalidClaims) || !errors.As(err, &cause) || wrong != (misfit{}) {
		t.Errorf("%+v, %v", wrong, err)
	}
	if want := `jwks: token invalid: claim "level" does not fit string`; err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
	for _, v := range []any{new(struct{ Big int }), new(struct{ Long time.Time }), new([]int)} {
		err := token.Claims(v)
		if err == nil || len(err.Error()) > 300 || !errors.Is(err, jwks.ErrTokenInvalid) || errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("%T: %v", v, err)
		}
	}
	if err := token.Claims(new(picky)); !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
		t.Errorf("an UnmarshalJSON that could not decide: %v", err)
	}
	for _, v := range []any{nil, claims{}, (*claims)(nil)} {
		var misuse *json.InvalidUnmarshalError
		if err := token.Claims(v); !errors.As(err, &misuse) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// picky asks somebody else, who is away.
type picky struct{}

func (*picky) UnmarshalJSON([]byte) error { return fmt.Errorf("asking: %w", jwks.ErrUnavailable) }

// TestOnlyVerifyMakesTokens: the type has nothing that a user could set, so
// that having one means that it was verified.
func TestOnlyVerifyMakesTokens(t *testing.T) {
	typ := reflect.TypeFor[jwks.Token]()
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() || f.Anonymous {
			t.Errorf("%s can be set from outside", f.Name)
		}
	}
	for i := range reflect.PointerTo(typ).NumMethod() {
		switch m := reflect.PointerTo(typ).Method(i); m.Name {
		case "Issuer", "Subject", "Audience", "ExpiresAt", "NotBefore", "IssuedAt", "ID", "Scopes", "HasScopes", "Header", "Key", "Raw", "Claims":
		default:
			t.Errorf("there is a method %s", m.Name)
		}
	}
	if _, ok := any(new(jwks.Token)).(json.Unmarshaler); ok {
		t.Error("JSON makes one")
	}
}
