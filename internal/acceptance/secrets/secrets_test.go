package secrets

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwksstore"
)

// What the configuration keeps secret.
const (
	headerSecret  = "header-secret-1f6b9c07d2"
	rotatedSecret = "rotated-secret-8e21f0a4c7"
	querySecret   = "query-secret-55d0b8e613"
	userSecret    = "user-info-secret-9a7c3e01"
	proxySecret   = "proxy-secret-2b4d6f8091"
	nonceSecret   = "nonce-secret-0123456789-abcdef-0123456789"
	storeSecret   = "store-secret-0123456789-abcdef-0123456789"
	pathSecret    = "request-query-secret-77aa"
)

// server is the host of the keys. It answers as its mood is, and like a bad one
// repeats what it was sent.
type server struct {
	mood     string
	document string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	echo := fmt.Sprint(r.URL, r.Header)
	switch s.mood {
	case "echo":
		return testkit.Response(http.StatusOK, echo, "Content-Type", "text/html"), nil
	case "forbidden":
		return testkit.Response(http.StatusForbidden, echo), nil
	case "down":
		return testkit.Response(http.StatusServiceUnavailable, echo, "Retry-After", "2"), nil
	case "redirect":
		return testkit.Response(http.StatusFound, "", "Location", "https://keys.example/elsewhere?"+r.URL.RawQuery), nil
	case "refuses connections":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case "breaks off":
		resp := testkit.Response(http.StatusOK, s.document)
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(s.document[:20]), brokenReader{}))
		return resp, nil
	}
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		return testkit.Response(http.StatusOK, testkit.Metadata("https://keys.example", "https://keys.example/jwks?key="+querySecret)), nil
	}
	return testkit.Response(http.StatusOK, s.document, "ETag", `"1"`), nil
}

// store fails, or changes what it keeps, as the mood of the server is.
type store struct {
	jwks.Store
	host *server
}

func (s store) Load(ctx context.Context, name string) ([]byte, error) {
	record, err := s.Store.Load(ctx, name)
	switch s.host.mood {
	case "down":
		return nil, errors.New("connection refused")
	case "echo", "forbidden":
		record = bytes.Replace(record, []byte("keys"), []byte("kezs"), 1)
	}
	return record, err
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// leaky is a key set with private halves among its keys. Every member of every
// key is a secret: no sink shows keys.
func leaky(t *testing.T, s *sinks, good ...*testkit.Signer) string {
	var entries []string
	for _, g := range good {
		entries = append(entries, g.JWK())
	}
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		b, err := jose.JSONWebKey{Key: testkit.NewSigner(t, alg, "").Key, KeyID: "leaked-" + alg, Use: "sig"}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, string(b))
	}
	entries = append(entries, `{"kty":"oct","kid":"shared","k":"c2hhcmVkLXNlY3JldC1vZi1hLWtleS1zZXQ"}`,
		`{"kty":"RSA","kid":"weak","n":"`+strings.Repeat("QUJD", 20)+`","e":"AQAB"}`, `{"kty":"EC","crv":"P-256","kid":"off","x":"`+strings.Repeat("QUJD", 11)+`","y":"`+strings.Repeat("REVG", 11)+`"}`)
	for _, entry := range entries {
		var members map[string]string
		if err := json.Unmarshal([]byte(entry), &members); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"n", "x", "y", "d", "p", "q", "dp", "dq", "qi", "k"} {
			if text := members[name]; text != "" {
				s.secrets.Add("member "+name+" of key "+members["kid"], text)
			}
		}
	}
	return testkit.KeySetDocument(entries...)
}

func configured(s *sinks) {
	for name, secret := range map[string]string{
		"a header": headerSecret, "a header of a function": rotatedSecret, "a query": querySecret, "user info": userSecret,
		"a proxy's password": proxySecret, "the secret of nonces": nonceSecret, "a request's query": pathSecret, "the secret of a store": storeSecret,
	} {
		s.secrets.Add(name, secret)
	}
}

// options are those of a client that has secrets.
func (s *sinks) options(transport http.RoundTripper) []jwks.ClientOption {
	return []jwks.ClientOption{
		jwks.WithHTTPClient(&http.Client{Transport: transport}), jwks.WithRetries(1), jwks.WithLogger(s.logger()), jwks.WithObserver(s.observe),
		jwks.WithHeader("Authorization", "Bearer "+headerSecret),
		jwks.WithHeaderFunc("X-Key", func(context.Context) (string, error) { return rotatedSecret, nil }),
		jwks.WithTTL(time.Minute), jwks.WithMaxStale(5 * time.Minute),
	}
}

