package jwks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/record"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/storelink"
)

// Store keeps key sets outside the process, see [WithStore]. What it returns is
// not trusted. Package jwksstore has a store in a directory, and the nested module
// contrib/redis one on Redis. Several goroutines call it at a time. It
// must not write to a record, or keep it after Save has returned.
type Store interface {
	// Load returns the record that was saved last under a name, or nil and nil
	// if there is none. A name is 32 hexadecimal digits.
	Load(ctx context.Context, name string) ([]byte, error)
	// Save replaces the record of a name as a whole: a concurrent Load must return
	// either the old record or the new one.
	Save(ctx context.Context, name string, record []byte) error
}

// Leaser is an optional interface of a [Store], which lets one replica refresh for all.
type Leaser interface {
	// Lease takes the lease of a name for d, and returns false if somebody else
	// holds it. Leases are not given back: they end by themselves.
	Lease(ctx context.Context, name string, d time.Duration) (bool, error)
}

// WithStore keeps the key set in a store, where it outlives the process, so that
// a process restarted during an outage has keys, and where replicas share it.
// The store is asked before a refresh because of the set's age, including the first
// fetch, and before a refresh for an unknown key. If it has a newer set, that is used
// without asking the issuer, and everything counts from when it was fetched: the TTL,
// max-stale, and when a removed key ends. A set past its TTL is used once an attempt at
// the issuer has failed. [Client.Refresh] and a bad signature always ask the issuer.
// With a [Leaser], one replica at a time refreshes a set because of its age, and the
// others look in the store again.
//
// Only someone who has the secret can write a valid record: it carries an
// HMAC-SHA-256 (RFC 2104) under a key derived from the secret (RFC 5869). A record
// that was changed, belongs to another issuer, is too large, is dated more than a
// minute in the future, or is older than one seen before is ignored and reported
// ([EventStoreFailed]). Replicas that share a store share the secret.
//
// Each call of the store has 250 ms; a call that ignores its context is abandoned. If the
// store fails, a cold start waits that long once, lookups are not delayed, and it is
// reported once until it works again. Records are dated by the wall clock: a clock that
// is behind extends the life of a set by as much. The set of an issuer that was accepted
// at run time is saved once a [Verifier] or [Issuers.KeyForToken] has verified one of its
// tokens.
//
// Default: none. A nil store, a secret of fewer than 32 bytes, a static client,
// and a combination with [TrustAnyIssuer], [WithoutCache] or [WithKeyFile] are
// [ErrConfig]. The secret is copied.
func WithStore(s Store, secret []byte) ClientOption {
	secret = slices.Clone(secret)
	return clientOption(func(c *clientConfig) error {
		if isNil(s) {
			return configError("WithStore", "the store is nil")
		}
		sealer, err := record.NewSealer(secret)
		if err != nil {
			return configError("WithStore", "%v", err)
		}
		c.store = &storeConfig{store: s, sealer: sealer, list: c.list}
		c.say("WithStore")
		return nil
	})
}

// storeConfig is what [WithStore] amounts to.
type storeConfig struct {
	store  Store
	sealer record.Sealer
	list   uint8 // that it was in
}

// checkStore refuses a store for a client that never fetches. A store that is common
// to all issuers is ignored for a static client instead.
func (c *clientConfig) checkStore() error {
	if c.store == nil || !c.static() || !c.hasSource {
		return nil
	}
	if c.store.list < c.list {
		c.store = nil
		return nil
	}
	return configError("WithStore", "the key set is the program's own: nothing is fetched that could be stored")
}

// newStore opens the link of a client to its store.
func newStore(cfg *clientConfig, tell func(error)) *storelink.Link {
	name := record.Name(cfg.issuer, cfg.jwksURL, cfg.discoveryURL, cfg.discoveryPath)
	link := storelink.New(cfg.store.store, cfg.store.sealer, name, cfg.maxDocument, tell)
	if cfg.cameAtRunTime {
		link.Withhold()
	}
	return link
}

