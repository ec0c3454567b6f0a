package testkit

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Where a test issuer has its documents.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeySetPath    = "/jwks"
)

// DefaultTTL is the TTL of a client without WithTTL.
const DefaultTTL = 15 * time.Minute

// Bubble runs a sub-test in a synctest bubble, where an hour takes no time.
func Bubble(t *testing.T, rule string, f func(t *testing.T)) {
	t.Helper()
	t.Run(rule, func(t *testing.T) { synctest.Test(t, f) })
}

// Env is the environment of a client: an issuer in memory, the requests that
// reach it, and the events that the client reports. It belongs to one test and,
// where time matters, to one [Bubble].
type Env struct {
	t       *testing.T
	Issuer  *jwkstest.Issuer
	started time.Time

	mu       sync.Mutex
	requests []Request
	events   []Event
	edit     func(*http.Request, *http.Response) // changes the issuer's responses
	reply    func(*http.Request) *http.Response  // where nil, or returning nil, the issuer responds
}

// Request is one request of a client.
type Request struct {
	At     time.Duration // since [NewEnv]
	Path   string
	Header http.Header
}

// Event is one event of a client, with its time.
type Event struct {
	jwks.Event
	At time.Duration // since [NewEnv]
}

// NewEnv starts an issuer with one ES256 key, k1, unless opts say otherwise.
func NewEnv(t *testing.T, opts ...jwkstest.Option) *Env {
	return &Env{
		t:       t,
		Issuer:  jwkstest.New(t, append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256")}, opts...)...),
		started: time.Now(),
	}
}

// RoundTrip carries a request to the issuer and records it.
func (env *Env) RoundTrip(r *http.Request) (*http.Response, error) {
	env.mu.Lock()
	env.requests = append(env.requests, Request{env.Elapsed(), r.URL.Path, r.Header.Clone()})
	edit, reply := env.edit, env.reply
	env.mu.Unlock()
	if reply != nil {
		if resp := reply(r); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	resp, err := env.Issuer.HTTPClient().Transport.RoundTrip(r)
	if err == nil && edit != nil {
		edit(r, resp)
	}
	return resp, err
}

// EditResponses lets f change the issuer's responses from now on; nil ends that.
func (env *Env) EditResponses(f func(*http.Request, *http.Response)) {
	env.mu.Lock()
	defer env.mu.Unlock()
	env.edit = f
}

// ReplyWith lets f respond in the issuer's place from now on. Where f returns
// nil, the issuer responds; a nil f ends it.
func (env *Env) ReplyWith(f func(*http.Request) *http.Response) {
	env.mu.Lock()
	defer env.mu.Unlock()
	env.reply = f
}

// HTTPClient reaches the issuer, and nothing else, through [Env.RoundTrip].
func (env *Env) HTTPClient() *http.Client { return &http.Client{Transport: env} }

// NewClient makes a client of the issuer, closed with the test.
func (env *Env) NewClient(opts ...jwks.ClientOption) *jwks.Client {
	env.t.Helper()
	return env.NewClientWithoutIssuer(append([]jwks.ClientOption{jwks.WithIssuer(env.Issuer.URL())}, opts...)...)
}

// NewClientWithoutIssuer is [Env.NewClient] without WithIssuer.
func (env *Env) NewClientWithoutIssuer(opts ...jwks.ClientOption) *jwks.Client {
	env.t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithHTTPClient(env.HTTPClient()), jwks.WithObserver(env.Observe)}, opts...)...)
	if err != nil {
		env.t.Fatal(err)
	}
	env.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Observe records an event; clients of the environment have it as observer.
func (env *Env) Observe(e jwks.Event) {
	env.mu.Lock()
	defer env.mu.Unlock()
	env.events = append(env.events, Event{e, env.Elapsed()})
}

// Elapsed is the time since [NewEnv].
func (env *Env) Elapsed() time.Duration { return time.Since(env.started) }

// TakeRequests returns and forgets the recorded requests whose path ends in
// suffix; "" is all of them.
func (env *Env) TakeRequests(suffix string) []Request {
	env.mu.Lock()
	defer env.mu.Unlock()
	var some, others []Request
	for _, r := range env.requests {
		if strings.HasSuffix(r.Path, suffix) {
			some = append(some, r)
		} else {
			others = append(others, r)
		}
	}
	env.requests = others
	return some
}

// TakeEvents returns and forgets the recorded events of these kinds, or all of
// them.
func (env *Env) TakeEvents(kinds ...jwks.EventKind) []Event {
	env.mu.Lock()
	defer env.mu.Unlock()
	var some, others []Event
	for _, e := range env.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			some = append(some, e)
		} else {
			others = append(others, e)
		}
	}
	env.events = others
	return some
}
