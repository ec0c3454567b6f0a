package freshness

import (
	"fmt"
	"testing"
	"time"
)

func kids(n int, prefix string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, "-", i)
	}
	return all
}

// However fast an issuer rotates, what is remembered of it stays bounded.
func TestVanishedKeys_AreBounded(t *testing.T) {
	var v vanishedKeys
	for i := range 10 {
		v.remember(kids(300, fmt.Sprint("set-", i)), 0)
	}
	if n := v.entries.Len(); n != vanishedEntries {
		t.Errorf("%d kids", n)
	}
}

func TestVanishedKeys_LastFor48Hours(t *testing.T) {
	var v vanishedKeys
	if v.has(Name{KeyID, "k1"}, 0) {
		t.Error("nothing has vanished yet")
	}
	v.remember([]string{"k1", ""}, minute)
	end := minute.Add(48 * time.Hour)
	for _, tt := range []struct {
		rule string
		name Name
		now  Moment
		want bool
	}{
		{"at once", Name{KeyID, "k1"}, minute, true},
		{"to the end", Name{KeyID, "k1"}, end - 1, true},
		{"not longer", Name{KeyID, "k1"}, end, false},
		{"another kid", Name{KeyID, "k2"}, minute, false},
		{"the name of another kind", Name{X5t, "k1"}, minute, false},
		{"a replacement for it", Name{Replacement, "k1"}, minute, false},
		{"keys without a kid have none to remember", Name{KeyID, ""}, minute, false},
	} {
		if got := v.has(tt.name, tt.now); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.rule, got, tt.want)
		}
	}
}

func TestMissingKeys_LastForAMinute(t *testing.T) {
	m := missingKeys{size: 2}
	k1 := Name{KeyID, "k1"}
	if m.has(k1, 1, 0) {
		t.Error("nothing was missed yet")
	}
	m.remember(k1, 1, second)
	for _, tt := range []struct {
		rule       string
		name       Name
		generation uint64
		now        Moment
		want       bool
	}{
		{"at once", k1, 1, second, true},
		{"to the end", k1, 1, second + minute - 1, true},
		{"not longer", k1, 1, second + minute, false},
		{"of this set only", k1, 2, second, false},
		{"the name of another kind", Name{X5t, "k1"}, 1, second, false},
	} {
		if got := m.has(tt.name, tt.generation, tt.now); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.rule, got, tt.want)
		}
	}
}

func TestMissingKeys_AreBounded(t *testing.T) {
	m := missingKeys{size: 2}
	for _, kid := range kids(10, "k") {
		m.remember(Name{KeyID, kid}, 1, 0)
	}
	if n := m.entries.Len(); n != 2 {
		t.Errorf("%d kids", n)
	}
	off := missingKeys{}
	off.remember(Name{KeyID, "k"}, 1, 0)
	if off.has(Name{KeyID, "k"}, 1, 0) || off.entries != nil {
		t.Error("switched off, it remembers")
	}
}
