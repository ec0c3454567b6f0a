package jwkskube

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// cluster is an API server with a private authority, and the folder of a
// service account, whose token changes.
type cluster struct {
	t      *testing.T
	root   string
	server *httptest.Server
	issuer *jwkstest.Issuer
	token  atomic.Pointer[string]
	denied atomic.Int64 // requests without the token of now
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, root: t.TempDir(), issuer: jwkstest.New(t, jwkstest.WithBaseURL("https://kubernetes.default.svc.cluster.local"))}
	mux := http.NewServeMux()
	mux.HandleFunc("/openid/v1/jwks", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*c.token.Load() {
			c.denied.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.StripPrefix("/openid/v1", c.issuer.Handler()).ServeHTTP(w, r)
	})
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"https://192.0.2.1:6443/openid/v1/jwks"}`, c.issuer.URL())
	})
	c.server = httptest.NewTLSServer(mux)
	t.Cleanup(c.server.Close)
	c.write("ca.crt", certificateOf(c.server))
	c.rotate(0)
	return c
}

func certificateOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// write replaces a file by rename, as the kubelet does.
func (c *cluster) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		c.t.Fatal(err)
	}
}

// rotate gives the pod another token.
func (c *cluster) rotate(n int) {
	c.t.Helper()
	token := c.issuer.Sign(map[string]any{"jti": fmt.Sprint(n)})
	c.token.Store(&token)
	c.write("token", token+"\n")
}

func (c *cluster) options() []jwks.ClientOption {
	c.t.Helper()
	options, err := InCluster(WithRoot(c.root), WithAPIServer(c.server.URL+"/"))
	if err != nil {
		c.t.Fatal(err)
	}
	return options
}

func (c *cluster) client(opts ...jwks.ClientOption) *jwks.Client {
	c.t.Helper()
	client, err := jwks.NewClient(append(c.options(), opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// The pod's token changes before each of many refreshes, and the API server
// takes none but the newest.
func TestInCluster_TokenRotates(t *testing.T) {
	c := newCluster(t)
	client := c.client()
	v, err := jwks.NewVerifier(client, jwks.WithoutAudienceCheck())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		c.rotate(n)
		if _, err := client.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), c.issuer.Sign(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if st := client.Status(); st.Fetches < 60 || st.Failures != 0 || c.denied.Load() != 0 {
		t.Errorf("%d refreshes, %d failed, %d denied", st.Fetches, st.Failures, c.denied.Load())
	}
}

func TestInCluster_AuthorityRotates(t *testing.T) {
	c := newCluster(t)
	client := c.client(jwks.WithRetries(0))
	c.write("ca.crt", "half a certifi")
	if _, err := client.Refresh(t.Context()); err != nil {
		t.Errorf("a bad file: %v", err)
	}
	c.write("ca.crt", otherAuthority)
	_, err := client.Refresh(t.Context())
	if !errors.Is(err, jwks.ErrUnavailable) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("another authority: %v", err)
	}
	c.write("ca.crt", otherAuthority+certificateOf(c.server))
	if _, err := client.Refresh(t.Context()); err != nil {
		t.Errorf("both: %v", err)
	}
}

// The API server may send a client elsewhere, and the token does not go along.
func TestInCluster_BearerStaysHome(t *testing.T) {
	c := newCluster(t)
	var seen atomic.Pointer[http.Header]
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		seen.Store(&h)
		http.StripPrefix("/openid/v1", c.issuer.Handler()).ServeHTTP(w, r)
	}))
	defer elsewhere.Close()
	var bearer atomic.Int64
	c.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			bearer.Add(1)
		}
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
	})
	if err := c.client().Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := seen.Load(); h == nil || h.Get("Authorization") != "" {
		t.Errorf("the other host saw %v", h)
	}
	if bearer.Load() != 1 {
		t.Errorf("the API server saw the token %d times", bearer.Load())
	}
}

func TestIssuer_OfThePod(t *testing.T) {
	c := newCluster(t)
	issuer, err := Issuer(WithRoot(c.root))
	if err != nil || issuer != c.issuer.URL() {
		t.Errorf("%q, %v", issuer, err)
	}
	s, err := jwks.NewIssuers(jwks.TrustIssuer(issuer, c.options()...))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// Errors name the file and hold nothing of it.
func TestInCluster_Errors(t *testing.T) {
	const secret = "c2VjcmV0c2VjcmV0"
	noIssuer := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"secret"}`)) + "." + secret
	for rule, tt := range map[string]struct {
		spoil func(*cluster)
		opts  []Option
		text  string
	}{
		"no token file":       {func(c *cluster) { _ = os.Remove(filepath.Join(c.root, "token")) }, nil, "token: no such file"},
		"an empty token file": {func(c *cluster) { c.write("token", " \n") }, nil, "token is empty"},
		"not a token":         {func(c *cluster) { c.write("token", secret) }, nil, "three segments"},
		"a token without iss": {func(c *cluster) { c.write("token", noIssuer) }, nil, `no "iss"`},
		"a huge token file":   {func(c *cluster) { c.write("token", strings.Repeat(secret, 10000)) }, nil, "longer than the limit"},
		"no authority":        {func(c *cluster) { _ = os.Remove(filepath.Join(c.root, "ca.crt")) }, nil, "ca.crt: no such file"},
		"a bad authority":     {func(c *cluster) { c.write("ca.crt", secret) }, nil, "holds no certificate"},
		"no folder":           {nil, []Option{WithRoot("")}, "WithRoot"},
		"a nil option":        {nil, []Option{nil}, "an option is nil"},
		"plain http":          {nil, []Option{WithAPIServer("http://10.0.0.1")}, "WithAPIServer"},
		"no API server":       {nil, []Option{WithAPIServer("")}, "WithAPIServer"},
		"a query":             {nil, []Option{WithAPIServer("https://10.0.0.1/?x")}, "WithAPIServer"},
	} {
		c := newCluster(t)
		if tt.spoil != nil {
			tt.spoil(c)
		}
		options, err := InCluster(append([]Option{WithRoot(c.root)}, tt.opts...)...)
		if options != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), secret[:8]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", rule, err)
		}
		if strings.HasPrefix(rule, "no token") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v does not match fs.ErrNotExist", rule, err)
		}
	}
}

