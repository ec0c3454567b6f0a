package dpop

import (
	"context"
	"crypto/sha256"
	"time"
)

// Memory is the default store, for tests of its size.
type Memory struct{ m *memory }

// NewMemory makes one.
func NewMemory(capacity int) Memory { return Memory{newMemory(capacity)} }

// Seen marks the id of a text.
func (m Memory) Seen(text string, now, until time.Time) (bool, error) {
	return m.m.seen(context.Background(), sha256.Sum256([]byte(text)), now, until)
}

// Forget empties the default store of a checker that nobody uses at the moment.
func Forget(c *Checker) { c.replays = newMemory(defaultCapacity) }
