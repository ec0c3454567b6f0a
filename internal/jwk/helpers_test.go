package jwk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// members are the members of a JWK under test.
type members map[string]any

// with returns m with some members set; nil takes one away.
func (m members) with(changes members) members {
	m = maps.Clone(m)
	for name, v := range changes {
		if v == nil {
			delete(m, name)
		} else {
			m[name] = v
		}
	}
	return m
}

// null stands for the JSON value in members, where nil takes a member away.
var null = json.RawMessage("null")

// value makes the strictjson value of a text.
func value(t testing.TB, text string) strictjson.Value {
	t.Helper()
	o := strictjson.Object(`{"v":` + text + `}`)
	if !o.Next() {
		t.Fatalf("test input is no JSON value: %v", o.Err())
	}
	v := o.Value()
	if err := o.Err(); err != nil {
		t.Fatalf("test input is no JSON value: %v", err)
	}
	return v
}

// parse reads a JWK given as its text or its members.
func parse(t testing.TB, jwk any) (*Key, string, error) {
	t.Helper()
	return parseWith(t, Reader{}, jwk)
}

func parseWith(t testing.TB, r Reader, jwk any) (*Key, string, error) {
	t.Helper()
	text, ok := jwk.(string)
	if !ok {
		b, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	k, kid, err := r.Parse(value(t, text))
	if (k == nil) != (err != nil) {
		t.Fatalf("key %v with error %v", k, err)
	}
	return k, kid, err
}

// wantReason fails unless err says exactly this, "" meaning no error.
func wantReason(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("reason is\n\t%s\nwant\n\t%s", got, want)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// stream is deterministic noise.
func stream(seed string, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(seed), i))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

// testModulus is an odd number of exactly so many bits. That its factors are
// unknown makes no difference to a reader of public keys.
func testModulus(length int) *big.Int {
	n := new(big.Int).SetBytes(stream("modulus", (length+7)/8))
	n.SetBit(n, n.BitLen(), 0)
	for i := n.BitLen(); i >= length; i-- {
		n.SetBit(n, i, 0)
	}
	return n.SetBit(n.SetBit(n, length-1, 1), 0, 1)
}

// rsaJWK is a good RSA key.
func rsaJWK() members {
	return members{"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": b64(testModulus(2048).Bytes()), "e": "AQAB"}
}

// ecJWK is a good key on one of the NIST curves.
func ecJWK(t testing.TB, curve elliptic.Curve) members {
	t.Helper()
	size := (curve.Params().BitSize + 7) / 8
	d := append([]byte{0}, stream("ec", size-1)...) // below the order
	private, err := ecdsa.ParseRawPrivateKey(curve, d)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return members{"kty": "EC", "kid": "e", "crv": curve.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
}

// shortCoordinates is a good key one of whose coordinates is shorter than the
// field, and both coordinates without leading zeros.
func shortCoordinates(t testing.TB, curve elliptic.Curve) (jwk members, x, y []byte) {
	t.Helper()
	size := (curve.Params().BitSize + 7) / 8
	for d := byte(1); ; d++ {
		scalar := append(make([]byte, size-2), 1, d)
		private, err := ecdsa.ParseRawPrivateKey(curve, scalar)
		if err != nil {
			t.Fatal(err)
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x, y := point[1:1+size], point[1+size:]
		if x[0] != 0 && y[0] != 0 && d < 255 {
			continue
		}
		jwk := members{"kty": "EC", "kid": "e", "crv": curve.Params().Name, "x": b64(x), "y": b64(y)}
		return jwk, bytes.TrimLeft(x, "\x00"), bytes.TrimLeft(y, "\x00")
	}
}

// edJWK is a good Ed25519 key.
func edJWK() members {
	public := ed25519.NewKeyFromSeed(stream("ed", 32)).Public().(ed25519.PublicKey)
	return members{"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": b64(public)}
}

// corpus reads a file of the corpus that the designers of this module keep
// beside it, or skips the test.
func corpus(t *testing.T, name ...string) []byte {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, name...)...)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("skipped: the corpus is not here: no %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}
