package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// latency is what every answer takes: more than nothing, so that no request
// ends in the moment it begins.
const latency = time.Millisecond

// secretHeader is a configured header, which is for configured hosts only.
const secretHeader = "X-Secret"

// state is what one document of a site does at the moment.
type state struct {
	fault fault
	d     time.Duration
}

// site is one issuer: what it publishes, and how the way to it is.
type site struct {
	issuer    string
	host      string
	keysHost  string
	moved     int         // the number of the key set's URL
	history   []*document // the last one is published
	states    [3]state    // by doc
	header    header
	headerAge time.Duration
	validator validator
	path      path
	copies    map[string]*answer // what the cache on the way holds, by URL
}

func hostOf(issuer int) string { return fmt.Sprintf("issuer-%d.example", issuer) }

func newSite(number int, c config) *site {
	host := hostOf(number)
	s := &site{issuer: "https://" + host, host: host, keysHost: host, header: c.header, headerAge: c.headerAge, validator: c.validator, path: c.path,
		copies: map[string]*answer{}}
	if c.otherHost {
		s.keysHost = "keys-" + host
	}
	return s
}

func (s *site) keysURL() string { return fmt.Sprintf("https://%s/keys-%d", s.keysHost, s.moved) }

func (s *site) discoveryURL() string { return s.issuer + "/.well-known/openid-configuration" }

// published is the newest document.
func (s *site) published() *document { return s.history[len(s.history)-1] }

// issue publishes a new document.
func (s *site) issue(now time.Duration, entries []entry) {
	s.history = append(s.history, &document{entries: entries, number: len(s.history), since: now})
}

// request is one request and what came of it.
type request struct {
	site       *site
	url        string
	doc        doc
	start, end time.Duration
	done       bool

	cacheControl, ifNoneMatch, ifModifiedSince string
	secret                                     bool

	ended  bool // by its context
	frozen bool // the process was, while it was under way
	err    error
	answer *answer
}

// answer is an answer of an origin or of a cache.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	document *document     // of a usable key set, confirmed by a 304 too
	good     bool          // a client can use it
	made     time.Duration // when the origin made it
	age      time.Duration // of a copy, as its header says
	copyEnds time.Duration // when a cache throws it away
	asked    time.Duration // the lifetime that its headers ask for, from made on
	said     bool          // that they ask for one
	wait     time.Duration // Retry-After
	confirms bool          // 304
}

// network is an http.RoundTripper in memory.
type network struct {
	now   func() time.Duration
	sites []*site

	mu       sync.Mutex
	requests []*request
	frozen   chan struct{} // closed at the end of a freeze; nil outside one
}

var errRefused = errors.New("connection refused by the simulation")

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	s, d := n.find(req)
	r := &request{site: s, url: req.URL.String(), doc: d, start: n.now(), cacheControl: req.Header.Get("Cache-Control"),
		ifNoneMatch: req.Header.Get("If-None-Match"), ifModifiedSince: req.Header.Get("If-Modified-Since"), secret: req.Header.Get(secretHeader) != ""}
	n.requests = append(n.requests, r)
	n.mu.Unlock()

	a, err := n.ask(req.Context(), r)
	n.thaw(req.Context(), r)
	if cause := req.Context().Err(); cause != nil {
		a, err = nil, cause
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	r.end, r.done, r.answer, r.err = n.now(), true, a, err
	r.ended = req.Context().Err() != nil
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: a.status, Status: strconv.Itoa(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req}, nil
}

// find is whose document a request asks for.
func (n *network) find(req *http.Request) (*site, doc) {
	for _, s := range n.sites {
		if req.URL.Host == s.host && strings.Contains(req.URL.Path, "/.well-known/") {
			return s, discovery
		}
		if req.URL.Host == s.keysHost || req.URL.Host == "evil-"+s.host {
			return s, keysDoc
		}
	}
	return nil, both
}

