package jwks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Limits of a key set, against documents made to cost memory.
const (
	maxKeys       = 1000 // entries of "keys"; more refuse the document
	maxCandidates = 4    // keys tried for one token
	maxKeyID      = 256  // bytes of a kid; a longer one matches no key
)

// Key is a public key that may verify tokens. It is immutable and safe to
// share. Only reading a key set makes one; the zero value is not usable.
type Key struct {
	alone    [1]*Key          // the key as a list of one, so that finding it allocates nothing
	copied   sync.Once        // guards public
	public   crypto.PublicKey // a copy for callers, made when the first one asks
	verifier crypto.PublicKey // what signatures are checked with; never leaves the package
	allows   algorithms
	binding  *binding
	parsed   *jwk.Key
	digest   [32]byte // SHA-256 of the entry's text: a refresh keeps a key whose entry did not change
}

// ID returns the "kid" (RFC 7517 section 4.5), "" when the JWK has none.
func (k *Key) ID() string { return k.parsed.ID }

// Type returns the "kty" (RFC 7517 section 4.1): RSA, EC, OKP or AKP.
func (k *Key) Type() string { return k.parsed.Type }

// Use returns the "use" as published (RFC 7517 section 4.2): "sig" or "".
func (k *Key) Use() string { return k.parsed.Use }

// Algorithms returns the JWS algorithms that this key may verify: its declared
// "alg" (RFC 7517 section 4.4), else those that its type and curve allow. An
// Ed25519 key lists both of its names, EdDSA and Ed25519 (RFC 9864).
func (k *Key) Algorithms() []string { return append([]string(nil), k.parsed.Algorithms...) }

// Issuer returns the issuer that this key is bound to, "" when it is bound to
// none. A bound key never verifies a token of another issuer.
func (k *Key) Issuer() string {
	if k.binding == nil {
		return ""
	}
	return k.binding.issuer
}

// Public returns the key as crypto/x509 would: *rsa.PublicKey,
// *ecdsa.PublicKey, ed25519.PublicKey, and on Go 1.27 and later
// *mldsa.PublicKey. Callers of one Key share what is returned and must not
// change it; changing it would not change what this package verifies with.
func (k *Key) Public() crypto.PublicKey {
	k.copied.Do(func() { k.public = clonePublic(k.verifier) })
	return k.public
}

