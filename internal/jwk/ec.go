package jwk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// readEC reads a key on one of the curves of RFC 7518 section 6.2.1.1, each of
// which goes with one algorithm (section 3.4).
func (e *entry) readEC(k *Key) error {
	k.Type = "EC"
	crv, err := text("crv", e.crv)
	if err != nil {
		return err
	}
	var curve elliptic.Curve
	var size int // of a coordinate, in octets
	switch crv {
	case "P-256":
		curve, size, k.Curve = elliptic.P256(), 32, "P-256"
		err = e.readAlg(k, "EC P-256", fitP256)
	case "P-384":
		curve, size, k.Curve = elliptic.P384(), 48, "P-384"
		err = e.readAlg(k, "EC P-384", fitP384)
	case "P-521":
		curve, size, k.Curve = elliptic.P521(), 66, "P-521"
		err = e.readAlg(k, "EC P-521", fitP521)
	default:
		err = fmt.Errorf("crv %s is not supported for kty EC", show.Quote(crv))
	}
	if err != nil {
		return err
	}
	var point [1 + 2*66]byte
	point[0] = 4 // uncompressed, SEC 1 section 2.3.3
	if err := coordinate(point[1:1+size], "x", e.x); err != nil {
		return err
	}
	if err := coordinate(point[1+size:1+2*size], "y", e.y); err != nil {
		return err
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point[:1+2*size])
	if err != nil {
		return fmt.Errorf("point is not on %s", k.Curve)
	}
	k.Public = pub
	return nil
}

// coordinate decodes a number into all of dst. RFC 7518 section 6.2.1.2 wants
// the full length, with its leading zeros and nothing before them; libraries
// that hold coordinates as integers write fewer octets (Go's big.Int) or one
// more (Java's BigInteger). That the point is on the curve is checked later.
func coordinate(dst []byte, name string, v strictjson.Value) error {
	s, err := text(name, v)
	if err != nil {
		return err
	}
	if s == "" {
		return fmt.Errorf("%s is empty", name)
	}
	s = trimZeros(unpad(s))
	var buf [66 + 2]byte // for the widest curve: see trimZeros
	if n := octets(s); n > len(buf) {
		return fmt.Errorf("%s of %d octets, want %d", name, n, len(dst))
	}
	n, err := decode(buf[:], s)
	if err != nil {
		return fmt.Errorf("%s is %w", name, err)
	}
	number := significant(buf[:n])
	if len(number) > len(dst) {
		return fmt.Errorf("%s of %d octets, want %d", name, len(number), len(dst))
	}
	copy(dst[len(dst)-len(number):], number)
	return nil
}
