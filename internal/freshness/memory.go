package freshness

import (
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	vanishedMemory  = 48 * time.Hour // how long a kid that left the set has a budget of its own
	vanishedEntries = 1000           // how many such kids are remembered: as many as a set may have
)

// missingMemory is how long a key is remembered as missing after each miss in a
// row: a key that is published a moment after its first token is found in a
// second or two, and a client that goes on with a key that is gone costs one
// refresh a minute.
var missingMemory = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute}

// Kind is the kind of name that a lookup goes by.
type Kind uint8

// The kinds. The same name under two kinds is two names.
const (
	KeyID       Kind = iota // "kid"
	X5tS256                 // "x5t#S256"
	X5t                     // "x5t"
	Algorithm               // no name: any key that allows an algorithm
	Replacement             // another key under a name whose key did not verify a token
)

// Name is what a lookup goes by, in few bytes.
type Name struct {
	Kind Kind
	Text string
}

// missingKeys remembers what a fresh set was asked for and did not have. It
// knows sets by their generation, so that it keeps no old one alive.
type missingKeys struct {
	size    int                      // 0: nothing is remembered
	entries *lru.Cache[Name, missed] // made at first use: most clients never need it
}

// missed is when a set did not have a key, which set, and how often it had been
// asked for the key before.
type missed struct {
	generation uint64
	at         Moment
	earlier    int
}

// lapsed says that the key may be asked for again.
func (e missed) lapsed(now Moment) bool {
	return now.Sub(e.at) >= missingMemory[min(e.earlier, len(missingMemory)-1)]
}

// remember notes a miss. Those who waited for one refresh note the same miss.
func (m *missingKeys) remember(n Name, generation uint64, now Moment) {
	if m.size == 0 {
		return
	}
	if m.entries == nil {
		m.entries, _ = lru.New[Name, missed](m.size) // fails for sizes below 1 only
	}
	next := missed{generation: generation, at: now}
	if e, ok := m.entries.Get(n); ok && e.generation == generation {
		if !e.lapsed(now) {
			return
		}
		next.earlier = e.earlier + 1
	}
	n.Text = strings.Clone(n.Text) // a token's text is not kept for its kid
	m.entries.Add(n, next)
}

// has says whether the set of this generation lacked the key a short while ago.
func (m *missingKeys) has(n Name, generation uint64, now Moment) bool {
	if m.entries == nil {
		return false
	}
	e, ok := m.entries.Get(n)
	return ok && e.generation == generation && !e.lapsed(now)
}

// vanishedKeys remembers kids that were in a set and left it.
type vanishedKeys struct {
	entries *lru.Cache[string, Moment] // made at first use
}

func (v *vanishedKeys) remember(kids []string, now Moment) {
	for _, kid := range kids {
		if kid == "" {
			continue
		}
		if v.entries == nil {
			v.entries, _ = lru.New[string, Moment](vanishedEntries)
		}
		v.entries.Add(kid, now)
	}
}

// has says whether a lookup goes by a kid that left within the last 48 h.
func (v *vanishedKeys) has(n Name, now Moment) bool {
	if v.entries == nil || n.Kind != KeyID {
		return false
	}
	at, ok := v.entries.Get(n.Text)
	return ok && now.Sub(at) < vanishedMemory
}