// Thumbprint returns the JWK thumbprint with SHA-256, base64url (RFC 7638).
// It is computed at each call.
func (k *Key) Thumbprint() string {
	j := jose.JSONWebKey{Key: k.verifier}
	sum, err := j.Thumbprint(crypto.SHA256)
	if err != nil { // go-jose knows every type that reading a key lets through
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// JWK returns a copy of the key in go-jose's type, without certificates.
func (k *Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: clonePublic(k.verifier), KeyID: k.parsed.ID, Algorithm: k.parsed.Alg, Use: k.parsed.Use}
}

// SkippedKey is an entry of "keys" that is not used, and why. One such entry
// never costs the others (RFC 7517 section 5).
type SkippedKey struct {
	Index int    // counts the entries of "keys" from 0
	KeyID string // its "kid", when that is a string
	Err   error  // what is wrong with it, in one line
}

// KeySet is an immutable snapshot of a JWK Set (RFC 7517 section 5). It is a
// [KeySource] of its own, for use without a network.
type KeySet struct {
	keys    []*Key
	byID    map[string][]*Key // nil for a few keys with a kid each; see withID
	skipped []SkippedKey
	digest  [32]byte // of the document
}

// ParseKeySet reads a JWK Set. The document must be a JSON object in valid
// UTF-8 with an array "keys" of at most 1,000 entries, at least one of them
// usable; anything else is [ErrInvalidKeySet]. Entries that are not usable are
// left out and listed by [KeySet.Skipped]. The keys are bound to no issuer.
//
// Usable is a public key (RSA of 2048 to 8192 bits; EC P-256, P-384, P-521;
// Ed25519; with Go 1.27 and later ML-DSA) that is meant for signatures ("use",
// "key_ops" and "alg" absent or saying so) and passes the checks of its type.
func ParseKeySet(document []byte) (*KeySet, error) {
	return readKeySet(document, nil, nil)
}

// readKeySet reads a document into keys bound to b. Entries whose text did not
// change since previous keep their keys; an unchanged document keeps them all.
func readKeySet(document []byte, b *binding, previous *KeySet) (*KeySet, error) {
	digest := sha256.Sum256(document)
	if previous != nil && previous.digest == digest {
		return previous, nil
	}
	entries, err := keyEntries(string(document))
	if err != nil {
		return nil, err
	}
	known := previous.byDigest()
	set := &KeySet{digest: digest}
	var text []byte
	for index := 0; entries.Next(); index++ {
		if index == maxKeys {
			return nil, unavailable(fmt.Sprintf("the key set has more than %d entries", maxKeys), ErrInvalidKeySet)
		}
		entry := entries.Value()
		text = append(text[:0], entry.Raw()...)
		digest := sha256.Sum256(text)
		key := known[digest]
		if key == nil {
			parsed, kid, err := jwk.Parse(entry)
			if err == nil {
				key, err = newKey(parsed, b, digest)
			}
			if err != nil {
				set.skipped = append(set.skipped, SkippedKey{index, kid, err})
				continue
			}
		}
		set.add(index, key)
	}
	if err := entries.Err(); err != nil {
		return nil, unavailable("the document is no JWK Set: "+err.Error(), ErrInvalidKeySet)
	}
	if len(set.keys) == 0 {
		return nil, unavailable("no usable signing key in the set: "+summary(set.skipped), ErrInvalidKeySet)
	}
	return set, nil
}

// keyEntries finds the array "keys": the exact name, once.
func keyEntries(document string) (strictjson.Elements, error) {
	var keys strictjson.Value
	found := 0
	members := strictjson.Object(document)
	members.AllowDuplicates() // of other members, which are not ours to judge
	for members.Next() {
		if members.Name() == "keys" {
			keys = members.Value()
			found++
		}
	}
	var problem string
	switch err := members.Err(); {
	case err != nil:
		problem = err.Error()
	case found == 0:
		problem = `it has no member "keys"`
	case found > 1:
		problem = `it has several members "keys"`
	case keys.Kind() != strictjson.Array:
		problem = `its member "keys" is no array`
	default:
		return keys.Elements(), nil
	}
	return strictjson.Elements{}, unavailable("the document is no JWK Set: "+problem, ErrInvalidKeySet)
}

// summary says in one line why no entry was usable.
func summary(skipped []SkippedKey) string {
	if len(skipped) == 0 {
		return `"keys" is empty`
	}
	return fmt.Sprintf("%d skipped, the first because: %v", len(skipped), skipped[0].Err)
}

// newKey binds a parsed key. It fails for a key that names another issuer.
func newKey(parsed *jwk.Key, b *binding, digest [32]byte) (*Key, error) {
	own, err := b.forKey(parsed.Issuer)
	if err != nil {
		return nil, err
	}
	k := &Key{
		parsed:   parsed,
		verifier: parsed.Public,
		allows:   algorithmSet(parsed.Algorithms),
		binding:  own,
		digest:   digest,
	}
	k.alone[0] = k
	return k, nil
}

// add takes a key in. A second entry with the kid, the key and the "alg" of an
// earlier one is that key again.
func (s *KeySet) add(index int, key *Key) {
	for _, other := range s.withID(key.ID()) {
		if other.sameAs(key) {
			s.skipped = append(s.skipped, SkippedKey{index, key.ID(), errors.New("an earlier entry is the same key")})
			return
		}
	}
	s.append(key)
}

// fewKeys are looked through one by one: an index of them would cost a service
// with many issuers more memory than it saves time.
const fewKeys = 8

// withID finds the keys with a kid, "" for those without one.
func (s *KeySet) withID(kid string) []*Key {
	if s.byID != nil {
		return s.byID[kid]
	}
	for _, k := range s.keys {
		if k.parsed.ID == kid {
			return k.alone[:]
		}
	}
	return nil
}

// append keeps the keys in order, with an index once they are many or share a
// kid.
func (s *KeySet) append(key *Key) {
	fresh := []*Key{key}
	if s.byID == nil && (len(s.keys) == fewKeys || s.withID(key.ID()) != nil) {
		s.byID = make(map[string][]*Key)
		fresh = append(s.keys[:len(s.keys):len(s.keys)], key)
	}
	if s.byID != nil {
		for _, k := range fresh {
			if same := s.byID[k.ID()]; same != nil {
				s.byID[k.ID()] = append(same[:len(same):len(same)], k)
			} else {
				s.byID[k.ID()] = k.alone[:]
			}
		}
	}
	s.keys = append(s.keys, key)
}

// byDigest finds keys by the text of their entries; nil-safe.
func (s *KeySet) byDigest() map[[32]byte]*Key {
	if s == nil {
		return nil
	}
	m := make(map[[32]byte]*Key, len(s.keys))
	for _, k := range s.keys {
		m[k.digest] = k
	}
	return m
}

// sameAs says whether two keys are the same material for the same algorithms
// and issuer.
func (k *Key) sameAs(other *Key) bool {
	return k == other || k.parsed.Alg == other.parsed.Alg && k.Issuer() == other.Issuer() && jwk.Equal(k.verifier, other.verifier)
}

// bound returns the set with its keys bound to b, for a seed. Keys that name
// another issuer are left out.
func (s *KeySet) bound(b *binding) *KeySet {
	if b == nil {
		return s
	}
	set := &KeySet{skipped: s.skipped}
	for i, k := range s.keys {
		if key, err := newKey(k.parsed, b, k.digest); err != nil {
			set.skipped = append(set.skipped[:len(set.skipped):len(set.skipped)], SkippedKey{i, k.ID(), err})
		} else {
			set.add(i, key)
		}
	}
	return set
}

// Len returns the number of usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// Key returns the first usable key with this kid. "" finds the first key
// without one.
func (s *KeySet) Key(kid string) (*Key, bool) {
	if keys := s.withID(kid); len(keys) > 0 {
		return keys[0], true
	}
	return nil, false
}

// All yields the usable keys in the order of the document.
func (s *KeySet) All() iter.Seq[*Key] { return slices.Values(s.keys) }

// Skipped lists the entries that were left out, and why, in the order of the
// document.
func (s *KeySet) Skipped() []SkippedKey { return slices.Clone(s.skipped) }

// MarshalJSON writes the usable public keys as a JWK Set that [ParseKeySet]
// reads back: for a file to start from with [WithKeySet]. Besides the members
// that go-jose writes it keeps "x5t", "x5t#S256" and Entra's "issuer".
func (s *KeySet) MarshalJSON() ([]byte, error) {
	document := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: make([]json.RawMessage, 0, len(s.keys))}
	for _, k := range s.keys {
		entry, err := k.marshal()
		if err != nil {
			return nil, err
		}
		document.Keys = append(document.Keys, entry)
	}
	return json.Marshal(document)
}

