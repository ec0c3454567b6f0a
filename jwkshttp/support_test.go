package jwkshttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const audience = "my-api"

// newIssuer starts an issuer whose signatures are cheap.
func newIssuer(t testing.TB, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	return jwkstest.New(t, append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256")}, opts...)...)
}

// newVerifier makes a verifier of an issuer's tokens for audience.
func newVerifier(t testing.TB, issuer *jwkstest.Issuer, opts ...jwks.ClientOption) *jwks.Verifier {
	t.Helper()
	opts = append([]jwks.ClientOption{jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient())}, opts...)
	client, err := jwks.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience(audience))
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// sign makes a token for audience with the scope read.
func sign(issuer *jwkstest.Issuer, subject string) string {
	return issuer.Sign(map[string]any{"aud": audience, "sub": subject, "scope": "read"})
}

// verifierFunc is a TokenVerifier.
type verifierFunc func(ctx context.Context, token string) (*jwks.Token, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	return f(ctx, token)
}

// failing is a verifier that always returns err.
func failing(err error) jwkshttp.TokenVerifier {
	return verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, err })
}

// served answers 200, says whether there is a token, and whose.
var served = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	token, ok := jwkshttp.TokenFromContext(r.Context())
	if !ok {
		_, _ = w.Write([]byte("served without token"))
		return
	}
	w.Header().Set("X-Subject", token.Subject())
	_, _ = w.Write([]byte("served"))
})

// bearing is a request with this Authorization value.
func bearing(token string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// answer is what a handler answers to a request.
func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// panics says with what f panics.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
