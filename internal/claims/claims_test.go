package claims

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
)

func TestSet_Read(t *testing.T) {
	var s Set
	err := s.Read(`{"iss":"i","sub":"s","jti":"j","tid":"t","aud":["a","b","c"],"exp":3,"nbf":1.5,"iat":2e0,"ISS":1,"azp":1,"scope":{}}`, []string{"iss", "email", "sid"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Issuer != "i" || s.Subject != "s" || s.ID != "j" || s.Tenant != "t" || !slices.Equal(s.Audience, []string{"a", "b", "c"}) {
		t.Errorf("%+v", s)
	}
	if s.ExpiresAt.Unix() != 3 || s.NotBefore.UnixMilli() != 1500 || s.IssuedAt.Unix() != 2 {
		t.Errorf("times %v, %v, %v", s.ExpiresAt, s.NotBefore, s.IssuedAt)
	}
	if !slices.Equal(s.missing, []string{"email", "sid"}) {
		t.Errorf("missing: %q", s.missing)
	}
	var absent Set
	if err := absent.Read(`{"iss":null,"sub":null,"aud":null}`, []string{"sub"}); err != nil || absent.Audience != nil || len(absent.missing) != 1 {
		t.Errorf("%+v, %v", absent, err)
	}
}

func TestSet_ReadRefuses(t *testing.T) {
	for payload, want := range map[string]string{
		`[]`:                    "claims: ",
		`{"iss":"a","iss":"a"}`: "claims: ",
		`{} {}`:                 "claims: ",
		`{"iss":1}`:             "iss is not a string",
		`{"sub":{}}`:            "sub is not a string",
		`{"jti":[]}`:            "jti is not a string",
		`{"aud":1}`:             "aud is neither a string nor an array of strings",
		`{"aud":["a",1]}`:       "aud is neither",
		`{"exp":"1"}`:           "exp is not a number",
		`{"nbf":-1}`:            "nbf is not a number",
		`{"iat":null}`:          "iat is not a number",
		`{"exp":1e300}`:         "exp is not a number from 0 to 253402300799",
	} {
		var s Set
		err := s.Read(payload, nil)
		if !errors.Is(err, jwt.ErrTokenMalformed) || !errors.Is(err, fault.ErrTokenInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", payload, err, want)
		}
	}
}

func TestSet_Scopes(t *testing.T) {
	for payload, want := range map[string][]string{
		`{}`:                            nil,
		`{"scope":"a b"}`:               {"a", "b"},
		`{"scope":" a  b "}`:            {"a", "b"},
		`{"scope":["a","","b c"]}`:      {"a", "b c"},
		`{"scope":"a","scp":"b"}`:       {"a"},
		`{"scope":null,"scp":["b"]}`:    {"b"},
		`{"scope":"","scp":"b"}`:        nil,
		`{"scope":1,"scp":"b"}`:         nil,
		`{"scope":["a",1],"scp":["b"]}`: nil,
	} {
		var s Set
		if err := s.Read(payload, nil); err != nil {
			t.Fatal(err)
		}
		if got := s.Scopes(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", payload, got, want)
		}
		for _, scope := range []string{"", "a", "b", "c", "b c", "a b"} {
			if got := s.HasScope(scope); got != slices.Contains(want, scope) {
				t.Errorf("%s has scope %q: %v", payload, scope, got)
			}
		}
	}
}

func TestPolicy_ReportsEverything(t *testing.T) {
	now := time.Unix(1767225600, 0)
	policy := NewPolicy(Rules{
		AnyAudience: []string{"api"}, AllAudiences: []string{"x"}, Issuers: []string{"https://a.example"},
		Types: []string{"jwt"}, Parties: []string{"web"}, Required: []string{"email", "iat"},
		AccessToken: true, MaxAge: time.Minute, Now: func() time.Time { return now },
	})
	var s Set
	if err := s.Read(`{"iss":"https://b.example","aud":"other","exp":1,"azp":"cli","client_id":7}`, []string{"email", "iat"}); err != nil {
		t.Fatal(err)
	}
	err := policy.Validate(&s, "application/at+jwt", binding.New("https://c.example", nil))
	for _, want := range []string{
		"token is expired: exp 1970-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s",
		`aud ["other"] has none of ["api"]`, `aud ["other"] has not all of ["x"]`,
		`iss is "https://b.example", want "https://c.example"`, `iss is "https://b.example", want "https://a.example"`,
		`typ is "application/at+jwt", want "jwt"`, "client_id is not a string", `azp is "cli", want "web"`,
		"sub claim is required", "jti claim is required", "email claim is required", "iat claim is required",
	} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not in, or not once:\n%v", want, err)
		}
	}
	for _, want := range []error{fault.ErrTokenInvalid, jwt.ErrTokenExpired, jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidClaims} {
		if !errors.Is(err, want) {
			t.Errorf("does not match %v", want)
		}
	}

	var good Set
	if err := good.Read(`{"iss":"https://a.example","aud":["api","x"],"exp":1767225601,"iat":1767225600,"azp":"web","client_id":"web","sub":"s","jti":"j","email":"e"}`, []string{"email", "iat"}); err != nil {
		t.Fatal(err)
	}
	if err := policy.Validate(&good, "AT+JWT", nil); err == nil || !strings.Contains(err.Error(), `want "jwt"`) {
		t.Errorf("only the type differs: %v", err)
	}
	policy.Rules.Types = nil
	if err := policy.Validate(&good, "AT+JWT", nil); err != nil {
		t.Error(err)
	}
}
