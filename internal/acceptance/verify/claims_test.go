package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestVerify_Payload: a JSON object without duplicates, names compared exactly. All of
// it is signed; that does not make it sound.
func TestVerify_Payload(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	for name, payload := range map[string]string{
		"whitespace":                             " \t\r\n" + testkit.Payload(nil) + "\n",
		"an escaped name":                        strings.Replace(testkit.Payload(nil), `"exp"`, `"\u0065xp"`, 1),
		"an escaped value":                       strings.Replace(testkit.Payload(nil), `"api"`, `"\u0061pi"`, 1),
		"names in other cases":                   testkit.PayloadPlus(`,"EXP":1,"Exp":"x","ISS":"x","Aud":1,"NBF":9999999999,"IAT":null`),
		"duplicates deep inside":                 testkit.PayloadPlus(`,"x":{"a":1,"a":2}`),
		"a tid of the wrong type":                testkit.PayloadPlus(`,"tid":1`),
		"claims that are not ours, of odd types": testkit.PayloadPlus(`,"azp":1,"client_id":[],"scope":{},"scp":1,"jku":"https://evil.example"`),
		"64 levels":                              testkit.PayloadPlus(`,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63)),
		"40 claims":                              testkit.PayloadPlus(testkit.ManyMembers(200)),
	} {
		t.Run("accepted/"+name, func(t *testing.T) { testkit.Accept(t, v, s.Token(payload)) })
	}
	for name, payload := range map[string]string{
		"null":                       "null",
		"true":                       "true",
		"a number":                   "1",
		"a string":                   `"{}"`,
		"an array":                   "[" + testkit.Payload(nil) + "]",
		"not JSON":                   "hello",
		"truncated":                  strings.TrimSuffix(testkit.Payload(nil), "}"),
		"trailing data":              testkit.Payload(nil) + "{}",
		"a trailing NUL":             testkit.Payload(nil) + "\x00",
		"a byte order mark":          "\uFEFF" + testkit.Payload(nil),
		"invalid UTF-8":              testkit.PayloadPlus(",\"x\":\"\xc3\x28\""),
		"UTF-16":                     "{\x00}\x00",
		"65 levels":                  testkit.PayloadPlus(`,"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)),
		"exp twice":                  testkit.PayloadPlus(`,"exp":9999999999`),
		"exp twice, once escaped":    testkit.PayloadPlus(`,"\u0065\u0078\u0070":9999999999`),
		"aud twice":                  testkit.PayloadPlus(`,"aud":"api"`),
		"an unknown claim twice":     testkit.PayloadPlus(`,"role":"user","role":"admin"`),
		"the 40th claim twice":       testkit.PayloadPlus(testkit.ManyMembers(200) + `,"z":1,"z":1`),
		"NaN":                        testkit.PayloadPlus(`,"x":NaN`),
		"a leading zero":             testkit.PayloadPlus(`,"x":01`),
		"a lone surrogate in iss":    testkit.PayloadJSON(map[string]string{"iss": `"\ud800"`}),
		"a lone surrogate in a name": testkit.PayloadPlus(`,"\udc00":1`),
	} {
		t.Run("refused/"+name, func(t *testing.T) {
			testkit.Refuse(t, v, s.Token(payload), jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
		})
	}
}

func TestVerify_ClaimNamesAreExact(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck())
	testkit.Refuse(t, v, s.Token(`{"exp":1,"EXP":9999999999}`), jwt.ErrTokenExpired)
	testkit.Refuse(t, v, s.Token(`{"EXP":9999999999}`), jwt.ErrTokenRequiredClaimMissing)
	testkit.Refuse(t, v, s.Token(`{"exp":9999999999,"nbf":9999999998,"NBF":1}`), jwt.ErrTokenNotValidYet)
	got := testkit.Accept(t, v, s.Token(`{"exp":9999999999,"SUB":"admin","Sub":"root","ISS":"x","AUD":["x"],"JTI":"x","SCOPE":"all"}`))
	if got.Subject() != "" || got.Issuer() != "" || got.Audience() != nil || got.ID() != "" || got.Scopes() != nil {
		t.Errorf("claims of other names were read: %q %q %q %q %q", got.Subject(), got.Issuer(), got.Audience(), got.ID(), got.Scopes())
	}
}

// TestVerify_ClaimTypes: the registered claims have the types of RFC 7519 section 4.1.
func TestVerify_ClaimTypes(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	for name, claims := range map[string]map[string]string{
		"an aud array":            {"aud": `["other","api"]`},
		"a long aud array":        {"aud": `["` + strings.Repeat(`x","`, 500) + `api"]`},
		"an empty sub":            {"sub": `""`},
		"a null sub":              {"sub": `null`},
		"a null jti":              {"jti": `null`},
		"times that are not ours": {"auth_time": `"yesterday"`, "updated_at": `-1`},
	} {
		t.Run("accepted/"+name, func(t *testing.T) { testkit.Accept(t, v, s.Token(testkit.PayloadJSON(claims))) })
	}
	forms := map[string][]string{
		"iss": {`1`, `true`, `["https://issuer.example"]`, `{"x":"https://issuer.example"}`},
		"sub": {`1`, `false`, `["user"]`, `{}`},
		"jti": {`1`, `[]`, `{}`},
		"aud": {`1`, `true`, `{}`, `{"api":true}`, `["api",1]`, `["api",null]`, `[["api"]]`, `[null]`, `["\ud800","api"]`, `"\udc00"`},
	}
	for name, values := range forms {
		for _, value := range values {
			t.Run("refused/"+name+"/"+value, func(t *testing.T) {
				err := testkit.Refuse(t, v, s.Token(testkit.PayloadJSON(map[string]string{name: value})),
					jwks.ErrTokenInvalid, jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims)
				if !strings.Contains(err.Error(), name+" is ") {
					t.Errorf("the claim is not named: %v", err)
				}
			})
		}
	}
}

// TestVerify_NullClaims, except where what was meant to limit a token would vanish.
func TestVerify_NullClaims(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithRequiredClaims("role"))
	with := func(name string) string {
		return s.Token(testkit.Payload(map[string]any{"role": "user", name: testkit.JSONNull}))
	}
	for _, name := range []string{"aud", "iss", "role"} {
		testkit.Refuse(t, v, with(name), jwt.ErrTokenRequiredClaimMissing)
	}
	for _, name := range []string{"sub", "jti", "scope", "scp", "azp", "tid", "other"} {
		testkit.Accept(t, v, with(name))
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		err := testkit.Refuse(t, v, with(name), jwt.ErrTokenInvalidClaims, jwt.ErrTokenMalformed)
		if strings.Contains(err.Error(), "missing") {
			t.Errorf("a null %s counts as missing: %v", name, err)
		}
	}
}

