package claims

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
)

func TestClaim_Validate(t *testing.T) {
	const payload = `{"s":"a","e":"\u0061","half":"\ud800","n":1,"f":1.0,"t":true,"none":null,"o":{"a":1},"list":["b",2,"a"],"others":["b",2,null],"nested":[["a"]],"void":[],"many":["p","q","r","s","u","v"],"four":["p","q","r","s"]}`
	for _, tt := range []struct {
		name   string
		values []string
		want   string // in the error; "" for none
	}{
		{"s", []string{"a"}, ""},
		{"s", []string{"b", "a"}, ""},
		{"s", []string{"A"}, `claim "s" is "a", want "A"`},
		{"s", []string{"b", "c"}, `claim "s" is "a", want one of ["b" "c"]`},
		{"e", []string{"a"}, ""},
		{"half", []string{""}, `claim "half" is "`},
		{"n", []string{"1"}, ""},
		{"f", []string{"1"}, `claim "f" is "1.0", want "1"`},
		{"t", []string{"true"}, ""},
		{"t", []string{"false"}, `claim "t" is "true"`},
		{"none", []string{"null"}, "none claim is required"},
		{"absent", []string{"a"}, "absent claim is required"},
		{"o", []string{`{"a":1}`}, `claim "o" is an object, want`},
		{"list", []string{"a"}, ""},
		{"list", []string{"2"}, ""},
		{"others", []string{"a", "null"}, `claim "others" is ["b" "2" "null"], want one of ["a" "null"]`},
		{"nested", []string{"a"}, `claim "nested" is ["[\"a\"]"], want "a"`},
		{"void", []string{"a"}, `claim "void" is [], want "a"`},
		{"four", []string{"a"}, `claim "four" is ["p" "q" "r" "s"], want "a"`},
		{"many", []string{"a"}, `claim "many" is ["p" "q" "r" "s" …], want "a"`},
	} {
		path, err := ParsePath(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		claim := Claim{Name: tt.name, Path: path, Values: tt.values}
		switch err := claim.Validate(&Set{Text: payload}); {
		case tt.want == "" && err != nil:
			t.Errorf("%s of %q: %v", tt.name, tt.values, err)
		case tt.want != "" && (!errors.Is(err, fault.ErrTokenInvalid) || !errors.Is(err, jwt.ErrTokenInvalidClaims) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s of %q: %v, want %s", tt.name, tt.values, err, tt.want)
		}
	}
}

// The client is the first of several claims that says one.
func TestPolicy_ClientIDs(t *testing.T) {
	for payload, want := range map[string]string{
		`{"client_id":"web"}`:                           "",
		`{"azp":"web"}`:                                 "",
		`{"cid":"web"}`:                                 "",
		`{"appid":"app"}`:                               "",
		`{"client_id":"","azp":null,"cid":"web"}`:       "",
		`{"client_id":"web","azp":"other"}`:             "",
		`{"client_id":"other","azp":"web"}`:             `client_id is "other", want one of ["web" "app"]`,
		`{"client_id":1,"azp":"web"}`:                   "client_id is not a string",
		`{"azp":{}}`:                                    "azp is not a string",
		`{}`:                                            "client_id claim is required",
		`{"client_id":"","azp":"","cid":"","appid":""}`: "client_id claim is required",
	} {
		policy := NewPolicy(Rules{NoTimes: true, ClientIDs: []string{"web", "app"}})
		switch err := policy.Validate(&Set{Text: payload}, "", nil); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", payload, err)
		case want != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+want)):
			t.Errorf("%s: %v, want %s", payload, err, want)
		}
	}
}
