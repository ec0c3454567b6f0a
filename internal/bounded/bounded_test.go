package bounded

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCall_Outcomes(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name string
		f    func(ctx context.Context) (int, error)
		text string // of the error
		is   error
		took time.Duration
	}{
		{"an answer", func(context.Context) (int, error) { return 7, nil }, "", nil, 0},
		{"an error", func(context.Context) (int, error) { return 0, broken }, "broken", broken, 0},
		{"an answer just in time", func(context.Context) (int, error) { time.Sleep(time.Second - 1); return 7, nil }, "", nil, time.Second - 1},
		{"one that obeys its context", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, "it did not answer within 1s", context.DeadlineExceeded, time.Second},
		{"one that does not", func(context.Context) (int, error) { time.Sleep(time.Hour); return 7, nil }, "it did not answer within 1s", context.DeadlineExceeded, time.Second},
		{"a panic", func(context.Context) (int, error) { panic("secret") }, "it panicked (string)", nil, 0},
		{"the end of its goroutine", func(context.Context) (int, error) { runtime.Goexit(); return 7, nil }, "it ended its goroutine", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(2 * time.Hour) // until what was left behind has come back
				c := &Caller{Timeout: time.Second, Most: 1}
				began := time.Now()
				n, err := Call(t.Context(), c, test.f)
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				wantValue := test.text == "" && test.is == nil
				if wantValue != (err == nil) || wantValue != (n == 7) || test.is != nil && !errors.Is(err, test.is) || err != nil && !strings.Contains(err.Error(), test.text) {
					t.Errorf("%d, %v", n, err)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestCall_LeftBehindIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Caller{Timeout: time.Second, Most: 2}
		var calls atomic.Int64
		hang := func(context.Context) (int, error) { calls.Add(1); time.Sleep(time.Hour); return 0, nil }
		for range 10 {
			if _, err := Call(t.Context(), c, hang); err == nil {
				t.Fatal("no error")
			}
		}
		if _, err := Call(t.Context(), c, hang); calls.Load() != 2 || !errors.Is(err, ErrBehind) {
			t.Errorf("%d calls, want 2; then %v", calls.Load(), err)
		}
		time.Sleep(2 * time.Hour) // they come back
		if n, err := Call(t.Context(), c, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestCall_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Caller{Timeout: time.Hour, Most: 1}
		defer time.Sleep(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := Call(ctx, c, func(context.Context) (int, error) { time.Sleep(time.Minute); return 0, nil }); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
