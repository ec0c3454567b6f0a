package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// Key is a public key that may verify tokens. It is immutable and safe to
// share. Keys are made only by reading a key set; the zero value is not usable.
type Key struct {
	alone    [1]*Key                          // the key as a list of one, so that finding it allocates nothing
	copied   sync.Once                        // guards parser
	parser   crypto.PublicKey                 // a copy for golang-jwt, made when it first asks
	shown    atomic.Pointer[crypto.PublicKey] // a copy for callers of Public, made when one first asks
	verifier crypto.PublicKey                 // what signatures are checked with; never leaves the package
	allows   jws.Set
	price    int32 // of checking a signature; see priceOf
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

// Issuer returns the issuer that this key is bound to, or "" if it is not bound.
// A bound key never verifies a token of another issuer.
func (k *Key) Issuer() string { return k.binding.Issuer() }

// Format prints kid and type whatever the verb, and never the key.
func (k *Key) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "jwks.Key{"+describeKey(k)+"}") // fmt's buffer does not fail
}

// Public returns a copy of the key, of a type that crypto/x509 would return:
// *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, and with Go 1.27 and later
// *mldsa.PublicKey. Changing the copy does not change the Key. Callers share one copy
// until one of them changes it. To change a key that others may use at the same time,
// take the copy that [Key.JWK] returns, which is never shared.
func (k *Key) Public() crypto.PublicKey {
	if p := k.shown.Load(); p != nil && isUnchanged(*p, k.verifier) {
		return *p
	}
	p := clonePublic(k.verifier)
	k.shown.Store(&p)
	return p
}

// forParser is Public for golang-jwt, which only reads it: a copy that no caller
// of Public has.
func (k *Key) forParser() crypto.PublicKey {
	k.copied.Do(func() { k.parser = clonePublic(k.verifier) })
	return k.parser
}

// Thumbprint returns the JWK thumbprint (RFC 7638) with SHA-256, in base64url.
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
		price:    int32(priceOf(parsed.Public)),
		binding:  keyBinding,
		digest:   digest,
	}
	k.alone[0] = k
	return k, nil
}

// maxPrice is what checking one token may cost, however many keys may have signed it:
// two signature checks with the most expensive permitted key.
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

// samePublished says whether two keys are the same as published, whatever they
// are bound to: a seed is bound to the configured issuer, or to nothing
// if only discovery knows the issuer.
func (k *Key) samePublished(other *Key) bool {
	return k == other || k.parsed.Alg == other.parsed.Alg && k.parsed.Issuer == other.parsed.Issuer && jwk.Equal(k.verifier, other.verifier)
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

// isUnchanged says whether a copy of a public key is still what it was. Unlike
// the Equal of such keys it allocates nothing.
func isUnchanged(shown, key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		s, ok := shown.(*rsa.PublicKey)
		return ok && s.E == k.E && isSame(s.N, k.N)
	case *ecdsa.PublicKey:
		s, ok := shown.(*ecdsa.PublicKey)
		return ok && s.Curve == k.Curve && isSame(s.X, k.X) && isSame(s.Y, k.Y)
	case ed25519.PublicKey:
		s, ok := shown.(ed25519.PublicKey)
		return ok && bytes.Equal(s, k)
	}
	return true // *mldsa.PublicKey cannot be changed from outside
}

func isSame(a, b *big.Int) bool {
	return a != nil && a.Sign() == b.Sign() && slices.Equal(a.Bits(), b.Bits())
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

// Accelerator prepares public keys, so that what depends on the key alone is computed
// once and not for each signature. The nested module contrib/accel has one. There is
// none by default: the standard library checks every signature.
//
// Security depends on an Accelerator: its keys must accept and refuse exactly what the
// standard library accepts and refuses.
type Accelerator interface {
	// Prepare returns the prepared form of key, or nil to leave this key to
	// the standard library. It is called once for a key, outside every lock,
	// with a copy: an *rsa.PublicKey, an *ecdsa.PublicKey, an
	// ed25519.PublicKey, or on Go 1.27 and later an *mldsa.PublicKey. A panic
	// counts as nil.
	Prepare(key crypto.PublicKey) PreparedKey
}

// PreparedKey checks the signatures of one key. It may be used by several
// goroutines at a time.
type PreparedKey interface {
	// Verify reports whether signature is the JWS signature (RFC 7515
	// section 5.2) of signed under the algorithm alg.
	//
	// alg is one that the key allows, by its "alg" value (RFC 7518 section
	// 3.1, RFC 8037 section 3.1); an Ed25519 key is asked about "EdDSA" and
	// about "Ed25519" (RFC 9864 section 2.2), which mean the same. signed is
	// the JWS signing input, and signature is decoded but otherwise as it came:
	// of any length and content. Verify must not write to signature and must
	// not keep it.
	//
	// The answer is final: after false, the standard library is not asked. A panic
	// counts as false.
	Verify(alg string, signed string, signature []byte) bool
}

// WithAccelerator checks signatures with keys that a has prepared. Each key is prepared
// once, when it first checks a signature, and stays prepared as long as its entry in the
// set is unchanged. Default: none, the standard library checks every signature.
// For [Issuers], pass it to [WithClientOptions]. It has no effect on [Client.Keyfunc],
// which leaves signatures to golang-jwt. A nil accelerator is [ErrConfig].
func WithAccelerator(a Accelerator) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if isNil(a) {
			return configError("WithAccelerator", "the accelerator is nil")
		}
		c.accelerator = a
		return nil
	})
}

// acceleration is what an accelerator makes of one key.
type acceleration struct {
	by   Accelerator
	once sync.Once
	key  PreparedKey // nil: left to the standard library
}

// accelerate lets a, which may be nil, check the signatures of keys that were
// just read. Those that a refresh kept have their acceleration.
func (s *KeySet) accelerate(a Accelerator) {
	if a == nil {
		return
	}
	for _, k := range s.keys {
		if k.acceleration == nil {
			k.acceleration = &acceleration{by: a}
		}
	}
}

// prepared returns the prepared form of key, nil where there is none.
func (a *acceleration) prepared(key crypto.PublicKey) PreparedKey {
	if a == nil {
		return nil
	}
	a.once.Do(func() {
		defer func() {
			if recover() != nil {
				a.key = nil
			}
		}()
		a.key = a.by.Prepare(clonePublic(key))
	})
	return a.key
}

// verifyPrepared takes a panic for a signature that does not verify.
func verifyPrepared(p PreparedKey, alg, signed string, signature []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return p.Verify(alg, signed, signature)
}
