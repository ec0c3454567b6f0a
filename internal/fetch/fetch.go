// Package fetch gets one document over HTTP, carefully: with a limit on its
// decoded size, on the time of an attempt and on redirects, with a few
// retries, and with errors that name the cause but show neither the document
// nor anything secret in a URL.
//
// It knows nothing about keys or caches. Whoever calls Get says which document
// is at hand already (for a conditional request, RFC 9110 13.1) and decides
// what an answer or an error means.
package fetch

import (
	"context"
	"crypto/tls"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/version"
)

// maxValidator is how long a validator may be, in bytes, to be kept and sent
// back. Those of real servers have less than 100.
const maxValidator = 1024

// UserAgent names this library and its version to the servers it asks.
const UserAgent = "seed-jwks/" + version.Number

// Config says how to fetch. New does not check it; the limits are used as
// they stand.
type Config struct {
	// Client sends the requests. Its transport and Timeout are used, and its
	// CheckRedirect is asked after the rules of this package; its Jar is not
	// used. Once an attempt has run out of time, an *http.Transport gives its
	// settings but no more its connections. Nil: a transport of the Fetcher's
	// own, see [NewTransport] and [Fetcher.CloseIdle].
	Client *http.Client
	// TLS is for the Fetcher's own transport. Nil: what crypto/tls does.
	TLS *tls.Config
	// Header is sent to the hosts of HeaderHosts. Accept and User-Agent go
	// everywhere and win over the default ones. Host sets the Host field.
	// Accept-Encoding is left out: were it set, net/http would not decompress,
	// and MaxSize would count compressed bytes.
	Header http.Header
	// HeaderFuncs are more of these; they win over Header.
	HeaderFuncs []HeaderFunc
	// HeaderHosts are the hosts that Header and HeaderFuncs may go to, in the
	// first request and in every redirect: "keys.example.com",
	// "10.0.0.1:8443". A host without a port means the default port of the
	// scheme. Empty: to none. Nil: to the host of each Request's URL, and by a
	// redirect to no other.
	HeaderHosts []string
	// MoreHeaders go to hosts of their own. Of two headers with one name the
	// later one is sent.
	MoreHeaders []HeaderGroup
	// Timeout limits one attempt, with its redirects and the whole body. 0: no
	// limit but that of the context.
	Timeout time.Duration
	// Retries is the number of attempts after the first one.
	Retries int
	// MaxSize is how many bytes a document may have after decompression.
	MaxSize int64
	// AllowHTTP permits http to hosts other than loopback.
	AllowHTTP bool
	// UserAgent is the User-Agent; empty: that of net/http.
	UserAgent string
	// NoHints leaves out of errors which option of package jwks would help.
	NoHints bool
}

// Request names the document to get.
type Request struct {
	URL string
	// ETag and LastModified are validators of the document at hand, as an
	// earlier Response had them; both empty: there is none, and only a full
	// answer will do.
	ETag, LastModified string
	// NoCache asks caches on the way to check with the origin (RFC 9111
	// 5.2.1.4). To doubt the copy at hand as well, leave out its validators.
	NoCache bool
	// MaxAge asks caches on the way for an answer that is not older (RFC 9111
	// 5.2.1.1), in whole seconds; 0 and NoCache: no such demand.
	MaxAge time.Duration
	// Budget is how long the caller's whole work may take, of which ctx has
	// what is left: for the text of an error. 0: it is not told.
	Budget time.Duration
	// Stumbled, unless nil, is called once, from the goroutine of Get, when the
	// first attempt has failed and Get goes on: with that attempt's error,
	// before the pause.
	Stumbled func(*Error)
}

// Response is an answer with status 200, or 304 to a conditional request.
type Response struct {
	NotModified bool        // 304: the document at hand is still the one
	Body        []byte      // the whole document; nil if NotModified
	Header      http.Header // of the answer, without validators that are not fit to be sent back
}

// Fetcher gets documents. It is safe for concurrent use.
type Fetcher struct {
	timeout   time.Duration // these are as in Config
	retries   int
	maxSize   int64
	userAgent string
	allowHTTP bool
	noHints   bool

	headers []headers
	client  http.Client // Transport is nil where the Fetcher has its own
	hasOwn  bool        // transport
	tls     *tls.Config // of its own transport

	mu      sync.Mutex
	own     *ownTransport // nil when nothing was fetched since CloseIdle
	suspect bool          // the user's transport may have a dead connection
}

// New returns a Fetcher. It copies the client and the header, does no I/O and
// starts no goroutine.
func New(cfg Config) *Fetcher {
	groups := append([]HeaderGroup{{cfg.Header, cfg.HeaderFuncs, cfg.HeaderHosts}}, cfg.MoreHeaders...)
	f := &Fetcher{
		timeout: cfg.Timeout,
		retries: cfg.Retries,
		// One more byte than MaxSize is read, so that must be a number as well.
		maxSize:   min(max(cfg.MaxSize, 0), math.MaxInt64-1),
		userAgent: cfg.UserAgent,
		allowHTTP: cfg.AllowHTTP,
		noHints:   cfg.NoHints,
		headers:   newHeaders(groups),
		hasOwn:    cfg.Client == nil,
		tls:       cfg.TLS,
	}
	var theirs func(*http.Request, []*http.Request) error
	if cfg.Client != nil {
		f.client = *cfg.Client
		theirs = cfg.Client.CheckRedirect
	}
	// A cookie would make one answer depend on an earlier one, and lets
	// whoever answers follow the client around.
	f.client.Jar = nil
	f.client.CheckRedirect = f.checkRedirect(theirs)
	return f
}

// Get fetches the document of r, within ctx and its deadline. The error is
// always an *Error. It never matches [context.DeadlineExceeded] nor
// [context.Canceled]: ctx is that of the fetch, and whoever waits for it must
// not take its end for the end of their own.
//
// Connection errors, attempts that time out and the statuses 408, 429 and 5xx
// are tried again after a short pause, unless the answer has a Retry-After,
// which is for the caller to keep. Not tried again is what would fail the same
// way: certificates, and refusals of a proxy. After an attempt that timed out
// the next one, also of a later Get, goes over a new connection.
func (f *Fetcher) Get(ctx context.Context, r Request) (*Response, error) {
	start := time.Now()
	u, err := parseURL(r.URL, f.allowHTTP)
	if err != nil {
		return nil, &Error{URL: show.CutURL(r.URL), Err: err} // it may be of any length
	}
	for n := 1; ; n++ {
		client, release := f.borrow()
		a := &attempt{sending: sending{f: f, first: u}, client: client, request: r, start: start, number: n}
		resp, fail := a.do(ctx)
		release(fail != nil && fail.timedOut)
		if fail == nil {
			return resp, nil
		}
		fail.err.URL, fail.err.Err = show.WholeURL(r.URL), a.count(fail)
		if !fail.again || n > f.retries {
			return nil, fail.err
		}
		if n == 1 && r.Stumbled != nil {
			r.Stumbled(fail.err)
		}
		if !sleep(ctx, pause(n)) {
			return nil, fail.err
		}
	}
}

// pause returns how long to wait after the n-th attempt: 100 to 200 ms after
// the first, 200 to 300 ms after the second, at most 1.1 s. It is random so
// that clients whom one failure hit do not return together.
func pause(n int) time.Duration {
	const step = 100 * time.Millisecond
	return time.Duration(min(n, 10))*step + rand.N(step)
}

// sleep waits for d and reports whether ctx still permits an attempt then. If
// its deadline does not, sleep returns at once.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
