package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hang waits for the end of the request's context, as a transport does whose
// server is silent.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// reset is a connection error.
func reset(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

// status answers with a status; header is a list of names and values in turn.
func status(code int, header ...string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return answer(code, text("{}"), header...), nil }
}

// broken answers 200 with a body that breaks off.
func broken(*http.Request) (*http.Response, error) {
	return answer(200, io.MultiReader(text("{"), readFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))), nil
}

func TestRetries(t *testing.T) {
	const ms = time.Millisecond
	ok := status(200)
	tests := []struct {
		rule     string
		retries  int
		deadline time.Duration // of ctx; 0: none
		answers  []roundTrip   // in turn; one too few is an error
		min, max time.Duration // how long Get takes
		err      string        // "" for a Response
		stumbled time.Duration // when Get goes on after the first attempt; -1: it does not
	}{
		{rule: "a good first answer ends it", retries: 2, answers: []roundTrip{ok}, stumbled: -1},
		{rule: "a connection error is tried again", retries: 2, answers: []roundTrip{reset, ok}, min: 100 * ms, max: 200 * ms},
		{rule: "the second pause is longer", retries: 2, answers: []roundTrip{reset, reset, ok}, min: 300 * ms, max: 500 * ms},
		{rule: "a body that breaks off is tried again", retries: 2, answers: []roundTrip{broken, ok}, min: 100 * ms, max: 200 * ms},
		{rule: "408 is tried again", retries: 2, answers: []roundTrip{status(408), ok}, min: 100 * ms, max: 200 * ms},
		{rule: "429 is tried again", retries: 2, answers: []roundTrip{status(429), ok}, min: 100 * ms, max: 200 * ms},
		{rule: "500 is tried again", retries: 2, answers: []roundTrip{status(500), ok}, min: 100 * ms, max: 200 * ms},
		{rule: "503 is tried again", retries: 2, answers: []roundTrip{status(503), ok}, min: 100 * ms, max: 200 * ms},
		{rule: "an attempt that times out is tried again", retries: 2, answers: []roundTrip{hang, ok}, min: 5100 * ms, max: 5200 * ms, stumbled: 5 * time.Second},
		{rule: "the last error is the one reported", retries: 2, answers: []roundTrip{reset, status(500), status(502)}, min: 300 * ms, max: 500 * ms, err: "answered 502 Bad Gateway"},
		{rule: "retries end", retries: 1, answers: []roundTrip{reset, reset}, min: 100 * ms, max: 200 * ms, err: "connection reset"},
		{rule: "without retries the first error is reported", stumbled: -1, answers: []roundTrip{status(503)}, err: "answered 503"},

		{rule: "400 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(400)}, err: "answered 400"},
		{rule: "401 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(401)}, err: "answered 401"},
		{rule: "499 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(499)}, err: "answered 499"},
		{rule: "404 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(404)}, err: "answered 404"},
		{rule: "410 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(410)}, err: "answered 410"},
		{rule: "204 is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(204)}, err: "answered 204"},
		{rule: "304 without a condition is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(304)}, err: "answered 304"},
		{rule: "503 with Retry-After is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(503, "Retry-After", "30")}, err: "answered 503 Service Unavailable, expected 200 (retry after 30s)"},
		{rule: "429 with an unreadable Retry-After is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(429, "Retry-After", "later")}, err: "answered 429"},
		{rule: "too long a body is not tried again", stumbled: -1, retries: 2, err: "longer than the limit", answers: []roundTrip{
			func(*http.Request) (*http.Response, error) { return answer(200, endless{}), nil },
		}},
		{rule: "a refused redirect is not tried again", stumbled: -1, retries: 2, answers: []roundTrip{status(302, "Location", "http://idp.example/")}, err: "redirect to"},
		{rule: "a permanent error is not tried again", stumbled: -1, retries: 2, err: "not this address", answers: []roundTrip{
			func(*http.Request) (*http.Response, error) {
				return nil, errors.Join(Permanent(errors.New("not this address")))
			},
		}},

		{rule: "the context's deadline ends an attempt", retries: 2, deadline: 3 * time.Second, answers: []roundTrip{hang},
			min: 3 * time.Second, max: 3 * time.Second, err: "gave up after 3s", stumbled: -1},
		{rule: "the context's deadline ends the last of several attempts", retries: 2, deadline: 15 * time.Second, answers: []roundTrip{hang, hang, hang},
			min: 15 * time.Second, max: 15 * time.Second, err: "gave up after 15s", stumbled: 5 * time.Second},
		{rule: "no pause is begun that ends after the deadline", retries: 2, deadline: 100 * ms, answers: []roundTrip{reset}, err: "connection reset"},
		{rule: "retries are made while the deadline permits", retries: 2, deadline: 200 * ms, answers: []roundTrip{reset, status(503)}, min: 100 * ms, max: 200 * ms, err: "answered 503"},
		{rule: "no attempt is made without time", stumbled: -1, retries: 2, deadline: -1, err: "gave up after 0s"},
		{rule: "a trickling body ends with its attempt", err: "no answer within 5s", min: 5100 * ms, max: 5100 * ms, stumbled: -1, answers: []roundTrip{
			func(*http.Request) (*http.Response, error) { // it never looks at the context
				return answer(200, readFunc(func(p []byte) (int, error) { time.Sleep(300 * ms); p[0] = ' '; return 1, nil })), nil
			},
		}},
		{rule: "a body that waits for its context ends with its attempt", err: "no answer within 5s", min: 5 * time.Second, max: 5 * time.Second, stumbled: -1, answers: []roundTrip{
			func(r *http.Request) (*http.Response, error) {
				return answer(200, readFunc(func(p []byte) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() })), nil
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, start := t.Context(), time.Now()
				if tt.deadline != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithDeadline(ctx, start.Add(tt.deadline))
					defer cancel()
				}
				requests := 0
				cfg := config(func(r *http.Request) (*http.Response, error) {
					if requests++; requests > len(tt.answers) {
						t.Fatal("one request too many")
					}
					return tt.answers[requests-1](r)
				})
				cfg.Retries = tt.retries
				var stumbles []time.Duration
				resp, err := New(cfg).Get(ctx, Request{URL: docURL, Stumbled: func(*Error) { stumbles = append(stumbles, time.Since(start)) }})

				if took := time.Since(start); took < tt.min || took > tt.max {
					t.Errorf("took %v, want %v to %v", took, tt.min, tt.max)
				}
				if requests != len(tt.answers) {
					t.Errorf("%d requests, want %d", requests, len(tt.answers))
				}
				if tt.stumbled < 0 && len(stumbles) > 0 || tt.stumbled >= 0 && (len(stumbles) != 1 || stumbles[0] != tt.stumbled) {
					t.Errorf("Stumbled called at %v, want %v", stumbles, tt.stumbled)
				}
				if tt.err != "" {
					if e := mustFail(t, err); !strings.Contains(e.Error(), tt.err) {
						t.Errorf("error %q, want %q", err, tt.err)
					}
				} else if err != nil || string(resp.Body) != "{}" {
					t.Errorf("%v, %v", resp, err)
				}
			})
		})
	}
}

func TestRetryAfterReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			value string
			want  time.Duration
		}{
			{"30", 30 * time.Second},
			{time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), time.Minute},
			{"599", 599 * time.Second},
			{"601", 10 * time.Minute},
			{"86400", 10 * time.Minute},
			{time.Now().Add(100 * time.Hour).UTC().Format(http.TimeFormat), 10 * time.Minute},
			{"never", 0},
		} {
			_, err := New(config(status(503, "Retry-After", tt.value))).Get(t.Context(), Request{URL: docURL})
			if e := mustFail(t, err); e.RetryAfter != tt.want || e.StatusCode != 503 || tt.want > 0 && !strings.Contains(e.Error(), tt.want.String()) {
				t.Errorf("Retry-After %s: %v, status %d; want %v", tt.value, e.RetryAfter, e.StatusCode, tt.want)
			}
		}
	})
}

func TestTimeouts(t *testing.T) {
	tests := []struct {
		rule   string
		client *http.Client
		end    func(context.Context) (context.Context, context.CancelFunc) // nil: none
		want   string
		ran    bool // out of time: matches os.ErrDeadlineExceeded
	}{
		{"an attempt", client(hang), nil, "no answer within 5s: see WithTimeout", true},
		{"the whole fetch", client(hang), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2500*time.Millisecond)
		}, "gave up after 2.5s in attempt 1 of 1 (5s each)", true},
		{"the second attempt", client(hang), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 8*time.Second)
		}, "gave up after 8s in attempt 2 of 3 (5s each, 15s for the whole refresh)", true},
		{"all attempts", client(hang), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Second)
		}, "no answer within 5s, 3 attempts: see WithTimeout", true},
		{"a fetch that is cancelled", client(hang), func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, "cancelled", false},
		{"the user's client", &http.Client{Transport: roundTrip(hang), Timeout: 2 * time.Second}, nil, "no answer within 2s, the Timeout of the HTTP client", true},
		{"the user's client, at once", &http.Client{Transport: roundTrip(hang), Timeout: 1}, nil, "no answer within 1ns, the Timeout of the HTTP client", true},
		{"a transport of the user's client before that", &http.Client{Timeout: 4 * time.Second, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return nil, os.ErrDeadlineExceeded
		})}, nil, `"i/o timeout"`, true},
		{"a fetch that is cancelled in its second attempt", client(hang), func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(7*time.Second, cancel)
			return ctx, cancel
		}, "cancelled", false},
		{"two attempts", client(hang), nil, "no answer within 5s, 2 attempts: see WithTimeout", true},
		{"a transport with a timeout of its own", client(func(*http.Request) (*http.Response, error) {
			return nil, context.DeadlineExceeded
		}), nil, `"context deadline exceeded"`, true},
		{"a transport that cancels by itself", client(func(*http.Request) (*http.Response, error) {
			return nil, errors.Join(errors.New("pool closed"), context.Canceled)
		}), nil, `"pool closed\ncontext canceled"`, false},
	}
	retries := map[string]int{"the second attempt": 2, "all attempts": 2, "a fetch that is cancelled in its second attempt": 2, "two attempts": 1}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.end != nil {
					var cancel context.CancelFunc
					ctx, cancel = tt.end(ctx)
					defer cancel()
				}
				cfg, r := Config{Client: tt.client, Timeout: 5 * time.Second, MaxSize: 10}, Request{URL: docURL}
				if n := retries[tt.rule]; n > 0 {
					cfg.Retries, r.Budget = n, 15*time.Second
				}
				_, err := New(cfg).Get(ctx, r)
				e := mustFail(t, err) // it also checks for errors of the context package
				if want := "GET " + docURL + ": " + tt.want; e.Error() != want {
					t.Errorf("error %q, want %q", err, want)
				}
				if got := errors.Is(err, os.ErrDeadlineExceeded); got != tt.ran {
					t.Errorf("%q matches os.ErrDeadlineExceeded: %v, want %v", err, got, tt.ran)
				}
				var timeout interface{ Timeout() bool }
				if got := errors.As(err, &timeout) && timeout.Timeout(); got != tt.ran {
					t.Errorf("%q is a timeout: %v, want %v", err, got, tt.ran)
				}
			})
		})
	}
}

func TestCancelEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		requests := 0
		cfg := config(func(r *http.Request) (*http.Response, error) { requests++; return reset(r) })
		cfg.Retries = 2
		start := time.Now()
		_, err := New(cfg).Get(ctx, Request{URL: docURL})
		if e := mustFail(t, err); !strings.Contains(e.Error(), "connection reset") {
			t.Errorf("%v, want what the first attempt met", err)
		}
		if took := time.Since(start); took != 50*time.Millisecond || requests != 1 {
			t.Errorf("took %v with %d requests", took, requests)
		}
	})
}

// A pause is not begun when no time is left after it.
func TestPause_NeedsTimeAfterIt(t *testing.T) {
	const pause = time.Second
	for left, want := range map[time.Duration]bool{pause - 1: false, pause: false, pause + 1: true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			start := time.Now()
			if got := sleep(ctx, pause); got != want || want != (time.Since(start) > 0) {
				t.Errorf("%v left: %t after %v", left, got, time.Since(start))
			}
		})
	}
}

func TestPausesAreJittered(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		for n := 1; n < 50; n++ {
			p := pause(n)
			if low := min(time.Duration(n), 10) * 100 * time.Millisecond; p < low || p >= low+100*time.Millisecond {
				t.Fatalf("pause(%d) = %v", n, p)
			}
			seen[p] = true
		}
	}
	if len(seen) < 1000 {
		t.Errorf("only %d different pauses", len(seen))
	}
}

// Not only the final error, but everything below it keeps the promise that an
// error never shows a body.
func TestErrorsNeverShowTheBody(t *testing.T) {
	secret := "BODY-SECRET"
	for name, rt := range map[string]roundTrip{
		"status": func(*http.Request) (*http.Response, error) { return answer(500, text(secret)), nil },
		"too long": func(*http.Request) (*http.Response, error) {
			return answer(200, bytes.NewReader(bytes.Repeat([]byte(secret), 1000))), nil
		},
		"broken": func(*http.Request) (*http.Response, error) {
			return answer(200, io.MultiReader(text(secret), readFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))), nil
		},
	} {
		_, err := New(config(rt)).Get(t.Context(), Request{URL: docURL})
		for err := error(mustFail(t, err)); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "BODY") {
				t.Errorf("%s: %q", name, err)
			}
		}
	}
}