// provenance is what the record of a set has in addition to what a load brings.
type provenance struct {
	keySet    []byte    // the document as it came
	fetchedAt time.Time // when the origin made the answer
	fullAt    time.Time // when an answer came last that was not a 304
	stored    bool      // it came from the store
}

// provenanceOf is that of an answer for the key set; nil without a store.
func (o origin) provenanceOf(response *fetch.Response, last *loaded, age time.Duration) *provenance {
	if o.cfg.store == nil {
		return nil
	}
	now := time.Now().Round(0)
	p := &provenance{keySet: response.Body, fetchedAt: now.Add(-age), fullAt: now}
	switch {
	case response.NotModified && last.from == nil:
		return nil
	case response.NotModified:
		p.keySet, p.fullAt = last.from.keySet, last.from.fullAt
	case last != nil && last.from != nil && bytes.Equal(p.keySet, last.from.keySet):
		p.keySet = last.from.keySet
	}
	return p
}

// consultation is what a refresh asks of the store, and what came of it.
type consultation struct {
	asks      bool          // something is asked
	awaited   bool          // lookups wait for it
	serves    bool          // those of known keys do not
	lease     bool          // one replica is to refresh for all
	storeNews chan struct{} // closed, and nil from then on, when the store had a set and the refresh goes on; guarded by the cache's lock
	mayStore  atomic.Bool   // no call has failed: the result may be saved
	unasked   bool          // the result is not the issuer's answer; set before done is closed
}

// prepare decides what a refresh that is about to begin asks of the store, with
// the lock held.
func (c *cache) prepare(f *consultation, p purpose, now freshness.Moment) {
	f.mayStore.Store(true)
	if f.asks = !p.direct && p.cause != freshness.OnDemand; !f.asks {
		return
	}
	f.serves = c.policy.Serves(now)
	f.awaited = p.cause.ForKey() || !f.serves
	f.storeNews = make(chan struct{})
	f.lease = c.policy.NeedsLease(p.cause, p.found, now) && c.store.NeedsLease(now) && !(f.awaited && c.store.IsFailing(storelink.Lease))
}

// consult asks the store before the issuer is asked. It returns true when that
// ended the refresh.
func (c *cache) consult(f *flight, q *inquiry) (ended bool) {
	if f.asks && c.consultStore(f, q) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy.StopYielding(c.clock.now())
	return false
}

func (c *cache) consultStore(f *flight, q *inquiry) (ended bool) {
	if f.awaited && c.store.IsFailing(storelink.Load) {
		// It is asked beside the issuer, until it answers again.
		f.mayStore.Store(false)
		beside := *q
		c.running.Go(func() {
			if found, ok := c.loadRecord(c.life, &beside); ok {
				f.mayStore.Store(true)
				c.takeRecord(f, nil, found)
			}
		})
		return false
	}
	ctx, cancel := f.ctx, context.CancelFunc(func() {})
	if f.awaited { // all of it together
		ctx, cancel = context.WithTimeout(ctx, storelink.Timeout)
	}
	defer cancel()
	found, ok := c.loadRecord(ctx, q)
	if ok && c.takeRecord(f, q, found) {
		return true
	}
	granted := true
	if ok && f.lease {
		granted, ok = c.store.Lease(ctx, c.clock.now(), c.cfg.deadline)
	}
	f.mayStore.Store(ok)
	if granted || !ok {
		return false
	}
	switch c.awaitLease(f) {
	case freshness.ComeBack:
		return true
	case freshness.LookShortly:
		return c.lookShortly(f, q)
	}
	return false
}

// awaitLease decides what a refresh does that was refused the lease, and ends it
// if that is to come back later.
func (c *cache) awaitLease(f *flight) freshness.Wait {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	now := c.clock.now()
	wait := c.policy.AwaitLease(now, f.serves)
	if wait == freshness.ComeBack && c.endLocked(f) {
		time.AfterFunc(c.policy.Yield(now, rand.Float64()), c.comeBack)
		c.updateQuietUntilLocked(now)
		f.result, f.unasked = c.current.Load(), true
	}
	return wait
}

