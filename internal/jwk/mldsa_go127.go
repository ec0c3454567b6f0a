//go:build go1.27

package jwk

import (
	"crypto/mldsa"
	"errors"
	"fmt"
)

// readAKP reads an ML-DSA key (RFC 9964). "alg" is required there, as nothing
// else names the parameter set.
func (e *entry) readAKP(k *Key) error {
	k.Type = "AKP"
	if _, err := text("alg", e.alg); err != nil {
		return err
	}
	if err := e.readAlg(k, "AKP", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"); err != nil {
		return err
	}
	var params mldsa.Parameters
	switch k.Alg {
	case "ML-DSA-44":
		params = mldsa.MLDSA44()
	case "ML-DSA-65":
		params = mldsa.MLDSA65()
	default:
		params = mldsa.MLDSA87()
	}
	s, err := text("pub", e.pub)
	if err != nil {
		return err
	}
	if n := octets(s); n != params.PublicKeySize() {
		return fmt.Errorf("pub of %d octets, want %d", n, params.PublicKeySize())
	}
	// No issuer publishes such keys in an old style: nothing to be tolerant of.
	encoding := make([]byte, params.PublicKeySize())
	if _, err := decodeIn(urlAlphabet, encoding, s); err != nil {
		return fmt.Errorf("pub is %w", err)
	}
	pub, err := mldsa.NewPublicKey(params, encoding)
	if err != nil {
		// Its text may be about the FIPS module as well as the key.
		return errors.New("pub is not a public key that crypto/mldsa takes")
	}
	k.Public = pub
	return nil
}
