package model

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-22400188/jwks"
)

// shelf is a store that does as its storage says. The scenario's client is its
// only user, so it never holds anything that the client has not fetched: whatever
// it does, the rules are those of a client without a store.
type shelf struct {
	jwks.Store
	storage storage
	loading func() // called when it is asked for a record
}

var errStore = errors.New("the store is out of order")

func (s *shelf) Load(ctx context.Context, name string) ([]byte, error) {
	s.loading()
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	record, err := s.Store.Load(ctx, name)
	if s.storage == forgingStore && len(record) > 0 {
		record = slices.Clone(record)
		record[len(record)/2] ^= 1
	}
	return record, err
}

func (s *shelf) Save(ctx context.Context, name string, record []byte) error {
	if err := s.call(ctx); err != nil {
		return err
	}
	return s.Store.Save(ctx, name, record)
}

func (s *shelf) Lease(ctx context.Context, _ string, _ time.Duration) (bool, error) {
	return true, s.call(ctx)
}

func (s *shelf) call(ctx context.Context) error {
	switch s.storage {
	case failingStore:
		return errStore
	case hangingStore:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}
