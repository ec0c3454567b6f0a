package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-22400188/jwks/internal/httpcache"
)

// failure is how one attempt failed.
type failure struct {
	err   *Error // without its URL
	again bool   // another attempt may go better
}

// final is a failure that another attempt would repeat.
func final(err error) *failure { return &failure{err: &Error{Err: err}} }

// attempt sends one request and reads its answer. start is when Get began.
func (f *Fetcher) attempt(ctx context.Context, client *http.Client, u *url.URL, r Request, start time.Time) (res *Response, fail *failure) {
	// The transport, the redirect function and the body may be the user's. A
	// fetch runs in a goroutine that is not the user's, where nobody could
	// recover for them. Only the type is told: the value may hold anything.
	defer func() {
		if v := recover(); v != nil {
			res, fail = nil, final(fmt.Errorf("the HTTP client panicked (%T)", v))
		}
	}()

	if ended(ctx) { // transports need not look at it
		return nil, final(f.interrupted(ctx, start))
	}
	attempt, cancel := ctx, context.CancelFunc(func() {})
	if f.cfg.Timeout > 0 {
		attempt, cancel = context.WithTimeout(ctx, f.cfg.Timeout)
	}
	defer cancel()

	began := time.Now()
	req, conditional := f.newRequest(attempt, u, r)
	resp, err := client.Do(req)
	if err != nil {
		fail := f.broken(ctx, attempt, err, start, began)
		if resp != nil { // a redirect that is not followed
			fail.err.StatusCode = resp.StatusCode
		}
		return nil, fail
	}
	// Closed without draining: what we did not want to read may have no end.
	defer resp.Body.Close()

	switch {
	case resp.StatusCode == http.StatusNotModified && conditional:
		return &Response{NotModified: true, Header: resp.Header}, nil
	case resp.StatusCode != http.StatusOK:
		return nil, refusedBy(resp)
	}
	body, err := readBody(attempt, resp, f.cfg.MaxSize)
	if err != nil {
		fail := f.broken(ctx, attempt, err, start, began)
		if errors.Is(err, errTooLong) {
			fail = final(fmt.Errorf("the document is longer than the limit of %d bytes", f.cfg.MaxSize))
		}
		fail.err.StatusCode = resp.StatusCode
		return nil, fail
	}
	return &Response{Body: body, Header: resp.Header}, nil
}

// refusedBy is the failure that the status of resp means.
func refusedBy(resp *http.Response) *failure {
	e := &Error{StatusCode: resp.StatusCode, RetryAfter: httpcache.RetryAfter(resp.Header, time.Now())}
	e.Err = statusError(resp.StatusCode)
	again := false
	switch code := resp.StatusCode; {
	case resp.Header.Get("Retry-After") != "":
		// RFC 9110 10.2.3: the server named the time to come back, and
		// within this fetch is not it.
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		again = true
	}
	return &failure{err: e, again: again}
}

// broken is the failure of an attempt that got no whole answer.
func (f *Fetcher) broken(ctx, attempt context.Context, err error, start, began time.Time) *failure {
	var refused *redirectError
	var last *permanentError
	switch {
	case errors.As(err, &refused):
		return final(refused)
	case errors.As(err, &last):
		return final(wrap(err))
	// Whatever the transport said: once a context ended, that is the reason.
	case ended(ctx):
		return final(f.interrupted(ctx, start))
	case ended(attempt):
		return &failure{err: &Error{Err: timeoutError(fmt.Sprintf("no answer within %v", f.cfg.Timeout))}, again: true}
	case isTimeout(err) && f.client.Timeout > 0 && time.Since(began) >= f.client.Timeout:
		return &failure{err: &Error{Err: timeoutError(fmt.Sprintf("no answer within %v, the Timeout of the HTTP client", f.client.Timeout))}, again: true}
	}
	return &failure{err: &Error{Err: wrap(err)}, again: true}
}

// interrupted is the error of a fetch whose context ended.
func (f *Fetcher) interrupted(ctx context.Context, start time.Time) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errCancelled
	}
	return timeoutError(fmt.Sprintf("gave up after %v", time.Since(start).Round(time.Millisecond)))
}

// ended reports whether ctx is over. Its deadline is looked at as well: the
// deadlines of connections follow from it and may fire a moment earlier.
func ended(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	d, ok := ctx.Deadline()
	return ok && !time.Now().Before(d)
}

// errTooLong says that a body is longer than its limit.
var errTooLong = errors.New("too long")

// readBody reads the whole body, which has at most limit bytes, and at most
// one byte more than that.
func readBody(ctx context.Context, resp *http.Response, limit int64) ([]byte, error) {
	declared := resp.ContentLength // -1 when unknown and after decompression
	if declared > limit {
		return nil, errTooLong
	}
	buf := make([]byte, 0, nextSize(0, declared, limit))
	for empty := 0; ; {
		// A body that a transport of the user's made may trickle on without a
		// look at the context.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			more := make([]byte, len(buf), nextSize(int64(len(buf)), declared, limit))
			copy(more, buf)
			buf = more
		}
		space := buf[len(buf):min(int64(cap(buf)), limit+1)]
		n, err := resp.Body.Read(space)
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, errTooLong
		case err == io.EOF:
			// net/http checks the length itself; other transports may not. 0
			// is what they say who do not know it.
			if declared > 0 && int64(len(buf)) < declared {
				return nil, io.ErrUnexpectedEOF
			}
			return buf, nil
		case err != nil:
			return nil, err
		}
		if empty++; n > 0 {
			empty = 0
		} else if empty > 100 {
			return nil, io.ErrNoProgress
		}
	}
}

// nextSize is how much memory a body gets, with have bytes of it read: one byte
// more than there should be, so that the end shows. Most documents fit at
// once; a promise of more is not paid for before as much again has come.
func nextSize(have, declared, limit int64) int64 {
	size := max(4<<10, 2*have)
	if declared > have {
		size = min(max(64<<10, 2*have), declared)
	}
	return min(size, limit) + 1
}
