package jwkstest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/jwkstest"
)

// small saves an RSA key where the algorithm does not matter.
func small(t *testing.T, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	return jwkstest.New(t, append(opts, jwkstest.WithAlgorithms("ES256"))...)
}

// got is one answer with its body.
type got struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request, without following redirects unless the client does.
func send(t *testing.T, client *http.Client, method, url string, header ...string) (got, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Add(header[n], header[n+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return got{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return got{resp.StatusCode, resp.Header, body}, nil
}

func get(t *testing.T, issuer *jwkstest.Issuer, url string, header ...string) got {
	t.Helper()
	g, err := send(t, issuer.HTTPClient(), http.MethodGet, url, header...)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return g
}

func discoveryURL(issuer *jwkstest.Issuer) string {
	return strings.TrimRight(issuer.URL(), "/") + "/.well-known/openid-configuration"
}

func parseKeys(t *testing.T, body []byte) []jose.JSONWebKey {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return set.Keys
}

// publishedKeys reads the key set as a verifier would.
func publishedKeys(t *testing.T, issuer *jwkstest.Issuer) []jose.JSONWebKey {
	t.Helper()
	return parseKeys(t, get(t, issuer, issuer.JWKSURL()).body)
}

func kids(t *testing.T, issuer *jwkstest.Issuer) []string {
	t.Helper()
	var ids []string
	for _, k := range publishedKeys(t, issuer) {
		ids = append(ids, k.KeyID)
	}
	return ids
}

func keyNamed(t *testing.T, keys []jose.JSONWebKey, kid string) jose.JSONWebKey {
	t.Helper()
	n := slices.IndexFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == kid })
	if n < 0 {
		t.Fatalf("no key %q in the set", kid)
	}
	return keys[n]
}

// decode reads a token without verifying it.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments, want 3", len(parts))
	}
	for n, v := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[n])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// signedBy checks the signature alone, as the given algorithm.
func signedBy(t *testing.T, token string, key jose.JSONWebKey, alg string) error {
	t.Helper()
	if alg == "Ed25519" { // golang-jwt knows the older name only
		alg = "EdDSA"
	}
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		t.Fatalf("golang-jwt has no %q", alg)
	}
	input, last, _ := cutLast(token)
	signature, err := base64.RawURLEncoding.Strict().DecodeString(last)
	if err != nil {
		t.Fatal(err)
	}
	return method.Verify(input, signature, key.Key)
}

func cutLast(token string) (input, signature string, ok bool) {
	n := strings.LastIndexByte(token, '.')
	if n < 0 {
		return token, "", false
	}
	return token[:n], token[n+1:], true
}

// fakeTB records what New does with the test it was given.
type fakeTB struct {
	testing.TB
	fatal    []any
	cleanups []func()
}

func (tb *fakeTB) Helper()           {}
func (tb *fakeTB) Cleanup(f func())  { tb.cleanups = append(tb.cleanups, f) }
func (tb *fakeTB) Fatal(args ...any) { tb.fatal = args; panic(tb) }

func (tb *fakeTB) finish() {
	for _, f := range slices.Backward(tb.cleanups) {
		f()
	}
}

func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}
