package jwks

import "crypto"

// Accelerator prepares public keys, so that checking a signature with one does
// not begin anew each time what depends on the key alone. The nested module
// contrib/accel has one; there is none by default, and then every signature is
// checked by the standard library.
//
// An Accelerator decides about signatures. What its keys accept and refuse
// must be exactly what the standard library accepts and refuses.
type Accelerator interface {
	// Prepare returns the prepared form of key, or nil to leave this key to
	// the standard library. It is called once for a key, outside every lock,
	// with a copy: an *rsa.PublicKey, an *ecdsa.PublicKey, an
	// ed25519.PublicKey, or on Go 1.27 and later an *mldsa.PublicKey. A panic
	// counts as nil.
	Prepare(key crypto.PublicKey) PreparedKey
}

// PreparedKey checks the signatures of one key. It may be used by several
// goroutines at a time.
type PreparedKey interface {
	// Verify reports whether signature is the JWS signature (RFC 7515
	// section 5.2) of signed under the algorithm alg.
	//
	// alg is one that the key allows, by its "alg" value (RFC 7518 section
	// 3.1, RFC 8037 section 3.1); an Ed25519 key is asked about "EdDSA" and
	// about "Ed25519" (RFC 9864 section 2.2), which mean the same. signed is
	// the JWS signing input, and signature is decoded but otherwise as it came:
	// of any length and content. Verify must not write to signature and must
	// not keep it.
	//
	// The answer is final: after false nothing else is asked. A panic counts as
	// false.
	Verify(alg string, signed string, signature []byte) bool
}
