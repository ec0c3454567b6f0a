package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// Key is a public key that may verify tokens. It is immutable and safe to
// share. Only reading a key set makes one; the zero value is not usable.
type Key struct {
	alone    [1]*Key          // the key as a list of one, so that finding it allocates nothing
	copied   sync.Once        // guards shared
	shared   crypto.PublicKey // a copy for golang-jwt, made when it first asks
	verifier crypto.PublicKey // what signatures are checked with; never leaves the package
	allows   jws.Set
	price    int // of checking a signature; see priceOf
	binding  *binding.Binding
	parsed   *jwk.Key
	digest   [32]byte // SHA-256 of the entry's text: a refresh keeps a key whose entry did not change

	acceleration *acceleration // nil: the standard library checks signatures
}

// ID returns the "kid" (RFC 7517 section 4.5), "" when the JWK has none.
func (k *Key) ID() string { return k.parsed.ID }

// Type returns the "kty" (RFC 7517 section 4.1): RSA, EC, OKP or AKP.
func (k *Key) Type() string { return k.parsed.Type }

// Use returns the "use" as published (RFC 7517 section 4.2): "sig", or
// one of [WithKeyUses], or "" when the JWK has none.
func (k *Key) Use() string { return k.parsed.Use }

// Algorithms returns the JWS algorithms that this key may verify: its declared
// "alg" (RFC 7517 section 4.4), else those that its type and curve allow. An
// Ed25519 key lists both of its names, EdDSA and Ed25519 (RFC 9864).
func (k *Key) Algorithms() []string { return slices.Clone(k.parsed.Algorithms) }

// Issuer returns the issuer that this key is bound to, "" when it is bound to
// none. A bound key never verifies a token of another issuer.
func (k *Key) Issuer() string { return k.binding.Issuer() }

// Public returns a copy of the key as crypto/x509 would: *rsa.PublicKey,
// *ecdsa.PublicKey, ed25519.PublicKey, and on Go 1.27 and later
// *mldsa.PublicKey. Changing it changes nothing here.
func (k *Key) Public() crypto.PublicKey { return clonePublic(k.verifier) }

// forParser is Public for golang-jwt, which only reads it: one copy for all.
func (k *Key) forParser() crypto.PublicKey {
	k.copied.Do(func() { k.shared = clonePublic(k.verifier) })
	return k.shared
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

// newKey binds a parsed key. It fails for a key that names another issuer.
func newKey(parsed *jwk.Key, b *binding.Binding, digest [32]byte) (*Key, error) {
	keyBinding, err := b.ForKey(parsed.Issuer)
	if err != nil {
		return nil, err
	}
	k := &Key{
		parsed:   parsed,
		verifier: parsed.Public,
		allows:   jws.SetOf(parsed.Algorithms),
		price:    priceOf(parsed.Public),
		binding:  keyBinding,
		digest:   digest,
	}
	k.alone[0] = k
	return k, nil
}

// maxPrice is what checking one token may cost, however many keys it may be of:
// two signature checks of the dearest usual key.
const maxPrice = 2 * 128 * 128 * 17 // RSA of 8192 bits, e = 65537

// priceOf is the work of one signature check: for RSA the multiplications of
// words, for the others what takes about as long.
func priceOf(key crypto.PublicKey) int {
	switch k := key.(type) {
	case *rsa.PublicKey:
		words := (k.N.BitLen() + 63) / 64
		e := uint(k.E)
		return words * words * (bits.Len(e) + bits.OnesCount(e) - 2)
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P521():
			return maxPrice / 2
		case elliptic.P384():
			return maxPrice / 4
		}
	}
	return maxPrice / 16
}

// affordable counts the keys, in their order, that are tried for one token. The
// first always is.
func affordable(keys []*Key) int {
	sum := 0
	for i, k := range keys {
		if sum += k.price; sum > maxPrice && i > 0 || i == maxCandidates {
			return i
		}
	}
	return len(keys)
}

