package jwk

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// readOKP reads an Ed25519 key (RFC 8037 section 2). The other curves of that
// type do not sign, or have no place in the standard library.
func (e *entry) readOKP(k *Key) error {
	k.Type = "OKP"
	crv, err := text("crv", e.crv)
	if err != nil {
		return err
	}
	if crv != "Ed25519" {
		return fmt.Errorf("crv %s is not supported for kty OKP", show.Quote(crv))
	}
	k.Curve = "Ed25519"
	if err := e.readAlg(k, "OKP Ed25519", fitEd25519); err != nil {
		return err
	}
	// RFC 9864 section 2.2: the two are one algorithm for this key.
	k.Algorithms = fitEd25519
	pub := make(ed25519.PublicKey, ed25519.PublicKeySize)
	if err := exactly(pub, "x", e.x); err != nil {
		return err
	}
	if err := checkEd25519(pub); err != nil {
		return err
	}
	k.Public = pub
	return nil
}

// exactly decodes a string of octets that has to fill dst.
func exactly(dst []byte, name string, v strictjson.Value) error {
	s, err := text(name, v)
	if err != nil {
		return err
	}
	s = unpad(s)
	if n := octets(s); n != len(dst) {
		return fmt.Errorf("%s of %d octets, want %d", name, n, len(dst))
	}
	if _, err := decode(dst, s); err != nil {
		return fmt.Errorf("%s is %w", name, err)
	}
	return nil
}

// checkEd25519 checks what crypto/ed25519 does not: that the key is the one
// encoding of a point (RFC 8032 section 5.1.3) and that the point is not of
// small order, as for such a key one signature fits every message.
func checkEd25519(pub ed25519.PublicKey) error {
	be := slices.Clone(pub)
	slices.Reverse(be)
	be[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(be)
	p := new(big.Int).Lsh(big.NewInt(1), 255)
	p.Sub(p, big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return errors.New("x is not the canonical encoding of a point on Ed25519")
	}
	if isSmallOrder(be) {
		return refuse(ErrWeak, "Ed25519 key of small order")
	}
	// x² = (y²-1)/(dy²+1) must have a root. A quotient is a square exactly when
	// the product is. The denominator is never zero, and x = 0 is of small
	// order, so nothing is left for which the sign bit would matter.
	one := big.NewInt(1)
	d := new(big.Int).SetBytes([]byte(edwardsD))
	y.Mul(y, y).Mod(y, p)
	d.Mul(d, y).Add(d, one)
	y.Sub(y, one).Mul(y, d).Mod(y, p)
	if big.Jacobi(y, p) != 1 {
		return errors.New("point is not on Ed25519")
	}
	return nil
}

// edwardsD is the constant d of the curve -x²+y² = 1+dx²y², which is
// -121665/121666 (RFC 8032 section 5.1), big-endian.
const edwardsD = "\x52\x03\x6c\xee\x2b\x6f\xfe\x73\x8c\xc7\x40\x79\x77\x79\xe8\x98" +
	"\x00\x70\x0a\x4d\x41\x41\xd8\xab\x75\xeb\x4d\xca\x13\x59\x78\xa3"

// isSmallOrder tells whether y, big-endian, belongs to one of the eight points
// whose order divides the cofactor 8.
func isSmallOrder(y []byte) bool {
	const (
		order1 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
		order2 = "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
			"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xec"
		order4 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		// Points of order 8 come with two values of y.
		order8a = "\x05\xfc\x53\x6d\x88\x02\x38\xb1\x39\x33\xc6\xd3\x05\xac\xdf\xd5" +
			"\xf0\x98\xef\xf2\x89\xf4\xc3\x45\xb0\x27\xb2\xc2\x8f\x95\xe8\x26"
		order8b = "\x7a\x03\xac\x92\x77\xfd\xc7\x4e\xc6\xcc\x39\x2c\xfa\x53\x20\x2a" +
			"\x0f\x67\x10\x0d\x76\x0b\x3c\xba\x4f\xd8\x4d\x3d\x70\x6a\x17\xc7"
	)
	switch string(y) {
	case order1, order2, order4, order8a, order8b:
		return true
	}
	return false
}
