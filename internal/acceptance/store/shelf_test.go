// Package store shows what a store of key sets is for, and what nobody can do
// with it.
package store

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

var secret = []byte(strings.Repeat("s", 32))

// deadline of a refresh, and length of a lease.
const deadline = 15 * time.Second

// shelf is a store whose owner can do with it as they like.
type shelf struct {
	mu      sync.Mutex
	records map[string][]byte
	loads   int
	saves   int
	before  func(ctx context.Context, call string) error // each call, with the lock not held; nil: nothing
}

func newShelf() *shelf { return &shelf{records: map[string][]byte{}} }

// do lets f be called before each call from now on; nil ends that.
func (s *shelf) do(f func(ctx context.Context, call string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

func (s *shelf) hook(ctx context.Context, call string) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx, call)
}

func (s *shelf) Load(ctx context.Context, name string) ([]byte, error) {
	if err := s.hook(ctx, "load"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	return slices.Clone(s.records[name]), nil
}

func (s *shelf) Save(ctx context.Context, name string, record []byte) error {
	if err := s.hook(ctx, "save"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	s.records[name] = slices.Clone(record)
	return nil
}

// only returns the record of a shelf that has one.
func (s *shelf) only(t *testing.T) (name string, record []byte) {
	t.Helper()
	synctest.Wait() // it is saved in the background
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) != 1 {
		t.Fatalf("%d records, want 1", len(s.records))
	}
	for name, record = range s.records {
	}
	return name, record
}

// names of the records.
func (s *shelf) names() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.records))
}

// put replaces a record behind everybody's back.
func (s *shelf) put(name string, record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = record
}

func (s *shelf) counts() (loads, saves int) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads, s.saves
}

// leasing is a shelf with leases.
type leasing struct {
	*shelf
	until  time.Time
	asked  int
	length time.Duration // that was asked for last
}

func (s *leasing) Lease(ctx context.Context, _ string, d time.Duration) (bool, error) {
	if err := s.hook(ctx, "lease"); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.length = d
	if time.Now().Before(s.until) {
		return false, nil
	}
	s.until = time.Now().Add(d)
	return true, nil
}

// hold takes the lease for somebody who is not there.
func (s *leasing) hold(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

func (s *leasing) leases() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// replica makes a client that uses a store, without discovery so that a refresh
// is one request.
func replica(env *testkit.Env, s jwks.Store, opts ...jwks.ClientOption) *jwks.Client {
	return env.NewClient(append([]jwks.ClientOption{jwks.WithJWKSURL(env.Issuer.JWKSURL()), jwks.WithStore(s, secret)}, opts...)...)
}

// fill lets a client that is closed at once fill a store.
func fill(t *testing.T, env *testkit.Env, s jwks.Store, opts ...jwks.ClientOption) {
	t.Helper()
	c := replica(env, s, opts...)
	testkit.MustReady(t, c)
	synctest.Wait()
	testkit.WantNoError(t, c.Close())
	env.TakeRequests("")
	env.TakeEvents()
}

// token is one of the key k1 that does not expire.
func token(env *testkit.Env, opts ...jwkstest.SignOption) string {
	return env.Issuer.Sign(map[string]any{"exp": nil}, append([]jwkstest.SignOption{jwkstest.WithKeyID("k1")}, opts...)...)
}

func verifier(t *testing.T, source jwks.KeySource) *jwks.Verifier {
	t.Helper()
	return testkit.NewSourceVerifier(t, source, jwks.WithoutExpiry())
}

// wantTold wants the store's failures told so often, each as one line.
func wantTold(t *testing.T, env *testkit.Env, times int, text string) {
	t.Helper()
	synctest.Wait()
	told := env.TakeEvents(jwks.EventStoreFailed)
	if len(told) != times {
		t.Errorf("told %d times, want %d: %v", len(told), times, told)
	}
	for _, e := range told {
		testkit.WantError(t, e.Err, jwks.ErrUnavailable)
		if !strings.Contains(e.Err.Error(), "store") || !strings.Contains(e.Err.Error(), text) {
			t.Errorf("%v, want it to say %q", e.Err, text)
		}
	}
}

// wantRequests wants so many requests for the key set since the last call.
func wantRequests(t *testing.T, env *testkit.Env, n int) {
	t.Helper()
	synctest.Wait()
	if got := env.TakeRequests(testkit.KeySetPath); len(got) != n {
		t.Errorf("%d requests for the key set, want %d: %v", len(got), n, got)
	}
}

var errBroken = errors.New("connection refused")

// slowly delays the issuer's answers.
func slowly(d time.Duration) func(*http.Request, *http.Response) {
	return func(*http.Request, *http.Response) { time.Sleep(d) }
}
