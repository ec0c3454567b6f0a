package jwks_test

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
	"github.com/seed-22400188/jwks/jwkstest"
)

// keyfuncs are those of a client and of issuers that trust the same issuer.
type keyfuncs map[string]func(context.Context) jwt.Keyfunc

func keyfuncsOf(t *testing.T, n *internet, issuer string) keyfuncs {
	t.Helper()
	c := n.newClient(t, jwks.WithIssuer(issuer))
	s := n.issuers(t, jwks.TrustIssuers(issuer))
	return keyfuncs{
		"Client.Keyfunc":     func(context.Context) jwt.Keyfunc { return c.Keyfunc },
		"Client.KeyfuncCtx":  c.KeyfuncCtx,
		"Issuers.Keyfunc":    func(context.Context) jwt.Keyfunc { return s.Keyfunc },
		"Issuers.KeyfuncCtx": s.KeyfuncCtx,
	}
}

func TestKeyfunc(t *testing.T) {
	n := newInternet()
	issuer := n.issuer(t, "host.example", jwkstest.WithAlgorithms("ES256", "RS256", "EdDSA"))
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
				wantForeignError(t, err, jwks.ErrTokenInvalid)
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
func TestKeyfuncReadsTheTextItself(t *testing.T) {
	n := newInternet()
	issuer := n.issuer(t, "host.example", jwkstest.WithAlgorithms("ES256"))
	good := issuer.Sign(nil)
	header, rest, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"a line break in the signature": good[:len(good)-4] + "\n" + good[len(good)-4:],
		"padding":                       header + "=." + rest,
		"a duplicate member":            strings.Replace(good, header, segment(`{"alg":"ES256","kid":"k1","kid":"k1"}`), 1),
		"too long":                      issuer.Sign(map[string]any{"x": strings.Repeat("x", 17<<10)}),
	} {
		for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
			n.requests()
			if _, err := jwt.Parse(token, keyfunc(t.Context()), jwt.WithPaddingAllowed()); err == nil {
				t.Errorf("%s: %s: accepted", how, name)
			}
			n.wantRequests(t)
		}
	}
}

func TestKeyfuncWithSeveralCandidates(t *testing.T) {
	a, b, c := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "k"), newSigner(t, "ES384", "k")
	stranger := newSigner(t, "ES256", "k")
	n := newInternet()
	n.serve("host.example", map[string]string{
		discoveryPath: metadata(testIssuer, "https://host.example/jwks"),
		"/jwks":       `{"keys":[` + strings.Join([]string{a.jwk(), c.jwk(), b.jwk()}, ",") + `]}`,
	})
	client := n.newClient(t, jwks.WithDiscoveryURL("https://host.example"+discoveryPath), jwks.WithIssuer(testIssuer))
	at := jwt.WithTimeFunc(func() time.Time { return time.Unix(testNow, 0) })
	for _, s := range []*signer{a, b} {
		token, err := jwt.Parse(s.token(payloadWith(nil)), client.Keyfunc, at)
		if err != nil || !token.Valid {
			t.Errorf("%v", err)
		}
		key, err := client.KeyForToken(t.Context(), s.token(payloadWith(nil)))
		if err != nil || !s.key.Public().(*ecdsa.PublicKey).Equal(key.Public()) {
			t.Errorf("KeyForToken found another key: %v", err)
		}
	}
	if _, err := jwt.Parse(stranger.token(payloadWith(nil)), client.Keyfunc, at); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("%v", err)
	}

	unverified, _, err := jwt.NewParser().ParseUnverified(a.token(payloadWith(nil)), jwt.MapClaims{})
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
func TestKeyfuncWithoutTheText(t *testing.T) {
	n := newInternet()
	issuer := n.issuer(t, "host.example")
	c := n.newClient(t, jwks.WithIssuer(issuer.URL()))
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
		header := map[string]any{"kid": "k1", "alg": "none, and nobody asks"}
		maps.Copy(header, test.header)
		key, err := c.Keyfunc(&jwt.Token{Method: test.method, Header: header, Claims: test.claims})
		if test.fails == nil {
			if wantNoError(t, err); key == nil {
				t.Errorf("%s: no key", test.name)
			}
			continue
		}
		wantError(t, err, test.fails, jwks.ErrTokenInvalid)
	}
	for _, token := range []*jwt.Token{nil, {}, {Raw: issuer.Sign(nil)}} {
		_, err := c.Keyfunc(token)
		wantError(t, err, jwt.ErrTokenMalformed, jwks.ErrTokenInvalid)
	}
	// A token whose method is not the one of its text.
	_, err := c.Keyfunc(&jwt.Token{Raw: issuer.Sign(nil), Method: jwt.SigningMethodES384})
	wantError(t, err, jwks.ErrAlgorithmNotAllowed)
}

