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
		`{"iss":"a","iss":"a"}`: `claims: duplicate claim "iss" at byte 11`,
		`{"":1,"":1}`:           `claims: duplicate claim "" at byte 6`,
		`{} {}`:                 "claims: ",
		`{"iss":1}`:             "iss is not a string",
		`{"sub":{}}`:            "sub is not a string",
		`{"jti":[]}`:            "jti is not a string",
		`{"aud":1}`:             "aud is neither a string nor an array of strings",
		`{"aud":["a",1]}`:       "aud is neither",
		`{"exp":"1"}`:           "exp is not a number",
		`{"nbf":-1}`:            "nbf is not a number",
		`{"iat":null}`:          "iat is not a number",
		`{"exp":1e300}`:         "exp is not a number from 0 to 253402300799: it is 1e300, want seconds since 1970",
	} {
		var s Set
		err := s.Read(payload, nil)
		if !errors.Is(err, jwt.ErrTokenMalformed) || !errors.Is(err, fault.ErrTokenInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", payload, err, want)
		}
	}
}

// An integer has one text, so that one subject has one name.
func TestSet_NumericIDs(t *testing.T) {
	for id, want := range map[string]string{
		`"a"`: "a", "0": "0", "7": "7", "-7": "-7", "12345678901234567890": "12345678901234567890", "null": "",
		"-0": "!", "1.0": "!", "1e3": "!", "1E3": "!", "true": "!", "[1]": "!",
	} {
		for _, name := range []string{"sub", "jti"} {
			s := Set{NumericIDs: true}
			err := s.Read(`{"`+name+`":`+id+`}`, nil)
			if err != nil && want != "!" || err == nil && s.Subject+s.ID != want {
				t.Errorf("%s %s: %q, %v, want %q", name, id, s.Subject+s.ID, err, want)
			}
		}
	}
	var s Set
	if err := s.Read(`{"sub":7}`, nil); err == nil {
		t.Error("a number, and nobody said that it may be one")
	}
}

// Room for the elements of an array is made once.
func TestAppendStrings_GrowsOnce(t *testing.T) {
	const elements = 37
	v := valueOf(t, `["a"`+strings.Repeat(`,"b"`, elements-1)+`]`)
	for _, to := range [][]string{nil, make([]string, 0, 2)} {
		if all, ok := appendStrings(to, v); !ok || len(all) != elements || cap(all) != elements {
			t.Errorf("%d strings, room for %d", len(all), cap(all))
		}
	}
	if n := testing.AllocsPerRun(10, func() { appendStrings(nil, v) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
	room := make([]string, 0, elements)
	if all, ok := appendStrings(room, v); !ok || &all[0] != &room[:1][0] {
		t.Error("there is room, and more is made")
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
		if got := s.Scopes(); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %#v, want %#v", payload, got, want)
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

// An audience that is there and empty is a wrong one, not a missing one. One
// empty string is both, as it is to golang-jwt: it says as little as none.
func TestPolicy_EmptyAudience(t *testing.T) {
	policy := NewPolicy(Rules{NoTimes: true, AnyAudience: []string{"api"}, Now: time.Now})
	for payload, want := range map[string]struct{ invalid, missing bool }{
		`{}`:                 {missing: true},
		`{"aud":null}`:       {missing: true},
		`{"aud":[]}`:         {invalid: true},
		`{"aud":""}`:         {invalid: true, missing: true},
		`{"aud":["",""]}`:    {invalid: true},
		`{"aud":"x"}`:        {invalid: true},
		`{"aud":["","api"]}`: {},
	} {
		var s Set
		if err := s.Read(payload, nil); err != nil {
			t.Fatal(err)
		}
		err := policy.Validate(&s, "", nil)
		if invalid, missing := errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing); invalid != want.invalid || missing != want.missing {
			t.Errorf("%s: %v, invalid %t, missing %t", payload, err, invalid, missing)
		}
	}
}
