package accel

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"filippo.io/edwards25519"
)

// groupOrder is the order L of the base point, and edField the prime 2^255-19
// (RFC 8032 section 5.1).
var (
	groupOrder, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	edField       = plus(new(big.Int).Lsh(one, 255), -19)
)

// little is a number in little-endian octets.
func little(x *big.Int) []byte {
	octets := x.FillBytes(make([]byte, 32))
	slices.Reverse(octets)
	return octets
}

// encodings are all encodings that crypto/ed25519 takes for a point of small
// order: eight canonical ones, and others of the same points.
func smallOrder(t testing.TB) (encodings [][]byte) {
	t.Helper()
	// L times any point is of small order.
	var points []*edwards25519.Point
	for i := byte(0); len(points) < 8; i++ {
		p, err := new(edwards25519.Point).SetBytes(bytes.Repeat([]byte{i}, 32))
		if err != nil {
			continue
		}
		p = multiple(groupOrder, p)
		if !slices.ContainsFunc(points, func(q *edwards25519.Point) bool { return p.Equal(q) == 1 }) {
			points = append(points, p)
		}
	}
	for _, p := range points {
		canonical := p.Bytes()
		encodings = append(encodings, canonical)
		sign := canonical[31] & 0x80
		y := slices.Clone(canonical)
		y[31] &= 0x7f
		slices.Reverse(y)
		number := new(big.Int).SetBytes(y)
		for _, other := range [][]byte{little(number), little(new(big.Int).Add(number, edField))} {
			for _, sign := range []byte{sign, 0x80 ^ sign} {
				other := slices.Clone(other)
				if other[31]&0x80 != 0 {
					continue // y + p has no room
				}
				other[31] |= sign
				q, err := new(edwards25519.Point).SetBytes(other)
				if err == nil && q.Equal(p) == 1 && !bytes.Equal(other, canonical) {
					encodings = append(encodings, other)
				}
			}
		}
	}
	return encodings
}

// multiple is k times p by doubling and adding, for k of any size: a
// edwards25519.Scalar is reduced modulo L, which changes points of other orders.
func multiple(k *big.Int, p *edwards25519.Point) *edwards25519.Point {
	sum := edwards25519.NewIdentityPoint()
	for bit := k.BitLen() - 1; bit >= 0; bit-- {
		sum.Add(sum, sum)
		if k.Bit(bit) == 1 {
			sum.Add(sum, p)
		}
	}
	return sum
}

// challenge is the scalar k of a signature (RFC 8032 section 5.1.7).
func challenge(r, public []byte, signed string) *edwards25519.Scalar {
	digest := sha512.Sum512(slices.Concat(r, public, []byte(signed)))
	k, err := edwards25519.NewScalar().SetUniformBytes(digest[:])
	if err != nil {
		panic(err)
	}
	return k
}

// scalarOf is a number modulo L.
func scalarOf(x *big.Int) *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetCanonicalBytes(little(new(big.Int).Mod(x, groupOrder)))
	if err != nil {
		panic(err)
	}
	return s
}

// twisted is a key a B + T and a signature of it with R = r B + T', where T and
// T' are of small order. It verifies where these happen to cancel each other.
func twisted(t testing.TB, signed string, a, r *edwards25519.Scalar, keyTwist, twist []byte) (ed25519.PublicKey, []byte) {
	t.Helper()
	add := func(s *edwards25519.Scalar, twist []byte) []byte {
		p, err := new(edwards25519.Point).SetBytes(twist)
		if err != nil {
			t.Fatal(err)
		}
		return p.Add(p, new(edwards25519.Point).ScalarBaseMult(s)).Bytes()
	}
	public, point := add(a, keyTwist), add(r, twist)
	s := edwards25519.NewScalar().MultiplyAdd(challenge(point, public, signed), a, r)
	return public, append(point, s.Bytes()...)
}