// TestSecrets_ReachNoSink feeds tokens, signatures, keys and configured secrets
// to everything that tells anybody anything, and searches for them.
func TestSecrets_ReachNoSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(sinks)
		configured(s)
		es, ed := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "EdDSA", "k2")
		host := &server{document: leaky(t, s, es, ed)}
		proxied := &http.Transport{
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("me", proxySecret), Host: "proxy.example:3128"}),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") },
		}
		byURL := newClient(t, append(s.options(host), jwks.WithIssuer("https://keys.example"), jwks.WithJWKSURL("https://keys.example/jwks?key="+querySecret))...)
		discovering := newClient(t, append(s.options(host), jwks.WithIssuer("https://keys.example"), jwks.WithDiscoveryURL("https://keys.example/.well-known/openid-configuration?key="+querySecret))...)
		behindProxy := newClient(t, append(s.options(proxied), jwks.WithIssuer("https://keys.example"), jwks.WithJWKSURL("https://keys.example/jwks?key="+querySecret))...)
		stored := newClient(t, append(s.options(host), jwks.WithIssuer("https://keys.example"), jwks.WithJWKSURL("https://keys.example/jwks?key="+querySecret),
			jwks.WithStore(store{jwksstore.Memory(), host}, []byte(storeSecret)))...)
		fromFile := newClient(t, jwks.WithKeyFile(privatePEM(t, s)), jwks.WithIssuer("https://keys.example"), jwks.WithLogger(s.logger()), jwks.WithObserver(s.observe))
		issuers, err := jwks.NewIssuers(jwks.TrustIssuer("https://keys.example", jwks.WithJWKSURL("https://keys.example/jwks?key="+querySecret)), jwks.TrustIssuers("https://else.example"),
			jwks.WithClientOptions(s.options(host)...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = issuers.Close() })

		all := s.tokens(es, ed)
		for i, mood := range []string{"", "echo", "forbidden", "down", "redirect", "refuses connections", "breaks off", ""} {
			host.mood = mood
			for _, c := range []*jwks.Client{byURL, discovering, behindProxy, stored, fromFile} {
				_, err := c.Refresh(t.Context())
				s.fail(err)
				s.status(jwkshttp.Clients(c))
				s.write(instances, testkit.Prints(c))
			}
			s.status(issuers)
			s.write(instances, testkit.Prints(issuers))
			for _, source := range []jwks.KeySource{byURL, discovering, behindProxy, stored, fromFile, issuers, jwks.AnyOf(byURL, issuers)} {
				s.feed(t, source, all[i%5:])
			}
			time.Sleep(3 * time.Minute)
		}
		time.Sleep(time.Hour) // everything expires
		host.mood = "down"
		s.feed(t, byURL, all)
		s.configure(t)
		synctest.Wait()
		s.check(t)
	})
}

