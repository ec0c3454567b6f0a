package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// The two classes. Every error of Verify, SigningKeys, Key, KeyForToken and
// Keyfunc matches exactly one of them with [errors.Is]. The reasons below and
// golang-jwt's sentinels are more specific.
//
//	switch _, err := verifier.Verify(ctx, token); {
//	case err == nil:                             // serve
//	case errors.Is(err, jwks.ErrUnavailable):    // 503: it could not be decided, the token may be fine
//	case errors.Is(err, jwt.ErrTokenExpired):    // 401: ask for a new token
//	case errors.Is(err, jwks.ErrTokenInvalid):   // 401
//	}
var (
	// ErrTokenInvalid is the class of errors about the token: HTTP 401.
	ErrTokenInvalid = fault.ErrTokenInvalid

	// ErrUnavailable is the class of errors after which the token may be good, because
	// it could not be judged: HTTP 503. An error of this class also matches
	// [context.Canceled] or [context.DeadlineExceeded] if the caller's own context
	// ended, and contains a *[FetchError] if a fetch failed.
	ErrUnavailable = fault.ErrUnavailable
)

// The reasons. The comment of each names its class.
var (
	// ErrKeyNotFound says that no key fits the token. It comes with
	// [ErrTokenInvalid] when the source answered, and with [ErrUnavailable]
	// when the source could not be asked.
	ErrKeyNotFound = fault.ErrKeyNotFound

	// ErrIssuerNotTrusted is [ErrTokenInvalid]: the token's "iss" is not listed, or
	// the function of [TrustIssuerFunc] or [ForIssuerFunc] refused it. Where a list
	// decides, no request is made for such a token; otherwise none of its claims is used.
	ErrIssuerNotTrusted = fault.New("jwks: issuer not trusted", ErrTokenInvalid)

	// ErrAlgorithmNotAllowed is [ErrTokenInvalid]: the token's "alg" is not
	// configured, or its key does not allow it (RFC 8725 section 3.1).
	ErrAlgorithmNotAllowed = fault.ErrAlgorithmNotAllowed

	// ErrUnsupportedCritical is [ErrTokenInvalid]: the token has a "crit" or
	// "b64" header parameter (RFC 7515 section 4.1.11, RFC 7797). This package
	// understands no extension.
	ErrUnsupportedCritical = fault.ErrUnsupportedCritical

	// ErrTokenTooLarge is [ErrTokenInvalid]: the token is longer than the
	// limit, 16 KiB unless [WithMaxTokenSize] says otherwise. Nothing of it
	// was decoded.
	ErrTokenTooLarge = fault.ErrTokenTooLarge

	// ErrProofRequired is [ErrTokenInvalid]: the token is bound to a key ("cnf",
	// RFC 7800), and nothing proved that its sender has the key. See [Proof].
	ErrProofRequired = fault.New("jwks: proof of possession required", ErrTokenInvalid)

	// ErrIssuerMismatch is [ErrUnavailable]: the discovery document names
	// another issuer (OpenID Connect Discovery 1.0 section 4.3).
	ErrIssuerMismatch = fault.New("jwks: issuer mismatch", ErrUnavailable)

	// ErrInvalidKeySet is [ErrUnavailable]: the document is not a JWK Set
	// (RFC 7517 section 5), or no key in it is usable.
	ErrInvalidKeySet = fault.New("jwks: invalid key set", ErrUnavailable)

	// ErrInvalidMetadata is [ErrUnavailable]: the discovery document lacks a
	// member or has an unusable one, or the client does no discovery.
	ErrInvalidMetadata = fault.New("jwks: invalid metadata", ErrUnavailable)

	// ErrClosed is [ErrUnavailable]: the client was closed.
	ErrClosed = fault.New("jwks: client closed", ErrUnavailable)

	// ErrConfig is what constructors return: an error for every bad option, joined,
	// each of which matches it. It belongs to neither class.
	ErrConfig = errors.New("jwks: invalid configuration")
)

// FetchError says why a document could not be fetched. Get it with
// [errors.As]; it matches [ErrUnavailable].
type FetchError struct {
	// URL of the document, or the path of a [WithKeyFile]. Errors of this package
	// have "?…" in place of its query, which may hold a secret.
	URL string
	// StatusCode of the response, 0 if there was none.
	StatusCode int
	// RetryAfter is how long no request will be made: what a Retry-After
	// header asked for (RFC 9110 section 10.2.3) or, for an error during a
	// backoff, the time that is left of it. 0 if unknown.
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
	b.WriteString(show.Place(e.URL))
	switch {
	case e.Err != nil:
		b.WriteString(": ")
		b.WriteString(bare(e.Err))
	case e.StatusCode != 0:
		fmt.Fprintf(&b, ": status %d, want 200", e.StatusCode)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; next attempt in %s", show.Round(e.RetryAfter))
	}
	return b.String()
}

