package issuers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

var (
	errSuspended = errors.New("tenant is suspended")
	errDatabase  = errors.New("database is down")
)

func TestIssuers_FuncDecides(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "a.example")
	static := jwks.WithJWKSURL(issuer.JWKSURL())
	both := fmt.Errorf("%w, %w", jwks.ErrIssuerNotTrusted, jwks.ErrUnavailable)
	tests := []struct {
		name   string
		decide func(context.Context, string) ([]jwks.ClientOption, error)
		fails  []error // none: the issuer is trusted
		not    []error // what the error does not match
		says   string
	}{
		{"plain discovery", testkit.TrustAll(), nil, nil, ""},
		{"with options", testkit.TrustAll(static), nil, nil, ""},
		{"refused", func(context.Context, string) ([]jwks.ClientOption, error) { return nil, jwks.ErrIssuerNotTrusted },
			[]error{jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer}, nil, "a.example"},
		{"refused, for a reason", func(context.Context, string) ([]jwks.ClientOption, error) {
			return nil, fmt.Errorf("%w: %w", jwks.ErrIssuerNotTrusted, errSuspended)
		}, []error{jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid, errSuspended}, nil, "suspended"},
		{"options along with an error do not count", func(context.Context, string) ([]jwks.ClientOption, error) {
			return []jwks.ClientOption{static}, jwks.ErrIssuerNotTrusted
		}, []error{jwks.ErrIssuerNotTrusted}, nil, ""},
		{"refused in both classes", func(context.Context, string) ([]jwks.ClientOption, error) { return nil, both },
			[]error{jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid}, nil, ""},
		{"undecided", func(context.Context, string) ([]jwks.ClientOption, error) { return nil, errDatabase },
			[]error{jwks.ErrUnavailable, errDatabase}, nil, "database is down"},
		{"undecided, with many lines", func(context.Context, string) ([]jwks.ClientOption, error) {
			return nil, errors.Join(errDatabase, errors.New(strings.Repeat("x", 1000)))
		}, []error{jwks.ErrUnavailable, errDatabase}, nil, "database is down"},
		{"an error of the other class", func(context.Context, string) ([]jwks.ClientOption, error) { return nil, jwks.ErrTokenInvalid },
			[]error{jwks.ErrUnavailable}, nil, ""},
		{"its own deadline is not the caller's", func(context.Context, string) ([]jwks.ClientOption, error) { return nil, context.DeadlineExceeded },
			[]error{jwks.ErrUnavailable}, []error{context.DeadlineExceeded}, "deadline"},
		{"invalid options", testkit.TrustAll(jwks.WithTTL(-1), jwks.WithRetries(-1)),
			[]error{jwks.ErrUnavailable}, []error{jwks.ErrConfig}, "WithRetries"},
		{"options of another issuer", testkit.TrustAll(jwks.WithIssuer("https://evil.example")), []error{jwks.ErrUnavailable}, []error{jwks.ErrConfig}, "evil.example"},
		{"a panic", func(context.Context, string) ([]jwks.ClientOption, error) { panic("at the disco") }, []error{jwks.ErrUnavailable}, nil, "panicked (string)"},
		{"the end of its goroutine", func(context.Context, string) ([]jwks.ClientOption, error) { runtime.Goexit(); return nil, nil }, []error{jwks.ErrUnavailable}, nil, "ended its goroutine"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := n.NewIssuers(t, jwks.TrustIssuerFunc(test.decide))
			n.TakeRequests()
			token, err := testkit.NewSourceVerifier(t, s).Verify(t.Context(), issuer.Sign(nil))
			_, direct := s.SigningKeys(t.Context(), testkit.ES256K1, issuer.URL())
			if test.fails == nil {
				testkit.WantNoError(t, direct)
				if err != nil || token.Key().Issuer() != issuer.URL() {
					t.Errorf("%v %v", token, err)
				}
				return
			}
			testkit.WantForeignError(t, err, test.fails...)
			testkit.WantForeignError(t, direct, test.fails...)
			for _, not := range test.not {
				if errors.Is(err, not) {
					t.Errorf("%v matches %v", err, not)
				}
			}
			if err != nil && (!strings.Contains(err.Error(), test.says) || len(err.Error()) > 400) {
				t.Errorf("%v\ndoes not say %q", err, test.says)
			}
			n.WantRequests(t)
		})
	}
}

