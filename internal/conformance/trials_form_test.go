package conformance

import (
	"strings"

	"github.com/seed-22400188/jwks"

	"github.com/golang-jwt/jwt/v5"
)

// Rules that several trials share.
const (
	oneText   = "RFC 7515 section 2: base64url without line breaks, white space or padding; else one token has many texts"
	exactJSON = "RFC 7515 section 4: header parameter names must be unique"
)

func formTrials(m *mint) []trial {
	token := m.token()
	h, p, s := parts(token)
	es := m.sign("ES256", header("ES256"), claims()) // 86 letters, 4 bits over
	return []trial{
		{name: "a line feed inside the signature", refused: jwt.ErrTokenMalformed, token: h + "." + p + "." + s[:40] + "\n" + s[40:], rule: oneText,
			differ: []difference{{withKeyfunc | withJWX, skipsBreaks}, {goOIDC, trims}}},
		{name: "CR LF after the signature", refused: jwt.ErrTokenMalformed, token: token + "\r\n", rule: oneText,
			differ: []difference{{withKeyfunc | withJWX, skipsBreaks}, {goOIDC, trims}}},
		{name: "a line feed after the signature", refused: jwt.ErrTokenMalformed, token: token + "\n", rule: oneText,
			differ: []difference{{withKeyfunc | withJWX, skipsBreaks}, {goOIDC, trims}}},
		{name: "a line feed inside the payload", refused: jwt.ErrTokenMalformed, token: h + "." + p[:20] + "\n" + p[20:] + "." + s, rule: oneText,
			differ: []difference{{goOIDC, trims}, {withJWX, reencodes}}},
		{name: "a line feed inside the header", refused: jwt.ErrTokenMalformed, token: h[:20] + "\n" + h[20:] + "." + p + "." + s, rule: oneText,
			differ: []difference{{goOIDC, trims}, {withJWX, reencodes}}},
		{name: "a space before the token", refused: jwt.ErrTokenMalformed, token: " " + token, rule: oneText,
			differ: []difference{{goOIDC | withJWX, trims}}},
		{name: "a space after the token", refused: jwt.ErrTokenMalformed, token: token + " ", rule: oneText,
			differ: []difference{{goOIDC | withJWX, trims}}},
		{name: "padding after the signature", refused: jwt.ErrTokenMalformed, token: token + "==", rule: oneText,
			differ: []difference{{withJWX, loose}}},
		{name: "stray bits at the end of the signature", refused: jwt.ErrTokenMalformed, token: strayBits(es), rule: "RFC 4648 section 3.5: pad bits must be zero; else one token has many texts",
			differ: []difference{{others, notStrict}}},
		{name: "stray bits at the end of the payload", refused: jwt.ErrTokenMalformed, token: h + "." + strayBits(p) + "." + s, rule: "RFC 4648 section 3.5; what was signed is another text",
			differ: []difference{{goOIDC | withJWX, reencodes}}},
		{name: "the standard base64 alphabet in the signature", refused: jwt.ErrTokenMalformed, token: m.standardAlphabet(), rule: "RFC 7515 section 2: base64url",
			differ: []difference{{withJWX, loose}}},
		{name: "an empty signature", refused: jwt.ErrTokenMalformed, token: h + "." + p + ".", rule: "nothing is signed"},
		{name: "two segments", refused: jwt.ErrTokenMalformed, token: h + "." + p, rule: "RFC 7515 section 7.1: three segments"},
		{name: "five segments, as a JWE has", refused: jwt.ErrTokenMalformed, token: token + "..", rule: "RFC 7515 section 7.1: three segments"},
		{name: "flattened JSON serialization", refused: jwt.ErrTokenMalformed, token: `{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`, rule: "RFC 7519 section 1: a JWT is always in the compact form",
			differ: []difference{{goOIDC, "go-jose reads every serialization: one token has many texts, and unprotected headers come in"}}},
		{name: "general JSON serialization", refused: jwt.ErrTokenMalformed, token: `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`, rule: "RFC 7519 section 1: a JWT is always in the compact form",
			differ: []difference{{goOIDC, "go-jose reads every serialization: one token has many texts, and unprotected headers come in"}}},
		{name: "32 KiB, well signed", refused: jwks.ErrTokenTooLarge, token: m.token(`"fill":"` + strings.Repeat("x", 24<<10) + `"`), rule: "longer than the limit, 16 KiB unless WithMaxTokenSize says otherwise",
			differ: []difference{{others, "the limit is larger, or there is none: memory for what anybody sent"}}},
	}
}

