package jwks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// State is how far the keys of a [Client] have aged.
type State uint8

// The states follow each other with time: fresh until the TTL, stale until the
// end of [WithMaxStale], then expired, which is as if the set were empty.
const (
	StateEmpty   State = iota // no usable set yet
	StateFresh                // within the TTL
	StateStale                // past the TTL; used only while the source fails
	StateExpired              // past the end of WithMaxStale; not used
)

// String returns "empty", "fresh", "stale" or "expired".
func (s State) String() string {
	switch s {
	case StateEmpty:
		return "empty"
	case StateFresh:
		return "fresh"
	case StateStale:
		return "stale"
	case StateExpired:
		return "expired"
	}
	return "unknown"
}

// MarshalText writes what String returns, so that JSON has it too.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Status is what a [Client] reports about itself, for a health page or a metric. In
// JSON, its members have the names of its fields in snake_case (jwks_url,
// last_error_at), states and errors are strings, and zero times, empty lists and an
// absent last error are left out.
type Status struct {
	Issuer, JWKSURL  string // JWKSURL is "" until discovery has found it; its query, which may hold a secret, is left out
	Dynamic          bool   // the issuer was accepted at run time: it is not listed
	State            State
	KeyIDs, Retained []string     // kids of the set in document order, and of the keys kept by WithRetention
	Skipped          []SkippedKey // entries of the set that are not used

	FetchedAt   time.Time // when the origin server last confirmed the set, with Age subtracted; zero if never
	ExpiresAt   time.Time // end of the TTL; zero for a static client
	StaleUntil  time.Time // ExpiresAt plus max-stale; zero for a static client
	NextAttempt time.Time // end of the backoff; zero when none runs

	LastError           error // of the latest failure, even if a refresh has succeeded since
	LastErrorAt         time.Time
	ConsecutiveFailures int // failures since the last success

	Fetches     uint64 // refreshes; each counts once, with its retries and its discovery
	NotModified uint64 // refreshes that were answered 304
	Failures    uint64 // refreshes that failed
	Throttled   uint64 // lookups of unknown keys that the budget refused to refresh for

	// Hash is a hash of the usable keys and their kids, in hexadecimal. It changes if a
	// key changes, and is the same in every process with the same keys, whatever
	// their order. "" when the set is empty.
	Hash string
	// Stored is when the set was fetched, if it came from the store of [WithStore];
	// zero if this process fetched it.
	Stored time.Time
}

// MarshalJSON writes a status for programs, as [Status] says. It holds no query
// of a URL.
func (s Status) MarshalJSON() ([]byte, error) {
	document := struct {
		Issuer              string       `json:"issuer"`
		Dynamic             bool         `json:"dynamic,omitempty"`
		JWKSURL             string       `json:"jwks_url"`
		State               State        `json:"state"`
		KeyIDs              []string     `json:"key_ids,omitempty"`
		Retained            []string     `json:"retained,omitempty"`
		Skipped             []SkippedKey `json:"skipped,omitempty"`
		FetchedAt           time.Time    `json:"fetched_at,omitzero"`
		ExpiresAt           time.Time    `json:"expires_at,omitzero"`
		StaleUntil          time.Time    `json:"stale_until,omitzero"`
		NextAttempt         time.Time    `json:"next_attempt,omitzero"`
		LastError           string       `json:"last_error,omitempty"`
		LastErrorAt         time.Time    `json:"last_error_at,omitzero"`
		ConsecutiveFailures int          `json:"consecutive_failures"`
		Fetches             uint64       `json:"fetches"`
		NotModified         uint64       `json:"not_modified"`
		Failures            uint64       `json:"failures"`
		Throttled           uint64       `json:"throttled"`
		Hash                string       `json:"hash"`
		Stored              time.Time    `json:"stored,omitzero"`
	}{
		s.Issuer, s.Dynamic, show.WholeURL(s.JWKSURL), s.State, s.KeyIDs, s.Retained, s.Skipped,
		s.FetchedAt, s.ExpiresAt, s.StaleUntil, s.NextAttempt, "", s.LastErrorAt, s.ConsecutiveFailures,
		s.Fetches, s.NotModified, s.Failures, s.Throttled, s.Hash, s.Stored,
	}
	if s.LastError != nil {
		document.LastError = s.LastError.Error()
	}
	return json.Marshal(document)
}

