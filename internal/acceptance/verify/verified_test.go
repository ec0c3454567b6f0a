package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestToken_Accessors(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, s)
	text := s.Sign(`{"alg":"ES256","kid":"k1","typ":"at+jwt","x5t":"a","x5t#S256":"b"}`,
		`{"iss":"https://issuer.example","sub":"us\u0065r","aud":["api","other"],"exp":1767229200.5,"nbf":1767225600,"iat":1767225600,"jti":"id","scope":"read write"}`)
	got := testkit.Accept(t, testkit.NewVerifier(t, set), text)
	key, _ := set.Key("k1")
	for name, pair := range map[string][2]any{
		"Issuer":    {got.Issuer(), testkit.Issuer},
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

func TestToken_WithoutClaims(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "")
	v := testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutExpiry())
	got := testkit.Accept(t, v, s.Sign(`{"alg":"EdDSA"}`, `{}`))
	if got.Issuer() != "" || got.Subject() != "" || got.ID() != "" || got.Audience() != nil || got.Scopes() != nil ||
		!got.ExpiresAt().IsZero() || !got.NotBefore().IsZero() || !got.IssuedAt().IsZero() || got.Header() != (jwks.Header{Algorithm: "EdDSA"}) {
		t.Errorf("claims out of nothing: %+v", got)
	}
	if !got.HasScopes() || got.HasScopes("") {
		t.Error("HasScopes of a token without scopes")
	}
}

// TestToken_IsImmutable, and safe to share.
func TestToken_IsImmutable(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(8))
	for _, aud := range []any{"api", []string{"api", "other"}} {
		text := s.Token(testkit.Payload(map[string]any{"aud": aud, "scp": []string{"a", "b"}}))
		token := testkit.Accept(t, v, text)
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
		again := testkit.Accept(t, v, text)
		if !slices.Equal(again.Audience(), want) || !slices.Equal(again.Scopes(), []string{"a", "b"}) || again.Subject() != "user" {
			t.Errorf("the token changed: %v %v %v", again.Audience(), again.Scopes(), again.Subject())
		}
	}
}

func TestToken_Scopes(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
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
		token := testkit.Accept(t, v, s.Token(testkit.PayloadPlus(","+claims)))
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

func TestToken_Claims(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	token := testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s)), s.Token(testkit.PayloadPlus(`,"roles":["a","b"],"level":3,"address":{"country":"NL"},"long":"`+strings.Repeat("x", 3000)+`","big":1`+strings.Repeat("0", 400))))

	type claims struct {
		Roles   []string
		Level   int                        `json:"level"`
		Address struct{ Country string }   `json:"address"`
		Expiry  *jwt.NumericDate           `json:"exp"`
		Raw     map[string]json.RawMessage `json:"-"`
		Absent  string                     `json:"absent"`
	}
	got, err := jwks.ClaimsAs[claims](token)
	if err != nil || !slices.Equal(got.Roles, []string{"a", "b"}) || got.Level != 3 || got.Address.Country != "NL" || got.Expiry.Unix() != testkit.Now+3600 {
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
	if err := token.Claims(new(undecidedClaims)); !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
		t.Errorf("an UnmarshalJSON that could not decide: %v", err)
	}
	for _, v := range []any{nil, claims{}, (*claims)(nil)} {
		var misuse *json.InvalidUnmarshalError
		if err := token.Claims(v); !errors.As(err, &misuse) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// undecidedClaims asks a service that is unavailable.
type undecidedClaims struct{}

func (*undecidedClaims) UnmarshalJSON([]byte) error {
	return fmt.Errorf("asking: %w", jwks.ErrUnavailable)
}

// TestToken_OnlyVerifyMakesOne: the type has nothing that a user could set, so
// that having one means that it was verified.
func TestToken_OnlyVerifyMakesOne(t *testing.T) {
	typ := reflect.TypeFor[jwks.Token]()
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() || f.Anonymous {
			t.Errorf("%s can be set from outside", f.Name)
		}
	}
	for i := range reflect.PointerTo(typ).NumMethod() {
		switch m := reflect.PointerTo(typ).Method(i); m.Name {
		case "Issuer", "Subject", "Audience", "ExpiresAt", "NotBefore", "IssuedAt", "ID", "Scopes", "HasScopes", "Header", "Key", "Raw", "Claims",
			"Confirmation", "DecodeHeader", "Strings", "ValidUntil", "Format", "LogValue":
		default:
			t.Errorf("there is a method %s", m.Name)
		}
	}
	if _, ok := any(new(jwks.Token)).(json.Unmarshaler); ok {
		t.Error("JSON can make a token")
	}
}

// TestVerify_RealToken is of an Auth0 tenant, in 2019.
func TestVerify_RealToken(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(testkit.SharedDir(t, "seed"), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	token := strings.TrimSpace(string(read("auth0-token.jwt")))
	set, err := jwks.ParseKeySet(read("auth0-jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(now int64, opts ...jwks.VerifierOption) *jwks.Verifier {
		v, err := jwks.NewVerifier(set, append([]jwks.VerifierOption{
			jwks.WithAudience("https://expenses-api"),
			jwks.WithExpectedIssuer("https://dev-87evx9ru.auth0.com/"),
			jwks.WithNow(func() time.Time { return time.Unix(now, 0) }),
		}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	got := testkit.Accept(t, at(1572006960), token)
	if got.Issuer() != "https://dev-87evx9ru.auth0.com/" || got.ExpiresAt() != time.Unix(1572006964, 0).UTC() || got.Header().KeyID != "NEE1QURBOTM4MzI5RkFDNTYxOTU1MDg2ODgwQ0UzMTk1QjYyRkRFQw" {
		t.Errorf("got %+v", got)
	}
	testkit.Accept(t, at(1572006964+29), token)
	testkit.Refuse(t, at(1572006964+30), token, jwt.ErrTokenExpired)
	testkit.Refuse(t, at(1572006954-31), token, jwt.ErrTokenUsedBeforeIssued)
	testkit.Refuse(t, at(1572006960, jwks.WithAudience("https://expenses-api/")), token, jwt.ErrTokenInvalidAudience)
	testkit.Refuse(t, at(1572006960, jwks.WithExpectedIssuer("https://dev-87evx9ru.auth0.com")), token, jwt.ErrTokenInvalidIssuer)
	testkit.Refuse(t, at(1572006960, jwks.WithAlgorithms("ES256")), token, jwks.ErrAlgorithmNotAllowed)
}
