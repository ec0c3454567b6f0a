package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"unicode/utf8"

	"github.com/seed-22400188/jwks/internal/show"
)

// document is a JWK as it is written: a key from elsewhere goes through the
// same reading as one from a key set, so that the same rules hold for it.
type document struct {
	Type        string   `json:"kty"`
	ID          string   `json:"kid,omitempty"`
	Algorithm   string   `json:"alg,omitempty"`
	Curve       string   `json:"crv,omitempty"`
	N           string   `json:"n,omitempty"`
	E           string   `json:"e,omitempty"`
	X           string   `json:"x,omitempty"`
	Y           string   `json:"y,omitempty"`
	Pub         string   `json:"pub,omitempty"`
	Certificate [][]byte `json:"x5c,omitempty"` // standard base64, as RFC 7517 section 4.7 wants it
}

// FromPublic writes a public key as a JWK with this "kid" and "alg", each of
// which may be "". The error, in one line without prefix, says that it is not
// a public key. Whether the key keeps the rules, and whether the algorithm is
// one of its, reading the JWK will tell: see [IsMisfit].
func FromPublic(public crypto.PublicKey, kid, alg string) (string, error) {
	d, err := describe(public)
	switch {
	case err != nil:
		return "", err
	case !utf8.ValidString(kid):
		return "", errors.New("the key ID is not valid UTF-8")
	case len(kid) > maxKeyID:
		return "", fmt.Errorf("the key ID has %d bytes, want at most %d", len(kid), maxKeyID)
	case alg == "":
	case d.Algorithm != "" && d.Algorithm != alg: // of a type whose keys have one
		return "", misfit(alg, d.Type+" "+d.Algorithm)
	default:
		d.Algorithm = alg
	}
	d.ID = kid
	return d.text()
}

func (d *document) text() (string, error) {
	text, err := json.Marshal(d)
	return string(text), err
}

// describe takes a public key apart.
func describe(public crypto.PublicKey) (*document, error) {
	switch k := public.(type) {
	case nil:
		return nil, errors.New("the key is nil")
	case *rsa.PublicKey:
		if k == nil || k.N == nil {
			return nil, errors.New("the RSA key is nil or has no modulus")
		}
		if k.N.Sign() < 0 || k.E < 0 {
			return nil, errors.New("the RSA key has a negative number")
		}
		return &document{Type: "RSA", N: number(k.N), E: number(big.NewInt(int64(k.E)))}, nil
	case *ecdsa.PublicKey:
		if k == nil || k.Curve == nil || k.X == nil || k.Y == nil {
			return nil, errors.New("the EC key is nil or has no curve or point")
		}
		if k.X.Sign() < 0 || k.Y.Sign() < 0 {
			return nil, errors.New("the EC key has a negative number")
		}
		return &document{Type: "EC", Curve: k.Curve.Params().Name, X: number(k.X), Y: number(k.Y)}, nil
	case ed25519.PublicKey:
		if k == nil {
			return nil, errors.New("the Ed25519 key is nil")
		}
		return &document{Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(k)}, nil
	case interface{ Public() crypto.PublicKey }: // every crypto.PrivateKey of the standard library has it
		return nil, fmt.Errorf("%T is a private key; give what its method Public returns", public)
	}
	if d := describeMLDSA(public); d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("%T is not a public key for signatures, want *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey", public)
}

// number writes a number in base64url, at least one octet of it.
func number(n *big.Int) string {
	return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, max(1, (n.BitLen()+7)/8))))
}

// misfitError says that "alg" is not an algorithm of the key.
type misfitError struct{ text string }

func (e *misfitError) Error() string { return e.text }

func misfit(alg, kind string) error {
	return &misfitError{"alg " + show.Quote(alg) + " does not fit " + kind}
}

// IsMisfit says that a key was refused because its "alg" is not one of those
// that its type and curve allow.
func IsMisfit(err error) bool {
	var e *misfitError
	return errors.As(err, &e)
}
