package jwks

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fetch"
)

// Client fetches the keys of one issuer, keeps them fresh, and finds the one
// that a token names. It is a [KeySource]. Safe for concurrent use; make it
// once and keep it. It starts no goroutine but for the time of a fetch. The
// zero value is not usable: see [NewClient].
type Client struct {
	cfg     *clientConfig
	fetcher *fetch.Fetcher
	epoch   time.Time       // moments count from here
	life    context.Context // of fetches: ends with Close
	end     context.CancelFunc
	running sync.WaitGroup // the fetch in flight
	public  bool           // made for an issuer that nobody vouched for: its HTTP client is guarded
	dynamic bool           // came up at run time, so that it may be retired
	inUse   atomic.Int64   // calls that may wait
	retired atomic.Bool    // to be closed when none is left

	current atomic.Pointer[snapshot] // what lookups read; nil when empty or closed

	mu       sync.Mutex // everything below; never held across I/O or a callback
	closed   bool
	policy   freshness
	flight   *flight
	memory   memory
	unknown  bucket        // refreshes for kids that were never in a set, and for bad signatures
	vanished bucket        // refreshes for kids that left lately
	pinned   *binding      // the issuer that a discovery document named, where none was configured
	changed  chan struct{} // closed when a refresh lands; for Run

	counts            struct{ fetches, notModified, failures, throttled uint64 }
	lastError         error
	lastErrorAt       moment
	stumbledOver      error // why the first attempt of the newest flight that stumbled failed
	staleAnnounced    bool
	throttleAnnounced bool
	untold            []Event
	telling           bool
}

