package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// MaxRetryAfter is the longest that a server can make its callers wait.
const MaxRetryAfter = 10 * time.Minute

// Error is why a document could not be fetched. Its text is one line without
// any of the document; foreign text in it is quoted and cut to 64 bytes.
//
// It matches [os.ErrDeadlineExceeded] if time ran out, and the errors below it
// (of the network, of TLS, of the user's client) unless they are or wrap an
// error of the context package: see [Fetcher.Get].
type Error struct {
	URL        string        // the URL asked for, without user info, query and fragment
	StatusCode int           // of the answer, 0 when none came
	RetryAfter time.Duration // what that answer asked for, at most MaxRetryAfter, else 0
	Err        error         // the cause
}

func (e *Error) Error() string {
	text := "GET " + show.URL(e.URL) + ": " + fmt.Sprint(e.Err)
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (retry after %v)", e.RetryAfter)
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent marks an error of a dialer or transport that another attempt would
// meet again, so that Get does not retry.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// errCancelled says that the context of a fetch was cancelled. It is not
// [context.Canceled], see [Fetcher.Get].
var errCancelled = errors.New("cancelled")

// timeoutError says that time ran out. It is not [context.DeadlineExceeded],
// see [Fetcher.Get].
type timeoutError string

func (e timeoutError) Error() string        { return string(e) }
func (e timeoutError) Timeout() bool        { return true }
func (e timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// countedError adds to an error how many attempts came to it.
type countedError struct {
	err      error
	attempts int
}

func (e *countedError) Error() string { return fmt.Sprintf("%v, %d attempts", e.err, e.attempts) }
func (e *countedError) Unwrap() error { return e.err }

// statusText describes an answer that is neither 200 nor an expected 304.
func statusText(code int) string {
	if code == http.StatusNotModified {
		return answered(code) + ", but the request had no condition"
	}
	return answered(code) + ", expected 200"
}

// answered names a status. Its text is ours; the one that the server sent is
// not shown.
func answered(code int) string {
	what := "answered " + strconv.Itoa(code)
	if text := http.StatusText(code); text != "" {
		what += " " + text
	}
	return what
}

// transportError is an error of the transport, the network or the user's
// client with a text that can be shown.
type transportError struct {
	text    string
	err     error // nil if it matches an error of the context package
	timeout bool
}

func (e *transportError) Error() string { return e.text }
func (e *transportError) Unwrap() error { return e.err }
func (e *transportError) Timeout() bool { return e.timeout }
func (e *transportError) Is(target error) bool {
	return e.timeout && target == os.ErrDeadlineExceeded
}

// wrap makes err fit to be seen: without the URL, which may hold a secret and
// is named by Error already, and without a match for the errors of contexts.
func wrap(err error) *transportError {
	err = withoutURL(err)
	e := &transportError{text: describe(err), err: err, timeout: isTimeout(err)}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		e.err = nil
	}
	return e
}

// withoutURL takes off url.Error, which repeats the URL. Only the outermost ones
// go: one that is wrapped by something else is part of a text.
func withoutURL(err error) error {
	for {
		u, ok := err.(*url.Error)
		if !ok || u.Err == nil {
			return err
		}
		err = u.Err
	}
}

// isTimeout reports whether err says that time ran out, of which there are
// many kinds: of a dialer, of a TLS handshake, of the user's client.
func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}
