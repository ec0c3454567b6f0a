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

// told is a judgement in a line: what failed begins with "!".
func told(all []Judgement) (lines []string) {
	for _, j := range all {
		line := j.Claim + ": " + j.Detail
		if j.Err != nil {
			line = "!" + line
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPolicy_Judge(t *testing.T) {
	now := time.Unix(1767225600, 0)
	path, err := ParsePath("/a/b")
	if err != nil {
		t.Fatal(err)
	}
	everything := Rules{
		AnyAudience: []string{"api"}, AllAudiences: []string{"x"}, Issuers: []string{"https://a.example"}, Types: []string{"jwt"}, Parties: []string{"web"},
		Required: []string{"email", "iat"}, Claims: []Claim{{Name: "/a/b", Path: path, Values: []string{"c"}}}, ClientIDs: []string{"web"}, MaxAge: time.Minute, Leeway: time.Second,
	}
	const good = `{"iss":"https://a.example","aud":["api","x"],"exp":1767225601,"iat":1767225600,"nbf":1767225600,"azp":"web","email":"e","a":{"b":["c"]}}`
	const at = "2026-01-01T00:00:00Z, now 2026-01-01T00:00:00Z, leeway "
	for _, test := range []struct {
		name    string
		rules   Rules
		payload string
		typ     string
		binding *binding.Binding
		want    []string
	}{
		{"nothing but exp is wanted", Rules{}, `{"exp":1767225601}`, "", nil, []string{"exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s"}},
		{"nothing is wanted, and nothing there", Rules{NoExpiry: true}, `{}`, "", nil, []string{}},
		{"no expiry is wanted, and one is there", Rules{NoExpiry: true}, `{"exp":1}`, "", nil, []string{"!exp: token is expired: 1970-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s"}},
		{"no time is compared", Rules{NoTimes: true, MaxAge: time.Minute}, `{"exp":1,"nbf":1,"iat":1}`, "", nil, []string{}},
		{"exp is missing", Rules{}, `{}`, "", nil, []string{"!exp: missing"}},
		{"nbf and iat to come", Rules{}, `{"exp":1767225601,"nbf":1767225601,"iat":1767225601}`, "", nil, []string{
			"exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s",
			"!nbf: token is not valid yet: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s",
			"!iat: token used before issued: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s"}},
		{"an expiry is not wanted, and one is there", Rules{NoExpiry: true}, `{"exp":1767225601}`, "", nil, []string{"exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s"}},
		{"one of the audiences", Rules{NoExpiry: true, AnyAudience: []string{"x", "y"}}, `{"aud":"y"}`, "", nil, []string{`aud: ["y"]`}},
		{"all of the audiences", Rules{NoExpiry: true, AllAudiences: []string{"x", "y"}}, `{"aud":["y","x"]}`, "", nil, []string{`aud: ["y" "x"]`}},
		{"aud is missing", Rules{NoExpiry: true, AllAudiences: []string{"x"}}, `{}`, "", nil, []string{"!aud: missing"}},
		{"aud is empty", Rules{NoExpiry: true, AnyAudience: []string{"x"}}, `{"aud":[]}`, "", nil, []string{"!aud: [] has none of [\"x\"]"}},
		{"two problems of one claim", Rules{NoExpiry: true, Issuers: []string{"a"}}, `{"iss":"c"}`, "", binding.New("b", nil), []string{`!iss: is "c", want "b"; is "c", want "a"`}},
		{"iss is missing", Rules{NoExpiry: true, Issuers: []string{"a"}}, `{}`, "", nil, []string{`!iss: claim is missing, want "a"`}},
		{"bound", Rules{NoExpiry: true}, `{"iss":"b"}`, "", binding.New("b", nil), []string{`iss: "b"`}},
		{"the text of a claim stays as it is", Rules{NoExpiry: true, Issuers: []string{"a"}}, `{"iss":"x: iss y"}`, "", nil, []string{`!iss: is "x: iss y", want "a"`}},
		{"an odd name", Rules{NoExpiry: true, Required: []string{"a\nb"}}, `{}`, "", nil, []string{"!a\nb: missing"}},
		{"the shortest age needs an iat", Rules{NoExpiry: true, MaxAge: 1}, `{}`, "", nil, []string{"!iat: missing"}},
		{"the age needs an iat", Rules{NoExpiry: true, MaxAge: time.Minute}, `{}`, "", nil, []string{"!iat: missing"}},
		{"too old", Rules{NoExpiry: true, MaxAge: time.Minute}, `{"iat":1}`, "", nil, []string{"!iat: token is too old: 1970-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s, want at most 1m0s ago"}},
		{"a required time", Rules{NoTimes: true, Required: []string{"exp", "nbf", "iat"}}, `{"exp":1767225600,"iat":1767225600}`, "", nil, []string{"exp: " + at + "0s", "!nbf: missing", "iat: " + at + "0s"}},
		{"everything, and all holds", everything, good, "JWT", nil, []string{
			`iss: "https://a.example"`, `aud: ["api" "x"]`, "exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 1s", "nbf: " + at + "1s", "iat: " + at + "1s",
			`typ: "JWT"`, `client_id: azp "web"`, `azp: is "web"`, `email: is "e"`, `/a/b: is ["c"]`}},
		{"everything, and nothing holds", everything, `{"iss":"x","aud":"y","exp":1,"azp":"cli","a":{"b":1}}`, "at+jwt", nil, []string{
			`!iss: is "x", want "https://a.example"`, `!aud: ["y"] has none of ["api"]; ["y"] has not all of ["x"]`,
			"!exp: token is expired: 1970-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 1s", "!iat: missing",
			`!typ: is "at+jwt", want "jwt"`, `!client_id: azp is "cli", want "web"`, `!azp: is "cli", want "web"`, "!email: missing", `!/a/b: is "1", want "c"`}},
		{"of another type than access tokens", Rules{AccessToken: true}, `{"iss":"i","aud":"a","exp":1767225601,"sub":"s","client_id":"c","iat":1767225600,"jti":"j"}`, "JWT", nil, []string{
			`iss: "i"`, `aud: ["a"]`, "exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s", "iat: " + at + "0s", `!typ: is "JWT", want "at+jwt" (RFC 9068)`, `sub: is "s"`, `client_id: client_id "c"`, `jti: is "j"`}},
		{"an access token", Rules{AccessToken: true}, `{"iss":"i","aud":"a","exp":1767225601,"sub":"s","client_id":"c","iat":1767225600,"jti":"j"}`, "at+jwt", nil, []string{
			`iss: "i"`, `aud: ["a"]`, "exp: 2026-01-01T00:00:01Z, now 2026-01-01T00:00:00Z, leeway 0s", "iat: " + at + "0s", `typ: "at+jwt"`, `sub: is "s"`, `client_id: client_id "c"`, `jti: is "j"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.rules.Now = func() time.Time { return now }
			policy := NewPolicy(test.rules)
			var s Set
			if err := s.Read(test.payload, test.rules.Required); err != nil {
				t.Fatal(err)
			}
			all, err := policy.Judge(&s, test.typ, test.binding)
			if got := told(all); !slices.Equal(got, test.want) {
				t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			same := policy.Validate(&s, test.typ, test.binding)
			if (err == nil) != (same == nil) || err != nil && err.Error() != same.Error() {
				t.Errorf("Judge says %v, Validate %v", err, same)
			}
			for _, j := range all {
				if j.Err != nil && (!errors.Is(j.Err, fault.ErrTokenInvalid) || j.Claim != "typ" && !errors.Is(j.Err, jwt.ErrTokenInvalidClaims)) {
					t.Errorf("%s: %v", j.Claim, j.Err)
				}
			}
		})
	}
}

// Whatever the rules and the token, what fails is among the judgements.
func TestPolicy_JudgesAllThatFails(t *testing.T) {
	a := []string{"a"}
	options := []func(*Rules){
		func(r *Rules) { r.AnyAudience = a }, func(r *Rules) { r.AllAudiences = a }, func(r *Rules) { r.Issuers = a }, func(r *Rules) { r.Types = a },
		func(r *Rules) { r.Parties = a }, func(r *Rules) { r.Required = []string{"exp", "x"} }, func(r *Rules) { r.Claims = []Claim{{"y", Path{"y"}, a}} },
		func(r *Rules) { r.ClientIDs = a }, func(r *Rules) { r.AccessToken = true }, func(r *Rules) { r.MaxAge = 1 }, func(r *Rules) { r.NoExpiry = true }, func(r *Rules) { r.NoTimes = true },
	}
	payloads := []string{`{}`, `{"exp":1,"iat":1}`, `{"exp":9999999999,"nbf":9999999999,"iat":9999999999,"aud":"b","iss":"b","azp":1,"client_id":1,"sub":"","jti":""}`}
	failed := 0
	for set := range 1 << len(options) {
		rules := Rules{Now: func() time.Time { return time.Unix(1767225600, 0) }}
		for i, option := range options {
			if set&(1<<i) != 0 {
				option(&rules)
			}
		}
		policy := NewPolicy(rules)
		for _, payload := range payloads {
			var s Set
			if err := s.Read(payload, rules.Required); err != nil {
				t.Fatal(err)
			}
			for _, b := range []*binding.Binding{nil, binding.New("c", nil)} {
				found := problems{byClaim: map[string]*problems{}}
				policy.validate(&s, "typ", b, &found)
				judged := policy.judged(&s, b)
				for claim := range found.byClaim {
					if failed++; !slices.Contains(judged, claim) {
						t.Fatalf("%s is not judged: %s with %+v", claim, payload, rules)
					}
				}
			}
		}
	}
	if failed < 10_000 {
		t.Errorf("only %d claims failed: the test shows little", failed)
	}
}
