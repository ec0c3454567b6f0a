package accel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"
	"slices"
	"sync"

	"filippo.io/nistec"
)

const (
	p256Teeth   = 6
	p256Columns = (scalarBits + p256Teeth - 1) / p256Teeth
)

// p256Order is the order n of P-256's group (FIPS 186-5, SP 800-186 section
// 3.2.1.3).
var p256Order = new(big.Int).Set(elliptic.P256().Params().N)

// preparedP256 is a comb of the public key Q. See comb.go.
type preparedP256 struct {
	table [1 << p256Teeth]nistec.P256Point
}

func prepareP256(key *ecdsa.PublicKey) (*preparedP256, bool) {
	if key == nil || key.Curve != elliptic.P256() || key.X == nil || key.Y == nil {
		return nil, false
	}
	encoded, err := key.Bytes()
	if err != nil {
		return nil, false
	}
	power, err := nistec.NewP256Point().SetBytes(encoded) // is it on the curve?
	if err != nil {
		return nil, false
	}
	k := new(preparedP256)
	k.table[0].Set(nistec.NewP256Point())
	for tooth := range p256Teeth {
		for i := range 1 << tooth {
			k.table[1<<tooth+i].Add(&k.table[i], power)
		}
		for range p256Columns {
			power.Double(power)
		}
	}
	return k, true
}

// p256Workspace is what the numbers of one verification need. GCD and QuoRem
// would allocate it anew.
type p256Workspace struct {
	r, s, e, gcd, inverse, product, quotient, u big.Int
	u1, u2                                      [scalarBits / 8]byte
}

var p256Workspaces = sync.Pool{New: func() any { return new(p256Workspace) }}

// Verify implements [jwks.PreparedKey].
func (k *preparedP256) Verify(alg, signed string, signature []byte) bool {
	if alg != "ES256" {
		return false
	}
	h := sha256Hashers.get()
	defer sha256Hashers.put(h)
	h.writeString(signed)
	return k.verifyDigest(h.digest(), signature)
}

// verifyDigest is ECDSA (FIPS 186-5 section 6.4.2) with a digest of 256 bits
// and a signature of two numbers of 256 bits (RFC 7518 section 3.4).
func (k *preparedP256) verifyDigest(digest, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	w := p256Workspaces.Get().(*p256Workspace)
	defer p256Workspaces.Put(w)
	w.r.SetBytes(signature[:32])
	w.s.SetBytes(signature[32:])
	if !isScalar(&w.r) || !isScalar(&w.s) {
		return false
	}
	w.gcd.GCD(&w.inverse, nil, &w.s, p256Order)
	w.e.SetBytes(digest)
	w.multiply(&w.u1, &w.e)
	w.multiply(&w.u2, &w.r)

	// u1 G + u2 Q
	sum := nistec.NewP256Point()
	slices.Reverse(w.u2[:])
	for column := p256Columns - 1; column >= 0; column-- {
		sum.Double(sum)
		sum.Add(sum, &k.table[combEntry(&w.u2, p256Teeth, p256Columns, column)])
	}
	base, err := nistec.NewP256Point().ScalarBaseMult(w.u1[:])
	if err != nil {
		return false
	}
	x, err := sum.Add(sum, base).BytesX()
	if err != nil { // the point at infinity has none
		return false
	}
	// x is less than p, and p is less than 2n.
	w.u.SetBytes(x)
	if w.u.Cmp(p256Order) >= 0 {
		w.u.Sub(&w.u, p256Order)
	}
	return w.u.Cmp(&w.r) == 0
}

// isScalar reports whether 0 < x < n.
func isScalar(x *big.Int) bool { return x.Sign() > 0 && x.Cmp(p256Order) < 0 }

// multiply writes x times the inverse of s, mod n, to out, big-endian.
func (w *p256Workspace) multiply(out *[scalarBits / 8]byte, x *big.Int) {
	w.product.Mul(x, &w.inverse)
	w.quotient.DivMod(&w.product, p256Order, &w.u) // of an inverse below 0 too
	w.u.FillBytes(out[:])
}
