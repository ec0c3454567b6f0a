// Package accel checks the signatures of tokens faster than the standard
// library, by preparing each key once.
//
// The standard library keeps nothing of a public key from one call to the next.
// crypto/rsa prepares its modulus anew each time, and crypto/ecdsa and
// crypto/ed25519 multiply the same point from scratch. A service that verifies
// many tokens uses the same few keys all day, so this package keeps what depends
// on the key alone:
//
//	RS256, RS384, RS512, PS256, PS384, PS512   RSA of 2048 to 4096 bits
//	ES256                                      ECDSA with P-256
//	EdDSA, Ed25519                             Ed25519
//
// It is for a client whose verification time matters; see README.md for what it
// gains, and for what speaks against it.
//
// Everything here is public: keys, signatures and what is signed. So none of it
// is written to run in constant time, and none of it may be used to sign.
package accel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rsa"

	"github.com/seed-22400188/jwks"
)

// New returns an accelerator for RSA keys of 2048 to 4096 bits with an odd
// exponent from 3 to 2^31-1, P-256 keys and Ed25519 keys. It declines other keys,
// which the standard library then serves.
//
// It declines every key where it would be wrong or no gain to replace the
// standard library: in FIPS 140-3 mode ([fips140.Enabled]) and in a build with
// BoringCrypto, whose point is which module computes; under the build tag
// purego; and on processors other than amd64, arm64 and ppc64le, see arch.go.
//
// A prepared key may be used by several goroutines at a time, and keeps no part
// of the key that it was made from, nor of any signature.
func New() jwks.Accelerator { return accelerator{} }

type accelerator struct{}

// Prepare implements [jwks.Accelerator].
func (accelerator) Prepare(key crypto.PublicKey) jwks.PreparedKey {
	if !supported || fips140.Enabled() {
		return nil
	}
	// A nil pointer in an interface is not nil, hence the second result.
	var prepared jwks.PreparedKey
	ok := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		prepared, ok = prepareRSA(key)
	case *ecdsa.PublicKey:
		prepared, ok = prepareP256(key)
	case ed25519.PublicKey:
		prepared, ok = prepareEd25519(key)
	}
	if !ok {
		return nil
	}
	return prepared
}
