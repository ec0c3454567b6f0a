package jwkshttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const proofURL = "http://api.example/things"

// proving makes requests with proofs for one issuer's tokens.
type proving struct {
	issuer   *jwkstest.Issuer
	verifier *jwks.Verifier
	key      *jwkstest.ProofKey
	dpop     func(*http.Request) (jwks.Proof, error)
}

func newProving(t testing.TB) *proving {
	t.Helper()
	checker, err := dpop.New(dpop.WithAlgorithms("ES256"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proving{issuer: newIssuer(t), key: jwkstest.NewProofKey("ES256"), dpop: checker.Proof}
	p.verifier = newVerifier(t, p.issuer)
	return p
}

func (p *proving) handler(opts ...jwkshttp.Option) http.Handler {
	return jwkshttp.Middleware(p.verifier, opts...)(served)
}

// token is one with these members of cnf, or unbound.
func (p *proving) token(cnf ...map[string]any) string {
	claims := map[string]any{"aud": audience, "scope": "read"}
	if len(cnf) > 0 {
		claims["cnf"] = jwkstest.Confirmations(cnf...)
	}
	return p.issuer.Sign(claims)
}

// request sends a token under a scheme with a right DPoP proof.
func (p *proving) request(scheme, token string) *http.Request {
	r := httptest.NewRequest("GET", proofURL, nil)
	r.Header.Set("Authorization", scheme+" "+token)
	r.Header.Set("DPoP", p.key.Proof("GET", proofURL, token))
	return r
}

// want checks status and challenges of an answer.
func want(t testing.TB, rec *httptest.ResponseRecorder, status int, challenges ...string) {
	t.Helper()
	if got := rec.Header().Values("WWW-Authenticate"); rec.Code != status || !slices.Equal(got, challenges) {
		t.Errorf("%d\n%s\nwant %d\n%s", rec.Code, strings.Join(got, "\n"), status, strings.Join(challenges, "\n"))
	}
}

const (
	dpopOffer   = `DPoP algs="ES256"`
	bearerWrong = `Bearer error="invalid_token", error_description="The token is expired, malformed or not valid here"`
	dpopWrong   = `DPoP error="invalid_token", error_description="The token is expired, malformed or not valid here", algs="ES256"`
)

func TestWithProof_Schemes(t *testing.T) {
	p := newProving(t)
	h := p.handler(jwkshttp.WithProof(p.dpop))
	bound, unbound := p.token(p.key.Confirmation()), p.token()

	want(t, answer(h, p.request("DPoP", bound)), 200)
	want(t, answer(h, bearing(unbound)), 200)
	want(t, answer(h, httptest.NewRequest("GET", proofURL, nil)), 401, dpopOffer, "Bearer")
	want(t, answer(h, p.request("Basic", bound)), 401, dpopOffer, "Bearer")
	want(t, answer(h, p.request("DPoPx", bound)), 401, dpopOffer, "Bearer")
	want(t, answer(h, p.request("DPoP", unbound)), 401, dpopWrong)
	want(t, answer(h, p.request("DPoP", p.token(jwkstest.CertificateConfirmation(jwkstest.ClientCertificate().Leaf)))), 401, dpopWrong)
	want(t, answer(h, p.request("DPoP", bound+"x")), 401, dpopWrong)
	want(t, answer(h, bearing(unbound+"x")), 401, bearerWrong, dpopOffer)

	malformed := `error="invalid_request", error_description="The request must carry exactly one well-formed token"`
	want(t, answer(h, p.request("DPoP", "")), 400, "DPoP "+malformed+`, algs="ES256"`)
	want(t, answer(h, p.request("DPoP", bound+", Bearer "+unbound)), 400, "DPoP "+malformed+`, algs="ES256"`)
	want(t, answer(h, p.request("Bearer", unbound+", DPoP "+bound)), 400, "Bearer "+malformed)
	two := p.request("DPoP", bound)
	two.Header.Add("Authorization", "Bearer "+unbound)
	want(t, answer(h, two), 400, "Bearer "+malformed)

	// Without WithProof there is one scheme, and a bound token is refused.
	h = p.handler()
	want(t, answer(h, p.request("DPoP", bound)), 401, "Bearer")
	want(t, answer(h, p.request("Bearer", bound)), 401, bearerWrong)
	want(t, answer(h, bearing(unbound)), 200)
}

func TestWithProof_Parameters(t *testing.T) {
	p := newProving(t)
	h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.WithRealm("api"), jwkshttp.RequireScopes("write"))
	bound := p.token(p.key.Confirmation())
	want(t, answer(h, p.request("DPoP", bound)), 403, `DPoP realm="api", error="insufficient_scope", error_description="The token lacks a required scope", scope="write", algs="ES256"`)
	want(t, answer(h, bearing(p.token())), 403, `Bearer realm="api", error="insufficient_scope", error_description="The token lacks a required scope", scope="write"`)
	r := p.request("DPoP", bound)
	r.Header.Del("DPoP")
	want(t, answer(h, r), 401, `DPoP realm="api", error="invalid_dpop_proof", algs="ES256"`)
	if got := answer(h, httptest.NewRequest("GET", proofURL, nil)).Header().Values("WWW-Authenticate"); len(got) != 2 || got[0] != `DPoP realm="api", algs="ES256"` || !strings.HasPrefix(got[1], `Bearer realm="api"`) {
		t.Errorf("%q", got)
	}
}

// The scheme DPoP is read where BearerToken looks, and only there.
func TestWithProof_Extractors(t *testing.T) {
	p := newProving(t)
	bound := p.token(p.key.Confirmation())
	for name, test := range map[string]struct {
		extractors []jwkshttp.Extractor
		status     int
	}{
		"BearerToken":                 {[]jwkshttp.Extractor{jwkshttp.FromCookie("token"), jwkshttp.BearerToken}, 200},
		"FromHeader of Authorization": {[]jwkshttp.Extractor{jwkshttp.FromHeader("authorization")}, 200},
		"a cookie only":               {[]jwkshttp.Extractor{jwkshttp.FromCookie("token")}, 401},
	} {
		h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.WithExtractors(test.extractors...))
		if rec := answer(h, p.request("DPoP", bound)); rec.Code != test.status {
			t.Errorf("%s: %d %v", name, rec.Code, rec.Header())
		}
	}
	h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.WithExtractors(jwkshttp.FromCookie("token")))
	r := p.request("DPoP", bound)
	r.Header.Del("Authorization")
	r.AddCookie(&http.Cookie{Name: "token", Value: bound})
	want(t, answer(h, r), 200) // it has no scheme, but a proof
}

