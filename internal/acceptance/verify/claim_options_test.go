package verify

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// claimCase is a payload under one option: accepted, or refused with an error
// that matches want and holds text.
type claimCase struct {
	claims string // JSON members
	want   error
	text   string
}

func wantClaims(t *testing.T, opt jwks.VerifierOption, cases []claimCase) {
	t.Helper()
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), opt)
	for _, c := range cases {
		token := s.Token(testkit.PayloadPlus(c.claims))
		if c.want == nil {
			testkit.Accept(t, v, token)
			continue
		}
		if err := testkit.Refuse(t, v, token, jwks.ErrTokenInvalid, c.want); !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.claims, err, c.text)
		}
	}
}

func TestVerify_WithClaim(t *testing.T) {
	wrong, missing := jwt.ErrTokenInvalidClaims, jwt.ErrTokenRequiredClaimMissing
	wantClaims(t, jwks.WithClaim("x", "a", "7", "true"), []claimCase{
		{claims: `,"x":"a"`}, {claims: `,"x":["b","a"]`}, {claims: `,"x":7`}, {claims: `,"x":"7"`}, {claims: `,"x":[7]`}, {claims: `,"x":true`}, {claims: `,"x":"\u0061"`},
		{``, missing, "x claim is required"}, {`,"x":null`, missing, "x claim is required"}, {`,"X":"a"`, missing, "x claim is required"},
		{`,"x":"A"`, wrong, `claim "x" is "A", want one of ["a" "7" "true"]`}, {`,"x":""`, wrong, `is ""`}, {`,"x":7.0`, wrong, `is "7.0"`}, {`,"x":70e-1`, wrong, `is "70e-1"`},
		{`,"x":false`, wrong, `is "false"`}, {`,"x":[]`, wrong, "is []"}, {`,"x":["b",null]`, wrong, `is ["b" "null"]`}, {`,"x":[["a"]]`, wrong, "is ["},
		{`,"x":{"a":"a"}`, wrong, "is an object"}, {`,"x":"\ud800"`, wrong, "is"}, {`,"x":"a "`, wrong, `is "a "`},
	})
	wantClaims(t, jwks.WithClaim("/realm_access/roles", "admin"), []claimCase{
		{claims: `,"realm_access":{"roles":["user","admin"]}`}, {claims: `,"realm_access":{"roles":"admin"}`},
		{`,"/realm_access/roles":"admin"`, missing, "/realm_access/roles claim is required"}, {`,"realm_access":["roles"]`, missing, "required"},
		{`,"realm_access":{"roles":["user"]}`, wrong, `claim "/realm_access/roles" is ["user"], want "admin"`},
		{`,"realm_access":{"roles":["admin"],"roles":["user"]}`, missing, "required"}, {`,"realm_access":{"Roles":["admin"]}`, missing, "required"},
	})
	wantClaims(t, jwks.WithClaim("https://x.example/team", "a"), []claimCase{{claims: `,"https://x.example/team":"a"`}, {`,"https:":{"":"a"}`, missing, "required"}})

	// Several add up.
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithClaim("x", "1"), jwks.WithClaim("x", "2"), jwks.WithClaim("y", "3"))
	testkit.Accept(t, v, s.Token(testkit.PayloadPlus(`,"x":[1,2],"y":3`)))
	err := testkit.Refuse(t, v, s.Token(testkit.PayloadPlus(`,"x":[1],"y":4`)), wrong)
	if !strings.Contains(err.Error(), `want "2"`) || !strings.Contains(err.Error(), `want "3"`) || strings.Contains(err.Error(), `want "1"`) {
		t.Errorf("%v", err)
	}
}

