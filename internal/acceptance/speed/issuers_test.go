package speed

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/internal/tokencache"
)

// crowd is many issuers of two keys each, whose kids are equal. The first key
// of each is one that can sign.
type crowd struct {
	signer    *testkit.Signer
	names     []string
	documents map[string]string // by URL
	asked     atomic.Int64
	hung      atomic.Pointer[string] // an issuer that does not answer
}

func newCrowd(t testing.TB, n int) *crowd {
	t.Helper()
	c := &crowd{signer: testkit.NewSigner(t, "ES256", "k1"), documents: make(map[string]string)}
	for i := range n {
		modulus := make([]byte, 256)
		_, _ = rand.Read(modulus)       // never fails
		modulus[0] |= 0x80              // of full length
		modulus[len(modulus)-1] |= 0x01 // and odd
		name := fmt.Sprintf("https://tenant-%d.example", i)
		c.names = append(c.names, name)
		c.documents[name+testkit.DiscoveryPath] = testkit.Metadata(name, name+"/jwks")
		c.documents[name+"/jwks"] = fmt.Sprintf(`{"keys":[%s,{"kty":"RSA","kid":"k2","use":"sig","alg":"RS256","e":"AQAB","n":%q}]}`,
			c.signer.JWK(), base64.RawURLEncoding.EncodeToString(modulus))
	}
	return c
}

func (c *crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked.Add(1)
	if hung := c.hung.Load(); hung != nil && "https://"+r.URL.Host == *hung {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return testkit.RespondTo(r, http.StatusOK, c.documents[r.URL.String()]), nil
}

func (c *crowd) issuers(t testing.TB, opts ...jwks.ClientOption) *jwks.Issuers {
	t.Helper()
	s, err := jwks.NewIssuers(jwks.TrustIssuers(c.names...), jwks.WithClientOptions(append(opts, jwks.WithHTTPClient(&http.Client{Transport: c}))...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *crowd) token(i int) string {
	return c.signer.Token(testkit.Payload(map[string]any{"iss": c.names[i]}))
}

// heap is what is in use after everything else was collected.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 { // pools and finalizers take more than one
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// wantGoroutines waits until no more than n goroutines are left: fetches end a
// moment after their answer.
func wantGoroutines(t testing.TB, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > n && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if got := runtime.NumGoroutine(); got > n {
		t.Errorf("%d goroutines are left", got-n)
	}
}

// 1,000 issuers that are loaded: no goroutine, and no more than 4 KB of heap
// each beyond their key documents.
func TestIssuers_MemoryOfAThousand(t *testing.T) {
	const n = 1000
	c := newCrowd(t, n)
	var documents int
	for _, name := range c.names {
		documents += len(c.documents[name+"/jwks"])
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	s := c.issuers(t)
	if got := runtime.NumGoroutine(); got >= goroutines+n { // fewer may be of the runtime and of other tests
		t.Errorf("NewIssuers started %d goroutines", got-goroutines)
	}
	v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
	for i := range n {
		testkit.Accept(t, v, c.token(i))
	}
	wantGoroutines(t, goroutines)
	each := int64(heap()-before) / n
	t.Logf("%d bytes of heap for each issuer, with the keys of a document of %d", each, documents/n)
	if each > 4<<10 && !testkit.RaceEnabled { // keys included
		t.Errorf("%d bytes of heap for each issuer, want at most 4 KB", each)
	}
	if got := c.asked.Load(); got != 2*n {
		t.Errorf("%d requests, want %d", got, 2*n)
	}
	runtime.KeepAlive(v)
	testkit.WantNoError(t, s.Close())
}

// 1,000 clients, each with a verifier of its own, take no more than 4 KB of heap
// each, keys included, and no goroutine.
func TestClient_MemoryOfAThousand(t *testing.T) {
	const n = 1000
	c := newCrowd(t, n)
	plain := &http.Client{Transport: c}
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = c.token(i)
	}
	clients, verifiers := make([]*jwks.Client, n), make([]*jwks.Verifier, n)
	goroutines, before := runtime.NumGoroutine(), heap()
	for i, name := range c.names {
		client, err := jwks.NewClient(jwks.WithIssuer(name), jwks.WithJWKSURL(name+"/jwks"), jwks.WithHTTPClient(plain))
		if err != nil {
			t.Fatal(err)
		}
		clients[i], verifiers[i] = client, testkit.NewSourceVerifier(t, client, testkit.AtNow())
		testkit.Accept(t, verifiers[i], tokens[i])
	}
	wantGoroutines(t, goroutines)
	each := int64(heap()-before) / n
	t.Logf("%d bytes of heap for each client and its verifier", each)
	if each > 4<<10 && !testkit.RaceEnabled && tokencache.Size == 0 {
		t.Errorf("%d bytes of heap for each client and its verifier, want at most 4 KB", each)
	}
	for _, client := range clients {
		testkit.WantNoError(t, client.Close())
	}
	runtime.KeepAlive(verifiers)
}

// One issuer of 1,000 that hangs delays none of the others, nor Ready for them.
func TestIssuers_OneSlowOfAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		c := newCrowd(t, n)
		c.hung.Store(&c.names[500])
		s := c.issuers(t, jwks.WithRetries(0))
		defer s.Close()
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			testkit.WantError(t, s.Ready(t.Context()), jwks.ErrUnavailable)
		}()
		synctest.Wait()
		for i := range n {
			if i != 500 {
				testkit.Accept(t, v, c.token(i))
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		<-done
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Ready took %v, want the timeout of one attempt", took)
		}
		testkit.Refuse(t, v, c.token(500), jwks.ErrUnavailable)
	})
}