// Without the pod's token a refresh fails and says which file, and the set at
// hand serves on.
func TestInCluster_TokenGone(t *testing.T) {
	c := newCluster(t)
	client := c.client(jwks.WithRetries(0))
	if err := client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.root, "token")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := client.Refresh(t.Context())
	if !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+": no such file") {
		t.Errorf("%v, want the name of the file %s", err, path)
	}
	if client.Status().State != jwks.StateFresh {
		t.Error("the set at hand is gone")
	}
}

// otherAuthority is a certificate that nothing here is signed by.
const otherAuthority = `-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUHA/Gxu5614PBp5WST8UExXrz5TIwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI3MTc0MzA1WhgPMjEyNjExMDMxNzQz
MDVaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
f0BELiA9Dz9K/Iwbz3scN/qbHbrpaKPUDE15luRcN2kfxx88RJSgk2g36ADim6rb
QZmnVYjzr+kO0EqrLyoYWqNTMFEwHQYDVR0OBBYEFCXOgkUbEd5DHhIcmWAdkmWh
Qei9MB8GA1UdIwQYMBaAFCXOgkUbEd5DHhIcmWAdkmWhQei9MA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgC3piac2haZH55EEUghP5/nGyL4iXqbtB
8P3tWXyWDLACIQD2L8btt5aRrpsGox5TB6VYz/KFBQ4z17u0Dl6+pIRvTw==
-----END CERTIFICATE-----
`
