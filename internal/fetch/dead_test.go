package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"
)

// firewall is a listener on loopback that forwards to a server, until it
// forgets the connections that it has: then their bytes go nowhere, and neither
// side is told. New connections are forwarded.
type firewall struct {
	net.Listener
	to string

	mu        sync.Mutex
	forgotten chan struct{} // closed for the connections of before
	accepted  int
	open      int // of those, not closed by either side
	conns     []net.Conn
}

func newFirewall(t *testing.T, to string) *firewall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &firewall{Listener: l, to: to, forgotten: make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		served.Wait()
	})
	return w
}

func (w *firewall) serve(conn net.Conn) {
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		conn.Close()
		return
	}
	w.mu.Lock()
	w.accepted++
	w.open++
	w.conns = append(w.conns, conn, server)
	forgotten := w.forgotten
	w.mu.Unlock()
	pipe := func(dst, src net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			if err != nil {
				break
			}
			select {
			case <-forgotten: // swallowed
				continue
			default:
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				break
			}
		}
		conn.Close()
		server.Close()
	}
	var both sync.WaitGroup
	both.Go(func() { pipe(server, conn) })
	pipe(conn, server)
	both.Wait()
	w.mu.Lock()
	w.open--
	w.mu.Unlock()
}

// awaitOpen waits until n connections are open.
func (w *firewall) awaitOpen(t *testing.T, n int) {
	t.Helper()
	limit := time.After(30 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		w.mu.Lock()
		open := w.open
		w.mu.Unlock()
		if open == n {
			return
		}
		select {
		case <-look.C:
		case <-limit: // far beyond the 5 s after which an idle connection ends by itself
			t.Fatalf("%d connections are open, want %d", open, n)
		}
	}
}

// forget makes the connections of before silent and returns how many there
// were.
func (w *firewall) forget() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.forgotten)
	w.forgotten = make(chan struct{})
	return w.accepted
}

func (w *firewall) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted
}

// behindFirewall is an HTTP/2 server, its firewall, and the settings of TLS
// that trust it.
func behindFirewall(t *testing.T) (url string, w *firewall, settings *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		io.WriteString(w, "{}")
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	w = newFirewall(t, s.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return "https://" + w.Addr().String() + "/", w, &tls.Config{RootCAs: roots}
}

// patience is how long an attempt may take: one over a dead connection takes that
// long, and the next one has to do with it on a busy machine.
const patience = 4 * time.Second

// wrapped hides a transport, as packages for tracing do.
type wrapped struct{ *http.Transport }

func TestDeadConnection_IsNotUsedAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		client func(settings *tls.Config) *http.Client // nil: the Fetcher's own transport
	}{
		{"own transport", nil},
		{"a user's transport", func(settings *tls.Config) *http.Client {
			return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
		}},
		{"one whose HTTP/2 was set up by itself", func(settings *tls.Config) *http.Client {
			rt := &http.Transport{} // HTTP/2 only as long as there are no settings
			rt.RegisterProtocol("nothing", http.NewFileTransport(nil))
			_, _ = rt.RoundTrip(&http.Request{}) // sets it up
			rt.TLSClientConfig.RootCAs = settings.RootCAs
			return &http.Client{Transport: rt}
		}},
		{"a RoundTripper around one", func(settings *tls.Config) *http.Client {
			return &http.Client{Transport: wrapped{&http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits for a dead connection
			url, wall, settings := behindFirewall(t)
			cfg := Config{MaxSize: 10, Timeout: patience, Retries: 1}
			if test.client == nil {
				cfg.TLS = settings
			} else {
				cfg.Client = test.client(settings)
				defer cfg.Client.CloseIdleConnections()
			}
			f := New(cfg)
			defer f.CloseIdle()
			get := func() error {
				resp, err := f.Get(t.Context(), Request{URL: url})
				if err == nil && resp.Header.Get("X-Proto") != "HTTP/2.0" {
					t.Errorf("over %s", resp.Header.Get("X-Proto"))
				}
				return err
			}
			for range 2 {
				if err := get(); err != nil {
					t.Fatal(err)
				}
			}
			if n := wall.forget(); n != 1 {
				t.Fatalf("two fetches over %d connections", n)
			}
			stumbled := 0
			_, err := f.Get(t.Context(), Request{URL: url, Stumbled: func(e *Error) {
				if stumbled++; !errors.Is(e, os.ErrDeadlineExceeded) {
					t.Errorf("stumbled over %v", e)
				}
			}})
			if err != nil || stumbled != 1 || wall.connections() != 2 {
				t.Errorf("%d attempts failed, %d connections, %v; want the second attempt over a second one", stumbled, wall.connections(), err)
			}
			// And the one after it needs no second attempt.
			if err := get(); err != nil {
				t.Error(err)
			}
			if test.client == nil { // the dead one is not left behind either
				f.CloseIdle()
				wall.awaitOpen(t, 0)
			}
		})
	}
}

// Without retries the next fetch is the one that must not meet it.
func TestDeadConnection_NextFetchIsFree(t *testing.T) {
	url, wall, settings := behindFirewall(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	f := New(Config{MaxSize: 10, Timeout: time.Minute, Client: client})
	defer f.CloseIdle()
	if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	wall.forget()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // the time of the whole refresh
	defer cancel()
	_, err := f.Get(ctx, Request{URL: url})
	if e := mustFail(t, err); !errors.Is(e, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	for range 2 {
		if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
			t.Error(err)
		}
		f.CloseIdle() // as between refreshes
	}
	if n := wall.connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// The user's connections stay the user's.
func TestDeadConnection_TransportIsNotTouched(t *testing.T) {
	url, wall, settings := behindFirewall(t)
	rt := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: rt}
	defer client.CloseIdleConnections()
	f := New(Config{MaxSize: 10, Timeout: patience, Retries: 1, Client: client})
	defer f.CloseIdle()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wall.forget()
	if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	if client.Transport != http.RoundTripper(rt) || f.client.Transport != http.RoundTripper(rt) {
		t.Error("the user's client has another transport")
	}
}

func TestCloneTransport_KeepsHTTP2(t *testing.T) {
	url, _, settings := behindFirewall(t)
	offering := settings.Clone()
	offering.NextProtos = []string{"h2", "http/1.1"}
	for name, test := range map[string]struct {
		rt   *http.Transport
		used bool // before it is cloned
		want string
	}{
		"forced":         {&http.Transport{TLSClientConfig: settings.Clone(), ForceAttemptHTTP2: true}, false, "HTTP/2.0"},
		"forced, used":   {&http.Transport{TLSClientConfig: settings.Clone(), ForceAttemptHTTP2: true}, true, "HTTP/2.0"},
		"not asked for":  {&http.Transport{TLSClientConfig: settings.Clone()}, true, "HTTP/1.1"},
		"switched off":   {&http.Transport{TLSClientConfig: settings.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}, true, "HTTP/1.1"},
		"of the package": {NewTransport(settings), false, "HTTP/2.0"},
		"set up by another package": {&http.Transport{TLSClientConfig: offering, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{
			"h2": func(string, *tls.Conn) http.RoundTripper {
				return roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("an old connection") })
			},
		}}, false, "HTTP/2.0"},
	} {
		get := func(rt *http.Transport) {
			defer rt.CloseIdleConnections()
			resp, err := (&http.Client{Transport: rt}).Get(url)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("X-Proto"); got != test.want {
				t.Errorf("%s: %s, want %s", name, got, test.want)
			}
		}
		if test.used {
			get(test.rt)
		}
		clone := CloneTransport(test.rt)
		get(clone)
		get(CloneTransport(clone))
	}
}
