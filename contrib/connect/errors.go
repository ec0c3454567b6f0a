package jwksconnect

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// Error turns an error of Verify, or of package jwkshttp, into the error of a
// call, for methods that verify tokens themselves:
//
//   - [connect.CodeUnavailable] for [jwks.ErrUnavailable], with RetryInfo in its
//     details and Retry-After in its Meta: the time of a [jwks.FetchError], at
//     least a second, plus some jitter
//   - [connect.CodeCanceled] or [connect.CodeDeadlineExceeded] where such an
//     error says that the caller gave up
//   - [connect.CodePermissionDenied] for [jwkshttp.ErrInsufficientScope]
//   - [connect.CodeUnauthenticated] for [jwks.ErrTokenInvalid],
//     [jwkshttp.ErrNoToken] and [jwkshttp.ErrMalformed]
//   - [connect.CodeInternal] for any other
//
// CodePermissionDenied and CodeUnauthenticated have a challenge in their Meta (RFC 6750
// section 3), which gRPC sends as a trailer. [AuthFunc], which knows the protocol, leaves
// it out there. The text is fixed. err stays in the chain, for
// errors.Is and errors.As on the server. Error(nil) is nil, and an error that Error
// returned is returned unchanged.
func Error(err error) *connect.Error {
	if err == nil {
		return nil
	}
	if done, ok := err.(*connect.Error); ok {
		var ours *shown
		if errors.As(done.Unwrap(), &ours) {
			return done
		}
	}
	return refuse(codeFor(err), err, nil)
}

// shown is the text that the caller sees, in front of the cause.
type shown struct {
	text  string
	cause error
}

func (s *shown) Error() string { return s.text }
func (s *shown) Unwrap() error { return s.cause }

func refuse(code connect.Code, err error, scopes []string) *connect.Error {
	text, challenge := answerFor(code, err, scopes)
	e := connect.NewError(code, &shown{text, err})
	if challenge != "" {
		e.Meta().Set("WWW-Authenticate", challenge)
	}
	if code == connect.CodeUnavailable {
		after := comeBackAfter(err, rand.Float64())
		e.Meta().Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
		if detail, bad := connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)}); bad == nil {
			e.AddDetail(detail)
		}
	}
	return e
}

// codeFor decides the code as [jwkshttp.StatusCode] decides the status: what is
// unavailable is never called bad.
func codeFor(err error) connect.Code {
	switch jwkshttp.StatusCode(err) {
	case http.StatusServiceUnavailable:
		switch {
		case errors.Is(err, context.Canceled):
			return connect.CodeCanceled
		case errors.Is(err, context.DeadlineExceeded):
			return connect.CodeDeadlineExceeded
		}
		return connect.CodeUnavailable
	case http.StatusUnauthorized, http.StatusBadRequest:
		return connect.CodeUnauthenticated
	case http.StatusForbidden:
		return connect.CodePermissionDenied
	default:
		return connect.CodeInternal
	}
}

// answerFor is what callers read: fixed texts that name no issuer, key or claim,
// and the challenge of RFC 6750 section 3.1.
func answerFor(code connect.Code, err error, scopes []string) (text, challenge string) {
	switch code {
	case connect.CodeCanceled:
		return context.Canceled.Error(), ""
	case connect.CodeDeadlineExceeded:
		return context.DeadlineExceeded.Error(), ""
	case connect.CodeUnavailable:
		return "tokens cannot be verified at present, try again later", ""
	case connect.CodeInternal:
		return "verifying the token failed", ""
	case connect.CodePermissionDenied:
		if !errors.Is(err, jwkshttp.ErrInsufficientScope) {
			return "the token does not allow this call", ""
		}
		challenge = `Bearer error="insufficient_scope"`
		if len(scopes) > 0 {
			challenge += `, scope="` + strings.Join(scopes, " ") + `"`
		}
		return "the token lacks a required scope", challenge
	}
	switch {
	case errors.Is(err, jwks.ErrTokenInvalid):
	case errors.Is(err, jwkshttp.ErrNoToken):
		return "no bearer token in the Authorization header", "Bearer" // no error without credentials
	case errors.Is(err, jwkshttp.ErrMalformed):
		return "want exactly one Authorization header: Bearer and a token", `Bearer error="invalid_request"`
	}
	return "the token is expired, malformed or not valid here", `Bearer error="invalid_token"`
}

// comeBackAfter is how long a caller should stay away: as long as the source of
// the keys is left alone, at least a second, and up to as much again so that
// not all come back at once, but at most ten seconds more. random is in [0, 1).
func comeBackAfter(err error, random float64) time.Duration {
	after := time.Second
	var fetch *jwks.FetchError
	if errors.As(err, &fetch) {
		after = max(after, fetch.RetryAfter)
	}
	jitter := time.Duration(random * float64(min(after, 10*time.Second)))
	return (after + jitter).Round(time.Millisecond)
}
