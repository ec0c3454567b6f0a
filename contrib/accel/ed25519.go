package accel

import (
	"bytes"
	"crypto/ed25519"
	"sync"

	"filippo.io/edwards25519"
)

// preparedEd25519 is a comb of the public key's negative.
type preparedEd25519 struct {
	public  [ed25519.PublicKeySize]byte
	negated *edwardsComb
	base    *edwardsComb
}

// edwardsComb is a comb of a point. See comb.go.
type edwardsComb struct {
	teeth, columns int
	table          []edwards25519.Point
}

// The combs' teeth. All keys share the one of the base point, so it may be
// larger: 40 KB.
const (
	keyTeeth  = 6
	baseTeeth = 8
)

var baseComb = sync.OnceValue(func() *edwardsComb {
	return newEdwardsComb(edwards25519.NewGeneratorPoint(), baseTeeth)
})

func newEdwardsComb(point *edwards25519.Point, teeth int) *edwardsComb {
	c := &edwardsComb{teeth, combColumns(teeth), make([]edwards25519.Point, 1<<teeth)}
	power := new(edwards25519.Point).Set(point)
	c.table[0].Set(edwards25519.NewIdentityPoint())
	for tooth := range teeth {
		for i := range 1 << tooth {
			c.table[1<<tooth+i].Add(&c.table[i], power)
		}
		for range c.columns {
			power.Add(power, power)
		}
	}
	return c
}

// add adds the entry for a column of scalar to sum.
func (c *edwardsComb) add(sum *edwards25519.Point, scalar *[scalarBits / 8]byte, column int) {
	if column < c.columns {
		sum.Add(sum, &c.table[combEntry(scalar, c.teeth, c.columns, column)])
	}
}

func prepareEd25519(key ed25519.PublicKey) (*preparedEd25519, bool) {
	if len(key) != ed25519.PublicKeySize {
		return nil, false
	}
	// As in crypto/ed25519, an encoding that is not canonical is one of a
	// point, and so is a point of small order. Package jwks refuses both.
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return nil, false
	}
	return &preparedEd25519{
		public:  [ed25519.PublicKeySize]byte(key),
		negated: newEdwardsComb(point.Negate(point), keyTeeth),
		base:    baseComb(),
	}, true
}

// Verify implements [jwks.PreparedKey].
//
// It is RFC 8032 section 5.1.7 as crypto/ed25519 does it: without the cofactor,
// and comparing R as it is encoded, so that of several encodings of a point only
// the canonical one verifies.
func (k *preparedEd25519) Verify(alg, signed string, signature []byte) bool {
	if (alg != "EdDSA" && alg != "Ed25519") || len(signature) != ed25519.SignatureSize {
		return false
	}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	h := sha512Hashers.get()
	defer sha512Hashers.put(h)
	h.Write(signature[:32])
	h.Write(k.public[:])
	h.writeString(signed)
	challenge, err := edwards25519.NewScalar().SetUniformBytes(h.digest())
	if err != nil {
		return false
	}

	// [S]B = R + [k]A, so R is [k](-A) + [S]B, with common doublings.
	sum := edwards25519.NewIdentityPoint()
	ks, ss := [scalarBits / 8]byte(challenge.Bytes()), [scalarBits / 8]byte(s.Bytes())
	for column := k.negated.columns - 1; column >= 0; column-- {
		sum.Add(sum, sum)
		k.negated.add(sum, &ks, column)
		k.base.add(sum, &ss, column)
	}
	return bytes.Equal(signature[:32], sum.Bytes())
}
