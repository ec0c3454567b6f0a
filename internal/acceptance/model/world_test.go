package model

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwksstore"
)

// trace is what happened in one run. Moments count from the start of the
// bubble.
type trace struct {
	scenario
	site     *site
	requests []*request
	calls    []*call
	events   []event
	samples  []sample
	freezes  [][2]time.Duration
	loads    []time.Duration // when the store was asked for a record
	healed   time.Duration   // since when nothing goes wrong any more
	settled  time.Duration   // when everything should be as after a fresh start
	closed   time.Duration   // when Close was called
	ended    time.Duration   // when it returned
	runs     []*runCall
	sites    []*site // of many issuers
	many     community
	problems []string // what went wrong outside any call: a leak, an error of Close
}

// call is one call of the client or the verifier.
type call struct {
	op         op
	issuer     int
	want       key
	exp        time.Duration
	patience   time.Duration // 0: endless
	start, end time.Duration
	done       bool
	err        error
	got        []key // what was found
	held       []key // the keys of a returned set
	published  int   // the number of the document that was published when it began
	afterClose bool
}

// gaveUp says that the caller's context had ended when the call did.
func (c *call) gaveUp() bool { return c.patience > 0 && c.end >= c.start+c.patience }

// event is what the observer heard, and the status at that moment.
type event struct {
	at     time.Duration
	event  jwks.Event
	status jwks.Status
}

// sample is the status at a moment when nothing was moving.
type sample struct {
	at     time.Duration
	status jwks.Status
	events int // heard so far
}

// runCall is one call of Client.Run.
type runCall struct {
	start, until, end time.Duration
	err               error
}

// world runs a scenario.
type world struct {
	trace
	epoch    time.Time
	net      *network
	client   *jwks.Client
	verifier *jwks.Verifier

	mu      sync.Mutex // guards the trace while calls are under way
	calling sync.WaitGroup
	tasks   sync.WaitGroup // of Run
	stops   []context.CancelFunc
	thawing bool // the freeze ends after the next step
}

func (w *world) now() time.Duration { return time.Since(w.epoch) }

// simulate runs a scenario in a bubble of its own.
func simulate(t *testing.T, sc scenario) (tr *trace) {
	w := &world{trace: trace{scenario: sc, closed: -1, ended: -1}}
	defer func() {
		if v := recover(); v != nil { // a bubble that cannot go on, or does not end
			tr = &w.trace
			tr.problems = append(tr.problems, fmt.Sprint("the bubble: ", v))
		}
	}()
	synctest.Test(t, func(*testing.T) { w.play() })
	return &w.trace
}

// play is the scenario from the start to the end.
func (w *world) play() {
	w.epoch = time.Now()
	if w.config.tenants != (tenants{}) {
		w.playTenants()
		return
	}
	w.site = newSite(0, w.config)
	w.site.issue(0, entries(w.config.initial))
	w.net = &network{now: w.now, sites: []*site{w.site}}
	w.connect()
	for _, s := range w.steps {
		w.do(s)
		w.look()
		if w.closed >= 0 {
			break
		}
	}
	if w.closed < 0 {
		w.recover()
		w.close()
	}
	w.finish()
}

func entries(keys []key) []entry {
	var all []entry
	for _, k := range keys {
		all = append(all, entry{key: k})
	}
	return all
}

// connect makes the client and the verifier.
func (w *world) connect() {
	client, err := jwks.NewClient(w.options()...)
	if err != nil {
		panic(err)
	}
	w.client = client
	opts := []jwks.VerifierOption{jwks.WithAudience(audience), jwks.WithTokenCache(w.config.tokenCache)}
	if w.config.source == byURL || w.config.source == byDiscoveryURL {
		opts = append(opts, jwks.WithExpectedIssuer(w.site.issuer))
	}
	if w.verifier, err = jwks.NewVerifier(client, opts...); err != nil {
		panic(err)
	}
}

// options are those of the client under test.
func (w *world) options() []jwks.ClientOption {
	opts := append(w.config.common(), jwks.WithHTTPClient(&http.Client{Transport: w.net}), jwks.WithObserver(w.observe))
	switch w.config.source {
	case byURL:
		opts = append(opts, jwks.WithJWKSURL(w.site.keysURL()))
	case byURLAndIssuer:
		opts = append(opts, jwks.WithJWKSURL(w.site.keysURL()), jwks.WithIssuer(w.site.issuer))
	case byDiscoveryURL:
		opts = append(opts, jwks.WithDiscoveryURL(w.site.discoveryURL()))
	default:
		opts = append(opts, jwks.WithIssuer(w.site.issuer))
	}
	if w.config.store != noStore && !w.config.noCache {
		opts = append(opts, jwks.WithStore(&shelf{jwksstore.Memory(), w.config.store, w.loading}, bytes.Repeat([]byte("s"), 32)))
	}
	if len(w.config.seed) > 0 {
		set, err := jwks.ParseKeySet((&document{entries: entries(w.config.seed)}).body())
		if err != nil {
			panic(err)
		}
		opts = append(opts, jwks.WithKeySet(set))
	}
	return opts
}

