//go:build !go1.27

package jwk

import (
	"crypto"
	"errors"
)

// readAKP refuses: crypto/mldsa came with Go 1.27.
func (e *entry) readAKP(*Key) error {
	return errors.New(`kty "AKP" needs a program built with Go 1.27 or later`)
}

// describeMLDSA knows no key: see readAKP.
func describeMLDSA(crypto.PublicKey) *document { return nil }