// TestVerify_TimeForms: finite JSON numbers from 0 to the year 9999, for all three.
func TestVerify_TimeForms(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutTimeChecks()) // the form counts all the same
	read := map[string]func(*jwks.Token) time.Time{
		"exp": (*jwks.Token).ExpiresAt, "nbf": (*jwks.Token).NotBefore, "iat": (*jwks.Token).IssuedAt,
	}
	for text, want := range map[string]time.Time{
		"0":                       time.Unix(0, 0),
		"1":                       time.Unix(1, 0),
		"1767229200":              time.Unix(1767229200, 0),
		"253402300799":            time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"253402300799.000":        time.Unix(253402300799, 0),
		"2.53402300799e11":        time.Unix(253402300799, 0),
		"253402300798.999999999":  time.Unix(253402300798, 999999999),
		"253402300798.9999999999": time.Unix(253402300798, 999999999),
		"1e9":                     time.Unix(1e9, 0),
		"1E+9":                    time.Unix(1e9, 0),
		"1000e-3":                 time.Unix(1, 0),
		"1.5":                     time.Unix(1, 500000000),
		"15e-1":                   time.Unix(1, 500000000),
		"0.15e1":                  time.Unix(1, 500000000),
		"1572006960.123456789":    time.Unix(1572006960, 123456789),
		"1572006960.1234567899":   time.Unix(1572006960, 123456789), // cut, not rounded
		"1572006960123456789e-9":  time.Unix(1572006960, 123456789),
		"1e-9":                    time.Unix(0, 1),
		"1e-10":                   time.Unix(0, 0),
		"1e-999999999999999999":   time.Unix(0, 0),
		"0e999999999999999999999": time.Unix(0, 0),
		"0.000":                   time.Unix(0, 0),
		"0." + strings.Repeat("0", 5000) + "1e5001":  time.Unix(1, 0),
		"1" + strings.Repeat("0", 5000) + "e-5000":   time.Unix(1, 0),
		"15" + strings.Repeat("0", 5000) + "e-5001":  time.Unix(1, 500000000),
		"1.0000000000" + strings.Repeat("9", 5000):   time.Unix(1, 0),
		"0.00" + strings.Repeat("0", 20) + "17e0022": time.Unix(0, 170000000),
	} {
		for name, get := range read {
			got := get(testkit.Accept(t, v, s.Token(testkit.PayloadJSON(map[string]string{name: text}))))
			if !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("%s %.40s is %v, want %v", name, text, got, want)
			}
		}
	}
	for _, text := range []string{
		`null`, `"1"`, `"1767229200"`, `""`, `"2026-01-01T00:00:00Z"`, `true`, `[]`, `[1767229200]`, `{}`, `{"v":1}`,
		`-1`, `-0`, `-0.0`, `-1e-300`, `-1767229200`, `-1e300`,
		`253402300800`, `253402300799.0000000001`, `253402300799.5`, `2.53402300800e11`, `9223372036854775807`, `9223372036854775808`,
		`18446744073709551616`, `18446744075476780816`, `1e12`, `1e18`, `1e300`, `1e308`, `1e309`, `1e999999999999999999999`,
		`0.` + strings.Repeat("0", 5000) + `1e6000`, strings.Repeat("9", 5000), `1` + strings.Repeat("0", 5000) + `e-4000`,
	} {
		for name := range read {
			err := testkit.Refuse(t, v, s.Token(testkit.PayloadJSON(map[string]string{name: text})), jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims)
			if !strings.Contains(err.Error(), name+" is not a number") {
				t.Errorf("%s %.40s: %v", name, text, err)
			}
		}
	}
}

// TestVerify_SignatureBeforeClaims: whoever cannot sign does not learn what is
// wrong with the claims.
func TestVerify_SignatureBeforeClaims(t *testing.T) {
	s, attacker := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	for _, payload := range []string{"null", `{"exp":"x"}`, `{"exp":1,"exp":2}`, "\xff", testkit.Payload(map[string]any{"exp": 1}), testkit.Payload(map[string]any{"aud": "other"})} {
		err := testkit.Refuse(t, v, attacker.Token(payload), jwt.ErrTokenSignatureInvalid)
		for _, claim := range []string{"exp", "aud", "claims", "malformed", "JSON"} {
			if strings.Contains(err.Error(), claim) {
				t.Errorf("%s: the error mentions %s: %v", payload, claim, err)
			}
		}
	}
}
