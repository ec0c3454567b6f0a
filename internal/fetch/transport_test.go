package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gzipped returns the compressed form of body.
func gzipped(t *testing.T, body io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What net/http does between socket and body cannot be shown without it, nor
// can the Fetcher's own transport.
func TestOwnTransport(t *testing.T) {
	const doc = `{"keys":[]}`
	bomb := gzipped(t, io.LimitReader(endless{}, 4<<20))
	small := gzipped(t, strings.NewReader(doc))
	send := func(body []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
			}
			w.Write(body)
		}
	}
	tests := []struct {
		rule    string
		handler http.HandlerFunc
		want    string // "" for a Response
	}{
		{"a document is read", send([]byte(doc)), ""},
		{"a compressed document is decompressed", send(small, "Content-Encoding", "gzip"), ""},
		{"the limit counts decompressed bytes", send(bomb, "Content-Encoding", "gzip"), "longer than the limit of 65536 bytes"},
		{"a compressed document that breaks off is an error", send(small[:len(small)-6], "Content-Encoding", "gzip"), "the answer ended too early"},
		{"a compressed document with a wrong checksum is an error", send(append(small[:len(small)-8:len(small)-8], make([]byte, 8)...), "Content-Encoding", "gzip"), "checksum"},
		{"a body that is not compressed as it says is an error", send([]byte(doc), "Content-Encoding", "gzip"), "gzip"},
		{"a body shorter than its Content-Length is an error", send([]byte(doc), "Content-Length", "100"), "the answer ended too early"},
		{"an endless body is an error", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, endless{}) }, "longer than the limit of 65536 bytes"},
		{"an endless error page is not read", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); io.Copy(w, endless{}) }, "answered 404 Not Found"},
		{"a dropped connection is an error", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection was closed"},
		{"another coding is an error", send([]byte(doc), "Content-Encoding", "br"), `answered with Content-Encoding "br", which was not asked for`},
		{"a huge header is an error", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Y", strings.Repeat("a", 1<<20)) }, "headers exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			s := httptest.NewServer(tt.handler)
			defer s.Close()
			f := New(Config{MaxSize: 64 << 10, Timeout: time.Minute})
			defer f.CloseIdle()
			resp, err := f.Get(t.Context(), Request{URL: s.URL})
			if tt.want != "" {
				if e := mustFail(t, err); !strings.Contains(e.Error(), tt.want) {
					t.Errorf("error %q, want %q", err, tt.want)
				}
			} else if err != nil || string(resp.Body) != doc {
				t.Errorf("%v, %v", resp, err)
			}
		})
	}
}

// connections counts the goroutines of HTTP client connections. Each has two,
// which end a moment after it was closed.
func connections() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "net/http.(*persistConn).readLoop(")
}

// awaitConnections waits until there are n of them.
func awaitConnections(t *testing.T, n int) {
	t.Helper()
	for start := time.Now(); connections() != n; runtime.Gosched() {
		if time.Since(start) > 3*time.Second { // less than the idle timeout, which must not be what closes them
			t.Fatalf("%d connections, want %d", connections(), n)
		}
	}
}

func TestCloseIdleLeavesNothing(t *testing.T) {
	awaitConnections(t, 0) // those of other tests are about to end
	var mu sync.Mutex
	peers := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	f := New(Config{MaxSize: 10})
	if f.own != nil {
		t.Error("a transport before the first fetch")
	}
	f.CloseIdle() // nothing to close
	for range 3 {
		if _, err := f.Get(t.Context(), Request{URL: s.URL}); err != nil {
			t.Fatal(err)
		}
	}
	if len(peers) != 1 || connections() != 1 {
		t.Errorf("three fetches over %d connections, %d of them open", len(peers), connections())
	}
	f.CloseIdle()
	f.CloseIdle()
	awaitConnections(t, 0)
	if f.own != nil {
		t.Error("the transport was kept")
	}
	if _, err := f.Get(t.Context(), Request{URL: s.URL}); err != nil {
		t.Errorf("after CloseIdle: %v", err)
	}
	f.CloseIdle()
	awaitConnections(t, 0)
}

