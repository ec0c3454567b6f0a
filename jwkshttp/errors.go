package jwkshttp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// Errors that a custom error handler may get besides those of the two classes
// [jwks.ErrTokenInvalid] and [jwks.ErrUnavailable]. They belong to neither class. Test for
// them with [errors.Is].
var (
	// ErrNoToken says that no token was found in any of the places searched: 401 with
	// a challenge without an error code (RFC 6750 section 3.1).
	ErrNoToken = errors.New("jwkshttp: no token in the request")

	// ErrMalformed says that the request does not carry exactly one well-formed token:
	// 400 invalid_request (RFC 6750 section 3.1).
	ErrMalformed = errors.New("jwkshttp: malformed credentials")

	// ErrInsufficientScope says that a valid token lacks a scope of
	// [RequireScopes]: 403 insufficient_scope (RFC 6750 section 3.1).
	ErrInsufficientScope = errors.New("jwkshttp: insufficient scope")

	// ErrForbidden says that a valid token is not enough: it does not have a claim that
	// [RequireClaim] requires, or a function of [Require] refused it. 403
	// without a challenge, because another token of the same kind would not help.
	ErrForbidden = errors.New("jwkshttp: forbidden")
)

// errNoVerdict is a TokenVerifier that breaks its contract.
var errNoVerdict = errors.New("jwkshttp: the verifier returned neither a token nor an error")

// malformed says what is wrong without showing the value, which may be a token.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// StatusCode returns the status that a refusal with err has by default, for handlers
// of [WithErrorHandler] and for services that call Verify themselves: 503 for
// [jwks.ErrUnavailable], 403 for [ErrForbidden], 401 for [jwks.ErrTokenInvalid] and
// [ErrNoToken], 400 for [ErrMalformed], 403 for [ErrInsufficientScope], 401 for
// golang-jwt's own token errors, and 500 for anything else. If several match,
// the first in this order counts, so that a token that may be good is never called bad. It
// returns 200 for nil.
func StatusCode(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return refusalFor(err).status()
}

// refusal is one row of the table in the package documentation.
type refusal int

const (
	refusedBroken refusal = iota // neither class: a verifier of the user's own
	refusedUnavailable
	refusedInvalid
	refusedNoToken
	refusedMalformed
	refusedScope
	refusedForbidden
	refusals // how many there are
)

func refusalFor(err error) refusal {
	switch {
	case errors.Is(err, jwks.ErrUnavailable):
		return refusedUnavailable
	case errors.Is(err, ErrForbidden): // whatever the program's check says besides
		return refusedForbidden
	case errors.Is(err, jwks.ErrTokenInvalid):
		return refusedInvalid
	case errors.Is(err, ErrNoToken):
		return refusedNoToken
	case errors.Is(err, ErrMalformed):
		return refusedMalformed
	case errors.Is(err, ErrInsufficientScope):
		return refusedScope
	case isJWTError(err):
		return refusedInvalid
	}
	return refusedBroken
}

// jwtErrors are golang-jwt's errors about a token. Behind Keyfunc the checks of
// its parser fail with these alone.
var jwtErrors = []error{
	jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenRequiredClaimMissing,
	jwt.ErrTokenInvalidAudience, jwt.ErrTokenExpired, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenInvalidSubject, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidId, jwt.ErrTokenInvalidClaims, jwt.ErrInvalidType,
}

func isJWTError(err error) bool {
	return slices.ContainsFunc(jwtErrors, func(sentinel error) bool { return errors.Is(err, sentinel) })
}

// Reason returns a constant word for a refusal, for metrics and logs: no_token
// for [ErrNoToken], malformed for [ErrMalformed], scope for
// [ErrInsufficientScope], forbidden for [ErrForbidden], and the word of [jwks.Reason] for
// all other errors. It returns "" for nil. If several match, the first in the order of
// [StatusCode] counts.
func Reason(err error) string {
	switch refusalFor(err) {
	case refusedNoToken:
		return "no_token"
	case refusedMalformed:
		return "malformed"
	case refusedScope:
		return "scope"
	case refusedForbidden:
		return "forbidden"
	}
	return jwks.Reason(err)
}

func (r refusal) status() int {
	switch r {
	case refusedUnavailable:
		return http.StatusServiceUnavailable
	case refusedInvalid, refusedNoToken:
		return http.StatusUnauthorized
	case refusedMalformed:
		return http.StatusBadRequest
	case refusedScope, refusedForbidden:
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}
