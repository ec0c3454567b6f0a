// Package jws knows the signature algorithms of JSON Web Signature (RFC 7515)
// and checks signatures. It verifies with public keys only: there is neither
// "none" nor a symmetric algorithm.
package jws

// Algorithm is one signature algorithm. EdDSA and Ed25519 are two names of one
// (RFC 9864 section 2.2).
type Algorithm uint8

// The algorithms of RFC 7518 section 3.1, RFC 8037, RFC 9864 and RFC 9964.
const (
	Unknown Algorithm = iota // whatever else an "alg" may say
	RS256
	RS384
	RS512
	PS256
	PS384
	PS512
	ES256
	ES384
	ES512
	EdDSA
	MLDSA44
	MLDSA65
	MLDSA87
)

// names are what [Named] reads, of two names the first.
var names = [...]string{
	RS256: "RS256", RS384: "RS384", RS512: "RS512",
	PS256: "PS256", PS384: "PS384", PS512: "PS512",
	ES256: "ES256", ES384: "ES384", ES512: "ES512",
	EdDSA:   "EdDSA",
	MLDSA44: "ML-DSA-44", MLDSA65: "ML-DSA-65", MLDSA87: "ML-DSA-87",
}

// Name is the "alg" of a, "" for [Unknown].
func (a Algorithm) Name() string { return names[a] }

// Set is a set of algorithms.
type Set uint32

// All is the set of all algorithms.
const All = ^Set(0)

// Has says whether a is in the set.
func (s Set) Has(a Algorithm) bool { return s&(1<<a) != 0 }

// With returns the set with a in it.
func (s Set) With(a Algorithm) Set { return s | 1<<a }

// Named reads an "alg". "none", the symmetric algorithms and whatever else is
// not a public key signature are [Unknown].
func Named(name string) Algorithm {
	switch name {
	case "RS256":
		return RS256
	case "RS384":
		return RS384
	case "RS512":
		return RS512
	case "PS256":
		return PS256
	case "PS384":
		return PS384
	case "PS512":
		return PS512
	case "ES256":
		return ES256
	case "ES384":
		return ES384
	case "ES512":
		return ES512
	case "EdDSA", "Ed25519":
		return EdDSA
	case "ML-DSA-44":
		return MLDSA44
	case "ML-DSA-65":
		return MLDSA65
	case "ML-DSA-87":
		return MLDSA87
	}
	return Unknown
}

// SetOf reads a list of names. Unknown ones are left out.
func SetOf(names []string) Set {
	var s Set
	for _, name := range names {
		if a := Named(name); a != Unknown {
			s = s.With(a)
		}
	}
	return s
}
