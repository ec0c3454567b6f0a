package keysets

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// twoIssuers are two issuers, the kids of which differ unless they are the
// same, and a client of each.
type twoIssuers struct {
	a, b             *jwkstest.Issuer
	clientA, clientB *jwks.Client
	union            *jwks.Union
}

func newTwoIssuers(t *testing.T) *twoIssuers {
	n := testkit.NewInternet()
	w := &twoIssuers{a: n.AddIssuer(t, "a.example"), b: n.AddIssuer(t, "b.example")}
	w.b.Rotate() // k2, which a does not have
	w.b.RemoveKey("k1")
	w.clientA, w.clientB = n.NewClient(t, jwks.WithIssuer(w.a.URL())), n.NewClient(t, jwks.WithIssuer(w.b.URL()))
	w.union = jwks.AnyOf(w.clientA, w.clientB)
	return w
}

func TestAnyOf_FirstWithTheKeyAnswers(t *testing.T) {
	testkit.Bubble(t, "both are up", func(t *testing.T) {
		w := newTwoIssuers(t)
		v := testkit.NewSourceVerifier(t, w.union)
		testkit.Accept(t, v, w.a.Sign(nil))
		if n := w.b.Requests().JWKS; n != 0 {
			t.Errorf("the second source was asked %d times for a key of the first", n)
		}
		testkit.Accept(t, v, w.b.Sign(nil))
		testkit.RefuseOnce(t, v, w.b.Sign(nil, jwkstest.WithKeyID("other")), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	for name, down := range map[string]func(*twoIssuers) (down, up *jwkstest.Issuer){
		"the first is down":  func(w *twoIssuers) (*jwkstest.Issuer, *jwkstest.Issuer) { return w.a, w.b },
		"the second is down": func(w *twoIssuers) (*jwkstest.Issuer, *jwkstest.Issuer) { return w.b, w.a },
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			w := newTwoIssuers(t)
			out, up := down(w)
			out.SetFault(jwkstest.Status(503))
			v := testkit.NewSourceVerifier(t, w.union)
			testkit.Accept(t, v, up.Sign(nil))
			testkit.RefuseOnce(t, v, up.Sign(nil, jwkstest.WithKeyID("other")), jwks.ErrUnavailable, jwks.ErrKeyNotFound)
			testkit.RefuseOnce(t, v, out.Sign(nil), jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		})
	}
	testkit.Bubble(t, "both are down", func(t *testing.T) {
		w := newTwoIssuers(t)
		w.a.SetFault(jwkstest.Status(503))
		w.b.SetFault(jwkstest.Hang())
		err := testkit.RefuseOnce(t, testkit.NewSourceVerifier(t, w.union), w.a.Sign(nil), jwks.ErrUnavailable)
		for _, host := range []string{"a.example", "b.example"} {
			if !strings.Contains(err.Error(), host) {
				t.Errorf("%v does not name %s", err, host)
			}
		}
		var fetch *jwks.FetchError
		if !errors.As(err, &fetch) {
			t.Errorf("%v is not a FetchError", err)
		}
	})
	testkit.Bubble(t, "who gives up is told so", func(t *testing.T) {
		w := newTwoIssuers(t)
		w.a.SetFault(jwkstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := testkit.NewSourceVerifier(t, w.union).Verify(ctx, w.b.Sign(nil))
		testkit.WantError(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
	})
}

// The keys of each source stay bound to its issuer.
func TestAnyOf_KeysStayBound(t *testing.T) {
	w := newTwoIssuers(t)
	v := testkit.NewSourceVerifier(t, w.union)
	forged := w.a.Sign(map[string]any{"iss": w.b.URL()})
	testkit.RefuseOnce(t, v, forged, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
	_, err := w.union.KeyForToken(t.Context(), forged)
	testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
	_, err = jwt.Parse(forged, w.union.Keyfunc)
	if !errors.Is(err, jwt.ErrTokenInvalidIssuer) {
		t.Error(err)
	}
}

// Two sources may have the same kid for different keys.
func TestAnyOf_BadSignatureAsksOn(t *testing.T) {
	testkit.Bubble(t, "the next source has the key under the same kid", func(t *testing.T) {
		n := testkit.NewInternet()
		a, b := n.AddIssuer(t, "a.example"), n.AddIssuer(t, "b.example")
		u := jwks.AnyOf(n.NewClient(t, jwks.WithIssuer(a.URL())), n.NewClient(t, jwks.WithIssuer(b.URL())))
		v := testkit.NewSourceVerifier(t, u)
		testkit.Accept(t, v, b.Sign(nil))
		testkit.Accept(t, v, a.Sign(nil))
		k, err := u.KeyForToken(t.Context(), b.Sign(nil))
		testkit.WantNoError(t, err)
		if k.Issuer() != b.URL() {
			t.Errorf("KeyForToken found a key of %s", k.Issuer())
		}
		if _, err := jwt.Parse(b.Sign(nil), u.KeyfuncCtx(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for name, second := range map[string]bool{"the first source replaced the key under its kid": false, "the second did": true} {
		testkit.Bubble(t, name, func(t *testing.T) {
			env, other := testkit.NewEnv(t), testkit.NewEnv(t, jwkstest.WithoutKeyIDs())
			set := testkit.NewSigner(t, "ES256", "k1").JWK()
			env.ReplyWith(serve(&set))
			c, rest := env.NewClientWithoutIssuer(jwks.WithJWKSURL(env.Issuer.JWKSURL())), other.NewClientWithoutIssuer(jwks.WithJWKSURL(other.Issuer.JWKSURL()))
			u := jwks.AnyOf(c, rest)
			if second {
				u = jwks.AnyOf(rest, c)
			}
			v := testkit.NewSourceVerifier(t, u, jwks.WithoutIssuerCheck())
			testkit.WantKey(t, c, "k1")
			replaced := testkit.NewSigner(t, "ES256", "k1")
			set = replaced.JWK()
			time.Sleep(time.Second)
			testkit.Accept(t, v, replaced.Token(`{"exp":9999999999}`))
			forged := testkit.NewSigner(t, "ES256", "k1").Token(`{"exp":9999999999}`)
			for range 100 {
				testkit.RefuseOnce(t, v, forged, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			}
			if n := len(env.TakeRequests("")); n > 8 {
				t.Errorf("%d requests for forged signatures", n)
			}
		})
	}
	testkit.Bubble(t, "where the key is, a bad signature is the token's fault", func(t *testing.T) {
		w := newTwoIssuers(t)
		w.b.SetFault(jwkstest.Status(503))
		forged := testkit.NewSigner(t, "ES256", "k1").Token(`{"iss":"` + w.a.URL() + `","exp":9999999999}`)
		testkit.RefuseOnce(t, testkit.NewSourceVerifier(t, w.union), forged, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	})
}

// Keys of one's own beside an issuer's: keys without a kid come first, and a
// token of the issuer's names one.
func TestAnyOf_StaticBesideRemote(t *testing.T) {
	testkit.Bubble(t, "either", func(t *testing.T) {
		env := testkit.NewEnv(t)
		mine := testkit.NewSigner(t, "ES256", "")
		set, err := jwks.NewKeySet(jwks.PublicKey{Key: mine.Key.Public()})
		testkit.WantNoError(t, err)
		for _, u := range []*jwks.Union{jwks.AnyOf(set, env.NewClient()), jwks.AnyOf(env.NewClient(), set)} {
			v := testkit.NewSourceVerifier(t, u, jwks.WithExpectedIssuer(env.Issuer.URL()))
			testkit.Accept(t, v, env.Issuer.Sign(nil))
			testkit.Accept(t, v, mine.Sign(`{"alg":"ES256"}`, `{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`))
		}
	})
	testkit.Bubble(t, "the issuer's key is not there while the issuer is down", func(t *testing.T) {
		env := testkit.NewEnv(t)
		env.Issuer.SetFault(jwkstest.Status(503))
		set, err := jwks.NewKeySet(jwks.PublicKey{Key: testkit.NewSigner(t, "ES256", "").Key.Public()})
		testkit.WantNoError(t, err)
		v := testkit.NewSourceVerifier(t, jwks.AnyOf(set, env.NewClient()), jwks.WithExpectedIssuer(env.Issuer.URL()))
		testkit.RefuseOnce(t, v, env.Issuer.Sign(nil), jwks.ErrUnavailable)
		unnamed := testkit.NewSigner(t, "ES256", "").Sign(`{"alg":"ES256"}`, `{"exp":9999999999}`)
		testkit.RefuseOnce(t, v, unnamed, jwks.ErrUnavailable)
	})
}

func TestAnyOf_Construction(t *testing.T) {
	w := newTwoIssuers(t)
	set := testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "s"))
	for name, tt := range map[string]struct {
		source jwks.KeySource
		ok     bool
	}{
		"no source":                           {jwks.AnyOf(), false},
		"a nil source":                        {jwks.AnyOf(w.clientA, nil), false},
		"a nil client":                        {jwks.AnyOf((*jwks.Client)(nil), w.clientA), false},
		"a nil union in a union":              {jwks.AnyOf(w.clientA, (*jwks.Union)(nil)), false},
		"an empty union in a union":           {jwks.AnyOf(w.clientA, jwks.AnyOf()), false},
		"the zero value":                      {&jwks.Union{}, false},
		"a nil union":                         {(*jwks.Union)(nil), false},
		"one source does not know its issuer": {jwks.AnyOf(w.clientA, set), false},
		"each knows its issuer":               {w.union, true},
		"unions of unions":                    {jwks.AnyOf(jwks.AnyOf(w.clientA), w.clientB), true},
	} {
		v, err := jwks.NewVerifier(tt.source, jwks.WithoutAudienceCheck())
		switch {
		case tt.ok && err != nil, !tt.ok && (v != nil || !errors.Is(err, jwks.ErrConfig)):
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := jwks.AnyOf().SigningKeys(t.Context(), jwks.Header{Algorithm: "ES256"}, "")
	testkit.WantError(t, err, jwks.ErrUnavailable)
}

func TestAnyOf_StatusAndReady(t *testing.T) {
	testkit.Bubble(t, "of each source", func(t *testing.T) {
		w := newTwoIssuers(t)
		issuers, err := jwks.NewIssuers(jwks.TrustIssuer("https://c.example", jwks.WithKeySet(testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "c"))), jwks.WithJWKSURL("https://c.example/jwks")))
		testkit.WantNoError(t, err)
		defer issuers.Close()
		u := jwks.AnyOf(w.clientA, testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "s")), issuers, w.clientB)
		var names []string
		for _, s := range u.Status() {
			names = append(names, s.Issuer)
		}
		if got := strings.Join(names, " "); got != w.a.URL()+" https://c.example "+w.b.URL() {
			t.Errorf("status of %s", got)
		}
		testkit.WantNoError(t, w.union.Ready(t.Context()))
		w.b.SetFault(jwkstest.Status(503))
		again := newTwoIssuers(t)
		again.b.SetFault(jwkstest.Status(503))
		err = again.union.Ready(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if !strings.Contains(err.Error(), "b.example") || strings.Contains(err.Error(), "a.example") {
			t.Error(err)
		}
		if again.union.Status()[0].State != jwks.StateFresh {
			t.Error("the source that is up was not loaded")
		}
	})
}

// serve answers every request with a set of one key, which may change.
func serve(jwk *string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		return testkit.Response(http.StatusOK, testkit.KeySetDocument(*jwk))
	}
}

// A source of the program's own may return nil, or the zero Key, among its keys: they
// are as if they were not there.
func TestAnyOf_KeysThatAreNone(t *testing.T) {
	s, forger := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
	set := testkit.KeySetOf(t, s)
	key, _ := set.Key("k1")
	good, forged := s.Token(testkit.Payload(nil)), forger.Token(testkit.Payload(nil))
	for name, keys := range map[string][]*jwks.Key{
		"nil": {nil}, "zero": {new(jwks.Key)}, "nil first": {nil, key}, "nil last": {key, nil}, "zero first": {new(jwks.Key), key}, "zero last": {key, new(jwks.Key)},
	} {
		source := testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return keys, nil })
		for place, u := range map[string]*jwks.Union{"before a set": jwks.AnyOf(source, set), "behind a set": jwks.AnyOf(set, source)} {
			t.Run(name+", "+place, func(t *testing.T) {
				testkit.Accept(t, testkit.NewVerifier(t, u), good)
				testkit.Refuse(t, testkit.NewVerifier(t, u), forged, jwt.ErrTokenSignatureInvalid)
				for token, valid := range map[string]bool{good: true, forged: false} {
					found, err := u.KeyForToken(t.Context(), token)
					if err != nil || found.ID() != "k1" { // a signature is not its to judge
						t.Errorf("KeyForToken: %v, %v", found, err)
					}
					parsed, err := jwt.Parse(token, u.Keyfunc, jwt.WithTimeFunc(testkit.NowTime))
					if (err == nil) != valid {
						t.Errorf("Keyfunc: %v, want it valid: %v", err, valid)
					}
					parsed.Raw = "" // as of a token that was put together by hand
					if _, err := u.Keyfunc(parsed); err != nil {
						t.Errorf("Keyfunc without the text: %v", err)
					}
				}
			})
		}
	}
}
