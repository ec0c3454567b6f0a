package cfaccess_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	team     = "my-team"
	teamURL  = "https://my-team.cloudflareaccess.com"
	audience = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"
	alice    = "7335d417-61da-459d-899c-0a01c76a2f94"
)

// access is a fake team of Cloudflare Access: an issuer, and the two endpoints
// that this package asks, in memory.
type access struct {
	*jwkstest.Issuer
	answer func(r *http.Request) *http.Response // of the identity endpoint

	mu    sync.Mutex
	asked []*http.Request // of the identity endpoint
}

func newAccess(t testing.TB, base string) *access {
	t.Helper()
	return &access{
		Issuer: jwkstest.New(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL(base)),
		answer: func(*http.Request) *http.Response { return response(200, `{}`) },
	}
}

// RoundTrip serves the certificates from where Access has them.
func (a *access) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Path {
	case "/cdn-cgi/access/certs":
		r = r.Clone(r.Context())
		r.URL.Path = "/jwks"
		return a.HTTPClient().Transport.RoundTrip(r)
	case "/cdn-cgi/access/get-identity":
		a.mu.Lock()
		a.asked = append(a.asked, r)
		a.mu.Unlock()
		resp := a.answer(r)
		if resp == nil { // the endpoint hangs
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		resp.Request = r
		return resp, nil
	}
	return response(404, ""), nil
}

func (a *access) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

// newValidator makes a Validator of the team my-team that reaches a only.
func newValidator(t testing.TB, a *access, opts ...cfaccess.Option) *cfaccess.Validator {
	t.Helper()
	opts = append([]cfaccess.Option{cfaccess.WithHTTPClient(&http.Client{Transport: a})}, opts...)
	v, err := cfaccess.New(team, audience, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// person makes the token of a user, as the documentation of Access shows it.
func (a *access) person() string { return a.Sign(personClaims()) }

func personClaims() map[string]any {
	return map[string]any{
		"aud": []string{audience}, "email": "alice@example.com", "type": "app",
		"identity_nonce": "6ei69kawdKzMIAPF", "sub": alice, "country": "US",
	}
}

// service makes a service token's token.
func (a *access) service() string {
	return a.Sign(map[string]any{
		"aud": audience, "type": "app", "sub": "", "common_name": "e367826f93b8d71185e03fe518aff3b4.access",
	})
}

var servicesName = "e367826f93b8d71185e03fe518aff3b4.access"

// served says who the visitor is.
var served = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	user, ok := cfaccess.UserFromContext(r.Context())
	token, hasToken := jwkshttp.TokenFromContext(r.Context())
	switch {
	case !ok && !hasToken:
		_, _ = io.WriteString(w, "served without user")
	case ok && !hasToken:
		_, _ = io.WriteString(w, "served as "+user.Email)
	case !ok || token.Subject() != user.Subject:
		_, _ = io.WriteString(w, "user and token disagree")
	default:
		_, _ = io.WriteString(w, "served "+user.Email+user.CommonName)
	}
})

func get(h http.Handler, set func(r *http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	set(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func withHeader(tokens ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[cfaccess.Header] = tokens }
}

func withCookie(tokens ...string) func(*http.Request) {
	return func(r *http.Request) {
		for _, token := range tokens {
			r.AddCookie(&http.Cookie{Name: cfaccess.Cookie, Value: token})
		}
	}
}

var _ jwkshttp.TokenVerifier = (*cfaccess.Validator)(nil)
