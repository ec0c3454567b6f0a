package jwksgrpc_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/seed-22400188/jwks/contrib/grpc"
)

// leeway is what verifiers grant by default.
const leeway = 30 * time.Second

func TestStream_EndsAtExpiry(t *testing.T) {
	handlers := map[string]func(grpc_testing.TestService_FullDuplexCallServer) error{
		"waits in Recv": func(s grpc_testing.TestService_FullDuplexCallServer) error {
			for {
				if _, err := s.Recv(); err != nil {
					return err
				}
			}
		},
		"waits in Send": func(s grpc_testing.TestService_FullDuplexCallServer) error {
			big := &grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: make([]byte, 1<<16)}}
			for {
				if err := s.Send(big); err != nil {
					return err
				}
			}
		},
		"waits for its context": func(s grpc_testing.TestService_FullDuplexCallServer) error {
			<-s.Context().Done()
			return s.Context().Err()
		},
	}
	for name, handle := range handlers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuer(t)
				var cause error
				left := make(chan struct{})
				s := &service{duplex: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
					defer close(left)
					err := handle(stream)
					cause = context.Cause(stream.Context())
					return err
				}}
				client := dial(t, s, protected(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry()))
				start := time.Now()
				stream, err := client.FullDuplexCall(bearing(t.Context(), "Bearer "+sign(issuer, map[string]any{"exp": start.Add(time.Hour).Unix()})))
				if err != nil {
					t.Fatal(err)
				}
				if name == "waits in Send" {
					time.Sleep(2 * time.Hour) // a client that does not read
				}
				err = drain(stream)
				if got := status.Code(err); got != codes.Unauthenticated {
					t.Errorf("the stream ended with %v, want Unauthenticated", err)
				}
				if after := time.Since(start); name != "waits in Send" && after != time.Hour+leeway {
					t.Errorf("it ended after %v, want an hour and the leeway", after)
				}
				<-left
				if !errors.Is(cause, jwt.ErrTokenExpired) {
					t.Errorf("the cause is %v, want ErrTokenExpired", cause)
				}
			})
		})
	}
}

// drain reads until the end of a stream.
func drain(stream grpc_testing.TestService_FullDuplexCallClient) error {
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestStream_Ends are the other ends of a stream, with the option.
func TestStream_Ends(t *testing.T) {
	tests := []struct {
		name    string
		handler func(grpc_testing.TestService_FullDuplexCallServer) error
		timeout time.Duration // the caller's
		exp     time.Duration
		want    codes.Code
		after   time.Duration
	}{
		{"the handler returns", func(grpc_testing.TestService_FullDuplexCallServer) error { return nil }, 0, time.Hour, codes.OK, 0},
		{"the caller's deadline is earlier", wait, time.Minute, time.Hour, codes.DeadlineExceeded, time.Minute},
		{"the handler's own error at the end", func(s grpc_testing.TestService_FullDuplexCallServer) error {
			time.Sleep(time.Minute)
			return status.Error(codes.DataLoss, "lost")
		}, 0, time.Hour, codes.DataLoss, time.Minute},
		{"a time limit of the handler's own", func(s grpc_testing.TestService_FullDuplexCallServer) error {
			ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		}, 0, time.Hour, codes.DeadlineExceeded, time.Minute},
		{"a handler that ignores all", func(grpc_testing.TestService_FullDuplexCallServer) error {
			time.Sleep(3 * time.Hour)
			return nil
		}, 0, time.Hour, codes.Unauthenticated, time.Hour + leeway},
		{"a panic after the end", func(s grpc_testing.TestService_FullDuplexCallServer) error {
			<-s.Context().Done()
			panic("too late")
		}, 0, time.Hour, codes.Unauthenticated, time.Hour + leeway},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuer(t)
				client := dial(t, &service{duplex: tt.handler}, protected(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry()))
				start := time.Now()
				ctx := bearing(t.Context(), "Bearer "+sign(issuer, map[string]any{"exp": start.Add(tt.exp).Unix()}))
				if tt.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.timeout)
					defer cancel()
				}
				err := duplex(ctx, client)
				if status.Code(err) != tt.want || time.Since(start) != tt.after {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), tt.want, tt.after)
				}
				time.Sleep(4 * time.Hour) // for handlers that go on
			})
		})
	}
}

func wait(s grpc_testing.TestService_FullDuplexCallServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

// TestStream_LastsByDefault leaves a stream alone that was begun in time.
func TestStream_LastsByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		s := &service{duplex: func(grpc_testing.TestService_FullDuplexCallServer) error {
			time.Sleep(24 * time.Hour)
			return nil
		}}
		client := dial(t, s, protected(newVerifier(t, issuer)))
		if err := duplex(bearing(t.Context(), "Bearer "+sign(issuer, nil)), client); err != nil {
			t.Error(err)
		}
	})
}

// TestStream_PanicIsTheHandlers reaches the interceptor that recovers.
func TestStream_PanicIsTheHandlers(t *testing.T) {
	issuer := newIssuer(t)
	boom := errors.New("boom")
	recovering := grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() {
			if p := recover(); p == boom {
				err = status.Error(codes.DataLoss, "recovered")
			}
		}()
		return handler(srv, s)
	})
	s := &service{duplex: func(grpc_testing.TestService_FullDuplexCallServer) error { panic(boom) }}
	server := append([]grpc.ServerOption{recovering}, protected(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry())...)
	if err := duplex(bearing(t.Context(), "Bearer "+sign(issuer, nil)), dial(t, s, server)); status.Code(err) != codes.DataLoss {
		t.Errorf("%v, want what the interceptor that recovers made of it", err)
	}
}

// TestStream_Goexit ends the interceptor's goroutine as it ended the handler's.
func TestStream_Goexit(t *testing.T) {
	issuer := newIssuer(t)
	interceptor := jwksgrpc.StreamServerInterceptor(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry())
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_ = interceptor(nil, fakeStream{ctx: incoming(t.Context(), "Bearer "+sign(issuer, nil))}, &grpc.StreamServerInfo{},
			func(any, grpc.ServerStream) error { runtime.Goexit(); return nil })
		returned = true
	}()
	<-ended
	if returned {
		t.Error("the interceptor returned, as if the handler had")
	}
}

// TestStream_WaitsForItsHandler when the call ends and the token does not: only at
// the token's end is a handler left behind.
func TestStream_WaitsForItsHandler(t *testing.T) {
	issuer := newIssuer(t)
	interceptor := jwksgrpc.StreamServerInterceptor(newVerifier(t, issuer), jwksgrpc.EndStreamsAtExpiry())
	ctx, cancel := context.WithCancel(incoming(t.Context(), "Bearer "+sign(issuer, nil)))
	left, own := false, errors.New("the handler's own")
	err := interceptor(nil, fakeStream{ctx: ctx}, &grpc.StreamServerInfo{}, func(_ any, s grpc.ServerStream) error {
		cancel()
		<-s.Context().Done()
		runtime.Gosched()
		left = true
		return own
	})
	if !left || err != own {
		t.Errorf("the interceptor returned %v, and the handler has left: %t", err, left)
	}
}

// fakeStream is a stream that is only asked for its context.
type fakeStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s fakeStream) Context() context.Context { return s.ctx }
