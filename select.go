package jwks

import "strconv"

// verdict is how the choice of keys for a token ended.
type verdict uint8

const (
	chosen    verdict = iota
	missing           // nothing fits: a refresh may help
	ambiguous         // the token names no key and several fit: a refresh does not help
	wrongAlg          // the key is there, and its "alg" is another
)

// choose picks the keys of the set for a header; see [KeySet.SigningKeys] for
// the order. Without an algorithm every key counts.
func (s *KeySet) choose(h *Header) ([]*Key, verdict) {
	a := algorithmNamed(h.Algorithm)
	if h.KeyID != "" {
		return allowing(s.withID(h.KeyID), a, h.Algorithm)
	}
	if h.X5tS256 != "" || h.X5t != "" {
		return allowing(s.byThumbprint(h), a, h.Algorithm)
	}
	var only *Key
	for _, k := range s.keys {
		if h.Algorithm == "" || k.allows.has(a) {
			if only != nil {
				return nil, ambiguous
			}
			only = k
		}
	}
	if only == nil {
		return nil, missing
	}
	return only.alone[:], chosen
}

// byThumbprint finds keys by the certificate thumbprints that a token names
// (RFC 7515 sections 4.1.7 and 4.1.8): SHA-256 before SHA-1. They are compared
// as published; Auth0 publishes the hex form in base64url.
func (s *KeySet) byThumbprint(h *Header) []*Key {
	var found []*Key
	for _, k := range s.keys {
		switch fits := h.X5tS256 != "" && k.parsed.X5tS256 == h.X5tS256 || h.X5tS256 == "" && k.parsed.X5t == h.X5t; {
		case !fits:
		case found == nil:
			found = k.alone[:] // which costs nothing
		default:
			found = append(found[:len(found):len(found)], k)
		}
	}
	return found
}

// allowing keeps the keys that allow the algorithm, without copying where all
// do.
func allowing(keys []*Key, a algorithm, name string) ([]*Key, verdict) {
	if len(keys) == 0 {
		return nil, missing
	}
	if len(keys) == 1 {
		if name == "" || keys[0].allows.has(a) {
			return keys, chosen
		}
		return nil, wrongAlg
	}
	var fit []*Key
	for _, k := range keys {
		if len(fit) < maxCandidates && (name == "" || k.allows.has(a)) {
			fit = append(fit, k)
		}
	}
	if len(fit) == 0 {
		return nil, wrongAlg
	}
	return fit, chosen
}

// reason is the sentinel of a verdict.
func (v verdict) reason() error {
	if v == wrongAlg {
		return ErrAlgorithmNotAllowed
	}
	return ErrKeyNotFound
}

// describe begins an error text: what was asked for and did not come.
func (v verdict) describe(h Header) string {
	switch {
	case v == wrongAlg:
		return naming(h) + " does not allow alg " + quote(h.Algorithm)
	case v == ambiguous:
		return "the token names no key and several allow alg " + quote(h.Algorithm)
	case h.KeyID == "" && h.X5tS256 == "" && h.X5t == "":
		return "no key for alg " + quote(h.Algorithm)
	default:
		return naming(h) + " not found"
	}
}

// naming is how a header names its key.
func naming(h Header) string {
	switch {
	case h.KeyID != "":
		return "key " + quote(h.KeyID)
	case h.X5tS256 != "":
		return "key with x5t#S256 " + quote(h.X5tS256)
	case h.X5t != "":
		return "key with x5t " + quote(h.X5t)
	}
	return "key"
}

// count writes "1 key", "3 keys".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
