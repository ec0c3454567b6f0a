package jwkstest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// HTTPClient returns a new HTTP client that reaches only this issuer, in memory:
// there is no socket and no goroutine, so it works inside a
// testing/synctest bubble. It reaches the issuer's host with http and
// https alike, and checks no certificates. A request to any other host fails
// as for a host that does not exist, with a [net.DNSError]; after
// [Issuer.Close], requests fail as if nothing were listening. Requests end with their
// context.
func (i *Issuer) HTTPClient() *http.Client { return HTTPClient(i) }

// HTTPClient returns one client that reaches several issuers in memory, each at
// its own URL, as [Issuer.HTTPClient] does for one: for services that trust more
// than one issuer. Give the issuers different URLs with [WithBaseURL] or [WithPath]; two
// with the same URL panic.
func HTTPClient(issuers ...*Issuer) *http.Client {
	for n, i := range issuers {
		for _, other := range issuers[:n] {
			if i != other && i.documents == other.documents {
				panic(fmt.Sprintf("jwkstest: HTTPClient: two issuers are at %s: tell them apart by WithBaseURL or WithPath", i.documents))
			}
		}
	}
	return &http.Client{Transport: transport(slices.Clone(issuers))}
}

type transport []*Issuer

// issuer finds who answers for a URL: of several on one host the one that has a
// document there, else the first.
func (t transport) issuer(u *url.URL) *Issuer {
	var first *Issuer
	host := hostOf(u)
	for _, i := range t {
		if i.host != host {
			continue
		}
		if i.has(u.Path) {
			return i
		}
		if first == nil {
			first = i
		}
	}
	return first
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close() // a RoundTripper closes it, errors or not
	}
	issuer := t.issuer(r.URL)
	if issuer == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
			Err:        "no such host: this client of jwkstest reaches only " + t.hosts(),
			Name:       r.URL.Hostname(),
			IsNotFound: true,
		}}
	}
	a, err := issuer.answer(r)
	if err != nil {
		return nil, err
	}
	body, length := a.body, int64(len(a.body))
	if len(body) > 0 {
		a.header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if r.Method == http.MethodHead {
		body = nil // but the length is that of a GET: RFC 9110 section 9.3.2
	}
	return &http.Response{
		Status:        strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: length,
		Request:       r,
	}, nil
}

// hosts lists whom the client reaches.
func (t transport) hosts() string {
	var hosts []string
	for _, i := range t {
		if host := strconv.Quote(i.host); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if hosts == nil {
		return "nobody"
	}
	return strings.Join(hosts, ", ")
}

// Handler serves the issuer on a real socket, for code whose HTTP client cannot
// be replaced. [WithBaseURL] must name the server's address; see the example.
// The handler looks at the path of a request, not at its host, so it can be mounted
// next to other handlers but not below another path. [Hang] and [Delay] end
// with the request's context. If there is no answer, and after
// [Issuer.Close], the connection is closed ([http.ErrAbortHandler]).
func (i *Issuer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := i.answer(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		for name, values := range a.header {
			w.Header()[name] = values
		}
		if len(a.body) > 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // it fails when the client has gone
	})
}
