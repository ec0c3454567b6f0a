package jwk

import (
	"crypto/ed25519"
	"math/big"
	"slices"
	"testing"
)

// The curve by the book, affine and with big integers, to check the table and
// the shortcut of the code against.

var (
	edP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	edD = new(big.Int).Mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), edP)), edP)
	// edL is the order of the large subgroup, 2^252 + 27742317777372353535851937790883648493.
	edL, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
)

type edPoint struct{ x, y *big.Int }

// edDecode finds x for a y below p: the root with the sign asked for.
func edDecode(y *big.Int, odd bool) (edPoint, bool) {
	yy := new(big.Int).Mul(y, y)
	num := new(big.Int).Sub(yy, big.NewInt(1))
	den := new(big.Int).Mul(yy, edD)
	den.Add(den, big.NewInt(1)).ModInverse(den.Mod(den, edP), edP)
	x := num.Mul(num, den).Mod(num, edP)
	if x = x.ModSqrt(x, edP); x == nil {
		return edPoint{}, false
	}
	if (x.Bit(0) == 1) != odd {
		x.Sub(edP, x).Mod(x, edP)
	}
	return edPoint{x, y}, true
}

func (a edPoint) add(b edPoint) edPoint {
	mul := func(f ...*big.Int) *big.Int {
		r := big.NewInt(1)
		for _, f := range f {
			r.Mul(r, f).Mod(r, edP)
		}
		return r
	}
	t := mul(edD, a.x, b.x, a.y, b.y)
	one := big.NewInt(1)
	plus := new(big.Int).ModInverse(new(big.Int).Add(one, t), edP)
	minus := new(big.Int).ModInverse(new(big.Int).Mod(new(big.Int).Sub(one, t), edP), edP)
	x := new(big.Int).Add(mul(a.x, b.y), mul(a.y, b.x))
	y := new(big.Int).Add(mul(a.y, b.y), mul(a.x, b.x))
	return edPoint{mul(x, plus), mul(y, minus)}
}

func (a edPoint) times(k *big.Int) edPoint {
	r := edPoint{big.NewInt(0), big.NewInt(1)}
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = r.add(r)
		if k.Bit(i) == 1 {
			r = r.add(a)
		}
	}
	return r
}

func (a edPoint) isZero() bool { return a.x.Sign() == 0 && a.y.Cmp(big.NewInt(1)) == 0 }

// edEncode writes a number, which may be p or more, as a key does.
func edEncode(y *big.Int, sign byte) ed25519.PublicKey {
	b := y.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	b[31] |= sign << 7
	return b
}

// torsion finds the eight points of small order, as what is left of any point
// when it is multiplied by L.
func torsion(t *testing.T) []edPoint {
	t.Helper()
	found := map[string]edPoint{}
	for i := int64(2); len(found) < 8; i++ {
		if i > 200 {
			t.Fatalf("only %d points of small order found", len(found))
		}
		for _, odd := range []bool{false, true} {
			if p, ok := edDecode(big.NewInt(i), odd); ok {
				p = p.times(edL)
				found[p.x.String()+" "+p.y.String()] = p
			}
		}
	}
	var points []edPoint
	for _, p := range found {
		if !p.times(big.NewInt(8)).isZero() {
			t.Fatal("order is not small")
		}
		points = append(points, p)
	}
	return points
}

func TestEd25519SmallOrder(t *testing.T) {
	const small, canonical = "Ed25519 key of small order", "x is not the canonical encoding of a point on Ed25519"
	limit := new(big.Int).Lsh(big.NewInt(1), 255)
	for _, p := range torsion(t) {
		for _, sign := range []byte{0, 1} { // for x = 0 the second is a wrong encoding, still refused
			_, _, err := parse(t, edJWK().with(members{"x": b64(edEncode(p.y, sign))}))
			wantReason(t, err, small)
			if again := new(big.Int).Add(p.y, edP); again.Cmp(limit) < 0 {
				_, _, err := parse(t, edJWK().with(members{"x": b64(edEncode(again, sign))}))
				wantReason(t, err, canonical)
			}
		}
	}
}

func TestEd25519EncodingIsCanonical(t *testing.T) {
	for i := range int64(19) {
		for _, sign := range []byte{0, 1} {
			y := new(big.Int).Add(edP, big.NewInt(i))
			_, _, err := parse(t, edJWK().with(members{"x": b64(edEncode(y, sign))}))
			wantReason(t, err, "x is not the canonical encoding of a point on Ed25519")
		}
	}
}

func TestEd25519PointIsOnTheCurve(t *testing.T) {
	on := 0
	for i := int64(2); i < 300; i++ {
		y := new(big.Int).SetBytes(stream("y", 31))
		if i%2 == 0 {
			y.SetInt64(i)
		} else {
			y.Add(y, big.NewInt(i))
		}
		want := "point is not on Ed25519"
		if _, ok := edDecode(y, false); ok {
			want = ""
			on++
		}
		for _, sign := range []byte{0, 1} {
			_, _, err := parse(t, edJWK().with(members{"x": b64(edEncode(y, sign))}))
			wantReason(t, err, want)
		}
	}
	if on < 100 || on > 200 {
		t.Errorf("%d of 298 are on the curve: the test's arithmetic is wrong", on)
	}
}

func TestEd25519GeneratedKeysAreRead(t *testing.T) {
	for i := range 50 {
		want := ed25519.NewKeyFromSeed(stream(string(rune('a'+i)), 32)).Public().(ed25519.PublicKey)
		k, _, err := parse(t, edJWK().with(members{"x": b64(want)}))
		if err != nil || !want.Equal(k.Public) || k.Type != "OKP" || k.Curve != "Ed25519" {
			t.Errorf("key %d: %+v, %v", i, k, err)
		}
	}
}

func TestEd25519Form(t *testing.T) {
	good := edJWK()["x"].(string)
	for _, test := range []struct {
		name    string
		changes members
		why     string
	}{
		{"padding", members{"x": stdPadded(t, good)}, ""},
		{"y is an unknown member", members{"y": 5}, ""},
		{"33 octets", members{"x": b64(make([]byte, 33))}, "x of 33 octets, want 32"},
		{"31 octets", members{"x": b64(make([]byte, 31))}, "x of 31 octets, want 32"},
		{"missing", members{"x": nil}, "x is missing"},
		{"null", members{"x": null}, "x is missing"},
		{"not base64", members{"x": "?" + good[1:]}, "x is not well-formed base64"},
		{"no crv", members{"crv": nil}, "crv is missing"},
		{"crv null", members{"crv": null}, "crv is missing"},
		{"another case", members{"crv": "ed25519"}, `crv "ed25519" is not supported for kty OKP`},
		{"X25519", members{"crv": "X25519"}, `crv "X25519" is not supported for kty OKP`},
		{"Ed448", members{"crv": "Ed448"}, `crv "Ed448" is not supported for kty OKP`},
		{"P-256", members{"crv": "P-256"}, `crv "P-256" is not supported for kty OKP`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse(t, edJWK().with(test.changes))
			wantReason(t, err, test.why)
		})
	}
}
