package verify

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestVerify_TokenForm: three segments of strict base64url, and no second text of a token.
// The signatures are right for the text as it stands, so that nothing but the
// form can be the reason.
func TestVerify_TokenForm(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	header, payload := testkit.Segment(s.Header()), testkit.Segment(testkit.PadMod3(testkit.Payload(nil), 1))
	valid := s.SignSegments(header, payload)
	testkit.Accept(t, v, valid)
	signature := valid[strings.LastIndexByte(valid, '.')+1:]
	stray := func(segment string) string { // the same bytes, another text
		last := strings.IndexByte(testkit.Base64URLAlphabet, segment[len(segment)-1])
		return segment[:len(segment)-1] + testkit.Base64URLAlphabet[last+1:last+2]
	}

	for name, token := range map[string]string{
		"empty":                            "",
		"one segment":                      header,
		"two segments":                     header + "." + payload,
		"two segments and a dot":           header + "." + payload + ".",
		"four segments":                    valid + "." + signature,
		"four segments, the last empty":    valid + ".",
		"a leading dot":                    "." + valid,
		"an empty header":                  s.SignSegments("", payload),
		"an empty payload":                 s.SignSegments(header, ""),
		"only dots":                        "..",
		"padding after the header":         s.SignSegments(header+"==", payload),
		"padding after the payload":        s.SignSegments(header, payload+"=="),
		"padding after the signature":      valid + "==",
		"a line break in the header":       s.SignSegments(header[:8]+"\n"+header[8:], payload),
		"a line break in the payload":      s.SignSegments(header, payload[:8]+"\r\n"+payload[8:]),
		"a line break in the signature":    valid[:len(valid)-8] + "\n" + valid[len(valid)-8:],
		"a trailing line break":            valid + "\n",
		"a trailing CR LF":                 valid + "\r\n",
		"four trailing line breaks":        valid + "\n\n\n\n",
		"a trailing space":                 valid + " ",
		"a trailing NUL":                   valid + "\x00",
		"unused bits set in the payload":   s.SignSegments(header, stray(payload)),
		"unused bits set in the signature": header + "." + payload + "." + stray(signature),
		"the standard alphabet":            s.SignSegments(header, payload+"+/AA"),
		"a character of neither alphabet":  s.SignSegments(header, payload+"AA!A"),
		"a length that nothing encodes":    s.SignSegments(header, testkit.Segment(testkit.PadMod3(testkit.Payload(nil), 0))+"A"),
		"a line break after whole quads":   s.SignSegments(header, testkit.Segment(testkit.PadMod3(testkit.Payload(nil), 0))+"\n"),
		"UTF-8":                            s.SignSegments(header, payload+"é"),
	} {
		t.Run(name, func(t *testing.T) { testkit.Refuse(t, v, token, jwks.ErrTokenInvalid, jwt.ErrTokenMalformed) })
	}
	for _, token := range []string{"." + payload + "." + signature, header + ".." + signature, header + "." + payload + "."} {
		if err := testkit.Refuse(t, v, token, jwt.ErrTokenMalformed); !strings.Contains(err.Error(), "an empty segment") {
			t.Errorf("an empty segment is not named: %v", err)
		}
	}
	jwe := strings.Join([]string{header, payload, payload, payload, signature}, ".")
	if err := testkit.Refuse(t, v, jwe, jwt.ErrTokenMalformed); !strings.Contains(err.Error(), "JWE") {
		t.Errorf("an encrypted token is not named: %v", err)
	}
}