// comeBack goes on with a refresh that yielded to the holder of the lease, unless
// a lookup has.
func (c *cache) comeBack() {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if now := c.clock.now(); !c.closed && c.policy.IsYielding() && c.policy.Due() <= now {
		c.startLocked(purpose{cause: freshness.ForAge, found: true}, now)
	}
}

// lookShortly looks in the store again for what the holder of the lease is
// fetching, for as long as that may take.
func (c *cache) lookShortly(f *flight, q *inquiry) (ended bool) {
	c.mu.Lock()
	patience := c.policy.PatienceFor(c.clock.now())
	c.mu.Unlock()
	last := time.Now().Add(patience - storelink.Timeout)
	for n := 0; ; n++ {
		pause := freshness.LookPause(n, rand.Float64())
		if time.Now().Add(pause).After(last) {
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-f.ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
		found, ok := c.loadRecord(f.ctx, q)
		if !ok {
			f.mayStore.Store(false)
			return false
		}
		if c.takeRecord(f, q, found) {
			return true
		}
	}
}

// loadRecord loads the record, and reads it; nil when there is none, or none to
// be trusted. ok is false when the call failed.
func (c *cache) loadRecord(ctx context.Context, q *inquiry) (l *loaded, ok bool) {
	r, ok := c.store.Load(ctx)
	if r == nil {
		return nil, ok
	}
	l, err := c.origin.readRecord(r, q)
	if err != nil {
		c.store.Refuse(err)
		return nil, true
	}
	return l, true
}

// takeRecord takes a record in that is of use: as the result of the refresh,
// which ends it, or for lookups to fall back on while that goes on. q is nil for
// a refresh that has gone on.
func (c *cache) takeRecord(f *flight, q *inquiry, l *loaded) (ended bool) {
	if l == nil {
		return false
	}
	worth, age := c.adopt(f, q, l)
	if worth == freshness.TooOld {
		c.store.Refuse(fmt.Errorf("it is %s old, past the end of stale", show.Round(age)))
	}
	return worth == freshness.Good && q != nil
}

func (c *cache) adopt(f *flight, q *inquiry, l *loaded) (freshness.Worth, time.Duration) {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if c.closed || c.flight != f {
		return freshness.Useless, 0
	}
	now, wall, last := c.clock.now(), time.Now(), c.current.Load()
	age := max(wall.Sub(l.from.fetchedAt), 0)
	worth := c.policy.Judge(age, last.isOlder(l.from.fetchedAt))
	if worth != freshness.TooOld {
		c.store.Trust(l.from.fetchedAt, worth != freshness.Useless)
	}
	if worth != freshness.Good && worth != freshness.Spare {
		return worth, age
	}
	next := &snapshot{loaded: *l, fetchedAt: now.Add(-age)}
	if last != nil { // nobody here asked for it
		next.order = last.order
	}
	event := Event{Kind: EventRefreshed}
	event.Added, event.Removed, event.Changed = changes(last, next)
	if c.retainsLocked(last, now) {
		next.retained = retain(last, next.set, now.Add(-age), c.cfg.retention)
	}
	next.generation = c.policy.Adopt(now, freshness.Adopted{
		Age:          age,
		FullAge:      max(wall.Sub(l.from.fullAt), 0),
		ServerTTL:    l.serverTTL,
		HasServerTTL: l.hasServerTTL,
		Changed:      last == nil || !slices.Equal(last.set.keys, next.set.keys),
		Removed:      event.Removed,
	}, rand.Float64())
	c.current.Store(next)
	c.tellSetLocked(notice{Event: event, stored: true, age: age}, last, next)
	if worth == freshness.Good && q != nil {
		c.endLocked(f)
		c.policy.EndWithoutAsking()
		f.result, f.unasked = next, true
	} else {
		if f.storeNews != nil { // it had one before, which is past its TTL as well
			close(f.storeNews)
			f.storeNews = nil
		}
		if q != nil {
			q.last, q.binding = &next.loaded, c.binding
		}
	}
	c.updateQuietUntilLocked(now)
	return worth, age
}

// isOlder says whether the current set was fetched before a time; true if there is none.
func (s *snapshot) isOlder(fetchedAt time.Time) bool {
	return s == nil || s.from == nil || s.from.fetchedAt.Before(fetchedAt)
}

// readRecord turns an authentic record into what a load would have brought. The process
// that wrote it may have had another configuration, so it is checked like an issuer's
// response.
func (o origin) readRecord(r *record.Record, q *inquiry) (*loaded, error) {
	l := &loaded{
		binding: q.binding, jwksURL: r.JWKSURL, etag: r.ETag, lastModified: r.LastModified,
		serverTTL: r.ServerTTL, hasServerTTL: r.HasServerTTL,
		from: &provenance{keySet: r.KeySet, fetchedAt: r.FetchedAt, fullAt: r.FullAt, stored: true},
	}
	want := o.cfg.jwksURL
	if o.cfg.discovers() {
		m, err := parseMetadata(r.Discovery)
		if err == nil {
			err = o.checkMetadata(m, q.binding, r.DiscoveryURL)
		}
		if err != nil {
			return nil, err
		}
		l.document, want = document{m, r.DiscoveryURL, r.DiscoveredAt}, m.JWKSURI
		if l.binding == nil {
			l.binding = binding.New(m.Issuer, o.cfg.tenants, o.cfg.aliases...)
		}
	}
	switch {
	case r.Issuer != l.binding.Issuer():
		return nil, errors.New("its issuer " + show.Differs(r.Issuer, l.binding.Issuer()))
	case r.JWKSURL != want:
		return nil, errors.New("its key set is from " + show.QuoteURL(r.JWKSURL) + ", want " + show.QuoteURL(want))
	}
	var previous *KeySet
	if q.last != nil {
		previous = q.last.set
	}
	set, err := readKeySet(r.KeySet, jwk.Reader{Uses: o.cfg.uses}, l.binding, previous)
	if err != nil {
		return nil, err
	}
	set.accelerate(o.cfg.accelerator)
	l.set = set
	return l, nil
}

// save has a set saved in the background, with the lock held. What came from
// the store is there already.
func (c *cache) save(s *snapshot) {
	if s.from == nil || s.from.stored {
		return
	}
	r := record.Record{
		Issuer: c.issuerLocked(), JWKSURL: s.jwksURL, KeySet: s.from.keySet, ETag: s.etag, LastModified: s.lastModified,
		FetchedAt: s.from.fetchedAt, FullAt: s.from.fullAt, ServerTTL: s.serverTTL, HasServerTTL: s.hasServerTTL,
	}
	if s.metadata != nil {
		r.Discovery, r.DiscoveryURL, r.DiscoveredAt = s.metadata.Raw, s.discoveryURL, s.discoveredAt.Round(0)
	}
	if c.store.Queue(r) {
		c.running.Go(c.store.SaveQueued)
	}
}

// releaseStore is for an issuer accepted at run time, of which a token has
// verified now: its set may be saved.
func (c *cache) releaseStore() {
	if c.store == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.Release()
	if s := c.current.Load(); s != nil && !c.closed {
		c.save(s)
	}
}

// storeFailed tells that the store failed, or that its record is not used.
func (c *cache) storeFailed(err error) {
	c.mu.Lock()
	defer c.unlockAndDeliver()
	if !c.closed {
		c.announceLocked(notice{Event: Event{Kind: EventStoreFailed, Err: fault.Unavailable(bare(err), fault.Within(ErrUnavailable, err))}})
	}
}