// An issuer is any string (RFC 7519 section 4.1.1), so the function is asked
// about any of up to 2048 bytes that is not listed.
func TestIssuers_FuncIsAskedAboutAnyName(t *testing.T) {
	n := testkit.NewInternet()
	keys := n.AddIssuer(t, "keys.example")
	known := []string{"accounts.google.com", "urn:example:idp", "did:web:id.example", "x", "http://adfs.example/adfs/services/trust", "https://a b.example",
		"javascript:alert(1)", "https://a.example/\n", "https://u:p@a.example", "urn:" + strings.Repeat("x", 2044)}
	asked := make(map[string]int)
	s := n.NewIssuers(t, jwks.TrustIssuers("https://listed.example"), jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
		asked[issuer]++
		return nil, jwks.ErrIssuerNotTrusted
	}))
	v := testkit.NewSourceVerifier(t, s)
	for _, issuer := range known {
		testkit.RefuseOnce(t, v, keys.Sign(map[string]any{"iss": issuer}), jwks.ErrIssuerNotTrusted)
		if asked[issuer] != 1 {
			t.Errorf("%.40q: asked %d times", issuer, asked[issuer])
		}
	}
	for _, issuer := range []string{"", "urn:" + strings.Repeat("x", 2045), "https://a.example/{tenantid}"} {
		_, err := s.SigningKeys(t.Context(), testkit.ES256K1, issuer)
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwt.ErrTokenInvalidIssuer)
		_, err = s.Client(t.Context(), issuer)
		testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
	}
	if _, err := s.Client(t.Context(), "https://listed.example"); err != nil || len(asked) != len(known) {
		t.Errorf("the function was asked about %d names, %v", len(asked), err)
	}
	n.WantRequests(t)
}

// Callers who wait for the same issuer share one call; what one of them does
// is nothing to the others.
func TestIssuers_FuncCallsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "a.example")
		var calls atomic.Int32
		type key struct{}
		s := n.NewIssuers(t, jwks.TrustIssuerFunc(func(ctx context.Context, name string) ([]jwks.ClientOption, error) {
			calls.Add(1)
			if ctx.Value(key{}) != "first" {
				t.Error("the context has lost its values")
			}
			select {
			case <-time.After(5 * time.Second):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}))
		v := testkit.NewSourceVerifier(t, s)
		first, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "first"), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			_, err := v.Verify(first, issuer.Sign(nil))
			if testkit.WantError(t, err, context.DeadlineExceeded, jwks.ErrUnavailable); time.Since(began) != time.Second {
				t.Errorf("the impatient caller waited %v", time.Since(began))
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), issuer.Sign(nil)); err != nil || time.Since(began) != 5*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		wg.Wait()
		testkit.Accept(t, v, issuer.Sign(nil)) // and the answer is kept
		if calls.Load() != 1 || issuer.Requests().JWKS != 1 {
			t.Errorf("%d calls, %d fetches, want 1 of each", calls.Load(), issuer.Requests().JWKS)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Client(gone, "https://b.example") // not even asked
		if testkit.WantError(t, err, context.Canceled, jwks.ErrUnavailable); calls.Load() != 1 {
			t.Error("asked for a caller who has gone")
		}
	})
}

// A function that hangs costs its callers 15 s, and Close ends it.
func TestIssuers_FuncThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 2)
		s := testkit.NewInternet().NewIssuers(t, jwks.TrustIssuerFunc(func(ctx context.Context, _ string) ([]jwks.ClientOption, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}))
		began := time.Now()
		_, err := s.Client(t.Context(), "https://a.example")
		if testkit.WantError(t, err, jwks.ErrUnavailable); errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 15*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		waiting := make(chan error)
		go func() {
			_, err := s.Client(t.Context(), "https://a.example")
			waiting <- err
		}()
		synctest.Wait()
		testkit.WantNoError(t, s.Close())
		select { // Close has waited for the function
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		default:
			t.Error("Close left the function running")
		}
		testkit.WantError(t, <-waiting, jwks.ErrClosed, jwks.ErrUnavailable)
	})
}

