package issuers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// town is tenants by the number that share one signer, and what each was asked
// for.
type town struct {
	signer *testkit.Signer
	mu     sync.Mutex
	asked  map[string]int // key set requests, by host
}

func newTown(t *testing.T) *town {
	return &town{signer: testkit.NewSigner(t, "ES256", "k1"), asked: make(map[string]int)}
}

func (w *town) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == testkit.DiscoveryPath {
		return testkit.RespondTo(r, 200, testkit.Metadata("https://"+r.URL.Host, "https://"+r.URL.Host+"/jwks")), nil
	}
	w.mu.Lock()
	w.asked[r.URL.Host]++
	w.mu.Unlock()
	return testkit.RespondTo(r, 200, `{"keys":[`+w.signer.JWK()+`]}`), nil
}

func (w *town) issuers(t *testing.T, opts ...jwks.IssuersOption) *jwks.Issuers {
	t.Helper()
	s, err := jwks.NewIssuers(append(opts, jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: w})))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func tenantName(i int) string { return fmt.Sprintf("https://t%d.example", i) }

func (w *town) token(i int) string {
	return w.signer.Token(testkit.Payload(map[string]any{"iss": tenantName(i)}))
}

// forged has the tenant's name and kid, and a signature of somebody else.
func (w *town) forged(i int) string {
	token := w.token(i)
	dot := strings.LastIndexByte(token, '.')
	return token[:dot+1] + strings.Repeat("A", len(token)-dot-1)
}

// most is the largest number of requests that one of the hosts saw.
func (w *town) most() (host string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for h, asked := range w.asked {
		if asked > n {
			host, n = h, asked
		}
	}
	return host, n
}

// 10,000 forged tokens that cycle through 1,000 accepted tenants: no issuer
// sees more than one fetch a TTL and its budget, and 500 tenants whose tokens
// verify are neither refused nor fetched from again for it.
func TestFlood_ForgedTokensOfTenants(t *testing.T) {
	for name, opts := range map[string][]jwks.IssuersOption{
		"with room for all":  nil,
		"with room for half": {jwks.WithMaxIssuers(500)},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			w := newTown(t)
			s := w.issuers(t, append(opts, jwks.TrustIssuerFunc(testkit.TrustAll()))...)
			v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
			tokens := make([]string, 500)
			for i := range tokens {
				tokens[i] = w.token(i)
				testkit.Accept(t, v, tokens[i])
			}
			if len(s.Status()) != 500 {
				t.Fatalf("%d issuers are kept", len(s.Status()))
			}
			forged := make([]string, 1000)
			for i := range forged {
				forged[i] = w.forged(i)
			}
			for range 10 {
				for _, token := range forged {
					if _, err := v.Verify(t.Context(), token); err == nil {
						t.Fatal("a forged token is accepted")
					}
				}
				time.Sleep(time.Second)
				for _, token := range tokens {
					testkit.AcceptOnce(t, v, token)
				}
			}
			synctest.Wait()
			if host, n := w.most(); n > 1+5 {
				t.Errorf("%s was asked %d times, want at most one and a budget of 5", host, n)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for i := range tokens {
				if n := w.asked[strings.TrimPrefix(tenantName(i), "https://")]; n > 1+5 { // forged signatures look again
					t.Errorf("tenant %d was asked %d times", i, n)
				}
			}
			if len(s.Status()) != 500 {
				t.Errorf("%d issuers are kept: the forged ones count", len(s.Status()))
			}
		})
	}
}

// The same for a flood of names under TrustAnyIssuer.
func TestFlood_NamesUnderTrustAnyIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		s := w.issuers(t, jwks.TrustAnyIssuer(), jwks.WithMaxIssuers(40))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		for i := range 40 {
			testkit.Accept(t, v, w.token(i))
			time.Sleep(time.Second) // new ones have a budget
		}
		asked := len(w.asked)
		for i := range 2000 {
			if _, err := v.Verify(t.Context(), w.forged(1000+i)); err == nil {
				t.Fatal("a forged token is accepted")
			}
			if i%100 == 0 {
				time.Sleep(time.Second)
				for k := range 40 {
					testkit.AcceptOnce(t, v, w.token(k))
				}
			}
		}
		if got := len(w.asked) - asked; got > 10+21 {
			t.Errorf("%d forged names were asked in 20 s, want at most 10 and one a second", got)
		}
		for i := range 40 {
			if n := w.asked[strings.TrimPrefix(tenantName(i), "https://")]; n != 1 {
				t.Errorf("tenant %d was asked %d times", i, n)
			}
		}
		if len(s.Status()) != 40 {
			t.Errorf("%d issuers are kept", len(s.Status()))
		}
	})
}

