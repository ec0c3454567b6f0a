package storelink

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/record"
)

// A spell of failing is told once, and ends when all that failed has worked.
func TestHealth_Spells(t *testing.T) {
	type step struct {
		do   func(h *health) bool
		told bool
	}
	fails := func(c Call, told bool) step { return step{func(h *health) bool { return h.failed(c) }, told} }
	works := func(c Call) step { return step{func(h *health) bool { h.worked(c); return false }, false} }
	bad := func(told bool) step { return step{(*health).badRecord, told} }
	good := func(newer bool) step {
		return step{func(h *health) bool { h.goodRecord(newer); return false }, false}
	}
	for name, steps := range map[string][]step{
		"one call":                          {fails(Load, true), fails(Load, false), works(Load), fails(Load, true)},
		"a dead store":                      {fails(Load, true), fails(Save, false), works(Load), fails(Load, false), works(Load), works(Save), fails(Load, true)},
		"a full one":                        {fails(Save, true), works(Load), fails(Save, false), works(Load), fails(Save, false)},
		"another replica saves":             {fails(Save, true), good(false), fails(Load, false), good(true), fails(Load, true)},
		"bad records are another matter":    {fails(Load, true), bad(true), bad(false), fails(Lease, false), good(false), bad(true)},
		"what works says nothing of others": {works(Load), fails(Lease, true), works(Save), fails(Lease, false), works(Lease), fails(Save, true)},
	} {
		var h health
		for i, s := range steps {
			if told := s.do(&h); told != s.told {
				t.Errorf("%s, step %d: told %t", name, i, told)
			}
		}
	}
}

func TestHealth_FailingKinds(t *testing.T) {
	var h health
	h.failed(Load)
	h.failed(Save)
	h.worked(Save)
	if !h.isFailing(Load) || h.isFailing(Save) || h.isFailing(Lease) {
		t.Errorf("%+v", h)
	}
}

func TestRolledBack_AMinute(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for d, want := range map[time.Duration]bool{-time.Hour: false, 0: false, time.Minute: false, time.Minute + 1: true} {
		if got := rolledBack(now.Add(-d), now); got != want {
			t.Errorf("%v older: %t", d, got)
		}
	}
	if rolledBack(now, time.Time{}) {
		t.Error("older than none")
	}
}

// fake is a store of one record.
type fake struct {
	mu     sync.Mutex
	record []byte
	names  []string
	saves  int
	err    error
	pause  time.Duration
	held   bool
}

func (f *fake) Load(_ context.Context, name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = append(f.names, name)
	return f.record, f.err
}

func (f *fake) Save(_ context.Context, name string, record []byte) error {
	time.Sleep(f.pause)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = append(f.names, name)
	f.record, f.saves = record, f.saves+1
	return f.err
}

func (f *fake) Lease(_ context.Context, name string, d time.Duration) (bool, error) {
	f.names = append(f.names, name)
	return !f.held, f.err
}

func newLink(t *testing.T, s Store) (*Link, *[]error) {
	t.Helper()
	sealer, err := record.NewSealer([]byte(strings.Repeat("s", record.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	told := new([]error)
	return New(s, sealer, "name", 1<<20, func(err error) { *told = append(*told, err) }), told
}

func TestLink_LoadsWhatItSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l, told := newLink(t, f)
		if r, ok := l.Load(t.Context()); r != nil || !ok {
			t.Errorf("an empty store: %v, %t", r, ok)
		}
		at := time.Now()
		if !l.Queue(record.Record{Issuer: "i", FetchedAt: at, FullAt: at}) {
			t.Fatal("nobody saves")
		}
		l.SaveQueued()
		r, ok := l.Load(t.Context())
		if !ok || r == nil || r.Issuer != "i" || r.Name != "name" || !r.FetchedAt.Equal(at) {
			t.Errorf("%+v, %t", r, ok)
		}
		time.Sleep(2 * time.Minute)
		old := f.record
		l.Queue(record.Record{FetchedAt: time.Now(), FullAt: time.Now()})
		l.SaveQueued()
		f.record = old
		if r, ok := l.Load(t.Context()); r != nil || !ok || len(*told) != 1 || !strings.Contains((*told)[0].Error(), "older than the one") {
			t.Errorf("an older one: %v, %t, %v", r, ok, *told)
		}
		f.record = []byte("forged")
		if r, ok := l.Load(t.Context()); r != nil || !ok || len(*told) != 1 {
			t.Errorf("a forged one: %v, %t, %v", r, ok, *told)
		}
		for _, name := range f.names {
			if name != "name" {
				t.Errorf("%q", f.names)
			}
		}
	})
}

func TestLink_TellsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{err: errors.New("no route\nto host " + strings.Repeat("x", 500))}
		l, told := newLink(t, f)
		if _, ok := l.Load(t.Context()); ok {
			t.Error("it loads")
		}
		if _, ok := l.Lease(t.Context(), 0, time.Second); ok {
			t.Error("it gives the lease")
		}
		l.Queue(record.Record{FetchedAt: time.Now()})
		l.SaveQueued()
		if len(*told) != 1 || !errors.Is((*told)[0], f.err) || len((*told)[0].Error()) > 200 || strings.Contains((*told)[0].Error(), "\n") {
			t.Errorf("%v", *told)
		}
		if !l.IsFailing(Load) || !l.IsFailing(Save) || !l.IsFailing(Lease) {
			t.Errorf("%+v", l.health)
		}
	})
}

func TestLink_Leases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l, _ := newLink(t, f)
		const now = freshness.Moment(time.Hour)
		if !l.NeedsLease(now) {
			t.Error("it has one from the start")
		}
		if granted, ok := l.Lease(t.Context(), now, time.Second); !granted || !ok {
			t.Errorf("%t, %t", granted, ok)
		}
		if l.NeedsLease(now.Add(time.Second)-1) || !l.NeedsLease(now.Add(time.Second)) {
			t.Error("it does not last as long as it should")
		}
		f.held = true
		if granted, ok := l.Lease(t.Context(), now.Add(time.Minute), time.Second); granted || !ok {
			t.Errorf("%t, %t", granted, ok)
		}
		if !l.NeedsLease(now.Add(time.Minute)) {
			t.Error("a refusal is a lease")
		}
		without, _ := newLink(t, struct{ Store }{f})
		if without.NeedsLease(now) {
			t.Error("there are no leases")
		}
	})
}

// What comes while something is saved is saved after it, and only the newest.
func TestLink_SavesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pause: 100 * time.Millisecond}
		l, _ := newLink(t, f)
		at := time.Now()
		r := func(i int) record.Record { return record.Record{FetchedAt: at.Add(time.Duration(i)), FullAt: at} }
		if !l.Queue(r(1)) {
			t.Fatal("nobody saves")
		}
		go l.SaveQueued()
		synctest.Wait()
		for i := 2; i < 5; i++ {
			if l.Queue(r(i)) {
				t.Fatal("two save")
			}
		}
		time.Sleep(time.Second)
		got, _ := l.Load(t.Context())
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.saves != 2 || got == nil || !got.FetchedAt.Equal(at.Add(4)) {
			t.Errorf("%d saves, %+v", f.saves, got)
		}
	})
}

func TestLink_Withholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l, _ := newLink(t, f)
		r := record.Record{FetchedAt: time.Now(), FullAt: time.Now()}
		l.Withhold()
		if l.Queue(r) {
			t.Error("it is not withheld")
		}
		l.Release()
		if !l.Queue(r) {
			t.Error("it is withheld")
		}
		l.SaveQueued()
	})
}
