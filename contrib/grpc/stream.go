package jwksgrpc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/status"

	"github.com/seed-22400188/jwks"
)

// errExpiredMeanwhile is why the context of a stream ended.
var errExpiredMeanwhile = fmt.Errorf("%w: %w during the stream", jwks.ErrTokenInvalid, jwt.ErrTokenExpired)

// serve runs the handler of a stream for t.
func (g *guard) serve(srv any, stream grpc.ServerStream, ctx context.Context, t *jwks.Token, handler grpc.StreamHandler) error {
	end := validUntil(t)
	if !g.endAtExpiry || end.IsZero() {
		return handler(srv, &streamWithContext{stream, ctx})
	}
	ctx, cancel := context.WithDeadlineCause(ctx, end, errExpiredMeanwhile)
	defer cancel()

	ran := &run{streamWithContext: streamWithContext{stream, ctx}, done: make(chan struct{})}
	go ran.run(srv, handler)
	select {
	case <-ran.done:
		return ran.result()
	case <-ctx.Done():
	}
	if !expired(ctx) {
		// The call itself ended, and the handler with it, as ever.
		<-ran.done
		return ran.result()
	}
	// Recv and Send wait on a context of the transport's that no interceptor
	// can reach. gRPC ends it as soon as a status is returned here.
	ran.abandoned()
	return Error(errExpiredMeanwhile)
}

// expired says whether the token's end was the first end of ctx.
func expired(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errExpiredMeanwhile) }

// run is a handler in a goroutine of its own, and the stream that it serves.
// The fields below done belong to that goroutine until done is closed.
type run struct {
	streamWithContext
	done     chan struct{}
	err      error
	returned bool
	panicked any
	stack    []byte
}

func (r *run) run(srv any, handler grpc.StreamHandler) {
	defer close(r.done)
	defer func() {
		if !r.returned {
			if r.panicked = recover(); r.panicked != nil {
				r.stack = debug.Stack()
			}
		}
	}()
	r.err = handler(srv, &r.streamWithContext)
	r.returned = true
}

// result ends the interceptor as the handler ended.
func (r *run) result() error {
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case !r.returned:
		runtime.Goexit()
	case r.err != nil && expired(r.ctx) && isTimeout(r.err):
		return Error(errExpiredMeanwhile) // and not the caller's deadline
	}
	return r.err
}

// isTimeout recognises what handlers make of a context that ran out.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errExpiredMeanwhile) ||
		status.Code(err) == codes.DeadlineExceeded
}

// abandoned watches over a handler that nobody waits for any more. Its panic
// would end the program, out of reach of any interceptor that recovers.
func (r *run) abandoned() {
	method, _ := grpc.Method(r.ctx)
	go func() {
		<-r.done
		if r.panicked != nil {
			grpclog.Component("jwksgrpc").Errorf("%s panicked after its stream had ended: %v\n%s", method, r.panicked, r.stack)
		}
	}()
}

// streamWithContext is a stream whose context holds the token.
type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *streamWithContext) Context() context.Context { return s.ctx }

// validUntil is the moment from which the verifier would refuse t, zero for
// never.
func validUntil(t *jwks.Token) time.Time { return t.ExpiresAt() }
