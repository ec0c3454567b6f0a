package accel

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"sync"
)

// The hash functions of the algorithms.
var (
	sha256Hashers = newHashers(sha256.New)
	sha384Hashers = newHashers(sha512.New384)
	sha512Hashers = newHashers(sha512.New)
)

// hasher is a hash function with room to work in. A hash behind an interface
// sends what is written to it to the heap; in a pool that is done once.
type hasher struct {
	hash.Hash
	block [512]byte
	sum   [sha512.Size]byte
}

// hashers is a pool of hashers of one hash function.
type hashers struct{ pool sync.Pool }

func newHashers(function func() hash.Hash) *hashers {
	return &hashers{sync.Pool{New: func() any { return &hasher{Hash: function()} }}}
}

func (p *hashers) get() *hasher {
	h := p.pool.Get().(*hasher)
	h.Reset()
	return h
}

func (p *hashers) put(h *hasher) { p.pool.Put(h) }

// writeString writes s block by block, instead of a copy of all of it.
func (h *hasher) writeString(s string) {
	for len(s) > 0 {
		n := copy(h.block[:], s)
		h.Write(h.block[:n])
		s = s[n:]
	}
}

// digest returns the hash of what was written. It is good until the next call.
func (h *hasher) digest() []byte { return h.Sum(h.sum[:0]) }
