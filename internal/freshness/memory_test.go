package freshness

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func kids(n int, prefix string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, "-", i)
	}
	return all
}

// However fast an issuer rotates, what is remembered of it stays bounded: by as
// many kids as a set may have.
func TestVanishedKeys_AreBounded(t *testing.T) {
	const most = 1000
	var v vanishedKeys
	for i := range 10 {
		v.remember(kids(300, fmt.Sprint("set-", i)), 0)
	}
	if n := v.entries.Len(); n != most {
		t.Errorf("%d kids, want %d", n, most)
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

// A key that is published a moment after its first token is found soon; a client
// that goes on with one that is gone is not asked for each time.
func TestMissingKeys_LastLongerEachTime(t *testing.T) {
	m := missingKeys{size: 2}
	k1 := Name{KeyID, "k1"}
	if m.has(k1, 1, 0) {
		t.Error("nothing was missed yet")
	}
	at := second
	for n, lasts := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute, time.Minute, time.Minute} {
		for range 3 { // everybody who waited notes the same miss
			m.remember(k1, 1, at)
		}
		end := at.Add(lasts)
		for _, tt := range []struct {
			rule       string
			name       Name
			generation uint64
			now        Moment
			want       bool
		}{
			{"at once", k1, 1, at, true},
			{"to the end", k1, 1, end - 1, true},
			{"not longer", k1, 1, end, false},
			{"of this set only", k1, 2, at, false},
			{"the name of another kind", Name{X5t, "k1"}, 1, at, false},
		} {
			if got := m.has(tt.name, tt.generation, tt.now); got != tt.want {
				t.Errorf("miss %d, %s: %t, want %t", n+1, tt.rule, got, tt.want)
			}
		}
		m.remember(k1, 1, end-1) // by somebody late
		at = end
	}
	m.remember(k1, 2, at)
	if m.has(k1, 2, at.Add(time.Second)) {
		t.Error("the first miss of another set lasts longer than a second")
	}
}

// A kid is a part of a token's text, which may be long.
func TestMissingKeys_KeepNoToken(t *testing.T) {
	m := missingKeys{size: 2}
	token := strings.Repeat("t", 10_000)
	m.remember(Name{KeyID, token[:10]}, 1, 0)
	if kept := m.entries.Keys()[0].Text; kept != token[:10] || unsafe.StringData(kept) == unsafe.StringData(token) {
		t.Errorf("%q is kept within the token", kept)
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