// hash is [Status.Hash] for a set. It is computed once for a snapshot.
func (s *snapshot) hash() string {
	s.hashed.Do(func() {
		keys := make([]string, 0, len(s.set.keys))
		for _, k := range s.set.keys {
			material := cmp.Or(k.Thumbprint(), hex.EncodeToString(k.digest[:]))
			text, _ := json.Marshal([]string{k.ID(), k.parsed.Alg, k.Issuer(), material}) // of strings: it cannot fail
			keys = append(keys, string(text))
		}
		if len(keys) == 0 {
			return
		}
		slices.Sort(keys)
		h := sha256.New()
		for _, k := range keys {
			h.Write([]byte(k))
		}
		s.hashText = hex.EncodeToString(h.Sum(nil)[:16])
	})
	return s.hashText
}

// EventKind says what happened.
type EventKind uint8

// What an observer is told. A spell lasts until the next success.
const (
	EventRefreshed     EventKind = iota + 1 // a set was fetched, or taken from the store; Added, Removed and Changed tell what is new
	EventNotModified                        // the server answered 304: the set was confirmed
	EventRefreshFailed                      // once per failed refresh
	EventServedStale                        // once per spell of serving a set past its TTL
	EventThrottled                          // the budget for unknown keys is spent; once per spell
	EventExpired                            // no usable set is left and refreshes fail: lookups are ErrUnavailable from now on; once per spell, never before the first set
	EventRecovered                          // the first success after failures; Duration is how long they lasted, Failures how many they were
	EventEvicted                            // an issuer that was accepted at run time was evicted to make room for another
	EventStoreFailed                        // the store failed, or its record cannot be trusted; each once per spell
)

// String returns a short name, such as "refreshed".
func (k EventKind) String() string {
	switch k {
	case EventRefreshed:
		return "refreshed"
	case EventNotModified:
		return "not modified"
	case EventRefreshFailed:
		return "refresh failed"
	case EventServedStale:
		return "served stale"
	case EventThrottled:
		return "throttled"
	case EventExpired:
		return "expired"
	case EventRecovered:
		return "recovered"
	case EventEvicted:
		return "evicted"
	case EventStoreFailed:
		return "store failed"
	}
	return "unknown"
}

// Event is what the function of [WithObserver] is told.
type Event struct {
	Kind           EventKind
	Issuer, URL    string        // URL of the key set without its query; "" until discovery has found it
	Dynamic        bool          // the issuer was accepted at run time: it is not listed
	Added, Removed []string      // kids, with EventRefreshed
	Changed        []string      // kids that now have another key, with EventRefreshed
	Duration       time.Duration // of the refresh, with the first three kinds; with EventRecovered, how long refreshes had failed
	Failures       int           // refreshes that failed in a row, including this one; with EventRecovered, those before the success
	Until          time.Time     // until when the current set is used if no refresh succeeds; in the past once it has expired, zero without a set and for a static client
	KeyID          string        // the kid that was asked for, with EventThrottled; "" when the token named none
	Err            error         // why, with EventRefreshFailed, EventServedStale, EventExpired and EventStoreFailed
}

// notice is an event with more details for the log.
type notice struct {
	Event
	message string // not "": for the log alone
	evicted int    // with EventEvicted: how many were since the last line; 0: not for the log
	skipped []SkippedKey
	alarm   bool          // with skipped: their owner must be told
	first   bool          // with EventRefreshed: nothing was fetched before
	stored  bool          // with EventRefreshed: the set came from the store
	age     time.Duration // of such a set
	at      time.Time
	state   State
	next    time.Time // the next attempt or, with EventThrottled, refresh for unknown keys; zero when it is due
}