// classified gives an error of foreign code a class: its own if it has exactly
// one, else [ErrUnavailable], except that a bare [ErrKeyNotFound] says that the
// source answered.
func classified(err error) error {
	if fault.HasOneClass(err) {
		return err
	}
	otherwise := ErrUnavailable
	if errors.Is(err, ErrKeyNotFound) {
		otherwise = ErrTokenInvalid
	}
	class, cause := fault.Sort(err, otherwise)
	if class == ErrTokenInvalid {
		return fault.Invalid(show.Quote(err.Error()), cause)
	}
	return fault.Unavailable(show.Quote(err.Error()), cause)
}

// Reason returns a constant word for an error, for metrics and logs:
//
//	closed, canceled, unavailable   of class [ErrUnavailable]; canceled: the caller gave up
//	check                           refused by a function of [WithCheck]
//	proof                           [ErrProofRequired]
//	too_large, malformed            [ErrTokenTooLarge]; form, header or a claim's type; also [ErrUnsupportedCritical]
//	algorithm                       [ErrAlgorithmNotAllowed]
//	not_trusted                     [ErrIssuerNotTrusted]
//	key_not_found, signature        [ErrKeyNotFound]; golang-jwt's ErrTokenSignatureInvalid
//	issuer, audience                golang-jwt's ErrTokenInvalidIssuer, ErrTokenInvalidAudience
//	not_yet_valid, expired          "nbf" or "iat" in the future; "exp" or the age
//	claim                           a required claim is missing, or a claim or the "typ" is not as required
//	other                           anything else
//
// It returns "" for nil. If several things are wrong with a token, it names the
// one that comes first in this list, except that a missing claim is always "claim".
func Reason(err error) string {
	if err == nil {
		return ""
	}
	words := invalidWords
	if errors.Is(err, ErrUnavailable) {
		words = unavailableWords
	}
	for _, r := range words {
		for _, sentinel := range r.errs {
			if errors.Is(err, sentinel) {
				return r.word
			}
		}
	}
	return "other"
}

// reasonWord is a word of Reason, and what an error matches that has it.
type reasonWord struct {
	word string
	errs []error
}

// The words of each class. The first that fits counts: an error of golang-jwt
// or of several problems matches more than one.
var unavailableWords = []reasonWord{
	{"closed", []error{ErrClosed}},
	{"canceled", []error{context.Canceled, context.DeadlineExceeded}},
	{"unavailable", []error{ErrUnavailable}},
}

var invalidWords = []reasonWord{
	{"check", []error{fault.ErrCheck}},
	{"proof", []error{ErrProofRequired}},
	{"too_large", []error{ErrTokenTooLarge}},
	{"malformed", []error{jwt.ErrTokenMalformed, ErrUnsupportedCritical}},
	{"algorithm", []error{ErrAlgorithmNotAllowed}},
	{"not_trusted", []error{ErrIssuerNotTrusted}},
	{"key_not_found", []error{ErrKeyNotFound}},
	{"signature", []error{jwt.ErrTokenSignatureInvalid}},
	{"claim", []error{jwt.ErrTokenRequiredClaimMissing}},
	{"issuer", []error{jwt.ErrTokenInvalidIssuer}},
	{"audience", []error{jwt.ErrTokenInvalidAudience}},
	{"not_yet_valid", []error{jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued}},
	{"expired", []error{jwt.ErrTokenExpired}},
	{"claim", []error{jwt.ErrTokenInvalidClaims, fault.ErrTokenType}},
}

// configError is one bad option: what it is called, what is wrong, and what to
// write instead.
func configError(option, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrConfig, option, fmt.Sprintf(format, args...))
}

// bare is the text of err without this package's prefix and class, for use
// within a longer line.
func bare(err error) string {
	if e, ok := err.(*FetchError); ok {
		return e.text()
	}
	if text, ok := fault.Text(err); ok {
		return text
	}
	return strings.TrimPrefix(err.Error(), "jwks: ")
}

// distinct takes joined errors apart and leaves out repetitions: a
// bad option for all issuers is reported once.
func distinct(errs []error) []error {
	var all []error
	seen := make(map[string]bool)
	for _, err := range errs {
		parts := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			parts = joined.Unwrap()
		}
		for _, part := range parts {
			if text := part.Error(); !seen[text] {
				seen[text] = true
				all = append(all, part)
			}
		}
	}
	return all
}
