package jwkstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// algorithm is one JWS algorithm that an issuer signs with. A file for a newer
// Go release adds an algorithm by adding a row to algorithms in its init.
type algorithm struct {
	// family names the kind of private key. Keys of one family are
	// interchangeable, so PS256 takes what RS256 gave back.
	family   string
	generate func() (crypto.Signer, error)
	sign     func(input string, key crypto.Signer) ([]byte, error)
	// publish gives the JWK of a public key (RFC 7517 section 4).
	publish func(public crypto.PublicKey, kid, alg string) (json.RawMessage, error)
}

// algorithms holds every algorithm by its "alg". It does not change once the
// program has started.
var algorithms = map[string]algorithm{
	"RS256":   rsaAlgorithm(&jwt.SigningMethodRSA{Name: "RS256", Hash: crypto.SHA256}),
	"RS384":   rsaAlgorithm(&jwt.SigningMethodRSA{Name: "RS384", Hash: crypto.SHA384}),
	"RS512":   rsaAlgorithm(&jwt.SigningMethodRSA{Name: "RS512", Hash: crypto.SHA512}),
	"PS256":   rsaAlgorithm(pss("PS256", crypto.SHA256)),
	"PS384":   rsaAlgorithm(pss("PS384", crypto.SHA384)),
	"PS512":   rsaAlgorithm(pss("PS512", crypto.SHA512)),
	"ES256":   ecAlgorithm("ES256", crypto.SHA256, elliptic.P256()),
	"ES384":   ecAlgorithm("ES384", crypto.SHA384, elliptic.P384()),
	"ES512":   ecAlgorithm("ES512", crypto.SHA512, elliptic.P521()),
	"EdDSA":   edAlgorithm(),
	"Ed25519": edAlgorithm(), // RFC 9864 section 2.2: the same signature under its full name
}

func rsaAlgorithm(method jwt.SigningMethod) algorithm {
	return algorithm{
		family:   "RSA",
		generate: func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		sign:     signWith(method),
		publish:  publishJWK,
	}
}

// pss signs with a salt as long as the hash (RFC 7518 section 3.5).
func pss(name string, hash crypto.Hash) jwt.SigningMethod {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: &jwt.SigningMethodRSA{Name: name, Hash: hash},
		Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash},
	}
}

func ecAlgorithm(name string, hash crypto.Hash, curve elliptic.Curve) algorithm {
	bits := curve.Params().BitSize
	method := &jwt.SigningMethodECDSA{Name: name, Hash: hash, KeySize: (bits + 7) / 8, CurveBits: bits}
	return algorithm{
		family:   curve.Params().Name,
		generate: func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) },
		sign:     signWith(method),
		publish:  publishJWK,
	}
}

func edAlgorithm() algorithm {
	return algorithm{
		family: "Ed25519",
		generate: func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
		sign:    signWith(&jwt.SigningMethodEd25519{}),
		publish: publishJWK,
	}
}

func signWith(method jwt.SigningMethod) func(string, crypto.Signer) ([]byte, error) {
	return func(input string, key crypto.Signer) ([]byte, error) { return method.Sign(input, key) }
}

func publishJWK(public crypto.PublicKey, kid, alg string) (json.RawMessage, error) {
	return jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: alg}.MarshalJSON()
}

func algorithmNamed(alg string) (algorithm, error) {
	a, ok := algorithms[alg]
	if !ok {
		known := slices.Sorted(maps.Keys(algorithms))
		return algorithm{}, fmt.Errorf("unknown algorithm %q, want one of %s", alg, strings.Join(known, ", "))
	}
	return a, nil
}

// pool is a cache of the keys of closed issuers. Being global is all its use:
// the tests of a process share nothing else, and a key in it belongs to nobody,
// so which issuer gets it changes no outcome.
var pool keyPool

type keyPool struct {
	mu   sync.Mutex
	idle map[string][]crypto.Signer // by family, the longest unused first
}

// take hands out a key that nobody else has until give brings it back.
func (p *keyPool) take(a algorithm) (crypto.Signer, error) {
	p.mu.Lock()
	if idle := p.idle[a.family]; len(idle) > 0 {
		p.idle[a.family] = idle[1:]
		p.mu.Unlock()
		return idle[0], nil
	}
	p.mu.Unlock()
	return a.generate() // outside the lock: an RSA key takes a while
}

func (p *keyPool) give(family string, key crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = make(map[string][]crypto.Signer)
	}
	p.idle[family] = append(p.idle[family], key)
}

// signingKey is one key of one issuer.
type signingKey struct {
	algorithm
	kid, alg string
	private  crypto.Signer
	jwk      json.RawMessage
}

// newSigningKey makes a key. Without key IDs the kid is a name for the issuer's
// own functions, and is not published.
func newSigningKey(kid, alg string, withoutKeyIDs bool) (*signingKey, error) {
	a, err := algorithmNamed(alg)
	if err != nil {
		return nil, err
	}
	private, err := pool.take(a)
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", alg, err)
	}
	published := kid
	if withoutKeyIDs {
		published = ""
	}
	jwk, err := a.publish(private.Public(), published, alg)
	if err != nil {
		pool.give(a.family, private)
		return nil, fmt.Errorf("publishing the key %s for %s: %w", kid, alg, err)
	}
	return &signingKey{algorithm: a, kid: kid, alg: alg, private: private, jwk: jwk}, nil
}
