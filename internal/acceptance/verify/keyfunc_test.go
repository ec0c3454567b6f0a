package verify

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// keyfuncs are those of a client and of issuers that trust the same issuer.
type keyfuncs map[string]func(context.Context) jwt.Keyfunc

func keyfuncsOf(t *testing.T, n *testkit.Internet, issuer string) keyfuncs {
	t.Helper()
	c := n.NewClient(t, jwks.WithIssuer(issuer))
	s := n.NewIssuers(t, jwks.TrustIssuers(issuer))
	return keyfuncs{
		"Client.Keyfunc":     func(context.Context) jwt.Keyfunc { return c.Keyfunc },
		"Client.KeyfuncCtx":  c.KeyfuncCtx,
		"Issuers.Keyfunc":    func(context.Context) jwt.Keyfunc { return s.Keyfunc },
		"Issuers.KeyfuncCtx": s.KeyfuncCtx,
	}
}

func TestKeyfunc_Outcomes(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example", jwkstest.WithAlgorithms("ES256", "RS256", "EdDSA"))
	tests := []struct {
		name   string
		claims map[string]any
		opts   []jwkstest.SignOption
		fails  []error
	}{
		{"good", nil, nil, nil},
		{"another key", nil, []jwkstest.SignOption{jwkstest.WithKeyID("k2")}, nil},
		{"Ed25519", nil, []jwkstest.SignOption{jwkstest.WithKeyID("k3")}, nil},
		{"crit", nil, []jwkstest.SignOption{jwkstest.WithHeader("crit", []string{"exp"})}, []error{jwks.ErrUnsupportedCritical}},
		{"b64", nil, []jwkstest.SignOption{jwkstest.WithHeader("b64", false)}, []error{jwks.ErrUnsupportedCritical}},
		{"an alg that the key does not allow", nil, []jwkstest.SignOption{jwkstest.WithHeader("alg", "ES384")}, []error{jwks.ErrAlgorithmNotAllowed}},
		{"an alg of another key", nil, []jwkstest.SignOption{jwkstest.WithHeader("alg", "RS256")}, []error{jwks.ErrAlgorithmNotAllowed}},
		{"a symmetric alg", nil, []jwkstest.SignOption{jwkstest.WithHeader("alg", "HS256")}, []error{jwks.ErrAlgorithmNotAllowed}},
		{"none", nil, []jwkstest.SignOption{jwkstest.WithHeader("alg", "none")}, []error{jwks.ErrAlgorithmNotAllowed}},
		{"kid is a number", nil, []jwkstest.SignOption{jwkstest.WithHeader("kid", 1)}, []error{jwt.ErrTokenMalformed}},
		{"an unknown kid", nil, []jwkstest.SignOption{jwkstest.WithHeader("kid", "k9")}, []error{jwks.ErrKeyNotFound}},
		{"no iss", map[string]any{"iss": nil}, nil, []error{jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing}},
		{"a foreign iss", map[string]any{"iss": "https://nobody.example"}, nil, []error{jwt.ErrTokenInvalidIssuer}},
		{"an empty iss", map[string]any{"iss": ""}, nil, []error{jwt.ErrTokenInvalidIssuer}},
		{"iss is a number", map[string]any{"iss": 7}, nil, []error{jwt.ErrTokenMalformed}},
	}
	for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
		for _, test := range tests {
			token, err := jwt.Parse(issuer.Sign(test.claims, test.opts...), keyfunc(t.Context()))
			if len(test.fails) == 0 {
				if err != nil || !token.Valid {
					t.Errorf("%s: %s: %v", how, test.name, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s: %s: accepted", how, test.name)
				continue
			}
			if test.name != "iss is a number" { // which golang-jwt itself may see first
				testkit.WantForeignError(t, err, jwks.ErrTokenInvalid)
			}
			for _, want := range test.fails {
				if !errors.Is(err, want) {
					t.Errorf("%s: %s: %v does not match %v", how, test.name, err, want)
				}
			}
		}
	}
}

// golang-jwt compares neither text nor curve: the keyfunc does.
func TestKeyfunc_ReadsTheRawText(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example", jwkstest.WithAlgorithms("ES256"))
	good := issuer.Sign(nil)
	header, rest, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"a line break in the signature": good[:len(good)-4] + "\n" + good[len(good)-4:],
		"padding":                       header + "=." + rest,
		"a duplicate member":            strings.Replace(good, header, testkit.Segment(`{"alg":"ES256","kid":"k1","kid":"k1"}`), 1),
		"too long":                      issuer.Sign(map[string]any{"x": strings.Repeat("x", 17<<10)}),
	} {
		for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
			n.TakeRequests()
			if _, err := jwt.Parse(token, keyfunc(t.Context()), jwt.WithPaddingAllowed()); err == nil {
				t.Errorf("%s: %s: accepted", how, name)
			}
			n.WantRequests(t)
		}
	}
}