// NewClient makes a client. It does no I/O and starts no goroutine. At least
// one of [WithIssuer], [WithJWKSURL], [WithDiscoveryURL] and [WithKeySet] says
// where the keys come from. It reports every bad option at once, joined, each
// matching [ErrConfig].
func NewClient(opts ...ClientOption) (*Client, error) {
	cfg, errs := newClientConfig(opts)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	c := &Client{
		cfg: cfg,
		fetcher: fetch.New(fetch.Config{
			Client:    cfg.httpClient,
			Header:    cfg.header,
			Timeout:   cfg.timeout,
			Retries:   cfg.retries,
			MaxSize:   cfg.maxDocument,
			AllowHTTP: cfg.insecure,
			UserAgent: fetch.UserAgent,
		}),
		epoch:    time.Now(),
		memory:   memory{size: cfg.keyCache},
		unknown:  bucket{every: cfg.limitEvery, burst: cfg.limitBurst},
		vanished: bucket{every: cfg.limitEvery, burst: cfg.limitBurst},
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.pinned = newBinding(cfg.issuer, cfg.tenants)
	if cfg.seed != nil {
		if err := c.plant(cfg.seed.bound(c.pinned)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// plant installs a seed: for good where there is nowhere to fetch from, else
// as a set that has just expired.
func (c *Client) plant(seed *KeySet) error {
	if seed.Len() == 0 {
		return configError("WithKeySet", "all its keys name another issuer than %s", quote(c.cfg.issuer))
	}
	s := &snapshot{set: seed, schedule: permanent(), began: never, fetchedAt: never}
	if !c.cfg.static() {
		s.schedule, s.began = schedule{stale: c.cfg.maxStale}, -1
	}
	c.current.Store(s)
	c.renewLocked(s, 0)
	return nil
}

// now is the time on the client's own clock, which is monotonic.
func (c *Client) now() moment { return time.Since(c.epoch) }

// bindsIssuer implements issuerBinder.
func (c *Client) bindsIssuer() bool { return c.cfg.bindsIssuer() }

// ignoresIssuer implements issuerIgnorer.
func (c *Client) ignoresIssuer() {}

// boundIssuer is the issuer that the keys are bound to, "" while that is not
// known or none.
func (c *Client) boundIssuer() string {
	return c.pinned.Issuer()
}

// bindingFor is what the keys of a fetch are bound to.
func (c *Client) bindingFor(m *Metadata) *binding {
	if c.pinned == nil && m != nil {
		return newBinding(m.Issuer, c.cfg.tenants)
	}
	return c.pinned
}

// KeySet returns the current key set, fetching it if need be: what the issuer
// published last, without retained keys. Like every lookup it waits under ctx
// only, and while a set is fresh it does not wait at all.
//
// Errors, all [ErrUnavailable]: a *[FetchError], [ErrInvalidKeySet],
// [ErrInvalidMetadata], [ErrIssuerMismatch], [ErrClosed], or ctx's own.
func (c *Client) KeySet(ctx context.Context) (*KeySet, error) {
	if s, _ := c.quick(); s != nil {
		return s.set, nil
	}
	s, _, err := c.find(ctx, &wanted{set: true})
	if err != nil {
		return nil, err
	}
	return s.set, nil
}

// Metadata returns the issuer's discovery document as it was when the key set
// was last fetched, fetching both if need be. Errors as for [Client.KeySet];
// [ErrInvalidMetadata] for a client that does no discovery.
func (c *Client) Metadata(ctx context.Context) (*Metadata, error) {
	if !c.cfg.discovers() {
		return nil, unavailable("the client does no discovery", ErrInvalidMetadata)
	}
	s, _, err := c.find(ctx, &wanted{set: true, document: true})
	if err != nil {
		return nil, err
	}
	m := *s.metadata
	m.Raw = slices.Clone(m.Raw)
	m.SigningAlgorithms = slices.Clone(m.SigningAlgorithms)
	return &m, nil
}

// Ready loads the keys if need be and returns nil once there is a usable set:
// for warming up, and for /readyz. Errors as for [Client.KeySet].
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.KeySet(ctx)
	return err
}

// Refresh fetches now, whatever the age of the set, the budget and the
// backoff, and past caches on the way; it joins a fetch in flight. It is the
// operator's call, for after an incident. Errors as for [Client.KeySet]; a
// set that serves goes on serving. A static client returns its set.
func (c *Client) Refresh(ctx context.Context) (*KeySet, error) {
	if c.cfg.static() {
		return c.KeySet(ctx)
	}
	if !c.enter() {
		return nil, c.closedError()
	}
	defer c.leave()
	if err := ctx.Err(); err != nil {
		return nil, c.gaveUp(err)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, c.closedError()
	}
	f := c.startLocked(causeDemand, c.now())
	c.unlock()
	if _, err := f.wait(ctx, false); err != nil {
		return nil, c.gaveUp(err)
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.snapshot.set, nil
}

// Key returns the first usable key with this kid, refreshing the set within
// the budget when it is not there. "" finds the first key without a kid.
//
// Errors: [ErrKeyNotFound], as [ErrTokenInvalid] when the issuer answered and
// as [ErrUnavailable] when it could not be asked; else as for
// [Client.KeySet].
func (c *Client) Key(ctx context.Context, kid string) (*Key, error) {
	if s, now := c.quick(); s != nil {
		if keys, v := s.named(kid, now); v == chosen {
			return keys[0], nil
		}
	}
	_, keys, err := c.find(ctx, &wanted{header: Header{KeyID: kid}, any: true})
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// SigningKeys implements [KeySource]: the keys that may have signed a token
// with header h, chosen as [KeySet.SigningKeys] says. It does not compare
// issuers: the keys are bound to theirs, and a [Verifier] or [Client.Keyfunc]
// compares. The slice is shared and must not be changed.
//
// Errors: [ErrKeyNotFound], as [ErrTokenInvalid] when the issuer answered and
// as [ErrUnavailable] when it could not be asked; [ErrAlgorithmNotAllowed];
// else as for [Client.KeySet].
func (c *Client) SigningKeys(ctx context.Context, h Header, _ string) ([]*Key, error) {
	if s, now := c.quick(); s != nil {
		if keys, v := s.chooseFor(&h, now); v == chosen {
			return keys, nil
		}
	}
	_, keys, err := c.find(ctx, &wanted{header: h})
	return keys, err
}

// KeyForToken finds the key that a token names. The form and the header of the
// token are checked before any I/O, its signature and claims are not; but its
// "iss" must be the issuer that the key is bound to. When several keys share
// the kid, the one that verifies the signature is returned.
//
// Errors as for [Client.SigningKeys], and those of a malformed token:
// [jwt.ErrTokenMalformed], [ErrTokenTooLarge] (over 16 KiB),
// [ErrUnsupportedCritical], [ErrAlgorithmNotAllowed].
func (c *Client) KeyForToken(ctx context.Context, token string) (*Key, error) {
	return keyForToken(ctx, c, token)
}

// Keyfunc is for [jwt.Parse]: it finds the key for a token that golang-jwt has
// parsed. It refuses what golang-jwt lets through: "crit" and "b64", text that
// is not strict base64url, an "alg" that the key does not allow, and an "iss"
// other than the issuer that the keys are bound to. The audience and the rest
// are for golang-jwt's options to check, and the signature is golang-jwt's to
// verify: a key that was replaced under its kid is noticed at the next refresh
// only, and PS256, PS384 and PS512 pass with any salt length. A [Verifier]
// leaves nothing out.
//
// Errors as for [Client.KeyForToken]; golang-jwt wraps them. Several keys with
// one kid come as a [jwt.VerificationKeySet].
func (c *Client) Keyfunc(t *jwt.Token) (any, error) {
	return keysForParsed(context.Background(), c, t)
}

// KeyfuncCtx is [Client.Keyfunc] under a context of the caller's.
func (c *Client) KeyfuncCtx(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) { return keysForParsed(ctx, c, t) }
}

// Run keeps the set warm without traffic: it loads it, and refreshes it when a
// lookup would. It blocks until ctx ends and returns ctx.Err(), or [ErrClosed]
// when the client is closed first. Without Run, lookups do the same, and only
// the first after a long silence waits.
func (c *Client) Run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return c.closedError()
		}
		now := c.now()
		wake := c.dueLocked(now)
		if wake <= now {
			c.startLocked(causeAge, now)
			wake = never // its landing changes things
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.unlock()
		pause(ctx, c.life, changed, wake-now)
	}
}

// dueLocked is when the next refresh is due without anybody asking; never, if
// one is under way.
func (c *Client) dueLocked(now moment) moment {
	if c.cfg.static() || c.cfg.noCache || c.flight != nil {
		return never
	}
	return max(c.policy.refresh, c.policy.retryAt) // both 0 at first
}

// pause waits for a change, for an end, or for d unless that is forever.
func pause(ctx, life context.Context, changed <-chan struct{}, d time.Duration) {
	var alarm <-chan time.Time
	if d < never/2 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-life.Done():
	case <-changed:
	case <-alarm:
	}
}

// Close ends the fetch in flight, if there is one, and waits for it. Later
// calls give [ErrClosed]. It is idempotent and returns nil.
func (c *Client) Close() error {
	c.shut()
	c.running.Wait()
	return nil
}

// shut is Close without the wait.
func (c *Client) shut() {
	c.mu.Lock()
	c.closed = true
	c.current.Store(nil)
	if c.flight != nil {
		c.flight.end()
	}
	c.mu.Unlock()
	c.end()
}

// gone is what a retired client's count of calls goes to when it is shut, so
// far below zero that it stays there.
const gone = math.MinInt64 / 2

// enter counts a call that may wait; leave must follow, and retire does not
// close the client until then. It returns false when the client is closed.
func (c *Client) enter() bool { return c.inUse.Add(1) > 0 && c.life.Err() == nil }

func (c *Client) leave() {
	if c.inUse.Add(-1) == 0 && c.retired.Load() {
		c.retire()
	}
}

// retire closes the client as soon as no call of it is under way; c.life ends
// with that.
func (c *Client) retire() {
	c.retired.Store(true)
	if c.inUse.CompareAndSwap(0, gone) {
		c.shut()
	}
}
