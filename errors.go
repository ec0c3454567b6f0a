package jwks

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// The two classes. Every error of Verify, SigningKeys, Key, KeyForToken and
// Keyfunc matches exactly one of them with [errors.Is]; the reasons below and
// golang-jwt's sentinels say more.
//
//	switch _, err := verifier.Verify(ctx, token); {
//	case err == nil:                             // serve
//	case errors.Is(err, jwks.ErrUnavailable):    // 503: it could not be decided, the token may be fine
//	case errors.Is(err, jwt.ErrTokenExpired):    // 401: ask for a new token
//	case errors.Is(err, jwks.ErrTokenInvalid):   // 401
//	}
var (
	// ErrTokenInvalid is the class of the caller's faults: HTTP 401.
	ErrTokenInvalid = errors.New("jwks: token invalid")

	// ErrUnavailable is the class of what could not be decided: HTTP 503.
	// An error of this class also matches [context.Canceled] or
	// [context.DeadlineExceeded] when the caller's own context ended, and
	// holds a *[FetchError] when a fetch failed.
	ErrUnavailable = errors.New("jwks: keys unavailable")
)

// The reasons. The comment of each names its class.
var (
	// ErrKeyNotFound says that no key fits the token. It comes with
	// [ErrTokenInvalid] when the source answered, and with [ErrUnavailable]
	// when the source could not be asked.
	ErrKeyNotFound = errors.New("jwks: key not found")

	// ErrIssuerNotTrusted is [ErrTokenInvalid]: the token's "iss" is not on
	// the list. It is decided before any I/O.
	ErrIssuerNotTrusted error = &reason{"jwks: issuer not trusted", ErrTokenInvalid}

	// ErrAlgorithmNotAllowed is [ErrTokenInvalid]: the token's "alg" is not
	// configured, or its key does not allow it (RFC 8725 section 3.1).
	ErrAlgorithmNotAllowed error = &reason{"jwks: algorithm not allowed", ErrTokenInvalid}

	// ErrUnsupportedCritical is [ErrTokenInvalid]: the token has a "crit" or
	// "b64" header parameter (RFC 7515 section 4.1.11, RFC 7797). This package
	// understands no extension.
	ErrUnsupportedCritical error = &reason{"jwks: unsupported critical header parameter", ErrTokenInvalid}

	// ErrTokenTooLarge is [ErrTokenInvalid]: the token is longer than the
	// limit, 16 KiB unless [WithMaxTokenSize] says otherwise. Nothing of it
	// was decoded.
	ErrTokenTooLarge error = &reason{"jwks: token too large", ErrTokenInvalid}

	// ErrIssuerMismatch is [ErrUnavailable]: the discovery document names
	// another issuer (OpenID Connect Discovery 1.0 section 4.3).
	ErrIssuerMismatch error = &reason{"jwks: issuer mismatch", ErrUnavailable}

	// ErrInvalidKeySet is [ErrUnavailable]: the document is not a JWK Set
	// (RFC 7517 section 5), or no key in it is usable.
	ErrInvalidKeySet error = &reason{"jwks: invalid key set", ErrUnavailable}

	// ErrInvalidMetadata is [ErrUnavailable]: the discovery document lacks a
	// member or has an unusable one, or the client does no discovery.
	ErrInvalidMetadata error = &reason{"jwks: invalid metadata", ErrUnavailable}

	// ErrClosed is [ErrUnavailable]: the client was closed.
	ErrClosed error = &reason{"jwks: client closed", ErrUnavailable}

	// ErrConfig is what constructors return, once for every bad option,
	// joined. It belongs to neither class.
	ErrConfig = errors.New("jwks: invalid configuration")
)

// reason is a sentinel that belongs to one class for good.
type reason struct {
	text  string
	class error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.class }

// FetchError says why a document could not be fetched. Find it with
// [errors.As]; it matches [ErrUnavailable].
type FetchError struct {
	// URL of the document. The text of the error leaves its query out, which
	// may hold a secret.
	URL string
	// StatusCode of the answer, 0 when none came.
	StatusCode int
	// RetryAfter is how long the source is left alone: what its Retry-After
	// header asked for (RFC 9110 section 10.2.3), or, for an error during a
	// backoff, what is left of it. 0 when unknown.
	RetryAfter time.Duration
	// Err is the cause.
	Err error
}

// Error says in one line which document could not be fetched and why.
func (e *FetchError) Error() string { return "jwks: " + e.text() }

// Unwrap makes a FetchError match [ErrUnavailable] and its cause.
func (e *FetchError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrUnavailable}
	}
	return []error{ErrUnavailable, e.Err}
}

func (e *FetchError) text() string {
	var b strings.Builder
	b.WriteString("fetching ")
	b.WriteString(showURL(e.URL))
	switch {
	case e.Err != nil:
		b.WriteString(": ")
		b.WriteString(bare(e.Err))
	case e.StatusCode != 0:
		fmt.Fprintf(&b, ": status %d, want 200", e.StatusCode)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; next attempt in %s", round(e.RetryAfter))
	}
	return b.String()
}

// failure is an error of one class with the reasons below it. Its text is the
// class, then what was expected and what came, in one line.
type failure struct {
	text  string
	chain []error // the class first
}

func (f *failure) Error() string   { return f.chain[0].Error() + ": " + f.text }
func (f *failure) Unwrap() []error { return f.chain }

// invalid makes an error of class [ErrTokenInvalid].
func invalid(text string, reasons ...error) error {
	return &failure{text: text, chain: append([]error{ErrTokenInvalid}, reasons...)}
}

// unavailable makes an error of class [ErrUnavailable].
func unavailable(text string, reasons ...error) error {
	return &failure{text: text, chain: append([]error{ErrUnavailable}, reasons...)}
}

// classified gives an error of code that is not ours a class: its own if it
// has exactly one, else [ErrUnavailable]. An error that claims both classes
// loses its chain, because a caller's switch must not depend on the order of
// its cases.
func classified(err error) error {
	inv, un := errors.Is(err, ErrTokenInvalid), errors.Is(err, ErrUnavailable)
	switch {
	case inv && un:
		return unavailable(quote(err.Error()))
	case inv, un:
		return err
	case errors.Is(err, ErrKeyNotFound): // the source answered
		return invalid(quote(err.Error()), err)
	default:
		return unavailable(quote(err.Error()), err)
	}
}

// configError is one bad option: what it is called, what is wrong, and what to
// write instead.
func configError(option, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrConfig, option, fmt.Sprintf(format, args...))
}

// bare is the text of err without this package's prefix and class, for use
// within a longer line.
func bare(err error) string {
	switch e := err.(type) {
	case *failure:
		return e.text
	case *FetchError:
		return e.text()
	}
	return strings.TrimPrefix(err.Error(), "jwks: ")
}

// quote makes foreign text fit for an error or a log line.
func quote(s string) string { return show.Quote(s) }

// showURL is a URL for an error or a log line: without its query, which may
// hold a secret.
func showURL(raw string) string { return show.URL(raw) }

// round makes a duration readable.
func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
