package jwksconnect_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/connect"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestError_OfMethods(t *testing.T) {
	tests := []struct {
		name      string
		err       error
		want      connect.Code
		challenge string
	}{
		{"invalid", jwks.ErrTokenTooLarge, connect.CodeUnauthenticated, `Bearer error="invalid_token"`},
		{"unavailable", jwks.ErrInvalidKeySet, connect.CodeUnavailable, ""},
		{"closed", jwks.ErrClosed, connect.CodeUnavailable, ""},
		{"canceled", fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.Canceled), connect.CodeCanceled, ""},
		{"too late", fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.DeadlineExceeded), connect.CodeDeadlineExceeded, ""},
		{"no token", jwkshttp.ErrNoToken, connect.CodeUnauthenticated, "Bearer"},
		{"malformed", jwkshttp.ErrMalformed, connect.CodeUnauthenticated, `Bearer error="invalid_request"`},
		{"scope", jwkshttp.ErrInsufficientScope, connect.CodePermissionDenied, `Bearer error="insufficient_scope"`},
		{"configuration", jwks.ErrConfig, connect.CodeInternal, ""},
		{"any other", errors.New("x"), connect.CodeInternal, ""},
		{"a connect error of another", connect.NewError(connect.CodeNotFound, errors.New("x")), connect.CodeInternal, ""},
	}
	for _, tt := range tests {
		err := jwksconnect.Error(tt.err)
		if err.Code() != tt.want || err.Meta().Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%s: %v with %q, want %v with %q", tt.name, err.Code(), err.Meta().Get("WWW-Authenticate"), tt.want, tt.challenge)
		}
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: the server cannot find %v in %v", tt.name, tt.err, err)
		}
		if jwksconnect.Error(err) != err {
			t.Errorf("%s: Error of Error is another", tt.name)
		}
	}
	if jwksconnect.Error(nil) != nil {
		t.Error("Error(nil) is not nil")
	}
}

// TestError_PlainBecomesUnknown is why Error exists: an outage would reach
// clients as unknown, with the addresses of the server's network in it.
func TestError_PlainBecomesUnknown(t *testing.T) {
	outage := fmt.Errorf("%w: %w", jwks.ErrUnavailable, &jwks.FetchError{URL: "https://idp.internal/jwks", RetryAfter: time.Minute})
	for want, give := range map[connect.Code]func() error{
		connect.CodeUnknown:     func() error { return outage },
		connect.CodeUnavailable: func() error { return jwksconnect.Error(outage) },
	} {
		m := mux()
		const procedure = "/test.Users/Verify"
		m.Handle(procedure, connect.NewUnaryHandler(procedure, func(context.Context, asked) (answer, error) { return nil, give() }))
		url, client := serve(t, m)
		for protocol, opts := range protocols {
			_, err := connect.NewClient[text, text](client, url+procedure, opts...).CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("")))
			if connect.CodeOf(err) != want {
				t.Errorf("%s: %v, want %v", protocol, err, want)
			}
		}
	}
}

func TestError_SaysWhen(t *testing.T) {
	tests := []struct {
		err      error
		from, to int // seconds
	}{
		{jwks.ErrUnavailable, 1, 2},
		{&jwks.FetchError{RetryAfter: time.Minute}, 60, 70},
		{&jwks.FetchError{RetryAfter: 10 * time.Minute}, 600, 610},
	}
	for _, tt := range tests {
		seen := make(map[string]bool)
		for range 50 {
			after := jwksconnect.Error(tt.err).Meta().Get("Retry-After")
			if s, err := strconv.Atoi(after); err != nil || s < tt.from || s > tt.to {
				t.Fatalf("%v: Retry-After %q, want %d to %d", tt.err, after, tt.from, tt.to)
			}
			seen[after] = true
		}
		if len(seen) < 2 && tt.from > 1 {
			t.Errorf("%v: always the same Retry-After, want jitter", tt.err)
		}
	}
}