// common are the options that do not depend on the issuer.
func (c config) common() []jwks.ClientOption {
	opts := []jwks.ClientOption{jwks.WithLogger(slog.New(slog.DiscardHandler)), jwks.WithHeader(secretHeader, "s")}
	if c.noCache {
		opts = append(opts, jwks.WithoutCache())
	} else if c.ttl != 0 {
		opts = append(opts, jwks.WithTTL(c.ttl))
	}
	duration := func(d time.Duration, option func(time.Duration) jwks.ClientOption) {
		if d != 0 {
			opts = append(opts, option(max(d, 0)))
		}
	}
	duration(c.maxStale, jwks.WithMaxStale)
	duration(c.retention, jwks.WithRetention)
	duration(c.timeout, jwks.WithTimeout)
	duration(c.minTTL, jwks.WithMinTTL)
	if c.ahead != 0 {
		opts = append(opts, jwks.WithRefreshAhead(c.ahead))
	}
	if c.every != 0 || c.burst != 0 {
		opts = append(opts, jwks.WithRefreshLimit(c.limit()))
	}
	if c.keyCache != 0 {
		opts = append(opts, jwks.WithKeyCacheSize(max(c.keyCache, 0)))
	}
	if c.retries != 0 {
		opts = append(opts, jwks.WithRetries(max(c.retries, 0)))
	}
	return opts
}

// observe hears the events of the client.
func (w *world) observe(e jwks.Event) {
	st := w.client.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event{w.now(), e, st})
}

// look samples the status while nothing moves.
func (w *world) look() {
	synctest.Wait()
	st := w.client.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, sample{w.now(), st, len(w.events)})
}

// loading notes that the store is asked for a record.
func (w *world) loading() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads = append(w.loads, w.now())
}

// begin starts a call in a goroutine of its own, and returns when it has ended
// or waits.
func (w *world) begin(s step) {
	c := &call{op: s.op, want: key{s.kid, s.mat}, exp: s.exp, patience: s.d, start: w.now(), afterClose: w.closed >= 0}
	if s.op == junkTokens {
		c.op = verify
	}
	c.published = len(w.site.history) - 1
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	w.calling.Go(func() {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if s.d > 0 {
			ctx, cancel = context.WithTimeout(ctx, s.d)
		}
		defer cancel()
		keys, set, err := w.ask(ctx, c)
		w.mu.Lock()
		defer w.mu.Unlock()
		c.got, c.held, c.err, c.end, c.done = found(keys), contents(set), err, w.now(), true
	})
	synctest.Wait()
}

// ask makes the call.
func (w *world) ask(ctx context.Context, c *call) (keys []*jwks.Key, set *jwks.KeySet, err error) {
	one := func(k *jwks.Key, err error) ([]*jwks.Key, *jwks.KeySet, error) {
		if err != nil {
			return nil, nil, err
		}
		return []*jwks.Key{k}, nil, nil
	}
	token := tokenFor(w.site.issuer, c.want, c.exp)
	switch c.op {
	case verify:
		t, err := w.verifier.Verify(ctx, token)
		if err != nil {
			return nil, nil, err
		}
		return one(t.Key(), nil)
	case keyByID:
		return one(w.client.Key(ctx, kidText(c.want.kid)))
	case keyForToken:
		return one(w.client.KeyForToken(ctx, token))
	case signingKeys:
		keys, err = w.client.SigningKeys(ctx, jwks.Header{Algorithm: "EdDSA", KeyID: kidText(c.want.kid)}, w.site.issuer)
		return keys, nil, err
	case keyfunc:
		// golang-jwt's own judgement is not the client's.
		_, _ = jwt.Parse(token, func(t *jwt.Token) (any, error) {
			var found any
			found, err = w.client.KeyfuncCtx(ctx)(t)
			return found, err
		})
		return nil, nil, err
	case keySet:
		set, err = w.client.KeySet(ctx)
	case refresh:
		set, err = w.client.Refresh(ctx)
	case ready:
		err = w.client.Ready(ctx)
	case metadata:
		_, err = w.client.Metadata(ctx)
	}
	return nil, set, err
}

// found lists keys by number. A key that nobody here made is of material -1.
func found(keys []*jwks.Key) []key {
	var all []key
	for _, k := range keys {
		mat, ok := numberOf(k.Public())
		if !ok {
			mat = -1
		}
		all = append(all, key{kidNumber(k.ID()), mat})
	}
	return all
}

func contents(set *jwks.KeySet) []key {
	if set == nil {
		return nil
	}
	var all []*jwks.Key
	for k := range set.All() {
		all = append(all, k)
	}
	return found(all)
}
