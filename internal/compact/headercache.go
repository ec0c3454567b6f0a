package compact

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/seed-22400188/jwks/internal/jws"
)

const (
	cacheSlots     = 32   // a power of two
	maxCachedBytes = 1024 // of a header's text
)

// HeaderCache keeps the headers of tokens that verified, by their text. An
// issuer writes one header for each of its keys, so nearly every token comes
// with one that was read before. It is bounded, and only holders of a signing
// key can fill it. A nil one is always empty. Safe for concurrent use.
type HeaderCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedHeader]
}

type cachedHeader struct {
	encoded   string
	header    Header
	algorithm jws.Algorithm
}

// NewHeaderCache makes an empty cache.
func NewHeaderCache() *HeaderCache { return &HeaderCache{seed: maphash.MakeSeed()} }

func (c *HeaderCache) slot(encoded string) *atomic.Pointer[cachedHeader] {
	return &c.slots[maphash.String(c.seed, encoded)%cacheSlots]
}

// find returns what this very text was read as, or nil.
func (c *HeaderCache) find(encoded string) *cachedHeader {
	if c == nil || len(encoded) > maxCachedBytes {
		return nil
	}
	if known := c.slot(encoded).Load(); known != nil && known.encoded == encoded {
		return known
	}
	return nil
}

// Add keeps the header of a token, which must have verified. The text is
// copied: it is a part of the token, and would keep the whole of it in memory.
func (c *HeaderCache) Add(t *Token) {
	if t.cached || len(t.encodedHeader) > maxCachedBytes {
		return
	}
	c.slot(t.encodedHeader).Store(&cachedHeader{strings.Clone(t.encodedHeader), t.Header, t.Algorithm})
}

// Len counts the headers in the cache.
func (c *HeaderCache) Len() int {
	n := 0
	for i := range c.slots {
		if c.slots[i].Load() != nil {
			n++
		}
	}
	return n
}
