package jwk

import (
	"crypto/sha1" // #nosec G505 -- see Key.SHA1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// readCertificate refuses a key whose "x5c" leaf (RFC 7517 section 4.7) is for
// another key: then we cannot tell which of the two the issuer means. Trust is
// not taken from certificates, so one that cannot be read, has expired or
// stands in a member of the wrong type costs no key. Of one that can be read
// the thumbprints are computed where the entry names none.
func (e *entry) readCertificate(k *Key) error {
	var t Thumbprints
	t.X5t, t.SHA1, t.HasSHA1 = readThumbprint(e.x5t, SHA1Thumbprint)
	t.X5tS256, t.SHA256, t.HasSHA256 = readThumbprint(e.x5tS256, SHA256Thumbprint)
	if leaf := e.leaf(); leaf != nil && leaf.PublicKey != nil {
		if !Equal(k.Public, leaf.PublicKey) {
			return errors.New("x5c holds a certificate for another key")
		}
		if !t.HasSHA1 {
			t.SHA1, t.HasSHA1 = sha1.Sum(leaf.Raw), true
		}
		if !t.HasSHA256 {
			t.SHA256, t.HasSHA256 = sha256.Sum256(leaf.Raw), true
		}
	}
	if t != (Thumbprints{}) {
		kept := t
		k.Thumbprints = &kept
	}
	return nil
}

// leaf reads the first certificate of "x5c", nil if that cannot be done.
func (e *entry) leaf() *x509.Certificate {
	if e.x5c.Kind() != strictjson.Array {
		return nil
	}
	chain := e.x5c.Elements()
	if !chain.Next() {
		return nil
	}
	text, err := chain.Value().Text()
	if err != nil {
		return nil
	}
	// Standard base64 here, unlike everywhere else in a JWK.
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return certificate
}

// isCertificateOnly says that the entry has a certificate and nothing of a key
// besides "kty".
func (e *entry) isCertificateOnly() bool {
	for _, v := range []strictjson.Value{e.n, e.e, e.crv, e.x, e.y, e.pub} {
		if v.Kind() != strictjson.Absent {
			return false
		}
	}
	return e.x5c.Kind() == strictjson.Array && !isEmpty(e.x5c)
}
