package jwks

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Freshness must not depend on the wall clock: a jump of it, by NTP or by an
// operator, neither expires keys nor keeps them. Every moment of the policy is
// taken from Client.now, and that from the monotonic clock.
func TestTheClockIsMonotonic(t *testing.T) {
	c, err := NewClient(WithIssuer("https://issuer.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
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
	if after := c.now(); after < before || after-before > time.Hour {
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
func TestRetainedKeysAreBounded(t *testing.T) {
	s := &snapshot{set: ed25519Set(t, 300, "first")}
	for i := range 10 {
		next := ed25519Set(t, 300, fmt.Sprint("set-", i))
		s = &snapshot{set: next, retained: retain(s, next, moment(i)*time.Minute, time.Hour)}
		n := 0
		for _, r := range s.retained {
			n += len(r.keys.keys)
		}
		if want := min(300*(i+1), 900); n != want {
			t.Errorf("after %d rotations %d keys, want %d", i+1, n, want)
		}
	}
	if _, v := s.named("set-8-0", 10*time.Minute); v != chosen {
		t.Error("the key that left last was not retained")
	}
	next := ed25519Set(t, 1, "last")
	if kept := retain(s, next, 100*time.Minute, time.Hour); len(kept) != 1 {
		t.Errorf("%d generations are kept past their end", len(kept)-1)
	}
}

func TestVanishedKidsAreBounded(t *testing.T) {
	var m memory
	for i := range 10 {
		m.leave(&snapshot{set: ed25519Set(t, 300, fmt.Sprint("set-", i))}, ed25519Set(t, 1, "next"), 0)
	}
	if n := m.vanished.Len(); n != vanishedEntries {
		t.Errorf("%d kids", n)
	}
}
