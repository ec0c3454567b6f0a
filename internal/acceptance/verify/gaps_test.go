package verify

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestVerify_GapsOfGolangJWT shows, for each thing that this package does
// itself, a token that golang-jwt accepts and a verifier refuses. A row that
// golang-jwt no longer accepts says that our code for it may go.
func TestVerify_GapsOfGolangJWT(t *testing.T) {
	ec, rs, ps := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "RS256", "k1"), testkit.NewSigner(t, "PS256", "k1")
	payload := testkit.Payload(nil)
	valid := ec.Token(payload)
	atNow := jwt.WithTimeFunc(testkit.NowTime)
	strict := []jwt.ParserOption{atNow, jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(0)}

	for _, test := range []struct {
		name   string
		signer *testkit.Signer
		token  string
		claims func() jwt.Claims
		opts   []jwt.ParserOption // of golang-jwt
		ours   []jwks.VerifierOption
		want   error
	}{
		{name: "crit", token: ec.Sign(`{"alg":"ES256","kid":"k1","crit":["exp"]}`, payload), want: jwks.ErrUnsupportedCritical},
		{name: "b64", token: ec.Sign(`{"alg":"ES256","kid":"k1","b64":false}`, payload), want: jwks.ErrUnsupportedCritical},
		{name: "a trailing line break, strict decoding", token: valid + "\r\n", opts: strict, want: jwt.ErrTokenMalformed},
		{name: "a line break inside, strict decoding", token: valid[:len(valid)-7] + "\n" + valid[len(valid)-7:], opts: strict, want: jwt.ErrTokenMalformed},
		{name: "unused bits set, unless strict", token: valid[:len(valid)-1] + nextInAlphabet(valid[len(valid)-1]), want: jwt.ErrTokenMalformed},
		{name: "alg twice", token: ec.Sign(`{"alg":"none","alg":"ES256","kid":"k1"}`, payload), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "exp twice", token: ec.Token(`{"exp":1,` + payload[1:]), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "exp in another case", token: ec.Token(strings.Replace(payload, `"exp":`, `"exp":1,"EXP":`, 1)), claims: func() jwt.Claims { return new(jwt.RegisteredClaims) }, opts: strict, want: jwt.ErrTokenExpired},
		{name: "a payload that is null", token: ec.Token(`null`), want: jwt.ErrTokenMalformed},
		{name: "a string for exp", token: ec.Token(testkit.Payload(map[string]any{"exp": "9999999999"})), claims: func() jwt.Claims { return new(jwt.RegisteredClaims) }, opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "nbf 1e300", token: ec.Token(testkit.Payload(map[string]any{"nbf": testkit.JSONNumber("1e300")})), opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "iat 1e300", token: ec.Token(testkit.Payload(map[string]any{"iat": testkit.JSONNumber("1e300")})), opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "invalid UTF-8", token: ec.Token(strings.Replace(payload, "user", "us\xffer", 1)), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "WithIssuer of an empty setting", token: ec.Token(testkit.Payload(map[string]any{"iss": "https://evil.example"})), opts: append(strict, jwt.WithIssuer("")), want: jwt.ErrTokenInvalidIssuer},
		{name: "WithAudience of an empty setting", token: ec.Token(testkit.Payload(map[string]any{"aud": "other"})), opts: append(strict, jwt.WithAudience()), want: jwt.ErrTokenInvalidAudience},
		{name: "a P-256 key for ES384", token: testkit.SignES384WithP256(ec, payload), opts: strict, want: jwks.ErrAlgorithmNotAllowed},
		{name: "any PSS salt", signer: ps, token: testkit.SignPSSWithSalt(ps, payload, 20), opts: strict, want: jwt.ErrTokenSignatureInvalid},
		{name: "no PSS salt", signer: ps, token: testkit.SignPSSWithSalt(ps, payload, 0), opts: strict, want: jwt.ErrTokenSignatureInvalid},
		{name: "PS256 with a key published for RS256", signer: rs, token: ps.Token(payload), opts: strict, want: jwks.ErrAlgorithmNotAllowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.signer == nil {
				test.signer = ec
			}
			var claims jwt.Claims = jwt.MapClaims{}
			if test.claims != nil {
				claims = test.claims()
			}
			public := func(*jwt.Token) (any, error) { return test.signer.Key.Public(), nil }
			if _, err := jwt.NewParser(append(test.opts, atNow)...).ParseWithClaims(test.token, claims, public); err != nil {
				t.Errorf("golang-jwt refuses: %v", err)
			}
			v := testkit.NewVerifier(t, testkit.ParseKeys(t, test.signer.JWKWithAlg(test.signer.Algorithm)))
			testkit.Refuse(t, v, test.token, test.want, jwks.ErrTokenInvalid)
		})
	}

	t.Run("a salt as long as the hash", func(t *testing.T) {
		testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, ps)), testkit.SignPSSWithSalt(ps, payload, 32))
	})
	t.Run("a token comes with the error", func(t *testing.T) {
		expired := ec.Token(testkit.Payload(map[string]any{"exp": 1}))
		token, err := jwt.Parse(expired, func(*jwt.Token) (any, error) { return ec.Key.Public(), nil })
		if token == nil || err == nil {
			t.Errorf("golang-jwt returns %v and %v", token, err)
		}
		testkit.Refuse(t, testkit.NewVerifier(t, testkit.KeySetOf(t, ec)), expired, jwt.ErrTokenExpired)
	})
}

func nextInAlphabet(c byte) string {
	return testkit.Base64URLAlphabet[strings.IndexByte(testkit.Base64URLAlphabet, c)+1:][:1]
}
