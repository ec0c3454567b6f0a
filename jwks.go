package jwks

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Limits of a key set, against documents made to cost memory.
const (
	maxKeys       = 1000 // entries of "keys"; more refuse the document
	maxCandidates = 4    // keys tried for one token
	maxKeyID      = 256  // bytes of a kid; a longer one matches no key
)

// SkippedKey is an entry of "keys" that is not used, and why. The other entries are used
// all the same (RFC 7517 section 5).
type SkippedKey struct {
	Index int    // counts the entries of "keys" from 0
	KeyID string // its "kid", if that is a string
	Err   error  // what is wrong with it, in one line
}

// MarshalJSON writes index, key_id if there is one, and error as a string.
func (s SkippedKey) MarshalJSON() ([]byte, error) {
	document := struct {
		Index int    `json:"index"`
		KeyID string `json:"key_id,omitempty"`
		Error string `json:"error,omitempty"`
	}{s.Index, s.KeyID, ""}
	if s.Err != nil {
		document.Error = s.Err.Error()
	}
	return json.Marshal(document)
}

// KeySet is an immutable snapshot of a JWK Set (RFC 7517 section 5). It is a
// [KeySource] itself, for use without a network.
type KeySet struct {
	keys    []*Key
	byID    map[string][]*Key // nil for a few keys with a kid each; see withID
	skipped []SkippedKey
	digest  [32]byte // of the document

	crowded map[string]map[identity]bool // while it is read: keys by a kid that many have
}

// ParseKeySet reads a JWK Set. The document must be a JSON object in valid
// UTF-8 with an array "keys" of at most 1,000 entries, at least one of them
// usable; anything else is [ErrInvalidKeySet]. Entries that are not usable are
// left out and listed by [KeySet.Skipped]. The keys are not bound to an issuer.
//
// An entry is usable if it is a public key (RSA of 2048 to 8192 bits; EC P-256, P-384 or
// P-521; Ed25519; with Go 1.27 and later ML-DSA) that is meant for signatures ("use",
// "key_ops" and "alg" are absent or say so) and passes the checks for its type.
func ParseKeySet(document []byte) (*KeySet, error) {
	return readKeySet(document, jwk.Reader{}, nil, nil)
}

// readKeySet reads a document into keys bound to b. Entries whose text did not
// change since previous keep their keys; an unchanged document keeps them all.
func readKeySet(document []byte, reader jwk.Reader, b *binding.Binding, previous *KeySet) (*KeySet, error) {
	document = strictjson.TrimBOM(document)
	digest := sha256.Sum256(document)
	if previous != nil && previous.digest == digest {
		return previous, nil
	}
	entries, err := keyEntries(string(document))
	if err != nil {
		return nil, err
	}
	r := newSetReader(reader, b, previous)
	for index := 0; entries.Next(); index++ {
		if index == maxKeys {
			return nil, fault.Unavailable(fmt.Sprintf("the key set has more than %d entries", maxKeys), ErrInvalidKeySet)
		}
		r.read(index, entries.Value())
	}
	if err := entries.Err(); err != nil {
		return nil, fault.Unavailable("the document is not a JWK Set: "+err.Error(), ErrInvalidKeySet)
	}
	return r.finish(digest)
}

// setReader makes a key set of entries.
type setReader struct {
	set     *KeySet
	entries jwk.Reader
	binding *binding.Binding
	known   map[[32]byte]*Key // by the digest of their entry: they are not read again
	text    []byte            // of an entry
}

func newSetReader(entries jwk.Reader, b *binding.Binding, previous *KeySet) *setReader {
	return &setReader{set: &KeySet{}, entries: entries, binding: b, known: previous.byDigest()}
}

// read reads an entry and takes its key in, or notes why not.
func (r *setReader) read(index int, entry strictjson.Value) {
	r.text = append(r.text[:0], entry.Raw()...)
	digest := sha256.Sum256(r.text)
	key := r.known[digest]
	if key == nil {
		parsed, kid, err := r.entries.Parse(entry)
		if err == nil {
			key, err = newKey(parsed, r.binding, digest)
		}
		if err != nil {
			r.set.skipped = append(r.set.skipped, SkippedKey{index, kid, err})
			return
		}
	}
	r.set.add(index, key)
}

// finish returns the set of a document with this digest.
func (r *setReader) finish(digest [32]byte) (*KeySet, error) {
	r.set.crowded = nil
	if len(r.set.keys) == 0 {
		return nil, fault.Unavailable("no usable signing key in the set: "+summary(r.set.skipped), ErrInvalidKeySet)
	}
	r.set.digest = digest
	return r.set, nil
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
		problem = `its member "keys" is not an array`
	default:
		return keys.Elements(), nil
	}
	return strictjson.Elements{}, fault.Unavailable("the document is not a JWK Set: "+problem, ErrInvalidKeySet)
}

// summary says in one line why no entry was usable.
func summary(skipped []SkippedKey) string {
	if len(skipped) == 0 {
		return `"keys" is empty`
	}
	return fmt.Sprintf("%d skipped, the first because: %v", len(skipped), skipped[0].Err)
}

