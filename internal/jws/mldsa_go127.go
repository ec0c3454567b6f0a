//go:build go1.27

package jws

import (
	"crypto/mldsa"

	"github.com/golang-jwt/jwt/v5"
)

// mldsaMethod verifies ML-DSA signatures (FIPS 204) under their JOSE names
// (RFC 9964 section 4), with an empty context string.
func mldsaMethod(name string) jwt.SigningMethod { return signingMethodMLDSA(name) }

type signingMethodMLDSA string

func (m signingMethodMLDSA) Alg() string { return string(m) }

func (m signingMethodMLDSA) Verify(signingInput string, signature []byte, key any) error {
	pub, ok := key.(*mldsa.PublicKey)
	if !ok || pub.Parameters().String() != string(m) {
		return jwt.ErrInvalidKeyType
	}
	return mldsa.Verify(pub, []byte(signingInput), signature, nil)
}

// Sign is there for the interface: this package does not sign.
func (m signingMethodMLDSA) Sign(string, any) ([]byte, error) { return nil, jwt.ErrInvalidKeyType }
