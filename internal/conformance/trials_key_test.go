package conformance

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

func keyTrials(t *testing.T, m *mint) []trial {
	roca := rocaKey(t)
	leaked := string(must1(jose.JSONWebKey{Key: m.rsa, KeyID: kid("RS256"), Use: "sig", Algorithm: "RS256"}.MarshalJSON()))
	h, p, s := parts(m.token())
	flipped := must1(base64.RawURLEncoding.DecodeString(s))
	flipped[100] ^= 1
	pss := func(salt int) string {
		return signWith(&jwt.SigningMethodRSAPSS{SigningMethodRSA: jwt.SigningMethodPS256.SigningMethodRSA, Options: &rsa.PSSOptions{SaltLength: salt}},
			m.rsa, encoded(header("PS256"))+"."+encoded(claims()))
	}
	ec := func(alg string, hash crypto.Hash, size int) string {
		signed := encoded(`{"alg":"`+alg+`","kid":"k-ES256"}`) + "." + encoded(claims())
		return signed + "." + encoded(rawECDSA(m.p256, hash, size, signed))
	}
	noAlg := func(entry string) string { return edit(entry, map[string]any{"alg": nil}) }
	return []trial{
		{name: "one bit of the signature flipped", refused: jwt.ErrTokenSignatureInvalid, token: h + "." + p + "." + encoded(flipped), rule: "it does not verify"},
		{name: "PS256 with an empty salt", refused: jwt.ErrTokenSignatureInvalid, token: pss(0), rule: "RFC 7518 section 3.5: the salt has the size of the hash",
			differ: []difference{{withKeyfunc | goOIDC, anySalt}}},
		{name: "PS256 with the largest salt", refused: jwt.ErrTokenSignatureInvalid, token: pss(rsa.PSSSaltLengthAuto), rule: "RFC 7518 section 3.5: the salt has the size of the hash",
			differ: []difference{{withKeyfunc | goOIDC, anySalt}}},
		{name: "RS512 under a key with alg RS256", refused: jwks.ErrAlgorithmNotAllowed, token: m.sign("RS512", `{"alg":"RS512","kid":"k-RS256"}`, claims()), rule: "RFC 7517 section 4.4, RFC 8725 section 3.1",
			differ: []difference{{goOIDC, noAlgCompare}}},
		{name: "PS256 under a key with alg RS256", refused: jwks.ErrAlgorithmNotAllowed, token: m.sign("PS256", `{"alg":"PS256","kid":"k-RS256"}`, claims()), rule: "RFC 8725 section 3.1: one key, one algorithm",
			differ: []difference{{goOIDC, noAlgCompare}}},
		{name: "RS256 under a key with alg RSA-OAEP and no use", refused: jwks.ErrInvalidKeySet, keys: string(keySet(edit(m.entry("RS256"), map[string]any{"alg": "RSA-OAEP", "use": nil}))), token: m.token(), rule: "RFC 7517 section 4.4: meant for encryption"},
		{name: "RS256 under a key with use enc", refused: jwks.ErrInvalidKeySet, keys: string(keySet(edit(noAlg(m.entry("RS256")), map[string]any{"use": "enc"}))), token: m.token(), rule: "RFC 7517 section 4.2: meant for encryption",
			differ: []difference{{withKeyfunc, noWhitelist}, {goOIDC, noUse}}},
		{name: "RS256 under a key with key_ops encrypt", refused: jwks.ErrInvalidKeySet, keys: string(keySet(edit(noAlg(m.entry("RS256")), map[string]any{"use": nil, "key_ops": []string{"encrypt"}}))), token: m.token(), rule: "RFC 7517 section 4.3: verify is not among them",
			differ: []difference{{withKeyfunc | goOIDC, noUse}}},
		{name: "ES384 under a P-256 key without alg", refused: jwks.ErrAlgorithmNotAllowed, keys: string(keySet(noAlg(m.entry("ES256")))), token: ec("ES384", crypto.SHA384, 48), rule: "RFC 7518 section 3.4: ES384 is P-384 with SHA-384",
			differ: []difference{{withKeyfunc, anyCurve}}},
		{name: "ES512 under a P-256 key without alg", refused: jwks.ErrAlgorithmNotAllowed, keys: string(keySet(noAlg(m.entry("ES256")))), token: ec("ES512", crypto.SHA512, 66), rule: "RFC 7518 section 3.4: ES512 is P-521 with SHA-512",
			differ: []difference{{withKeyfunc, anyCurve}}},
		{name: "ES256 in ASN.1", refused: jwt.ErrTokenSignatureInvalid, token: m.asn1(), rule: "RFC 7518 section 3.4: r and s of full length"},
		{name: "ES256 without a leading zero of r", refused: jwt.ErrTokenSignatureInvalid, token: m.shortR(), rule: "RFC 7518 section 3.4: 64 octets"},
		{name: "RS256 with an octet before the signature", refused: jwt.ErrTokenSignatureInvalid, token: h + "." + p + "." + encoded("\x00"+string(must1(base64.RawURLEncoding.DecodeString(s)))), rule: "RFC 8017 section 8.2.2: the size of the modulus"},
		{name: "EdDSA under an RSA key", refused: jwks.ErrAlgorithmNotAllowed, token: m.sign("EdDSA", `{"alg":"EdDSA","kid":"k-RS256"}`, claims()), rule: "the key decides the algorithm"},
		{name: "HS256 under an oct key in the set", refused: jwks.ErrAlgorithmNotAllowed, keys: m.ordinary(`{"kty":"oct","kid":"k-HS256","alg":"HS256","k":"` + encoded("secret that everybody can read ..") + `"}`), token: m.symmetric("secret that everybody can read .."), rule: "symmetric algorithms cannot be configured",
			differ: []difference{{withJWX, "there is no list of algorithms, the JWK decides: with a secret in a public document everybody can sign"}}},
		{name: "an RSA key of 1024 bits", refused: jwks.ErrInvalidKeySet, keys: string(keySet(jwk(m.weakRSA.Public(), kid("RS256"), "RS256"))), token: signWith(jwt.SigningMethodRS256, m.weakRSA, h+"."+p), rule: "RFC 7518 section 3.3: 2048 bits or larger",
			differ: []difference{{withKeyfunc | goOIDC, "smaller than RFC 7518 allows, and not out of reach of factoring"}}},
		{name: "an RSA key with the ROCA fingerprint", refused: jwks.ErrInvalidKeySet, keys: string(keySet(jwk(roca.Public(), kid("RS256"), "RS256"))), token: signWith(jwt.SigningMethodRS256, roca, h+"."+p), rule: "CVE-2017-15361: its private key can be computed",
			differ: []difference{{others, "it is not looked for, and whoever factors the key can sign"}}},
		{name: "an Ed25519 key of small order", refused: jwks.ErrInvalidKeySet, keys: string(keySet(smallOrder())), token: smallOrderToken(), rule: "one signature fits every fourth message: anybody signs",
			differ: []difference{{withKeyfunc | withJWX, "it is not looked for, and everybody can sign"}}},
		{name: "the private key is published in the JWK", refused: jwks.ErrInvalidKeySet, keys: string(keySet(leaked)), token: m.token(), rule: "whoever reads the set can sign",
			differ: []difference{{withKeyfunc | withJWX, "its public half is used, though everybody who read the set can sign"}}},
		{name: "the key of another kid signed", refused: jwt.ErrTokenSignatureInvalid, token: signWith(jwt.SigningMethodRS256, m.otherRSA, h+"."+p), rule: "it does not verify"},
		{name: "two keys of one kid, the second signed", keys: string(keySet(jwk(m.otherRSA.Public(), kid("RS256"), "RS256"), m.entry("RS256"))), token: m.token(), rule: "RFC 7517 section 4.5: kids should be distinct, and are not always",
			differ: []difference{{withKeyfunc, oneKid}, {withJWX, "only one key of a kid is tried unless jws.WithMultipleKeysPerKeyID(true) is given"}}},
		{name: "two keys of one kid, of two types", keys: string(keySet(jwk(m.p256.Public(), kid("RS256"), "ES256"), m.entry("RS256"))), token: m.token(), rule: "RFC 7517 section 4.5: allowed as equivalent alternatives",
			differ: []difference{{withKeyfunc, oneKid}, {withJWX, "only one key of a kid is tried unless jws.WithMultipleKeysPerKeyID(true) is given"}}},
	}
}

