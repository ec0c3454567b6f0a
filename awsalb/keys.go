package awsalb

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/show"
)

// The bounds of fetching and keeping keys.
const (
	provenKeys   = 1024            // that verified a token
	trialEntries = 128             // of the rest: more than a minute of the budget has
	missFor      = time.Minute     // how long a key ID that AWS does not know is not asked for again
	burst        = 10              // requests for unknown key IDs at once
	refill       = time.Second     // one more
	timeout      = 5 * time.Second // of a request
	maxKey       = 16 << 10        // bytes of a key
)

// place is where a key is: at base, a slash and its ID.
type place struct{ base, id string }

func (p place) url() string { return p.base + "/" + p.id }

// keys fetches keys, each once, and keeps them. A key is what its ID says for
// good: load balancers get a new ID with each new key.
//
// Anybody can name a key ID that exists, of a load balancer of their own. So a
// key lives among the trials until a token of ours verified with it, and only
// then among those that nothing but other such keys can push out.
type keys struct {
	fetcher *fetch.Fetcher
	began   time.Time // of the budget's clock
	proven  *lru.Cache[place, *ecdsa.PublicKey]

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup // of flights

	mu      sync.Mutex
	trials  *lru.Cache[place, trial]
	flights map[place]*flight
	budget  freshness.Bucket
}

// trial is the answer to a request: a key, or that there is none, which counts
// until missing.
type trial struct {
	key     *ecdsa.PublicKey
	missing freshness.Moment
}

// flight is a request under way. The results are set before done is closed.
type flight struct {
	done chan struct{}
	key  *ecdsa.PublicKey
	err  error
}

func newKeys(client *http.Client) *keys {
	k := &keys{
		fetcher: fetch.New(fetch.Config{
			Client:    client,
			Header:    http.Header{"Accept": {"*/*"}},
			Timeout:   timeout,
			MaxSize:   maxKey,
			UserAgent: fetch.UserAgent,
			NoHints:   true, // they are about options that do not reach here
		}),
		began:   time.Now(),
		flights: make(map[place]*flight),
		budget:  freshness.NewBucket(refill, burst),
	}
	// New fails for a size that is not positive.
	k.proven, _ = lru.New[place, *ecdsa.PublicKey](provenKeys)
	k.trials, _ = lru.New[place, trial](trialEntries)
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

// find returns the key at a place, and fetches it if it was not asked for
// before.
func (k *keys) find(ctx context.Context, at place) (*ecdsa.PublicKey, error) {
	if k.ctx.Err() != nil {
		return nil, closed()
	}
	if key, ok := k.proven.Get(at); ok {
		return key, nil
	}
	f, err := k.join(at)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		select {
		case <-f.done: // of what comes at the same time the key counts
		default:
			return nil, fault.Unavailable("gave up waiting for the key at "+show.Place(at.url())+": "+ctx.Err().Error(), fault.Within(fault.ErrUnavailable, ctx.Err()))
		}
	}
	return f.key, f.err
}

func closed() error { return fault.Unavailable("the validator was closed", jwks.ErrClosed) }

// join returns the flight for a place: one that has landed where the answer is
// known, the one under way, or a new one if the budget allows.
func (k *keys) join(at place) (*flight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := freshness.Moment(time.Since(k.began))
	if known, ok := k.trials.Get(at); ok && (known.key != nil || now < known.missing) {
		if known.key == nil {
			return nil, notFound(at)
		}
		return landed(known.key), nil
	}
	if key, ok := k.proven.Get(at); ok { // it was moved there meanwhile
		return landed(key), nil
	}
	if f := k.flights[at]; f != nil {
		return f, nil
	}
	if k.ctx.Err() != nil {
		return nil, closed()
	}
	if !k.budget.Available(now) {
		wait := k.budget.Next(now)
		return nil, fault.Unavailable("too many unknown key IDs: the key "+show.Quote(at.id)+" is not asked for now, the next one may be in "+show.Round(wait).String(),
			&jwks.FetchError{URL: at.url(), RetryAfter: wait, Err: errors.New("too many unknown key IDs")})
	}
	k.budget.Charge(now)
	at = place{at.base, strings.Clone(at.id)} // which holds the whole header
	f := &flight{done: make(chan struct{})}
	k.flights[at] = f
	k.wg.Go(func() { k.fly(at, f) })
	return f, nil
}

