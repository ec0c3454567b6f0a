// Package issuers shows Issuers: whom it trusts, listed, decided by a function or any,
// and that no issuer harms another.
package issuers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// An issuer that is not trusted is refused in every way of asking, and costs
// no request.
func TestIssuers_UntrustedCostsNoRequest(t *testing.T) {
	n := testkit.NewInternet()
	a := n.AddIssuer(t, "a.example", jwkstest.WithPath("/tenant"))
	b := n.AddIssuer(t, "b.example")
	s := n.NewIssuers(t, jwks.TrustIssuers(a.URL()))
	v := testkit.NewSourceVerifier(t, s)
	for _, iss := range []any{b.URL(), a.URL() + "/", strings.ToUpper(a.URL()), "https://a.example", a.URL() + "/../x", "", "\x00", strings.Repeat("https://x.example/", 100), "{tenantid}", nil, 5} {
		token := b.Sign(map[string]any{"iss": iss})
		_, err := v.Verify(t.Context(), token)
		if _, text := iss.(string); text || iss == nil {
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
		} else {
			testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		_, err = s.KeyForToken(t.Context(), token)
		testkit.WantError(t, err, jwks.ErrTokenInvalid)
		_, err = jwt.Parse(token, s.Keyfunc)
		testkit.WantForeignError(t, err, jwks.ErrTokenInvalid)
		if text, ok := iss.(string); ok {
			_, err = s.Client(t.Context(), text)
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
			_, err = s.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256", KeyID: "k1"}, text)
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
		}
	}
	n.WantRequests(t)
	testkit.Accept(t, v, a.Sign(nil)) // and the listed one is found by its token alone
	n.WantRequests(t, a.URL()+testkit.DiscoveryPath, a.JWKSURL())
}

// Issuers with equal kids: each verifies its own tokens and no others,
// side by side, while their keys change.
func TestIssuers_KeysAreNotShared(t *testing.T) {
	n := testkit.NewInternet()
	var issuers []*jwkstest.Issuer
	var names []string
	for i := range 4 {
		issuer := n.AddIssuer(t, fmt.Sprintf("i%d.example", i))
		issuers, names = append(issuers, issuer), append(names, issuer.URL())
	}
	for how, trust := range map[string]jwks.IssuersOption{
		"listed":   jwks.TrustIssuers(names...),
		"dynamic":  jwks.TrustIssuerFunc(testkit.TrustAll()),
		"anyone":   jwks.TrustAnyIssuer(),
		"evicting": nil,
	} {
		t.Run(how, func(t *testing.T) {
			opts := []jwks.IssuersOption{trust}
			if trust == nil {
				opts = []jwks.IssuersOption{jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithMaxIssuers(2)}
			}
			s := n.NewIssuers(t, opts...)
			verifiers := []*jwks.Verifier{testkit.NewSourceVerifier(t, s), testkit.NewSourceVerifier(t, s, jwks.WithTokenCache(8))}
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					v := verifiers[worker%2]
					for round := range 12 {
						a, b := issuers[(worker+round)%4], issuers[(worker+round+1+round%3)%4]
						token, err := v.Verify(t.Context(), a.Sign(nil))
						if err != nil {
							t.Errorf("%s: %v", a.URL(), err)
						} else if token.Issuer() != a.URL() || token.Key().Issuer() != a.URL() || token.Key().ID() != "k1" {
							t.Errorf("a token of %s, with a key of %s", token.Issuer(), token.Key().Issuer())
						}
						forged := a.Sign(map[string]any{"iss": b.URL()})
						_, err = v.Verify(t.Context(), forged)
						testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
						if _, err := jwt.Parse(forged, s.Keyfunc); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
							t.Errorf("Keyfunc: %v", err)
						}
						if _, err := jwt.Parse(a.Sign(nil), s.Keyfunc); err != nil {
							t.Errorf("Keyfunc: %v", err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// B's document leads to A's key set: B's own tokens do not verify any more,
// and A's keys stay A's. What A's key set holds at B is bound to B.
func TestIssuers_ForeignKeySetURL(t *testing.T) {
	n := testkit.NewInternet()
	a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
	b.SetFault(jwkstest.Body([]byte(testkit.Metadata(b.URL(), a.JWKSURL()))))
	b.SetJWKSFault(jwkstest.None())
	s := n.NewIssuers(t, jwks.TrustIssuers(a.URL(), b.URL()))
	v := testkit.NewSourceVerifier(t, s)
	for range 2 { // in both orders
		testkit.Refuse(t, v, b.Sign(nil), jwt.ErrTokenSignatureInvalid)
		testkit.Refuse(t, v, b.Sign(map[string]any{"iss": a.URL()}), jwt.ErrTokenSignatureInvalid)
		if got := testkit.Accept(t, v, a.Sign(nil)); got.Issuer() != a.URL() || got.Key().Issuer() != a.URL() {
			t.Errorf("a token of %s with a key of %s", got.Issuer(), got.Key().Issuer())
		}
	}
	h := jwks.Header{Algorithm: "ES256", KeyID: "k1"}
	ofA, err := s.SigningKeys(t.Context(), h, a.URL())
	testkit.WantNoError(t, err)
	ofB, err := s.SigningKeys(t.Context(), h, b.URL())
	testkit.WantNoError(t, err)
	if ofA[0] == ofB[0] || ofA[0].Issuer() != a.URL() || ofB[0].Issuer() != b.URL() {
		t.Errorf("keys bound to %s and %s", ofA[0].Issuer(), ofB[0].Issuer())
	}
	// A document that names A as its issuer gets B nowhere either.
	b.SetFault(jwkstest.Body([]byte(testkit.Metadata(a.URL(), b.JWKSURL()))))
	fresh := testkit.NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuers(a.URL(), b.URL())))
	testkit.Refuse(t, fresh, b.Sign(nil), jwks.ErrIssuerMismatch, jwks.ErrUnavailable)
	testkit.Refuse(t, fresh, b.Sign(map[string]any{"iss": a.URL()}), jwt.ErrTokenSignatureInvalid)
}

func TestIssuers_Client(t *testing.T) {
	n := testkit.NewInternet()
	a := n.AddIssuer(t, "a.example")
	s := n.NewIssuers(t, jwks.TrustIssuers(a.URL()), jwks.TrustIssuer("https://static.example", jwks.WithJWKSURL(a.JWKSURL())))
	c, err := s.Client(t.Context(), a.URL())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Metadata(t.Context()); err != nil || m.Issuer != a.URL() || m.JWKSURI != a.JWKSURL() {
		t.Errorf("metadata %+v %v", m, err)
	}
	n.TakeRequests()
	static, err := s.Client(t.Context(), "https://static.example")
	if err != nil {
		t.Fatal(err)
	}
	if key, err := static.Key(t.Context(), "k1"); err != nil || key.Issuer() != "https://static.example" {
		t.Errorf("%v %v", key, err)
	}
	n.WantRequests(t, a.JWKSURL())
	status := s.Status()
	if len(status) != 2 || status[0].Issuer != a.URL() || status[1].Issuer != "https://static.example" || status[0].State != jwks.StateFresh {
		t.Errorf("status %+v", status)
	}
}

func TestIssuers_Ready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		var names []string
		for i := range 100 {
			names = append(names, n.AddIssuer(t, fmt.Sprintf("i%d.example", i), jwkstest.WithAlgorithms("EdDSA")).URL())
		}
		slow := make([]*jwkstest.Issuer, 20)
		for i := range slow {
			slow[i] = n.AddIssuer(t, fmt.Sprintf("slow%d.example", i), jwkstest.WithAlgorithms("EdDSA"))
			slow[i].SetFault(jwkstest.Hang())
			names = append([]string{slow[i].URL()}, names...)
		}
		n.Serve("broken.example", nil)
		s := n.NewIssuers(t, jwks.TrustIssuers("https://broken.example"), jwks.TrustIssuers(names...))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := s.Ready(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
		errs := err.(interface{ Unwrap() []error }).Unwrap()[1:] // the class comes first
		if len(errs) != 21 {
			t.Errorf("%d errors, want one for each issuer that fails", len(errs))
		}
		if text := err.Error(); strings.Contains(text, "\n") || !strings.HasSuffix(text, "; and 17 more") || !strings.HasPrefix(text, "jwks: keys unavailable: ") {
			t.Errorf("not one line for the log: %q", text)
		}
		late := 0
		for _, err := range errs {
			testkit.WantError(t, err, jwks.ErrUnavailable)
			if errors.Is(err, context.DeadlineExceeded) {
				late++
			}
		}
		if late != 20 {
			t.Errorf("%d errors of the caller's deadline, want 20", late)
		}
		fresh := 0
		for _, st := range s.Status() {
			if st.State == jwks.StateFresh {
				fresh++
			}
		}
		if fresh != 100 {
			t.Errorf("%d issuers are loaded, want all 100 that work", fresh)
		}
		for _, issuer := range slow {
			issuer.SetFault(jwkstest.None())
		}
	})
}

func TestIssuers_Run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		s := n.NewIssuers(t, jwks.TrustIssuers(a.URL(), b.URL()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if a.Requests().JWKS != 1 || b.Requests().JWKS != 1 {
			t.Errorf("requests %+v %+v, want the sets loaded", a.Requests(), b.Requests())
		}
		time.Sleep(time.Hour)
		for _, st := range s.Status() {
			if st.State != jwks.StateFresh || st.Fetches < 4 {
				t.Errorf("after an hour without traffic: %v after %d fetches", st.State, st.Fetches)
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returns %v", err)
		}
		go func() { done <- s.Run(t.Context()) }()
		synctest.Wait()
		testkit.WantNoError(t, s.Close())
		testkit.WantError(t, <-done, jwks.ErrClosed)
	})
}

func TestIssuers_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		s := n.NewIssuers(t, jwks.TrustIssuers(a.URL()), jwks.TrustIssuerFunc(testkit.TrustAll()))
		v := testkit.NewSourceVerifier(t, s)
		testkit.Accept(t, v, a.Sign(nil))
		testkit.Accept(t, v, b.Sign(nil))
		ofA, _ := s.Client(t.Context(), a.URL())
		ofB, _ := s.Client(t.Context(), b.URL())
		hung := n.AddIssuer(t, "hung.example")
		hung.SetFault(jwkstest.Hang())
		waiting := make(chan error)
		go func() {
			_, err := v.Verify(t.Context(), hung.Sign(nil))
			waiting <- err
		}()
		synctest.Wait()
		testkit.WantNoError(t, s.Close())
		testkit.WantError(t, <-waiting, jwks.ErrClosed, jwks.ErrUnavailable)
		testkit.WantNoError(t, s.Close()) // idempotent
		n.TakeRequests()
		for _, c := range []*jwks.Client{ofA, ofB} {
			_, err := c.KeySet(t.Context())
			testkit.WantError(t, err, jwks.ErrClosed)
		}
		for _, issuer := range []string{a.URL(), b.URL(), "https://new.example", "https://evil.example"} {
			_, err := s.Client(t.Context(), issuer)
			testkit.WantError(t, err, jwks.ErrClosed, jwks.ErrUnavailable)
			_, err = s.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256", KeyID: "k1"}, issuer)
			testkit.WantError(t, err, jwks.ErrClosed, jwks.ErrUnavailable)
		}
		_, err := s.KeyForToken(t.Context(), a.Sign(nil))
		testkit.WantError(t, err, jwks.ErrClosed)
		testkit.WantError(t, s.Ready(t.Context()), jwks.ErrClosed)
		testkit.WantError(t, s.Run(t.Context()), jwks.ErrClosed)
		n.WantRequests(t)
	})
}

