package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/keyfile"
)

// maxDocument is the limit of a document, that of the library.
const maxDocument = 1 << 20

// limit is the context under which a command works.
func (c *common) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// tlsConfig trusts the authorities of -ca as well; nil without it.
func (c *common) tlsConfig() (*tls.Config, error) {
	if c.ca == "" {
		return nil, nil
	}
	text, err := keyfile.Read(c.ca, maxInput)
	if err != nil {
		return nil, usagef("-ca %s: %v", quote(c.ca), err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // there is none on some systems
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, usagef("-ca %s: no certificate in it, want PEM", quote(c.ca))
	}
	return &tls.Config{RootCAs: pool}, nil
}

// recorder returns a transport that remembers what was answered.
func (c *common) recorder() (*recorder, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &recorder{base: fetch.NewTransport(config)}, nil
}

// options are those of a client that asks through rt.
func (c *common) options(rt http.RoundTripper) []jwks.ClientOption {
	opts := []jwks.ClientOption{jwks.WithHTTPClient(&http.Client{Transport: rt})}
	if c.insecure {
		opts = append(opts, jwks.AllowInsecureHTTP())
	}
	for i, name := range c.headers.names {
		opts = append(opts, jwks.WithHeader(name, c.headers.values[i]))
	}
	return opts
}

// fetcher gets documents as the library does, but once each, and sends the
// headers of the command line to the host of named alone.
func (c *common) fetcher(rt http.RoundTripper, named *url.URL, timeout time.Duration) *fetch.Fetcher {
	header := http.Header{}
	for i, name := range c.headers.names {
		header.Add(name, c.headers.values[i])
	}
	return fetch.New(fetch.Config{
		Client:      &http.Client{Transport: rt},
		Header:      header,
		HeaderHosts: []string{fetch.HeaderHostOf(named)},
		Timeout:     timeout,
		MaxSize:     maxDocument,
		AllowHTTP:   c.insecure,
		UserAgent:   fetch.UserAgent,
	})
}

// namedURL checks a URL of the command line.
func (c *common) namedURL(raw string) (*url.URL, error) {
	u, err := fetch.CheckURL(raw, c.insecure)
	if err != nil {
		text := err.Error()
		if strings.HasPrefix(raw, "http://") && !c.insecure {
			if _, allowed := fetch.CheckURL(raw, true); allowed == nil {
				text += ": use -insecure-http to ask it anyway"
			}
		}
		return nil, usagef("%s: %s", quote(raw), text)
	}
	return u, nil
}

// asker asks for documents on behalf of a command line that names a host.
type asker struct {
	common *common
	named  *url.URL          // its host gets the headers of -header
	base   http.RoundTripper // shared, so that connections are used again
	hide   *hider            // for tokens in URLs that servers name
	each   time.Duration     // limit of one request; 0: none but that of the whole
}

func (c *common) asker(p *program, named *url.URL) (*asker, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &asker{common: c, named: named, hide: p.hide, base: fetch.NewTransport(config)}, nil
}

func isURL(s string) bool {
	lower := strings.ToLower(s)
	return strings.HasPrefix(lower, "https://") || strings.HasPrefix(lower, "http://")
}

// exchange is one request and what came of it.
type exchange struct {
	url        string
	status     int // 0: no answer
	header     http.Header
	took       time.Duration // until the body was read
	at         time.Time     // when the answer began
	size       int64         // of the body, as far as it was read
	compressed bool          // it came in gzip, which net/http had asked for and undid
	tls        *tls.ConnectionState
	err        error
}

// recorder is a transport that remembers each exchange.
type recorder struct {
	base http.RoundTripper

	mu   sync.Mutex
	list []*exchange
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{url: req.URL.String()}
	r.mu.Lock()
	r.list = append(r.list, x)
	r.mu.Unlock()

	start := time.Now()
	resp, err := r.base.RoundTrip(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	x.at, x.err = time.Now(), err
	x.took = x.at.Sub(start)
	if resp != nil {
		x.status, x.header, x.tls, x.compressed = resp.StatusCode, resp.Header.Clone(), resp.TLS, resp.Uncompressed
		resp.Body = &countingBody{resp.Body, r, x, start}
	}
	return resp, err
}

// CloseIdleConnections is for http.Client.
func (r *recorder) CloseIdleConnections() {
	if c, ok := r.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// exchanges returns copies of all so far.
func (r *recorder) exchanges() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]exchange, len(r.list))
	for i, x := range r.list {
		list[i] = *x
	}
	return list
}

// countingBody tells its exchange how much was read, and when.
type countingBody struct {
	io.ReadCloser
	r     *recorder
	x     *exchange
	start time.Time
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.x.size += int64(n)
	b.x.took = time.Since(b.start)
	return n, err
}

// issuerOptions are those for an issuer that was named: one that stands for many
// tenants stands for all of them here.
func issuerOptions(issuer string) []jwks.ClientOption {
	opts := []jwks.ClientOption{jwks.WithIssuer(issuer)}
	if binding.IsTemplate(issuer) {
		opts = append(opts, jwks.WithTenants())
	}
	return opts
}
