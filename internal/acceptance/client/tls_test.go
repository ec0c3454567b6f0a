package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// privateIssuer is an issuer on a socket whose certificate is of a private
// authority, and which lets in only clients with a certificate of it.
func privateIssuer(t *testing.T, authority *testkit.Authority) *jwkstest.Issuer {
	t.Helper()
	server := testkit.NewTLSServer(t, &tls.Config{
		Certificates: []tls.Certificate{authority.Certify()},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authority.Pool(),
	})
	issuer := jwkstest.New(t, jwkstest.WithBaseURL("https://"+server.Listener.Addr().String()))
	server.Config.Handler = issuer.Handler()
	server.StartTLS()
	return issuer
}

// closed is a client that ends with the test.
func closed(t *testing.T, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	client, err := jwks.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestTLSConfig_AuthorityAndCertificate(t *testing.T) {
	authority := testkit.NewAuthority(t, "Example Private Root")
	issuer := privateIssuer(t, authority)
	config := &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{authority.Certify()}}
	client := closed(t, jwks.WithIssuer(issuer.URL()), jwks.WithTLSConfig(config))
	config.Certificates, config.RootCAs = nil, nil // it was copied

	verifier, err := jwks.NewVerifier(client, jwks.WithoutAudienceCheck())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second after a rotation: the config holds for every fetch
		if _, err := verifier.Verify(t.Context(), issuer.Sign(nil)); err != nil {
			t.Fatal(err)
		}
		issuer.Rotate()
	}
	issuers, err := jwks.NewIssuers(jwks.TrustIssuer(issuer.URL(),
		jwks.WithTLSConfig(&tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{authority.Certify()}})))
	if err != nil {
		t.Fatal(err)
	}
	defer issuers.Close()
	if err := issuers.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who signed what came is told, and what to do about it.
func TestTLSConfig_Refusals(t *testing.T) {
	authority := testkit.NewAuthority(t, "Example Private Root")
	other := testkit.NewAuthority(t, "Another Root")
	issuer := privateIssuer(t, authority)
	for rule, tt := range map[string]struct {
		config *tls.Config // nil: none
		want   string
	}{
		"no config":                {nil, `signed by "Example Private Root", an unknown authority: see WithTLSConfig`},
		"another authority":        {&tls.Config{RootCAs: other.Pool()}, `signed by "Example Private Root", an unknown authority: see WithTLSConfig`},
		"no client certificate":    {&tls.Config{RootCAs: authority.Pool()}, "the server asks for a client certificate: see WithTLSConfig"},
		"a certificate of another": {&tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{other.Certify()}}, "the server asks for a client certificate: see WithTLSConfig"},
	} {
		t.Run(rule, func(t *testing.T) {
			opts := []jwks.ClientOption{jwks.WithIssuer(issuer.URL())}
			if tt.config != nil {
				opts = append(opts, jwks.WithTLSConfig(tt.config))
			}
			err := closed(t, opts...).Ready(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			var failed *jwks.FetchError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	if n := issuer.Requests(); n.Discovery+n.JWKS != 0 {
		t.Errorf("%+v came through", n)
	}
}

// The proxy of the environment is used beside WithTLSConfig. net/http reads the
// environment once in a process, so there is one for this: the test itself, as
// TestTLSConfig_InTheChild.
func TestTLSConfig_BehindAProxy(t *testing.T) {
	authority := testkit.NewAuthority(t, "Example Private Root")
	server := testkit.NewTLSServer(t, &tls.Config{
		Certificates: []tls.Certificate{authority.Certify("idp.example")},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authority.Pool(),
	})
	issuer := jwkstest.New(t, jwkstest.WithBaseURL("https://idp.example"))
	server.Config.Handler = issuer.Handler()
	server.StartTLS()
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "idp.example:443" {
			http.Error(w, r.Method+" "+r.Host, http.StatusBadGateway)
			return
		}
		tunnels.Add(1)
		tunnel(t, w, server.Listener.Addr().String())
	}))
	defer proxy.Close()

	dir := t.TempDir()
	certificate := authority.Certify()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"ca.pem":    authority.PEM(),
		"cert.pem":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		"key.pem":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"token.txt": []byte(issuer.Sign(nil)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTLSConfig_InTheChild$", "-test.v")
	child.Env = append(os.Environ(), "JWKS_TEST_TLS="+dir, "HTTPS_PROXY="+proxy.URL, "https_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestTLSConfig_InTheChild") {
		t.Errorf("%v\n%s", err, out)
	}
	if tunnels.Load() == 0 || issuer.Requests().JWKS == 0 {
		t.Errorf("%d tunnels, %+v", tunnels.Load(), issuer.Requests())
	}
}

// tunnel joins the client of a CONNECT request with a server.
func tunnel(t *testing.T, w http.ResponseWriter, address string) {
	upstream, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer upstream.Close()
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	go func() {
		_, _ = io.Copy(upstream, buffered)
		_ = upstream.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, upstream)
}

func TestTLSConfig_InTheChild(t *testing.T) {
	dir := os.Getenv("JWKS_TEST_TLS")
	if dir == "" {
		t.Skip("TestTLSConfig_BehindAProxy starts it, with a proxy in the environment")
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	certificate, err := tls.X509KeyPair(read("cert.pem"), read("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(read("ca.pem"))
	client := closed(t, jwks.WithIssuer("https://idp.example"),
		jwks.WithTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}}))
	verifier, err := jwks.NewVerifier(client, jwks.WithoutAudienceCheck())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), string(read("token.txt"))); err != nil {
		t.Error(err)
	}
}
