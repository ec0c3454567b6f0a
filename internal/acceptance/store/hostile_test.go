package store

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// readOnly is a store that keeps what an attacker has put there.
type readOnly struct{ *shelf }

func (readOnly) Save(context.Context, string, []byte) error { return nil }

// wantIgnored wants a replica to do without the record in a store, and to tell
// that once.
func wantIgnored(t *testing.T, env *testkit.Env, s *shelf, what, text string) {
	t.Helper()
	c := replica(env, readOnly{s})
	defer c.Close()
	testkit.WantKey(t, c, "k1")
	synctest.Wait()
	if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 || !c.Status().Stored.IsZero() {
		t.Fatalf("%s: %d requests, %+v", what, n, c.Status())
	}
	told := env.TakeEvents(jwks.EventStoreFailed)
	if len(told) != 1 || !strings.Contains(told[0].Err.Error(), text) {
		t.Fatalf("%s: told %v, want once %q", what, told, text)
	}
	testkit.WantError(t, told[0].Err, jwks.ErrUnavailable)
}

// Whoever can write to the store can neither add a key, nor extend anything, nor
// change an issuer: what is not as it was written is as none.
func TestInvariant31_TamperedRecords(t *testing.T) {
	testkit.Bubble(t, "every byte flipped", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		name, record := s.only(t)
		for i := range record {
			bad := bytes.Clone(record)
			bad[i] ^= 1 << (i % 8)
			s.put(name, bad)
			wantIgnored(t, env, s, "a flipped byte", "the record in the store is not used: ")
		}
	})
	testkit.Bubble(t, "cut, lengthened, replaced", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		name, record := s.only(t)
		for what, bad := range map[string][]byte{
			"empty":            {},
			"half":             record[:len(record)/2],
			"a byte short":     record[:len(record)-1],
			"a byte long":      append(bytes.Clone(record), 'x'),
			"a key set":        []byte(`{"keys":[]}`),
			"four mebibytes":   bytes.Repeat([]byte("x"), 4<<20),
			"another version":  append([]byte("jwks9"), record[5:]...),
			"nothing but this": []byte("jwks1"),
		} {
			s.put(name, bad)
			wantIgnored(t, env, s, what, "the record in the store is not used: ")
		}
	})
	testkit.Bubble(t, "another secret", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s, jwks.WithStore(s, []byte(strings.Repeat("x", 32))))
		wantIgnored(t, env, s, "another secret", "does not have the authentication code of this secret")
	})
	testkit.Bubble(t, "of the future", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		name, future := sealAhead(t, env, 61*time.Second)
		s.put(name, future)
		wantIgnored(t, env, s, "61 s ahead", "it is dated in the future")
		_, near := sealAhead(t, env, 59*time.Second)
		s.put(name, near)
		testkit.WantKey(t, replica(env, s), "k1")
		wantRequests(t, env, 0)
	})
	testkit.Bubble(t, "told once, however often it is seen", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		name, record := s.only(t)
		record[40] ^= 1
		s.put(name, record)
		c := replica(env, readOnly{s})
		testkit.WantKeySteadily(t, c, "k1", time.Minute, 3*time.Hour)
		wantTold(t, env, 1, "not used")
	})
}

// A record under the name of another is as none, whatever it says.
func TestInvariant31_SwappedIssuers(t *testing.T) {
	testkit.Bubble(t, "two issuers", func(t *testing.T) {
		env, other, s := testkit.NewEnv(t), testkit.NewEnv(t, jwkstest.WithBaseURL("https://other.example")), newShelf()
		fill(t, other, s)
		name2, record2 := s.only(t)
		s.put(name2, nil)
		delete(s.records, name2)
		fill(t, env, s)
		name1, record1 := s.only(t)
		s.put(name1, record2)
		s.put(name2, record1)
		wantIgnored(t, env, s, "the other's", "it is the record of another name")
		wantIgnored(t, other, s, "the other's", "it is the record of another name")
		v := verifier(t, replica(env, readOnly{s}))
		testkit.Refuse(t, v, other.Issuer.Sign(map[string]any{"exp": nil, "iss": env.Issuer.URL()}), jwks.ErrTokenInvalid)
	})
}

// An older record that is put back extends nothing.
func TestInvariant31_ReplayedRecords(t *testing.T) {
	testkit.Bubble(t, "to a client that had a newer one", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		name, old := s.only(t)
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		time.Sleep(10 * time.Minute)
		fill(t, env, s, jwks.WithTTL(time.Minute)) // fetches
		c := replica(env, readOnly{s})
		testkit.WantKey(t, c, "k2")
		wantRequests(t, env, 0)
		s.put(name, old)
		for range 5 {
			time.Sleep(testkit.DefaultTTL)
			testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound)
		}
		wantTold(t, env, 1, "older than the one that was there before")
	})
	testkit.Bubble(t, "to a client that has none, past its time", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fill(t, env, s)
		env.Issuer.SetFault(jwkstest.Status(503))
		time.Sleep(testkit.DefaultTTL + time.Hour)
		c := replica(env, readOnly{s}, jwks.WithRetries(0))
		for range 5 {
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(time.Minute)
		}
		wantTold(t, env, 1, "it is 1h15m0s old, past the end of stale")
	})
	testkit.Bubble(t, "to a client that has none, within its time", func(t *testing.T) {
		env, s := testkit.NewEnv(t), newShelf()
		fetched := time.Now()
		fill(t, env, s)
		name, old := s.only(t)
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		time.Sleep(5 * time.Minute)
		c := replica(env, s)
		testkit.MustRefresh(t, c)
		synctest.Wait()
		s.put(name, old)
		c = replica(env, readOnly{s})
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Until(fetched.Add(testkit.DefaultTTL)))
		testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
	})
}
