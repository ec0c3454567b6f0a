package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/golang-jwt/jwt/v5"
)

// methods are golang-jwt's, in instances of our own: its registered ones are
// variables that any package of the program may replace, and its PS256, PS384
// and PS512 verify any salt length where RFC 7518 section 3.5 wants the hash's.
// Read only.
var methods = [...]jwt.SigningMethod{
	RS256:   rs256{&jwt.SigningMethodRSA{Name: "RS256", Hash: crypto.SHA256}},
	RS384:   &jwt.SigningMethodRSA{Name: "RS384", Hash: crypto.SHA384},
	RS512:   &jwt.SigningMethodRSA{Name: "RS512", Hash: crypto.SHA512},
	PS256:   strictPSS("PS256", crypto.SHA256),
	PS384:   strictPSS("PS384", crypto.SHA384),
	PS512:   strictPSS("PS512", crypto.SHA512),
	ES256:   es256{&jwt.SigningMethodECDSA{Name: "ES256", Hash: crypto.SHA256, KeySize: 32, CurveBits: 256}},
	ES384:   &jwt.SigningMethodECDSA{Name: "ES384", Hash: crypto.SHA384, KeySize: 48, CurveBits: 384},
	ES512:   &jwt.SigningMethodECDSA{Name: "ES512", Hash: crypto.SHA512, KeySize: 66, CurveBits: 521},
	EdDSA:   &jwt.SigningMethodEd25519{},
	MLDSA44: mldsaMethod("ML-DSA-44"),
	MLDSA65: mldsaMethod("ML-DSA-65"),
	MLDSA87: mldsaMethod("ML-DSA-87"),
}

func strictPSS(name string, hash crypto.Hash) jwt.SigningMethod {
	salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: &jwt.SigningMethodRSA{Name: name, Hash: hash},
		Options:          salt,
		VerifyOptions:    salt,
	}
}

// Verify checks a signature over signed with a key of the type that a wants.
// Whether the key may be used with a is for the caller to know.
func Verify(a Algorithm, key crypto.PublicKey, signed string, signature []byte) bool {
	return a != Unknown && methods[a].Verify(signed, signature, key) == nil
}

// Nearly all tokens have one of two algorithms. These are verified as
// golang-jwt does, by the same calls of the standard library, but without what
// it allocates on the way: a copy of the token, and a big.Int for each half
// of an ECDSA signature. The tests hold them to golang-jwt's verdicts.

// rs256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
type rs256 struct{ *jwt.SigningMethodRSA }

// Verify implements [jwt.SigningMethod].
func (rs256) Verify(signed string, signature []byte, key any) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	digest := SHA256(signed)
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
}

// es256 is ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
type es256 struct{ *jwt.SigningMethodECDSA }

// Verify implements [jwt.SigningMethod].
func (es256) Verify(signed string, signature []byte, key any) error {
	public, ok := key.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return jwt.ErrInvalidKeyType
	case len(signature) != 64:
		return jwt.ErrECDSAVerification
	}
	var space [72]byte // as long as the DER of 64 bytes can be
	der := appendSignature(space[:0], signature)
	digest := SHA256(signed)
	if !ecdsa.VerifyASN1(public, digest[:], der) {
		return jwt.ErrECDSAVerification
	}
	return nil
}

// Tags of DER (X.690 section 8.1.2).
const (
	derInteger  = 0x02
	derSequence = 0x30
)

// appendSignature appends a JWS signature, which is r and s side by side, in
// the form that crypto/ecdsa reads: a DER SEQUENCE of two INTEGERs (RFC 3279
// section 2.2.3). Its numbers must be short enough for lengths of one byte.
func appendSignature(der, signature []byte) []byte {
	half := len(signature) / 2
	der = append(der, derSequence, 0) // the length follows
	start := len(der)
	der = appendInteger(der, signature[:half])
	der = appendInteger(der, signature[half:])
	der[start-1] = byte(len(der) - start)
	return der
}

// appendInteger appends a big-endian number that is not negative as a DER
// INTEGER (X.690 section 8.3): as few bytes as possible, at least one, and the
// highest bit is the sign.
func appendInteger(der, number []byte) []byte {
	number = bytes.TrimLeft(number, "\x00")
	der = append(der, derInteger, 0) // the length follows
	start := len(der)
	if len(number) == 0 || number[0] >= 0x80 {
		der = append(der, 0)
	}
	der = append(der, number...)
	der[start-1] = byte(len(der) - start)
	return der
}

// SHA256 is [sha256.Sum256] without a copy of the whole string.
func SHA256(s string) (digest [sha256.Size]byte) {
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
