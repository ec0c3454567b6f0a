// Package jwksredis keeps key sets, their leases, and DPoP proofs on Redis or
// Valkey, by github.com/redis/go-redis/v9: for replicas of a service that share
// them.
//
//	secret, err := os.ReadFile("/run/secrets/keys") // 32 random bytes or more, the same in all replicas
//	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
//	store := jwksredis.New(client)
//	keys, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"), jwks.WithStore(store, secret))
//	proofs, err := dpop.New(dpop.WithReplayStore(store))
//
// ContextTimeoutEnabled makes go-redis obey the time limit of a call (250 ms for a
// key set, a second for a proof). Without it, a late call keeps a goroutine running until
// go-redis gives up.
package jwksredis

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	defaultPrefix = "jwks:"
	defaultExpiry = 7 * 24 * time.Hour
	maxRecord     = 64 << 20 // of which no more is read: whoever can write there may have written anything
	minMark       = time.Second
)

// Store is a [github.com/seed-22400188/jwks.Store] and a
// [github.com/seed-22400188/jwks.Leaser] for WithStore, and a
// [github.com/seed-22400188/jwks/dpop.ReplayStore] for WithReplayStore. It has no
// state and no goroutine of its own, and is safe for concurrent use. Its errors
// are those of go-redis.
type Store struct {
	redis  redis.Cmdable
	prefix string
	expiry time.Duration
}

// Option configures a [Store].
type Option interface{ apply(*Store) }

type option func(*Store)

func (o option) apply(s *Store) { o(s) }

// WithPrefix sets the prefix of the names of all Redis keys. Default "jwks:". Change
// it together with the secret of WithStore, so that replicas with the old secret and
// replicas with the new one use separate records.
func WithPrefix(p string) Option { return option(func(s *Store) { s.prefix = p }) }

// WithExpiry sets how long a record is kept after it was last saved. Default 7
// days; with 0 or less, forever. It only decides when unused records are removed: WithTTL
// and WithMaxStale decide how long a key set can be used.
func WithExpiry(d time.Duration) Option { return option(func(s *Store) { s.expiry = max(d, 0) }) }

// New makes a store on a client, a cluster client or a ring, which the caller must
// close. It does no I/O. A nil client panics, also a nil
// pointer of any type.
func New(c redis.Cmdable, opts ...Option) *Store {
	if r := reflect.ValueOf(c); c == nil || r.Kind() == reflect.Pointer && r.IsNil() {
		panic("jwksredis: the Redis client is nil")
	}
	s := &Store{redis: c, prefix: defaultPrefix, expiry: defaultExpiry}
	for _, o := range opts {
		o.apply(s)
	}
	return s
}

// Load returns the record of a name, nil when there is none (GETRANGE).
func (s *Store) Load(ctx context.Context, name string) ([]byte, error) {
	record, err := s.redis.GetRange(ctx, s.prefix+"set:"+name, 0, maxRecord).Bytes()
	if err != nil || len(record) == 0 {
		return nil, err
	}
	return record, nil
}

// Save replaces the record of a name (SET).
func (s *Store) Save(ctx context.Context, name string, record []byte) error {
	return s.redis.Set(ctx, s.prefix+"set:"+name, record, s.expiry).Err()
}

// Lease takes the lease of a name for d, if nobody has it (SET NX).
func (s *Store) Lease(ctx context.Context, name string, d time.Duration) (bool, error) {
	return s.mark(ctx, "lease:"+name, d)
}

// Seen marks a proof, and reports whether it was already marked (SET NX). Redis
// forgets it a second after until. The server must not evict entries that have not
// expired. With maxmemory-policy noeviction it refuses new proofs when it is full, and
// requests get [github.com/seed-22400188/jwks.ErrUnavailable]; with another policy old
// proofs could pass again.
func (s *Store) Seen(ctx context.Context, id string, until time.Time) (bool, error) {
	marked, err := s.mark(ctx, "proof:"+id, time.Until(until)+minMark)
	return !marked && err == nil, err
}

// mark sets a key that is not set. It lasts for d, a second at least for proofs
// and leases that are all but over.
func (s *Store) mark(ctx context.Context, key string, d time.Duration) (bool, error) {
	err := s.redis.SetArgs(ctx, s.prefix+key, 1, redis.SetArgs{Mode: "NX", TTL: max(d, minMark)}).Err()
	if errors.Is(err, redis.Nil) { // it is set
		return false, nil
	}
	return err == nil, err
}
