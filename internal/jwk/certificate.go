package jwk

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// checkCertificate refuses a key whose "x5c" leaf (RFC 7517 section 4.7) is for
// another key: then we cannot tell which of the two the issuer means. Trust is
// not taken from certificates, so one that cannot be read, has expired or
// stands in a member of the wrong type costs no key.
func checkCertificate(x5c strictjson.Value, pub crypto.PublicKey) error {
	if x5c.Kind() != strictjson.Array {
		return nil
	}
	chain := x5c.Elements()
	if !chain.Next() {
		return nil
	}
	leaf, err := chain.Value().Text()
	if err != nil {
		return nil
	}
	// Standard base64 here, unlike everywhere else in a JWK.
	der, err := base64.StdEncoding.DecodeString(leaf)
	if err != nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil || certificate.PublicKey == nil {
		return nil
	}
	if !Equal(pub, certificate.PublicKey) {
		return errors.New("x5c holds a certificate for another key")
	}
	return nil
}
