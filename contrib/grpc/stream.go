package jwksgrpc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

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
	end := t.ValidUntil()
	if !g.endAtExpiry || end.IsZero() {
		return handler(srv, &streamWithContext{stream, ctx})
	}
	ctx, cancel := context.WithDeadlineCause(ctx, end, errExpiredMeanwhile)
	defer cancel()

	ran := &run{streamWithContext: streamWithContext{stream, ctx}}
	ran.running.Add(1)
	go ran.run(srv, handler, cancel)
	<-ctx.Done() // the handler has returned, or the token or the call has ended
	if !expired(ctx) {
		ran.running.Wait() // the call itself ended, and the handler with it, as ever
		return ran.result()
	}
	if ran.ended.Load() && ran.returned { // at the same moment
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
// The fields below ended belong to that goroutine until ended is true.
type run struct {
	streamWithContext
	running sync.WaitGroup
	ended   atomic.Bool

	err      error
	returned bool
	panicked any
	stack    []byte
}

// run ends the context when the handler has ended: to wait for that alone costs
// less than to wait for either.
func (r *run) run(srv any, handler grpc.StreamHandler, cancel context.CancelFunc) {
	defer func() {
		r.ended.Store(true)
		r.running.Done()
		cancel()
	}()
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
		r.running.Wait()
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
