package jwks

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// ParsePEM reads public keys from PEM (RFC 7468): blocks of type PUBLIC KEY,
// RSA PUBLIC KEY and CERTIFICATE, in order, at most 1,000 of them. Of a
// certificate only the key counts: nobody is asked who signed it, nor whether
// it has expired. The keys have no kid, so that a token is verified with those
// that allow its algorithm; those from certificates are found by the thumbprint
// that a token names as well.
//
// The rules for a key are those of [ParseKeySet]. Blocks that are not usable,
// private keys among them, are left out and listed by [KeySet.Skipped], whose
// Index counts the blocks from 0. No usable key, no block, and a document that
// ends within a block are [ErrInvalidKeySet]. The keys are bound to no issuer.
func ParsePEM(document []byte) (*KeySet, error) {
	return readPEM(document, nil, nil)
}

// readPEM is readKeySet for PEM.
func readPEM(document []byte, b *binding.Binding, previous *KeySet) (*KeySet, error) {
	document = strictjson.TrimBOM(document)
	digest := sha256.Sum256(document)
	if previous != nil && previous.digest == digest {
		return previous, nil
	}
	blocks, err := jwk.FromPEM(document, maxKeys)
	if err != nil {
		return nil, fault.Unavailable("the document is not a set of PEM keys: "+err.Error(), ErrInvalidKeySet)
	}
	return readBlocks(blocks, b, previous).finish(digest)
}

// PublicKey is a key that the program has, for [NewKeySet].
type PublicKey struct {
	// ID is the "kid" by which tokens name the key. "": none, and the key is
	// for tokens whose algorithm it allows.
	ID string
	// Algorithm is the only JWS algorithm (RFC 7518 section 3.1) that the key
	// may verify. "": every one that its type and curve allow.
	Algorithm string
	// Key is an *rsa.PublicKey, an *ecdsa.PublicKey, an ed25519.PublicKey, or,
	// on Go 1.27 and later, an *mldsa.PublicKey. It is copied.
	Key crypto.PublicKey
}

// NewKeySet makes a key set of keys that the program has, at most 1,000: for a
// [Verifier], for [WithKeySet], or beside an issuer's in [AnyOf]. They are bound
// to no issuer.
//
// What can only be a mistake is [ErrConfig]: no key, a nil or a private one,
// something that is not a public key, an algorithm that is not one of the
// key's. The rules for a key are those of [ParseKeySet]: a weak one is left out
// and listed by [KeySet.Skipped], and if none is left that is
// [ErrInvalidKeySet].
func NewKeySet(keys ...PublicKey) (*KeySet, error) {
	switch {
	case len(keys) == 0:
		return nil, configError("NewKeySet", "there is no key")
	case len(keys) > maxKeys:
		return nil, configError("NewKeySet", "there are %d keys, want at most %d", len(keys), maxKeys)
	}
	var errs []error
	entries := make([]jwk.Block, len(keys))
	digest := sha256.New()
	for i, key := range keys {
		text, err := jwk.FromPublic(key.Key, key.ID, key.Algorithm)
		if err != nil {
			errs = append(errs, configError("NewKeySet", "key %d: %v", i, err))
		}
		entries[i].JWK = text
		digest.Write([]byte(text))
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	r := readBlocks(entries, nil, nil)
	for _, skipped := range r.set.skipped {
		if jwk.IsMisfit(skipped.Err) {
			errs = append(errs, configError("NewKeySet", "key %d: %v", skipped.Index, skipped.Err))
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return r.finish([32]byte(digest.Sum(nil)))
}

// readBlocks reads keys that were turned into JWKs, by the rules for those.
func readBlocks(blocks []jwk.Block, b *binding.Binding, previous *KeySet) *setReader {
	var document strings.Builder
	document.WriteString(`{"keys":[`)
	for i, block := range blocks {
		if i > 0 {
			document.WriteByte(',')
		}
		document.WriteString(cmp.Or(block.JWK, "null"))
	}
	document.WriteString("]}")
	r := newSetReader(jwk.Reader{}, b, previous)
	entries, _ := keyEntries(document.String()) // we have just written it
	for i := 0; entries.Next(); i++ {
		if err := blocks[i].Err; err != nil {
			r.set.skipped = append(r.set.skipped, SkippedKey{Index: i, Err: err})
		} else {
			r.read(i, entries.Value())
		}
	}
	return r
}