// announcer passes events to the log and the observer, one at a time
// and in order. The zero value does nothing.
type announcer struct {
	logger   *slog.Logger
	observer func(Event)
	place    string // named in the log while the URL of the key set is unknown

	mu         sync.Mutex // never held while somebody is told
	pending    []notice
	delivering bool

	// Of who delivers:
	failures  failureLog
	throttled time.Time // when throttling was logged last
}

// idle says that there is neither a log nor an observer.
func (a *announcer) idle() bool { return a.logger == nil && a.observer == nil }

// announce queues an event until somebody delivers.
func (a *announcer) announce(n notice) {
	if a.idle() {
		return
	}
	a.mu.Lock()
	a.pending = append(a.pending, n)
	a.mu.Unlock()
}

// deliver passes on the pending events. If another goroutine is delivering, deliver
// returns at once and that one goes on with what was queued, which keeps the
// order. The caller holds no lock: an observer may ask for the status.
func (a *announcer) deliver() {
	if a.idle() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.delivering {
		return
	}
	a.delivering = true
	defer func() { a.delivering = false }()
	for len(a.pending) > 0 {
		n := a.pending[0]
		a.pending = a.pending[1:]
		a.tell(n)
	}
	a.pending = nil
}

// tell logs and observes one event, with the announcer's lock given back
// meanwhile. A panic of the observer or of the logger's handler is recovered:
// nobody else could do that in the goroutine of a fetch.
func (a *announcer) tell(n notice) {
	a.mu.Unlock()
	defer a.mu.Lock()
	defer func() { _ = recover() }()
	a.log(n)
	if a.observer != nil && n.message == "" {
		a.observer(n.Event)
	}
}

// failureLog decides which failed refreshes are worth a line: each doubling of
// their number in a row, and so many more that an outage is never silent for
// longer than quietFailures.
type failureLog struct {
	count int       // of failures when the last line was written
	at    time.Time // when that was
}

const (
	quietFailures  = 10 * time.Minute
	quietThrottled = time.Minute
)

// worth decides on the nth failure in a row, at now. The next one comes at next
// or later.
func (l *failureLog) worth(n int, now, next time.Time) bool {
	again := n > l.count // the same spell goes on
	if again && n < 2*l.count && next.Sub(l.at) <= quietFailures {
		return false
	}
	l.count, l.at = n, now
	return true
}

// level is how a notice appears in the log: an error when tokens cannot be
// verified any more, a warning when somebody should look at it, info for what
// changed, and debug for the rest.
func (a *announcer) level(n notice) (level slog.Level, message string) {
	switch {
	case len(n.skipped) > 0 && !n.alarm: // most are keys for encryption
		return slog.LevelInfo, n.message
	case n.message != "":
		return slog.LevelWarn, n.message
	}
	switch n.Kind {
	case EventRefreshed:
		if news := n.news(); news != "" {
			return slog.LevelInfo, news
		}
	case EventRefreshFailed:
		if !a.failures.worth(n.Failures, n.at, n.next) {
			return slog.LevelDebug, "jwks: refresh failed"
		}
		if n.state == StateFresh || n.state == StateStale {
			return slog.LevelWarn, "jwks: refresh failed, the keys at hand still serve"
		}
		return slog.LevelWarn, "jwks: refresh failed, there are no keys to serve"
	case EventServedStale: // the failed refreshes warn
		return slog.LevelDebug, "jwks: serving keys past their TTL"
	case EventThrottled:
		if n.at.Sub(a.throttled) >= quietThrottled {
			a.throttled = n.at
			return slog.LevelWarn, "jwks: unknown key refused without a refresh, the budget for them is spent"
		}
	case EventExpired:
		return slog.LevelError, "jwks: keys expired: no token can be verified until a refresh succeeds"
	case EventRecovered:
		return slog.LevelInfo, "jwks: refresh works again"
	case EventEvicted:
		return slog.LevelWarn, "jwks: issuer evicted to make room for another"
	case EventStoreFailed:
		return slog.LevelWarn, "jwks: the store failed, going on without it"
	}
	return slog.LevelDebug, "jwks: key set " + n.Kind.String()
}

