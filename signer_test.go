package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// signer signs what it is told to, also what no issuer would sign: headers and
// payloads are texts here, not maps.
type signer struct {
	alg, kid string
	key      crypto.Signer
	method   jwt.SigningMethod
}

// newSigner makes a signer for alg with a fresh key, or for RSA, whose keys
// are slow to make, with one of two that all tests share.
func newSigner(tb testing.TB, alg, kid string) *signer {
	tb.Helper()
	s := &signer{alg: alg, kid: kid, method: jwt.GetSigningMethod(alg)}
	var err error
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		s.key = firstRSA()
	case "ES256":
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		s.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		s.key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA", "Ed25519":
		s.method = jwt.SigningMethodEdDSA
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		tb.Fatalf("no signer for %q", alg)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var firstRSA = sync.OnceValue(makeRSA)

func makeRSA() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// header is the header of an ordinary token.
func (s *signer) header() string { return `{"alg":"` + s.alg + `","typ":"JWT","kid":"` + s.kid + `"}` }

// token signs a payload under the ordinary header.
func (s *signer) token(payload string) string { return s.sign(s.header(), payload) }

// sign signs any two texts.
func (s *signer) sign(header, payload string) string {
	return s.signSegments(segment(header), segment(payload))
}

// signSegments signs two segments as they are.
func (s *signer) signSegments(header, payload string) string {
	signed := header + "." + payload
	return signed + "." + base64.RawURLEncoding.EncodeToString(s.signature(signed))
}

func (s *signer) signature(signed string) []byte {
	sig, err := s.method.Sign(signed, s.key)
	if err != nil {
		panic(err)
	}
	return sig
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// jwk is the public key as an issuer publishes it. alg is left out.
func (s *signer) jwk() string { return s.jwkWith("") }

func (s *signer) jwkWith(alg string) string {
	b, err := jose.JSONWebKey{Key: s.key.Public(), KeyID: s.kid, Use: "sig", Algorithm: alg}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(b)
}

// keySetOf publishes the signers' keys.
func keySetOf(tb testing.TB, signers ...*signer) *jwks.KeySet {
	tb.Helper()
	var entries []string
	for _, s := range signers {
		entries = append(entries, s.jwk())
	}
	return parseKeys(tb, entries...)
}

func parseKeys(tb testing.TB, entries ...string) *jwks.KeySet {
	tb.Helper()
	set, err := jwks.ParseKeySet([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// payloadWith is the payload of an ordinary token, with claims laid over it; a
// nil one is left out.
func payloadWith(claims map[string]any) string {
	all := map[string]any{"iss": testIssuer, "sub": "user", "aud": testAudience, "iat": testNow, "exp": testNow + 3600}
	for name, value := range claims {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// jsonNull is a claim that is there and null.
var jsonNull = json.RawMessage("null")

// quoted is a JSON string.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// jsonNumber is a number with just these digits.
func jsonNumber(text string) json.RawMessage { return json.RawMessage(text) }
