package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/httpcache"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/keyfile"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// origin is where a key set comes from. It has no lock and no state: what a
// load needs comes as an [inquiry], and what it found is returned.
type origin struct {
	cfg     *clientConfig
	fetcher *fetch.Fetcher
}

func newOrigin(cfg *clientConfig) origin {
	client := cfg.httpClient
	if cfg.publicOnly {
		client = guardedClient(cfg)
	}
	return origin{cfg, fetch.New(fetch.Config{
		Client:      client,
		TLS:         cfg.tls,
		MoreHeaders: cfg.headerGroups(),
		Timeout:     cfg.timeout,
		Retries:     cfg.retries,
		MaxSize:     cfg.maxDocument,
		AllowHTTP:   cfg.insecure,
		UserAgent:   fetch.UserAgent,
	})}
}

// guardedClient is the client of the configuration kept on the public Internet.
func guardedClient(cfg *clientConfig) *http.Client {
	if cfg.httpClient == nil {
		return publicnet.New(cfg.tls)
	}
	return publicnet.Client(cfg.httpClient)
}

// inquiry is what one load needs to know.
type inquiry struct {
	cause              freshness.Cause
	conditional        bool             // the validators of the last load may be believed
	last               *loaded          // what the last load brought; nil if nothing
	kept               *loaded          // whose discovery document is newer than that; nil if none is
	binding            *binding.Binding // of the keys; nil: to the issuer that the discovery document names
	firstAttemptFailed func(err error)  // called for each document whose first attempt failed while others follow
}

// loaded is what one load brought.
type loaded struct {
	set         *KeySet
	notModified bool // it is the last one's set
	onTrust     bool // a server said so, by validators; else it was compared
	binding     *binding.Binding
	document    // zero without discovery, and with a seed

	jwksURL            string
	etag, lastModified string // validators of the key set

	age          time.Duration // how long ago the origin made the answer
	serverTTL    time.Duration // the lifetime that its headers ask for
	hasServerTTL bool          // whether they ask for one
	from         *provenance   // for a store; nil without one
}

// document is a discovery document and where and when it was found.
type document struct {
	metadata     *Metadata
	discoveryURL string
	discoveredAt time.Time
}

// load fetches the key set, and the discovery document before it if that is
// due: with every refresh, except a refresh for a key while the document is younger
// than the TTL; and again if the key set is no longer where the document says. If load
// fails after it has fetched the document, it returns that together with the error.
func (o origin) load(ctx context.Context, q inquiry) (*loaded, error) {
	if o.cfg.keyFile != "" {
		return o.loadFile(q)
	}
	defer o.fetcher.CloseIdle()
	next := &loaded{binding: q.binding, jwksURL: o.cfg.jwksURL}
	discovered := false
	if o.cfg.discovers() {
		if known := o.knownDocument(q); known != nil {
			next.document, next.jwksURL = known.document, known.jwksURL
		} else if err := o.discover(ctx, q, next); err != nil {
			return nil, err
		} else {
			discovered = true
		}
	}
	response, err := o.getKeySet(ctx, q, next.jwksURL)
	if isGone(err) && o.cfg.discovers() && !discovered {
		if err := o.discover(ctx, q, next); err != nil {
			return nil, err
		}
		response, err = o.getKeySet(ctx, q, next.jwksURL)
	}
	if isGone(err) { // so the document is outdated
		return nil, err
	}
	if err != nil {
		return next, err
	}
	if err := o.read(response, q.last, next); err != nil {
		return next, &FetchError{URL: show.WholeURL(next.jwksURL), StatusCode: http.StatusOK, Err: explainDocument(err, response)}
	}
	return next, nil
}

// knownDocument is the load whose discovery document need not be fetched again,
// or nil.
func (o origin) knownDocument(q inquiry) *loaded {
	switch {
	case q.kept != nil && time.Since(q.kept.discoveredAt) < o.cfg.ttl:
		return q.kept
	case q.last != nil && q.last.metadata != nil && q.cause.ForKey() && time.Since(q.last.discoveredAt) < o.cfg.ttl:
		return q.last
	}
	return nil
}