// The key set of one issuer that is slow or broken is that issuer's affair.
func TestIssuers_SlowIssuerDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		good, slow, broken := n.AddIssuer(t, "good.example"), n.AddIssuer(t, "slow.example"), n.AddIssuer(t, "broken.example")
		slow.SetFault(jwkstest.Hang())
		broken.SetFault(jwkstest.DropConnection())
		for _, s := range []*jwks.Issuers{
			n.NewIssuers(t, jwks.TrustIssuers(good.URL(), slow.URL(), broken.URL())),
			n.NewIssuers(t, jwks.TrustIssuerFunc(func(ctx context.Context, issuer string) ([]jwks.ClientOption, error) {
				if issuer == slow.URL() { // the function itself is slow as well
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return nil, nil
			})),
		} {
			v := testkit.NewSourceVerifier(t, s)
			for _, bad := range []*jwkstest.Issuer{slow, broken} {
				for range 20 {
					go func() { _, _ = v.Verify(t.Context(), bad.Sign(nil)) }()
				}
			}
			synctest.Wait()
			began := time.Now()
			for range 10 {
				testkit.Accept(t, v, good.Sign(nil))
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
			testkit.WantNoError(t, s.Close())
		}
	})
}

// The real token: given the token and the issuer's name alone, the key is
// found, the token verified, and its issuer bound.
func TestIssuers_RealToken(t *testing.T) {
	dir := testkit.SharedDir(t, "seed")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	const issuer = "https://dev-87evx9ru.auth0.com/"
	token := read("auth0-token.jwt")
	n := testkit.NewInternet()
	n.Serve("dev-87evx9ru.auth0.com", map[string]string{
		testkit.DiscoveryPath:    testkit.Metadata(issuer, issuer+".well-known/jwks.json"),
		"/.well-known/jwks.json": read("auth0-jwks.json"),
	})
	at := func(now int64) jwks.VerifierOption {
		return jwks.WithNow(func() time.Time { return time.Unix(now, 0) })
	}
	for how, trust := range map[string]jwks.IssuersOption{
		"listed": jwks.TrustIssuers("https://other.example/", issuer), "dynamic": jwks.TrustIssuerFunc(testkit.TrustAll()), "anyone": jwks.TrustAnyIssuer(),
	} {
		s := n.NewIssuers(t, trust)
		v, err := jwks.NewVerifier(s, jwks.WithAudience("https://expenses-api"), at(1572006960))
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), "Bearer "+token)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if got.Issuer() != issuer || got.Key().Issuer() != issuer || got.Subject() != "aW4Cca79xReLWUz0aE2H6kD0O3cXBVtC@clients" || got.Key().ID() != got.Header().KeyID {
			t.Errorf("%s: %+v", how, got)
		}
		n.WantRequests(t, issuer+".well-known/openid-configuration", issuer+".well-known/jwks.json")

		key, err := s.KeyForToken(t.Context(), token)
		if err != nil || key != got.Key() {
			t.Errorf("%s: %v %v", how, key, err)
		}
		if _, err := jwt.Parse(token, s.Keyfunc, jwt.WithTimeFunc(func() time.Time { return time.Unix(1572006960, 0) })); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		late, err := jwks.NewVerifier(s, jwks.WithAudience("https://expenses-api"))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Refuse(t, late, token, jwt.ErrTokenExpired)
	}
	// Without its slash the name is another issuer's.
	testkit.Refuse(t, testkit.NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuers(strings.TrimRight(issuer, "/"))), at(1572006960)), token, jwks.ErrIssuerNotTrusted)
	n.WantRequests(t)
}