// Forged issuers may come faster than the function answers: what is under way
// is bounded, and the others hear so at once.
func TestIssuers_FuncUnderAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := testkit.NewInternet().NewIssuers(t, jwks.TrustIssuerFunc(func(ctx context.Context, _ string) ([]jwks.ClientOption, error) {
			calls.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 1000 {
			go func() { _, _ = s.Client(impatient, fmt.Sprintf("https://forged%d.example", i)) }()
		}
		time.Sleep(2 * time.Second) // the callers have left, the calls go on
		began := time.Now()
		for i := range 100 {
			_, err := s.Client(t.Context(), fmt.Sprintf("https://more%d.example", i))
			testkit.WantError(t, err, jwks.ErrUnavailable)
		}
		if calls.Load() != 1000 || time.Since(began) != 0 {
			t.Errorf("%d calls; the others waited %v", calls.Load(), time.Since(began))
		}
		time.Sleep(15 * time.Second)
		go func() { _, _ = s.Client(t.Context(), "https://late.example") }()
		if synctest.Wait(); calls.Load() != 1001 {
			t.Errorf("%d calls after the flood", calls.Load())
		}
	})
}

// A client is kept, with its options, until it is evicted: then the function is
// asked again.
func TestIssuers_FuncIsAskedAfterEviction(t *testing.T) {
	n := testkit.NewInternet()
	issuers := []*jwkstest.Issuer{n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example"), n.AddIssuer(t, "c.example")}
	calls := make(map[string]int)
	s := n.NewIssuers(t, jwks.WithMaxIssuers(2), jwks.TrustIssuerFunc(func(_ context.Context, name string) ([]jwks.ClientOption, error) {
		calls[name]++
		return []jwks.ClientOption{jwks.WithHeader("X-Call", fmt.Sprint(calls[name]))}, nil
	}))
	v := testkit.NewSourceVerifier(t, s)
	a, b, c := issuers[0], issuers[1], issuers[2]
	for range 3 {
		testkit.Accept(t, v, a.Sign(nil))
		testkit.Accept(t, v, b.Sign(nil))
	}
	if calls[a.URL()] != 1 || calls[b.URL()] != 1 {
		t.Errorf("calls %v", calls)
	}
	ofB, err := s.Client(t.Context(), b.URL())
	testkit.WantNoError(t, err)
	testkit.Accept(t, v, a.Sign(nil)) // b is the least recently verified one now
	ofA, err := s.Client(t.Context(), a.URL())
	testkit.WantNoError(t, err)
	testkit.Accept(t, v, c.Sign(nil))
	_, err = ofB.KeySet(t.Context())
	testkit.WantError(t, err, jwks.ErrClosed)
	if _, err = ofA.KeySet(t.Context()); err != nil || len(s.Status()) != 2 {
		t.Errorf("%v, %d issuers", err, len(s.Status()))
	}
	testkit.Accept(t, v, b.Sign(nil))
	if calls[a.URL()] != 1 || calls[b.URL()] != 2 || calls[c.URL()] != 1 || b.Requests().JWKS != 2 {
		t.Errorf("calls %v, %d fetches of b", calls, b.Requests().JWKS)
	}
}

// A call under way keeps an evicted client open; the client closes with it.
func TestIssuers_EvictionWaitsForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		s := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1))
		v := testkit.NewSourceVerifier(t, s)
		ofA, err := s.Client(t.Context(), a.URL())
		testkit.WantNoError(t, err)
		a.SetFault(jwkstest.Delay(3 * time.Second))
		done := make(chan error)
		go func() {
			_, err := v.Verify(t.Context(), a.Sign(nil))
			done <- err
		}()
		synctest.Wait()
		testkit.Accept(t, v, b.Sign(nil)) // evicts a
		if st := s.Status(); len(st) != 1 || st[0].Issuer != b.URL() {
			t.Errorf("status %+v", st)
		}
		testkit.WantNoError(t, <-done)
		synctest.Wait()
		_, err = ofA.KeySet(t.Context())
		testkit.WantError(t, err, jwks.ErrClosed, jwks.ErrUnavailable)

		// An eviction never waits for a fetch of the client that goes.
		c := n.AddIssuer(t, "c.example")
		c.SetFault(jwkstest.Hang())
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = v.Verify(impatient, c.Sign(nil))
		testkit.WantError(t, err, context.DeadlineExceeded) // and c's fetch runs on
		began := time.Now()
		if testkit.Accept(t, v, b.Sign(nil)); time.Since(began) != 0 {
			t.Errorf("the eviction took %v", time.Since(began))
		}
	})
}