func TestKeyfunc_SeveralCandidates(t *testing.T) {
	a, b, c := testkit.NewSigner(t, "ES256", "k"), testkit.NewSigner(t, "ES256", "k"), testkit.NewSigner(t, "ES384", "k")
	stranger := testkit.NewSigner(t, "ES256", "k")
	n := testkit.NewInternet()
	n.Serve("host.example", map[string]string{
		testkit.DiscoveryPath: testkit.Metadata(testkit.Issuer, "https://host.example/jwks"),
		"/jwks":               `{"keys":[` + strings.Join([]string{a.JWK(), c.JWK(), b.JWK()}, ",") + `]}`,
	})
	client := n.NewClient(t, jwks.WithDiscoveryURL("https://host.example"+testkit.DiscoveryPath), jwks.WithIssuer(testkit.Issuer))
	at := jwt.WithTimeFunc(func() time.Time { return time.Unix(testkit.Now, 0) })
	for _, s := range []*testkit.Signer{a, b} {
		token, err := jwt.Parse(s.Token(testkit.Payload(nil)), client.Keyfunc, at)
		if err != nil || !token.Valid {
			t.Errorf("%v", err)
		}
		key, err := client.KeyForToken(t.Context(), s.Token(testkit.Payload(nil)))
		if err != nil || !s.Key.Public().(*ecdsa.PublicKey).Equal(key.Public()) {
			t.Errorf("KeyForToken found another key: %v", err)
		}
	}
	if _, err := jwt.Parse(stranger.Token(testkit.Payload(nil)), client.Keyfunc, at); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("%v", err)
	}

	unverified, _, err := jwt.NewParser().ParseUnverified(a.Token(testkit.Payload(nil)), jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Keyfunc(unverified)
	if set, ok := answer.(jwt.VerificationKeySet); err != nil || !ok || len(set.Keys) != 2 {
		t.Errorf("%T %v, want a VerificationKeySet of the 2 keys that allow the algorithm", answer, err)
	}
}

// A token that was put together by hand has no text: its header and claims
// have to do.
func TestKeyfunc_WithoutRawText(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example")
	c := n.NewClient(t, jwks.WithIssuer(issuer.URL()))
	tests := []struct {
		name   string
		method jwt.SigningMethod
		header map[string]any
		claims jwt.Claims
		fails  error
	}{
		{"good", jwt.SigningMethodES256, nil, jwt.MapClaims{"iss": issuer.URL()}, nil},
		{"registered claims", jwt.SigningMethodES256, nil, jwt.RegisteredClaims{Issuer: issuer.URL()}, nil},
		{"no claims", jwt.SigningMethodES256, nil, nil, jwt.ErrTokenInvalidIssuer},
		{"no iss", jwt.SigningMethodES256, nil, jwt.MapClaims{}, jwt.ErrTokenInvalidIssuer},
		{"a foreign iss", jwt.SigningMethodES256, nil, jwt.MapClaims{"iss": "https://evil.example"}, jwt.ErrTokenInvalidIssuer},
		{"iss is a number", jwt.SigningMethodES256, nil, jwt.MapClaims{"iss": 1}, jwt.ErrTokenMalformed},
		{"crit", jwt.SigningMethodES256, map[string]any{"crit": nil}, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrUnsupportedCritical},
		{"b64", jwt.SigningMethodES256, map[string]any{"b64": true}, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrUnsupportedCritical},
		{"kid is a number", jwt.SigningMethodES256, map[string]any{"kid": 1}, jwt.MapClaims{"iss": issuer.URL()}, jwt.ErrTokenMalformed},
		{"an unknown kid", jwt.SigningMethodES256, map[string]any{"kid": "k9"}, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrKeyNotFound},
		{"no kid, one key", jwt.SigningMethodES256, map[string]any{"kid": nil}, jwt.MapClaims{"iss": issuer.URL()}, nil},
		{"another alg", jwt.SigningMethodES384, nil, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrAlgorithmNotAllowed},
		{"a symmetric alg", jwt.SigningMethodHS256, nil, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrAlgorithmNotAllowed},
		{"none", jwt.SigningMethodNone, nil, jwt.MapClaims{"iss": issuer.URL()}, jwks.ErrAlgorithmNotAllowed},
	}
	for _, test := range tests {
		header := map[string]any{"kid": "k1", "alg": "none, and unused"}
		maps.Copy(header, test.header)
		key, err := c.Keyfunc(&jwt.Token{Method: test.method, Header: header, Claims: test.claims})
		if test.fails == nil {
			if testkit.WantNoError(t, err); key == nil {
				t.Errorf("%s: no key", test.name)
			}
			continue
		}
		testkit.WantError(t, err, test.fails, jwks.ErrTokenInvalid)
	}
	for _, token := range []*jwt.Token{nil, {}, {Raw: issuer.Sign(nil)}} {
		_, err := c.Keyfunc(token)
		testkit.WantError(t, err, jwt.ErrTokenMalformed, jwks.ErrTokenInvalid)
	}
	// A token whose method is not the one of its text.
	_, err := c.Keyfunc(&jwt.Token{Raw: issuer.Sign(nil), Method: jwt.SigningMethodES384})
	testkit.WantError(t, err, jwks.ErrAlgorithmNotAllowed)
}

