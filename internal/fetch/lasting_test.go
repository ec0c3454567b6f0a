package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts the connections that a server accepts.
type counting struct {
	net.Listener
	n atomic.Int32
}

func (c *counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.n.Add(1)
	return patient{conn}, nil
}

// patient closes once its peer has: closing with a request unread resets the
// connection, and the peer may then see the reset instead of the alert before it.
type patient struct{ net.Conn }

func (p patient) Close() error {
	if w, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
		p.SetReadDeadline(time.Now().Add(10 * time.Second))
		io.Copy(io.Discard, p.Conn)
	}
	return p.Conn.Close()
}

// certificate makes a certificate for 127.0.0.1 and idp.example, signed by a CA
// of the name, and a pool with that CA.
func certificate(t *testing.T, ca string, notAfter time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ca}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{"idp.example"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(rootDER)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, pool
}

func TestCertificateErrors_AreNotRetried(t *testing.T) {
	const ca = "Example Private Root"
	good, trusted := certificate(t, ca, time.Now().Add(time.Hour))
	expired, trustedToo := certificate(t, ca, time.Now().Add(-time.Hour))
	for _, test := range []struct {
		name   string
		server *tls.Config // nil: plain HTTP
		client *tls.Config
		want   string
	}{
		{"an authority that is not known", &tls.Config{Certificates: []tls.Certificate{good}}, nil,
			`the server's certificate is signed by "Example Private Root", an unknown authority: see WithTLSConfig`},
		{"another name", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{RootCAs: trusted, ServerName: "other.example"},
			`the server's certificate is not for "other.example"`},
		{"an expired certificate", &tls.Config{Certificates: []tls.Certificate{expired}}, &tls.Config{RootCAs: trustedToo},
			"the server's certificate has expired or is not yet valid"},
		{"no certificate of ours", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}, &tls.Config{RootCAs: trusted},
			"the server asks for a client certificate: see WithTLSConfig"},
		{"one of ours that is not trusted", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()},
			&tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{good}}, `"remote error: tls: `},
		{"plain HTTP", nil, nil, "the server speaks plain HTTP at this https URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			l := &counting{Listener: s.Listener}
			s.Listener = l
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			if test.server != nil {
				s.TLS = test.server
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			f := New(Config{MaxSize: 10, Retries: 2, TLS: test.client})
			defer f.CloseIdle()
			_, err := f.Get(t.Context(), Request{URL: "https://" + l.Addr().String() + "/"})
			if e := mustFail(t, err); !strings.Contains(e.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if n := l.n.Load(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

// proxy is an HTTP proxy that answers every request for a tunnel with a status.
func proxy(t *testing.T, code int) (u *url.URL, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Proxy-Authenticate", `Basic realm="SECRET"`)
		w.WriteHeader(code)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("user", "SECRET")
	return u, requests
}

func TestProxy_RefusalNamesIt(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     int
		scheme   string
		own      bool // the Fetcher's own transport; else a user's
		want     string
		requests int32
	}{
		{"407 to CONNECT", 407, "https", true, "the proxy %q refused: it answered 407 Proxy Authentication Required", 1},
		{"403 to CONNECT", 403, "https", true, "the proxy %q refused: it answered 403 Forbidden", 1},
		{"502 to CONNECT", 502, "https", true, "the proxy %q refused: it answered 502 Bad Gateway, 2 attempts", 2},
		{"407 to a request", 407, "http", true, "answered 407 Proxy Authentication Required, expected 200, by way of the proxy %q", 1},
		{"407 to CONNECT by a user's transport", 407, "https", false, `"Proxy Authentication Required", by way of the proxy %q, 2 attempts`, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, requests := proxy(t, test.code)
			cfg := Config{MaxSize: 10, Retries: 1, AllowHTTP: true}
			if !test.own {
				rt := &http.Transport{Proxy: http.ProxyURL(u)}
				defer rt.CloseIdleConnections()
				cfg.Client = &http.Client{Transport: rt}
			}
			f := New(cfg)
			defer f.CloseIdle()
			if test.own {
				rt := NewTransport(nil)
				rt.Proxy = http.ProxyURL(u)
				f.own = &ownTransport{rt: rt}
			}
			_, err := f.Get(t.Context(), Request{URL: test.scheme + "://idp.example/"})
			e := mustFail(t, err)
			if want := fmt.Sprintf(test.want, u.Host); !strings.HasSuffix(e.Error(), want) || strings.Contains(e.Error(), "SECRET") {
				t.Errorf("%v, want %s", err, want)
			}
			if n := requests.Load(); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
}

func TestProxy_UnreachableIsNamed(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("user", "SECRET")}
	rt := &http.Transport{Proxy: http.ProxyURL(u)}
	_, err := New(Config{MaxSize: 10, Client: &http.Client{Transport: rt}}).Get(t.Context(), Request{URL: docURL})
	want := fmt.Sprintf("the proxy %q could not be reached: dial tcp %s: connection refused", u.Host, u.Host)
	if e := mustFail(t, err); e.Error() != "GET "+docURL+": "+want {
		t.Errorf("%v, want %s", err, want)
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("%v does not hold the error of the network", err)
	}
}

// A proxy opens a tunnel by 200 and by nothing else.
func TestProxy_Answers(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "proxy.example:3128"}
	for code, want := range map[int]string{200: "", 201: `the proxy "proxy.example:3128" refused: it answered 201 Created`, 403: `the proxy "proxy.example:3128" refused: it answered 403 Forbidden`} {
		err := checkProxy(t.Context(), u, nil, &http.Response{StatusCode: code})
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// That of net/http's default transport is named where the client has none.
func TestProxy_OfTheDefaultTransport(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	http.DefaultTransport = &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})}
	for rt, want := range map[http.RoundTripper]string{
		nil: "proxy.example:3128", new(http.Transport): "", roundTripper{}: "",
		&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}:    "",
		&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, io.EOF }}: "",
	} {
		if got := proxyFor(rt, &url.URL{Scheme: "https", Host: "idp.example"}); got != want {
			t.Errorf("%T: %q, want %q", rt, got, want)
		}
	}
}

