package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The limits that a text tells are those that there are.
func TestTimeouts_TellTheLimits(t *testing.T) {
	for _, tt := range []struct {
		name            string
		timeout, budget time.Duration
		within          time.Duration // the deadline of the context
		want            string
	}{
		{"neither", 0, 0, 2 * time.Second, "gave up after 2s in attempt 1 of 1"},
		{"of an attempt", 5 * time.Second, 0, 2 * time.Second, "gave up after 2s in attempt 1 of 1 (5s each)"},
		{"of the refresh", 0, time.Minute, 2 * time.Second, "gave up after 2s in attempt 1 of 1 (1m0s for the whole refresh)"},
		{"the shortest of an attempt", 1, 0, time.Second, "no answer within 1ns: see WithTimeout"},
		{"the shortest of both", 1, 1, -1, "gave up after 0s in attempt 1 of 1 (1ns each, 1ns for the whole refresh)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				f := New(Config{Client: client(hang), Timeout: tt.timeout, MaxSize: 10})
				_, err := f.Get(ctx, Request{URL: docURL, Budget: tt.budget})
				if e := mustFail(t, err); e.Error() != "GET "+docURL+": "+tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
			})
		})
	}
}

// A header that fills the limit to the byte is read.
func TestResponseHeader_ToTheByte(t *testing.T) {
	const limit = 262144
	for size, want := range map[int]bool{limit - 1: true, limit: true, limit + 1: false} {
		h := http.Header{"X-Filler": {"", strings.Repeat("x", size-2*len("X-Filler: \r\n"))}}
		if _, ok := checkHeader(h); ok != want {
			t.Errorf("%d bytes: %t", size, ok)
		}
	}
}

// slow is a body that gives nothing so many times before each byte.
type slow struct {
	text    string
	nothing int
	n       int
}

func (s *slow) Read(p []byte) (int, error) {
	switch {
	case s.n < s.nothing:
		s.n++
		return 0, nil
	case s.text == "":
		return 0, io.EOF
	}
	p[0], s.text, s.n = s.text[0], s.text[1:], 0
	return 1, nil
}

func TestBody_MayComeSlowly(t *testing.T) {
	const doc = `{"keys":[]}`
	for nothing, want := range map[int]bool{0: true, 1: true, 100: true, 101: false} {
		f := New(config(func(*http.Request) (*http.Response, error) {
			return answer(200, &slow{text: doc, nothing: nothing}), nil
		}))
		resp, err := f.Get(t.Context(), Request{URL: docURL})
		if want && (err != nil || string(resp.Body) != doc) {
			t.Errorf("nothing %d times in a row: %v, %v", nothing, resp, err)
		}
		if !want && !errors.Is(mustFail(t, err), io.ErrNoProgress) {
			t.Errorf("nothing %d times in a row: %v", nothing, err)
		}
	}
}

// Whatever its length, and whatever is declared, a body is read as it is.
func TestBody_IsWhole(t *testing.T) {
	var b strings.Builder
	for n := 0; b.Len() < 300_000; n++ {
		b.WriteString(strings.Repeat("x", n%7) + string(rune('a'+n%26)))
	}
	for _, size := range []int{0, 1, 4096, 4097, 4098, 8193, 65_536, 65_537, 131_075, 300_000} {
		for _, declared := range []int64{-1, 0, int64(size), 1} {
			if declared == 1 && size == 0 {
				continue
			}
			body := b.String()[:size]
			f := New(Config{MaxSize: 1 << 20, Client: client(func(*http.Request) (*http.Response, error) {
				resp := answer(200, text(body))
				resp.ContentLength = declared
				return resp, nil
			})})
			if resp, err := f.Get(t.Context(), Request{URL: docURL}); err != nil || string(resp.Body) != body {
				t.Errorf("%d bytes, %d declared: %v", size, declared, err)
			}
		}
	}
}

// A header function that fails may go better the next time.
func TestHeaderFunc_FailureIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		cfg := config(status(200))
		cfg.Retries = 1
		cfg.HeaderFuncs = []HeaderFunc{{"X-Key", func(context.Context) (string, error) {
			if asked++; asked == 1 {
				return "", errors.New("vault is sealed")
			}
			return "k", nil
		}}}
		if _, err := New(cfg).Get(t.Context(), Request{URL: docURL}); err != nil || asked != 2 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	})
}

func TestIsTimeout_Kinds(t *testing.T) {
	other := &net.DNSError{Err: "no such host", IsNotFound: true} // a net.Error without a time-out
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{context.DeadlineExceeded, true},
		{os.ErrDeadlineExceeded, true},
		{errors.Join(other, context.DeadlineExceeded), true},
		{errors.Join(other, os.ErrDeadlineExceeded), true},
		{&net.DNSError{IsTimeout: true}, true},
		{other, false},
		{context.Canceled, false},
		{io.EOF, false},
	} {
		if got := isTimeout(tt.err); got != tt.want {
			t.Errorf("%v: %t", tt.err, got)
		}
	}
}

func TestError_TellsRetryAfter(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "", 1: " (retry after 1ns)", time.Minute: " (retry after 1m0s)"} {
		e := &Error{URL: docURL, Err: io.EOF, RetryAfter: after}
		if got := e.Error(); got != "GET "+docURL+": EOF"+want {
			t.Errorf("%v: %s", after, got)
		}
	}
}