// CloseIdle during a fetch lets it finish, and its connection goes with it,
// although a redirect used the transport once more in between.
func TestCloseIdleDuringAFetch(t *testing.T) {
	arrived, proceed := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			arrived <- true
			<-proceed
			http.Redirect(w, r, "/2", http.StatusFound)
			return
		}
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	f := New(Config{MaxSize: 10})
	done := make(chan error, 1)
	go func() {
		_, err := f.Get(t.Context(), Request{URL: s.URL + "/"})
		done <- err
	}()
	select {
	case <-arrived:
	case err := <-done:
		t.Fatal(err)
	}
	f.CloseIdle()
	proceed <- true
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	awaitConnections(t, 0)
}

func TestGetAndCloseIdleConcurrently(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	defer s.Close()
	f := New(Config{MaxSize: 10})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if resp, err := f.Get(t.Context(), Request{URL: s.URL}); err != nil || string(resp.Body) != "{}" {
					t.Errorf("%v, %v", resp, err)
				}
				f.CloseIdle()
			}
		})
	}
	wg.Wait()
	f.CloseIdle()
	awaitConnections(t, 0)
}

// The user's client keeps its connections: they may serve others as well.
func TestCloseIdleSparesTheUsersClient(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	defer s.Close()
	f := New(Config{MaxSize: 10, Client: s.Client()})
	if _, err := f.Get(t.Context(), Request{URL: s.URL}); err != nil {
		t.Fatal(err)
	}
	f.CloseIdle()
	if n := connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	s.Client().CloseIdleConnections()
	awaitConnections(t, 0)
}

// Any package of a program can replace or change http.DefaultTransport.
func TestOwnTransport_InheritsNothing(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer s.Close()
	careless := old.(*http.Transport).Clone()
	careless.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	careless.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("the proxy function was asked") }
	careless.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the dialer was asked")
	}
	for name, rt := range map[string]http.RoundTripper{
		"another RoundTripper": roundTrip(func(*http.Request) (*http.Response, error) { t.Error("used"); return nil, io.EOF }),
		"a careless transport": careless,
		"nil":                  nil,
	} {
		http.DefaultTransport = rt
		f := New(Config{MaxSize: 10})
		_, err := f.Get(t.Context(), Request{URL: s.URL})
		var authority x509.UnknownAuthorityError
		if e := mustFail(t, err); !errors.As(e, &authority) {
			t.Errorf("%s: %v, want an unknown authority", name, err)
		}
		f.CloseIdle()
	}
	trusting := New(Config{MaxSize: 10, TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	defer trusting.CloseIdle()
	if _, err := trusting.Get(t.Context(), Request{URL: s.URL}); err != nil {
		t.Errorf("with its own settings of TLS: %v", err)
	}
}

// What an attempt that ran out of time leaves idle beside its own connection is
// closed with it: nobody will use that transport again.
func TestOwnTransport_TimeoutLeavesNothing(t *testing.T) {
	awaitConnections(t, 0)
	both := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		select { // one waits for the other, so that each has a connection
		case both <- true:
		case <-both:
		}
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	f := New(Config{MaxSize: 10})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := f.Get(t.Context(), Request{URL: s.URL}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	awaitConnections(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := f.Get(ctx, Request{URL: s.URL + "/hang"})
	mustFail(t, err)
	awaitConnections(t, 0)
}

// closing is a RoundTripper in which nobody can look, and which counts how often
// its idle connections are closed.
type closing struct {
	roundTrip
	n *int
}

func (c closing) CloseIdleConnections() { *c.n++ }

// One time-out closes the connections of the user's transport once, not at every
// fetch from then on.
func TestUsersTransport_ClosedOncePerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, closed := 0, 0
		f := New(Config{MaxSize: 10, Timeout: time.Second, Client: &http.Client{Transport: closing{func(r *http.Request) (*http.Response, error) {
			if requests++; requests == 2 {
				return hang(r)
			}
			return answer(200, text("{}")), nil
		}, &closed}}})
		for n, want := range []int{0, 0, 1, 1, 1} {
			_, err := f.Get(t.Context(), Request{URL: docURL})
			if failed := n == 1; (err != nil) != failed || closed != want {
				t.Errorf("fetch %d: closed %d times, want %d; %v", n+1, closed, want, err)
			}
		}
	})
}

