package jwksgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/grpc"
	"github.com/seed-22400188/jwks/jwkstest"
)

// retrying is a client that tries again at once, unless the server says when.
const retrying = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
	"maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// TestOutage_ClientComesBack is an outage that a client with gRPC's own retries
// survives: it waits as long as it is told, which RetryInfo alone would not do.
func TestOutage_ClientComesBack(t *testing.T) {
	for _, kind := range []string{"unary", "stream", "AuthFunc", "Error in a public method", "Error behind a token"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuer(t)
				verifier := newVerifier(t, issuer, jwks.WithRetries(0))
				server, s := serverOf(kind, verifier)
				client := dial(t, s, server, grpc.WithDefaultServiceConfig(retrying))
				issuer.SetFault(jwkstest.Status(503))
				start := time.Now()
				time.AfterFunc(900*time.Millisecond, func() { issuer.SetFault(jwkstest.None()) })

				call := unary
				if kind == "stream" {
					call = duplex
				}
				if err := call(bearing(t.Context(), "Bearer "+sign(issuer, nil)), client); err != nil {
					t.Fatalf("the client did not survive the outage: %v", err)
				}
				if after := time.Since(start); after < time.Second || after > 2*time.Second {
					t.Errorf("it came back after %v, want 1 to 2 seconds", after)
				}
			})
		})
	}
}

// serverOf verifies in one of the ways that this package offers.
func serverOf(kind string, verifier *jwks.Verifier) ([]grpc.ServerOption, *service) {
	switch kind {
	case "AuthFunc":
		auth := jwksgrpc.AuthFunc(verifier)
		return []grpc.ServerOption{grpc.ChainUnaryInterceptor(
			// The interceptor outside must not write a second trailer.
			jwksgrpc.UnaryServerInterceptor(verifier, jwksgrpc.Public(unaryCall)),
			func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
				ctx, err := auth(ctx)
				if err != nil {
					return nil, err
				}
				return handler(ctx, req)
			})}, &service{}
	case "Error in a public method", "Error behind a token":
		passing := verifierFunc(func(context.Context, string) (*jwks.Token, error) { return &jwks.Token{}, nil })
		var opts []jwksgrpc.Option
		if kind == "Error in a public method" {
			opts = append(opts, jwksgrpc.Public(unaryCall))
		}
		return protected(passing, opts...), &service{unary: func(ctx context.Context) error {
			md, _ := metadata.FromIncomingContext(ctx)
			_, err := verifier.Verify(ctx, md["authorization"][0])
			return jwksgrpc.Error(err)
		}}
	}
	return protected(verifier), &service{}
}

func unary(ctx context.Context, client grpc_testing.TestServiceClient) error {
	_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	return err
}

func duplex(ctx context.Context, client grpc_testing.TestServiceClient) error {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	return drain(stream)
}

// TestOutage_SaysWhen compares what the two places say with what the source of
// the keys asked for.
func TestOutage_SaysWhen(t *testing.T) {
	tests := []struct {
		name     string
		err      error
		from, to time.Duration
	}{
		{"nothing known", jwks.ErrUnavailable, time.Second, 2 * time.Second},
		{"in a moment", &jwks.FetchError{RetryAfter: time.Millisecond}, time.Second, 2 * time.Second},
		{"in a minute", &jwks.FetchError{RetryAfter: time.Minute}, time.Minute, time.Minute + 10*time.Second},
		{"in ten minutes", fmt.Errorf("%w: %w", jwks.ErrUnavailable, &jwks.FetchError{RetryAfter: 10 * time.Minute}), 10 * time.Minute, 10*time.Minute + 10*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(map[time.Duration]bool)
			client := dial(t, &service{}, protected(failing(tt.err)))
			for range 20 {
				var trailer metadata.MD
				_, err := client.UnaryCall(bearing(t.Context(), "Bearer x"), &grpc_testing.SimpleRequest{}, grpc.Trailer(&trailer))
				var info *errdetails.RetryInfo
				for _, d := range status.Convert(err).Details() {
					info, _ = d.(*errdetails.RetryInfo)
				}
				values := trailer["grpc-retry-pushback-ms"]
				if len(values) != 1 || info == nil {
					t.Fatalf("%v: trailer %v, RetryInfo %v, want one of each", err, values, info)
				}
				ms, err := strconv.Atoi(values[0])
				after := time.Duration(ms) * time.Millisecond
				if err != nil || after < tt.from || after > tt.to || after != info.GetRetryDelay().AsDuration() {
					t.Errorf("trailer %v, RetryInfo %v, want the same from %v to %v", after, info.GetRetryDelay().AsDuration(), tt.from, tt.to)
				}
				seen[after] = true
			}
			if len(seen) < 10 {
				t.Errorf("%d different delays in 20, want jitter", len(seen))
			}
		})
	}
}

