//go:build go1.27

package jwkstest

import (
	"crypto"
	"crypto/mldsa"
)

// ML-DSA (FIPS 204) under its JOSE names (RFC 9964 section 4): the parameter
// sets are called what the algorithms are.
func init() {
	for _, params := range []mldsa.Parameters{mldsa.MLDSA44(), mldsa.MLDSA65(), mldsa.MLDSA87()} {
		algorithms[params.String()] = algorithm{
			family:   params.String(),
			generate: func() (crypto.Signer, error) { return mldsa.GenerateKey(params) },
			sign: func(input string, key crypto.Signer) ([]byte, error) {
				return key.Sign(nil, []byte(input), nil) // the whole input, and an empty context
			},
			publish: publishJWK,
		}
	}
}
