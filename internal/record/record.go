// Package record is the form in which a key set lies in a store. What a store
// returns may have been written by anybody who reaches it, so a record is bound
// to a secret, to its name and to the moment at which the set was fetched: who
// cannot make the authentication code can add no key, extend nothing and change
// no issuer. The package is pure: it does no I/O and reads no clock.
//
// A record is five bytes that name the version, 32 bytes of HMAC-SHA-256 (RFC
// 2104) over the version and the rest, and the rest: a JSON object, so that
// people can read it.
package record

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Record is a key set and what a client knows of it.
type Record struct {
	Name         string        // that it is stored under
	Issuer       string        // that the keys are bound to; "" if to none
	JWKSURL      string        // where the key set was
	DiscoveryURL string        // where the discovery document was; "" without discovery
	Discovery    []byte        // that document as it came; nil without discovery
	KeySet       []byte        // the key set as it came
	ETag         string        // validators of the key set
	LastModified string        //
	FetchedAt    time.Time     // when the origin made the answer
	FullAt       time.Time     // when an answer came last that was not a 304
	DiscoveredAt time.Time     // when the discovery document was made; zero without discovery
	ServerTTL    time.Duration // that the headers of the answer asked for
	HasServerTTL bool          // whether they asked for one
}

const (
	version = "jwks1"
	macSize = sha256.Size
	purpose = "github.com/seed-22400188/jwks record of a key set, version 1"

	// MinSecret is the shortest secret, in bytes.
	MinSecret = 32
	// Ahead is how far ahead of ours the clock of another replica may be.
	Ahead = time.Minute

	overhead = 64 << 10 // of a record beside its two documents
)

// Why a record is not used.
var (
	ErrForged  = errors.New("it does not have the authentication code of this secret: it was changed, cut short, or written with another secret")
	ErrVersion = errors.New("it is not of a version that is known here")
	ErrSize    = errors.New("it is larger than its documents may be")
	ErrName    = errors.New("it is the record of another name")
	ErrFuture  = errors.New("it is dated in the future")
	ErrForm    = errors.New("it cannot be read")
)

// Sealer writes records and opens them with one secret.
type Sealer struct{ key []byte }

// NewSealer derives a key from the secret (RFC 5869), so that the secret may
// serve other purposes as well. One of less than [MinSecret] bytes is refused.
func NewSealer(secret []byte) (Sealer, error) {
	if len(secret) < MinSecret {
		return Sealer{}, fmt.Errorf("the secret has %d bytes, want %d or more", len(secret), MinSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, sha256.Size)
	return Sealer{key}, err
}

// Name is what the record of a client is stored under: it says in 32 characters
// where the keys come from and whose they are.
func Name(parts ...string) string {
	text, _ := json.Marshal(parts) // of strings: it cannot fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// content is a record as JSON.
type content struct {
	Name         string `json:"name"`
	Issuer       string `json:"issuer"`
	JWKSURL      string `json:"jwks_url"`
	DiscoveryURL string `json:"discovery_url,omitempty"`
	Discovery    []byte `json:"discovery,omitempty"`
	KeySet       []byte `json:"key_set"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	FetchedAt    int64  `json:"fetched_at"` // in nanoseconds since 1970
	FullAt       int64  `json:"full_at"`
	DiscoveredAt int64  `json:"discovered_at,omitempty"`
	ServerTTL    *int64 `json:"server_ttl,omitempty"` // in nanoseconds
}

// Seal writes a record.
func (s Sealer) Seal(r Record) []byte {
	c := content{
		Name: r.Name, Issuer: r.Issuer, JWKSURL: r.JWKSURL, DiscoveryURL: r.DiscoveryURL, Discovery: r.Discovery, KeySet: r.KeySet,
		ETag: r.ETag, LastModified: r.LastModified, FetchedAt: r.FetchedAt.UnixNano(), FullAt: r.FullAt.UnixNano(),
	}
	if !r.DiscoveredAt.IsZero() {
		c.DiscoveredAt = r.DiscoveredAt.UnixNano()
	}
	if r.HasServerTTL {
		ttl := int64(r.ServerTTL)
		c.ServerTTL = &ttl
	}
	text, _ := json.Marshal(c) // of strings and numbers: it cannot fail
	sealed := append([]byte(version), make([]byte, macSize)...)
	sealed = append(sealed, text...)
	copy(sealed[len(version):], s.mac(text))
	return sealed
}

func (s Sealer) mac(text []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(version))
	h.Write(text)
	return h.Sum(nil)
}

// Open reads the record of a name. maxDocument bounds each of its documents.
// Nothing of it is looked at before its authentication code is.
func (s Sealer) Open(sealed []byte, name string, maxDocument int64, now time.Time) (Record, error) {
	text, found := bytes.CutPrefix(sealed, []byte(version))
	switch {
	case (int64(len(sealed))-overhead)/3 > maxDocument: // two documents in base64
		return Record{}, ErrSize
	case !found && len(sealed) > len(version) && bytes.HasPrefix(sealed, []byte(version[:len(version)-1])):
		return Record{}, ErrVersion
	case !found, len(text) < macSize:
		return Record{}, ErrForged
	}
	mac, text := text[:macSize], text[macSize:]
	if !hmac.Equal(mac, s.mac(text)) {
		return Record{}, ErrForged
	}
	var c content
	if json.Unmarshal(text, &c) != nil {
		return Record{}, ErrForm
	}
	r := Record{
		Name: c.Name, Issuer: c.Issuer, JWKSURL: c.JWKSURL, DiscoveryURL: c.DiscoveryURL, Discovery: c.Discovery, KeySet: c.KeySet,
		ETag: c.ETag, LastModified: c.LastModified, FetchedAt: time.Unix(0, c.FetchedAt), FullAt: time.Unix(0, c.FullAt),
	}
	if c.DiscoveredAt != 0 {
		r.DiscoveredAt = time.Unix(0, c.DiscoveredAt)
	}
	if c.ServerTTL != nil {
		r.ServerTTL, r.HasServerTTL = time.Duration(*c.ServerTTL), true
	}
	switch {
	case r.Name != name:
		return Record{}, ErrName
	case int64(len(r.KeySet)) > maxDocument, int64(len(r.Discovery)) > maxDocument:
		return Record{}, ErrSize
	case r.FetchedAt.Sub(now) > Ahead:
		return Record{}, ErrFuture
	}
	return r, nil
}