// A verification costs the same whatever the number of issuers: x-one takes
// turns between the tokens of 1,000 and of one. What the processor's caches hold
// of 1,000 keys is in that, too; of-one is one issuer's token again and again,
// among 1,000.
func BenchmarkVerifyByNumberOfIssuers(b *testing.B) {
	verifier := func(n int) (v *jwks.Verifier, tokens []string) {
		c := newCrowd(b, n)
		s := c.issuers(b)
		b.Cleanup(func() { _ = s.Close() })
		v = testkit.NewSourceVerifier(b, s, testkit.AtNow())
		for i := range n {
			tokens = append(tokens, c.token(i))
			testkit.Accept(b, v, tokens[i])
		}
		return v, tokens
	}
	one, ofOne := verifier(1)
	many, ofMany := verifier(1000)
	compareCrowds(b, one, ofOne, many, ofMany)
}

// compareCrowds compares a verifier of one issuer with one of many.
func compareCrowds(b *testing.B, one *jwks.Verifier, ofOne []string, many *jwks.Verifier, ofMany []string) {
	verify := func(b *testing.B, v *jwks.Verifier, tokens []string) func() {
		i := 0
		return func() {
			if _, err := v.Verify(b.Context(), tokens[i%len(tokens)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	}
	for name, tokens := range map[string][]string{"of-one": ofMany[:1], "of-all": ofMany} {
		b.Run(name, func(b *testing.B) {
			ratio, over := takeTurns(b, verify(b, one, ofOne), verify(b, many, tokens))
			b.ReportMetric(ratio, "x-one")
			b.ReportMetric(over, "ns-over")
		})
	}
}

// What the benchmark measures, as far as a test can: a lookup among many
// allocates nothing.
func TestIssuers_LookupAllocatesNothing(t *testing.T) {
	const n = 1000
	c := newCrowd(t, n)
	s := c.issuers(t)
	defer s.Close()
	for i := range n {
		if _, err := s.SigningKeys(t.Context(), testkit.ES256K1, c.names[i]); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	if got := testing.AllocsPerRun(n, func() { _, _ = s.SigningKeys(t.Context(), testkit.ES256K1, c.names[i%n]); i++ }); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if _, err := s.SigningKeys(t.Context(), testkit.ES256K1, "https://tenant-1000.example"); err == nil {
		t.Error("one issuer more than there are")
	}
}

// An issuer that came up at run time costs a verification no more allocations
// than a listed one.
func TestIssuers_TenantsAllocateNothing(t *testing.T) {
	const n = 50
	c := newCrowd(t, n)
	listed := c.issuers(t)
	defer listed.Close()
	dynamic, err := jwks.NewIssuers(jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: c})))
	if err != nil {
		t.Fatal(err)
	}
	defer dynamic.Close()
	cost := func(s *jwks.Issuers) (verify, lookup float64) {
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow(), jwks.WithTokenCache(0))
		tokens := make([]string, n)
		for i := range tokens {
			tokens[i] = c.token(i)
			testkit.Accept(t, v, tokens[i])
		}
		i := 0
		verify = testing.AllocsPerRun(n, func() { _, _ = v.Verify(t.Context(), tokens[i%n]); i++ })
		lookup = testing.AllocsPerRun(n, func() { _, _ = s.SigningKeys(t.Context(), testkit.ES256K1, c.names[i%n]); i++ })
		return verify, lookup
	}
	wantVerify, _ := cost(listed)
	verify, lookup := cost(dynamic)
	if verify > wantVerify+0.5 && !testkit.RaceEnabled || lookup != 0 {
		t.Errorf("%v allocations for a verification, %v among listed ones; %v for a lookup", verify, wantVerify, lookup)
	}
}

// Templates by the hundred: each issuer is found under its own.
func TestIssuers_ManyTemplates(t *testing.T) {
	n := testkit.NewInternet()
	var trust []jwks.IssuersOption
	for i := range 300 {
		trust = append(trust, jwks.TrustIssuer(fmt.Sprintf("https://h%d.example/{tenantid}/v2.0", i), jwks.WithTenants(testkit.Tenant1)))
	}
	s := n.NewIssuers(t, append(trust, jwks.TrustIssuer("https://any.example/{tenantid}", jwks.WithTenants()))...)
	for issuer, want := range map[string]string{
		"https://h7.example/" + testkit.Tenant1 + "/v2.0":   "https://h7.example/{tenantid}/v2.0",
		"https://h299.example/" + testkit.Tenant1 + "/v2.0": "https://h299.example/{tenantid}/v2.0",
		"https://any.example/" + testkit.Tenant2:            "https://any.example/{tenantid}",
		"https://any.example/{tenantid}":                    "https://any.example/{tenantid}", // by its own name
	} {
		if c, err := s.Client(t.Context(), issuer); err != nil || c.Status().Issuer != want {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, issuer := range []string{"https://h7.example/" + testkit.Tenant2 + "/v2.0", "https://h7.example/" + testkit.Tenant1, "https://h300.example/" + testkit.Tenant1 + "/v2.0",
		"https://any.example/" + testkit.Tenant1 + "/" + testkit.Tenant1, "https://any.example/" + testkit.Tenant1[:35], "https://any.example/x" + testkit.Tenant1} {
		_, err := s.Client(t.Context(), issuer)
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwt.ErrTokenInvalidIssuer)
	}
	n.WantRequests(t)
}
