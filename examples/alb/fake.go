package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// fakeALB signs as a load balancer does, and has its keys where AWS has them.
type fakeALB struct {
	private *ecdsa.PrivateKey
	keys    map[string]*ecdsa.PublicKey // by ID
	keyID   string
	down    bool
}

func newFakeALB() (*fakeALB, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	f := &fakeALB{private: private, keys: make(map[string]*ecdsa.PublicKey)}
	f.rotate()
	return f, nil
}

// rotate goes on with another key ID.
func (f *fakeALB) rotate() {
	f.keyID = fmt.Sprintf("7a1c0e6e-4f35-4f57-9d3a-%012d", len(f.keys))
	f.keys[f.keyID] = &f.private.PublicKey
}

// sign makes the value of x-amzn-oidc-data: base64url with padding, expiry and
// signer in the header.
func (f *fakeALB) sign(signer, client, email string, expires time.Time) string {
	signed := segment(map[string]any{
		"typ": "JWT", "alg": "ES256", "kid": f.keyID, "signer": signer,
		"iss": "https://login.example.com", "client": client, "exp": expires.Unix(),
	}) + "." + segment(map[string]any{"sub": email[:3], "email": email})
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, f.private, digest[:])
	if err != nil {
		panic(err) // a key of the standard library's own
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.URLEncoding.EncodeToString(signature)
}

func segment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return base64.URLEncoding.EncodeToString(text)
}

// RoundTrip answers a request for a key.
func (f *fakeALB) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	key := f.keys[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case f.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Host != "public-keys.auth.elb.eu-west-1.amazonaws.com" || key == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		if err := pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der}); err != nil {
			return nil, err
		}
	}
	return w.Result(), nil
}
