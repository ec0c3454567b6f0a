package publicnet

//lint:file-ignore SA1019 that the deprecated dialers are guarded too is the point

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// names resolves in memory.
func names(all map[string]string) Lookup {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		var found []netip.Addr
		for addr := range strings.FieldsSeq(all[host]) {
			found = append(found, netip.MustParseAddr(addr))
		}
		if found == nil {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return found, nil
	}
}

var errNobody = errors.New("nobody listens")

// dialer writes down what is dialled; answering takes as long as it says.
type dialer struct {
	dialled []string
	answers map[string]time.Duration // absent: an error at once
}

func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	d.dialled = append(d.dialled, address)
	after, ok := d.answers[address]
	if !ok {
		return nil, errNobody
	}
	select {
	case <-time.After(after):
		mine, _ := net.Pipe()
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestGuardDial(t *testing.T) {
	lookup := names(map[string]string{
		"public.example":  "93.184.215.14",
		"private.example": "10.0.0.1",
		"rebound.example": "127.0.0.1 ::1 169.254.169.254 ::ffff:127.0.0.1",
		"mixed.example":   "127.0.0.1 93.184.215.14 fd00::1 2606:4700::1",
		"mapped.example":  "::ffff:93.184.215.14",
	})
	tests := []struct {
		address string
		want    string // what is dialled
		refused bool
	}{
		{"public.example:443", "93.184.215.14:443", false},
		{"mapped.example:443", "93.184.215.14:443", false},
		{"mixed.example:443", "93.184.215.14:443 [2606:4700::1]:443", false},
		{"8.8.8.8:443", "8.8.8.8:443", false},
		{"[2606:4700::1]:443", "[2606:4700::1]:443", false},
		{"private.example:443", "", true},
		{"rebound.example:443", "", true},
		{"127.0.0.1:443", "", true},
		{"[::1]:443", "", true},
		{"unknown.example:443", "", false},
		{"public.example", "", false}, // no port
	}
	for _, test := range tests {
		d := &dialer{}
		conn, err := guardDial(d.dial, lookup)(t.Context(), "tcp", test.address)
		if conn != nil || err == nil || errors.Is(err, ErrNotPublic) != test.refused {
			t.Errorf("%s: %v", test.address, err)
		}
		if test.want != "" && !errors.Is(err, errNobody) {
			t.Errorf("%s: %v, want what the dialer said", test.address, err)
		}
		if got := strings.Join(d.dialled, " "); got != test.want {
			t.Errorf("%s: dialled %q, want %q", test.address, got, test.want)
		}
	}
}

// An address that does not answer leaves time for the next one.
func TestGuardDialSharesTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lookup := names(map[string]string{"two.example": "2606:4700::1 93.184.215.14"})
		d := &dialer{answers: map[string]time.Duration{"[2606:4700::1]:443": time.Hour, "93.184.215.14:443": time.Second}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		conn, err := guardDial(d.dial, lookup)(ctx, "tcp", "two.example:443")
		if err != nil || time.Since(began) != 6*time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		_ = conn.Close()

		d = &dialer{answers: map[string]time.Duration{"[2606:4700::1]:443": time.Hour, "93.184.215.14:443": time.Hour}}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := guardDial(d.dial, lookup)(ended, "tcp", "two.example:443"); !errors.Is(err, context.Canceled) || len(d.dialled) != 1 {
			t.Errorf("%v after %v", err, d.dialled)
		}
	})
}

func TestControl(t *testing.T) {
	for address, good := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1]:443": true,
		"127.0.0.1:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[fe80::1%eth0]:443": false, "localhost:443": false, "": false, "8.8.8.8": false,
	} {
		if err := control("tcp", address, nil); (err == nil) != good || err != nil && !errors.Is(err, ErrNotPublic) {
			t.Errorf("%q: %v", address, err)
		}
	}
	// It is what the dialer asks: no connection to this machine, also under a
	// name that is not in any list.
	listener := guardedDialer()
	if _, err := listener.DialContext(t.Context(), "tcp", "127.0.0.1:9"); !errors.Is(err, ErrNotPublic) {
		t.Errorf("%v", err)
	}
}

