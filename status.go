package jwks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// State is how far the keys of a [Client] have aged.
type State uint8

// The states follow each other with time: fresh until the TTL, stale until the
// end of [WithMaxStale], then expired, which serves no more than empty does.
const (
	StateEmpty   State = iota // no usable set yet
	StateFresh                // within the TTL
	StateStale                // past the TTL; served only while the source fails
	StateExpired              // past the end of stale: not served
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

// Status is what a [Client] knows of itself: for a health page or a metric.
type Status struct {
	Issuer, JWKSURL  string // JWKSURL is "" until discovery found it
	State            State
	KeyIDs, Retained []string     // kids of the set in document order, and of the keys that WithRetention keeps
	Skipped          []SkippedKey // entries of the set that are not used

	FetchedAt   time.Time // when the set was last confirmed; zero when never
	ExpiresAt   time.Time // end of the TTL; zero for a static client
	StaleUntil  time.Time // ExpiresAt plus max-stale; zero for a static client
	NextAttempt time.Time // end of the backoff; zero when none runs

	LastError           error // of the newest failure, also after a success
	LastErrorAt         time.Time
	ConsecutiveFailures int // failures since the last success

	Fetches     uint64 // refreshes, each with its retries and its discovery counted once
	NotModified uint64 // of them, those answered 304
	Failures    uint64 // of them, those that failed
	Throttled   uint64 // lookups of unknown keys that the budget refused to refresh for
}

// EventKind says what happened.
type EventKind uint8

// What an observer hears of.
const (
	EventRefreshed     EventKind = iota + 1 // a set was fetched; Added and Removed tell what changed
	EventNotModified                        // 304: the set was confirmed
	EventRefreshFailed                      // once per failed refresh
	EventServedStale                        // once per spell of serving a set past its TTL
	EventThrottled                          // the budget for unknown keys is spent; once per spell
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
	}
	return "unknown"
}

// Event is what [WithObserver] hears.
type Event struct {
	Kind           EventKind
	Issuer, URL    string        // URL of the key set; "" until discovery found it
	Added, Removed []string      // kids, with EventRefreshed
	Duration       time.Duration // of the refresh, with the first three kinds
	Err            error         // why, with EventRefreshFailed and EventServedStale
}

// eventIssuerTaken is for the log only: the discovery document said which
// issuer to bind the keys to, and nothing checked that.
const eventIssuerTaken EventKind = 0

// announcer tells the log and the observer what happens, one event at a time
// and in order. The zero value tells nobody.
type announcer struct {
	logger   *slog.Logger
	observer func(Event)

	mu         sync.Mutex // never held while somebody is told
	pending    []Event
	delivering bool
}

// announce queues an event until somebody delivers.
func (a *announcer) announce(e Event) {
	if a.logger == nil && a.observer == nil {
		return
	}
	a.mu.Lock()
	a.pending = append(a.pending, e)
	a.mu.Unlock()
}

// deliver tells what is pending. If another goroutine is delivering, deliver
// returns at once and that one goes on with what was queued, which keeps the
// order. The caller holds no lock: an observer may ask for the status.
func (a *announcer) deliver() {
	if a.logger == nil && a.observer == nil {
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
		e := a.pending[0]
		a.pending = a.pending[1:]
		a.tell(e)
	}
	a.pending = nil
}

// tell logs and observes one event, with the announcer's lock given back
// meanwhile. A panic of the observer or of the logger's handler is recovered:
// nobody else could do that in the goroutine of a fetch.
func (a *announcer) tell(e Event) {
	a.mu.Unlock()
	defer a.mu.Lock()
	defer func() { _ = recover() }()
	a.log(e)
	if a.observer != nil && e.Kind != eventIssuerTaken {
		a.observer(e)
	}
}

// log writes an event to the log. What an operator should look at is a warning: a
// failing issuer is one for each step of the backoff.
func (a *announcer) log(e Event) {
	if a.logger == nil {
		return
	}
	level, message := slog.LevelDebug, "jwks: key set "+e.Kind.String()
	attrs := make([]slog.Attr, 0, 6)
	if e.Issuer != "" {
		attrs = append(attrs, slog.String("issuer", e.Issuer))
	}
	if e.URL != "" {
		attrs = append(attrs, slog.String("url", show.URL(e.URL)))
	}
	switch e.Kind {
	case eventIssuerTaken:
		level, message = slog.LevelWarn, "jwks: keys are bound to the issuer that the discovery document names; say WithIssuer to check it"
	case EventRefreshFailed:
		level, message = slog.LevelWarn, "jwks: refresh failed"
	case EventServedStale: // the failed refreshes warn
		level, message = slog.LevelInfo, "jwks: serving keys past their TTL"
	case EventThrottled:
		level, message = slog.LevelInfo, "jwks: unknown keys, refresh budget spent"
	case EventRefreshed:
		if len(e.Added)+len(e.Removed) > 0 {
			level = slog.LevelInfo
			attrs = append(attrs, slog.Any("added", quoted(e.Added)), slog.Any("removed", quoted(e.Removed)))
		}
	}
	if e.Duration > 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", bare(e.Err)))
	}
	a.logger.LogAttrs(context.Background(), level, message, attrs...)
}

// quoted makes kids fit for a log.
func quoted(kids []string) []string {
	q := make([]string, len(kids))
	for i, kid := range kids {
		q[i] = show.Quote(kid)
	}
	return q
}
