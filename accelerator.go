package jwks

import (
	"crypto"
	"reflect"
	"sync"
)

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

// WithAccelerator checks signatures with keys that a prepares, once each, when
// they first check one. A refresh keeps what was prepared while an entry of the
// set is unchanged. Default: none, the standard library checks every signature.
// For [Issuers], say it with [WithClientOptions]; [Client.Keyfunc] leaves
// signatures to golang-jwt. A nil accelerator is [ErrConfig].
func WithAccelerator(a Accelerator) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if v := reflect.ValueOf(a); a == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return configError("WithAccelerator", "the accelerator is nil")
		}
		c.accelerator = a
		return nil
	})
}

// acceleration is what an accelerator makes of one key.
type acceleration struct {
	by   Accelerator
	once sync.Once
	key  PreparedKey // nil: left to the standard library
}

// accelerate lets a, which may be nil, check the signatures of keys that were
// just read. Those that a refresh kept have their acceleration.
func (s *KeySet) accelerate(a Accelerator) {
	if a == nil {
		return
	}
	for _, k := range s.keys {
		if k.acceleration == nil {
			k.acceleration = &acceleration{by: a}
		}
	}
}

// prepared returns the prepared form of key, nil where there is none.
func (a *acceleration) prepared(key crypto.PublicKey) PreparedKey {
	if a == nil {
		return nil
	}
	a.once.Do(func() {
		defer func() {
			if recover() != nil {
				a.key = nil
			}
		}()
		a.key = a.by.Prepare(clonePublic(key))
	})
	return a.key
}

// verifyPrepared takes a panic for a signature that does not verify.
func verifyPrepared(p PreparedKey, alg, signed string, signature []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return p.Verify(alg, signed, signature)
}
