package jwks

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/httpcache"
)

// cause is why a refresh began.
type cause uint8

const (
	causeAge         cause = iota // the set was missing, old, or not cached at all
	causeUnknownKey               // a key that no set had, or a bad signature
	causeVanishedKey              // a key that left the set lately
	causeDemand                   // Refresh
)

// forKey says that the refresh is charged to a budget.
func (c cause) forKey() bool { return c == causeUnknownKey || c == causeVanishedKey }

// flight is one refresh. Everybody who needs one meanwhile shares it; it runs
// on a context of its own, and each waiter obeys its own besides.
type flight struct {
	cause    cause
	began    moment
	ctx      context.Context // of its own; a child of the client's would leave a map behind in that
	end      context.CancelFunc
	stumbled chan struct{} // closed when an attempt has failed and others follow
	done     chan struct{}
	wanted   *wanted // of the lookup that began it, nil if none did
	// Set before done is closed:
	snapshot *snapshot
	err      error
}

// startLocked begins a refresh unless one is under way.
func (c *Client) startLocked(why cause, now moment) *flight {
	if c.flight != nil {
		return c.flight
	}
	f := &flight{cause: why, began: now, stumbled: make(chan struct{}), done: make(chan struct{})}
	f.ctx, f.end = context.WithTimeout(context.Background(), max(fetchDeadline, c.cfg.timeout))
	c.flight = f
	c.policy.begin(now)
	c.hushLocked(now)
	c.running.Add(1)
	go c.fly(f)
	return f
}

// fly carries one refresh out.
func (c *Client) fly(f *flight) {
	defer c.running.Done()
	defer close(f.done)
	defer f.end()
	loaded := false
	defer func() {
		if !loaded { // an HTTP client may end the goroutine, as t.FailNow does
			c.land(f, nil, false, &FetchError{URL: cmp.Or(c.cfg.jwksURL, c.cfg.discoveryURL, c.cfg.issuer), Err: errors.New("the HTTP client ended its goroutine")})
		}
	}()
	next, notModified, err := c.load(f.ctx, f)
	loaded = true
	c.fetcher.CloseIdle()
	c.land(f, next, notModified, err)
}

// stumble is called when an attempt of a refresh has failed and others follow:
// who has a stale set need not wait for them.
func (c *Client) stumble(f *flight, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.policy.stumbled {
		c.policy.stumbled = true
		c.stumbledOver = err
		close(f.stumbled)
		c.hushLocked(c.now())
	}
}

// load fetches the key set, and the discovery document before it where one is
// due: with every refresh, except one for an unknown key while the document
// is younger than the TTL; and again when the key set is no longer where it
// said.
func (c *Client) load(ctx context.Context, f *flight) (next *snapshot, notModified bool, err error) {
	last := c.current.Load()
	next = &snapshot{began: f.began, jwksURL: c.cfg.jwksURL}
	discovered := false
	if c.cfg.discovers() {
		if last != nil && last.metadata != nil && f.cause.forKey() && c.now()-last.discovered < c.cfg.ttl {
			next.metadata, next.discoveryURL, next.discovered, next.jwksURL = last.metadata, last.discoveryURL, last.discovered, last.jwksURL
		} else {
			if err := c.discover(ctx, f, last, next); err != nil {
				return nil, false, err
			}
			discovered = true
		}
	}
	response, err := c.getKeySet(ctx, f, last, next)
	if moved(err) && c.cfg.discovers() && !discovered {
		if err := c.discover(ctx, f, last, next); err != nil {
			return nil, false, err
		}
		response, err = c.getKeySet(ctx, f, last, next)
	}
	if err != nil {
		return nil, false, err
	}

	var previous *KeySet
	if last != nil && !last.seeded() { // a seed may be bound to less
		previous = last.set
	}
	if response.NotModified {
		next.set = previous
	} else if next.set, err = readKeySet(response.Body, c.bindingFor(next.metadata), previous); err != nil {
		return nil, false, &FetchError{URL: next.jwksURL, StatusCode: http.StatusOK, Err: err}
	}
	now := c.now()
	next.asked, next.said = httpcache.Lifetime(response.Header, time.Now())
	next.etag, next.lastModified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	if response.NotModified { // what it does not repeat stays (RFC 9111 section 4.3.4)
		next.etag, next.lastModified = cmp.Or(next.etag, last.etag), cmp.Or(next.lastModified, last.lastModified)
		if !next.said {
			next.asked, next.said = last.asked, last.said
		}
	}
	life := lifetime(c.cfg.ttl, httpcache.Age(response.Header), next.asked, next.said)
	next.schedule = plan(now, life, c.cfg.refreshAhead, c.cfg.maxStale, rand.Float64())
	next.fetchedAt = now
	return next, response.NotModified, nil
}

// moved says that the key set is not where the discovery document said.
func moved(err error) bool {
	var e *FetchError
	return errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone)
}

