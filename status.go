package jwks

import "time"

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
	Issuer, JWKSURL  string       // JWKSURL is "" until discovery found it
	State            State        //
	KeyIDs, Retained []string     // kids of the set in document order, and of the keys that WithRetention keeps
	Skipped          []SkippedKey // entries of the set that are not used

	FetchedAt   time.Time // when the set was last confirmed; zero when never
	ExpiresAt   time.Time // end of the TTL; zero for a static client
	StaleUntil  time.Time // ExpiresAt plus max-stale; zero for a static client
	NextAttempt time.Time // end of the backoff; zero when none runs

	LastError           error     // of the newest failure, also after a success
	LastErrorAt         time.Time //
	ConsecutiveFailures int       // failures since the last success

	Fetches     uint64 // refreshes, each with its retries and its discovery counted once
	NotModified uint64 // of them, those answered 304
	Failures    uint64 // of them, those that failed
	Throttled   uint64 // lookups of unknown keys that the budget refused to refresh for
}

// Status says how the client is doing. It never blocks.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, wall := c.now(), time.Now()
	at := func(m moment) time.Time {
		if m == never {
			return time.Time{}
		}
		return wall.Add(m - now)
	}
	st := Status{
		Issuer:              c.boundIssuer(),
		JWKSURL:             c.jwksURLLocked(),
		LastError:           c.lastError,
		ConsecutiveFailures: c.policy.failures,
		Fetches:             c.counts.fetches,
		NotModified:         c.counts.notModified,
		Failures:            c.counts.failures,
		Throttled:           c.counts.throttled,
	}
	if c.lastError != nil {
		st.LastErrorAt = at(c.lastErrorAt)
	}
	if now < c.policy.retryAt {
		st.NextAttempt = at(c.policy.retryAt)
	}
	s := c.current.Load()
	if s == nil {
		return st
	}
	st.State = s.state(now)
	st.KeyIDs, st.Skipped = s.set.ids(), s.set.Skipped()
	for _, r := range s.retained {
		if now < r.until {
			st.Retained = append(st.Retained, r.keys.ids()...)
		}
	}
	st.FetchedAt, st.ExpiresAt, st.StaleUntil = at(s.fetchedAt), at(s.expiry), at(s.stale)
	return st
}

// jwksURLLocked is the URL of the key set, "" until it is known.
func (c *Client) jwksURLLocked() string {
	if s := c.current.Load(); s != nil && s.jwksURL != "" {
		return s.jwksURL
	}
	return c.cfg.jwksURL
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
