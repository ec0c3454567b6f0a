package fetch

import (
	"net/http"
	"time"
)

// ownTransport is a transport that the Fetcher made for itself. Its fields
// but the first are guarded by the Fetcher's mutex.
type ownTransport struct {
	rt      *http.Transport
	users   int  // calls of Get that hold it
	retired bool // by CloseIdle: the last user closes its connections
}

// borrow returns the client for one Get, and what to call after it.
func (f *Fetcher) borrow() (*http.Client, func()) {
	client := f.client
	if f.cfg.Client != nil {
		return &client, func() {}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.own == nil {
		std, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			// Somebody put a RoundTripper of theirs there, for tracing or for
			// a test, and wants it to be used.
			client.Transport = http.DefaultTransport
			return &client, func() {}
		}
		f.own = &ownTransport{rt: newTransport(std)}
	}
	own := f.own
	own.users++
	client.Transport = own.rt
	return &client, func() { f.release(own) }
}

// newTransport makes a transport like std, with its proxy and TLS settings,
// for a few requests in a row.
func newTransport(std *http.Transport) *http.Transport {
	rt := std.Clone()
	// CloseIdle is what ends idle connections. The timeout is for the one that
	// is not idle yet when it is called (HTTP/2 cleans up in the background).
	rt.IdleConnTimeout = 5 * time.Second
	if rt.MaxResponseHeaderBytes == 0 {
		rt.MaxResponseHeaderBytes = 256 << 10 // net/http would take 10 MiB
	}
	return rt
}

// release ends one use of own.
func (f *Fetcher) release(own *ownTransport) {
	f.mu.Lock()
	own.users--
	last := own.retired && own.users == 0
	f.mu.Unlock()
	if last {
		own.rt.CloseIdleConnections()
	}
}

// CloseIdle closes the idle connections of the Fetcher's own transport and
// lets go of it, so that between fetches neither a goroutine nor memory
// remains. A Get that is under way is not disturbed and cleans up behind
// itself; the next one makes a new transport. With a client of the user's
// CloseIdle does nothing: its connections are shared with others.
func (f *Fetcher) CloseIdle() {
	f.mu.Lock()
	own := f.own
	f.own = nil
	if own != nil {
		own.retired = true
	}
	f.mu.Unlock()
	if own != nil {
		own.rt.CloseIdleConnections()
	}
}