func headerTrials(m *mint) []trial {
	p := encoded(claims())
	return []trial{
		{name: "alg none, no signature", refused: jwt.ErrTokenMalformed, token: encoded(header("none")) + "." + p + ".", rule: "RFC 8725 section 3.2"},
		{name: "alg nOnE, no signature", refused: jwt.ErrTokenMalformed, token: encoded(header("nOnE")) + "." + p + ".", rule: "RFC 8725 section 3.2"},
		{name: "alg none over a real signature", refused: jwks.ErrAlgorithmNotAllowed, token: m.headed(`{"alg":"none","kid":"k-RS256"}`), rule: "RFC 8725 section 3.2",
			differ: []difference{{withJWX, keyDecides}}},
		{name: "alg HS256, keyed with the public key in PEM", refused: jwks.ErrAlgorithmNotAllowed, token: m.confused(m.publicPEM()), rule: "RFC 8725 section 2.1"},
		{name: "alg HS256, keyed with the public key in DER", refused: jwks.ErrAlgorithmNotAllowed, token: m.confused(m.publicDER()), rule: "RFC 8725 section 2.1"},
		{name: "alg HS256, keyed with the text of the modulus", refused: jwks.ErrAlgorithmNotAllowed, token: m.confused([]byte(member(m.entry("RS256"), "n"))), rule: "RFC 8725 section 2.1"},
		{name: "alg missing", refused: jwt.ErrTokenMalformed, token: m.headed(`{"kid":"k-RS256"}`), rule: "RFC 7515 section 4.1.1",
			differ: []difference{{withJWX, keyDecides}}},
		{name: "ALG for alg", refused: jwt.ErrTokenMalformed, token: m.headed(`{"ALG":"RS256","kid":"k-RS256"}`), rule: "RFC 7515 section 4: names are case-sensitive",
			differ: []difference{{withJWX, keyDecides}}},
		{name: "alg rs256", refused: jwks.ErrAlgorithmNotAllowed, token: m.headed(`{"alg":"rs256","kid":"k-RS256"}`), rule: "RFC 7515 section 4.1.1: case-sensitive"},
		{name: "alg twice, none first", refused: jwt.ErrTokenMalformed, token: m.headed(`{"alg":"none","alg":"RS256","kid":"k-RS256"}`), rule: exactJSON,
			differ: []difference{{withKeyfunc | withJWX, lastWins}}},
		{name: "alg twice, once with an escape", refused: jwt.ErrTokenMalformed, token: m.headed(`{"\u0061lg":"none","alg":"RS256","kid":"k-RS256"}`), rule: exactJSON,
			differ: []difference{{withKeyfunc | withJWX, lastWins}}},
		{name: "kid twice, the good one last", refused: jwt.ErrTokenMalformed, token: m.headed(`{"alg":"RS256","kid":"other","kid":"k-RS256"}`), rule: exactJSON,
			differ: []difference{{withKeyfunc | withJWX, lastWins}}},
		{name: "crit names an unknown extension", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"crit":["http://example.invalid/UNDEFINED"]`, `"http://example.invalid/UNDEFINED":true`)), rule: "RFC 7515 section 4.1.11: must be rejected",
			differ: []difference{{withKeyfunc, ignoresCrit}, {withJWX, optsInCrit}}},
		{name: "crit names a parameter that is not there", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"crit":["exp"]`)), rule: "RFC 7515 section 4.1.11",
			differ: []difference{{withKeyfunc, ignoresCrit}, {withJWX, optsInCrit}}},
		{name: "crit is an empty list", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"crit":[]`)), rule: "RFC 7515 section 4.1.11: must not be empty",
			differ: []difference{{withKeyfunc, ignoresCrit}, {goOIDC, "go-jose takes it for no crit at all; nothing is critical then, so no harm"}, {withJWX, optsInCrit}}},
		{name: "crit is null", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"crit":null`)), rule: "RFC 7515 section 4.1.11: must be an array",
			differ: []difference{{withKeyfunc, ignoresCrit}, {goOIDC, "go-jose takes it for no crit at all; nothing is critical then, so no harm"}, {withJWX, optsInCrit}}},
		{name: "b64 false, named in crit", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"b64":false`, `"crit":["b64"]`)), rule: "RFC 7519 section 7.2 and RFC 7797 section 7: not with JWTs",
			differ: []difference{{withKeyfunc, ignoresCrit}}},
		{name: "b64 false, not named in crit", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"b64":false`)), rule: "RFC 7797 section 6: must be in crit",
			differ: []difference{{withKeyfunc, "golang-jwt does not know b64, and reads the payload in another way than its issuer means"}}},
		{name: "b64 true, named in crit", refused: jwks.ErrUnsupportedCritical, token: m.headed(header("RS256", `"b64":true`, `"crit":["b64"]`)), rule: "no extension is supported, so none may be critical",
			differ: []difference{{withKeyfunc, ignoresCrit}, {goOIDC, "go-jose knows b64, and true is what there is without it: no harm"}, {withJWX, optsInCrit}}},
		{name: "kid unknown", refused: jwks.ErrKeyNotFound, token: m.headed(`{"alg":"RS256","kid":"unknown"}`), rule: "no key"},
		{name: "kid of another key", refused: jwks.ErrAlgorithmNotAllowed, token: m.headed(`{"alg":"RS256","kid":"k-RS512"}`), rule: "that key's alg is another, RFC 7517 section 4.4",
			differ: []difference{{goOIDC, noAlgCompare}}},
		{name: "no kid, and several keys allow the alg", keys: m.twoRSA(), token: m.headed(`{"alg":"RS256"}`), rule: "RFC 7515 section 4.1.4: kid is optional; up to four keys are tried",
			differ: []difference{{withJWX, "it wants a kid, unless told otherwise"}}},
		{name: "kid is a number", refused: jwt.ErrTokenMalformed, token: m.headed(`{"alg":"RS256","kid":5}`), rule: "RFC 7515 section 4.1.4: must be a string"},
		{name: "kid is a number, and a JWK's kid is its text", refused: jwt.ErrTokenMalformed, keys: string(keySet(jwk(m.rsa.Public(), "5", "RS256"))), token: m.headed(`{"alg":"RS256","kid":5}`), rule: "RFC 7515 section 4.1.4: must be a string"},
		{name: "kid is an array", refused: jwt.ErrTokenMalformed, token: m.headed(`{"alg":"RS256","kid":["k-RS256"]}`), rule: "RFC 7515 section 4.1.4: must be a string"},
		{name: "kid with a line feed after it", refused: jwks.ErrKeyNotFound, token: m.headed(`{"alg":"RS256","kid":"k-RS256\n"}`), rule: "RFC 7515 section 4.1.4: case-sensitive, compared whole"},
		{name: "typ is a number", refused: jwt.ErrTokenMalformed, token: m.headed(`{"alg":"RS256","kid":"k-RS256","typ":5}`), rule: "RFC 7515 section 4.1.9: must be a string",
			differ: []difference{{withKeyfunc | goOIDC, "typ is not read"}}},
		{name: "typ of another kind of token", refused: jwks.ErrTokenInvalid, wanted: "at+jwt", token: m.headed(`{"alg":"RS256","kid":"k-RS256","typ":"logout+jwt"}`), rule: "RFC 8725 section 3.11: at+jwt was wanted",
			differ: []difference{{others, "there is no option for typ: an ID token or a logout token passes as an access token unless the program compares it"}}},
		{name: "jwk with the key that signed", refused: jwt.ErrTokenSignatureInvalid, token: m.stranger(`"jwk":` + jwk(m.otherRSA.Public(), kid("RS256"), "RS256")), rule: "RFC 8725 section 3.10: such keys are not trusted"},
		{name: "jku with the key that signed", refused: jwt.ErrTokenSignatureInvalid, token: m.stranger(`"jku":"https://attacker.example/jwks"`), rule: "RFC 8725 section 3.10: never fetched"},
		{name: "the header is an array", refused: jwt.ErrTokenMalformed, token: m.headed(`["RS256"]`), rule: "RFC 7515 section 4: a JSON object"},
		{name: "something after the header's object", refused: jwt.ErrTokenMalformed, token: m.headed(header("RS256") + "{}"), rule: "RFC 7515 section 4: a JSON object"},
		{name: "a byte order mark before the header", refused: jwt.ErrTokenMalformed, token: m.headed("\ufeff" + header("RS256")), rule: "RFC 8259 section 8.1: must not be added"},
		{name: "the header is not UTF-8", refused: jwt.ErrTokenMalformed, token: m.headed(header("RS256", "\"x\":\"\xff\"")), rule: "RFC 7515 section 3: UTF-8",
			differ: []difference{{others, anyUTF8}}},
		{name: "the header is nested 100 deep", refused: jwt.ErrTokenMalformed, token: m.headed(header("RS256", `"x":`+nested(100))), rule: "deeper than 64",
			differ: []difference{{others, noDepth}}},
	}
}
