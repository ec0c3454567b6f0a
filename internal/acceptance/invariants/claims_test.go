package invariants

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestInvariant12_IssuerAndAudienceExact(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	unnamed, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/jwks"))
	if err != nil {
		t.Fatal(err)
	}
	aud, iss := jwks.WithAudience("api"), jwks.WithExpectedIssuer(testkit.Issuer)
	for name, opts := range map[string][]jwks.VerifierOption{
		"nothing":                      nil,
		"no audience":                  {iss},
		"no issuer":                    {aud},
		"no issuer, no audience check": {jwks.WithoutAudienceCheck()},
		"an empty audience":            {iss, jwks.WithAudience("")},
		"an empty audience among some": {iss, jwks.WithAudience("api", "")},
		"an empty list of audiences":   {iss, jwks.WithAudience()},
		"an empty list of all":         {iss, jwks.WithAllAudiences()},
		"one empty, one not":           {iss, jwks.WithAudience("api"), jwks.WithAllAudiences()},
		"an empty issuer":              {aud, jwks.WithExpectedIssuer("")},
		"an empty list of issuers":     {aud, jwks.WithExpectedIssuer()},
		"an audience and none":         {iss, aud, jwks.WithoutAudienceCheck()},
		"an issuer and none":           {iss, aud, jwks.WithoutIssuerCheck()},
	} {
		for _, source := range []jwks.KeySource{set, unnamed, testkit.SourceFunc(set.SigningKeys)} {
			if v, err := jwks.NewVerifier(source, opts...); v != nil || !errors.Is(err, jwks.ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, opts := range [][]jwks.ClientOption{{jwks.WithIssuer("")}, {jwks.WithIssuer("issuer.example")}, {jwks.WithJWKSURL("https://issuer.example/jwks"), jwks.WithIssuer("")}} {
		if _, err := jwks.NewClient(opts...); !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("%v", err)
		}
	}

	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		v := mode.fixedVerifier(t, set)
		others := func(value string) []string {
			return []string{
				"", value + "/", "/" + value, value + " ", " " + value, value + "\x00", value + "\u200b", value[:len(value)-1], value + value,
				strings.ToUpper(value), strings.ToUpper(value[:1]) + value[1:], strings.Replace(value, "p", "\u0440", 1), value + ",other", value + " other", "*", "null",
			}
		}
		for _, other := range append(others(testkit.Issuer), strings.Replace(testkit.Issuer, "https", "http", 1), testkit.Issuer+":443", testkit.Issuer+"?", testkit.Issuer+"#", strings.Replace(testkit.Issuer, "issuer", "%69ssuer", 1)) {
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"iss": other})), jwt.ErrTokenInvalidIssuer)
		}
		for _, other := range others(testkit.Audience) {
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"aud": other})), jwks.ErrTokenInvalid)
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"aud": []string{other, "x"}})), jwks.ErrTokenInvalid)
			testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"aud": []string{other, testkit.Audience}})))
			testkit.Refuse(t, mode.fixedVerifier(t, set, jwks.WithAllAudiences(testkit.Audience, "second")), s.Token(testkit.Payload(map[string]any{"aud": []string{other, testkit.Audience}})), jwt.ErrTokenInvalidAudience)
		}
		for _, absent := range []any{nil, testkit.JSONNull} {
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"iss": absent})), jwt.ErrTokenRequiredClaimMissing)
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"aud": absent})), jwt.ErrTokenRequiredClaimMissing)
		}
		for _, odd := range []any{1, true, map[string]any{}, []any{testkit.Audience, 1}, []any{[]any{testkit.Audience}}} {
			testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"aud": odd})), jwt.ErrTokenMalformed)
		}
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"iss": []string{testkit.Issuer}})), jwt.ErrTokenMalformed)
	})
}

