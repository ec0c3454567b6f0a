// Package jwk reads one entry of a JWK Set (RFC 7517) into a public key that
// may verify signatures, or says in one line why it may not.
//
// It is strict where a token could profit: names and values are compared
// exactly, nothing may stand twice, and each rule on key material is checked
// here before the standard library makes the key. It is tolerant where real
// issuers need it and nothing is lost: in members that are there but hold
// nothing, in how key material is written, and in everything about
// certificates.
//
// Absent is a member that is not there or is null; also "" for kid, use, alg,
// issuer and private members, and [] for key_ops and oth. Serializers of .NET
// and Java write members that nobody set.
package jwk

import (
	"crypto"
	"crypto/sha1" // #nosec G505 -- "x5t" is SHA-1; it selects keys and proves nothing
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Limits in bytes of what a key keeps of its entry.
const (
	maxKeyID  = 256  // it becomes the key of an index and a part of messages, and no issuer comes near
	maxIssuer = 2048 // the most that an "iss" may have to be looked at
)

// Key is one checked public key and what its entry says about it. It shares no
// memory with the document it was read from.
type Key struct {
	ID    string // "kid"; "" when absent
	Type  string // "kty": RSA, EC, OKP or AKP
	Curve string // "crv" of EC and OKP, else ""
	Use   string // "use": one of [Reader.Uses], or "" when absent
	Alg   string // "alg" as declared, or "" when absent

	// Algorithms are the JWS algorithms that the key may verify, by their
	// registered names: the declared one, else what type and curve allow. An
	// Ed25519 key always has both of its names, EdDSA and Ed25519 (RFC 9864).
	// Keys share these lists, which must not be changed.
	Algorithms []string

	// Public is an *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or, on
	// Go 1.27 and later, an *mldsa.PublicKey.
	Public crypto.PublicKey

	Issuer string // "issuer" (Entra names the issuer of each key), "" when absent

	*Thumbprints // never nil
}

// Thumbprints are the certificate thumbprints "x5t" and "x5t#S256" (RFC 7517
// sections 4.8 and 4.9): as published, and their octets, in whichever of the
// forms of [SHA1Thumbprint] they were published, else computed from the "x5c"
// leaf. They select keys; nothing is trusted because of them.
type Thumbprints struct {
	X5t, X5tS256 string // as published; "" unless a string of at most 128 bytes

	SHA1      [sha1.Size]byte
	SHA256    [sha256.Size]byte
	HasSHA1   bool
	HasSHA256 bool
}

// noThumbprints is what most keys have: a service with many issuers would pay
// for the room.
var noThumbprints = new(Thumbprints)

// Reader says how entries are read. The zero value is the default.
type Reader struct {
	// Uses are the values of "use" (RFC 7517 section 4.2) that mean signing.
	// Empty: "sig". SPIFFE bundles say "jwt-svid". Keys hold these strings.
	Uses []string
}

// Parse is [Reader.Parse] of the zero Reader.
func Parse(v strictjson.Value) (*Key, string, error) { return Reader{}.Parse(v) }

// Parse reads the JWK that v is. The key is nil exactly when there is an error,
// whose text is one line without prefix and holds no key material. The string
// is the "kid", whenever that is a string, also when the entry is refused and
// whatever its length, so that a report can name the entry. Time and memory
// are linear in the size of v.
func (r Reader) Parse(v strictjson.Value) (*Key, string, error) {
	var e entry
	broken := e.read(v)
	kid, odd := e.keyID()
	// Published secrets come first: their owner must hear of them, whatever
	// else is wrong with the entry.
	for _, err := range []error{e.published(), broken, odd} {
		if err != nil {
			return nil, kid, err
		}
	}
	k := &Key{ID: kid, Thumbprints: noThumbprints}
	if err := e.parse(k, r); err != nil {
		return nil, kid, err
	}
	return k, kid, nil
}

// Equal reports whether a and b are the same public key. Keys of different
// types, and values that are no keys, are not.
func Equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// entry holds the members of a JWK that matter here, unread. Those that are
// absent are the zero Value.
type entry struct {
	kid, kty, use, keyOps, alg strictjson.Value // RFC 7517 section 4
	x5c, x5t, x5tS256          strictjson.Value
	n, e                       strictjson.Value // RFC 7518 section 6.3, RSA
	crv, x, y                  strictjson.Value // RFC 7518 section 6.2, EC, and RFC 8037, OKP
	pub                        strictjson.Value // RFC 9964, AKP
	issuer                     strictjson.Value // not registered, Entra
	secret                     string           // name of a member with private or symmetric material
}

// read finds the members of v. An error does not keep it from finding what a
// report needs.
func (e *entry) read(v strictjson.Value) error {
	if v.Kind() != strictjson.ObjectKind {
		return errors.New("not a JSON object")
	}
	members := v.Members()
	e.collect(&members)
	err := members.Err()
	if err != nil {
		// RFC 7517 section 4 lets a reader refuse duplicates or take the
		// last; two readers must not come to two keys.
		all := v.Members()
		all.AllowDuplicates()
		e.collect(&all)
	}
	return err
}

func (e *entry) collect(m *strictjson.Members) {
	for m.Next() {
		if m.Value().Kind() == strictjson.Null {
			continue
		}
		switch name := m.Name(); name {
		case "kid":
			e.kid = m.Value()
		case "kty":
			e.kty = m.Value()
		case "use":
			e.use = m.Value()
		case "key_ops":
			e.keyOps = m.Value()
		case "alg":
			e.alg = m.Value()
		case "n":
			e.n = m.Value()
		case "e":
			e.e = m.Value()
		case "crv":
			e.crv = m.Value()
		case "x":
			e.x = m.Value()
		case "y":
			e.y = m.Value()
		case "pub":
			e.pub = m.Value()
		case "x5c":
			e.x5c = m.Value()
		case "x5t":
			e.x5t = m.Value()
		case "x5t#S256":
			e.x5tS256 = m.Value()
		case "issuer":
			e.issuer = m.Value()
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			// RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 9964. For every
			// type, and whatever the value, as long as it can hold a secret:
			// a false alarm about a leak costs people a night.
			if !isEmpty(m.Value()) {
				e.secret = name
			}
		}
	}
}

// isEmpty tells "" and [].
func isEmpty(v strictjson.Value) bool {
	switch v.Kind() {
	case strictjson.String:
		return v.Raw() == `""`
	case strictjson.Array:
		elements := v.Elements()
		return !elements.Next()
	}
	return false
}

// optionalText reads a member for which "" is absence.
func optionalText(name string, v strictjson.Value) (string, error) {
	if v.Kind() == strictjson.Absent {
		return "", nil
	}
	return text(name, v)
}

// published says that the entry gives away what should be secret. Whoever
// reads the set could sign with such a key, so it proves nothing any more.
func (e *entry) published() error {
	switch e.secret {
	case "":
		return nil
	case "k":
		return refuse(ErrSecret, `symmetric member "k" published`)
	default:
		return refuse(ErrSecret, "private member %q published", e.secret)
	}
}

// parse fills k. The rules that cost least come first.
func (e *entry) parse(k *Key, r Reader) error {
	if err := e.readUse(k, r.Uses); err != nil {
		return err
	}
	if err := e.checkKeyOps(); err != nil {
		return err
	}
	if err := e.readIssuer(k); err != nil {
		return err
	}
	if err := e.readMaterial(k); err != nil {
		return err
	}
	return e.readCertificate(k)
}

// readMaterial dispatches on "kty" (RFC 7517 section 4.1), which is case
// sensitive.
func (e *entry) readMaterial(k *Key) error {
	if e.isCertificateOnly() {
		return errors.New("it has only a certificate (x5c), and keys are not taken from certificates: the members of the key itself are missing")
	}
	kty, err := text("kty", e.kty)
	if err != nil {
		return err
	}
	switch kty {
	case "RSA":
		return e.readRSA(k)
	case "EC":
		return e.readEC(k)
	case "OKP":
		return e.readOKP(k)
	case "AKP":
		return e.readAKP(k)
	case "oct":
		return refuse(ErrPurpose, `kty "oct" is symmetric, not a public key`)
	default:
		return fmt.Errorf("kty %s is not supported", show.Quote(kty))
	}
}

// text reads a member that must be a string.
func text(name string, v strictjson.Value) (string, error) {
	switch v.Kind() {
	case strictjson.String:
	case strictjson.Absent:
		return "", fmt.Errorf("%s is missing", name)
	default:
		return "", fmt.Errorf("%s is not a string", name)
	}
	s, err := v.Text()
	if err != nil {
		return "", fmt.Errorf("%s is not valid text: %w", name, err)
	}
	return s, nil
}
