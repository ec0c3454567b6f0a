package jwksstore

import (
	"context"
	"slices"
	"sync"

	"github.com/seed-22400188/jwks"
)

// Memory makes a store in the memory of this process, for tests in which several
// clients share a store or a client is restarted. It never fails and is not a
// [jwks.Leaser].
func Memory() jwks.Store { return &memory{records: make(map[string][]byte)} }

type memory struct {
	mu      sync.Mutex
	records map[string][]byte
}

// Load implements [jwks.Store].
func (m *memory) Load(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records[name]), nil
}

// Save implements [jwks.Store].
func (m *memory) Save(_ context.Context, name string, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[name] = slices.Clone(record)
	return nil
}