// add takes a key in. A second entry with the kid, the key and the "alg" of an
// earlier one is that key again.
func (s *KeySet) add(index int, key *Key) {
	same := s.withID(key.ID())
	repeated := false
	if len(same) < fewKeys {
		repeated = slices.ContainsFunc(same, key.sameAs)
	} else {
		repeated = s.isRepeated(same, key)
	}
	if repeated {
		s.skipped = append(s.skipped, SkippedKey{index, key.ID(), errors.New("an earlier entry is the same key")})
		return
	}
	s.insert(key)
}

// isRepeated looks for a key among many with its kid: one by one, a thousand
// entries would cost half a million comparisons.
func (s *KeySet) isRepeated(same []*Key, key *Key) bool {
	known := s.crowded[key.ID()]
	if known == nil {
		known = make(map[identity]bool)
		for _, k := range same {
			known[k.identity()] = true
		}
		if s.crowded == nil {
			s.crowded = make(map[string]map[identity]bool)
		}
		s.crowded[key.ID()] = known
	}
	id := key.identity()
	repeated := known[id]
	known[id] = true
	return repeated
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

// insert keeps the keys in order, and in an index once there are many or two
// share a kid.
func (s *KeySet) insert(key *Key) {
	switch {
	case s.byID != nil:
		s.index(key)
	case len(s.keys) == fewKeys || s.withID(key.ID()) != nil:
		s.byID = make(map[string][]*Key)
		for _, k := range s.keys {
			s.index(k)
		}
		s.index(key)
	}
	s.keys = append(s.keys, key)
}

// index enters a key into the index. Nobody holds a slice of it yet.
func (s *KeySet) index(key *Key) {
	if same := s.byID[key.ID()]; same != nil {
		s.byID[key.ID()] = append(same, key)
	} else {
		s.byID[key.ID()] = key.alone[:]
	}
}

// byDigest finds keys by the digest of their entries. s may be nil.
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

// bound returns a copy of the set with its keys bound to b, for a seed. Keys
// that name another issuer are left out.
func (s *KeySet) bound(b *binding.Binding) *KeySet {
	set := &KeySet{skipped: s.skipped}
	for i, k := range s.keys {
		if key, err := newKey(k.parsed, b, k.digest); err != nil {
			set.skipped = append(set.skipped[:len(set.skipped):len(set.skipped)], SkippedKey{i, k.ID(), err})
		} else {
			set.add(i, key)
		}
	}
	set.crowded = nil
	return set
}

// whySkipped says why the entry with this kid was left out, nil if none was.
func (s *KeySet) whySkipped(kid string) error {
	if i := slices.IndexFunc(s.skipped, func(e SkippedKey) bool { return e.KeyID == kid }); i >= 0 && kid != "" {
		return s.skipped[i].Err
	}
	return nil
}

// skips says whether an entry with this kid was left out.
func (s *KeySet) skips(kid string) bool { return s.whySkipped(kid) != nil }

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

// ignoresIssuer marks a source whose answer does not depend on the token's
// issuer: a verifier need not read it before the signature is checked.
func (s *KeySet) ignoresIssuer() {}

// The methods of issuerNamer: keys that were read from a document alone are
// bound to no issuer.

func (s *KeySet) issuerNamed(string) (issuer string, ok bool) { return "", false }

func (s *KeySet) yields(string) bool { return true }

func (s *KeySet) isListed(string) bool { return false }

func (s *KeySet) boundTo() []*binding.Binding { return nil }

// ParsePEM reads public keys from PEM (RFC 7468): blocks of type PUBLIC KEY,
// RSA PUBLIC KEY and CERTIFICATE, in order, at most 1,000 of them. Only the key of a
// certificate counts: neither its signature nor its expiry is checked.
// The keys have no kid, so a token is verified with those
// that allow its algorithm. Keys from certificates are also found by the thumbprint
// that a token names.
//
// The rules for a key are those of [ParseKeySet]. Blocks that are not usable,
// private keys among them, are left out and listed by [KeySet.Skipped], whose
// Index counts the blocks from 0. A document without a usable key, without a block, or
// that ends within a block is [ErrInvalidKeySet]. The keys are not bound to an issuer.
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

// PublicKey is a key in the program, for [NewKeySet].
type PublicKey struct {
	// ID is the "kid" by which tokens name the key. If it is "", the key is
	// for all tokens whose algorithm it allows.
	ID string
	// Algorithm is the only JWS algorithm (RFC 7518 section 3.1) that the key
	// may verify. "" means all that its type and curve allow.
	Algorithm string
	// Key is an *rsa.PublicKey, an *ecdsa.PublicKey, an ed25519.PublicKey, or,
	// on Go 1.27 and later, an *mldsa.PublicKey. It is copied.
	Key crypto.PublicKey
}

// NewKeySet makes a key set from at most 1,000 keys in the program: for a
// [Verifier], for [WithKeySet], or beside an issuer's keys in [AnyOf]. They are not bound
// to an issuer.
//
// Obvious mistakes are [ErrConfig]: no key, a nil or a private key,
// something that is not a public key, or an algorithm that the key does not
// allow. The rules for a key are those of [ParseKeySet]: a weak key is left out
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