func (k *Key) marshal() (json.RawMessage, error) {
	entry, err := k.JWK().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("jwks: key %s: %w", quote(k.ID()), err)
	}
	for _, more := range [][2]string{{"x5t", k.parsed.X5t}, {"x5t#S256", k.parsed.X5tS256}, {"issuer", k.parsed.Issuer}} {
		if more[1] == "" {
			continue
		}
		value, err := json.Marshal(more[1])
		if err != nil {
			return nil, fmt.Errorf("jwks: key %s: %w", quote(k.ID()), err)
		}
		entry = append(entry[:len(entry)-1], `,"`+more[0]+`":`...)
		entry = append(append(entry, value...), '}')
	}
	return entry, nil
}

// SigningKeys returns the keys of the set that may have signed a token with
// header h, at most four, best first: those with its kid, else those with its
// x5t#S256, else those with its x5t, else, where it names none, the only key
// that allows its algorithm. It ignores the issuer; the keys' own bindings
// stand. The slice is shared and must not be changed.
//
// Errors, all [ErrTokenInvalid]: [ErrKeyNotFound], or
// [ErrAlgorithmNotAllowed] when the key is there and its "alg" is another.
func (s *KeySet) SigningKeys(_ context.Context, h Header, _ string) ([]*Key, error) {
	keys, verdict := s.choose(&h)
	if verdict == chosen {
		return keys, nil
	}
	return nil, invalid(verdict.describe(h)+" in the key set ("+count(s.Len(), "key")+")", verdict.reason())
}

// ignoresIssuer marks a source whose answer does not depend on the token's
// issuer: a verifier need not read it before the signature is checked.
func (s *KeySet) ignoresIssuer() {}

// clonePublic copies a public key.
func clonePublic(key crypto.PublicKey) crypto.PublicKey {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	case *ecdsa.PublicKey:
		return &ecdsa.PublicKey{Curve: k.Curve, X: new(big.Int).Set(k.X), Y: new(big.Int).Set(k.Y)}
	case ed25519.PublicKey:
		return slices.Clone(k)
	}
	return key // *mldsa.PublicKey cannot be changed from outside
}
