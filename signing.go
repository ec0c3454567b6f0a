package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/golang-jwt/jwt/v5"
)

// signingMethods are golang-jwt's, in instances of our own: its registered
// ones are variables that any package of the program may replace, and its
// PS256, PS384 and PS512 verify any salt length where RFC 7518 section 3.5
// wants the hash's. Read only.
var signingMethods = [...]jwt.SigningMethod{
	algRS256:   rs256{&jwt.SigningMethodRSA{Name: "RS256", Hash: crypto.SHA256}},
	algRS384:   &jwt.SigningMethodRSA{Name: "RS384", Hash: crypto.SHA384},
	algRS512:   &jwt.SigningMethodRSA{Name: "RS512", Hash: crypto.SHA512},
	algPS256:   strictPSS("PS256", crypto.SHA256),
	algPS384:   strictPSS("PS384", crypto.SHA384),
	algPS512:   strictPSS("PS512", crypto.SHA512),
	algES256:   es256{&jwt.SigningMethodECDSA{Name: "ES256", Hash: crypto.SHA256, KeySize: 32, CurveBits: 256}},
	algES384:   &jwt.SigningMethodECDSA{Name: "ES384", Hash: crypto.SHA384, KeySize: 48, CurveBits: 384},
	algES512:   &jwt.SigningMethodECDSA{Name: "ES512", Hash: crypto.SHA512, KeySize: 66, CurveBits: 521},
	algEdDSA:   &jwt.SigningMethodEd25519{},
	algMLDSA44: mldsaMethod("ML-DSA-44"),
	algMLDSA65: mldsaMethod("ML-DSA-65"),
	algMLDSA87: mldsaMethod("ML-DSA-87"),
}

func strictPSS(name string, hash crypto.Hash) jwt.SigningMethod {
	salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: &jwt.SigningMethodRSA{Name: name, Hash: hash},
		Options:          salt,
		VerifyOptions:    salt,
	}
}

// verifySignature checks a JWS signature. The key must allow the algorithm:
// its type and curve, and the "alg" of its JWK where there is one.
func (k *Key) verifySignature(a algorithm, signingInput string, signature []byte) bool {
	if !k.allows.has(a) || a == algUnknown {
		return false
	}
	return signingMethods[a].Verify(signingInput, signature, k.verifier) == nil
}

// The two algorithms that nearly all tokens have are verified as golang-jwt
// does, in the same calls of the standard library, but without what it
// allocates on the way: a copy of the token, and numbers of any size for an
// ECDSA signature. The tests hold them to golang-jwt's verdicts.

// rs256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
type rs256 struct{ *jwt.SigningMethodRSA }

// Verify implements [jwt.SigningMethod].
func (rs256) Verify(signingInput string, signature []byte, key any) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	digest := sha256OfString(signingInput)
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
}

// es256 is ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
type es256 struct{ *jwt.SigningMethodECDSA }

// Verify implements [jwt.SigningMethod].
func (es256) Verify(signingInput string, signature []byte, key any) error {
	public, ok := key.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return jwt.ErrInvalidKeyType
	case len(signature) != 64:
		return jwt.ErrECDSAVerification
	}
	var space [2 + 2*(2+1+32)]byte
	asn1 := append(space[:0], 0x30, 0)
	asn1 = appendInteger(asn1, signature[:32])
	asn1 = appendInteger(asn1, signature[32:])
	asn1[1] = byte(len(asn1) - 2)
	digest := sha256OfString(signingInput)
	if !ecdsa.VerifyASN1(public, digest[:], asn1) {
		return jwt.ErrECDSAVerification
	}
	return nil
}

// appendInteger writes a number, big-endian and not negative, as the ASN.1
// INTEGER of DER (X.690 sections 8.3 and 10): no superfluous zeros, but one
// where the highest bit would be a sign.
func appendInteger(der, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	if number[0] >= 0x80 {
		der = append(der, 0x02, byte(len(number)+1), 0)
	} else {
		der = append(der, 0x02, byte(len(number)))
	}
	return append(der, number...)
}

// sha256OfString is sha256.Sum256 without a copy of the whole string.
func sha256OfString(s string) (digest [sha256.Size]byte) {
	h := sha256.New()
	var block [8 * sha256.BlockSize]byte
	for len(s) > 0 {
		n := copy(block[:], s)
		h.Write(block[:n])
		s = s[n:]
	}
	h.Sum(digest[:0])
	return digest
}