// getKeySet asks for the key set, conditionally where the last one came from
// the same place (RFC 9110 section 13.1). A refresh for a key or on demand
// goes past caches on the way, which may hold the old set (RFC 9111 section
// 5.2.1.4).
func (c *Client) getKeySet(ctx context.Context, f *flight, last, next *snapshot) (*fetch.Response, error) {
	r := fetch.Request{URL: next.jwksURL, NoCache: f.cause != causeAge}
	if last != nil && last.jwksURL == next.jwksURL {
		r.ETag, r.LastModified = last.etag, last.lastModified
	}
	return c.get(ctx, f, r)
}

// get fetches a document for a refresh.
func (c *Client) get(ctx context.Context, f *flight, r fetch.Request) (*fetch.Response, error) {
	r.Stumbled = func(e *fetch.Error) { c.stumble(f, fetchError(e)) }
	response, err := c.fetcher.Get(ctx, r)
	if err != nil {
		return nil, fetchError(err)
	}
	return response, nil
}

// fetchError makes a failure this package's own.
func fetchError(err error) *FetchError {
	var e *fetch.Error
	if errors.As(err, &e) {
		// An HTTP client may verify tokens itself, and fail with errors of the other class.
		return &FetchError{URL: e.URL, StatusCode: e.StatusCode, RetryAfter: e.RetryAfter, Err: fault.Within(ErrUnavailable, e.Err)}
	}
	return &FetchError{Err: err}
}

// land takes the result of a refresh in.
func (c *Client) land(f *flight, next *snapshot, notModified bool, err error) {
	c.mu.Lock()
	now := c.now()
	c.flight = nil
	if c.closed { // what came too late is dropped
		f.err = c.closedError()
		c.mu.Unlock()
		return
	}
	c.counts.fetches++
	if err != nil {
		c.failLocked(f, err, now)
	} else {
		c.succeedLocked(f, next, notModified, now)
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	c.unlock()
}

// failLocked is the end of a refresh that failed: the backoff begins.
func (c *Client) failLocked(f *flight, err error, now moment) {
	var e *FetchError
	var asked time.Duration
	if errors.As(err, &e) {
		asked = e.RetryAfter
	}
	c.counts.failures++
	c.lastError, c.lastErrorAt = err, now
	c.policy.fail(now, backoff(c.policy.failures+1, asked, rand.Float64()), c.cfg.ttl)
	c.hushLocked(now)
	failed := c.failureLocked(now)
	f.err = unavailable(failed.text(), failed)
	c.tellLocked(Event{Kind: EventRefreshFailed, Duration: now - f.began, Err: err})
}

// succeedLocked is the end of a refresh that brought or confirmed a set.
func (c *Client) succeedLocked(f *flight, next *snapshot, notModified bool, now moment) {
	f.snapshot = next
	event := Event{Kind: EventRefreshed, Duration: now - f.began}
	if notModified {
		c.counts.notModified++
		event.Kind = EventNotModified
	}
	if last := c.current.Load(); last != nil && last.set == next.set {
		next.retained = last.retained
	} else {
		event.Added, event.Removed = changes(last, next)
		next.retained = retain(last, next.set, now, c.cfg.retention)
		c.memory.leave(last, next.set, now)
	}
	if f.cause.forKey() {
		c.budget(f.cause).charge(now)
	}
	c.current.Store(next)
	if c.pinned == nil && next.metadata != nil {
		c.pinned = newBinding(next.metadata.Issuer, c.cfg.tenants)
		c.tellLocked(Event{Kind: eventIssuerTaken})
	}
	c.renewLocked(next, now)
	if f.wanted != nil { // who joined for the same key need not ask again
		if _, v := next.choose(f.wanted, now); v == missing {
			c.memory.remember(f.wanted, next.set, now)
		}
	}
	c.tellLocked(event)
}

// renewLocked starts the schedule of a snapshot.
func (c *Client) renewLocked(s *snapshot, now moment) {
	c.policy.renew(s.schedule)
	c.policy.loaded = !c.cfg.noCache || c.cfg.static()
	c.staleAnnounced, c.throttleAnnounced = false, false
	c.hushLocked(now)
}

// hushLocked tells lookups until when they need not ask the policy.
func (c *Client) hushLocked(now moment) {
	if s := c.current.Load(); s != nil {
		s.quietUntil.Store(int64(c.policy.quiet(now, c.staleAnnounced)))
	}
}

// changes lists the kids that came and went.
func changes(last, next *snapshot) (added, removed []string) {
	if last == nil {
		return next.set.ids(), nil
	}
	for _, kid := range next.set.ids() {
		if len(last.set.withID(kid)) == 0 {
			added = append(added, kid)
		}
	}
	for _, kid := range last.set.ids() {
		if len(next.set.withID(kid)) == 0 {
			removed = append(removed, kid)
		}
	}
	return added, removed
}

// ids lists the kids in document order, each once.
func (s *KeySet) ids() []string {
	ids := make([]string, 0, len(s.keys))
	seen := make(map[string]bool, len(s.keys))
	for _, k := range s.keys {
		if !seen[k.ID()] {
			seen[k.ID()] = true
			ids = append(ids, k.ID())
		}
	}
	return slices.Clip(ids)
}
