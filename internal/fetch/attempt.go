package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/httpcache"
	"github.com/seed-22400188/jwks/internal/show"
)

// failure is how one attempt failed.
type failure struct {
	err      *Error // without its URL
	again    bool   // another attempt may go better
	timedOut bool   // its connection may be dead
	told     bool   // the text tells the attempts already
}

// final is a failure that another attempt would repeat.
func final(err error) *failure { return &failure{err: &Error{Err: err}} }

// attempt sends one request and reads its answer.
type attempt struct {
	sending
	client  *http.Client
	request Request
	start   time.Time // when Get began
	began   time.Time // when the attempt did
	number  int       // from 1
}

func (a *attempt) do(ctx context.Context) (res *Response, fail *failure) {
	// The transport, the redirect function and the body may be the user's. A
	// fetch runs in a goroutine that is not the user's, where nobody could
	// recover for them. Only the type is told: the value may hold anything.
	defer func() {
		if v := recover(); v != nil {
			res, fail = nil, final(fmt.Errorf("the HTTP client panicked (%T)", v))
		}
	}()

	if ended(ctx) { // transports need not look at it
		return nil, a.interrupted(ctx)
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if a.f.timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, a.f.timeout)
	}
	defer cancel()

	a.began = time.Now()
	req, conditional, err := a.newRequest(limited, a.request)
	if err != nil {
		return nil, a.broken(ctx, limited, err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		fail := a.broken(ctx, limited, err)
		if resp != nil { // a redirect that is not followed
			fail.err.StatusCode = resp.StatusCode
		}
		return nil, fail
	}
	// Closed without draining: what we did not want to read may have no end.
	defer resp.Body.Close()
	if res, fail = a.read(ctx, limited, resp, conditional); fail != nil {
		fail.err.StatusCode = resp.StatusCode
	}
	return res, fail
}

// read takes what the server answered.
func (a *attempt) read(ctx, limited context.Context, resp *http.Response, conditional bool) (*Response, *failure) {
	notModified := resp.StatusCode == http.StatusNotModified && conditional
	if resp.StatusCode != http.StatusOK && !notModified {
		return nil, a.refusedBy(resp)
	}
	header, ok := checkHeader(resp.Header)
	if !ok {
		return nil, final(fmt.Errorf("the header of the answer is longer than the limit of %d bytes", maxResponseHeader))
	}
	if notModified {
		return &Response{NotModified: true, Header: header}, nil
	}
	if coding := foreignCoding(resp.Header); coding != "" {
		return nil, final(fmt.Errorf("answered with Content-Encoding %s, which was not asked for", show.Quote(coding)))
	}
	body, err := readBody(limited, resp, a.f.maxSize)
	switch {
	case errors.Is(err, errTooLong):
		return nil, final(fmt.Errorf("the document is longer than the limit of %d bytes", a.f.maxSize))
	case err != nil:
		return nil, a.broken(ctx, limited, err)
	}
	return &Response{Body: body, Header: header}, nil
}

// checkHeader refuses a header that a transport of the user's let through, and
// takes from it the validators that are not fit to be sent back.
func checkHeader(h http.Header) (fit http.Header, ok bool) {
	size := 0
	for name, values := range h {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size > maxResponseHeader {
		return nil, false
	}
	etag, lastModified := httpcache.Validators(h)
	h = h.Clone() // it may be the user's
	if !sendable(etag) {
		h.Del("ETag")
	}
	if !sendable(lastModified) {
		h.Del("Last-Modified")
	}
	return h, true
}

// foreignCoding returns the Content-Encoding of a body that is not to be read
// as it stands, or "". The one that net/http asked for, and undid, it has taken
// out of the header.
func foreignCoding(h http.Header) string {
	for _, line := range h.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.Trim(coding, " \t"); coding != "" && !strings.EqualFold(coding, "identity") {
				return coding
			}
		}
	}
	return ""
}

