package jwkstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ProofKey is a client's key for DPoP proofs (RFC 9449). It is safe for
// concurrent use.
type ProofKey struct {
	algorithm
	alg        string
	private    crypto.Signer
	jwk        json.RawMessage
	thumbprint string
}

// NewProofKey makes a key for proofs with this algorithm, one of those of
// [WithAlgorithms]. Most clients use ES256. An unknown algorithm panics.
func NewProofKey(alg string) *ProofKey {
	a, err := algorithmNamed(alg)
	if err != nil {
		panic("jwkstest: NewProofKey: " + err.Error())
	}
	private, err := a.generate()
	if err != nil {
		panic(fmt.Sprintf("jwkstest: NewProofKey: making a key for %s: %v", alg, err))
	}
	published, err := a.publish(private.Public(), "", "")
	if err != nil {
		panic(fmt.Sprintf("jwkstest: NewProofKey: publishing a key for %s: %v", alg, err))
	}
	var members map[string]any
	if err := json.Unmarshal(published, &members); err != nil {
		panic(fmt.Sprintf("jwkstest: NewProofKey: the JWK of a key for %s: %v", alg, err))
	}
	for _, name := range []string{"use", "kid", "alg"} { // clients send the key alone
		delete(members, name)
	}
	return &ProofKey{a, alg, private, mustMarshal(members), thumbprint(members)}
}

// thumbprint is RFC 7638 for a JWK that has the required members and no others:
// encoding/json writes members in the order that section 3.3 asks for.
func thumbprint(members map[string]any) string {
	sum := sha256.Sum256(mustMarshal(members))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// JWK returns the public key as a JWK, as proofs have it in their header.
func (k *ProofKey) JWK() json.RawMessage { return append(json.RawMessage(nil), k.jwk...) }

// PrivateJWK returns the private key as a JWK, for tests that a private key in a proof is
// refused. It panics for an ML-DSA key, which go-jose does not support.
func (k *ProofKey) PrivateJWK() json.RawMessage {
	b, err := jose.JSONWebKey{Key: k.private}.MarshalJSON()
	if err != nil {
		panic(fmt.Sprintf("jwkstest: PrivateJWK: %v", err))
	}
	return b
}

// Thumbprint returns the JWK thumbprint with SHA-256 (RFC 7638): the "jkt" of
// tokens that are bound to this key.
func (k *ProofKey) Thumbprint() string { return k.thumbprint }

// Confirmation returns the claim "cnf" that binds a token to this key (RFC 9449
// section 6.1), for [Issuer.Sign]:
//
//	token := issuer.Sign(map[string]any{"aud": "my-api", "cnf": key.Confirmation()})
func (k *ProofKey) Confirmation() map[string]any { return map[string]any{"jkt": k.thumbprint} }

// ProofOption changes one proof of [ProofKey.Proof]; the functions of this
// package are the only ones that make one.
type ProofOption interface{ applyProof(*proving) }

type proofOption func(*proving)

func (f proofOption) applyProof(p *proving) { f(p) }

type proving struct{ header, claims map[string]any }

// WithNonce sets the nonce that the service gave out in DPoP-Nonce (RFC 9449
// section 8). Default: none.
func WithNonce(nonce string) ProofOption { return WithProofClaim("nonce", nonce) }

// WithProofClaim sets a claim of the proof, or leaves it out if value is nil. A
// [time.Time] is written as a NumericDate.
func WithProofClaim(name string, value any) ProofOption {
	return proofOption(func(p *proving) { p.claims[name] = value })
}

// WithProofHeader sets a header parameter of the proof, or leaves it out if
// value is nil. It changes what the header says and nothing else.
func WithProofHeader(name string, value any) ProofOption {
	return proofOption(func(p *proving) { p.header[name] = value })
}

// Proof makes the proof for one request (RFC 9449 section 4.2): for the method, the
// URL, and the token that is sent with it. With the token "", it leaves out "ath", as in a
// request to a token endpoint. The header has typ dpop+jwt, alg and jwk. The claims are a
// random jti, htm, htu, ath, and iat with the current time of package time. htu is
// url unchanged. A value that encoding/json cannot marshal panics.
func (k *ProofKey) Proof(method, url, token string, opts ...ProofOption) string {
	p := proving{header: make(map[string]any), claims: make(map[string]any)}
	for _, o := range opts {
		o.applyProof(&p)
	}
	header := map[string]any{"typ": "dpop+jwt", "alg": k.alg, "jwk": k.jwk}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	input := segment("header", header, p.header) + "." + segment("claims", claims, numericDates(p.claims))
	signature, err := k.sign(input, k.private)
	if err != nil {
		panic(fmt.Sprintf("jwkstest: Proof: signing with %s: %v", k.alg, err))
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Authorize sets the header fields Authorization and DPoP of a request to a token and a
// new proof for this request (RFC 9449 section 7.1).
// htu is the URL of the request without query and fragment; for a request of
// [net/http/httptest.NewRequest] that is what a server without TLS expects.
func (k *ProofKey) Authorize(r *http.Request, token string, opts ...ProofOption) {
	u := *r.URL
	u.RawQuery, u.Fragment, u.RawFragment = "", "", ""
	if u.Host == "" {
		u.Host = r.Host
	}
	if u.Scheme == "" {
		u.Scheme = "http"
		if r.TLS != nil {
			u.Scheme = "https"
		}
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", k.Proof(method, u.String(), token, opts...))
}

// ClientCertificate makes a self-signed certificate for TLS clients, valid for a
// year, for services that bind tokens to certificates (RFC 8705).
func ClientCertificate() tls.Certificate {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("jwkstest: ClientCertificate: " + err.Error())
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic("jwkstest: ClientCertificate: " + err.Error())
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic("jwkstest: ClientCertificate: " + err.Error())
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

// CertificateConfirmation returns the claim "cnf" that binds a token to a
// certificate (RFC 8705 section 3.1), for [Issuer.Sign].
func CertificateConfirmation(c *x509.Certificate) map[string]any {
	sum := sha256.Sum256(c.Raw)
	return map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
}

// Confirmations joins several claims "cnf" into one, for a token that is bound in several
// ways at once.
func Confirmations(parts ...map[string]any) map[string]any {
	all := make(map[string]any)
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}
