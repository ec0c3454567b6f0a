package dpop

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/bounded"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// replays remembers proofs until they are too old. Errors are ErrUnavailable.
type replays interface {
	seen(ctx context.Context, id [sha256.Size]byte, now, until time.Time) (bool, error)
}

// shared asks a [ReplayStore].
type shared struct {
	store ReplayStore
	calls bounded.Caller
}

const (
	storeTimeout = time.Second // of one call
	maxBehind    = 1000        // calls that ignore that and have not come back, before no others are made
)

func newShared(store ReplayStore) *shared {
	return &shared{store: store, calls: bounded.Caller{Timeout: storeTimeout, Most: maxBehind}}
}

func (s *shared) seen(ctx context.Context, id [sha256.Size]byte, _, until time.Time) (bool, error) {
	seen, err := bounded.Call(ctx, &s.calls, func(ctx context.Context) (bool, error) {
		return s.store.Seen(ctx, base64.RawURLEncoding.EncodeToString(id[:]), until)
	})
	if err != nil {
		return false, fault.Unavailable("the store of DPoP proofs failed: "+show.Quote(err.Error()), fault.Within(fault.ErrUnavailable, err))
	}
	return seen, nil
}

// memory keeps the proofs of this process. It drops no live one: when full, it
// takes no other.
type memory struct {
	capacity int

	mu      sync.Mutex
	live    map[shortID]struct{}
	ending  map[int64][]shortID // by the second from which they count no more
	dropped int64               // what ended by this second was dropped
}

// shortID is the first half of an id. To make a proof that is taken for another
// one's replay, 128 bits would have to be met.
type shortID [sha256.Size / 2]byte

func newMemory(capacity int) *memory {
	return &memory{capacity: capacity, live: make(map[shortID]struct{}), ending: make(map[int64][]shortID)}
}

func (m *memory) seen(_ context.Context, id [sha256.Size]byte, now, until time.Time) (bool, error) {
	key := shortID(id[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(now.Unix())
	if _, seen := m.live[key]; seen {
		return true, nil
	}
	if len(m.live) >= m.capacity {
		return false, fault.Unavailable("the store of DPoP proofs is full: " + strconv.Itoa(m.capacity) + " are not too old yet (see dpop.WithReplayCapacity)")
	}
	end := until.Unix() + 1 // until itself is still inside the window
	m.live[key] = struct{}{}
	m.ending[end] = append(m.ending[end], key)
	return false, nil
}

// drop forgets what is too old by now. It is done once a second, and for all of
// a second at once, so that a proof costs the same however many there are. A
// clock that was set back drops nothing early.
func (m *memory) drop(now int64) {
	if now <= m.dropped {
		return
	}
	m.dropped = now
	for end, keys := range m.ending {
		if end > now {
			continue
		}
		for _, key := range keys {
			delete(m.live, key)
		}
		delete(m.ending, end)
	}
	if len(m.live) == 0 {
		m.live = make(map[shortID]struct{}) // a map keeps the room that it once had
	}
}
