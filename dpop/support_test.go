package dpop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	target = "http://api.example/things"
)

// world is a service that takes tokens bound to keys, and a client with a key
// and a token.
type world struct {
	issuer   *jwkstest.Issuer
	verifier *jwks.Verifier
	checker  *dpop.Checker
	handler  http.Handler
	key      *jwkstest.ProofKey
	token    string
	err      error // why the last request was refused
}

func newWorld(t testing.TB, opts ...dpop.Option) *world {
	t.Helper()
	w := &world{issuer: jwkstest.New(t, jwkstest.WithAlgorithms("ES256")), key: jwkstest.NewProofKey("ES256")}
	w.verifier = w.issuer.Verifier(t, jwks.WithAudience("api"))
	w.checker = newChecker(t, opts...)
	w.token = w.bound(w.key)
	w.handler = jwkshttp.Middleware(w.verifier, jwkshttp.WithProof(w.checker.Proof),
		jwkshttp.WithErrorHandler(func(rw http.ResponseWriter, _ *http.Request, err error) {
			w.err = err
			rw.WriteHeader(jwkshttp.StatusCode(err))
		}),
	)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return w
}

func newChecker(t testing.TB, opts ...dpop.Option) *dpop.Checker {
	t.Helper()
	c, err := dpop.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bound is a token bound to a key.
func (w *world) bound(key *jwkstest.ProofKey) string {
	return w.issuer.Sign(map[string]any{"aud": "api", "cnf": key.Confirmation()})
}

// proof is a proof for the request of send.
func (w *world) proof(opts ...jwkstest.ProofOption) string {
	return w.key.Proof("GET", target, w.token, opts...)
}

// send makes a request for target with the world's token and these proofs.
func (w *world) send(proofs ...string) *httptest.ResponseRecorder {
	return w.serve(request("DPoP "+w.token, proofs...))
}

func request(authorization string, proofs ...string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	w.err = nil
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// wantServed says what went wrong where a request should have passed.
func (w *world) wantServed(t testing.TB, rec *httptest.ResponseRecorder, what string) {
	t.Helper()
	if rec.Code != 200 || rec.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%s: %d %v, want it served: %v", what, rec.Code, rec.Header(), w.err)
	}
}

// wantRefused checks status and challenge of a refusal, and that neither says
// anything of the token or the proof.
func (w *world) wantRefused(t testing.TB, rec *httptest.ResponseRecorder, code, text string, secrets ...string) {
	t.Helper()
	challenges := rec.Header().Values("WWW-Authenticate")
	if rec.Code != 401 || len(challenges) != 1 || !strings.HasPrefix(challenges[0], `DPoP error="`+code+`"`) || !strings.Contains(challenges[0], ` algs="`) {
		t.Errorf("%d %q, want 401 with %s (%v)", rec.Code, challenges, code, w.err)
		return
	}
	if !strings.Contains(w.err.Error(), text) {
		t.Errorf("%v, want it to say: %s", w.err, text)
	}
	for _, s := range secrets {
		if s != "" && (strings.Contains(w.err.Error(), s) || strings.Contains(challenges[0], s)) {
			t.Errorf("%q stands in %v %q", s, w.err, challenges)
		}
	}
}

// rawKey signs proofs whose text is given, byte for byte.
type rawKey struct {
	private *ecdsa.PrivateKey
	jwk     string
	jkt     string
}

func newRawKey(t testing.TB) *rawKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := jose.JSONWebKey{Key: private.Public()}
	text, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return &rawKey{private, string(text), base64.RawURLEncoding.EncodeToString(sum)}
}

func (k *rawKey) sign(t testing.TB, header, claims string) string {
	t.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.SigningMethodES256.Sign(input, k.private)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}
