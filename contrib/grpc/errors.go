package jwksgrpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// What callers read. Fixed texts: no issuer, key or claim is named to them.
const (
	textNoToken     = `no bearer token in the metadata "authorization"`
	textMalformed   = `want exactly one value of the metadata "authorization": Bearer and a token`
	textInvalid     = "the token is expired, malformed or not valid here"
	textExpired     = "the token expired during the call"
	textScope       = "the token lacks a required scope"
	textDenied      = "the token does not allow this call"
	textUnavailable = "tokens cannot be verified at present, try again later"
	textInternal    = "verifying the token failed"
)

// pushbackKey is the trailer that the retries of gRPC clients obey (gRPC
// proposal A6). They ignore RetryInfo.
const pushbackKey = "grpc-retry-pushback-ms"

// Error turns an error of Verify, or of package jwkshttp, into the status of a
// call, for methods that verify tokens themselves:
//
//   - [codes.Unavailable] for [jwks.ErrUnavailable], with RetryInfo in its
//     details: the time of a [jwks.FetchError], at least a second, plus some
//     jitter. Behind an interceptor of this package the same time goes into the
//     trailer grpc-retry-pushback-ms.
//   - [codes.Canceled] or [codes.DeadlineExceeded] where such an error says
//     that the caller gave up
//   - [codes.PermissionDenied] for [jwkshttp.ErrInsufficientScope]
//   - [codes.Unauthenticated] for [jwks.ErrTokenInvalid],
//     [jwkshttp.ErrNoToken] and [jwkshttp.ErrMalformed]
//   - [codes.Internal] for any other
//
// The text is fixed. err stays in the chain, for errors.Is and errors.As on the server.
// Error(nil) is nil, and an error that Error returned is returned unchanged.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := err.(*refusal); ok { // not one that something was wrapped around: that is another text
		return r
	}
	return refuse(codeFor(err), err)
}

func refuse(code codes.Code, err error) error {
	if code != codes.Unavailable {
		return &refusal{status: status.New(code, textFor(code, err)), cause: err}
	}
	after := comeBackAfter(err, rand.Float64())
	st := status.New(code, textUnavailable)
	if detailed, bad := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)}); bad == nil {
		st = detailed
	}
	return &refusal{status: st, cause: err, after: after}
}

// codeFor decides the code as [jwkshttp.StatusCode] decides the status: what is
// unavailable is never called bad.
func codeFor(err error) codes.Code {
	switch jwkshttp.StatusCode(err) {
	case http.StatusServiceUnavailable:
		switch {
		case errors.Is(err, context.Canceled):
			return codes.Canceled
		case errors.Is(err, context.DeadlineExceeded):
			return codes.DeadlineExceeded
		}
		return codes.Unavailable
	case http.StatusUnauthorized, http.StatusBadRequest:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	default:
		return codes.Internal
	}
}

func textFor(code codes.Code, err error) string {
	switch code {
	case codes.Canceled:
		return context.Canceled.Error()
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded.Error()
	case codes.PermissionDenied:
		if errors.Is(err, jwkshttp.ErrInsufficientScope) {
			return textScope
		}
		return textDenied
	case codes.Internal:
		return textInternal
	}
	switch {
	case errors.Is(err, errExpiredMeanwhile):
		return textExpired
	case errors.Is(err, jwks.ErrTokenInvalid):
		return textInvalid
	case errors.Is(err, jwkshttp.ErrNoToken):
		return textNoToken
	case errors.Is(err, jwkshttp.ErrMalformed):
		return textMalformed
	}
	return textInvalid
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

// refusal is a status for the caller and its cause for the server.
type refusal struct {
	status *status.Status
	cause  error
	after  time.Duration // 0: nothing to wait for
	told   atomic.Bool
}

// Error is what the caller sees: gRPC takes it for the text of the status when a
// method wraps this error in another.
func (r *refusal) Error() string              { return r.status.Err().Error() }
func (r *refusal) GRPCStatus() *status.Status { return r.status }
func (r *refusal) Unwrap() error              { return r.cause }

// tellPushback writes the trailer for err, if it is one to come back after, and
// only once: clients do not retry at all when there are two of them.
func tellPushback(err error, setTrailer func(metadata.MD)) {
	if err == nil {
		return
	}
	var r *refusal
	if errors.As(err, &r) && r.after > 0 && r.told.CompareAndSwap(false, true) {
		setTrailer(metadata.Pairs(pushbackKey, strconv.FormatInt(r.after.Milliseconds(), 10)))
	}
}
