package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// TestWhatGolangJWTLeavesToUs shows, for each thing that this package does
// itself, a token that golang-jwt accepts and a verifier refuses. A row that
// golang-jwt no longer accepts tells that the code for it may go.
func TestWhatGolangJWTLeavesToUs(t *testing.T) {
	ec, rs, ps := newSigner(t, "ES256", "k1"), newSigner(t, "RS256", "k1"), newSigner(t, "PS256", "k1")
	payload := payloadWith(nil)
	valid := ec.token(payload)
	atNow := jwt.WithTimeFunc(atTestNow)
	strict := []jwt.ParserOption{atNow, jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(0)}

	for _, test := range []struct {
		name   string
		signer *signer
		token  string
		claims func() jwt.Claims
		opts   []jwt.ParserOption // of golang-jwt
		ours   []jwks.VerifierOption
		want   error
	}{
		{name: "crit", token: ec.sign(`{"alg":"ES256","kid":"k1","crit":["exp"]}`, payload), want: jwks.ErrUnsupportedCritical},
		{name: "b64", token: ec.sign(`{"alg":"ES256","kid":"k1","b64":false}`, payload), want: jwks.ErrUnsupportedCritical},
		{name: "a line break behind, strict decoding", token: valid + "\r\n", opts: strict, want: jwt.ErrTokenMalformed},
		{name: "a line break inside, strict decoding", token: valid[:len(valid)-7] + "\n" + valid[len(valid)-7:], opts: strict, want: jwt.ErrTokenMalformed},
		{name: "stray bits, unless strict", token: valid[:len(valid)-1] + nextInAlphabet(valid[len(valid)-1]), want: jwt.ErrTokenMalformed},
		{name: "alg twice", token: ec.sign(`{"alg":"none","alg":"ES256","kid":"k1"}`, payload), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "exp twice", token: ec.token(`{"exp":1,` + payload[1:]), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "exp in another case", token: ec.token(strings.Replace(payload, `"exp":`, `"exp":1,"EXP":`, 1)), claims: func() jwt.Claims { return new(jwt.RegisteredClaims) }, opts: strict, want: jwt.ErrTokenExpired},
		{name: "a payload that is null", token: ec.token(`null`), want: jwt.ErrTokenMalformed},
		{name: "a string for exp", token: ec.token(payloadWith(map[string]any{"exp": "9999999999"})), claims: func() jwt.Claims { return new(jwt.RegisteredClaims) }, opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "nbf 1e300", token: ec.token(payloadWith(map[string]any{"nbf": jsonNumber("1e300")})), opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "iat 1e300", token: ec.token(payloadWith(map[string]any{"iat": jsonNumber("1e300")})), opts: strict, want: jwt.ErrTokenInvalidClaims},
		{name: "no UTF-8", token: ec.token(strings.Replace(payload, "user", "us\xffer", 1)), opts: strict, want: jwt.ErrTokenMalformed},
		{name: "WithIssuer of an empty setting", token: ec.token(payloadWith(map[string]any{"iss": "https://evil.example"})), opts: append(strict, jwt.WithIssuer("")), want: jwt.ErrTokenInvalidIssuer},
		{name: "WithAudience of an empty setting", token: ec.token(payloadWith(map[string]any{"aud": "other"})), opts: append(strict, jwt.WithAudience()), want: jwt.ErrTokenInvalidAudience},
		{name: "a P-256 key for ES384", token: es384WithP256(ec, payload), opts: strict, want: jwks.ErrAlgorithmNotAllowed},
		{name: "any PSS salt", signer: ps, token: pssWithSalt(ps, payload, 20), opts: strict, want: jwt.ErrTokenSignatureInvalid},
		{name: "no PSS salt", signer: ps, token: pssWithSalt(ps, payload, 0), opts: strict, want: jwt.ErrTokenSignatureInvalid},
		{name: "PS256 with a key published for RS256", signer: rs, token: ps.token(payload), opts: strict, want: jwks.ErrAlgorithmNotAllowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.signer == nil {
				test.signer = ec
			}
			var claims jwt.Claims = jwt.MapClaims{}
			if test.claims != nil {
				claims = test.claims()
			}
			public := func(*jwt.Token) (any, error) { return test.signer.key.Public(), nil }
			if _, err := jwt.NewParser(append(test.opts, atNow)...).ParseWithClaims(test.token, claims, public); err != nil {
				t.Errorf("golang-jwt refuses: %v", err)
			}
			v := newVerifier(t, parseKeys(t, test.signer.jwkWith(test.signer.alg)))
			refused(t, v, test.token, test.want, jwks.ErrTokenInvalid)
		})
	}

	t.Run("a salt as long as the hash", func(t *testing.T) {
		accepted(t, newVerifier(t, keySetOf(t, ps)), pssWithSalt(ps, payload, 32))
	})
	t.Run("a token comes with the error", func(t *testing.T) {
		expired := ec.token(payloadWith(map[string]any{"exp": 1}))
		token, err := jwt.Parse(expired, func(*jwt.Token) (any, error) { return ec.key.Public(), nil })
		if token == nil || err == nil {
			t.Errorf("golang-jwt returns %v and %v", token, err)
		}
		refused(t, newVerifier(t, keySetOf(t, ec)), expired, jwt.ErrTokenExpired)
	})
}

func nextInAlphabet(c byte) string {
	return base64Alphabet[strings.IndexByte(base64Alphabet, c)+1:][:1]
}

// es384WithP256 is what RFC 7518 section 3.4 does not allow: the raw signature
// is as long as ES384 asks for, the key is on another curve.
func es384WithP256(s *signer, payload string) string {
	signed := segment(`{"alg":"ES384","kid":"k1"}`) + "." + segment(payload)
	digest := crypto.SHA384.New()
	digest.Write([]byte(signed))
	r, sv, err := ecdsa.Sign(rand.Reader, s.key.(*ecdsa.PrivateKey), digest.Sum(nil))
	if err != nil {
		panic(err)
	}
	raw := make([]byte, 96)
	r.FillBytes(raw[:48])
	sv.FillBytes(raw[48:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(raw)
}

func pssWithSalt(s *signer, payload string, salt int) string {
	signed := segment(s.header()) + "." + segment(payload)
	digest := sha256.Sum256([]byte(signed))
	opts := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
	if salt == 0 {
		// rsa takes 0 for "as long as possible", which is another wrong length.
		opts.SaltLength = rsa.PSSSaltLengthAuto
	}
	sig, err := rsa.SignPSS(rand.Reader, s.key.(*rsa.PrivateKey), crypto.SHA256, digest[:], opts)
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}