// pause waits, under the request's context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// thaw holds an answer back while the process is frozen: it cannot read it.
func (n *network) thaw(_ context.Context, r *request) {
	n.mu.Lock()
	frozen := n.frozen
	r.frozen = frozen != nil
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// ask gets an answer: from the cache on the way, else from the origin.
func (n *network) ask(ctx context.Context, r *request) (*answer, error) {
	if err := pause(ctx, latency); err != nil {
		return nil, err
	}
	if r.site == nil {
		return nil, errRefused
	}
	n.mu.Lock()
	a := r.site.fromCopy(n.now(), r)
	st := r.site.states[r.doc]
	early := r.site.origin(n.now(), r) // what is sent if it was made now
	n.mu.Unlock()
	if a != nil {
		return a, nil
	}
	switch st.fault {
	case refused:
		return nil, errRefused
	case hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case slow, slowBody:
		if err := pause(ctx, st.d); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a = early
	if st.fault == slow {
		a = r.site.origin(n.now(), r)
	}
	return r.site.deliver(a, r), nil
}

// fromCopy is what the cache on the way answers by itself (RFC 9111 section
// 4.2, and 5.2.1 for what a request may ask of it).
func (s *site) fromCopy(now time.Duration, r *request) *answer {
	c := s.copies[r.url]
	if s.path == direct || r.doc != keysDoc || c == nil || now >= c.copyEnds {
		return nil
	}
	age := (now - c.made).Truncate(time.Second)
	if s.path == obeying {
		for _, directive := range strings.Split(r.cacheControl, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if limit, err := strconv.Atoi(value); name == "no-cache" || name == "max-age" && err == nil && age > time.Duration(limit)*time.Second {
				return nil
			}
		}
	}
	a := *c
	a.header = c.header.Clone()
	a.age = age
	a.header.Set("Age", strconv.Itoa(int(age/time.Second)))
	return s.conditional(&a, r)
}

// deliver passes an answer of the origin on, through the cache on the way,
// which keeps a copy.
func (s *site) deliver(a *answer, r *request) *answer {
	if s.path != direct && r.doc == keysDoc && a.status == 200 && a.good && a.copyEnds > a.made {
		s.copies[r.url] = a
	}
	return s.conditional(a, r)
}

// conditional makes a 304 of an answer whose validator the request has (RFC
// 9110 section 13.1).
func (s *site) conditional(a *answer, r *request) *answer {
	if a.status != 200 || !a.good {
		return a
	}
	match := false
	if r.ifNoneMatch != "" {
		match = slices.Contains(strings.Split(r.ifNoneMatch, ", "), a.header.Get("ETag"))
	} else if since, err := http.ParseTime(r.ifModifiedSince); err == nil {
		modified, err := http.ParseTime(a.header.Get("Last-Modified"))
		match = err == nil && !modified.After(since)
	}
	if !match {
		return a
	}
	confirmed := *a
	confirmed.status, confirmed.body, confirmed.confirms = 304, nil, true
	return &confirmed
}

// origin is what the origin answers now.
func (s *site) origin(now time.Duration, r *request) *answer {
	if r.doc == discovery {
		return s.originDiscovery(now, r)
	}
	return s.originKeys(now, r)
}

// failing makes the answer of a fault, nil if the document itself is sent.
func (s *site) failing(now time.Duration, r *request) *answer {
	st := s.states[r.doc]
	plain := func(status int) *answer {
		h := http.Header{"Cache-Control": {"max-age=86400"}, "Age": {"10"}}
		return &answer{status: status, header: h, body: []byte("no"), made: now}
	}
	page := func(text string) *answer {
		a := plain(200)
		a.header, a.body = http.Header{"Content-Type": {"text/html"}}, []byte(text)
		return a
	}
	switch st.fault {
	case status500:
		return plain(500)
	case status429:
		return plain(429)
	case status404:
		return plain(404)
	case status403:
		return plain(403)
	case retryAfter:
		a := plain(503)
		a.wait = st.d
		a.header.Set("Retry-After", strconv.Itoa(int(st.d/time.Second)))
		return a
	case htmlPage:
		return page("<!DOCTYPE html><title>Sign in</title>")
	case truncated:
		return page(`{"keys":[{"kty":"OKP"`)
	case emptySet:
		return page(`{"keys":[],"issuer":null}`)
	}
	return nil
}

func (s *site) originDiscovery(now time.Duration, r *request) *answer {
	if a := s.failing(now, r); a != nil {
		return a
	}
	first := strings.HasSuffix(r.url, "/openid-configuration")
	a := &answer{status: 200, header: http.Header{"Content-Type": {"application/json"}}, made: now, good: true}
	issuer, keysURL := s.issuer, s.keysURL()
	switch s.states[discovery].fault {
	case elsewhere:
		if first {
			return &answer{status: 404, header: http.Header{}, made: now}
		}
	case badGateway:
		if first {
			return &answer{status: 200, header: http.Header{}, body: []byte("<html>"), made: now}
		}
	case foreign:
		a.good = false
		issuer, keysURL = "https://evil-"+s.host, "https://evil-"+s.host+"/keys"
	case noURL:
		a.good = false
		a.body = fmt.Appendf(nil, `{"issuer":%q}`, s.issuer)
		return a
	default:
		if !first {
			return &answer{status: 404, header: http.Header{}, made: now}
		}
	}
	a.body = fmt.Appendf(nil, `{"issuer":%q,"jwks_uri":%q}`, issuer, keysURL)
	return a
}

func (s *site) originKeys(now time.Duration, r *request) *answer {
	d := s.published()
	if strings.HasPrefix(r.url, "https://evil-") {
		stolen := &document{}
		for _, e := range d.entries {
			stolen.entries = append(stolen.entries, entry{key: key{e.kid, forger}})
		}
		return &answer{status: 200, header: http.Header{}, body: stolen.body(), made: now}
	}
	if r.url != s.keysURL() {
		return &answer{status: 404, header: http.Header{}, made: now}
	}
	if a := s.failing(now, r); a != nil {
		return a
	}
	a := &answer{status: 200, header: http.Header{"Content-Type": {"application/jwk-set+json"}}, body: d.body(), made: now}
	a.good = len(d.usable()) > 0
	if a.good {
		a.document = d
	}
	a.header.Set("Date", bubbleStart.Add(now).Format(http.TimeFormat))
	s.lifetime(a, now)
	s.validate(a, d)
	return a
}

// lifetime sets the headers that say how long an answer may be used.
func (s *site) lifetime(a *answer, now time.Duration) {
	switch s.header {
	case maxAgeHeader:
		a.header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(s.headerAge/time.Second)))
	case expiresHeader:
		a.header.Set("Expires", bubbleStart.Add(now+s.headerAge).Format(http.TimeFormat))
	case noCacheHeader:
		a.header.Set("Cache-Control", "no-cache")
	case noStoreHeader:
		a.header.Set("Cache-Control", "no-store")
	case noHeader:
		return
	}
	a.said = true
	if s.header == maxAgeHeader || s.header == expiresHeader {
		a.asked = s.headerAge.Truncate(time.Second)
		a.copyEnds = now + a.asked
	}
}

// validate sets the validators.
func (s *site) validate(a *answer, d *document) {
	switch s.validator {
	case trueETag:
		a.header.Set("ETag", fmt.Sprintf(`"v%d"`, d.number))
	case lyingETag:
		a.header.Set("ETag", `"12cea601-18b"`)
	case trueModified:
		a.header.Set("Last-Modified", bubbleStart.Add(d.since).Format(http.TimeFormat))
	case lyingModified:
		a.header.Set("Last-Modified", "Tue, 01 Jan 1980 00:00:01 GMT")
	}
}
