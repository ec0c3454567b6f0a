package verify

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// Members that encoding/json takes for a registered claim: tenant A signs them
// to be taken for tenant B.
var impostors = map[string]string{
	"ISS":            `"ISS":"https://b.example"`,
	"iſſ":            `"iſſ":"https://b.example"`,
	"Iss":            `"Iss":"https://b.example"`,
	"escaped":        `"\u0049ss":"https://b.example"`,
	"iſs":            `"i\u017fs":"https://b.example"`,
	"SUB":            `"SUB":"admin@b"`,
	"ſub":            `"ſub":"admin@b"`,
	"Aud":            `"Aud":["b"]`,
	"EXP":            `"EXP":9999999999`,
	"nBf":            `"nBf":0`,
	"IAT":            `"IAT":1`,
	"Jti":            `"Jti":"x"`,
	"TID":            `"TID":"x"`,
	"null, not much": `"ISS":null`,
}

func TestInvariant32_BothReadersAgree(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	client, err := jwks.NewClient(jwks.WithKeySet(testkit.KeySetOf(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	type custom struct {
		jwt.RegisteredClaims
		Tenant string `json:"tid"`
	}
	kinds := map[string]func() jwt.Claims{
		"RegisteredClaims": func() jwt.Claims { return &jwt.RegisteredClaims{} },
		"MapClaims":        func() jwt.Claims { return jwt.MapClaims{} },
		"custom":           func() jwt.Claims { return &custom{} },
	}
	parse := func(payload string, into jwt.Claims, opts ...jwt.ParserOption) error {
		_, err := jwt.ParseWithClaims(s.Token(payload), into, client.Keyfunc, append(opts, jwt.WithTimeFunc(testkit.NowTime))...)
		return err
	}
	for kind, claims := range kinds {
		t.Run(kind, func(t *testing.T) {
			for name, member := range impostors {
				err := parse(testkit.PayloadPlus(","+member), claims(), jwt.WithoutClaimsValidation())
				testkit.WantForeignError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenUnverifiable)
				if err != nil && !strings.Contains(err.Error(), "would pass for") {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, good := range []string{
				testkit.Payload(nil),
				testkit.Payload(map[string]any{"aud": []string{"api", "b"}, "nbf": testkit.Now - 1.5, "exp": testkit.Now + 3600.25}),
				testkit.Payload(map[string]any{"aud": nil, "iat": nil}),
				testkit.PayloadPlus(`,"ISSUER":"x","subject":"y","is":1,"Scope":"z","issé":0`),
				testkit.PayloadPlus(`,"nested":{"ISS":"x"}`),
			} {
				if err := parse(good, claims()); err != nil {
					t.Errorf("%s: %v", good, err)
				}
			}
		})
	}
	t.Run("values that differ", func(t *testing.T) {
		// Text for a time: golang-jwt reads a number in it.
		for _, claim := range []string{"exp", "nbf", "iat"} {
			err := parse(testkit.PayloadJSON(map[string]string{claim: `"1767225601"`}), &jwt.RegisteredClaims{}, jwt.WithoutClaimsValidation())
			testkit.WantForeignError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidClaims)
		}
		for name, lie := range map[string]*lying{
			"iss": {iss: "https://b.example"}, "aud": {aud: []string{"b"}}, "exp": {exp: jwt.NewNumericDate(testkit.NowTime())},
		} {
			err := parse(testkit.Payload(nil), lie, jwt.WithoutClaimsValidation())
			testkit.WantForeignError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidClaims)
			if err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
		}
		if err := parse(testkit.Payload(nil), &lying{}, jwt.WithoutClaimsValidation()); err != nil {
			t.Errorf("claims that say nothing: %v", err)
		}
	})
}

// lying are claims of a program that reads another payload.
type lying struct {
	jwt.MapClaims
	iss string
	aud []string
	exp *jwt.NumericDate
}

func (l *lying) UnmarshalJSON([]byte) error                   { return nil }
func (l *lying) GetIssuer() (string, error)                   { return l.iss, nil }
func (l *lying) GetAudience() (jwt.ClaimStrings, error)       { return l.aud, nil }
func (l *lying) GetExpirationTime() (*jwt.NumericDate, error) { return l.exp, nil }
func (l *lying) GetNotBefore() (*jwt.NumericDate, error)      { return nil, errors.New("none") }
func (l *lying) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }

func TestToken_ClaimsTakeExactNames(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	type embedded struct {
		jwt.RegisteredClaims
		Role string `json:"role"`
	}
	type untagged struct {
		Iss, Sub, Jti string
		Aud           any
		Exp           int64
	}
	type tagged struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Tenant  string `json:"tid"`
	}
	const lies = `,"ISS":"https://b.example","iſſ":"https://c.example","SUB":"admin","Aud":"b","EXP":1,"JTI":"b","TID":"b","ROLE":"r","role":"user"`
	for name, payload := range map[string]string{
		"after":  testkit.PayloadPlus(lies),
		"before": `{` + lies[1:] + "," + testkit.Payload(nil)[1:],
	} {
		t.Run(name, func(t *testing.T) {
			token := testkit.Accept(t, v, s.Token(payload))
			e, err := jwks.ClaimsAs[embedded](token)
			testkit.WantNoError(t, err)
			if e.Issuer != testkit.Issuer || e.Subject != "user" || e.Audience[0] != testkit.Audience || e.ExpiresAt.Unix() != testkit.Now+3600 || e.ID != "" || e.Role == "" {
				t.Errorf("embedded: %+v", e)
			}
			u, err := jwks.ClaimsAs[*untagged](token)
			testkit.WantNoError(t, err)
			if u.Iss != testkit.Issuer || u.Sub != "user" || u.Aud != testkit.Audience || u.Exp != testkit.Now+3600 || u.Jti != "" {
				t.Errorf("untagged: %+v", u)
			}
			var g tagged
			var in any = &g
			testkit.WantNoError(t, token.Claims(&in))
			if g != (tagged{testkit.Issuer, "user", ""}) {
				t.Errorf("tagged: %+v", g)
			}
			m, err := jwks.ClaimsAs[map[string]any](token)
			testkit.WantNoError(t, err)
			if m["iss"] != testkit.Issuer || m["ISS"] != "https://b.example" || m["iſſ"] != "https://c.example" {
				t.Errorf("a map does not have every member: %v", m)
			}
			text, err := jwks.ClaimsAs[json.RawMessage](token)
			testkit.WantNoError(t, err)
			if string(text) != payload {
				t.Errorf("the text is %s", text)
			}
		})
	}
	t.Run("nothing where only another name is there", func(t *testing.T) {
		token := testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"sub": nil, "SUB": "admin"})))
		if g, err := jwks.ClaimsAs[tagged](token); err != nil || g.Subject != "" {
			t.Errorf("%+v, %v", g, err)
		}
	})
}
