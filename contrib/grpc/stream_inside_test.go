package jwksgrpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestRun_Result is what becomes of a handler's error at the token's end. Which of
// the two comes first at that moment is for the scheduler to say.
func TestRun_Result(t *testing.T) {
	past, cancel := context.WithDeadlineCause(t.Context(), time.Unix(1, 0), errExpiredMeanwhile)
	defer cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0)) // the caller's
	defer cancel()
	own := status.Error(codes.NotFound, "nothing there")
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want codes.Code
	}{
		{"the token's end", past, context.DeadlineExceeded, codes.Unauthenticated},
		{"the token's end as a cause", past, context.Cause(past), codes.Unauthenticated},
		{"the token's end as a status", past, status.FromContextError(past.Err()).Err(), codes.Unauthenticated},
		{"an error of the handler's own", past, own, codes.NotFound},
		{"no error", past, nil, codes.OK},
		{"the caller's deadline", late, status.FromContextError(late.Err()).Err(), codes.DeadlineExceeded},
	}
	for _, tt := range tests {
		r := &run{streamWithContext: streamWithContext{ctx: tt.ctx}, err: tt.err, returned: true}
		err := r.result()
		if got := status.Code(err); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if tt.want == codes.Unauthenticated && !errors.Is(err, errExpiredMeanwhile) {
			t.Errorf("%s: %v does not say why", tt.name, err)
		}
	}
}
