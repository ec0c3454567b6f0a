package compact

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/seed-22400188/jwks/internal/jws"
)

// Slots of a [HeaderCache], powers of two.
const (
	FewHeaders  = 8  // of one issuer: a header or two for each of its keys
	ManyHeaders = 64 // of several
)

const maxCachedBytes = 1024 // of a header's text

// HeaderCache keeps the headers of tokens that verified, by their text. An
// issuer writes one header for each of its keys, so nearly every token comes
// with one that was read before. It is bounded, and only holders of a signing
// key can fill it. A nil one is always empty. Safe for concurrent use.
type HeaderCache struct {
	slots []atomic.Pointer[cachedHeader]
}

var headerSeed = maphash.MakeSeed()

type cachedHeader struct {
	encoded   string
	header    Header
	algorithm jws.Algorithm
}

// NewHeaderCache makes an empty cache with [FewHeaders] or [ManyHeaders] slots.
func NewHeaderCache(slots int) *HeaderCache {
	return &HeaderCache{make([]atomic.Pointer[cachedHeader], slots)}
}

func (c *HeaderCache) slot(encoded string) *atomic.Pointer[cachedHeader] {
	return &c.slots[maphash.String(headerSeed, encoded)&uint64(len(c.slots)-1)]
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