func TestWithProof_Anonymous(t *testing.T) {
	p := newProving(t)
	h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.AllowAnonymous())
	if rec := answer(h, httptest.NewRequest("GET", proofURL, nil)); rec.Body.String() != "served without token" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	want(t, answer(h, p.request("DPoP", p.token())), 401, dpopWrong)
}

func TestWithProof_Outage(t *testing.T) {
	p := newProving(t)
	p.issuer.SetFault(jwkstest.Status(503))
	want(t, answer(p.handler(jwkshttp.WithProof(p.dpop)), p.request("DPoP", p.token(p.key.Confirmation()))), 503)
}

func TestClientCertificate_MustMatch(t *testing.T) {
	p := newProving(t)
	mine, other := jwkstest.ClientCertificate().Leaf, jwkstest.ClientCertificate().Leaf
	bound := p.token(jwkstest.CertificateConfirmation(mine))
	with := func(r *http.Request, certs ...*x509.Certificate) *http.Request {
		r.TLS = &tls.ConnectionState{PeerCertificates: certs}
		return r
	}
	h := p.handler(jwkshttp.WithProof(jwkshttp.ClientCertificate(nil)))
	want(t, answer(h, with(bearing(bound), mine, other)), 200)
	want(t, answer(h, with(bearing(p.token()), other)), 200)
	want(t, answer(h, bearing(p.token())), 200)
	for name, r := range map[string]*http.Request{
		"another certificate":          with(bearing(bound), other),
		"the right one further on":     with(bearing(bound), other, mine),
		"TLS without a certificate":    with(bearing(bound)),
		"no TLS":                       bearing(bound),
		"a certificate without octets": with(bearing(bound), &x509.Certificate{}),
		"a token bound to a DPoP key":  with(bearing(p.token(p.key.Confirmation())), mine),
		"a token bound to both":        with(bearing(p.token(p.key.Confirmation(), jwkstest.CertificateConfirmation(mine))), mine),
		"a thumbprint that is a list":  with(bearing(p.token(map[string]any{"x5t#S256": []string{"x"}})), mine),
		"an empty thumbprint":          with(bearing(p.token(map[string]any{"x5t#S256": ""})), &x509.Certificate{}),
		"an unknown method":            with(bearing(p.token(jwkstest.CertificateConfirmation(mine), map[string]any{"x": "y"})), mine),
	} {
		t.Run(name, func(t *testing.T) { want(t, answer(h, r), 401, bearerWrong) })
	}
	want(t, answer(h, httptest.NewRequest("GET", "/", nil)), 401, "Bearer")
	want(t, answer(h, p.request("DPoP", bound)), 401, "Bearer") // another scheme

	behind := jwkshttp.ClientCertificate(func(r *http.Request) *x509.Certificate {
		if r.Header.Get("Client-Cert") == "mine" {
			return mine
		}
		return nil
	})
	h = p.handler(jwkshttp.WithProof(behind))
	r := bearing(bound)
	want(t, answer(h, r), 401, bearerWrong)
	r.Header.Set("Client-Cert", "mine")
	want(t, answer(h, r), 200)
}