func TestVerify_Header(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	payload := testkit.Payload(nil)

	for name, header := range map[string]string{
		"only alg":                       `{"alg":"ES256"}`, // there is only one key that it can be
		"whitespace":                     " {\t\"alg\" : \"ES256\" ,\r\n\"kid\":\"k1\" }\n",
		"an escaped name":                `{"\u0061lg":"ES256","kid":"k1"}`,
		"an escaped value":               `{"alg":"ES\u0032\u0035\u0036","kid":"\u006b1"}`,
		"other parameters":               `{"alg":"ES256","kid":"k1","cty":"JWT","nonce":1,"zip":null,"x":{"crit":["a"],"a":1,"a":2}}`,
		"null for absent":                `{"alg":"ES256","kid":null,"typ":null,"x5t":null,"x5t#S256":null}`,
		"an empty kid counts as none":    `{"alg":"ES256","kid":""}`,
		"a name in another case":         `{"alg":"ES256","kid":"k1","ALG":"none","Kid":"k9","CRIT":["exp"]}`,
		"the sender's own idea of a key": `{"alg":"ES256","kid":"k1","jku":"https://evil.example","x5u":1,"jwk":{},"x5c":["!"]}`,
	} {
		t.Run("accepted/"+name, func(t *testing.T) { testkit.Accept(t, v, s.Sign(header, payload)) })
	}

	for name, header := range map[string]string{
		"nothing":                   "",
		"null":                      "null",
		"an array":                  `[]`,
		"a string":                  `"alg"`,
		"truncated":                 `{"alg":"ES256","kid":"k1"`,
		"trailing data":             `{"alg":"ES256","kid":"k1"}{}`,
		"a trailing NUL":            "{\"alg\":\"ES256\",\"kid\":\"k1\"}\x00",
		"a byte order mark":         "\uFEFF" + `{"alg":"ES256","kid":"k1"}`,
		"a trailing comma":          `{"alg":"ES256","kid":"k1",}`,
		"a comment":                 `{"alg":"ES256",/**/"kid":"k1"}`,
		"single quotes":             `{'alg':'ES256'}`,
		"invalid UTF-8":             "{\"alg\":\"ES256\",\"kid\":\"k1\",\"x\":\"\xff\"}",
		"a lone surrogate in kid":   `{"alg":"ES256","kid":"\ud800"}`,
		"alg twice":                 `{"alg":"ES256","alg":"ES256","kid":"k1"}`,
		"alg twice, once escaped":   `{"alg":"ES256","kid":"k1","\u0061lg":"none"}`,
		"kid twice":                 `{"alg":"ES256","kid":"k9","kid":"k1"}`,
		"an unknown name twice":     `{"alg":"ES256","kid":"k1","x":1,"x":1}`,
		"no alg":                    `{"kid":"k1"}`,
		"alg in another case":       `{"Alg":"ES256","kid":"k1"}`,
		"a null alg":                `{"alg":null,"kid":"k1"}`,
		"an empty alg":              `{"alg":"","kid":"k1"}`,
		"a number for alg":          `{"alg":256,"kid":"k1"}`,
		"an array for alg":          `{"alg":["ES256"],"kid":"k1"}`,
		"a number for kid":          `{"alg":"ES256","kid":1}`,
		"an object for kid":         `{"alg":"ES256","kid":{}}`,
		"false for typ":             `{"alg":"ES256","kid":"k1","typ":false}`,
		"a number for x5t":          `{"alg":"ES256","kid":"k1","x5t":1}`,
		"an array for x5t#S256":     `{"alg":"ES256","kid":"k1","x5t#S256":[]}`,
		"deeper than the limit":     `{"alg":"ES256","kid":"k1","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
		"very deep":                 `{"alg":"ES256","x":` + strings.Repeat("[", 11000) + `}`,
		"a control character":       "{\"alg\":\"ES256\",\"kid\":\"k1\",\"x\":\"\n\"}",
		"duplicates behind an odd":  `{"alg":1,"x":1,"x":1}`,
		"crit in a broken document": `{"alg":"ES256","crit":["exp"]`,
	} {
		t.Run("malformed/"+name, func(t *testing.T) {
			err := testkit.Refuse(t, v, s.Sign(header, payload), jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
			if got, want := errors.Is(err, jwks.ErrAlgorithmNotAllowed), name == "an empty alg"; got != want {
				t.Errorf("%v matches ErrAlgorithmNotAllowed: %t, want %t", err, got, want)
			}
		})
	}

	for name, header := range map[string]string{
		"crit":                        `{"alg":"ES256","kid":"k1","crit":["exp"],"exp":1}`,
		"crit first":                  `{"crit":["b64"],"b64":true,"alg":"ES256","kid":"k1"}`,
		"an empty crit":               `{"alg":"ES256","kid":"k1","crit":[]}`,
		"a null crit":                 `{"alg":"ES256","kid":"k1","crit":null}`,
		"a crit that is not an array": `{"alg":"ES256","kid":"k1","crit":"exp"}`,
		"an escaped crit":             `{"alg":"ES256","kid":"k1","\u0063rit":["exp"]}`,
		"b64 without crit":            `{"alg":"ES256","kid":"k1","b64":true}`,
		"b64 false":                   `{"alg":"ES256","kid":"k1","b64":false}`,
		"a null b64":                  `{"alg":"ES256","kid":"k1","b64":null}`,
		"crit without alg":            `{"crit":["exp"]}`,
		"crit and none":               `{"alg":"none","crit":["exp"]}`,
		"crit and an unknown kid":     `{"alg":"ES256","kid":"k9","crit":["exp"]}`,
	} {
		t.Run("critical/"+name, func(t *testing.T) {
			testkit.Refuse(t, v, s.Sign(header, payload), jwks.ErrTokenInvalid, jwks.ErrUnsupportedCritical)
		})
	}
}

func TestVerify_Algorithm(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	payload := testkit.Payload(nil)
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "es256", "ES256 ", "ES256K", "RSA-OAEP", "dir", "SHA256", "RS1", "ES256\u0000"} {
		testkit.Refuse(t, v, s.Sign(`{"alg":`+testkit.Quote(alg)+`,"kid":"k1"}`, payload), jwks.ErrTokenInvalid, jwks.ErrAlgorithmNotAllowed)
	}
	if err := testkit.Refuse(t, v, s.Sign(`{"alg":"HS256","kid":"k1"}`, payload)); !strings.Contains(err.Error(), `alg "HS256" is not allowed, want a signature algorithm for public keys`) {
		t.Errorf("got %v", err)
	}
	unsigned := testkit.Segment(`{"alg":"none","kid":"k1"}`) + "." + testkit.Segment(payload)
	testkit.Refuse(t, v, unsigned+".", jwks.ErrTokenInvalid)
	testkit.Refuse(t, v, unsigned+".AAAA", jwks.ErrAlgorithmNotAllowed)

	t.Run("the configuration decides", func(t *testing.T) {
		testkit.Refuse(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAlgorithms("RS256", "ES384")), s.Token(payload), jwks.ErrAlgorithmNotAllowed)
		testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAlgorithms("RS256", "ES256")), s.Token(payload))
	})
	t.Run("the key decides", func(t *testing.T) {
		// A P-256 key is for ES256, an RSA key that says RS256 for nothing else.
		for _, alg := range []string{"ES384", "ES512", "RS256", "PS256", "EdDSA"} {
			testkit.Refuse(t, v, s.Sign(`{"alg":"`+alg+`","kid":"k1"}`, payload), jwks.ErrAlgorithmNotAllowed)
		}
		rsa := testkit.NewSigner(t, "PS256", "k1")
		testkit.Accept(t, testkit.NewVerifier(t, testkit.ParseKeys(t, rsa.JWKWithAlg(""))), rsa.Token(payload))
		testkit.Accept(t, testkit.NewVerifier(t, testkit.ParseKeys(t, rsa.JWKWithAlg("PS256"))), rsa.Token(payload))
		testkit.Refuse(t, testkit.NewVerifier(t, testkit.ParseKeys(t, rsa.JWKWithAlg("RS256"))), rsa.Token(payload), jwks.ErrAlgorithmNotAllowed)
	})
	t.Run("a key with a kid is not found by another", func(t *testing.T) {
		testkit.Refuse(t, v, s.Sign(`{"alg":"ES256","kid":"k9"}`, payload), jwks.ErrKeyNotFound)
	})
}
