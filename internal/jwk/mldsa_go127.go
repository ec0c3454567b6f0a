//go:build go1.27

package jwk

import (
	"crypto"
	"crypto/mldsa"
	"encoding/base64"
	"errors"
)

// readAKP reads an ML-DSA key (RFC 9964). "alg" is required there, as nothing
// else names the parameter set.
func (e *entry) readAKP(k *Key) error {
	k.Type = "AKP"
	if err := e.readAlg(k, "AKP", []string{"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}); err != nil {
		return err
	}
	if k.Alg == "" {
		return errors.New("alg is missing")
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
	encoding := make([]byte, params.PublicKeySize())
	if err := exactly(encoding, "pub", e.pub); err != nil {
		return err
	}
	pub, err := mldsa.NewPublicKey(params, encoding)
	if err != nil {
		// Its text may be about the FIPS module as well as the key.
		return errors.New("pub is not a public key that crypto/mldsa takes")
	}
	k.Public = pub
	return nil
}

// describeMLDSA takes an ML-DSA key apart; nil for another one.
func describeMLDSA(public crypto.PublicKey) *document {
	k, ok := public.(*mldsa.PublicKey)
	if !ok || k == nil {
		return nil
	}
	return &document{Type: "AKP", Algorithm: k.Parameters().String(), Pub: base64.RawURLEncoding.EncodeToString(k.Bytes())}
}
