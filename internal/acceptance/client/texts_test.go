package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// textCase is a situation and what its error says.
type textCase struct {
	rule string
	make func(t *testing.T) error
	want []string // all of them
}

// checkTexts makes each situation and reads its text.
func checkTexts(t *testing.T, cases []textCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.rule, func(t *testing.T) {
			err := tt.make(t)
			if err == nil {
				t.Fatal("no error")
			}
			t.Log(err)
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
			if text := err.Error(); strings.ContainsAny(text, "\n\r") || !strings.HasPrefix(text, "jwks: ") || strings.Contains(text, "SECRET") {
				t.Errorf("%q", text)
			}
			for part := range strings.SplitSeq(err.Error(), "; ") { // "is X, want X"
				if _, rest, ok := strings.Cut(part, " is \""); ok {
					if is, wanted, ok := strings.Cut(rest, ", want "); ok && strings.HasPrefix(wanted, `"`+is) {
						t.Errorf("the same twice: %s", part)
					}
				}
			}
		})
	}
}

// serving is the error of a client whose documents a handler on loopback serves.
func serving(h http.HandlerFunc, opts func(base string) []jwks.ClientOption) func(t *testing.T) error {
	return func(t *testing.T) error {
		server := httptest.NewServer(h)
		defer server.Close()
		return ready(t, append(opts(server.URL), jwks.WithRetries(0))...)
	}
}

func ready(t *testing.T, opts ...jwks.ClientOption) error {
	c, err := jwks.NewClient(opts...)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ready(t.Context())
}

func asKeySet(base string) []jwks.ClientOption {
	return []jwks.ClientOption{jwks.WithJWKSURL(base + "/keys?key=SECRET")}
}

func asIssuer(base string) []jwks.ClientOption { return []jwks.ClientOption{jwks.WithIssuer(base)} }

func body(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(text))
	}
}