// Under a template the tid of hand-made claims counts too.
func TestKeyfunc_UnderATemplate(t *testing.T) {
	n, issuer, _ := testkit.NewEntra(t)
	c := n.NewClient(t, jwks.WithIssuer(testkit.EntraIssuer), jwks.WithTenants(testkit.Tenant1))
	_, err := jwt.Parse(issuer.Sign(map[string]any{"tid": testkit.Tenant1}), c.Keyfunc)
	testkit.WantNoError(t, err)
	_, err = jwt.Parse(issuer.Sign(map[string]any{"tid": testkit.Tenant2}), c.Keyfunc)
	testkit.WantForeignError(t, err, jwt.ErrTokenInvalidIssuer)
	for tid, good := range map[any]bool{testkit.Tenant1: true, testkit.Tenant2: false, 5: false, nil: false} {
		_, err := c.Keyfunc(&jwt.Token{Method: jwt.SigningMethodES256, Header: map[string]any{"kid": "k1"},
			Claims: jwt.MapClaims{"iss": testkit.TenantIssuer(testkit.Tenant1), "tid": tid}})
		if (err == nil) != good {
			t.Errorf("tid %v: %v", tid, err)
		}
	}
}

func TestKeyfunc_ObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "host.example")
		issuer.SetFault(jwkstest.Hang())
		for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
			if !strings.HasSuffix(how, "Ctx") {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			_, err := jwt.Parse(issuer.Sign(nil), keyfunc(ctx))
			testkit.WantForeignError(t, err, context.DeadlineExceeded, jwks.ErrUnavailable)
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s took %v", how, took)
			}
			cancel()
		}
	})
}

func TestKeyfunc_KeyForToken(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example", jwkstest.WithAlgorithms("RS256", "ES256"))
	c := n.NewClient(t, jwks.WithIssuer(issuer.URL()))
	s := n.NewIssuers(t, jwks.TrustIssuers(issuer.URL()))
	finders := map[string]func(context.Context, string) (*jwks.Key, error){"client": c.KeyForToken, "issuers": s.KeyForToken}

	// What is wrong with form or header is said before any I/O.
	for name, test := range map[string]struct {
		token string
		fails error
	}{
		"empty":           {"", jwt.ErrTokenMalformed},
		"two segments":    {"a.b", jwt.ErrTokenMalformed},
		"an empty one":    {"e30..e30", jwt.ErrTokenMalformed},
		"no base64url":    {"e30=.e30.e30", jwt.ErrTokenMalformed},
		"no header":       {"bnVsbA.e30.e30", jwt.ErrTokenMalformed},
		"no claims":       {testkit.Segment(`{"alg":"RS256"}`) + "." + testkit.Segment(`[]`) + ".e30", jwt.ErrTokenMalformed},
		"iss twice":       {testkit.Segment(`{"alg":"RS256"}`) + "." + testkit.Segment(`{"iss":"a","iss":"a"}`) + ".e30", jwt.ErrTokenMalformed},
		"too large":       {strings.Repeat("a", 16<<10+1), jwks.ErrTokenTooLarge},
		"crit":            {issuer.Sign(nil, jwkstest.WithHeader("crit", []string{"x"})), jwks.ErrUnsupportedCritical},
		"a symmetric alg": {issuer.Sign(nil, jwkstest.WithHeader("alg", "HS256")), jwks.ErrAlgorithmNotAllowed},
		"none":            {issuer.Sign(nil, jwkstest.WithHeader("alg", "none")), jwks.ErrAlgorithmNotAllowed},
	} {
		for who, find := range finders {
			_, err := find(t.Context(), test.token)
			testkit.WantError(t, err, test.fails, jwks.ErrTokenInvalid)
			if n.TakeRequests() != nil {
				t.Errorf("%s: %s: requests were made", who, name)
			}
		}
	}

	for who, find := range finders {
		key, err := find(t.Context(), "Bearer "+issuer.Sign(nil, jwkstest.WithKeyID("k2")))
		if err != nil || key.ID() != "k2" || key.Issuer() != issuer.URL() {
			t.Errorf("%s: %v %v", who, key, err)
		}
		_, err = find(t.Context(), issuer.Sign(nil, jwkstest.WithKeyID("k9")))
		testkit.WantError(t, err, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		_, err = find(t.Context(), issuer.Sign(map[string]any{"iss": "https://evil.example"}))
		testkit.WantError(t, err, jwt.ErrTokenInvalidIssuer, jwks.ErrTokenInvalid)
		_, err = find(t.Context(), issuer.Sign(map[string]any{"iss": nil}))
		testkit.WantError(t, err, jwt.ErrTokenInvalidIssuer, jwks.ErrTokenInvalid)
	}
}