// The TLS stack itself proves that the client has the certificate's key.
func TestClientCertificate_OverTLS(t *testing.T) {
	p := newProving(t)
	server := httptest.NewUnstartedServer(p.handler(jwkshttp.WithProof(jwkshttp.ClientCertificate(nil))))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	mine, other := jwkstest.ClientCertificate(), jwkstest.ClientCertificate()
	bound := p.token(jwkstest.CertificateConfirmation(mine.Leaf))
	for status, certs := range map[int][]tls.Certificate{200: {mine}, 401: {other}} {
		client := server.Client()
		transport := client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = certs
		r, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+bound)
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		transport.CloseIdleConnections()
		if res.StatusCode != status {
			t.Errorf("%d, want %d", res.StatusCode, status)
		}
	}
}

// Each confirmation method of a token must be proved.
func TestWithProof_AddsUp(t *testing.T) {
	p := newProving(t)
	cert := jwkstest.ClientCertificate().Leaf
	both := p.token(p.key.Confirmation(), jwkstest.CertificateConfirmation(cert))
	h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.WithProof(jwkshttp.ClientCertificate(nil)))
	with := func(r *http.Request) *http.Request {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		r.Header.Set("DPoP", p.key.Proof("GET", "https://api.example/things", strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")))
		return r
	}
	want(t, answer(h, with(p.request("DPoP", both))), 200)
	want(t, answer(h, with(p.request("DPoP", p.token(p.key.Confirmation())))), 200)
	want(t, answer(h, with(bearing(p.token(jwkstest.CertificateConfirmation(cert))))), 200)
	want(t, answer(h, p.request("DPoP", both)), 401, dpopWrong) // no certificate
	r := with(p.request("DPoP", both))
	r.Header.Del("DPoP")
	want(t, answer(h, r), 401, `DPoP error="invalid_dpop_proof", algs="ES256"`)
	want(t, answer(h, with(p.request("DPoP", p.token(p.key.Confirmation(), map[string]any{"x": "y"})))), 401, dpopWrong)
}

// proofFunc is a Proof of a program's own, for all of cnf.
type proofFunc func(t *jwks.Token) error

func (f proofFunc) Prove(_ context.Context, t *jwks.Token) error { return f(t) }

func TestWithProof_FunctionsOfOnesOwn(t *testing.T) {
	p := newProving(t)
	bound := p.token(map[string]any{"x": "y"})
	calls := 0
	fine := func(*http.Request) (jwks.Proof, error) {
		return proofFunc(func(*jwks.Token) error { calls++; return nil }), nil
	}
	failing := func(err error) func(*http.Request) (jwks.Proof, error) {
		return func(*http.Request) (jwks.Proof, error) { return nil, err }
	}
	want(t, answer(p.handler(jwkshttp.WithProof(fine)), bearing(bound)), 200)
	want(t, answer(p.handler(jwkshttp.WithProof(fine), jwkshttp.WithProof(p.dpop)), bearing(bound)), 200)
	if calls != 2 {
		t.Errorf("asked %d times", calls)
	}
	for _, test := range []struct {
		err    error
		status int
	}{
		{errors.New("no idea"), 401}, {jwks.ErrUnavailable, 503}, {jwks.ErrTokenInvalid, 401}, {jwkshttp.ErrMalformed, 400},
	} {
		h := p.handler(jwkshttp.WithProof(failing(test.err)))
		if rec := answer(h, bearing(p.token())); rec.Code != test.status {
			t.Errorf("%v: %d, want %d", test.err, rec.Code, test.status)
		}
		want(t, answer(h, httptest.NewRequest("GET", "/", nil)), 401, "Bearer")
	}
	if panics(func() { p.handler(jwkshttp.WithProof(nil)) }) == nil {
		t.Error("a nil function does not panic")
	}
	h := p.handler(jwkshttp.WithProof(func(*http.Request) (jwks.Proof, error) { return (*pointerProof)(nil), nil }))
	want(t, answer(h, bearing(bound)), 401, bearerWrong) // a nil pointer is not a proof
	want(t, answer(h, bearing(p.token())), 200)
}

// pointerProof is a proof that a forgotten check leaves nil.
type pointerProof struct{ err error }

func (p *pointerProof) Prove(context.Context, *jwks.Token) error { return p.err }
func (p *pointerProof) Challenge() (scheme, params string)       { return p.err.Error(), "" }

// No answer holds anything of a token or a proof.
func TestWithProof_SaysNothing(t *testing.T) {
	p := newProving(t)
	var seen error
	h := p.handler(jwkshttp.WithProof(p.dpop), jwkshttp.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
		seen = err
		w.WriteHeader(jwkshttp.StatusCode(err))
	}))
	r := p.request("DPoP", p.token(p.key.Confirmation()))
	r.Method = "PUT"
	proof := r.Header.Get("DPoP")
	want(t, answer(h, r), 401, `DPoP error="invalid_dpop_proof", algs="ES256"`)
	if !errors.Is(seen, jwks.ErrProofRequired) || !errors.Is(seen, jwks.ErrTokenInvalid) || jwks.Reason(seen) != "proof" {
		t.Errorf("%v, reason %s", seen, jwks.Reason(seen))
	}
	for _, part := range strings.Split(proof, ".") {
		if strings.Contains(seen.Error(), part) {
			t.Errorf("a part of the proof stands in %v", seen)
		}
	}
}