func TestTexts_Documents(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(`{"keys":[]}`))
	_ = z.Close()
	discovery := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%[1]s/keys"}`, r.Host)
	}
	keys := body("application/json", `{"keys":[`+testkit.NewSigner(t, "ES256", "a").JWK()+`]}`)
	long := "/" + strings.Repeat("tenant-", 20)
	checkTexts(t, []textCase{
		{"HTML for a key set", serving(body("text/html; charset=utf-8", "<!DOCTYPE html><title>Sign in</title>"), asKeySet), []string{"an HTML page", `Content-Type "text/html`, "want a key set"}},
		{"HTML for a discovery document", serving(body("text/html", "<html>"), asIssuer), []string{"an HTML page", "want a discovery document"}},
		{"PEM", serving(body("text/plain", "-----BEGIN PUBLIC KEY-----\n"), asKeySet), []string{"PEM text"}},
		{"gzip without its label", serving(body("application/octet-stream", zipped.String()), asKeySet), []string{"gzip data"}},
		{"an array", serving(body("application/json", `[{"kty":"RSA"}]`), asKeySet), []string{"a JSON array"}},
		{"a token", serving(body("text/plain", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), asKeySet), []string{"a token"}},
		{"nothing", serving(body("application/json", ""), asKeySet), []string{"empty"}},
		{"a foreign encoding", serving(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("x"))
		}, asKeySet), []string{`Content-Encoding "br"`}},
		{"a discovery document for a key set", serving(discovery, asKeySet), []string{"is a discovery document", "WithDiscoveryURL", "/keys"}},
		{"a key set for a discovery document", serving(keys, asIssuer), []string{"is a key set", "WithJWKSURL"}},
		{"an issuer that is the URL of its document", serving(http.NotFound, func(base string) []jwks.ClientOption {
			return []jwks.ClientOption{jwks.WithIssuer(base + "/.well-known/openid-configuration")}
		}), []string{"before /.well-known/", "WithDiscoveryURL"}},
		{"another issuer in the document", serving(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"https://other.example","jwks_uri":"http://%s/keys"}`, r.Host)
		}, asIssuer), []string{`"https://other.example"`, "want", "WithIssuer", "WithDiscoveryURL"}},
		{"a slash more in the document", serving(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"http://%s/","jwks_uri":"http://%[1]s/keys"}`, r.Host)
		}, asIssuer), []string{"slash at the end"}},
		{"long issuers that differ at the end", serving(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"http://%s%sb","jwks_uri":"http://%[1]s/keys"}`, r.Host, long)
		}, func(base string) []jwks.ClientOption { return []jwks.ClientOption{jwks.WithIssuer(base + long + "a")} }), []string{`tenant-b"`, long + `a"`}},
		{"a long URL is whole", serving(http.NotFound, func(base string) []jwks.ClientOption {
			return []jwks.ClientOption{jwks.WithJWKSURL(base + long + "x/keys?key=SECRET")}
		}), []string{long + "x/keys?…", "404"}},
	})
}

func TestTexts_Network(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	checkTexts(t, []textCase{
		{"a private authority", func(t *testing.T) error {
			server := httptest.NewTLSServer(http.NotFoundHandler())
			defer server.Close()
			server.Config.ErrorLog = nil
			return ready(t, jwks.WithJWKSURL(server.URL), jwks.WithRetries(0))
		}, []string{"unknown authority", "signed by", "WithTLSConfig"}},
		{"a proxy that refuses", func(t *testing.T) error {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(407) }))
			defer proxy.Close()
			return ready(t, jwks.WithJWKSURL("https://idp.example/keys"), jwks.WithHTTPClient(through(proxy.URL)), jwks.WithRetries(0))
		}, []string{"the proxy", "Proxy Authentication Required", "127.0.0.1"}},
		{"a proxy that is away", func(t *testing.T) error {
			const nobody = "http://127.0.0.1:1" // a port of its own might be another's by now
			return ready(t, jwks.WithJWKSURL("https://idp.example/keys"), jwks.WithHTTPClient(through(nobody)), jwks.WithRetries(0))
		}, []string{"proxy", "could not be reached", "127.0.0.1"}},
		{"no answer in time", serving(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, func(base string) []jwks.ClientOption {
			return append(asKeySet(base), jwks.WithTimeout(50*time.Millisecond))
		}), []string{"no answer within 50ms", "WithTimeout"}},
		{"no answer in time, several attempts", func(t *testing.T) error {
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			defer server.Close()
			return ready(t, append(asKeySet(server.URL), jwks.WithTimeout(50*time.Millisecond), jwks.WithRetries(2))...)
		}, []string{"3 attempts", "no answer within 50ms", "WithTimeout"}},
		{"plain http", func(t *testing.T) error { return ready(t, jwks.WithIssuer("http://idp.example")) }, []string{"AllowInsecureHTTP"}},
		{"a placeholder", func(t *testing.T) error { return ready(t, jwks.WithIssuer("https://idp.example/{tenant}/v2.0")) }, []string{"{tenant}", "placeholder"}},
		{"another placeholder", func(t *testing.T) error { return ready(t, jwks.WithJWKSURL("https://<your-domain>/keys")) }, []string{"your-domain", "placeholder"}},
		{"a template without tenants", func(t *testing.T) error {
			return ready(t, jwks.WithIssuer("https://login.example/{tenantid}/v2.0"))
		}, []string{"WithTenants"}},
	})
}

// through is a client whose requests go by way of a proxy.
func through(proxy string) *http.Client {
	u, err := url.Parse(proxy)
	if err != nil {
		panic(err)
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
}

func TestTexts_Tokens(t *testing.T) {
	long := "/" + strings.Repeat("tenant-", 20)
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithPath(long))
	v := issuer.Verifier(t, jwks.WithAudience("my-api"))
	many, err := jwks.NewIssuers(jwks.TrustIssuers(issuer.URL()), jwks.WithClientOptions(jwks.WithHTTPClient(issuer.HTTPClient())))
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close()
	multi, err := jwks.NewVerifier(many, jwks.WithAudience("my-api"))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(v *jwks.Verifier, token string) func(t *testing.T) error {
		return func(t *testing.T) error { _, err := v.Verify(context.WithoutCancel(t.Context()), token); return err }
	}
	claim := func(name string, value any) string {
		c := map[string]any{"aud": "my-api"}
		c[name] = value
		return issuer.Sign(c)
	}
	good := claim("sub", "x")
	signed, signature := good[:strings.LastIndexByte(good, '.')], good[strings.LastIndexByte(good, '.')+1:]
	resign := func(s []byte) string { return signed + "." + base64.RawURLEncoding.EncodeToString(s) }
	signer := testkit.NewSigner(t, "ES256", "k1")
	digest := sha256.Sum256([]byte(signed))
	der, err := ecdsa.SignASN1(rand.Reader, signer.Key.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(signature)
	doubled := testkit.NewSigner(t, "ES256", "d")
	set, err := jwks.ParseKeySet([]byte(`{"keys":[` + doubled.JWK() + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	lone, err := jwks.NewVerifier(set, jwks.WithAudience("my-api"), jwks.WithoutIssuerCheck())
	if err != nil {
		t.Fatal(err)
	}
	checkTexts(t, []textCase{
		{"one segment", verify(v, "opaque-token"), []string{"1 segment, want 3", "opaque"}},
		{"two segments", verify(v, "a.b"), []string{"2 segments, want 3", "opaque"}},
		{"a signature in DER", verify(v, resign(der)), []string{"DER", "64 bytes"}},
		{"a signature of odd length", verify(v, resign(raw[:63])), []string{"63 bytes, want 64"}},
		{"exp in milliseconds", verify(v, claim("exp", time.Now().Add(time.Hour).UnixMilli())), []string{"exp is", "milliseconds", "want seconds"}},
		{"exp as text", verify(v, claim("exp", "2030-01-01T00:00:00Z")), []string{"exp is", "it is text", "want seconds"}},
		{"nbf in microseconds", verify(v, claim("nbf", time.Now().UnixMicro())), []string{"nbf is", "microseconds"}},
		{"a clock", verify(v, claim("nbf", time.Now().Add(time.Hour).Unix())), []string{"nbf", "now", "leeway"}},
		{"an expired token", verify(v, claim("exp", time.Now().Add(-time.Hour).Unix())), []string{"expired", "exp", "now"}},
		{"a duplicate claim", verify(lone, doubled.Token(`{"aud":"my-api","exp":9999999999,"exp":1}`)), []string{`duplicate claim "exp"`}},
		{"an empty audience", verify(v, claim("aud", []string{})), []string{"aud []", `"my-api"`}},
		{"another audience", verify(v, claim("aud", "other")), []string{`["other"]`, `["my-api"]`}},
		{"another issuer, long", verify(v, claim("iss", issuer.URL()+"x")), []string{`tenant-x"`, issuer.URL()}},
		{"a slash more", verify(v, claim("iss", issuer.URL()+"/")), []string{"slash at the end"}},
		{"trusted but for the slash", verify(multi, claim("iss", issuer.URL()+"/")), []string{"not trusted", issuer.URL() + `" is`, "slash at the end"}},
		{"trusted but for the scheme", verify(multi, claim("iss", strings.Replace(issuer.URL(), "https:", "http:", 1))), []string{"not trusted", "scheme"}},
		{"a bad signature, and the budget is spent", func(t *testing.T) error {
			v := issuer.Verifier(t, jwks.WithAudience("my-api"))
			forged := resign(append([]byte(nil), append(raw[1:64:64], raw[0])...))
			for range 6 { // the first brings the set, and the others take what the budget has
				if _, err := v.Verify(t.Context(), forged); strings.Contains(err.Error(), "next refresh") {
					t.Error(err)
				}
			}
			_, err := v.Verify(t.Context(), forged)
			return err
		}, []string{"signature does not verify", `"k1"`, "the next refresh that could bring another key may be in ", "s"}},
		{"an unknown kid", verify(v, issuer.Sign(map[string]any{"aud": "my-api"}, jwkstest.WithKeyID("stranger"))), []string{`"stranger" not found at ` + issuer.JWKSURL(), "1 key, fetched"}},
	})
	if _, err := v.Verify(t.Context(), claim("aud", []string{})); strings.Contains(err.Error(), "missing") || jwks.Reason(err) != "audience" {
		t.Errorf("an empty audience is told as %q: %v", jwks.Reason(err), err)
	}
}