// loadFile reads the key set from a file. Its content says whether it changed:
// dates and sizes may be those of the old one.
func (o origin) loadFile(q inquiry) (*loaded, error) {
	next := &loaded{binding: q.binding, jwksURL: o.cfg.keyFile}
	var previous *KeySet
	if q.last != nil {
		previous = q.last.set
	}
	text, err := keyfile.Read(o.cfg.keyFile, o.cfg.maxDocument)
	if err == nil {
		next.set, err = readKeyFile(text, jwk.Reader{Uses: o.cfg.uses}, next.binding, previous)
	}
	if err != nil {
		return nil, &FetchError{URL: o.cfg.keyFile, Err: err}
	}
	if next.notModified = next.set == previous; !next.notModified {
		next.set.accelerate(o.cfg.accelerator)
	}
	return next, nil
}

// readKeyFile reads what a file of keys holds: PEM or a JWK Set.
func readKeyFile(document []byte, reader jwk.Reader, b *binding.Binding, previous *KeySet) (*KeySet, error) {
	if jwk.IsPEM(document) {
		return readPEM(document, b, previous)
	}
	return readKeySet(document, reader, b, previous)
}

// read takes in what the key set's URL answered.
func (o origin) read(response *fetch.Response, last, next *loaded) error {
	if next.binding == nil && next.metadata != nil {
		next.binding = binding.New(next.metadata.Issuer, o.cfg.tenants, o.cfg.aliases...)
	}
	var previous *KeySet
	if last != nil {
		previous = last.set
	}
	next.notModified, next.onTrust = response.NotModified, response.NotModified
	if response.NotModified {
		next.set = previous
	} else {
		set, err := readKeySet(response.Body, jwk.Reader{Uses: o.cfg.uses}, next.binding, previous)
		if err != nil {
			return err
		}
		set.accelerate(o.cfg.accelerator)
		next.set = set
	}
	next.age = httpcache.Age(response.Header)
	next.serverTTL, next.hasServerTTL = httpcache.Lifetime(response.Header, time.Now())
	next.etag, next.lastModified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	next.from = o.provenanceOf(response, last, next.age)
	if response.NotModified { // what it does not repeat stays (RFC 9111 section 4.3.4)
		next.etag, next.lastModified = cmp.Or(next.etag, last.etag), cmp.Or(next.lastModified, last.lastModified)
		if !next.hasServerTTL {
			next.serverTTL, next.hasServerTTL = last.serverTTL, last.hasServerTTL
		}
	}
	return nil
}

// getKeySet requests the key set, conditionally if the last one came from
// the same place and only its age speaks against it (RFC 9110 section
// 13.1).
func (o origin) getKeySet(ctx context.Context, q inquiry, url string) (*fetch.Response, error) {
	r := fetch.Request{URL: url}
	if q.conditional && q.last != nil && q.last.jwksURL == url {
		r.ETag, r.LastModified = q.last.etag, q.last.lastModified
	}
	return o.get(ctx, q, r)
}

// get fetches a document. A refresh that doubts the current copy bypasses
// caches on the way, which may have the old document too (RFC 9111 section
// 5.2.1.4). A refresh for age accepts a cached response that is within the TTL
// (section 5.2.1.1); if a cache returns an older one anyway, it is bypassed.
func (o origin) get(ctx context.Context, q inquiry, r fetch.Request) (*fetch.Response, error) {
	r.Budget = o.cfg.deadline()
	r.Stumbled = func(e *fetch.Error) { q.firstAttemptFailed(fetchError(e)) }
	if r.NoCache = q.cause != freshness.ForAge || o.cfg.noCache; !r.NoCache {
		r.MaxAge = o.cfg.ttl
	}
	response, err := o.fetcher.Get(ctx, r)
	if err == nil && !r.NoCache && httpcache.Age(response.Header) >= o.cfg.ttl {
		r.NoCache, r.MaxAge, r.ETag, r.LastModified = true, 0, "", ""
		response, err = o.fetcher.Get(ctx, r)
	}
	if err != nil {
		return nil, fetchError(err)
	}
	return response, nil
}

