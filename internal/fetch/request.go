package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// HeaderFunc is a configured header whose value is asked for before each
// attempt, once, when it is first needed: for tokens that change. "" leaves the
// header out. An error fails the attempt.
type HeaderFunc struct {
	Name  string
	Value func(ctx context.Context) (string, error)
}

// HeaderGroup is what [Config] says of headers, for more of them that go to
// other hosts.
type HeaderGroup struct {
	Header http.Header
	Funcs  []HeaderFunc
	Hosts  []string // as Config.HeaderHosts
}

// headers are configured headers and where they go.
type headers struct {
	static     http.Header
	funcs      []HeaderFunc
	hosts      []headerHost
	everywhere bool // hosts is empty
	firstHost  bool // to the host of the Request's URL alone; hosts is empty
}

// newHeaders sorts what is configured: first what goes everywhere, then one for
// each group.
func newHeaders(groups []HeaderGroup) []headers {
	public := headers{static: http.Header{}, everywhere: true}
	var all []headers
	for _, g := range groups {
		h := headers{static: http.Header{}, firstHost: g.Hosts == nil}
		for _, s := range g.Hosts {
			if host, err := parseHeaderHost(s); err == nil { // what is not a host matches none
				h.hosts = append(h.hosts, host)
			}
		}
		for name, values := range g.Header {
			switch name = http.CanonicalHeaderKey(name); {
			case name == "Accept-Encoding": // see Config.Header
			case IsPublicHeader(name):
				public.static[name] = append([]string(nil), values...)
			default:
				h.static[name] = append([]string(nil), values...)
			}
		}
		for _, f := range g.Funcs {
			switch f.Name = http.CanonicalHeaderKey(f.Name); {
			case f.Name == "Accept-Encoding":
			case IsPublicHeader(f.Name):
				public.funcs = append(public.funcs, f)
			default:
				h.funcs = append(h.funcs, f)
			}
		}
		if len(h.static)+len(h.funcs) > 0 {
			all = append(all, h)
		}
	}
	if len(public.static)+len(public.funcs) > 0 { // a service may have many clients, most without any
		all = append([]headers{public}, all...)
	}
	return all
}

// permits says whether these headers may go to target in a Get of first.
func (h *headers) permits(target, first *url.URL) bool {
	switch {
	case h.everywhere:
		return true
	case h.firstHost:
		return hostPort(target) == hostPort(first)
	}
	return slices.ContainsFunc(h.hosts, func(host headerHost) bool { return host.is(target) })
}

// IsPublicHeader tells the headers that are not credentials and go everywhere.
func IsPublicHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return name == "Accept" || name == "User-Agent"
}

// sending is one attempt on its way from host to host. It travels in the
// context of the requests, where the redirect policy finds it.
type sending struct {
	f        *Fetcher
	first    *url.URL
	last     url.URL // of the last request
	withheld bool    // some of the configured headers were not in that request

	asked []http.Header // what the functions of each headers said; nil: not asked
}

type sendingKey struct{}

// set gives a request to one host its configured headers, and takes away what
// net/http copied from the request to an earlier host.
func (s *sending) set(req *http.Request) error {
	s.last = *req.URL // what transports change is not what is told
	all := s.f.headers
	for _, h := range all {
		if h.everywhere {
			continue
		}
		for name := range h.static {
			req.Header.Del(name)
		}
		for _, fn := range h.funcs {
			req.Header.Del(fn.Name)
		}
	}
	if s.asked == nil {
		s.asked = make([]http.Header, len(all))
	}
	s.withheld = false
	for i := range all {
		if !all[i].permits(req.URL, s.first) {
			s.withheld = true
		} else if err := s.add(req, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *sending) add(req *http.Request, i int) error {
	h := &s.f.headers[i]
	if s.asked[i] == nil {
		values := make(http.Header, len(h.funcs))
		for _, fn := range h.funcs {
			value, err := fn.ask(req.Context())
			if err != nil {
				return &headerError{fn.Name, err}
			}
			if value != "" {
				values[fn.Name] = []string{value}
			}
		}
		s.asked[i] = values
	}
	for _, from := range []http.Header{h.static, s.asked[i]} {
		for name, values := range from {
			if name == "Host" { // net/http ignores it in the header
				if len(values) > 0 {
					req.Host = values[0]
				}
				continue
			}
			req.Header[name] = append([]string(nil), values...)
		}
	}
	return nil
}

// ask calls the function of the user's; see attempt.do about its panics.
func (h HeaderFunc) ask(ctx context.Context) (value string, err error) {
	defer func() {
		if v := recover(); v != nil {
			value, err = "", fmt.Errorf("it panicked (%T)", v)
		}
	}()
	value, err = h.Value(ctx)
	switch {
	case err != nil:
		return "", wrap(err)
	case strings.ContainsFunc(value, notInHeader): // RFC 9110 5.5
		return "", errors.New("its value has a line break or another control character")
	}
	return value, nil
}

// headerError says that a header function failed.
type headerError struct {
	name string
	err  error
}

func (e *headerError) Error() string {
	return "the function for the header " + show.Quote(e.name) + " failed: " + e.err.Error()
}
func (e *headerError) Unwrap() error { return e.err }

func notInHeader(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// newRequest builds the GET request of one attempt. conditional says that 304
// is an answer to it.
func (s *sending) newRequest(ctx context.Context, r Request) (req *http.Request, conditional bool, err error) {
	target := *s.first // each attempt has its own: transports may change it
	target.Host = strings.TrimSuffix(target.Host, ":")
	req = (&http.Request{
		Method: http.MethodGet, URL: &target, Host: target.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(context.WithValue(ctx, sendingKey{}, s))
	// RFC 7517 8.5.2, and what metadata documents and most servers use.
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if s.f.userAgent != "" {
		req.Header.Set("User-Agent", s.f.userAgent)
	}
	if err := s.set(req); err != nil {
		return nil, conditional, err
	}
	// RFC 9110 13.1.2 and 13.1.3. Servers that know the first ignore the
	// second.
	if sendable(r.ETag) {
		req.Header.Set("If-None-Match", r.ETag)
		conditional = true
	}
	if sendable(r.LastModified) {
		req.Header.Set("If-Modified-Since", r.LastModified)
		conditional = true
	}
	switch {
	case r.NoCache:
		req.Header.Set("Cache-Control", "no-cache")
	case r.MaxAge > 0:
		req.Header.Set("Cache-Control", "max-age="+strconv.FormatInt(int64(r.MaxAge/time.Second), 10))
	}
	return req, conditional, nil
}

// sendable reports whether a validator that a server sent can be sent back.
// One that net/http refuses in a request must not make every refresh fail: the
// request is just not conditional then.
func sendable(v string) bool {
	return v != "" && len(v) <= maxValidator && !strings.ContainsFunc(v, notInHeader)
}
