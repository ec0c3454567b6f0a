package jwks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/tenants"
)

// rebinding is an HTTPS server in memory and a resolver that lies: what is
// dialled is written down.
type rebinding struct {
	names map[string]string // host to addresses

	mu      sync.Mutex
	dialled []string
	conns   chan net.Conn
}

func newRebinding(t *testing.T, handler http.Handler, names map[string]string) (*rebinding, *http.Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	for name := range names {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	r := &rebinding{names: names, conns: make(chan net.Conn)}
	server := &http.Server{
		Handler:   handler,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(r, "", "") // ends with Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
		time.Sleep(time.Minute) // for connections to give up saying goodbye
	})
	return r, &http.Client{Transport: &http.Transport{
		DialContext:     r.dial,
		TLSClientConfig: &tls.Config{RootCAs: roots},
		Proxy:           http.ProxyFromEnvironment,
	}}
}

func (r *rebinding) dial(ctx context.Context, _, address string) (net.Conn, error) {
	r.mu.Lock()
	r.dialled = append(r.dialled, address)
	r.mu.Unlock()
	mine, theirs := net.Pipe()
	select {
	case r.conns <- theirs:
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *rebinding) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	var all []netip.Addr
	for addr := range strings.FieldsSeq(r.names[host]) {
		all = append(all, netip.MustParseAddr(addr))
	}
	if all == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return all, nil
}

// The listener of the server.
func (r *rebinding) Accept() (net.Conn, error) {
	conn, ok := <-r.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (r *rebinding) Close() error   { close(r.conns); return nil }
func (r *rebinding) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// Names that resolve to addresses that are not public are refused when they are
// dialled: an issuer's own, one that a document leads to, and one that a
// redirect leads to.
func TestTrustAnyIssuer_JudgesAddresses(t *testing.T) {
	synctest.Test(t, judgesAddresses)
}

func judgesAddresses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	keys := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	names := map[string]string{
		"good.example":       "93.184.215.14",
		"mixed.example":      "10.0.0.1 93.184.215.14 fd00::1",
		"loopback.example":   "127.0.0.1",
		"loopback6.example":  "::1",
		"private.example":    "10.0.0.1 192.168.1.1",
		"linklocal.example":  "fe80::1",
		"multicast.example":  "224.0.0.1",
		"metadata.example":   "169.254.169.254",
		"mapped.example":     "::ffff:127.0.0.1",
		"nat64.example":      "64:ff9b::7f00:1",
		"jwks.example":       "93.184.215.15", // whose document leads to loopback.example
		"redirect.example":   "93.184.215.16", // which redirects there
		"redirected.example": "93.184.215.17", // whose key set does
	}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		issuer, place := "https://"+r.Host, "https://"+r.Host+"/jwks"
		switch {
		case r.Host == "redirect.example", r.Host == "redirected.example" && r.URL.Path == "/jwks":
			http.Redirect(w, r, "https://loopback.example"+r.URL.Path, http.StatusFound)
			return
		case r.Host == "jwks.example":
			place = "https://loopback.example/jwks"
		}
		if r.URL.Path == "/jwks" {
			_, _ = io.WriteString(w, keys)
		} else {
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, place)
		}
	})
	r, client := newRebinding(t, server, names)
	t.Setenv("HTTPS_PROXY", "https://127.0.0.1:1") // which would dial in our place
	s, err := NewIssuers(TrustAnyIssuer(), WithClientOptions(WithHTTPClient(client)), WithMaxIssuers(100))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.cfg.guarded = publicnet.WithLookup(client, r.lookup)
	s.roster = tenants.NewRoster[*tenant](100, tenants.NewcomerBudget(100))

	h := Header{Algorithm: "ES256", KeyID: "k1"}
	for name, dials := range map[string][]string{ // those of issuers that are good
		"good.example":       {"93.184.215.14:443", "93.184.215.14:443"},
		"mixed.example":      {"93.184.215.14:443", "93.184.215.14:443"},
		"jwks.example":       {"93.184.215.15:443"},
		"redirect.example":   {"93.184.215.16:443"},
		"redirected.example": {"93.184.215.17:443", "93.184.215.17:443"},
		"loopback.example":   nil, "loopback6.example": nil, "private.example": nil, "linklocal.example": nil, "multicast.example": nil,
		"metadata.example": nil, "mapped.example": nil, "nat64.example": nil,
	} {
		r.dialled = nil
		began := time.Now()
		got, err := s.SigningKeys(t.Context(), h, "https://"+name)
		if name == "good.example" || name == "mixed.example" {
			if err != nil || got[0].Issuer() != "https://"+name {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			if !errors.Is(err, ErrIssuerNotTrusted) || !errors.Is(err, ErrTokenInvalid) || errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took >= 15*time.Second {
				t.Errorf("%s: refused after %v", name, took)
			}
		}
		if !slices.Equal(r.dialled, dials) {
			t.Errorf("%s: dialled %v, want %v", name, r.dialled, dials)
		}
		// While the backoff runs nothing is dialled, and the answer is the same.
		if _, again := s.SigningKeys(t.Context(), h, "https://"+name); (again == nil) != (err == nil) || err != nil && !errors.Is(again, ErrIssuerNotTrusted) {
			t.Errorf("%s: then %v", name, again)
		}
		if !slices.Equal(r.dialled, dials) {
			t.Errorf("%s: dialled again: %v", name, r.dialled)
		}
	}
	// A name that does not exist leads to no public address either.
	if _, err := s.SigningKeys(t.Context(), h, "https://unknown.example"); errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrIssuerNotTrusted) {
		t.Errorf("%v", err)
	}
}

