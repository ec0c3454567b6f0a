package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/jwk"
)

// fake is an issuer on loopback, by https, that has nothing wrong with it until
// a test changes it.
type fake struct {
	*httptest.Server
	mu sync.RWMutex // of what follows, once it serves: see plant
	ca string       // file with the certificate to trust

	named         string // the issuer of its document, "" for its URL
	path          string // of the discovery document
	keys          []any
	keysHeader    http.Header
	header        http.Header // of both documents
	discoveryBody []byte      // in place of the document
	keysBody      func(n int) []byte
	etag          func(body []byte) string // nil: an honest one
	lies          bool                     // 304 to every condition
	delay         time.Duration
	keysURL       string                                            // in place of its own
	first         func(w http.ResponseWriter, r *http.Request) bool // true: it has answered

	asked atomic.Int64 // requests for the key set
}

// newFake makes a healthy issuer that is not started yet.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		path:       "/.well-known/openid-configuration",
		keys:       []any{ecKey(t, "k1"), ecKey(t, "k2")},
		keysHeader: http.Header{"Cache-Control": {"max-age=900"}},
		header:     http.Header{"Content-Type": {"application/json"}},
	}
	f.Server = httptest.NewUnstartedServer(f)
	t.Cleanup(f.Close)
	return f
}

// start begins to serve, by https unless told otherwise.
func (f *fake) start(t *testing.T, certificate *tls.Certificate, plain bool) {
	t.Helper()
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	if plain {
		f.Start()
		return
	}
	if certificate != nil {
		f.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	f.StartTLS()
	leaf := f.Certificate()
	if certificate != nil {
		var err error
		if leaf, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			t.Fatal(err)
		}
	}
	f.ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	if err := os.WriteFile(f.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// plant changes an issuer that serves.
func (f *fake) plant(t *testing.T, change func(t *testing.T, f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(t, f)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for name, values := range f.header {
		w.Header()[name] = values
	}
	if f.first != nil && f.first(w, r) {
		return
	}
	time.Sleep(f.delay) // what a slow server does
	switch r.URL.Path {
	case f.path:
		f.serveDiscovery(w)
	case "/jwks":
		f.serveKeys(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) serveDiscovery(w http.ResponseWriter) {
	if f.discoveryBody != nil {
		_, _ = w.Write(f.discoveryBody)
		return
	}
	named, keys := f.URL, f.URL+"/jwks"
	if f.named != "" {
		named = f.named
	}
	if f.keysURL != "" {
		keys = f.keysURL
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"issuer": named, "jwks_uri": keys})
}

func (f *fake) serveKeys(w http.ResponseWriter, r *http.Request) {
	n := int(f.asked.Add(1))
	body, _ := json.Marshal(map[string]any{"keys": f.keys})
	if f.keysBody != nil {
		body = f.keysBody(n)
	}
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	if f.etag != nil {
		etag = f.etag(body)
	}
	for name, values := range f.keysHeader {
		w.Header()[name] = values
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	condition := r.Header.Get("If-None-Match")
	if condition != "" && (condition == etag || f.lies) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body)
}

// key is a JWK as an object to change.
type key map[string]any

func publicKey(t *testing.T, public crypto.PublicKey, kid string) key {
	t.Helper()
	text, err := jwk.FromPublic(public, kid, "")
	if err != nil {
		t.Fatal(err)
	}
	var k key
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	return k.with("use", "sig")
}

func (k key) with(name string, value any) key {
	changed := key{}
	for n, v := range k {
		changed[n] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

func ecKey(t *testing.T, kid string) key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return publicKey(t, private.Public(), kid)
}

func edKey(t *testing.T, kid string) key {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return publicKey(t, public, kid)
}

// weakKey is an RSA key of 1024 bits.
func weakKey(t *testing.T, kid string) key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return publicKey(t, private.Public(), kid)
}

// leakedKey has its private half with it.
func leakedKey(t *testing.T, kid string) key {
	return ecKey(t, kid).with("d", base64.RawURLEncoding.EncodeToString(make([]byte, 32)))
}

// certificate is for loopback, signed by itself, and ends at a moment.
func certificate(t *testing.T, ends time.Time) *tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake issuer"},
		NotBefore: ends.Add(-365 * 24 * time.Hour), NotAfter: ends,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
