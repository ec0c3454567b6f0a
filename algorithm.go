package jwks

import (
	"crypto"
	"crypto/rsa"

	"github.com/golang-jwt/jwt/v5"
)

// algorithm is one JWS signature algorithm that this package verifies. EdDSA
// and Ed25519 are two names of one (RFC 9864 section 2.2).
type algorithm uint8

const (
	algUnknown algorithm = iota
	algRS256
	algRS384
	algRS512
	algPS256
	algPS384
	algPS512
	algES256
	algES384
	algES512
	algEdDSA
	algMLDSA44
	algMLDSA65
	algMLDSA87
)

// algorithms is a set of them.
type algorithms uint32

const allAlgorithms = ^algorithms(0)

func (s algorithms) has(a algorithm) bool        { return s&(1<<a) != 0 }
func (s algorithms) with(a algorithm) algorithms { return s | 1<<a }

// algorithmNamed reads an "alg". "none", the symmetric algorithms and whatever
// else is not a public key signature are algUnknown.
func algorithmNamed(name string) algorithm {
	switch name {
	case "RS256":
		return algRS256
	case "RS384":
		return algRS384
	case "RS512":
		return algRS512
	case "PS256":
		return algPS256
	case "PS384":
		return algPS384
	case "PS512":
		return algPS512
	case "ES256":
		return algES256
	case "ES384":
		return algES384
	case "ES512":
		return algES512
	case "EdDSA", "Ed25519":
		return algEdDSA
	case "ML-DSA-44":
		return algMLDSA44
	case "ML-DSA-65":
		return algMLDSA65
	case "ML-DSA-87":
		return algMLDSA87
	}
	return algUnknown
}

// algorithmSet reads a list of names; unknown ones are left out.
func algorithmSet(names []string) algorithms {
	var s algorithms
	for _, n := range names {
		if a := algorithmNamed(n); a != algUnknown {
			s = s.with(a)
		}
	}
	return s
}

// signingMethods are golang-jwt's, in instances of our own: its registered
// ones are variables that any package of the program may replace, and its
// PS256, PS384 and PS512 verify any salt length where RFC 7518 section 3.5
// wants the hash's. Read only.
var signingMethods = [...]jwt.SigningMethod{
	algRS256:   &jwt.SigningMethodRSA{Name: "RS256", Hash: crypto.SHA256},
	algRS384:   &jwt.SigningMethodRSA{Name: "RS384", Hash: crypto.SHA384},
	algRS512:   &jwt.SigningMethodRSA{Name: "RS512", Hash: crypto.SHA512},
	algPS256:   strictPSS("PS256", crypto.SHA256),
	algPS384:   strictPSS("PS384", crypto.SHA384),
	algPS512:   strictPSS("PS512", crypto.SHA512),
	algES256:   &jwt.SigningMethodECDSA{Name: "ES256", Hash: crypto.SHA256, KeySize: 32, CurveBits: 256},
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