// watched is a context that calls f when it is asked for its error.
type watched struct {
	context.Context
	f func()
}

func (c watched) Err() error {
	c.f()
	return c.Context.Err()
}

// A call of the function of ForIssuerFunc that ends between a caller's look at
// the answers and at the calls under way has answered that caller as well.
func TestAnswers_AskedOnce(t *testing.T) {
	s, err := NewIssuers(TrustIssuerFunc(func(context.Context, string) ([]ClientOption, error) { return nil, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	asked := 0
	v, err := NewVerifier(s, ForIssuerFunc(func(context.Context, string) ([]VerifierOption, error) {
		asked++
		return []VerifierOption{WithAudience("a")}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	var first, second *policy
	ctx := watched{t.Context(), func() { first, _ = v.policies.atRun.of(t.Context(), nil, "https://a.example") }}
	second, err = v.policies.atRun.of(ctx, nil, "https://a.example")
	if err != nil || first == nil || first != second || asked != 1 {
		t.Errorf("%p, %p, %v after %d calls", first, second, err, asked)
	}
}

// Nobody joins a call that has taken too long, though it has not left the list.
func TestAnswers_LateCallIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers(&verifierConfig{issuerFunc: func(context.Context, string) ([]VerifierOption, error) { return nil, nil }}, nil)
		key := answerKey{issuer: "https://a.example"}
		late, cancel := context.WithCancel(t.Context())
		cancel()
		a.asking[key] = &issuerCall{call: call[answer]{done: make(chan struct{})}, ctx: late}
		if p, err := a.of(t.Context(), nil, key.issuer); p == nil || err != nil {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// A tenant that had to leave while its first token was verified comes back as
// one of whom a token verified.
func TestIssuers_VerifiedWhileItLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &http.Client{Transport: brokenTransport{}}
		s, err := NewIssuers(WithMaxIssuers(1), WithClientOptions(WithHTTPClient(down)),
			TrustIssuerFunc(func(context.Context, string) ([]ClientOption, error) { return nil, nil }))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		a, err := s.findTenant(t.Context(), "https://a.example", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.client.Ready(t.Context()); err == nil { // something was fetched
			t.Fatal("no error")
		}
		if _, err := s.findTenant(t.Context(), "https://b.example", false); err != nil || s.isKnown(a.name) {
			t.Fatalf("a is still there, or %v", err)
		}
		s.noteVerified(a)
		if before, _, _ := s.roster.MayCome(a.name, s.clock.now()); before == nil || !before.Settled {
			t.Errorf("it left %+v", before)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.retiring) != 0 {
			t.Error("its client, which has closed with nothing to keep, is remembered")
		}
	})
}

// Calls under way, calls that outlived their time and callers who wait are counted,
// and nothing of that stays.
func TestIssuers_CountsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes := 20 * time.Second
		s, err := NewIssuers(TrustIssuerFunc(func(context.Context, string) ([]ClientOption, error) { time.Sleep(takes); return nil, nil }))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		const issuer = "https://a.example"
		want := func(when string, asking, newcomers, waiting, overdue int) {
			t.Helper()
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			waits := 0
			if q := s.asking[issuer]; q != nil {
				waits = q.waiting
			}
			if len(s.asking) != asking || s.askingNew != newcomers || waits != waiting || s.overdue != overdue {
				t.Errorf("%s: %d calls, %d of them about new issuers, %d wait, %d overdue", when, len(s.asking), s.askingNew, waits, s.overdue)
			}
		}
		find := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, _ = s.findTenant(ctx, issuer, true)
		}
		go find(time.Second)
		go find(time.Minute)
		want("at first", 1, 1, 2, 0)
		time.Sleep(2 * time.Second)
		want("when one has given up", 1, 1, 1, 0)
		time.Sleep(14 * time.Second)
		want("when the call has taken too long", 0, 0, 0, 1)
		time.Sleep(5 * time.Second)
		want("when it has returned", 0, 0, 0, 0)
		takes = time.Second
		find(time.Minute)
		want("when it was accepted", 0, 0, 0, 0)
		time.Sleep(defaultDecisionTTL * 9 / 10)
		find(0) // answered at once
		want("while the decision is renewed", 1, 0, 0, 0)
		if c, _, _ := s.roster.Find(issuer); c.mustAsk(s.clock) {
			t.Error("lookups take the lock while the decision is renewed")
		}
		time.Sleep(2 * time.Second)
		want("afterwards", 0, 0, 0, 0)
	})
}

// Forget leaves nothing of an issuer, and everything of the others.
func TestIssuers_ForgetsOne(t *testing.T) {
	asked := 0
	s := manyIssuers(t, &asked)
	const forgotten, other = "https://a.example", "https://b.example"
	now := s.clock.now()
	for _, issuer := range []string{forgotten, other} {
		s.refusals.Add(issuer, ErrIssuerNotTrusted, now, time.Hour)
		s.roster.Depart(issuer, tenants.Departure{RetryAt: now.Add(time.Hour)})
		s.leftovers.Add(issuer, new(leftover))
		s.asking[issuer] = new(question)
	}
	s.Forget(forgotten)
	for issuer, stays := range map[string]bool{forgotten: false, other: true} {
		before, _, _ := s.roster.MayCome(issuer, now)
		for what, is := range map[string]bool{
			"refusal":        s.refusals.Get(issuer, now) != nil,
			"departure":      before != nil,
			"leftover":       s.leftovers.Contains(issuer),
			"call under way": s.asking[issuer] != nil,
		} {
			if is != stays {
				t.Errorf("%s: %s: %t", issuer, what, is)
			}
		}
	}
	first, err := s.findTenant(t.Context(), "https://c.example", false)
	if s.Forget("https://c.example"); err != nil || s.isKnown("https://c.example") || !first.client.cache.hasClosed() {
		t.Errorf("one that was trusted: %v", err)
	}
	listed, err := NewIssuers(TrustIssuers(other))
	if err != nil {
		t.Fatal(err)
	}
	if listed.Forget(other); listed.findListed(other) == nil {
		t.Error("a listed issuer was forgotten")
	}
}

type brokenTransport struct{}

func (brokenTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, io.ErrUnexpectedEOF
}

// Of two clients of an issuer that had to leave, the first with other options and
// calls under way, what the second had is kept; of a forgotten one nothing is.
func TestIssuers_NewestLeftoverIsKept(t *testing.T) {
	set, err := NewKeySet(PublicKey{ID: "k1", Key: newEdSigner(t, "k1", nil).private.Public()})
	if err != nil {
		t.Fatal(err)
	}
	for _, forgets := range []bool{false, true} {
		retention := time.Duration(0)
		s, err := NewIssuers(WithMaxIssuers(1), TrustIssuerFunc(func(context.Context, string) ([]ClientOption, error) {
			retention += time.Second
			return []ClientOption{WithRetention(retention), WithKeySet(set)}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		come := func(issuer string) *tenant {
			t.Helper()
			c, err := s.findTenant(t.Context(), issuer, false)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := come("https://a.example")
		first.client.cache.enter()
		come("https://b.example") // first has to leave, and a call keeps it open
		second := come("https://a.example")
		if second == first {
			t.Fatal("it was called back with other options")
		}
		come("https://b.example") // second has to leave
		if forgets {
			s.Forget("https://a.example")
		}
		first.client.cache.leave()
		if err := s.Close(); err != nil { // waits for what is kept
			t.Error(err)
		}
		rest, _ := s.leftovers.Peek("https://a.example")
		if (rest == nil) != forgets || rest != nil && rest.cfg != second.client.cfg {
			t.Errorf("forgotten: %t; left: %+v", forgets, rest)
		}
	}
}