// Under a template the tid of hand-made claims counts too.
func TestKeyfuncUnderATemplate(t *testing.T) {
	n, issuer, _ := newEntra(t)
	c := n.newClient(t, jwks.WithIssuer(entraIssuer), jwks.WithTenants(tenant1))
	_, err := jwt.Parse(issuer.Sign(map[string]any{"tid": tenant1}), c.Keyfunc)
	wantNoError(t, err)
	_, err = jwt.Parse(issuer.Sign(map[string]any{"tid": tenant2}), c.Keyfunc)
	wantForeignError(t, err, jwt.ErrTokenInvalidIssuer)
	for tid, good := range map[any]bool{tenant1: true, tenant2: false, 5: false, nil: false} {
		_, err := c.Keyfunc(&jwt.Token{Method: jwt.SigningMethodES256, Header: map[string]any{"kid": "k1"},
			Claims: jwt.MapClaims{"iss": ofTenant(tenant1), "tid": tid}})
		if (err == nil) != good {
			t.Errorf("tid %v: %v", tid, err)
		}
	}
}

func TestKeyfuncCtxObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet()
		issuer := n.issuer(t, "host.example")
		issuer.SetFault(jwkstest.Hang())
		for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
			if !strings.HasSuffix(how, "Ctx") {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			_, err := jwt.Parse(issuer.Sign(nil), keyfunc(ctx))
			wantForeignError(t, err, context.DeadlineExceeded, jwks.ErrUnavailable)
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s took %v", how, took)
			}
			cancel()
		}
	})
}

func TestKeyForToken(t *testing.T) {
	n := newInternet()
	issuer := n.issuer(t, "host.example", jwkstest.WithAlgorithms("RS256", "ES256"))
	c := n.newClient(t, jwks.WithIssuer(issuer.URL()))
	s := n.issuers(t, jwks.TrustIssuers(issuer.URL()))
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
		"no claims":       {segment(`{"alg":"RS256"}`) + "." + segment(`[]`) + ".e30", jwt.ErrTokenMalformed},
		"iss twice":       {segment(`{"alg":"RS256"}`) + "." + segment(`{"iss":"a","iss":"a"}`) + ".e30", jwt.ErrTokenMalformed},
		"too large":       {strings.Repeat("a", 16<<10+1), jwks.ErrTokenTooLarge},
		"crit":            {issuer.Sign(nil, jwkstest.WithHeader("crit", []string{"x"})), jwks.ErrUnsupportedCritical},
		"a symmetric alg": {issuer.Sign(nil, jwkstest.WithHeader("alg", "HS256")), jwks.ErrAlgorithmNotAllowed},
		"none":            {issuer.Sign(nil, jwkstest.WithHeader("alg", "none")), jwks.ErrAlgorithmNotAllowed},
	} {
		for who, find := range finders {
			_, err := find(t.Context(), test.token)
			wantError(t, err, test.fails, jwks.ErrTokenInvalid)
			if n.requests() != nil {
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
		wantError(t, err, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
		_, err = find(t.Context(), issuer.Sign(map[string]any{"iss": "https://evil.example"}))
		wantError(t, err, jwt.ErrTokenInvalidIssuer, jwks.ErrTokenInvalid)
		_, err = find(t.Context(), issuer.Sign(map[string]any{"iss": nil}))
		wantError(t, err, jwt.ErrTokenInvalidIssuer, jwks.ErrTokenInvalid)
	}
}
