package fetch

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxResponseHeader is how many bytes the header of an answer may have.
const maxResponseHeader = 256 << 10 // net/http would take 10 MiB

// NewTransport returns a transport for fetching documents. Proxies come from
// the environment ([http.ProxyFromEnvironment]), trusted authorities and client
// certificates from config, which is copied; nil: those of the system. Nothing
// comes from [http.DefaultTransport], which any package of the program may
// have changed.
func NewTransport(config *tls.Config) *http.Transport {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            newDialer().DialContext,
		ForceAttemptHTTP2:      true, // which own dialers and settings of TLS switch off
		MaxIdleConns:           10,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
	if config != nil {
		t.TLSClientConfig = config.Clone()
	}
	return t
}

// newDialer returns a dialer with the limits of net/http's default one.
func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
}

// CloneTransport returns a transport with the settings of t and none of its
// connections. Unlike [http.Transport.Clone] it keeps HTTP/2 working where t
// has it: there the clone of a transport whose HTTP/2 was set up by itself may
// offer it to servers and then not understand it, and the clone of one that
// golang.org/x/net/http2 set up shares its connections.
func CloneTransport(t *http.Transport) *http.Transport {
	c := t.Clone() // which sets up HTTP/2 in t, if that was not done
	if t.TLSNextProto["h2"] != nil {
		c.TLSNextProto = nil
		c.ForceAttemptHTTP2 = true
	}
	return c
}

// ownTransport is a transport that the Fetcher made for itself. Its fields
// but the first are guarded by the Fetcher's mutex.
type ownTransport struct {
	rt      *http.Transport
	users   int  // attempts that hold it
	retired bool // the last user closes its connections
}

// borrow returns the client for one attempt, and what to call after it, with
// whether it ran out of time.
func (f *Fetcher) borrow() (*http.Client, func(timedOut bool)) {
	client := f.client
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.own == nil {
		theirs := f.transport()
		switch {
		case f.hasOwn:
			f.own = &ownTransport{rt: NewTransport(f.tls)}
			// CloseIdle is what ends idle connections. The timeout is for the
			// one that is not idle yet when it is called (HTTP/2 cleans up in
			// the background).
			f.own.rt.IdleConnTimeout = 5 * time.Second
		case f.suspect && theirs != nil:
			f.own = &ownTransport{rt: CloneTransport(theirs)}
		default:
			if f.suspect { // of a RoundTripper in which nobody can look
				f.suspect = false
				client.CloseIdleConnections()
			}
			return &client, f.returnTheirs
		}
	}
	own := f.own
	own.users++
	client.Transport = own.rt
	return &client, func(timedOut bool) { f.returnOwn(own, timedOut) }
}

// transport returns the transport of the user's client, nil if it is none of
// net/http.
func (f *Fetcher) transport() *http.Transport {
	rt := f.client.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, _ := rt.(*http.Transport)
	return t
}

// returnTheirs ends one use of the user's transport. The connection of an
// attempt that ran out of time may be dead: a firewall that forgot it drops
// what is sent over it, and nothing tells. One of HTTP/1 is closed by net/http;
// one of HTTP/2 stays in the pool, where every later request would meet it. So
// from now on there are connections of our own, with the same settings.
func (f *Fetcher) returnTheirs(timedOut bool) {
	if timedOut {
		f.mu.Lock()
		f.suspect = true
		f.mu.Unlock()
	}
}

// returnOwn ends one use of own. After an attempt that ran out of time nobody
// else uses its connections.
func (f *Fetcher) returnOwn(own *ownTransport, timedOut bool) {
	f.mu.Lock()
	if timedOut {
		own.retired = true
		if f.own == own {
			f.own = nil
		}
	}
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
// itself; the next one makes a new transport. The connections of a client of
// the user's are left alone: they are shared with others.
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

// proxyError is the refusal of a proxy to connect to a server.
type proxyError struct {
	proxy string // its host
	code  int
}

func (e *proxyError) Error() string {
	return "the proxy " + quoteHost(e.proxy) + " refused: it " + answered(e.code)
}

// checkProxy tells what a proxy answered. net/http would tell no more than the
// text of the status, which is the proxy's own.
func checkProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, resp.StatusCode}
}

// proxyFor returns the host of the proxy that a transport uses for u, "" for
// none that is known.
func proxyFor(rt http.RoundTripper, u *url.URL) string {
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok || t.Proxy == nil {
		return ""
	}
	proxy, err := t.Proxy(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}
