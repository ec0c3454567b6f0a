package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// headers are the configured headers, by where they go.
type headers struct {
	everywhere, private           http.Header
	funcsEverywhere, funcsPrivate []HeaderFunc
}

func newHeaders(static http.Header, funcs []HeaderFunc) headers {
	h := headers{everywhere: http.Header{}, private: http.Header{}}
	for name, values := range static {
		switch name = http.CanonicalHeaderKey(name); {
		case name == "Accept-Encoding": // see Config.Header
		case isPublic(name):
			h.everywhere[name] = append([]string(nil), values...)
		default:
			h.private[name] = append([]string(nil), values...)
		}
	}
	for _, f := range funcs {
		switch f.Name = http.CanonicalHeaderKey(f.Name); {
		case f.Name == "Accept-Encoding":
		case isPublic(f.Name):
			h.funcsEverywhere = append(h.funcsEverywhere, f)
		default:
			h.funcsPrivate = append(h.funcsPrivate, f)
		}
	}
	return h
}

// isPublic tells the headers that are no credentials.
func isPublic(name string) bool { return name == "Accept" || name == "User-Agent" }

// sending is one attempt on its way from host to host. It travels in the
// context of the requests, where the redirect policy finds it.
type sending struct {
	f        *Fetcher
	first    *url.URL
	last     *url.URL // of the last request
	withheld bool     // there are configured headers, and that request had none

	asked [2]http.Header // what the functions said, public and private; nil: not asked
}

type sendingKey struct{}

// set gives a request to one host its configured headers, and takes away what
// net/http copied from the request to an earlier host.
func (s *sending) set(req *http.Request) error {
	h := &s.f.headers
	s.last = req.URL
	for name := range h.private {
		req.Header.Del(name)
	}
	for _, fn := range h.funcsPrivate {
		req.Header.Del(fn.Name)
	}
	if err := s.add(req, h.everywhere, h.funcsEverywhere, 0); err != nil {
		return err
	}
	s.withheld = !s.f.permits(req.URL, s.first)
	if s.withheld {
		s.withheld = len(h.private)+len(h.funcsPrivate) > 0
		return nil
	}
	return s.add(req, h.private, h.funcsPrivate, 1)
}

func (s *sending) add(req *http.Request, static http.Header, funcs []HeaderFunc, slot int) error {
	if s.asked[slot] == nil {
		values := make(http.Header, len(funcs))
		for _, fn := range funcs {
			value, err := fn.ask(req.Context())
			if err != nil {
				return &headerError{fn.Name, err}
			}
			if value != "" {
				values[fn.Name] = []string{value}
			}
		}
		s.asked[slot] = values
	}
	for _, from := range []http.Header{static, s.asked[slot]} {
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
	if s.f.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", s.f.cfg.UserAgent)
	}
	if err := s.set(req); err != nil {
		return nil, false, err
	}
	s.last = s.first // what transports change is not what is told
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
