package fetch

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/show"
)

func TestBodyIsNeverReadBeyondTheLimit(t *testing.T) {
	for _, limit := range []int64{0, 1, 100, 5000, 1 << 20} {
		body := &watchedBody{Reader: endless{}}
		cfg := config(func(*http.Request) (*http.Response, error) {
			resp := answer(200, nil)
			resp.Body = body
			return resp, nil
		})
		cfg.MaxSize = limit
		_, err := New(cfg).Get(t.Context(), Request{URL: docURL})
		if e := mustFail(t, err); !strings.Contains(e.Error(), "longer than the limit") {
			t.Errorf("limit %d: error %q", limit, err)
		}
		if body.read != limit+1 || !body.closed {
			t.Errorf("limit %d: %d bytes read, closed %v", limit, body.read, body.closed)
		}
	}
}

// A body is paid for as it comes: at most twice what is there, and no more than
// was promised or is allowed, but for the byte that shows the end.
func TestMemoryOfABody(t *testing.T) {
	const limit = 1 << 20
	for _, tt := range []struct {
		name                        string
		have, declared, limit, want int64
	}{
		{"nothing known", 0, -1, limit, 4<<10 + 1},
		{"said to be empty, or not known", 0, 0, limit, 4<<10 + 1},
		{"a short one", 0, 700, limit, 701},
		{"one that fits at once", 0, 64 << 10, limit, 64<<10 + 1},
		{"a promise of much", 0, limit, limit, 64<<10 + 1},
		{"half of the promise has come", 64<<10 + 1, 450_000, limit, 128<<10 + 3},
		{"the rest is less than as much again", 300_000, 450_000, limit, 450_001},
		{"more than was promised", 701, 700, limit, 4<<10 + 1},
		{"much more than was promised", 9000, 700, limit, 18001},
		{"as much again", 5000, -1, limit, 10001},
		{"up to the limit", 600_000, -1, limit, limit + 1},
		{"a small limit", 0, -1, 100, 101},
		{"a small limit, and a promise", 0, 100, 100, 101},
		{"no limit", 1 << 30, -1, math.MaxInt64 - 1, 2<<30 + 1},
	} {
		if got := nextSize(tt.have, tt.declared, tt.limit); got != tt.want || got <= tt.have {
			t.Errorf("%s: %d, want %d, more than %d", tt.name, got, tt.want, tt.have)
		}
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestNoLimitWorks(t *testing.T) {
	cfg := config(func(*http.Request) (*http.Response, error) { return answer(200, text("{}")), nil })
	cfg.MaxSize = math.MaxInt64
	if resp, err := New(cfg).Get(t.Context(), Request{URL: docURL}); err != nil || string(resp.Body) != "{}" {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestRefusedBodiesAreNotDrained(t *testing.T) {
	body := &watchedBody{Reader: endless{}}
	f := New(config(func(*http.Request) (*http.Response, error) {
		resp := answer(404, nil)
		resp.Body = body
		return resp, nil
	}))
	_, err := f.Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); e.StatusCode != 404 {
		t.Errorf("error %v", err)
	}
	if body.read > 4096 || !body.closed {
		t.Errorf("%d bytes read, closed %v", body.read, body.closed)
	}
}

func TestURLIsCheckedBeforeAnyRequest(t *testing.T) {
	for _, raw := range []string{"", "http://idp.example/", "https://u:SECRET@idp.example/", "/jwks", "https://idp.example/#f", "\x00", strings.Repeat("a", 1<<20)} {
		stumbled := 0
		f := New(config(func(*http.Request) (*http.Response, error) {
			t.Errorf("a request for %q", raw)
			return nil, io.EOF
		}))
		_, err := f.Get(t.Context(), Request{URL: raw, Stumbled: func(*Error) { stumbled++ }})
		e := mustFail(t, err)
		if strings.Contains(e.Error()+e.URL, "SECRET") || len(e.URL) > show.Limit {
			t.Errorf("error %q", err)
		}
		if stumbled != 0 {
			t.Errorf("%q: Stumbled called %d times", raw, stumbled)
		}
	}
}

func TestPanicsOfTheClientBecomeErrors(t *testing.T) {
	boom := func() { panic(errors.New("SECRET")) }
	tests := []struct {
		rule   string
		client *http.Client
		want   string
	}{
		{"in RoundTrip", client(func(*http.Request) (*http.Response, error) { boom(); return nil, nil }), "(*errors.errorString)"},
		{"a nil dereference in RoundTrip", client(func(*http.Request) (*http.Response, error) { var p *int; *p = 1; return nil, nil }), "(runtime.errorString)"},
		{"in Read", client(func(*http.Request) (*http.Response, error) {
			return answer(200, readFunc(func([]byte) (int, error) { boom(); return 0, nil })), nil
		}), "(*errors.errorString)"},
		{"in CheckRedirect", &http.Client{
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return answer(302, text(""), "Location", docURL+"/2"), nil
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { boom(); return nil },
		}, "(*errors.errorString)"},
		{"a Read that returns more than fits", client(func(*http.Request) (*http.Response, error) {
			return answer(200, readFunc(func(p []byte) (int, error) { return len(p) + 1000, nil })), nil
		}), "panicked"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			requests, stumbled := 0, 0
			rt := tt.client.Transport
			tt.client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { requests++; return rt.RoundTrip(r) })
			f := New(Config{Client: tt.client, MaxSize: 10, Retries: 2})
			_, err := f.Get(t.Context(), Request{URL: docURL, Stumbled: func(*Error) { stumbled++ }})
			if e := mustFail(t, err); !strings.Contains(e.Error(), "the HTTP client panicked") || !strings.Contains(e.Error(), tt.want) || strings.Contains(e.Error(), "SECRET") {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if requests != 1 || stumbled != 0 {
				t.Errorf("%d requests, Stumbled called %d times", requests, stumbled)
			}
		})
	}
}

// readFunc is a body made of a function.
type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestReaderWithoutProgressIsAnError(t *testing.T) {
	f := New(config(func(*http.Request) (*http.Response, error) {
		return answer(200, readFunc(func([]byte) (int, error) { return 0, nil })), nil
	}))
	_, err := f.Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); !errors.Is(e, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}