func TestEd25519_EveryOctetAndLength(t *testing.T) {
	key := testKey(t, "ed25519")
	p := pairOf(t, key.public)
	good := key.sign(t, "EdDSA", signedText)
	for _, alg := range []string{"EdDSA", "Ed25519"} {
		p.refusesVariants(t, alg, signedText, good)
	}
	for _, other := range []string{"", "eddsa", "Ed448", "ES256", "RS256", "none"} {
		if p.prepared.Verify(other, signedText, good) {
			t.Errorf("accepted as %q", other)
		}
	}
}

func TestEd25519_ManyKeysAndTexts(t *testing.T) {
	for i := range 100 {
		private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32))
		p := pairOf(t, private.Public())
		signed := string(bytes.Repeat([]byte("text "), i*i)) // across the hash's blocks
		good := ed25519.Sign(private, []byte(signed))
		p.accepts(t, "EdDSA", signed, good)
		p.refuses(t, "EdDSA", signed+" ", good)
	}
}

// TestEd25519_Scalars has S beside 0 and L, and good ones with multiples of L
// added, which RFC 8032 section 5.1.7 refuses.
func TestEd25519_Scalars(t *testing.T) {
	key := testKey(t, "ed25519")
	p := pairOf(t, key.public)
	good := key.sign(t, "EdDSA", signedText)
	s := slices.Clone(good[32:])
	slices.Reverse(s)
	limit := new(big.Int).Lsh(one, 256)
	for x := new(big.Int).SetBytes(s); ; {
		if x.Add(x, groupOrder); x.Cmp(limit) >= 0 {
			break
		}
		p.refuses(t, "EdDSA", signedText, append(slices.Clone(good[:32]), little(x)...))
	}
	for _, x := range []*big.Int{
		new(big.Int), one, plus(groupOrder, -1), groupOrder, plus(groupOrder, 1), plus(limit, -1),
		new(big.Int).Lsh(one, 252), new(big.Int).Lsh(one, 253), new(big.Int).Lsh(one, 255), edField,
	} {
		for _, r := range [][]byte{good[:32], edwards25519.NewIdentityPoint().Bytes(), edwards25519.NewGeneratorPoint().Bytes()} {
			p.refuses(t, "EdDSA", signedText, append(slices.Clone(r), little(x)...))
		}
	}
}

// TestEd25519_SmallOrder has keys and R of small order in all their encodings.
// For some texts such signatures verify, in crypto/ed25519 too; package jwks
// refuses these keys.
func TestEd25519_SmallOrder(t *testing.T) {
	encodings := smallOrder(t)
	if len(encodings) != 14 {
		t.Fatalf("%d encodings of points of small order, want 14", len(encodings))
	}
	accepted := 0
	for _, public := range encodings {
		p := pairOf(t, ed25519.PublicKey(public))
		for _, r := range encodings {
			for i := range 16 {
				signed := fmt.Sprint(i)
				for _, s := range []*big.Int{new(big.Int), one, groupOrder} {
					if p.agree(t, "EdDSA", signed, append(slices.Clone(r), little(s)...)) {
						accepted++
					}
				}
			}
		}
	}
	if accepted < 100 {
		t.Errorf("only %d signatures verify: the test does not show what it should", accepted)
	}
}

// TestEd25519_MixedOrder has keys and R with a part of small order. Verifiers
// that multiply by the cofactor accept all of these.
func TestEd25519_MixedOrder(t *testing.T) {
	encodings := smallOrder(t)
	accepted, refused := 0, 0
	for i, keyTwist := range encodings {
		for j, twist := range encodings {
			signed := fmt.Sprint(i, j)
			public, signature := twisted(t, signed, scalarOf(big.NewInt(int64(i)+12345)), scalarOf(big.NewInt(int64(j)+987654321)), keyTwist, twist)
			p := pairOf(t, public)
			if p.agree(t, "EdDSA", signed, signature) {
				accepted++
			} else {
				refused++
			}
			p.agree(t, "EdDSA", signed, xor(signature, []byte{0x80}, 31))
		}
	}
	if accepted < 10 || refused < 10 {
		t.Errorf("%d verify and %d do not: the test does not show what it should", accepted, refused)
	}
}

