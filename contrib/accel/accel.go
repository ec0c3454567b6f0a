// Package accel checks the signatures of tokens faster than the standard
// library, by preparing each key once.
//
// The standard library keeps nothing that it computes from a public key between calls:
// crypto/rsa prepares its modulus each time, and crypto/ecdsa and
// crypto/ed25519 multiply the same point from scratch. A service that verifies
// many tokens uses the same few keys all day, so this package keeps what depends
// on the key alone:
//
//	RS256, RS384, RS512, PS256, PS384, PS512   RSA of 2048 to 4096 bits
//	ES256                                      ECDSA with P-256
//	EdDSA, Ed25519                             Ed25519
//
// It is for services whose verification time matters; README.md says how much it
// gains, and why it is not the default.
//
// Everything here is public: keys, signatures and what is signed. So the code
// does not run in constant time, and must not be used to sign.
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
// which the standard library then handles.
//
// It declines all keys if replacing the standard library would be wrong or would gain
// nothing: in FIPS 140-3 mode ([fips140.Enabled]) and in a build with
// BoringCrypto, which require a validated module to compute; under the build tag
// purego; and on architectures other than amd64, arm64 and ppc64le, see arch.go.
//
// A prepared key may be used by several goroutines at a time. It does not refer to the
// key that it was made from, or to any signature.
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
