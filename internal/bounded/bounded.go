// Package bounded calls code that may not come back: a user's store. Such a
// call has a time of its own, and one that ignores its context is left behind.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrBehind is for a call that was not made, because too many before it have
// not come back.
var ErrBehind = errors.New("calls that it should have ended long ago have not come back")

// Caller makes calls and counts those that were left behind. The zero value
// makes none.
type Caller struct {
	Timeout time.Duration // of one call
	Most    int64         // how many may be left behind before no more are made

	behind atomic.Int64
}

// result is what a call came to.
type result[T any] struct {
	value T
	err   error
}

// Call calls f with a context that ends with ctx and after the time of a call.
// If f has not returned by then, its result is lost. A panic of f is an error.
func Call[T any](ctx context.Context, c *Caller, f func(ctx context.Context) (T, error)) (T, error) {
	var none T
	if c.behind.Load() >= c.Most {
		return none, ErrBehind
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	done := make(chan result[T], 1)
	var parted atomic.Bool // who comes second knows that the first has gone
	go func() {
		r := result[T]{err: errors.New("it ended its goroutine")}
		defer func() {
			if v := recover(); v != nil { // the value may hold anything
				r.err = fmt.Errorf("it panicked (%T)", v)
			}
			done <- r
			if parted.Swap(true) {
				c.behind.Add(-1)
			}
			cancel()
		}()
		r.value, r.err = f(ctx)
	}()
	r := result[T]{}
	select {
	case r = <-done:
	case <-ctx.Done():
		c.behind.Add(1)
		if parted.Swap(true) { // it came back at the same time
			c.behind.Add(-1)
			r = <-done
		} else {
			r.err = ctx.Err()
		}
	}
	if errors.Is(r.err, context.DeadlineExceeded) {
		r.err = fmt.Errorf("it did not answer within %v: %w", c.Timeout, context.DeadlineExceeded)
	}
	return r.value, r.err
}