// smallOrder publishes a point of order 4: y = 0.
func smallOrder() string {
	return `{"kty":"OKP","crv":"Ed25519","kid":"k-EdDSA","alg":"EdDSA","use":"sig","x":"` + encoded(make([]byte, ed25519.PublicKeySize)) + `"}`
}

// smallOrderToken is one that nobody signed: the same signature, the neutral
// element and zero, fits every fourth text.
func smallOrderToken() string {
	signature := append([]byte{1}, make([]byte, ed25519.SignatureSize-1)...)
	for n := 0; ; n++ {
		signed := encoded(header("EdDSA")) + "." + encoded(claims(fmt.Sprintf(`"jti":"%d"`, n)))
		if ed25519.Verify(make([]byte, ed25519.PublicKeySize), []byte(signed), signature) {
			return signed + "." + encoded(signature)
		}
	}
}

// setTrials are about what one odd thing in a key set does to the good key
// beside it.
func setTrials(m *mint) []trial {
	token := m.token()
	entry := m.entry("RS256")
	other := jwk(m.otherRSA.Public(), "other", "RS256")
	n := member(entry, "n")
	modulus := must1(base64.RawURLEncoding.DecodeString(n))
	lose := "RFC 7517 section 5: keys that are not understood should be ignored; one bad entry must not stop every login"
	var many []string
	for range 1001 {
		many = append(many, `{"kty":"x"}`)
	}
	return []trial{
		{name: "beside: a key of an unknown type", keys: m.beside(`{"kty":"FUTURE","kid":"f"}`), token: token, rule: lose,
			differ: []difference{{withJWX, oneLosesAll}}},
		{name: "beside: a key of a type not in lower case", keys: m.beside(`{"kty":"rsa","kid":"f","n":"AQAB","e":"AQAB"}`), token: token, rule: lose,
			differ: []difference{{withJWX, oneLosesAll}}},
		{name: "beside: an entry without kty", keys: m.beside(`{"kid":"f"}`), token: token, rule: lose,
			differ: []difference{{goOIDC | withJWX, oneLosesAll}}},
		{name: "beside: EC on an unknown curve", keys: m.beside(edit(m.entry("ES256"), map[string]any{"crv": "secp256k1"})), token: token, rule: lose,
			differ: []difference{{goOIDC | withJWX, oneLosesAll}}},
		{name: "beside: EC, the point not on the curve", keys: m.beside(edit(m.entry("ES256"), map[string]any{"x": member(m.entry("ES256"), "y")})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: EC, x too short", keys: m.beside(edit(m.entry("ES256"), map[string]any{"x": "AQAB"})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: OKP X25519, a key to encrypt with", keys: m.beside(`{"kty":"OKP","crv":"X25519","kid":"x","use":"enc","x":"` + encoded(strings.Repeat("\x09", 32)) + `"}`), token: token, rule: lose},
		{name: "beside: AKP with ML-DSA-44, cut short", keys: m.beside(`{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AQAB"}`), token: token, rule: lose,
			differ: []difference{{withJWX, oneLosesAll}}},
		{name: "beside: RSA without n", keys: m.beside(edit(other, map[string]any{"n": nil})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: RSA, n not base64", keys: m.beside(edit(other, map[string]any{"n": "!"})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: RSA of 512 bits", keys: m.beside(edit(other, map[string]any{"n": n[:84] + "AQ"})), token: token, rule: lose,
			differ: []difference{{withJWX, oneLosesAll}}},
		{name: "beside: RSA of 16,384 bits", keys: m.beside(edit(other, map[string]any{"n": encoded(strings.Repeat(string(modulus), 8))})), token: token, rule: lose,
			differ: []difference{{goOIDC, oneLosesAll}}},
		{name: "beside: RSA, e = 1", keys: m.beside(edit(other, map[string]any{"e": "AQ"})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: kid is a number", keys: m.beside(edit(other, map[string]any{"kid": 5})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: use is a number", keys: m.beside(edit(other, map[string]any{"use": 5})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: key_ops is a string", keys: m.beside(edit(other, map[string]any{"key_ops": "verify", "use": nil})), token: token, rule: lose,
			differ: []difference{{withKeyfunc | withJWX, oneLosesAll}}},
		{name: "beside: alg unknown", keys: m.beside(edit(other, map[string]any{"alg": "XS256"})), token: token, rule: lose,
			differ: []difference{{withJWX, oneLosesAll}}},
		{name: "beside: x5c not a certificate", keys: m.beside(edit(other, map[string]any{"x5c": []string{"AAAA"}})), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "beside: x5t of a wrong length", keys: m.beside(edit(other, map[string]any{"x5t": "AQAB"})), token: token, rule: lose,
			differ: []difference{{goOIDC, oneLosesAll}}},
		{name: "beside: an oct key", keys: m.beside(`{"kty":"oct","kid":"s","k":"AQAB"}`), token: token, rule: lose},
		{name: "beside: null", keys: m.beside(`null`), token: token, rule: lose,
			differ: []difference{{goOIDC | withJWX, oneLosesAll}}},
		{name: "beside: a string", keys: m.beside(`"RS256"`), token: token, rule: lose,
			differ: []difference{{others, oneLosesAll}}},
		{name: "the good key's x5c is not a certificate", keys: string(keySet(edit(entry, map[string]any{"x5c": []string{"AAAA"}}))), token: token, rule: "n and e are the key; trust is not taken from certificates",
			differ: []difference{{others, certificate}}},
		{name: "the good key's x5c is a certificate of another key", refused: jwks.ErrInvalidKeySet, keys: string(keySet(edit(entry, map[string]any{"x5c": []string{m.certificate()}}))), token: token, rule: "which of the two the issuer means cannot be told",
			differ: []difference{{withJWX, "the certificate is not compared with n: a reader of x5c verifies with another key"}}},
		{name: "the good key's x5t is hexadecimal, as Auth0's were", keys: string(keySet(edit(entry, map[string]any{"x5t": encoded("0123456789abcdef0123456789abcdef01234567")}))), token: token, rule: "n and e are the key"},
		{name: "the good key's n is padded, as PayPal's", keys: string(keySet(edit(entry, map[string]any{"n": base64.URLEncoding.EncodeToString(modulus)}))), token: token, rule: "key material is read in either way, for it means one key",
			differ: []difference{{goOIDC, byTheLetter}}},
		{name: "the good key's n has the other alphabet, as Battle.net's", keys: string(keySet(edit(entry, map[string]any{"n": base64.StdEncoding.EncodeToString(modulus)}))), token: token, rule: "key material is read in either way, for it means one key",
			differ: []difference{{withKeyfunc | goOIDC, byTheLetter}}},
		{name: "the good key's n begins with a zero octet, as Java writes", keys: string(keySet(edit(entry, map[string]any{"n": encoded("\x00" + string(modulus))}))), token: token, rule: "key material is read in either way, for it means one key"},
		{name: "the good key has n twice, the good one last", refused: jwks.ErrInvalidKeySet, keys: string(keySet(strings.Replace(entry, `"n":`, `"n":"`+member(other, "n")+`","n":`, 1))), token: token, rule: "RFC 7517 section 4: names must be unique; two readers come to two keys",
			differ: []difference{{withKeyfunc | withJWX, lastWins}}},
		{name: "the good key has N for n", refused: jwks.ErrInvalidKeySet, keys: string(keySet(strings.Replace(entry, `"n":`, `"N":`, 1))), token: token, rule: "RFC 7517 section 4: names are case-sensitive",
			differ: []difference{{withKeyfunc, "encoding/json matches names in any case: this key is another one than what other readers see"}}},
		{name: "Keys for keys", refused: jwks.ErrInvalidKeySet, keys: strings.Replace(m.ordinary(), `"keys"`, `"Keys"`, 1), token: token, rule: "RFC 7517 section 5: names are case-sensitive",
			differ: []difference{{withKeyfunc | goOIDC, "encoding/json matches names in any case"}}},
		{name: "keys twice", refused: jwks.ErrInvalidKeySet, keys: strings.Replace(m.ordinary(), `{"keys"`, `{"keys":[],"keys"`, 1), token: token, rule: "RFC 7517 section 5: names must be unique",
			differ: []difference{{others, "the last one wins, and a reader of the first sees other keys"}}},
		{name: "something after the document", refused: jwks.ErrInvalidKeySet, keys: m.ordinary() + `{}`, token: token, rule: "not a JSON document",
			differ: []difference{{withKeyfunc, "it reads one value and stops: a document that was cut and glued passes"}}},
		{name: "a byte order mark before the document", keys: "\ufeff" + m.ordinary(), token: token, rule: "RFC 8259 section 8.1: must not be added, and may be ignored",
			differ: []difference{{others, "the document is refused, and every login at this issuer stops"}}},
		{name: "a single JWK for a set", refused: jwks.ErrInvalidKeySet, keys: entry, token: token, rule: `RFC 7517 section 5: a set has "keys"`,
			differ: []difference{{withJWX, "jwk.Parse takes a single key for a set of one: no harm"}}},
		{name: "more than 1,000 entries", refused: jwks.ErrInvalidKeySet, keys: m.beside(many...), token: token, rule: "more than the limit",
			differ: []difference{{withKeyfunc | goOIDC, "as many as the body holds: memory and time for one odd document"}}},
	}
}