func TestVerify_WithClientID(t *testing.T) {
	wrong, missing := jwt.ErrTokenInvalidClaims, jwt.ErrTokenRequiredClaimMissing
	wantClaims(t, jwks.WithClientID("web", "cli"), []claimCase{
		{claims: `,"client_id":"web"`}, {claims: `,"azp":"cli"`}, {claims: `,"cid":"web"`}, {claims: `,"appid":"web"`},
		{claims: `,"client_id":"web","azp":"x"`}, {claims: `,"client_id":"","azp":"web"`}, {claims: `,"client_id":null,"azp":"","cid":null,"appid":"cli"`},
		{`,"client_id":"x","azp":"web"`, wrong, `client_id is "x", want one of ["web" "cli"]`}, {`,"azp":"x","cid":"web"`, wrong, `azp is "x"`},
		{`,"cid":"x"`, wrong, `cid is "x"`}, {`,"appid":"WEB"`, wrong, `appid is "WEB"`}, {`,"client_id":7,"azp":"web"`, wrong, "client_id is not a string"},
		{`,"client_id":["web"]`, wrong, "client_id is not a string"}, {``, missing, "client_id claim is required"}, {`,"client_id":"","azp":""`, missing, "client_id claim is required"},
		{`,"CLIENT_ID":"web"`, missing, "client_id claim is required"},
	})
	set := testkit.ParseKeySet(t, testkit.OneKey(t))
	if _, err := jwks.NewVerifier(set, jwks.WithoutIssuerCheck(), jwks.WithClientID("web")); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("it decides the audience: %v", err)
	}
}

func TestVerify_WithNumericSubject(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	strict, numeric := testkit.NewVerifier(t, set), testkit.NewVerifier(t, set, jwks.WithNumericSubject(), jwks.WithTokenCache(8))
	for _, number := range []string{"7", "0", "-1", "123456789012345678901234567890"} {
		token := s.Token(testkit.PayloadJSON(map[string]string{"sub": number, "jti": number}))
		testkit.Refuse(t, strict, token, jwt.ErrTokenMalformed)
		if got := testkit.Accept(t, numeric, token); got.Subject() != number || got.ID() != number {
			t.Errorf("%s: subject %q, ID %q", number, got.Subject(), got.ID())
		}
	}
	if got := testkit.Accept(t, numeric, s.Token(testkit.PayloadJSON(map[string]string{"sub": `"x"`, "jti": "null"}))); got.Subject() != "x" || got.ID() != "" {
		t.Errorf("subject %q, ID %q", got.Subject(), got.ID())
	}
	for _, value := range []string{"1.0", "1e3", "1E3", "-0", "true", "[1]", "{}"} {
		for _, name := range []string{"sub", "jti"} {
			testkit.Refuse(t, numeric, s.Token(testkit.PayloadJSON(map[string]string{name: value})), jwt.ErrTokenMalformed)
		}
	}
	testkit.Refuse(t, numeric, s.Token(testkit.PayloadJSON(map[string]string{"iss": "7"})), jwt.ErrTokenMalformed)
	profile := testkit.NewVerifier(t, set, jwks.WithNumericSubject(), jwks.WithAccessTokenProfile())
	testkit.Accept(t, profile, s.Sign(`{"alg":"EdDSA","typ":"at+jwt"}`, testkit.PayloadJSON(map[string]string{"sub": "7", "jti": "8", "client_id": `"web"`})))
}

func TestVerify_ClaimOptionsRefused(t *testing.T) {
	set := testkit.ParseKeySet(t, testkit.OneKey(t))
	for rule, opt := range map[string]jwks.VerifierOption{
		"no name":                 jwks.WithClaim("", "a"),
		"no values":               jwks.WithClaim("x"),
		"an empty value":          jwks.WithClaim("x", "a", ""),
		"a malformed pointer":     jwks.WithClaim("/x~2", "a"),
		"a tilde at the end":      jwks.WithClaim("/x~", "a"),
		"no client":               jwks.WithClientID(),
		"an empty client":         jwks.WithClientID(""),
		"a pointer and no values": jwks.WithClaim("/x"),
	} {
		if _, err := jwks.NewVerifier(set, jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck(), opt); !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
