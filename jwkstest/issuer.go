package jwkstest

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tenantID is what stands for a tenant in the issuers of Microsoft Entra.
const tenantID = "{tenantid}"

// Issuer is a fake issuer. [New] and [Start] make one. It is safe for concurrent
// use.
type Issuer struct {
	url       string // the issuer identifier
	documents string // without its trailing slashes: where the documents are
	path      string // the path of documents, decoded
	host      string // see hostOf

	withoutKeyIDs bool

	mu              sync.Mutex
	made            []*signingKey // every key, removed ones too; the last is the newest
	published       []*signingKey
	signer          *signingKey
	fault           Fault
	jwksFault       Fault
	cacheControl    string
	requests        Requests
	closed          bool
	waiting         map[chan struct{}]struct{} // closed by Close, to end what waits
	released        int                        // how many of made went back to the pool
	keepsKeysToTest bool                       // see New
}

// New starts an issuer for a test and closes it with tb.Cleanup. A bad option fails the
// test with tb.Fatal.
func New(tb testing.TB, opts ...Option) *Issuer {
	tb.Helper()
	i, err := newIssuer(opts)
	if err != nil {
		tb.Fatal(err)
	}
	// A test that closes an issuer and starts another in its place must find
	// other keys there. So these stay with the test until its end.
	i.keepsKeysToTest = true
	tb.Cleanup(func() {
		i.Close()
		i.releaseKeys()
	})
	return i
}

// Start starts an issuer outside a test, for an example or a development
// server. The caller must close it. A bad option panics.
func Start(opts ...Option) *Issuer {
	i, err := newIssuer(opts)
	if err != nil {
		panic(err)
	}
	return i
}

func newIssuer(opts []Option) (*Issuer, error) {
	c := config{algorithms: []string{"RS256"}, base: "https://issuer.jwkstest.example"}
	var errs []error
	for _, o := range opts {
		errs = append(errs, o.apply(&c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	i := &Issuer{url: c.base + c.path, withoutKeyIDs: c.withoutKeyIDs, waiting: make(map[chan struct{}]struct{})}
	i.documents = strings.TrimRight(i.url, "/")
	u, err := url.Parse(i.documents)
	if err != nil {
		return nil, err
	}
	i.path, i.host = u.Path, hostOf(u)
	for _, alg := range c.algorithms {
		if _, err := i.addKey(alg); err != nil {
			i.releaseKeys()
			return nil, err
		}
	}
	i.signer = i.made[0]
	return i, nil
}

// URL is the issuer identifier, the "iss" of its tokens. It ends in a slash only
// if the path of [WithPath] does.
func (i *Issuer) URL() string { return i.url }

// JWKSURL is where the key set is: /jwks below the issuer.
func (i *Issuer) JWKSURL() string { return i.documents + "/jwks" }

// AddKey makes a key for one of the algorithms of [WithAlgorithms], publishes it
// after the others, and returns its ID. Tokens are not signed with it yet, because issuers
// publish a key before they rotate to it; [WithKeyID] signs with it. An unknown
// algorithm panics.
func (i *Issuer) AddKey(alg string) (kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	kid, err := i.addKey(alg)
	if err != nil {
		panic("jwkstest: AddKey: " + err.Error())
	}
	return kid
}

// Rotate makes a key with the algorithm of the current signing key, publishes it,
// signs with it from now on, and returns its ID. The previous key stays published, so
// tokens signed with either verify until [Issuer.RemoveKey].
func (i *Issuer) Rotate() (kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	kid, err := i.addKey(i.signer.alg)
	if err != nil {
		panic("jwkstest: Rotate: " + err.Error())
	}
	i.signer = i.made[len(i.made)-1]
	return kid
}

// RemoveKey removes a key from the key set; it does nothing if the ID is not in it.
// If it was the signing key, the newest remaining key signs from now
// on; if none is left, the removed key continues to sign. [WithKeyID] can sign with
// a removed key.
func (i *Issuer) RemoveKey(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = slices.DeleteFunc(i.published, func(k *signingKey) bool { return k.kid == kid })
	if n := len(i.published); n > 0 && i.signer.kid == kid {
		i.signer = i.published[n-1]
	}
}

// Requests returns how many requests the issuer has received since it started.
func (i *Issuer) Requests() Requests {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

// Requests counts the GET and HEAD requests for each document, including those answered
// with a fault.
type Requests struct {
	Discovery   int // for the discovery document
	JWKS        int // for the key set
	NotModified int // of those for the key set, the ones answered 304 (RFC 9110 section 15.4.5)
}

// Close stops the issuer: waiting requests fail, and later ones fail as if nothing
// were listening. [Issuer.Sign] still works, for tests of what happens while an issuer is
// down. The keys of an issuer made by [Start] may be reused by another issuer from now on;
// those of an issuer made by [New] only when the test is over. It is idempotent.
func (i *Issuer) Close() {
	i.mu.Lock()
	i.closed = true
	for c := range i.waiting {
		close(c)
	}
	clear(i.waiting)
	i.mu.Unlock()
	if !i.keepsKeysToTest {
		i.releaseKeys()
	}
}

// addKey makes and publishes the next key. The caller holds i.mu or is the only one.
func (i *Issuer) addKey(alg string) (string, error) {
	k, err := newSigningKey("k"+strconv.Itoa(len(i.made)+1), alg, i.withoutKeyIDs)
	if err != nil {
		return "", err
	}
	i.made = append(i.made, k)
	i.published = append(i.published, k)
	return k.kid, nil
}

// releaseKeys gives each key back to the pool, once.
func (i *Issuer) releaseKeys() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.made[i.released:] {
		pool.give(k.family, k.private)
	}
	i.released = len(i.made)
}

// matches says whether path is the issuer's own path with suffix behind it.
func (i *Issuer) matches(path, suffix string) bool {
	before, after, template := strings.Cut(i.path+suffix, tenantID)
	if !template {
		return path == before
	}
	path, ok := strings.CutPrefix(path, before)
	if !ok {
		return false
	}
	tenant, ok := strings.CutSuffix(path, after)
	return ok && tenant != "" && !strings.Contains(tenant, "/")
}

// hostOf is a URL's host and port as a server sees them: in lower case, without the
// scheme's own port.
func hostOf(u *url.URL) string {
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return strings.TrimSuffix(strings.ToLower(u.Host), port)
}