// The copy of a transport has nothing left that would get around the guard.
func TestClientOfATransport(t *testing.T) {
	d := &dialer{}
	escape := func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled past the guard")
		return nil, errNobody
	}
	plain := func(network, address string) (net.Conn, error) { return escape(nil, network, address) }
	proxy := func(*http.Request) (*url.URL, error) { t.Error("asked for a proxy"); return nil, nil }
	theirs := &http.Transport{DialContext: d.dial, DialTLSContext: escape, Dial: plain, DialTLS: plain, Proxy: proxy, TLSClientConfig: &tls.Config{ServerName: "kept"}, MaxResponseHeaderBytes: 77}
	guarded := WithLookup(&http.Client{Transport: theirs, Timeout: time.Minute}, names(map[string]string{"public.example": "93.184.215.14", "rebound.example": "127.0.0.1"}))
	for _, raw := range []string{"https://public.example/", "https://rebound.example/"} {
		_, err := guarded.Get(raw)
		if want := strings.Contains(raw, "rebound"); errors.Is(err, ErrNotPublic) != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if !slices.Equal(d.dialled, []string{"93.184.215.14:443"}) {
		t.Errorf("dialled %v", d.dialled)
	}
	own := guarded.Transport.(roundTripper).base.(*http.Transport)
	if own == theirs || own.TLSClientConfig.ServerName != "kept" || own.MaxResponseHeaderBytes != 77 || !own.DisableKeepAlives || guarded.Timeout != time.Minute {
		t.Error("the transport is not a copy with the rest of its settings")
	}
	if theirs.Proxy == nil || theirs.DialTLSContext == nil || theirs.DisableKeepAlives {
		t.Error("the user's transport was changed")
	}

	// A transport without a dialer of its own, and no transport at all, get one.
	for _, c := range []*http.Client{nil, {}, {Transport: &http.Transport{Proxy: proxy}}, {Transport: &http.Transport{Dial: plain}}} {
		own := Client(c).Transport.(roundTripper).base.(*http.Transport)
		if own.Proxy != nil || own.DialContext == nil || own.Dial != nil || own.DialTLS != nil {
			t.Errorf("%+v: the dialer is not ours", c)
		}
		if _, err := own.DialContext(t.Context(), "tcp", "127.0.0.1:9"); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%v", err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Of another RoundTripper every URL is judged, those of redirects too.
func TestClientOfAnotherRoundTripper(t *testing.T) {
	var asked []string
	target := ""
	c := Client(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		h := http.Header{}
		if target != "" {
			h.Set("Location", target)
			return &http.Response{StatusCode: 302, Header: h, Body: http.NoBody, Request: r}, nil
		}
		return &http.Response{StatusCode: 200, Header: h, Body: http.NoBody, Request: r}, nil
	})})
	if _, err := c.Get("https://public.example/"); err != nil {
		t.Error(err)
	}
	for _, target = range []string{"https://127.0.0.1/", "https://localhost/", "http://public.example/", "https://public.example:8443/"} {
		if _, err := c.Get(target); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%s: %v", target, err)
		}
		if _, err := c.Get("https://public.example/"); !errors.Is(err, ErrNotPublic) {
			t.Errorf("redirect to %s: %v", target, err)
		}
	}
	for _, raw := range asked {
		if raw != "https://public.example/" {
			t.Errorf("asked for %s", raw)
		}
	}
	closed := false
	body := closer{strings.NewReader("x"), &closed}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1/", body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Transport.RoundTrip(r); err == nil || !closed {
		t.Errorf("%v; the body of a refused request is closed: %v", err, closed)
	}
}

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error { *c.closed = true; return nil }