// An issuer moves in with its first token that verifies, and pushes out the one
// that verified least recently, which is told. Names alone push out nobody.
func TestFlood_FirstVerifiedTokenMovesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var evicted []string
		s := w.issuers(t, jwks.TrustIssuerFunc(testkit.TrustAll(jwks.WithObserver(func(e jwks.Event) {
			if e.Kind == jwks.EventEvicted {
				evicted = append(evicted, e.Issuer)
			}
		}))), jwks.WithMaxIssuers(2))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		kept := func() (names string) {
			for _, st := range s.Status() {
				names += strings.TrimSuffix(strings.TrimPrefix(st.Issuer, "https://"), ".example") + " "
			}
			return names
		}
		testkit.Accept(t, v, w.token(0))
		testkit.Accept(t, v, w.token(1))
		for i := range 60 { // some of them more than once
			testkit.RefuseOnce(t, v, w.forged(10+i%30))
		}
		expired := w.signer.Token(testkit.Payload(map[string]any{"iss": tenantName(3), "exp": 1}))
		testkit.RefuseOnce(t, v, expired, jwt.ErrTokenExpired)
		if got := kept(); got != "t0 t1 " || evicted != nil {
			t.Errorf("kept %s, evicted %v", got, evicted)
		}
		testkit.Accept(t, v, w.token(0))
		if _, err := s.KeyForToken(t.Context(), w.forged(4)); err != nil { // the key is found, and nothing verified
			t.Error(err)
		}
		if got := kept(); got != "t1 t0 " {
			t.Errorf("kept %s", got)
		}
		if _, err := s.KeyForToken(t.Context(), w.token(4)); err != nil {
			t.Error(err)
		}
		if got := kept(); got != "t0 t4 " || len(evicted) != 1 || evicted[0] != tenantName(1) {
			t.Errorf("kept %s, evicted %v", got, evicted)
		}
		// Keyfunc cannot tell: its names go straight among the others.
		if _, err := jwt.Parse(w.forged(5), s.Keyfunc); err == nil {
			t.Error("a forged token is accepted")
		}
		if got := kept(); got != "t4 t5 " || len(evicted) != 2 {
			t.Errorf("kept %s, evicted %v", got, evicted)
		}
	})
}

// Who waits for the first set of one tenant is bounded.
func TestFlood_WaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := &http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		s, err := jwks.NewIssuers(jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(jwks.WithHTTPClient(hang), jwks.WithRetries(0)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Client(t.Context(), "https://a.example"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		atOnce := 0
		for range 1500 {
			wg.Go(func() {
				_, err := s.SigningKeys(t.Context(), testkit.ES256K1, "https://a.example")
				mu.Lock()
				defer mu.Unlock()
				if testkit.WantError(t, err, jwks.ErrUnavailable); time.Since(began) == 0 {
					atOnce++
				}
			})
		}
		if wg.Wait(); atOnce != 500 {
			t.Errorf("%d of 1,500 did not wait, want 500", atOnce)
		}
	})
}

// A function that ignores its context does not keep its slot: new tenants are
// decided on once its 15 s are over.
func TestFlood_FunctionIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		release := make(chan struct{})
		s := w.issuers(t, jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
			if strings.Contains(issuer, "forged") {
				<-release
			}
			return nil, nil
		}))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		for i := range 1000 {
			go func() { _, _ = s.Client(t.Context(), fmt.Sprintf("https://forged%d.example", i)) }()
		}
		synctest.Wait()
		testkit.RefuseOnce(t, v, w.token(1), jwks.ErrUnavailable)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		testkit.Accept(t, v, w.token(1))
		began := time.Now()
		if testkit.WantNoError(t, s.Close()); time.Since(began) > 15*time.Second {
			t.Errorf("Close took %v", time.Since(began))
		}
		close(release)
		synctest.Wait()
	})
}

// A name that stops resolving says nothing of an issuer whose token verified.
func TestFlood_ResolverErrorsOfTheVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		good := n.AddIssuer(t, "good.example")
		s := n.NewIssuers(t, jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithMaxStale(0)))
		v := testkit.NewSourceVerifier(t, s)
		testkit.Accept(t, v, good.Sign(nil))
		n.Route("good.example", nil) // no such name
		time.Sleep(time.Hour)
		_, err := s.SigningKeys(t.Context(), testkit.ES256K1, good.URL())
		if testkit.WantError(t, err, jwks.ErrUnavailable); errors.Is(err, jwks.ErrIssuerNotTrusted) {
			t.Error(err)
		}
		_, err = s.SigningKeys(t.Context(), testkit.ES256K1, "https://other.example")
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
	})
}

// Evictions warn, at most once a minute, with how many there were.
func TestFlood_EvictionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var log strings.Builder
		logger := jwks.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		s := w.issuers(t, jwks.TrustIssuerFunc(testkit.TrustAll(logger)), jwks.WithMaxIssuers(1))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		for i := range 12 {
			testkit.Accept(t, v, w.token(i))
		}
		time.Sleep(time.Minute)
		testkit.Accept(t, v, w.token(12))
		if got := log.String(); strings.Count(got, "evicted to make room") != 2 || !strings.Contains(got, "evicted=1 ") && !strings.Contains(got, "evicted=1\n") || !strings.Contains(got, "evicted=11") {
			t.Errorf("the log says\n%s", got)
		}
	})
}

// Tenants that do not fit take turns: everybody is served, and no issuer is
// asked more often than once a TTL and its budget.
func TestFlood_MoreTenantsThanRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		s := w.issuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(32))
		v := testkit.NewSourceVerifier(t, s, testkit.AtNow())
		for range 20 {
			for i := range 33 {
				testkit.AcceptOnce(t, v, w.token(i))
			}
		}
		if host, n := w.most(); n > 1+5 {
			t.Errorf("%s was asked %d times", host, n)
		}
	})
}
