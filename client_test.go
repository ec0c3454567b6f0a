package jwks_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// bubble runs a test in a synctest bubble, where an hour takes no time.
func bubble(t *testing.T, rule string, f func(t *testing.T)) {
	t.Helper()
	t.Run(rule, func(t *testing.T) { synctest.Test(t, f) })
}

// world is an issuer, what goes over the wire to it, and what a client of it
// tells.
type world struct {
	t       *testing.T
	issuer  *jwkstest.Issuer
	started time.Time

	mu       sync.Mutex
	requests []request
	events   []event
	edit     func(*http.Request, *http.Response) // changes answers
	reply    func(*http.Request) *http.Response  // nil, or returning nil: the issuer answers
}

// request is one that the client sent.
type request struct {
	at     time.Duration // since the start of the test
	path   string
	header http.Header
}

// event is one that the client told.
type event struct {
	jwks.Event
	at time.Duration
}

func newWorld(t *testing.T, opts ...jwkstest.Option) *world {
	return &world{
		t:       t,
		issuer:  jwkstest.New(t, append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256")}, opts...)...),
		started: time.Now(),
	}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, request{w.elapsed(), r.URL.Path, r.Header.Clone()})
	edit, reply := w.edit, w.reply
	w.mu.Unlock()
	if reply != nil {
		if resp := reply(r); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	resp, err := w.issuer.HTTPClient().Transport.RoundTrip(r)
	if err == nil && edit != nil {
		edit(r, resp)
	}
	return resp, err
}

// editing changes the answers from now on.
func (w *world) editing(f func(*http.Request, *http.Response)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edit = f
}

// replying answers in the issuer's place from now on.
func (w *world) replying(f func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reply = f
}

// http is a client that reaches the issuer through the world.
func (w *world) http() *http.Client { return &http.Client{Transport: w} }

// client makes a client of the issuer that ends with the test.
func (w *world) client(opts ...jwks.ClientOption) *jwks.Client {
	w.t.Helper()
	return w.bare(append([]jwks.ClientOption{jwks.WithIssuer(w.issuer.URL())}, opts...)...)
}

// bare is a client that is not told the issuer.
func (w *world) bare(opts ...jwks.ClientOption) *jwks.Client {
	w.t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithHTTPClient(w.http()), jwks.WithObserver(w.observe)}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) observe(e jwks.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event{e, w.elapsed()})
}

func (w *world) elapsed() time.Duration { return time.Since(w.started) }

// sent lists the requests since the last call whose path ends so.
func (w *world) sent(suffix string) []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some, others []request
	for _, r := range w.requests {
		if strings.HasSuffix(r.path, suffix) {
			some = append(some, r)
		} else {
			others = append(others, r)
		}
	}
	w.requests = others
	return some
}

// told lists the events of some kinds since the last call; none: of all.
func (w *world) told(kinds ...jwks.EventKind) []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some, others []event
	for _, e := range w.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			some = append(some, e)
		} else {
			others = append(others, e)
		}
	}
	w.events = others
	return some
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/jwks"
)

// timed measures how long a call takes.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// finds looks a key up and wants it, at once.
func finds(t *testing.T, c *jwks.Client, kid string) {
	t.Helper()
	findsWithin(t, c, kid, 0)
}

// findsWithin is finds with a wait of up to d.
func findsWithin(t *testing.T, c *jwks.Client, kid string, d time.Duration) {
	t.Helper()
	var key *jwks.Key
	var err error
	took := timed(func() { key, err = c.Key(t.Context(), kid) })
	switch {
	case err != nil:
		t.Fatalf("key %s: %v", kid, err)
	case key.ID() != kid:
		t.Fatalf("key %s: got %s", kid, key.ID())
	case took > d:
		t.Fatalf("key %s took %v, at most %v", kid, took, d)
	}
}

// misses looks a key up and wants an error that matches, at once.
func misses(t *testing.T, c *jwks.Client, kid string, want ...error) error {
	t.Helper()
	var err error
	if took := timed(func() { _, err = c.Key(t.Context(), kid) }); took > 0 {
		t.Fatalf("key %s took %v to be refused", kid, took)
	}
	wantError(t, err, want...)
	return err
}

// kidsIn lists the kids of a client's set.
func kidsIn(t *testing.T, c *jwks.Client) []string {
	t.Helper()
	set, err := c.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kidsOf(set)
}

func TestTheMainJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		if n := w.issuer.Requests(); n != (jwkstest.Requests{}) {
			t.Errorf("making a client sent %+v", n)
		}
		v, err := jwks.NewVerifier(c, jwks.WithAudience("api"))
		if err != nil {
			t.Fatal(err)
		}
		token := w.issuer.Sign(map[string]any{"aud": "api"})
		if verified, err := v.Verify(t.Context(), token); err != nil || verified.Issuer() != w.issuer.URL() {
			t.Errorf("Verify: %v, %v", verified, err)
		}
		if parsed, err := jwt.Parse(token, c.Keyfunc); err != nil || !parsed.Valid {
			t.Errorf("jwt.Parse: %v", err)
		}
		if parsed, err := jwt.Parse(token, c.KeyfuncCtx(t.Context())); err != nil || !parsed.Valid {
			t.Errorf("jwt.Parse: %v", err)
		}
		if key, err := c.KeyForToken(t.Context(), token); err != nil || key.ID() != "k1" || key.Issuer() != w.issuer.URL() {
			t.Errorf("KeyForToken: %v, %v", key, err)
		}
		if keys, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1", Algorithm: "ES256"}, ""); err != nil || len(keys) != 1 {
			t.Errorf("SigningKeys: %v, %v", keys, err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready: %v", err)
		}
		m, err := c.Metadata(t.Context())
		if err != nil || m.Issuer != w.issuer.URL() || m.JWKSURI != w.issuer.JWKSURL() || len(m.Raw) == 0 || !slices.Equal(m.SigningAlgorithms, []string{"ES256"}) {
			t.Errorf("Metadata: %+v, %v", m, err)
		}
		if n := w.issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
			t.Errorf("all that sent %+v", n)
		}
	})
}

func TestCallersOwnWhatTheyGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWorld(t).client()
		m, err := c.Metadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.JWKSURI, m.Raw[0], m.SigningAlgorithms[0] = "https://evil.example", 'X', "none"
		st := c.Status()
		st.KeyIDs[0] = "evil"
		again, err := c.Metadata(t.Context())
		if err != nil || again.JWKSURI == m.JWKSURI || again.Raw[0] != '{' || again.SigningAlgorithms[0] != "ES256" {
			t.Errorf("a caller changed the metadata: %+v, %v", again, err)
		}
		if st := c.Status(); st.KeyIDs[0] != "k1" {
			t.Errorf("a caller changed the status: %v", st.KeyIDs)
		}
	})
}

func TestKeysWithoutAKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bare := newSigner(t, "ES256", "")
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + bare.jwk() + `,` + newSigner(t, "ES384", "other").jwk() + `]}`)))
		c := w.client()
		if key, err := c.Key(t.Context(), ""); err != nil || key.ID() != "" {
			t.Errorf("an empty kid finds %v, %v", key, err)
		}
		if keys, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256"}, ""); err != nil || len(keys) != 1 || keys[0].ID() != "" {
			t.Errorf("the only key for an algorithm: %v, %v", keys, err)
		}
		w.sent("")
		_, err := c.SigningKeys(t.Context(), jwks.Header{}, "")
		wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("an ambiguous token sent %d requests", n)
		}
		_, err = c.SigningKeys(t.Context(), jwks.Header{KeyID: "other", Algorithm: "ES256"}, "")
		wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrAlgorithmNotAllowed)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("a token with the wrong alg sent %d requests", n)
		}
	})
}

func TestStaticClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newSigner(t, "ES256", "k1")
		seed := keySetOf(t, key)
		c, err := jwks.NewClient(jwks.WithKeySet(seed))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		finds(t, c, "k1")
		for range 10 { // no budget, and nothing to fetch from
			misses(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if set, err := c.Refresh(t.Context()); err != nil || set != seed {
			t.Errorf("Refresh: %v, %v", set, err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready: %v", err)
		}
		_, err = c.Metadata(t.Context())
		wantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidMetadata)
		st := c.Status()
		if st.State != jwks.StateFresh || st.Fetches != 0 || st.Failures != 0 || st.Throttled != 0 || !st.ExpiresAt.IsZero() || !st.StaleUntil.IsZero() || !st.FetchedAt.IsZero() {
			t.Errorf("status %+v", st)
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), key.token(`{}`)); err != nil {
			t.Errorf("Verify: %v", err)
		}
		_, err = v.Verify(t.Context(), newSigner(t, "ES256", "k1").token(`{}`))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		misses(t, c, "k1", jwks.ErrUnavailable, jwks.ErrClosed)
	})
}

func TestMetadataWithoutDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithJWKSURL(w.issuer.JWKSURL()))
		_, err := c.Metadata(t.Context())
		wantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidMetadata)
		finds(t, c, "k1")
		if n := len(w.sent(discoveryPath)); n != 0 {
			t.Errorf("%d discovery requests beside WithJWKSURL", n)
		}
	})
}

// answer is a 200 or another answer with a text as its body.
func answer(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}