func newClient(t *testing.T, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	c, err := jwks.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// tokens are good, forged, expired, bound and broken ones, each of them secret.
func (s *sinks) tokens(es, ed *testkit.Signer) []string {
	now := time.Now().Unix()
	payload := func(claims map[string]any) string {
		all := map[string]any{"iss": "https://keys.example", "iat": now, "exp": now + 7200}
		for name, value := range claims {
			all[name] = value
		}
		return testkit.Payload(all)
	}
	var all []string
	for _, signer := range []*testkit.Signer{es, ed} {
		all = append(all,
			signer.Token(payload(nil)), signer.Token(payload(map[string]any{"exp": 1})), signer.Token(payload(map[string]any{"aud": "x", "iss": "https://else.example"})),
			signer.Token(payload(map[string]any{"cnf": map[string]string{"jkt": "x"}})), signer.Token(`{"a":1,"a":2}`), signer.Token(`[]`),
			signer.Sign(`{"alg":"`+signer.Algorithm+`","kid":"unknown"}`, payload(nil)), signer.Sign(`{"alg":"RS256","kid":"leaked-RS256"}`, payload(nil)),
			signer.Sign(`{"alg":"`+signer.Algorithm+`","kid":"leaked-`+signer.Algorithm+`"}`, payload(nil)), signer.Sign(`{"alg":"none"}`, payload(nil)),
			signer.Sign(`{"alg":"`+signer.Algorithm+`","crit":["x"]}`, payload(nil)), signer.Token(payload(map[string]any{"sub": strings.Repeat("x", 20_000)})))
		good := signer.Token(payload(map[string]any{"sub": "forged"}))
		all = append(all, good[:len(good)-8]+"AAAAAAAA")
	}
	for i, token := range all {
		s.secrets.AddToken(fmt.Sprintf("token %d", i), token)
	}
	return all
}

// privatePEM is a key file with a private key beside a public one.
func privatePEM(t *testing.T, s *sinks) string {
	path := filepath.Join(t.TempDir(), "keys.pem")
	key := testkit.NewSigner(t, "ES256", "").Key
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	s.secrets.Add("a private key in a file", string(private))
	s.secrets.Add("a public key in a file", string(public[len(public)-64:])) // what stands before is the same for all
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})...)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "-") && len(line) > 60 {
			s.secrets.Add("a line of a key file", strings.TrimSpace(line))
		}
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// feed gives tokens to everything that takes them.
func (s *sinks) feed(t *testing.T, source jwks.KeySource, all []string) {
	t.Helper()
	v, err := jwks.NewVerifier(source, jwks.WithAudience("api"), jwks.WithTokenCache(8))
	if err != nil {
		t.Fatal(err)
	}
	s.write(instances, testkit.Prints(v))
	checker, err := dpop.New(dpop.WithNonces([]byte(nonceSecret), time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s.write(instances, testkit.Prints(checker))
	guarded := jwkshttp.Middleware(v, jwkshttp.WithLogger(s.logger()), jwkshttp.WithProof(checker.Proof), jwkshttp.RequireScopes("read"), jwkshttp.EndAtExpiry(),
		jwkshttp.WithExtractors(jwkshttp.BearerToken, jwkshttp.FromCookie("session")),
		jwkshttp.OnRefusal(func(_ *http.Request, err error) {
			if s.once("refusal", err) {
				s.write(refusals, testkit.Prints(err))
			}
			s.fail(err)
		}))(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.logger().InfoContext(r.Context(), "served") }))
	step := 5 // other ones in each mood
	if testkit.RaceEnabled {
		step = 15
	}
	for i := 0; i < len(all); i += step {
		token := all[i]
		verified, err := v.Verify(t.Context(), token)
		s.token(verified)
		s.fail(err)
		s.report(v.Explain(t.Context(), token))
		if finder, ok := source.(interface {
			KeyForToken(context.Context, string) (*jwks.Key, error)
		}); ok {
			_, err := finder.KeyForToken(t.Context(), token)
			s.fail(err)
		}
		for _, set := range []func(*http.Request){
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
			func(r *http.Request) { r.Header.Set("Authorization", "bearer  "+token+", "+token) },
			func(r *http.Request) { r.Header.Set("Authorization", token) },
			func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) },
			func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token} },
			func(r *http.Request) { r.Header.Set("Cookie", "session="+token) },
			func(r *http.Request) {
				r.Header.Set("Authorization", "DPoP "+token)
				r.Header.Set("DPoP", all[1])
			},
		} {
			r := httptest.NewRequest(http.MethodGet, "/orders?secret="+pathSecret+"&access_token="+url.QueryEscape(token), nil)
			r.Header.Set("Origin", "https://page.example")
			set(r)
			s.serve(guarded, r)
		}
	}
}

// configure makes mistakes in configurations that have secrets.
func (s *sinks) configure(t *testing.T) {
	t.Helper()
	private := testkit.NewSigner(t, "ES256", "").Key
	for name, make := range map[string]func() error{
		"user info in an issuer": func() error {
			_, err := jwks.NewClient(jwks.WithIssuer("https://me:" + userSecret + "@keys.example"))
			return err
		},
		"user info in a URL of keys": func() error {
			_, err := jwks.NewClient(jwks.WithJWKSURL("https://me:" + userSecret + "@keys.example/?key=" + querySecret))
			return err
		},
		"a URL that cannot be read": func() error {
			_, err := jwks.NewClient(jwks.WithJWKSURL("https://me:" + userSecret + "@keys.example:port/?key=" + querySecret))
			return err
		},
		"a fragment": func() error {
			_, err := jwks.NewClient(jwks.WithDiscoveryURL("https://keys.example/?key=" + querySecret + "#x"))
			return err
		},
		"plain http": func() error {
			_, err := jwks.NewClient(jwks.WithJWKSURL("http://keys.example/?key=" + querySecret))
			return err
		},
		"a header that is none": func() error {
			_, err := jwks.NewClient(jwks.WithJWKSURL("https://keys.example/"), jwks.WithHeader("X-Key", headerSecret+"\n"))
			return err
		},
		"headers for any issuer": func() error {
			_, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithHeader("X-Key", headerSecret)))
			return err
		},
		"issuers with user info": func() error {
			_, err := jwks.NewIssuers(jwks.TrustIssuers("https://me:" + userSecret + "@keys.example"))
			return err
		},
		"a private key": func() error { _, err := jwks.NewKeySet(jwks.PublicKey{ID: "a", Key: private}); return err },
		"a short secret of nonces": func() error {
			_, err := dpop.New(dpop.WithNonces([]byte(nonceSecret[:20]), time.Minute))
			return err
		},
		"a short secret of a store": func() error {
			_, err := jwks.NewClient(jwks.WithIssuer("https://keys.example"), jwks.WithStore(jwksstore.Memory(), []byte(storeSecret[:20])))
			return err
		},
		"nonces without a period": func() error { _, err := dpop.New(dpop.WithNonces([]byte(nonceSecret), 0)); return err },
	} {
		err := make()
		if err == nil {
			t.Errorf("%s was not refused", name)
		}
		s.fail(err)
	}
}
