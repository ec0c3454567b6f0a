package jwks

import (
	"context"
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
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Limits of a key set, against documents made to cost memory.
const (
	maxKeys       = 1000 // entries of "keys"; more refuse the document
	maxCandidates = 4    // keys tried for one token
	maxKeyID      = 256  // bytes of a kid; a longer one matches no key
)

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

	crowded map[string]map[identity]bool // while it is read: keys by a kid that many have
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

// untried says which kids so many keys share, or such dear ones, that a token
// is not tried with all of them; nil if there is none.
func (s *KeySet) untried() error {
	var texts []string
	for _, kid := range s.ids() {
		keys := s.withID(kid)
		if affordable(keys) < len(keys) {
			texts = append(texts, fmt.Sprintf("%s: %s share it, and a token is tried with %d", show.Quote(kid), show.Count(len(keys), "key"), affordable(keys)))
		}
	}
	if more := len(texts) - show.MaxListed; more > 0 {
		texts = append(texts[:show.MaxListed], fmt.Sprintf("and %d more", more))
	}
	if texts == nil {
		return nil
	}
	return errors.New("kid " + strings.Join(texts, "; "))
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

// SigningKeys returns the keys of the set that may have signed a token with
// header h, at most four, best first: those with its kid, else those with its
// x5t#S256, else those with its x5t, else all, of which those remain that allow
// its algorithm. A key that has another kid or another thumbprint than the
// token is left out. Thumbprints are compared as octets, and computed where the
// key has a certificate (x5c) and names none. A token whose kid no key has may
// be of a key that has none. The issuer is ignored; the keys' own bindings
// stand. The slice is shared and must not be changed.
//
// Errors, all [ErrTokenInvalid]: [ErrKeyNotFound], also when more than four
// keys fit a token that names none, or [ErrAlgorithmNotAllowed] when the key is
// there and its "alg" is another.
func (s *KeySet) SigningKeys(_ context.Context, h Header, _ string) ([]*Key, error) {
	keys, verdict := s.choose(&h)
	if verdict == chosen {
		return keys, nil
	}
	return nil, fault.Invalid(s.describe(verdict, &h, "in the key set")+" ("+show.Count(s.Len(), "key")+")", verdict.reason())
}

// ignoresIssuer marks a source whose answer does not depend on the token's
// issuer: a verifier need not read it before the signature is checked.
func (s *KeySet) ignoresIssuer() {}

// verdict is how the choice of keys for a token ended.
type verdict uint8

const (
	chosen    verdict = iota
	missing           // nothing fits: a refresh may help
	ambiguous         // the token names no key and too many fit: a refresh does not help
	wrongAlg          // the key is there, and its "alg" is another
)

// choose picks the keys of the set for a header; see [KeySet.SigningKeys] for
// the order. Without an algorithm every key counts.
func (s *KeySet) choose(h *Header) ([]*Key, verdict) {
	keys := s.withID(h.KeyID)
	if len(keys) == 1 && h.KeyID != "" && h.X5t == "" && h.X5tS256 == "" && keys[0].allows.Has(jws.Named(h.Algorithm)) {
		return keys, chosen // nearly always
	}
	c := choice{header: h, algorithm: jws.Named(h.Algorithm)}
	switch {
	case c.cannotExist():
		return nil, missing
	case h.KeyID == "":
		return c.among(s.keys)
	case len(keys) > 0:
		return c.named(keys)
	}
	// No key has the kid. One that has none may be meant, unless an entry that
	// is not usable is.
	if keys := s.withID(""); len(keys) > 0 && !s.skips(h.KeyID) {
		if keys, v := c.among(keys); v != ambiguous {
			return keys, v
		}
	}
	return nil, missing
}

// reason is the sentinel of a verdict.
func (v verdict) reason() error {
	if v == wrongAlg {
		return ErrAlgorithmNotAllowed
	}
	return ErrKeyNotFound
}

// describe begins an error text: what was asked for and did not come. place is
// "in the key set", or where that is from.
func (s *KeySet) describe(v verdict, h *Header, place string) string {
	if v == missing {
		if why := s.whySkipped(h.KeyID); why != nil {
			return naming(*h) + " is in the set but not usable: " + why.Error() + ", " + place
		}
	}
	return v.describe(*h) + " " + place
}

// describe is the same where there is no set.
func (v verdict) describe(h Header) string {
	switch {
	case v == wrongAlg:
		return naming(h) + " does not allow alg " + show.Quote(h.Algorithm)
	case v == ambiguous:
		return fmt.Sprintf("the token names no key, and more than %d allow alg %s", maxCandidates, show.Quote(h.Algorithm))
	case h.KeyID == "" && h.X5tS256 == "" && h.X5t == "":
		return "no key for alg " + show.Quote(h.Algorithm)
	default:
		return naming(h) + " not found"
	}
}

// naming is how a header names its key.
func naming(h Header) string {
	switch {
	case h.KeyID != "":
		return "key " + show.Quote(h.KeyID)
	case h.X5tS256 != "":
		return "key with x5t#S256 " + show.Quote(h.X5tS256)
	case h.X5t != "":
		return "key with x5t " + show.Quote(h.X5t)
	}
	return "key"
}

// The methods of issuerNamer: keys that were read from a document alone are
// bound to no issuer.

func (s *KeySet) issuerNamed(string) (issuer string, ok bool) { return "", false }

func (s *KeySet) yields(string) bool { return true }

func (s *KeySet) isListed(string) bool { return false }

func (s *KeySet) boundTo() []*binding.Binding { return nil }
