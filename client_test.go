package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/freshness"
)

// Freshness must not depend on the wall clock: a jump of it, by NTP or by an
// operator, neither expires keys nor keeps them. Every moment of the policy is
// taken from clock.now, and that from the monotonic clock.
func TestClient_ClockIsMonotonic(t *testing.T) {
	client, err := NewClient(WithIssuer("https://issuer.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := client.cache.clock
	if c.epoch == c.epoch.Round(0) { // Round strips the monotonic reading
		t.Fatal("the epoch has no monotonic reading")
	}
	// What now would say if the wall clock alone counted: the epoch's wall
	// clock reading is moved, and the answer stays.
	before := c.now()
	wall := c.epoch.Round(0).Add(-1000 * time.Hour)
	if time.Since(wall) < 999*time.Hour {
		t.Fatal("without a monotonic reading the wall clock would count")
	}
	if after := c.now(); after < before || after.Sub(before) > time.Hour {
		t.Errorf("now went from %v to %v", before, after)
	}
}

// ed25519Set is a set of n keys whose kids begin so.
func ed25519Set(t *testing.T, n int, prefix string) *KeySet {
	t.Helper()
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"%s-%d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, prefix, i)
	}
	set, err := ParseKeySet([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// However fast an issuer rotates, what is retained stays bounded, and what has
// ended is let go.
func TestRetain_IsBounded(t *testing.T) {
	const minute = freshness.Moment(time.Minute)
	s := &snapshot{loaded: loaded{set: ed25519Set(t, 300, "first")}}
	for i := range 10 {
		next := ed25519Set(t, 300, fmt.Sprint("set-", i))
		s = &snapshot{loaded: loaded{set: next}, retained: retain(s, next, freshness.Moment(i)*minute, time.Hour)}
		n := 0
		for _, r := range s.retained {
			n += len(r.keys.keys)
		}
		if want := min(300*(i+1), 900); n != want {
			t.Errorf("after %d rotations %d keys, want %d", i+1, n, want)
		}
	}
	if _, v := s.byKeyID("set-8-0", 10*minute); v != chosen {
		t.Error("the key that left last was not retained")
	}
	next := ed25519Set(t, 1, "last")
	if kept := retain(s, next, 100*minute, time.Hour); len(kept) != 1 {
		t.Errorf("%d generations are kept past their end", len(kept)-1)
	}
}

// Status converts the policy's states by number.
func TestState_IsThePolicys(t *testing.T) {
	for public, internal := range map[State]freshness.State{
		StateEmpty:   freshness.Empty,
		StateFresh:   freshness.Fresh,
		StateStale:   freshness.Stale,
		StateExpired: freshness.Expired,
	} {
		if State(internal) != public {
			t.Errorf("%v has the number of %v", public, State(internal))
		}
	}
}

// TestCall_ResultFirst: who waits gets the result of a call that is done, also
// where its context, or what it waits for besides, ends at the same time.
func TestCall_ResultFirst(t *testing.T) {
	over := make(chan struct{})
	close(over)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ended, under := call[int]{done: over}, call[int]{done: make(chan struct{})}
	for range 100 { // select takes any that is ready
		if done, err := ended.wait(gone, over); !done || err != nil {
			t.Fatalf("a call that is done: %v, %v", done, err)
		}
	}
	if done, err := under.wait(t.Context(), over); done || err != nil {
		t.Errorf("early: %v, %v", done, err)
	}
	if done, err := under.wait(gone, nil); done || !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v, %v", done, err)
	}
}
