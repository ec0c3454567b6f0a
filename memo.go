package jwks

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	memoSlots = 32   // power of two
	memoLimit = 1024 // bytes of a header worth remembering
)

// headerMemo remembers the headers of tokens that verified, by their text. An
// issuer writes one header for each of its keys, so nearly every token comes
// with one that was read before. Only whoever can sign fills it, and no more
// than memoSlots entries are held; a nil one remembers nothing.
type headerMemo struct {
	seed  maphash.Seed
	slots [memoSlots]atomic.Pointer[knownHeader]
}

type knownHeader struct {
	segment string
	header  Header
	alg     algorithm
}

func newHeaderMemo() *headerMemo { return &headerMemo{seed: maphash.MakeSeed()} }

func (m *headerMemo) slot(segment string) *atomic.Pointer[knownHeader] {
	return &m.slots[maphash.String(m.seed, segment)%memoSlots]
}

// find returns what this very text was read as, or nil.
func (m *headerMemo) find(segment string) *knownHeader {
	if m == nil || len(segment) > memoLimit {
		return nil
	}
	if known := m.slot(segment).Load(); known != nil && known.segment == segment {
		return known
	}
	return nil
}

// remember notes the header of a token that verified. The text is copied: it
// is a part of the token, which must not be kept alive by it.
func (m *headerMemo) remember(t *openedToken) {
	if len(t.segment) > memoLimit {
		return
	}
	m.slot(t.segment).Store(&knownHeader{strings.Clone(t.segment), t.header, t.alg})
}