// refusedBy is the failure that the status of resp means.
func (a *attempt) refusedBy(resp *http.Response) *failure {
	code := resp.StatusCode
	e := &Error{StatusCode: code, RetryAfter: min(httpcache.RetryAfter(resp.Header, time.Now()), MaxRetryAfter)}
	text := statusText(code)
	switch {
	case a.withheld && (code == http.StatusUnauthorized || code == http.StatusForbidden):
		text += "; the configured headers are not sent to " + show.Quote(a.last.Host) + a.hint("WithHeaderHosts")
	case code == http.StatusProxyAuthRequired:
		if proxy := proxyFor(a.client.Transport, &a.last); proxy != "" {
			text += ", by way of the proxy " + show.Quote(proxy)
		}
	}
	e.Err = errors.New(text)
	again := false
	switch {
	case resp.Header.Get("Retry-After") != "":
		// RFC 9110 10.2.3: the server named the time to come back, and
		// within this fetch is not it.
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		again = true
	}
	return &failure{err: e, again: again}
}

// hint names the option that helps.
func (a *attempt) hint(option string) string {
	if a.f.noHints {
		return ""
	}
	return ": see " + option
}

// broken is the failure of an attempt that got no whole answer. ctx is that of
// Get, limited that of the attempt.
func (a *attempt) broken(ctx, limited context.Context, err error) *failure {
	var refused *redirectError
	var last *permanentError
	var header *headerError
	switch {
	case errors.As(err, &refused):
		return final(refused)
	case errors.As(err, &last):
		return final(wrap(err))
	// Whatever the transport said: once a context ended, that is the reason.
	case ended(ctx):
		return a.interrupted(ctx)
	case errors.As(err, &header):
		return &failure{err: &Error{Err: header}, again: true}
	case ended(limited):
		return a.timeout(a.f.timeout, "WithTimeout")
	case isTimeout(err) && a.client.Timeout > 0 && time.Since(a.began) >= a.client.Timeout:
		return a.timeout(a.client.Timeout, "")
	}
	told := wrap(err)
	if e := explain(withoutURL(err), proxyFor(a.client.Transport, &a.last)); e.text != "" {
		told.text = e.text
		if e.option != "" {
			told.text += a.hint(e.option)
		}
	}
	return &failure{err: &Error{Err: told}, again: !isLasting(err), timedOut: told.timeout}
}

// timeout is the failure of an attempt that took too long; the option says how
// to give it more time, "" for the Timeout of the user's client.
func (a *attempt) timeout(limit time.Duration, option string) *failure {
	text := fmt.Sprintf("no answer within %v", limit)
	if option == "" {
		text += ", the Timeout of the HTTP client"
	}
	if a.number > 1 {
		text += fmt.Sprintf(", %d attempts", a.number)
	}
	if option != "" {
		text += a.hint(option)
	}
	return &failure{err: &Error{Err: timeoutError(text)}, again: true, timedOut: true, told: true}
}

// interrupted is the failure of a fetch whose context ended.
func (a *attempt) interrupted(ctx context.Context) *failure {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &failure{err: &Error{Err: errCancelled}, told: true}
	}
	text := fmt.Sprintf("gave up after %v in attempt %d of %d", time.Since(a.start).Round(time.Millisecond), a.number, a.f.retries+1)
	var limits []string
	if a.f.timeout > 0 {
		limits = append(limits, fmt.Sprintf("%v each", a.f.timeout))
	}
	if a.request.Budget > 0 {
		limits = append(limits, fmt.Sprintf("%v for the whole refresh", a.request.Budget))
	}
	if limits != nil {
		text += " (" + strings.Join(limits, ", ") + ")"
	}
	fail := final(timeoutError(text))
	fail.timedOut, fail.told = true, true
	return fail
}

// count returns the error of a failure with the number of attempts.
func (a *attempt) count(fail *failure) error {
	if a.number == 1 || fail.told {
		return fail.err.Err
	}
	return &countedError{fail.err.Err, a.number}
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

// maxEmptyReads is how many times in a row a body may give nothing, as for bufio.
const maxEmptyReads = 100

// readBody reads the whole body, which has at most limit bytes, and at most
// one byte more than that.
func readBody(ctx context.Context, resp *http.Response, limit int64) ([]byte, error) {
	declared := resp.ContentLength // -1 when unknown and after decompression
	if declared > limit {
		return nil, errTooLong
	}
	var buf []byte
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
			// and -1 are what they say who do not know it.
			if int64(len(buf)) < declared {
				return nil, io.ErrUnexpectedEOF
			}
			return buf, nil
		case err != nil:
			return nil, err
		}
		if empty++; n > 0 {
			empty = 0
		} else if empty > maxEmptyReads {
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