// TestEd25519_Encodings has every y from p to 2^255-1, with both signs, as a key
// and as R.
func TestEd25519_Encodings(t *testing.T) {
	key := testKey(t, "ed25519")
	good := key.sign(t, "EdDSA", signedText)
	taken := 0
	for i := range int64(19) {
		for _, sign := range []byte{0, 0x80} {
			encoding := little(plus(edField, i))
			encoding[31] |= sign
			pairOf(t, key.public).refuses(t, "EdDSA", signedText, slices.Concat(encoding, good[32:]))
			if New().Prepare(ed25519.PublicKey(encoding)) == nil {
				if bare(ed25519.PublicKey(encoding), "EdDSA", signedText, good)() {
					t.Errorf("%x is declined, and the standard library verifies with it", encoding)
				}
				continue // not a point
			}
			taken++
			p := pairOf(t, ed25519.PublicKey(encoding))
			p.refuses(t, "EdDSA", signedText, good)
			for text := range 16 {
				for _, r := range smallOrder(t) {
					p.agree(t, "EdDSA", fmt.Sprint(text), append(slices.Clone(r), make([]byte, 32)...))
				}
			}
		}
	}
	if taken == 0 {
		t.Error("none is the encoding of a point")
	}
}

// TestEd25519_Combs compares the combs with crypto/ed25519's way, on scalars at
// the ends of the combs' rows.
func TestEd25519_Combs(t *testing.T) {
	point := new(edwards25519.Point).ScalarBaseMult(scalarOf(big.NewInt(31337)))
	for _, teeth := range []int{keyTeeth, baseTeeth, 1, 5, 7} {
		comb := newEdwardsComb(point, teeth)
		for bit := range uint(253) {
			for _, delta := range []int64{-1, 0, 1} {
				s := scalarOf(plus(new(big.Int).Lsh(one, bit), delta))
				octets := [32]byte(s.Bytes())
				sum := edwards25519.NewIdentityPoint()
				for column := comb.columns - 1; column >= 0; column-- {
					sum.Add(sum, sum)
					comb.add(sum, &octets, column)
				}
				if sum.Equal(new(edwards25519.Point).ScalarMult(s, point)) != 1 {
					t.Fatalf("%d teeth, 2^%d%+d: a wrong multiple", teeth, bit, delta)
				}
			}
		}
	}
}

// FuzzEd25519 signs and then bends the signature, twists key and R by points of
// small order, or takes what comes as a key and a signature.
func FuzzEd25519(f *testing.F) {
	for kind := range uint8(4) {
		f.Add(kind, signedText, []byte{7}, []byte("nonce"), []byte{}, uint8(0))
		f.Add(kind, "", []byte{0xff, 0xfe}, []byte{9}, []byte{1}, uint8(40))
	}
	encodings := smallOrder(f)
	f.Fuzz(func(t *testing.T, kind uint8, signed string, private, nonce, mask []byte, offset uint8) {
		a, r := scalarOf(new(big.Int).SetBytes(private)), scalarOf(new(big.Int).SetBytes(nonce))
		neutral := edwards25519.NewIdentityPoint().Bytes()
		public, signature := twisted(t, signed, a, r, neutral, neutral)
		switch kind % 4 {
		case 1:
			i, j := int(offset)%len(encodings), int(offset)/len(encodings)%len(encodings)
			public, signature = twisted(t, signed, a, r, encodings[i], encodings[j])
		case 2:
			signature = mask
		case 3:
			if len(private) == ed25519.PublicKeySize {
				public = private
			}
		}
		k := New().Prepare(public)
		if k == nil && supported {
			if bare(public, "EdDSA", signed, signature)() {
				t.Errorf("declined, and the standard library verifies with it: key %x", public)
			}
			return
		}
		p := pairOf(t, public)
		if kind%4 == 0 {
			p.accepts(t, "EdDSA", signed, signature)
		}
		p.agree(t, "Ed25519", signed, signature)
		p.agree(t, "EdDSA", signed, xor(signature, mask, int(offset)))
	})
}
