package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// SigningKeys returns the keys of the set that may have signed a token with
// header h, at most four, best first. It takes the keys with the token's kid, or else those
// with its x5t#S256, or else those with its x5t, or else all keys, and of these only keys
// that allow the token's algorithm. A key that has another kid or another thumbprint than
// the token is left out. Thumbprints are compared as octets, and computed if the
// key has a certificate (x5c) but no thumbprint. If no key has the token's kid, keys
// without a kid are taken. The issuer is ignored; keys stay bound to their issuer. The
// slice is shared and must not be changed.
//
// Errors, all [ErrTokenInvalid]: [ErrKeyNotFound], also if more than four
// keys fit a token that names none, or [ErrAlgorithmNotAllowed] if the key is
// there but has another "alg".
func (s *KeySet) SigningKeys(_ context.Context, h Header, _ string) ([]*Key, error) {
	keys, verdict := s.choose(&h)
	if verdict == chosen {
		return keys, nil
	}
	return nil, fault.Invalid(s.describe(verdict, &h, "in the key set")+" ("+show.Count(s.Len(), "key")+")", verdict.reason())
}

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
	case h.cannotExist():
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

// isNamed says that what was chosen for a header that names a key has that name, and
// does not merely stand in for it because it has no kid or no thumbprint.
func (s *KeySet) isNamed(h *Header, keys []*Key, v verdict) bool {
	switch {
	case v == missing:
		return false
	case h.KeyID != "":
		return len(s.withID(h.KeyID)) > 0
	case v == chosen:
		c := choice{header: h}
		return c.fit(keys[0].parsed) > silent
	}
	return true
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

// choice is how the keys for one token are chosen.
type choice struct {
	header    *Header
	algorithm jws.Algorithm

	sha1      [20]byte // of the header's thumbprints, once they were needed
	sha256    [32]byte
	hasSHA1   bool
	hasSHA256 bool
	read      bool
}

// fit says how well the certificate thumbprints of a token fit a key.
type fit uint8

const (
	excluded fit = iota // the key has another one
	silent              // one of the two has none
	bySHA1              // RFC 7515 section 4.1.7
	bySHA256            // RFC 7515 section 4.1.8
	fits                // the number of them
)

// cannotExist says that no key can have such a name: there is no point in asking
// the issuer for it.
func (h *Header) cannotExist() bool {
	return len(h.KeyID) > maxKeyID || len(h.X5tS256) > maxKeyID || len(h.X5t) > maxKeyID
}

// fit compares thumbprints as octets; those that are none, as texts.
func (c *choice) fit(k *jwk.Key) fit {
	h, result := c.header, silent
	if h.X5t != "" && (k.HasSHA1 || k.X5t != "") {
		if result = bySHA1; h.X5t != k.X5t {
			if c.readThumbprints(); !c.hasSHA1 || !k.HasSHA1 || c.sha1 != k.SHA1 {
				return excluded
			}
		}
	}
	if h.X5tS256 != "" && (k.HasSHA256 || k.X5tS256 != "") {
		if result = bySHA256; h.X5tS256 != k.X5tS256 {
			if c.readThumbprints(); !c.hasSHA256 || !k.HasSHA256 || c.sha256 != k.SHA256 {
				return excluded
			}
		}
	}
	return result
}

func (c *choice) readThumbprints() {
	if !c.read {
		c.read = true
		c.sha1, c.hasSHA1 = jwk.SHA1Thumbprint(c.header.X5t)
		c.sha256, c.hasSHA256 = jwk.SHA256Thumbprint(c.header.X5tS256)
	}
}

func (c *choice) allows(k *Key) bool { return c.header.Algorithm == "" || k.allows.Has(c.algorithm) }

// named chooses among the keys with the token's kid.
func (c *choice) named(keys []*Key) ([]*Key, verdict) {
	var found candidates
	there := false
	for _, k := range keys {
		if f := c.fit(k.parsed); f != excluded {
			there = true
			if c.allows(k) {
				found.add(f, k)
			}
		}
	}
	if list := found.best(silent); list != nil {
		return list, chosen
	} else if there {
		return nil, wrongAlg
	}
	return nil, missing
}

// among chooses among keys that the token does not name by a kid.
func (c *choice) among(keys []*Key) ([]*Key, verdict) {
	var found candidates
	there := false
	unnamed := c.header.X5tS256 == "" && c.header.X5t == ""
	for _, k := range keys {
		f := c.fit(k.parsed)
		there = there || f > silent
		if f != excluded && c.allows(k) {
			found.add(f, k)
		}
		if unnamed && found.more {
			break
		}
	}
	switch list := found.best(bySHA1); {
	case list != nil:
		return list, chosen
	case there:
		return nil, wrongAlg
	case found.more && unnamed:
		return nil, ambiguous
	case found.more: // none of so many has the thumbprint: one that is new may
		return nil, missing
	}
	if list := found.best(silent); list != nil {
		return list, chosen
	}
	return nil, missing
}

// candidates are the first keys of each fit, as many as are tried.
type candidates struct {
	keys [fits][maxCandidates]*Key
	n    [fits]uint8
	more bool // than these are silent
}

// add takes a key in.
func (c *candidates) add(f fit, k *Key) {
	if c.n[f] < maxCandidates {
		c.keys[f][c.n[f]] = k
		c.n[f]++
	} else if f == silent {
		c.more = true
	}
}

// best lists the keys, those that fit best first, down to a fit. It allocates
// nothing where there is one key.
func (c *candidates) best(least fit) []*Key {
	total := 0
	for f := least; f < fits; f++ {
		total += int(c.n[f])
	}
	switch total = min(total, maxCandidates); total {
	case 0:
		return nil
	case 1:
		for f := bySHA256; ; f-- {
			if c.n[f] > 0 {
				return c.keys[f][0].alone[:]
			}
		}
	}
	list := make([]*Key, 0, total)
	for f := bySHA256; f >= least; f-- {
		list = append(list, c.keys[f][:min(int(c.n[f]), total-len(list))]...)
	}
	return list
}

// affordable counts the keys, in their order, that are tried for one token. The
// first always is.
func affordable(keys []*Key) int {
	sum := 0
	for i, k := range keys {
		if sum += int(k.price); sum > maxPrice && i > 0 || i == maxCandidates {
			return i
		}
	}
	return len(keys)
}

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