// A client without a transport means net/http's default one.
func TestUsersClient_WithoutTransport(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	used := 0
	http.DefaultTransport = roundTrip(func(*http.Request) (*http.Response, error) { used++; return answer(200, text("{}")), nil })
	f := New(Config{MaxSize: 10, Client: &http.Client{}})
	if _, err := f.Get(t.Context(), Request{URL: docURL}); err != nil || used != 1 {
		t.Errorf("used %d times, %v", used, err)
	}
}

func TestOwnTransport_ProxyFromEnvironment(t *testing.T) {
	if got := NewTransport(nil); reflect.ValueOf(got.Proxy).Pointer() != reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		t.Error("the proxy does not come from the environment")
	}
	config := &tls.Config{ServerName: "a"}
	if got := NewTransport(config).TLSClientConfig; got == config || got.ServerName != "a" {
		t.Errorf("settings of TLS %p, %q", got, got.ServerName)
	}
}

// No part of a request waits for ever, also where nobody limits an attempt.
func TestNewTransport_Limits(t *testing.T) {
	rt, d := NewTransport(nil), newDialer()
	if d.Timeout != 30*time.Second || d.KeepAlive != 30*time.Second || rt.TLSHandshakeTimeout != 10*time.Second || rt.MaxResponseHeaderBytes != 262144 {
		t.Errorf("%v to dial, %v between probes, %v for TLS, %d bytes of header", d.Timeout, d.KeepAlive, rt.TLSHandshakeTimeout, rt.MaxResponseHeaderBytes)
	}
	if rt.MaxIdleConns != 10 || rt.IdleConnTimeout != 90*time.Second {
		t.Errorf("%d idle connections, for %v", rt.MaxIdleConns, rt.IdleConnTimeout)
	}
	f := New(Config{})
	_, release := f.borrow()
	defer release(false)
	if got := f.own.rt.IdleConnTimeout; got != 5*time.Second {
		t.Errorf("of a Fetcher's own, idle connections last for %v", got)
	}
}

// After a time-out the settings are those of net/http's default transport where
// the user's client has none, and the connections are not.
func TestBorrow_SuspectsTheDefaultTransport(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	theirs := &http.Transport{MaxIdleConns: 7}
	http.DefaultTransport = theirs
	f := New(Config{Client: &http.Client{}})
	for _, timedOut := range []bool{false, true} {
		client, release := f.borrow()
		if client.Transport != nil {
			t.Errorf("before the time-out: %v", client.Transport)
		}
		release(timedOut)
	}
	client, release := f.borrow()
	defer release(false)
	if rt, ok := client.Transport.(*http.Transport); !ok || rt == theirs || rt.MaxIdleConns != 7 {
		t.Errorf("after it: %v", client.Transport)
	}
}

func TestNewDoesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 100 {
		New(Config{})
	}
	if n := runtime.NumGoroutine(); n >= before+100 { // fewer may be of the runtime and of other tests
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// A hundred fetches over one Fetcher at a time, for the race detector.
func TestGetIsSafeForConcurrentUse(t *testing.T) {
	cfg := config(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("X-Key", "changed")
		r.URL.Path = "/changed"
		return answer(200, text("{}")), nil
	})
	cfg.Header = http.Header{"X-Key": {"a"}}
	f := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := f.Get(ctx, Request{URL: docURL, ETag: `"1"`}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
