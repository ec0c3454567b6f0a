// Package storelink is one client's link to a store of records: calls that have
// a time of their own, what is known of the store's health, the lease, and the
// saving in the background. It decides nothing about key sets.
package storelink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/bounded"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/record"
	"github.com/seed-22400188/jwks/internal/show"
)

// Timeout bounds one call of a store.
const Timeout = 250 * time.Millisecond

// maxBehind is how many calls may be left behind before no others are made.
const maxBehind = 4

// Store is what the link leads to.
type Store interface {
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, record []byte) error
}

// Leaser is what a store may be besides.
type Leaser interface {
	Lease(ctx context.Context, name string, d time.Duration) (bool, error)
}

// Link is safe for concurrent use.
type Link struct {
	store       Store
	leaser      Leaser // nil: none
	sealer      record.Sealer
	name        string
	maxDocument int64
	tell        func(error) // hears of each spell of failing once
	calls       bounded.Caller

	mu         sync.Mutex // everything below; never held across a call
	health     health
	newest     time.Time // of the records that were there
	leaseUntil freshness.Moment
	withheld   bool           // nothing is saved
	unsaved    *record.Record // to be saved next
	saving     bool
}

// New makes a link to the record of a name. What is told is in one line, with
// foreign text quoted.
func New(s Store, sealer record.Sealer, name string, maxDocument int64, tell func(error)) *Link {
	l := &Link{store: s, sealer: sealer, name: name, maxDocument: maxDocument, tell: tell}
	l.calls = bounded.Caller{Timeout: Timeout, Most: maxBehind}
	l.leaser, _ = s.(Leaser)
	return l
}

// storeError is a failed call.
type storeError struct {
	call  string
	cause error
}

func (e *storeError) Error() string {
	return "the store failed to " + e.call + ": " + show.Quote(e.cause.Error())
}
func (e *storeError) Unwrap() error { return e.cause }

// fail notes a failed call.
func (l *Link) fail(c Call, what string, err error) {
	l.mu.Lock()
	tell := l.health.failed(c)
	l.mu.Unlock()
	if tell {
		l.tell(&storeError{what, err})
	}
}

// Refuse says that a record which opened is not to be trusted all the same.
func (l *Link) Refuse(err error) {
	l.mu.Lock()
	tell := l.health.badRecord()
	l.mu.Unlock()
	if tell {
		l.tell(fmt.Errorf("the record in the store is not used: %w", err))
	}
}

// Load loads the record; nil when there is none, or none to be trusted. ok is
// false when the call failed.
func (l *Link) Load(ctx context.Context) (found *record.Record, ok bool) {
	sealed, err := bounded.Call(ctx, &l.calls, func(ctx context.Context) ([]byte, error) {
		return l.store.Load(ctx, l.name)
	})
	if err != nil {
		l.fail(Load, "load the record", err)
		return nil, false
	}
	l.mu.Lock()
	l.health.worked(Load)
	newest := l.newest
	l.mu.Unlock()
	if sealed == nil {
		return nil, true
	}
	r, err := l.sealer.Open(sealed, l.name, l.maxDocument, time.Now())
	switch {
	case err != nil:
		l.Refuse(err)
		return nil, true
	case rolledBack(r.FetchedAt, newest):
		l.Refuse(fmt.Errorf("it is of %s, older than the one that was there before", r.FetchedAt.UTC().Format(time.RFC3339)))
		return nil, true
	}
	return &r, true
}

// Trust says that a record of this date is what it should be, and whether it is
// newer than the set at hand.
func (l *Link) Trust(fetchedAt time.Time, newer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.health.goodRecord(newer)
	l.note(fetchedAt)
}

// note notes the date of a record that was there, with the lock held.
func (l *Link) note(at time.Time) {
	if at.After(l.newest) {
		l.newest = at
	}
}

// IsFailing says that the last call of a kind failed.
func (l *Link) IsFailing(c Call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.health.isFailing(c)
}

// NeedsLease says that there are leases, and that ours does not last.
func (l *Link) NeedsLease(now freshness.Moment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leaser != nil && now >= l.leaseUntil
}

// Lease asks for the lease, for d from now on. ok is false when the call failed.
func (l *Link) Lease(ctx context.Context, now freshness.Moment, d time.Duration) (granted, ok bool) {
	granted, err := bounded.Call(ctx, &l.calls, func(ctx context.Context) (bool, error) {
		return l.leaser.Lease(ctx, l.name, d)
	})
	if err != nil {
		l.fail(Lease, "give the lease", err)
		return false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.health.worked(Lease)
	if granted {
		l.leaseUntil = now.Add(d)
	}
	return granted, true
}

// Withhold keeps everything from being saved until Release.
func (l *Link) Withhold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.withheld = true
}

// Release ends that.
func (l *Link) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.withheld = false
}

// Queue has a record saved next, in place of one that still waits for that. It
// reports whether the caller has to call SaveQueued.
func (l *Link) Queue(r record.Record) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.withheld {
		return false
	}
	r.Name, l.unsaved = l.name, &r
	start, l.saving = !l.saving, true
	return start
}

// SaveQueued saves what is queued. It returns when nothing is left.
func (l *Link) SaveQueued() {
	for {
		l.mu.Lock()
		r := l.unsaved
		if l.unsaved = nil; r == nil {
			l.saving = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		sealed := l.sealer.Seal(*r)
		_, err := bounded.Call(context.Background(), &l.calls, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, l.store.Save(ctx, l.name, sealed)
		})
		if err != nil {
			l.fail(Save, "save the record", err)
			continue
		}
		l.mu.Lock()
		l.health.worked(Save)
		l.note(r.FetchedAt)
		l.mu.Unlock()
	}
}