// TestOutage_FiveMinutes keeps the codes apart that clients act on.
func TestOutage_FiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		client := dial(t, &service{}, protected(newVerifier(t, issuer, jwks.WithTTL(time.Minute), jwks.WithMaxStale(0))))
		ctx := bearing(t.Context(), "Bearer "+sign(issuer, nil))
		if err := unary(ctx, client); err != nil {
			t.Fatal(err)
		}
		issuer.SetFault(jwkstest.DropConnection())
		time.Sleep(time.Minute)
		for range 30 {
			if err := unary(ctx, client); status.Code(err) != codes.Unavailable {
				t.Fatalf("during the outage: %v, want Unavailable", err)
			}
			time.Sleep(10 * time.Second)
		}
		issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute) // the longest backoff
		if err := unary(ctx, client); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// TestUnknownMethod_Unimplemented shows what never reaches an interceptor, and
// that it does with an UnknownServiceHandler.
func TestUnknownMethod_Unimplemented(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	call := func(conn *grpc.ClientConn, method string) error {
		return conn.Invoke(t.Context(), method, &grpc_testing.SimpleRequest{}, &grpc_testing.SimpleResponse{})
	}
	conn := connect(t, &service{}, protected(verifier))
	for _, method := range []string{"/no.Service/X", "/grpc.testing.TestService/X"} {
		if err := call(conn, method); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v, want Unimplemented", method, err)
		}
	}
	proxy := connect(t, &service{}, append(protected(verifier, jwksgrpc.Public("/open.Service/*")),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			return status.Error(codes.OutOfRange, "proxied")
		})))
	for method, want := range map[string]codes.Code{
		"/open.Service/X":              codes.OutOfRange,
		"/open.Service/X/Y":            codes.Unauthenticated,
		"/open.Service/../no.Secret/X": codes.Unauthenticated,
		"/no.Service/X":                codes.Unauthenticated,
	} {
		if err := call(proxy, method); status.Code(err) != want {
			t.Errorf("%s through the proxy: %v, want %v", method, err, want)
		}
	}
}

// TestUnary_DecodedBeforeRefused shows what a caller without a token costs, and
// the tap that refuses it earlier.
func TestUnary_DecodedBeforeRefused(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	big := &grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: make([]byte, 1<<20)}}

	limited := append(protected(verifier), grpc.MaxRecvMsgSize(1<<10))
	if _, err := dial(t, &service{}, limited).UnaryCall(t.Context(), big); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("without a token: %v, want ResourceExhausted: the message is looked at first", err)
	}
	tapped := append(limited, grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
		if len(info.Header["authorization"]) != 1 {
			return nil, status.Error(codes.Unauthenticated, "no token")
		}
		return ctx, nil
	}))
	if _, err := dial(t, &service{}, tapped).UnaryCall(t.Context(), big); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a tap: %v, want Unauthenticated", err)
	}
}

// TestRefusal_ServerSeesWhy is what an interceptor outside of ours logs.
func TestRefusal_ServerSeesWhy(t *testing.T) {
	issuer := newIssuer(t)
	var seen atomic.Value
	outside := grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		reply, err := handler(ctx, req)
		seen.Store(&err)
		return reply, err
	})
	client := dial(t, &service{}, append([]grpc.ServerOption{outside}, protected(newVerifier(t, issuer))...))
	err := unary(bearing(t.Context(), "Bearer "+sign(issuer, map[string]any{"aud": "elsewhere"})), client)
	inner := *seen.Load().(*error)
	if !errors.Is(inner, jwks.ErrTokenInvalid) || !strings.Contains(errors.Unwrap(inner).Error(), "elsewhere") {
		t.Errorf("the server sees %v", errors.Unwrap(inner))
	}
	if strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("the caller sees %v", err)
	}
}

func TestMethodError_StaysAsItIs(t *testing.T) {
	issuer := newIssuer(t)
	mine := status.Error(codes.AlreadyExists, "there is one")
	s := &service{
		unary:  func(context.Context) error { return mine },
		duplex: func(grpc_testing.TestService_FullDuplexCallServer) error { return mine },
	}
	client := dial(t, s, protected(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry()))
	ctx := bearing(t.Context(), "Bearer "+sign(issuer, nil))
	for kind, call := range map[string]func(context.Context, grpc_testing.TestServiceClient) error{"unary": unary, "stream": duplex} {
		if err := call(ctx, client); status.Code(err) != codes.AlreadyExists || status.Convert(err).Message() != "there is one" {
			t.Errorf("%s: %v, want %v", kind, err, mine)
		}
	}
}