// verifies checks a signature over signed. The key must allow the algorithm:
// its type and curve, and the "alg" of its JWK where there is one.
func (k *Key) verifies(a jws.Algorithm, signed string, signature []byte) bool {
	if !k.allows.Has(a) {
		return false
	}
	if p := k.acceleration.prepared(k.verifier); p != nil {
		return verifyPrepared(p, a.Name(), signed, signature)
	}
	return jws.Verify(a, k.verifier, signed, signature)
}

// sameAs says whether two keys are the same material for the same algorithms
// and issuer.
func (k *Key) sameAs(other *Key) bool {
	return k == other || k.parsed.Alg == other.parsed.Alg && k.Issuer() == other.Issuer() && jwk.Equal(k.verifier, other.verifier)
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

// cannotExist says that no key can have such a name.
func (c *choice) cannotExist() bool {
	return len(c.header.KeyID) > maxKeyID || len(c.header.X5tS256) > maxKeyID || len(c.header.X5t) > maxKeyID
}

// fit compares thumbprints as octets; those that are none, as texts.
func (c *choice) fit(k *jwk.Key) fit {
	h := c.header
	if h.X5tS256 == "" && h.X5t == "" {
		return silent
	}
	result := silent
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
	if len(keys) == 1 { // nearly always
		switch {
		case c.fit(keys[0].parsed) == excluded:
			return nil, missing
		case !c.allows(keys[0]):
			return nil, wrongAlg
		}
		return keys, chosen
	}
	var found candidates
	there := false
	for _, k := range keys {
		if f := c.fit(k.parsed); f != excluded {
			there = true
			if c.allows(k) && found.add(f, k) {
				break
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
		if f != excluded && c.allows(k) && found.add(f, k) || unnamed && found.more {
			break
		}
	}
	switch list := found.best(bySHA1); {
	case list != nil:
		return list, chosen
	case there:
		return nil, wrongAlg
	case found.more:
		return nil, ambiguous
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

// add takes a key in, and says whether better ones cannot come.
func (c *candidates) add(f fit, k *Key) (full bool) {
	if c.n[f] < maxCandidates {
		c.keys[f][c.n[f]] = k
		c.n[f]++
	} else if f == silent {
		c.more = true
	}
	return c.n[bySHA256] == maxCandidates
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

// identity is what [Key.sameAs] compares, in a form that a map takes.
type identity struct {
	alg, issuer string
	material    [sha256.Size]byte
}

func (k *Key) identity() identity {
	h := sha256.New()
	switch public := k.verifier.(type) {
	case *rsa.PublicKey:
		fmt.Fprintf(h, "RSA %d ", public.E)
		h.Write(public.N.Bytes())
	case *ecdsa.PublicKey:
		fmt.Fprintf(h, "EC %s %x %x", k.parsed.Curve, public.X, public.Y)
	case ed25519.PublicKey:
		h.Write(public)
	case interface{ Bytes() []byte }: // *mldsa.PublicKey
		h.Write(public.Bytes())
	}
	return identity{k.parsed.Alg, k.Issuer(), [sha256.Size]byte(h.Sum(nil))}
}

// marshal writes the key as a JWK. Besides the members that go-jose writes it
// keeps those that choose and bind the key.
func (k *Key) marshal() (json.RawMessage, error) {
	entry, err := k.JWK().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("jwks: key %s: %w", show.Quote(k.ID()), err)
	}
	for _, more := range [][2]string{{"x5t", k.parsed.X5t}, {"x5t#S256", k.parsed.X5tS256}, {"issuer", k.parsed.Issuer}} {
		if more[1] == "" {
			continue
		}
		value, err := json.Marshal(more[1])
		if err != nil {
			return nil, fmt.Errorf("jwks: key %s: %w", show.Quote(k.ID()), err)
		}
		entry = append(entry[:len(entry)-1], `,"`+more[0]+`":`...)
		entry = append(append(entry, value...), '}')
	}
	return entry, nil
}

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
