package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

const (
	audience = "https://orders.example.com"
	subject  = "f3b1c9d2-7a64-4b0e-9c1d-5e8f0a2b4c6d"
)

// signer is a private key with its name.
type signer struct {
	kid, alg string
	private  crypto.Signer
}

func newSigner(alg string, n int) (*signer, error) {
	s := &signer{kid: fmt.Sprintf("%s-2026-%05d", alg, n), alg: alg}
	var err error
	switch alg {
	case "RS256":
		s.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key for algorithm %s", alg)
	}
	return s, err
}

// entry is a JWK.
type entry struct {
	Kid string `json:"kid"`
	Kty string `json:"kty"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Crv string `json:"crv,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

func (s *signer) entry() entry {
	e := entry{Kid: s.kid, Alg: s.alg, Use: "sig"}
	switch key := s.private.Public().(type) {
	case *rsa.PublicKey:
		e.Kty, e.N, e.E = "RSA", encode(key.N.Bytes()), "AQAB"
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 0x04, X, Y
		if err != nil {
			panic(err) // a generated key is on its curve
		}
		e.Kty, e.Crv, e.X, e.Y = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	case ed25519.PublicKey:
		e.Kty, e.Crv, e.X = "OKP", "Ed25519", encode(key)
	}
	return e
}

// decoys are RSA entries of full size that nobody can sign with: making 1,000
// real keys takes minutes, and who reads a set cannot tell.
func decoys(n int) []entry {
	out := make([]entry, n)
	for i := range out {
		modulus := make([]byte, 256)
		rand.Read(modulus) // never fails
		modulus[0] |= 0x80
		modulus[255] |= 1
		out[i] = entry{Kid: fmt.Sprintf("RS256-2025-%05d", i), Kty: "RSA", Alg: "RS256", Use: "sig", N: encode(modulus), E: "AQAB"}
	}
	return out
}

func document(entries []entry) []byte {
	text, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		panic(err) // strings only
	}
	return text
}

// claims is what an identity server puts into an access token: 15 members.
func claims(issuer string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{audience, "account"},
		"exp": now.Add(6 * time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"jti": "0b4f6a1e-3f2c-4f67-8a35-9d1e6c2b7f80", "typ": "Bearer", "azp": "web-frontend",
		"sid":   "2d7f1f5e-4f7e-46a5-8a3c-0f5c3d1e9b21",
		"scope": "openid profile email orders:read orders:write invoices:read invoices:write",
		"email": "renee.example@customer.example", "email_verified": true, "preferred_username": "renee.example",
		"realm_access": map[string]any{"roles": []string{"offline_access", "orders-reader", "orders-writer", "invoice-reader"}},
	}
}

// token signs claims (RFC 7515 section 7.1).
func (s *signer) token(claims map[string]any) string { return s.tokenAs(s.kid, claims) }

// tokenAs names another key than the one that signs.
func (s *signer) tokenAs(kid string, claims map[string]any) string {
	header, err := json.Marshal(map[string]string{"alg": s.alg, "typ": "JWT", "kid": kid})
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed := encode(header) + "." + encode(payload)
	return signed + "." + encode(s.sign([]byte(signed)))
}

func (s *signer) sign(message []byte) []byte {
	digest := sha256.Sum256(message)
	var signature []byte
	var err error
	switch key := s.private.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		signature = make([]byte, 64)
		r, v, failed := ecdsa.Sign(rand.Reader, key, digest[:])
		if err = failed; err == nil {
			r.FillBytes(signature[:32])
			v.FillBytes(signature[32:])
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, message)
	}
	if err != nil {
		panic(err) // the keys are our own
	}
	return signature
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// issuer serves a discovery document and a key set on 127.0.0.1.
type issuer struct {
	server *httptest.Server
	keys   atomic.Pointer[[]byte]
	etag   atomic.Bool // answer conditional requests with 304
	asked  atomic.Int64
}

func newIssuer(entries []entry) *issuer {
	i := &issuer{}
	i.publish(document(entries))
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	return i
}

func (i *issuer) publish(document []byte) { i.keys.Store(&document) }

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.asked.Add(1)
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration", "/.well-known/openid-configuration/":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.server.URL, "jwks_uri": i.server.URL + "/jwks",
			"authorization_endpoint": i.server.URL + "/authorize", "token_endpoint": i.server.URL + "/token",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "EdDSA"},
		})
	case "/jwks":
		body := *i.keys.Load()
		if i.etag.Load() {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	default:
		http.NotFound(w, r)
	}
}

// setting is how a library is set up for this issuer, with an HTTP client of
// its own.
func (i *issuer) setting(alg string) setting {
	return setting{
		issuer: i.server.URL, jwksURL: i.server.URL + "/jwks", audience: audience, alg: alg,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
	}
}

func (i *issuer) close() {
	i.server.CloseClientConnections()
	i.server.Close()
}
