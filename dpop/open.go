package dpop

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Limits in bytes. The longest proofs are of ML-DSA keys, below 12 KiB.
const (
	maxProof  = 16 << 10
	maxHeader = 2048 // of one that is remembered
)

// senderKey is what the header of a proof says. A sender writes the same header
// for each of its proofs.
type senderKey struct {
	algorithm  jws.Algorithm
	public     crypto.PublicKey
	thumbprint [sha256.Size]byte // RFC 7638
	jkt        string            // the same in base64url
}

// openedProof is a proof of the right form whose header was read. Neither its
// signature nor its claims are checked.
type openedProof struct {
	header    string // as it stands in the proof
	known     bool   // key was remembered
	key       *senderKey
	signed    string
	signature []byte
	payload   string
}

// open opens a proof (section 4.3, checks 2, 4, 5 and 7).
func (c *Checker) open(text string) (p openedProof, problem string) {
	if len(text) > maxProof {
		return p, "the proof is longer than 16 KiB"
	}
	header, rest, _ := strings.Cut(text, ".")
	p.header = header
	if key, ok := c.keys.Get(header); ok {
		p.key, p.known = key, true
		return p, p.openKnown(text, rest)
	}
	t, err := compact.Open(text, maxProof)
	if err != nil {
		// compact's texts name places and numbers only.
		why, _ := fault.Text(err)
		return p, "the proof is not a well-formed JWT: " + why
	}
	p.signed, p.signature, p.payload = t.Signed, t.Signature, t.Payload()
	switch {
	case t.Header.Type != "dpop+jwt":
		return p, "its typ is not dpop+jwt"
	case !c.allowed.Has(t.Algorithm) || t.Algorithm == jws.Unknown:
		return p, "its alg is not one that is allowed here"
	}
	p.key, problem = readKey(p.header, t.Algorithm)
	return p, problem
}

// openKnown opens a proof whose header was read before.
func (p *openedProof) openKnown(text, rest string) (problem string) {
	const malformed = "the proof is not a well-formed JWT"
	payload, signature, _ := strings.Cut(rest, ".")
	if payload == "" || signature == "" {
		return malformed
	}
	split := base64url.DecodedLen(len(payload))
	decoded := make([]byte, split+base64url.DecodedLen(len(signature)))
	if !base64url.Decode(decoded[:split], payload) || !base64url.Decode(decoded[split:], signature) {
		return malformed
	}
	p.signed, p.signature, p.payload = text[:len(p.header)+1+len(payload)], decoded[split:], string(decoded[:split])
	return ""
}

// remember keeps the key of a proof that verified, for the sender's next one.
func (c *Checker) remember(p openedProof) {
	if !p.known && len(p.header) <= maxHeader {
		c.keys.Add(strings.Clone(p.header), p.key) // a copy: the text would hold the whole proof
	}
}

// readKey reads the key in a header that compact.Open has accepted. The rules
// are those of a key in a key set: no private member, no weak key.
func readKey(header string, alg jws.Algorithm) (key *senderKey, problem string) {
	text := make([]byte, base64url.DecodedLen(len(header)))
	base64url.Decode(text, header)
	var value strictjson.Value
	members := strictjson.Object(string(text))
	for members.Next() {
		if members.Name() == "jwk" {
			value = members.Value()
		}
	}
	if value.Kind() != strictjson.ObjectKind {
		return nil, "its header has no jwk that is an object"
	}
	parsed, _, err := jwk.Parse(value)
	if err != nil { // its text may quote the key
		return nil, "its jwk is not a public key that may verify signatures (no private member, RSA of 2048 bits or more, a curve of its alg)"
	}
	if !jws.SetOf(parsed.Algorithms).Has(alg) {
		return nil, "its jwk is not a key for its alg"
	}
	thumbprint, err := (&jose.JSONWebKey{Key: parsed.Public}).Thumbprint(crypto.SHA256)
	if err != nil || len(thumbprint) != sha256.Size {
		return nil, "its jwk has no thumbprint"
	}
	return &senderKey{alg, parsed.Public, [sha256.Size]byte(thumbprint), base64.RawURLEncoding.EncodeToString(thumbprint)}, ""
}

// proofClaims are the claims of section 4.2. nonce is "" when absent.
type proofClaims struct {
	id, method, target, tokenHash, nonce string
	issuedAt                             time.Time
}

// readClaims reads the payload (section 4.3, check 3).
func readClaims(payload string) (c proofClaims, problem string) {
	members := strictjson.Object(payload)
	for members.Next() {
		value, ok := members.Value(), true
		switch name := members.Name(); name {
		case "jti":
			c.id, ok = value.OptionalText()
		case "htm":
			c.method, ok = value.OptionalText()
		case "htu":
			c.target, ok = value.OptionalText()
		case "ath":
			c.tokenHash, ok = value.OptionalText()
		case "nonce":
			c.nonce, ok = value.OptionalText()
		case "iat":
			c.issuedAt, ok = claims.NumericDate(value)
		}
		if !ok && problem == "" {
			problem = "its " + members.Name() + " is of the wrong type"
		}
	}
	if members.Err() != nil { // its text may quote a name
		return c, "its claims are not a JSON object without duplicates"
	}
	if problem != "" {
		return c, problem
	}
	for _, claim := range [...]struct{ name, value string }{{"jti", c.id}, {"htm", c.method}, {"htu", c.target}, {"ath", c.tokenHash}} {
		if claim.value == "" {
			return c, "its " + claim.name + " is missing"
		}
	}
	if c.issuedAt.IsZero() {
		return c, "its iat is missing"
	}
	return c, ""
}