func TestInvariant13_TimesFailClosed(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s := testkit.NewSigner(t, "EdDSA", "k1")
		set := testkit.KeySetOf(t, s)
		moving := testkit.NewClock()
		v := mode.fixedVerifier(t, set, jwks.WithLeeway(30*time.Second), moving.Option())
		lax := mode.fixedVerifier(t, set, jwks.WithoutExpiry())
		blind := mode.fixedVerifier(t, set, jwks.WithoutTimeChecks())

		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"exp": nil})), jwt.ErrTokenRequiredClaimMissing)
		testkit.Accept(t, lax, s.Token(testkit.Payload(map[string]any{"exp": nil})))
		testkit.Accept(t, blind, s.Token(testkit.Payload(map[string]any{"exp": nil})))
		testkit.Refuse(t, lax, s.Token(testkit.Payload(map[string]any{"exp": testkit.Now - 31})), jwt.ErrTokenExpired)
		testkit.Accept(t, blind, s.Token(testkit.Payload(map[string]any{"exp": 1, "nbf": 9999999999, "iat": 9999999999})))

		for _, odd := range []string{
			`"9999999999"`, `""`, "null", "true", "[]", "{}", "[9999999999]", "1e300", "1e999", "-1", "-0", "-1e300", "253402300800", "253402300799.000000001", "1e12", "9999999999999999999999",
		} {
			for _, claim := range []string{"exp", "nbf", "iat"} {
				for _, v := range []*jwks.Verifier{v, lax, blind} {
					testkit.Refuse(t, v, s.Token(testkit.PayloadJSON(map[string]string{claim: odd})), jwt.ErrTokenMalformed, jwks.ErrTokenInvalid)
				}
			}
		}
		for _, plain := range []string{"253402300799", "1.7672256e9", "253402300799.0", "1.767226e+09", "9e9"} {
			testkit.Accept(t, v, s.Token(testkit.PayloadJSON(map[string]string{"exp": plain, "nbf": "0", "iat": "0"})))
		}

		// now = exp + leeway is expired, one second less is not; and so on, for
		// a token that was verified before as well.
		at := func(now int64) { moving.Unix.Store(now) }
		token := s.Token(testkit.Payload(map[string]any{"exp": testkit.Now + 100, "nbf": testkit.Now - 100, "iat": testkit.Now - 200}))
		for _, test := range []struct {
			now  int64
			want error
		}{
			{testkit.Now, nil}, {testkit.Now + 129, nil}, {testkit.Now + 130, jwt.ErrTokenExpired}, {testkit.Now + 131, jwt.ErrTokenExpired},
			{testkit.Now - 130, nil}, {testkit.Now - 131, jwt.ErrTokenNotValidYet}, {testkit.Now - 230, jwt.ErrTokenNotValidYet}, {testkit.Now - 231, jwt.ErrTokenUsedBeforeIssued}, {testkit.Now, nil},
		} {
			if at(test.now); test.want == nil {
				testkit.Accept(t, v, token)
			} else {
				testkit.Refuse(t, v, token, test.want)
			}
		}
		instant := time.Unix(testkit.Now, 0)
		fine := mode.fixedVerifier(t, set, jwks.WithLeeway(0), jwks.WithNow(func() time.Time { return instant }))
		fraction := s.Token(testkit.PayloadJSON(map[string]string{"exp": "1767225600.000000002", "iat": "0"}))
		for nanos, want := range map[int]error{1: nil, 2: jwt.ErrTokenExpired} {
			if instant = time.Unix(testkit.Now, int64(nanos)); want == nil {
				testkit.Accept(t, fine, fraction)
			} else {
				testkit.Refuse(t, fine, fraction, want)
			}
		}
	})
}

func TestInvariant14_SignatureBeforeClaims(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s, attacker := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
		checked := 0
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, s), jwks.WithRequiredClaims("tenant"), jwks.WithCheck(func(context.Context, *jwks.Token) error { checked++; return nil }))
		testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"tenant": 1})))
		checked = 0
		for _, payload := range []string{
			testkit.Payload(map[string]any{"tenant": 1}),
			testkit.Payload(map[string]any{"exp": 1, "aud": "other", "iss": "https://evil.example", "nbf": 9999999999}),
			`{"exp":"x","aud":7}`, `{"exp":1,"exp":2}`, "no JSON at all \xff", "{", strings.Repeat("[", 5000),
		} {
			err := testkit.Refuse(t, v, attacker.Token(payload), jwt.ErrTokenSignatureInvalid)
			for _, claim := range []error{
				jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer,
				jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidClaims, jwt.ErrTokenMalformed,
			} {
				if errors.Is(err, claim) {
					t.Errorf("%q: an unsigned claim was validated: %v", payload, err)
				}
			}
			if text := err.Error(); strings.Contains(text, "evil") || strings.Contains(text, "other") || strings.Contains(text, "1970") {
				t.Errorf("an unsigned claim is shown: %v", err)
			}
		}
		if checked != 0 {
			t.Errorf("%d checks saw unsigned claims", checked)
		}
		// With any error there is no token: testkit.Refuse looks for one. A token that
		// fails its claims says so once its signature has passed.
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"exp": 1, "tenant": 1})), jwt.ErrTokenExpired)
		testkit.Refuse(t, v, s.Token("no JSON at all"), jwt.ErrTokenMalformed)
		refusing := mode.fixedVerifier(t, testkit.KeySetOf(t, s), jwks.WithCheck(func(context.Context, *jwks.Token) error { return errors.New("no") }))
		testkit.Refuse(t, refusing, s.Token(testkit.Payload(nil)), jwks.ErrTokenInvalid)
	})
}

