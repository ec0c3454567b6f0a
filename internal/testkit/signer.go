package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Signer signs what a test tells it to, including what no issuer would sign:
// headers and payloads are texts, not maps.
type Signer struct {
	Algorithm, KeyID string
	Key              crypto.Signer
	Method           jwt.SigningMethod
}

// NewSigner makes a signer for alg with a new key. RSA keys are slow to make:
// all RSA signers of a test binary share one.
func NewSigner(tb testing.TB, alg, kid string) *Signer {
	tb.Helper()
	s := &Signer{Algorithm: alg, KeyID: kid, Method: jwt.GetSigningMethod(alg)}
	var err error
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		s.Key = sharedRSA()
	case "ES256":
		s.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		s.Key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		s.Key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA", "Ed25519":
		s.Method = jwt.SigningMethodEdDSA
		_, s.Key, err = ed25519.GenerateKey(rand.Reader)
	default:
		tb.Fatalf("no signer for %q", alg)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var sharedRSA = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Header is the header of an ordinary token of the signer.
func (s *Signer) Header() string {
	return `{"alg":"` + s.Algorithm + `","typ":"JWT","kid":"` + s.KeyID + `"}`
}

// Token signs a payload under [Signer.Header].
func (s *Signer) Token(payload string) string { return s.Sign(s.Header(), payload) }

// Sign signs any header and any payload.
func (s *Signer) Sign(header, payload string) string {
	return s.SignSegments(Segment(header), Segment(payload))
}

// SignSegments signs two segments as they are, base64url or not.
func (s *Signer) SignSegments(header, payload string) string {
	signed := header + "." + payload
	return signed + "." + base64.RawURLEncoding.EncodeToString(s.Signature(signed))
}

// Signature signs the text of two segments.
func (s *Signer) Signature(signed string) []byte {
	sig, err := s.Method.Sign(signed, s.Key)
	if err != nil {
		panic(err)
	}
	return sig
}

// JWK is the public key as an issuer publishes it, without alg.
func (s *Signer) JWK() string { return s.JWKWithAlg("") }

// JWKWithAlg is [Signer.JWK] with alg; "" leaves it out.
func (s *Signer) JWKWithAlg(alg string) string {
	b, err := jose.JSONWebKey{Key: s.Key.Public(), KeyID: s.KeyID, Use: "sig", Algorithm: alg}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(b)
}

// SignES384WithP256 makes what RFC 7518 section 3.4 does not allow: a raw
// signature as long as that of ES384, by a key on another curve.
func SignES384WithP256(s *Signer, payload string) string {
	signed := Segment(`{"alg":"ES384","kid":"k1"}`) + "." + Segment(payload)
	digest := crypto.SHA384.New()
	digest.Write([]byte(signed))
	r, sv, err := ecdsa.Sign(rand.Reader, s.Key.(*ecdsa.PrivateKey), digest.Sum(nil))
	if err != nil {
		panic(err)
	}
	raw := make([]byte, 96)
	r.FillBytes(raw[:48])
	sv.FillBytes(raw[48:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(raw)
}

// SignPSSWithSalt makes a PS256 token whose salt has a length of its own. RFC
// 7518 section 3.5 wants that of the hash.
func SignPSSWithSalt(s *Signer, payload string, salt int) string {
	signed := Segment(s.Header()) + "." + Segment(payload)
	digest := sha256.Sum256([]byte(signed))
	opts := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
	if salt == 0 {
		// rsa takes 0 for "as long as possible", which is another wrong length.
		opts.SaltLength = rsa.PSSSaltLengthAuto
	}
	sig, err := rsa.SignPSS(rand.Reader, s.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], opts)
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}
