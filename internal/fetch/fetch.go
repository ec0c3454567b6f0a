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
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// UserAgent names this library and its version to the servers it asks.
const UserAgent = "seed-jwks/0.1.0"

// Config says how to fetch. New does not check it; the limits are used as
// they stand.
type Config struct {
	// Client sends the requests. Its transport and Timeout are used, and its
	// CheckRedirect is asked after the rules of this package; its Jar is not
	// used. Nil: a transport of the Fetcher's own, see [Fetcher.CloseIdle].
	Client *http.Client
	// Header is sent with every request and wins over Accept and User-Agent.
	// Host sets the Host field. Accept-Encoding is left out: were it set,
	// net/http would not decompress, and MaxSize would count compressed bytes.
	Header http.Header
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
}

// Request names the document to get.
type Request struct {
	URL string
	// ETag and LastModified are validators of the document at hand, as an
	// earlier Response had them; both empty: there is none, and only a full
	// answer will do.
	ETag, LastModified string
	// NoCache asks caches on the way to check with the origin (RFC 9111
	// 5.2.1.4).
	NoCache bool
	// Stumbled, unless nil, is called once, from the goroutine of Get, when the
	// first attempt has failed and Get goes on: with that attempt's error,
	// before the pause.
	Stumbled func(*Error)
}

// Response is an answer with status 200, or 304 to a conditional request.
type Response struct {
	NotModified bool        // 304: the document at hand is still the one
	Body        []byte      // the whole document; nil if NotModified
	Header      http.Header // of the answer
}

// Fetcher gets documents. It is safe for concurrent use.
type Fetcher struct {
	cfg    Config
	client http.Client // Transport is nil where the Fetcher has its own

	mu  sync.Mutex
	own *ownTransport // nil when nothing was fetched since CloseIdle
}

// New returns a Fetcher. It copies the client and the header, does no I/O and
// starts no goroutine.
func New(cfg Config) *Fetcher {
	f := &Fetcher{cfg: cfg}
	f.cfg.Header = cfg.Header.Clone()
	// One more byte than MaxSize is read, so that must be a number as well.
	f.cfg.MaxSize = min(max(cfg.MaxSize, 0), math.MaxInt64-1)
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
// which is for the caller to keep.
func (f *Fetcher) Get(ctx context.Context, r Request) (*Response, error) {
	start := time.Now()
	u, err := parseURL(r.URL, f.cfg.AllowHTTP)
	if err != nil {
		return nil, &Error{URL: show.CutURL(r.URL), Err: err} // it may be of any length
	}
	client, release := f.borrow()
	defer release()
	for n := 1; ; n++ {
		resp, fail := f.attempt(ctx, client, u, r, start)
		if fail == nil {
			return resp, nil
		}
		fail.err.URL = show.WholeURL(r.URL)
		if !fail.again || n > f.cfg.Retries {
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
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// newRequest builds the GET request of one attempt. conditional says that 304
// is an answer to it.
func (f *Fetcher) newRequest(ctx context.Context, u *url.URL, r Request) (req *http.Request, conditional bool) {
	target := *u // each attempt has its own: transports may change it
	target.Host = strings.TrimSuffix(u.Host, ":")
	req = (&http.Request{
		Method: http.MethodGet, URL: &target, Host: target.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	// RFC 7517 8.5.2, and what metadata documents and most servers use.
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if f.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", f.cfg.UserAgent)
	}
	for name, values := range f.cfg.Header {
		switch name = http.CanonicalHeaderKey(name); {
		case name == "Host": // net/http ignores it in the header
			if len(values) > 0 {
				req.Host = values[0]
			}
		case name != "Accept-Encoding":
			req.Header[name] = append([]string(nil), values...)
		}
	}
	// RFC 9110 13.1.2 and 13.1.3. Servers that know the first ignore the
	// second.
	if sendable(r.ETag) {
		req.Header.Set("If-None-Match", r.ETag)
		conditional = true
	}
	if sendable(r.LastModified) {
		req.Header.Set("If-Modified-Since", r.LastModified)
		conditional = true
	}
	if r.NoCache {
		req.Header.Set("Cache-Control", "no-cache")
	}
	return req, conditional
}

// sendable reports whether a validator that a server sent can be sent back.
// One that net/http refuses in a request must not make every refresh fail, and
// a huge one is not worth its bytes: the request is just not conditional then.
func sendable(v string) bool {
	const most = 1024
	if v == "" || len(v) > most {
		return false
	}
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f { // RFC 9110 5.5
			return false
		}
	}
	return true
}