func TestInvariant15_ClaimsInFreshMemory(t *testing.T) {
	type roles struct {
		Sub   string   `json:"sub"`
		Admin bool     `json:"admin"`
		Roles []string `json:"roles"`
	}
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s, attacker := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, s))
		admin := s.Token(testkit.Payload(map[string]any{"sub": "root", "admin": true, "roles": []string{"a", "b"}}))
		user := s.Token(testkit.Payload(nil))
		forged := attacker.Token(testkit.Payload(map[string]any{"sub": "root", "admin": true, "roles": []string{"a", "b"}}))

		// golang-jwt decodes into the caller's claims before it verifies.
		var filled roles
		parsed := struct {
			*roles
			jwt.MapClaims
		}{roles: &filled}
		if _, err := jwt.ParseWithClaims(forged, &parsed, func(*jwt.Token) (any, error) { return s.Key.Public(), nil }); err == nil || !filled.Admin {
			t.Errorf("golang-jwt left %+v behind, with %v", filled, err)
		}
		// Here a refused token leaves nothing to decode, and one token's claims
		// are never those of another, whichever came before.
		for _, order := range [][]string{{admin, user}, {user, admin}, {admin, forged, user}, {user, forged, admin}} {
			for _, token := range order {
				got, err := v.Verify(t.Context(), token)
				if token == forged {
					if got != nil || !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
						t.Errorf("a forged token: %v, %v", got, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				c, err := jwks.ClaimsAs[roles](got)
				want := roles{Sub: "user"}
				if token == admin {
					want = roles{"root", true, []string{"a", "b"}}
				}
				if err != nil || !reflect.DeepEqual(c, want) || got.Subject() != want.Sub {
					t.Errorf("claims %+v of %s, %v, want %+v", c, got.Subject(), err, want)
				}
			}
		}
		if c, err := jwks.ClaimsAs[struct{ Sub, Admin string }](testkit.Accept(t, v, admin)); err == nil || c.Sub != "" || c.Admin != "" {
			t.Errorf("with the error %v come the claims %+v", err, c)
		}

		// What a caller does with its copy is its own affair, and later tokens
		// do not write where an earlier one lies.
		first := testkit.Accept(t, v, admin)
		var all map[string]any
		if err := first.Claims(&all); err != nil {
			t.Fatal(err)
		}
		all["sub"] = "somebody"
		first.Audience()[0] = "elsewhere"
		for i := range 50 {
			testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"sub": strings.Repeat("x", i*10), "aud": []string{testkit.Audience, "more"}, "roles": []string{"c"}})))
		}
		for _, token := range []*jwks.Token{first, testkit.Accept(t, v, admin)} {
			c, err := jwks.ClaimsAs[roles](token)
			if err != nil || !reflect.DeepEqual(c, roles{"root", true, []string{"a", "b"}}) || token.Subject() != "root" || token.Audience()[0] != testkit.Audience {
				t.Errorf("claims %+v, %v, aud %q", c, err, token.Audience())
			}
		}
	})
}

// Invariant 30: a token bound to a key is not accepted without proof.
func TestInvariant30_BoundTokensNeedProof(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, s))
		opted := mode.fixedVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutProofOfPossession())
		for _, cnf := range []string{`{"jkt":"a"}`, `{"x5t#S256":"a"}`, `{"unknown":{}}`, `{}`, `"a"`, `0`, `[]`, `{"jkt":"a","jkt":"b"}`} {
			token := s.Token(testkit.PayloadJSON(map[string]string{"cnf": cnf}))
			testkit.Refuse(t, v, token, jwks.ErrTokenInvalid, jwks.ErrProofRequired)
			testkit.Accept(t, opted, token)
		}
		testkit.Accept(t, v, s.Token(testkit.PayloadJSON(map[string]string{"cnf": "null"})))
	})
}
