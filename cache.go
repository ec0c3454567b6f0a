package jwks

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// snapshot is what the cache holds of one issuer: immutable, but for the
// moment until which lookups need not ask the policy.
type snapshot struct {
	set      *KeySet
	retained []retained
	metadata *Metadata // nil without discovery, and with a seed
	schedule

	jwksURL      string
	discoveryURL string // where the metadata was found
	discovered   moment // when
	etag         string // validators of the key set
	lastModified string
	asked        time.Duration // the lifetime that the answer's headers asked for
	said         bool          // whether they asked for one
	began        moment        // when the refresh that brought or confirmed it began
	fetchedAt    moment        // when it was brought or confirmed; never for a seed
	quietUntil   atomic.Int64
}

// seeded says that the set came with the configuration.
func (s *snapshot) seeded() bool { return s.fetchedAt == never }

// wanted is what a lookup looks for.
type wanted struct {
	header   Header
	any      bool // the first key with the kid, whatever its algorithm
	set      bool // no key: the set will do
	document bool // with set: it must have come with a discovery document
	again    bool // a key is there, but did not verify the token: see recheck
}

// choose finds what is wanted. A nil snapshot has nothing.
func (s *snapshot) choose(w *wanted, now moment) ([]*Key, verdict) {
	switch {
	case s == nil, w.document && s.metadata == nil:
		return nil, missing
	case w.set:
		return nil, chosen
	case w.any:
		return s.named(w.header.KeyID, now)
	default:
		return s.chooseFor(&w.header, now)
	}
}

// chooseFor finds the keys for a token's header: in the set, else among the
// keys that left it.
func (s *snapshot) chooseFor(h *Header, now moment) ([]*Key, verdict) {
	keys, v := s.set.choose(h)
	if v != missing || len(s.retained) == 0 || h.KeyID == "" && h.X5tS256 == "" && h.X5t == "" {
		return keys, v
	}
	for _, r := range s.retained {
		if now < r.until {
			if keys, v := r.keys.choose(h); v != missing {
				return keys, v
			}
		}
	}
	return nil, missing
}

// named finds the keys with a kid.
func (s *snapshot) named(kid string, now moment) ([]*Key, verdict) {
	if keys := s.set.withID(kid); len(keys) > 0 {
		return keys, chosen
	}
	for _, r := range s.retained {
		if keys := r.keys.withID(kid); len(keys) > 0 && now < r.until {
			return keys, chosen
		}
	}
	return nil, missing
}

// retained is what left the set at one time and is trusted a while longer.
type retained struct {
	keys  *KeySet
	until moment
}

// retain lists the keys to trust although set, the new one, lacks them: those
// that the old set had, from now for d, and those retained already. A key ends
// when a key or a skipped entry of the new set has its kid. Keys without a kid
// are not retained, and no more than a set may have; the newest come first.
func retain(old *snapshot, set *KeySet, now moment, d moment) []retained {
	if old == nil || d <= 0 {
		return nil
	}
	var kept []retained
	room := maxKeys
	keep := func(from *KeySet, until moment) {
		left := new(KeySet)
		for _, k := range from.keys {
			if kid := k.ID(); kid != "" && len(set.withID(kid)) == 0 && !set.skips(kid) {
				left.append(k)
			}
		}
		if n := len(left.keys); n > 0 && n <= room && now < until {
			kept = append(kept, retained{left, until})
			room -= n
		}
	}
	keep(old.set, later(now, d))
	for _, r := range old.retained {
		keep(r.keys, r.until)
	}
	return kept
}

// skips says whether an entry with this kid was left out.
func (s *KeySet) skips(kid string) bool {
	return slices.ContainsFunc(s.skipped, func(e SkippedKey) bool { return e.KeyID == kid })
}

// hopeless says that no key can have such a name: asking the issuer for it
// would be in vain.
func (w *wanted) hopeless() bool {
	return len(w.header.KeyID) > maxKeyID || len(w.header.X5tS256) > maxKeyID || len(w.header.X5t) > maxKeyID
}

// absence is a lookup that a fresh set did not answer.
type absence struct {
	set *KeySet
	at  moment
}

// absenceKey names what was looked for, in few bytes. Lookups that name no key
// go by algorithm, and all unknown algorithms are one: no key has them.
type absenceKey struct{ kind, name string }

func (w *wanted) absenceKey() absenceKey {
	switch h := &w.header; {
	case w.again:
		return absenceKey{"alg of key", h.Algorithm + " " + cmp.Or(h.KeyID, h.X5tS256, h.X5t)}
	case h.KeyID != "":
		return absenceKey{"kid", h.KeyID}
	case h.X5tS256 != "":
		return absenceKey{"x5t#S256", h.X5tS256}
	case h.X5t != "":
		return absenceKey{"x5t", h.X5t}
	case w.any:
		return absenceKey{"kid", ""}
	case algorithmNamed(h.Algorithm) == algUnknown:
		return absenceKey{"alg", ""}
	default:
		return absenceKey{"alg", h.Algorithm}
	}
}

// memory is what the cache remembers of lookups, bounded, and never beyond the
// set: kids that it does not have, and kids that it once had. Made at first
// use: most clients never need it.
type memory struct {
	size     int
	absent   *lru.Cache[absenceKey, absence]
	vanished *lru.Cache[string, moment]
}

// remember notes that set, when it was fresh, did not have what w wants.
func (m *memory) remember(w *wanted, set *KeySet, now moment) {
	if m.size == 0 {
		return
	}
	if m.absent == nil {
		m.absent, _ = lru.New[absenceKey, absence](m.size) // fails for sizes below 1 only
	}
	key := w.absenceKey()
	key.name = strings.Clone(key.name) // a token's text is not kept for its kid
	m.absent.Add(key, absence{set, now})
}

// absentFrom says whether that was noted of this very set within the minute.
func (m *memory) absentFrom(w *wanted, set *KeySet, now moment) bool {
	if m.absent == nil {
		return false
	}
	a, ok := m.absent.Get(w.absenceKey())
	return ok && a.set == set && now-a.at < missingMemory
}

// leave notes the kids that are in the old set and not in the new one.
func (m *memory) leave(old *snapshot, set *KeySet, now moment) {
	if old == nil {
		return
	}
	for _, kid := range old.set.ids() {
		if kid == "" || len(set.withID(kid)) > 0 {
			continue
		}
		if m.vanished == nil {
			m.vanished, _ = lru.New[string, moment](vanishedEntries)
		}
		m.vanished.Add(kid, now)
	}
}

// left says whether a kid was in a set within the last 48 h.
func (m *memory) left(kid string, now moment) bool {
	if m.vanished == nil || kid == "" {
		return false
	}
	at, ok := m.vanished.Get(kid)
	return ok && now-at < vanishedMemory
}