// roundTripper is one in which nobody can look.
type roundTripper struct{}

func (roundTripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.EOF }

func TestAttempts_AreTold(t *testing.T) {
	notFound := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "idp.example", IsNotFound: true}}
	_, err := New(config(func(*http.Request) (*http.Response, error) { return nil, notFound })).Get(t.Context(), Request{URL: docURL})
	var dns *net.DNSError
	if mustFail(t, err); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("%v does not say that the name does not exist", err)
	}
	cfg := config(func(*http.Request) (*http.Response, error) { return nil, notFound })
	cfg.Retries = 1
	_, err = New(cfg).Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); !strings.HasSuffix(e.Error(), "no such host, 2 attempts") || !errors.As(err, &dns) {
		t.Error(err)
	}
}

// What another attempt would meet again, error by error.
func TestIsLasting_Table(t *testing.T) {
	alertOf := func(code uint8) error { return &net.OpError{Op: "remote error", Err: tls.AlertError(code)} }
	type row struct {
		err  error
		want bool
	}
	rows := []row{
		{&tls.CertificateVerificationError{Err: errors.New("x")}, true},
		{x509.HostnameError{Certificate: new(x509.Certificate), Host: "h"}, true},
		{x509.UnknownAuthorityError{}, true},
		{x509.CertificateInvalidError{Cert: new(x509.Certificate)}, true},
		{x509.SystemRootsError{}, true},
		{tls.RecordHeaderError{}, true},
		{http.ErrSchemeMismatch, true},
		{&net.OpError{Op: "read", Err: tls.AlertError(48)}, false},
		{&net.OpError{Op: "remote error", Err: io.EOF}, false},
		{io.EOF, false},
	}
	for code, want := range map[uint8]bool{0: false, 1: false, 40: false, 41: false, 42: true, 43: true, 44: true, 45: true, 46: true, 47: false, 48: true, 49: true, 50: false, 115: false, 116: true, 117: false} {
		rows = append(rows, row{alertOf(code), want})
	}
	for code, want := range map[int]bool{302: true, 403: true, 407: true, 408: false, 429: false, 499: true, 500: false, 502: false} {
		rows = append(rows, row{&proxyError{"p.example", code}, want})
	}
	for _, tt := range rows {
		if got := isLasting(fmt.Errorf("wrapped: %w", tt.err)); got != tt.want {
			t.Errorf("%T %v: %t", tt.err, tt.err, got)
		}
	}
}

func TestSigner_NamesTheAuthority(t *testing.T) {
	for want, c := range map[string]*x509.Certificate{
		"an unknown authority":             nil,
		`"R1", an unknown authority`:       {Issuer: pkix.Name{CommonName: "R1", Organization: []string{"O"}}},
		`"O=O,C=DE", an unknown authority`: {Issuer: pkix.Name{Organization: []string{"O"}, Country: []string{"DE"}}},
	} {
		if got := signer(c); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
