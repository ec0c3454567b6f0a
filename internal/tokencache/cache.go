// Package tokencache remembers verified tokens.
package tokencache

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
)

// ways is how many entries a set has at least, once there are several sets. A
// set has fewer than twice as many.
const ways = 8

// Cache holds values by token. A hit takes no lock and, but for the first hit
// after an addition, writes nothing, so that cores do not wait for each other.
// For that a token has its place in one of many small sets, by a hash that
// nobody outside can foresee; each set displaces the entry that was not used
// for longest. A cache of less than two sets is one set, and exact. Safe for
// concurrent use; see [New].
type Cache[V any] struct {
	seed maphash.Seed
	sets []set[V] // a power of two
}

// set is a few entries that compete with each other.
type set[V any] struct {
	slots []slot[V]
	clock atomic.Uint64 // counts additions
	mu    sync.Mutex    // of writers
}

// slot is the place of one entry. The hash stands beside the pointer so that
// looking through a set does not touch the entries of others. Readers may see
// the hash of one entry and the pointer to another: the token decides.
type slot[V any] struct {
	hash  atomic.Uint64
	entry atomic.Pointer[entry[V]] // nil when empty
}

type entry[V any] struct {
	token string
	value V
	used  atomic.Uint64 // the set's clock when it was last used
}

// New makes a cache of size entries, at least one.
func New[V any](size int) *Cache[V] {
	size = max(size, 1)
	n := 1
	for size/(2*n) >= ways {
		n *= 2
	}
	c := &Cache[V]{seed: maphash.MakeSeed(), sets: make([]set[V], n)}
	slots := make([]slot[V], size)
	for i := range c.sets {
		here := size / n
		if i < size%n {
			here++
		}
		c.sets[i].slots, slots = slots[:here:here], slots[here:]
	}
	return c
}

// tail is how much of a token is hashed: the end of its signature, in which
// tokens that verified differ as in any other part.
const tail = 64

func (c *Cache[V]) place(token string) (*set[V], uint64) {
	hash := maphash.String(c.seed, token[max(0, len(token)-tail):])
	return &c.sets[hash&uint64(len(c.sets)-1)], hash
}

// find returns the index of a token's slot, -1 where it has none, and its
// entry.
func (s *set[V]) find(token string, hash uint64) (int, *entry[V]) {
	for i := range s.slots {
		if s.slots[i].hash.Load() != hash {
			continue
		}
		if e := s.slots[i].entry.Load(); e != nil && e.token == token {
			return i, e
		}
	}
	return -1, nil
}

// Get returns the value of a token, which is compared in full.
func (c *Cache[V]) Get(token string) (value V, ok bool) {
	s, hash := c.place(token)
	_, e := s.find(token, hash)
	if e == nil {
		return value, false
	}
	if now := s.clock.Load(); e.used.Load() != now {
		e.used.Store(now)
	}
	return e.value, true
}

// Add keeps a value for a token, instead of the one that it had.
func (c *Cache[V]) Add(token string, value V) {
	s, hash := c.place(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &entry[V]{token: token, value: value}
	added.used.Store(s.clock.Add(1))
	i, _ := s.find(token, hash)
	if i < 0 {
		i = s.oldest()
	}
	s.slots[i].entry.Store(added)
	s.slots[i].hash.Store(hash)
}

// oldest is the index of an empty slot, or else of the entry that was not used
// for longest.
func (s *set[V]) oldest() int {
	oldest, least := 0, uint64(math.MaxUint64)
	for i := range s.slots {
		e := s.slots[i].entry.Load()
		if e == nil {
			return i
		}
		if used := e.used.Load(); used < least {
			oldest, least = i, used
		}
	}
	return oldest
}

// Remove forgets a token.
func (c *Cache[V]) Remove(token string) {
	s, hash := c.place(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, _ := s.find(token, hash); i >= 0 {
		s.slots[i].entry.Store(nil)
	}
}

// Len counts the tokens.
func (c *Cache[V]) Len() int {
	n := 0
	for i := range c.sets {
		for j := range c.sets[i].slots {
			if c.sets[i].slots[j].entry.Load() != nil {
				n++
			}
		}
	}
	return n
}