// Close does not wait for the calls that keep an evicted client open.
func TestIssuers_CloseEndsEvictedClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		s := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(1))
		v := testkit.NewSourceVerifier(t, s)
		a.SetFault(jwkstest.Hang())
		waiting := make(chan error)
		go func() {
			_, err := v.Verify(t.Context(), a.Sign(nil))
			waiting <- err
		}()
		synctest.Wait()
		testkit.Accept(t, v, b.Sign(nil)) // evicts a
		began := time.Now()
		testkit.WantNoError(t, s.Close())
		testkit.WantError(t, <-waiting, jwks.ErrClosed, jwks.ErrUnavailable)
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// More issuers than there is room for, and many who ask: everybody is served.
func TestIssuers_EvictionUnderLoad(t *testing.T) {
	n := testkit.NewInternet()
	var issuers []*jwkstest.Issuer
	for i := range 4 {
		issuers = append(issuers, n.AddIssuer(t, fmt.Sprintf("i%d.example", i)))
	}
	for _, room := range []int{1, 3} {
		s := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(room))
		v := testkit.NewSourceVerifier(t, s)
		var wg sync.WaitGroup
		for worker := range 12 {
			wg.Go(func() {
				for round := range 30 {
					issuer := issuers[(worker*7+round)%4]
					if _, err := v.Verify(t.Context(), issuer.Sign(nil)); err != nil {
						t.Errorf("room for %d: %v", room, err)
					}
				}
			})
		}
		wg.Wait()
		if got := len(s.Status()); got != room {
			t.Errorf("%d issuers are kept, want %d", got, room)
		}
		testkit.WantNoError(t, s.Close())
	}
}

// Who closes a client that came up at run time gets a new one.
func TestIssuers_ClosedClientIsReplaced(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "a.example")
	s := n.NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()))
	v := testkit.NewSourceVerifier(t, s)
	testkit.Accept(t, v, issuer.Sign(nil))
	c, err := s.Client(t.Context(), issuer.URL())
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, c.Close())
	testkit.Accept(t, v, issuer.Sign(nil))
}

func TestIssuers_DefaultMaxIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testkit.NewInternet().NewIssuers(t, jwks.TrustIssuerFunc(testkit.TrustAll()))
		for i := range 1040 {
			if i == 1000 { // as many as the budget for new ones has at once
				time.Sleep(time.Second)
			}
			if _, err := s.Client(t.Context(), fmt.Sprintf("https://i%d.example", i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Status(); len(got) != 1000 || got[0].Issuer != "https://i40.example" {
			t.Errorf("%d issuers", len(got))
		}
	})
}

// TestIssuers_DynamicIsTold: status and events tell issuers that were listed from
// those that came up at run time, whose number nobody knows.
func TestIssuers_DynamicIsTold(t *testing.T) {
	n := testkit.NewInternet()
	listed, tenant := n.AddIssuer(t, "listed.example"), n.AddIssuer(t, "tenant.example")
	dynamic := map[string]bool{}
	s := n.NewIssuers(t, jwks.TrustIssuers(listed.URL()), jwks.TrustIssuerFunc(testkit.TrustAll()),
		jwks.WithClientOptions(jwks.WithObserver(func(e jwks.Event) { dynamic[e.Issuer+" "+e.Kind.String()] = e.Dynamic })))
	v := testkit.NewSourceVerifier(t, s)
	testkit.Accept(t, v, listed.Sign(nil))
	testkit.Accept(t, v, tenant.Sign(nil))
	if want := map[string]bool{listed.URL() + " refreshed": false, tenant.URL() + " refreshed": true}; !maps.Equal(dynamic, want) {
		t.Errorf("events: %v", dynamic)
	}
	all := s.Status()
	if len(all) != 2 || all[0].Dynamic || !all[1].Dynamic {
		t.Fatalf("status: %+v", all)
	}
	for i, want := range []bool{false, true} {
		b, err := json.Marshal(all[i])
		if err != nil || strings.Contains(string(b), `"dynamic":true`) != want {
			t.Errorf("%s, %v", b, err)
		}
	}
}