func landed(key *ecdsa.PublicKey) *flight {
	f := &flight{done: make(chan struct{}), key: key}
	close(f.done)
	return f
}

// fly fetches a key. It runs on a context of its own: whoever waits may give up
// without hurting the others.
func (k *keys) fly(at place, f *flight) {
	f.err = unavailable(&jwks.FetchError{URL: at.url(), Err: errors.New("the HTTP client ended its goroutine")})
	defer k.land(at, f) // whatever the HTTP client does
	f.key, f.err = k.fetch(at)
}

// land takes the result of a flight in.
func (k *keys) land(at place, f *flight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.flights, at)
	switch {
	case f.key != nil:
		k.trials.Add(at, trial{key: f.key})
	case errors.Is(f.err, jwks.ErrKeyNotFound):
		k.trials.Add(at, trial{missing: freshness.Moment(time.Since(k.began)).Add(missFor)})
	}
	close(f.done)
}

func (k *keys) fetch(at place) (*ecdsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(k.ctx, timeout)
	defer cancel()
	answer, err := k.fetcher.Get(ctx, fetch.Request{URL: at.url(), Budget: timeout})
	if err == nil {
		return readKey(at, answer.Body)
	}
	if k.ctx.Err() != nil {
		return nil, closed()
	}
	failed := &jwks.FetchError{URL: at.url(), Err: err}
	if e := (*fetch.Error)(nil); errors.As(err, &e) {
		if e.StatusCode == http.StatusNotFound {
			return nil, notFound(at)
		}
		failed.StatusCode, failed.RetryAfter, failed.Err = e.StatusCode, e.RetryAfter, e.Err
	}
	failed.Err = fault.Within(fault.ErrUnavailable, failed.Err)
	return nil, unavailable(failed)
}

func unavailable(failed *jwks.FetchError) error {
	return fault.Unavailable(strings.TrimPrefix(failed.Error(), "jwks: "), failed)
}

func notFound(at place) error {
	return fault.Invalid("key "+show.Quote(at.id)+" not found at "+show.Place(at.base), jwks.ErrKeyNotFound)
}

// readKey reads a key that must be alone in its document, by the rules for a
// key in a key set.
func readKey(at place, document []byte) (*ecdsa.PublicKey, error) {
	unusable := func(text string) error {
		return fault.Unavailable("the key at "+show.Place(at.url())+" is not usable: "+text, jwks.ErrInvalidKeySet)
	}
	set, err := jwks.ParsePEM(document)
	if err != nil {
		text, _ := fault.Text(err)
		return nil, unusable(text)
	}
	if skipped := set.Skipped(); len(skipped) > 0 {
		return nil, unusable(skipped[0].Err.Error())
	}
	for key := range set.All() {
		if public, ok := key.Public().(*ecdsa.PublicKey); ok && set.Len() == 1 && key.Algorithms()[0] == "ES256" {
			return public, nil
		}
	}
	return nil, unusable("want one P-256 key, for ES256")
}

// prove moves a key that verified a token to those that stay.
func (k *keys) prove(at place, key *ecdsa.PublicKey) {
	if k.proven.Contains(at) {
		return
	}
	at.id = strings.Clone(at.id)
	k.proven.Add(at, key)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trials.Remove(at)
}

func (k *keys) close() {
	k.mu.Lock() // no flight begins after it
	k.cancel()
	k.mu.Unlock()
	k.wg.Wait()
	k.fetcher.CloseIdle()
}
