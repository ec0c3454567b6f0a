package claims

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
)

func TestExactNames_Table(t *testing.T) {
	for payload, want := range map[string]string{
		`{}`:                          `{}`,
		`{ "iss" : "a", "Name":"b" }`: `{ "iss" : "a", "Name":"b" }`, // untouched
		`{"ISS":"x"}`:                 `{}`,
		`{"iss":"a","ISS":"x"}`:       `{"iss":"a"}`,
		`{"Exp":1,"exp":2,"nbf":3}`:   `{"exp":2,"nbf":3}`,
		`{"sub":"s","n": {"SUB":1} ,"i\u017f\u017f":"x"}`:            `{"sub":"s","n":{"SUB":1}}`,
		`{"SUB":1,"AUD":1,"Nbf":1,"iAt":1,"JTI":1,"tiD":1,"\"":"q"}`: `{"\"":"q"}`,
		`{"Issu":1,"is":2,"\u017f":3,"ſſſ":4}`:                       `{"Issu":1,"is":2,"\u017f":3,"ſſſ":4}`,
	} {
		if got := ExactNames(payload); got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
}

// reading is what another reader made of a payload.
type reading struct {
	iss           string
	aud           []string
	exp, nbf, iat *jwt.NumericDate
	err           error // of every method
}

func (r reading) GetExpirationTime() (*jwt.NumericDate, error) { return r.exp, r.err }
func (r reading) GetNotBefore() (*jwt.NumericDate, error)      { return r.nbf, r.err }
func (r reading) GetIssuedAt() (*jwt.NumericDate, error)       { return r.iat, r.err }
func (r reading) GetAudience() (jwt.ClaimStrings, error)       { return r.aud, r.err }
func (r reading) GetIssuer() (string, error)                   { return r.iss, r.err }
func (r reading) GetSubject() (string, error)                  { return "", r.err }

func TestCheckAgainst_OtherReaders(t *testing.T) {
	at := func(seconds, nanos int64) *jwt.NumericDate { return &jwt.NumericDate{Time: time.Unix(seconds, nanos)} }
	const payload = `{"iss":"i","aud":["a","b"],"exp":3.25,"nbf":1,"iat":2,"sub":"s"}`
	same := reading{iss: "i", aud: []string{"a", "b"}, exp: at(3, 250), nbf: at(1, 0), iat: at(2, 0)}
	with := func(change func(*reading)) reading {
		r := same
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name    string
		payload string
		read    jwt.Claims
		want    string // in the error; "" for none
	}{
		{"nothing was read", payload, nil, ""},
		{"the same was read", payload, same, ""},
		{"golang-jwt's map", `{"iss":"i","aud":"a","exp":3}`, jwt.MapClaims{"iss": "i", "aud": "a", "exp": 3.0}, ""},
		{"an empty struct", payload, jwt.RegisteredClaims{}, ""},
		{"times of zero", payload, reading{exp: new(jwt.NumericDate), nbf: new(jwt.NumericDate), iat: new(jwt.NumericDate)}, ""},
		{"what it calls wrong does not count", payload, reading{iss: "x", aud: []string{"x"}, exp: at(9, 0), err: errors.New("wrong")}, ""},

		{"another issuer", payload, with(func(r *reading) { r.iss = "x" }), "reads another iss"},
		{"an issuer, and we none", `{"aud":["a","b"]}`, reading{iss: "i"}, "reads another iss"},
		{"an issuer that is not a string", `{"iss":1}`, reading{iss: "1"}, "reads another iss"},
		{"another audience", payload, with(func(r *reading) { r.aud = []string{"b", "a"} }), "reads another aud"},
		{"one audience, and we none", `{}`, reading{aud: []string{"a"}}, "reads another aud"},
		{"an audience that we cannot read", `{"aud":["a",1]}`, reading{aud: []string{"a"}}, "reads another aud"},
		{"another expiry", payload, with(func(r *reading) { r.exp = at(4, 0) }), "reads another exp"},
		{"another nbf", payload, with(func(r *reading) { r.nbf = at(0, 0) }), "reads another nbf"},
		{"another iat", payload, with(func(r *reading) { r.iat = at(3, 0) }), "reads another iat"},
		{"an expiry, and we none", `{}`, reading{exp: at(4, 0)}, "reads another exp"},
		{"a time that we cannot read", `{"iat":-62135596799.5}`, reading{iat: at(-62135596800, 500_000_000)}, "reads another iat"},

		{"a member that passes for exp", `{"exp":1,"EXP":9}`, nil, `"EXP" would pass for exp`},
		{"one with a long s", `{"i\u017fs":"x"}`, same, `"iſs" would pass for iss`},
		{"names inside values do not count", `{"a":{"EXP":9}}`, nil, ""},
		{"a claim twice", `{"sub":"a","sub":"b"}`, nil, `duplicate claim "sub"`},
		{"not an object", `[]`, nil, "claims: not a JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckAgainst(tt.payload, tt.read)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, fault.ErrTokenInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
