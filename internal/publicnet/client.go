package publicnet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed-22400188/jwks/internal/fetch"
)

// Client returns a copy of client that reaches nothing but public addresses. An
// *http.Transport is cloned and its dialer guarded; it keeps no connections and
// uses no proxy, which would dial in its place. Of any other RoundTripper only
// the URLs can be judged, those of redirects included. For a nil client, and
// for one without a transport, it is that of [New]: whatever
// [http.DefaultTransport] is by now, it may be somebody's who does not guard.
func Client(client *http.Client) *http.Client {
	return WithLookup(client, func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	})
}

// New returns a client with a transport of its own that reaches nothing but
// public addresses, with these settings of TLS; nil: those of crypto/tls.
func New(config *tls.Config) *http.Client {
	return &http.Client{Transport: roundTripper{ownTransport(config)}}
}

// ownTransport is that of package fetch behind the guard.
func ownTransport(config *tls.Config) *http.Transport {
	t := withoutDialers(fetch.NewTransport(config))
	t.DialContext = guardedDialer().DialContext
	return t
}

// IsNotFound says whether a request failed because the name of the host does
// not exist (RFC 8020), as opposed to a resolver that could not tell.
func IsNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// Lookup resolves a name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// dialFunc is how net dials.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// WithLookup is Client with another resolver for a dialer of the user's own.
func WithLookup(client *http.Client, lookup Lookup) *http.Client {
	if client == nil {
		client = &http.Client{}
	}
	g := *client
	switch t := client.Transport.(type) {
	case nil:
		g.Transport = roundTripper{ownTransport(nil)}
	case *http.Transport:
		own := withoutDialers(fetch.CloneTransport(t))
		if theirs := t.DialContext; theirs != nil {
			own.DialContext = guardDial(theirs, lookup)
		} else {
			own.DialContext = guardedDialer().DialContext
		}
		g.Transport = roundTripper{own}
	default:
		g.Transport = roundTripper{t}
	}
	return &g
}

// roundTripper judges every URL before the request.
type roundTripper struct{ base http.RoundTripper }

func (g roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := CheckURL(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return g.base.RoundTrip(r)
}

// withoutDialers takes from a transport what dials.
func withoutDialers(t *http.Transport) *http.Transport {
	t.Proxy = nil
	t.DisableKeepAlives = true
	//lint:ignore SA1019 deprecated, and it would get around the guard
	t.Dial = nil
	//lint:ignore SA1019 as above
	t.DialTLS = nil
	t.DialTLSContext = nil
	return t
}

// guardedDialer dials as http.DefaultTransport does, but only public
// addresses. It tries all that a name has, IPv6 and IPv4 side by side.
func guardedDialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: control}
}

// control judges an address after the name was resolved and before the socket
// connects.
func control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !IsPublic(a.Addr()) {
		return refusal("the name resolves to a special-purpose address")
	}
	return nil
}

// guardDial guards a dialer of the user's own, which cannot be looked into:
// the name is resolved first, and the dialer gets a public literal address or
// none.
func guardDial(dial dialFunc, lookup Lookup) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var addresses []netip.Addr
		if a, err := netip.ParseAddr(host); err == nil {
			addresses = append(addresses, a)
		} else if addresses, err = lookup(ctx, host); err != nil {
			return nil, err
		}
		public := addresses[:0:0]
		for _, a := range addresses {
			if a = a.Unmap(); IsPublic(a) {
				public = append(public, a)
			}
		}
		if len(public) == 0 {
			return nil, refusal("the name resolves to a special-purpose address")
		}
		var first error
		for i, a := range public {
			conn, err := dialOne(ctx, dial, network, net.JoinHostPort(a.String(), port), len(public)-i)
			if err == nil {
				return conn, nil
			}
			if first == nil {
				first = err
			}
			if ctx.Err() != nil {
				break
			}
		}
		return nil, first
	}
}

// dialOne gives an address its share of the time that is left, so that one
// which does not answer leaves some for the others.
func dialOne(ctx context.Context, dial dialFunc, network, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return dial(ctx, network, address)
}