// isGone says that the key set is not where the discovery document said.
func isGone(err error) bool {
	var e *FetchError
	return errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone)
}

// fetchError turns a failure of package fetch into this package's error.
func fetchError(err error) *FetchError {
	var e *fetch.Error
	if errors.As(err, &e) {
		// An HTTP client may verify tokens itself, and fail with errors of the other class.
		return &FetchError{URL: e.URL, StatusCode: e.StatusCode, RetryAfter: e.RetryAfter, Err: fault.Within(ErrUnavailable, e.Err)}
	}
	return &FetchError{Err: err}
}

// abandonedError is for a load that never returned.
func (o origin) abandonedError() error {
	return &FetchError{
		URL: show.WholeURL(o.place()),
		Err: errors.New("the HTTP client ended its goroutine"),
	}
}

// place is where the keys come from while nothing is known but the
// configuration; "" for a static set.
func (o origin) place() string {
	return cmp.Or(o.cfg.jwksURL, o.cfg.keyFile, o.cfg.discoveryURL, o.cfg.issuer)
}

// tooLateError is for a load that was answered long after its deadline: the
// answer may be as old as the time that passed.
func (o origin) tooLateError(l *loaded, took, deadline time.Duration) error {
	return &FetchError{
		URL: show.WholeURL(l.jwksURL),
		Err: fmt.Errorf("the answer was read %s after it was asked for, later than the %s for the whole refresh: this process stood still", show.Round(took), show.Round(deadline)),
	}
}

// name is how errors name the source of the keys.
func (o origin) name() string {
	if place := cmp.Or(o.cfg.jwksURL, o.cfg.keyFile, o.cfg.issuer, o.cfg.discoveryURL); place != "" {
		return show.Place(place)
	}
	return "the static key set"
}

// explainDocument says what came in place of a key set or a discovery document,
// where that is plain to see.
func explainDocument(err error, response *fetch.Response) error {
	reason, wanted := ErrInvalidKeySet, "a key set"
	switch {
	case errors.Is(err, ErrIssuerMismatch):
		return err
	case errors.Is(err, ErrInvalidMetadata):
		reason, wanted = ErrInvalidMetadata, "a discovery document"
	case !errors.Is(err, ErrInvalidKeySet):
		return err
	}
	if what := fetch.Sniff(response.Body, response.Header.Get("Content-Type")); what != "" {
		return fault.Unavailable("what came is "+what+", want "+wanted+", which is a JSON object", err)
	}
	switch keys, uri := plainMembers(response.Body); {
	case reason == ErrInvalidKeySet && !keys && uri != "":
		return fault.Unavailable("what came is a discovery document, want a key set: use WithIssuer or WithDiscoveryURL instead of WithJWKSURL, or give WithJWKSURL its jwks_uri "+show.QuoteURL(uri), err)
	case reason == ErrInvalidMetadata && keys && uri == "":
		return fault.Unavailable("what came is a key set, want a discovery document: use WithJWKSURL for this URL", err)
	}
	return err
}

// plainMembers says whether a document has an array "keys", and returns its
// "jwks_uri".
func plainMembers(document []byte) (keys bool, uri string) {
	members := strictjson.Object(string(strictjson.TrimBOM(document)))
	members.AllowDuplicates()
	for members.Next() {
		switch v := members.Value(); {
		case members.Name() == "keys" && v.Kind() == strictjson.Array:
			keys = true
		case members.Name() == "jwks_uri":
			uri, _ = v.OptionalText()
		}
	}
	return keys, uri
}

// explainPlace names the mistake in an issuer that is the URL of its document.
func (o origin) explainPlace(err error) error {
	var e *FetchError
	if o.cfg.discoveryURL != "" || !strings.Contains(o.cfg.issuer, "/.well-known/") || !errors.As(err, &e) || e.Err == nil {
		return err
	}
	explained := *e
	explained.Err = fault.Unavailable(bare(e.Err)+"; the issuer is what comes before /.well-known/: use that for WithIssuer, or WithDiscoveryURL for the document", e.Err)
	return &explained
}