// news is what is new with a set that came, "" if it is nothing.
func (n *notice) news() string {
	switch changed := len(n.Added)+len(n.Removed)+len(n.Changed) > 0; {
	case n.stored && (n.first || changed):
		return "jwks: key set taken from the store"
	case n.first:
		return "jwks: first key set loaded"
	case changed:
		return "jwks: key set changed"
	}
	return ""
}

// log writes a notice to the log.
func (a *announcer) log(n notice) {
	if a.logger == nil || n.Kind == EventEvicted && n.evicted == 0 {
		return
	}
	level, message := a.level(n)
	ctx := context.Background()
	if !a.logger.Enabled(ctx, level) {
		return
	}
	a.logger.LogAttrs(ctx, level, message, n.attrs(a.place)...)
}

// attrs are the attributes of a line, always in this order.
func (n notice) attrs(place string) []slog.Attr {
	attrs := make([]slog.Attr, 0, 12)
	if n.Issuer != "" {
		issuer := show.Place(n.Issuer)
		if n.Dynamic { // a token named it
			issuer = show.Line(n.Issuer)
		}
		attrs = append(attrs, slog.String("issuer", issuer))
	}
	var failed *FetchError
	if n.URL == "" && errors.As(n.Err, &failed) {
		place = cmp.Or(failed.URL, place)
	}
	attrs = append(attrs, slog.String("url", show.Place(cmp.Or(n.URL, place))))
	if n.Kind == EventRefreshFailed || n.Kind == EventExpired {
		attrs = append(attrs, slog.String("state", n.state.String()))
	}
	if n.Failures > 0 {
		attrs = append(attrs, slog.Int("failures", n.Failures))
	}
	if n.Failures > 0 && n.Kind != EventRecovered {
		attrs = appendTime(attrs, "until", n.Until)
		attrs = appendTime(attrs, "next", n.next)
	}
	if n.Kind == EventThrottled {
		attrs = append(attrs, slog.String("kid", show.Line(n.KeyID)))
		attrs = appendTime(attrs, "next", n.next)
	}
	if n.Kind == EventRefreshed && len(n.Added)+len(n.Removed)+len(n.Changed) > 0 {
		attrs = appendKids(attrs, "added", n.Added)
		attrs = appendKids(attrs, "removed", n.Removed)
		attrs = appendKids(attrs, "changed", n.Changed)
	}
	if n.stored {
		attrs = append(attrs, slog.Duration("age", n.age.Round(time.Millisecond)))
	}
	if n.evicted > 0 {
		attrs = append(attrs, slog.Int("evicted", n.evicted))
	}
	if len(n.skipped) > 0 {
		kids := make([]string, len(n.skipped))
		for i, e := range n.skipped {
			kids[i] = e.KeyID
		}
		attrs = append(appendKids(attrs, "kid", kids), slog.String("error", n.skipped[0].Err.Error()))
	}
	if n.Duration > 0 {
		attrs = append(attrs, slog.Duration("duration", n.Duration))
	}
	if n.Err != nil {
		attrs = append(attrs, slog.String("error", bare(n.Err)))
	}
	return attrs
}

func appendTime(attrs []slog.Attr, name string, t time.Time) []slog.Attr {
	if t.IsZero() {
		return attrs
	}
	return append(attrs, slog.Time(name, t.Round(0)))
}

// maxLoggedKids is how many kids of a list are logged: an issuer may publish a
// thousand.
const maxLoggedKids = 16

// appendKids adds a list of kids, each fit for a log. A list that was shortened
// is followed by its length.
func appendKids(attrs []slog.Attr, name string, kids []string) []slog.Attr {
	shown := make([]string, min(len(kids), maxLoggedKids))
	for i := range shown {
		shown[i] = show.Line(kids[i])
	}
	attrs = append(attrs, slog.Any(name, shown))
	if len(kids) > len(shown) {
		attrs = append(attrs, slog.Int(name+"_count", len(kids)))
	}
	return attrs
}
