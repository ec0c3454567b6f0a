package accel

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"math/big"
	"testing"

	"filippo.io/nistec"
)

var (
	one   = big.NewInt(1)
	field = elliptic.P256().Params().P
)

func plus(x *big.Int, y int64) *big.Int { return new(big.Int).Add(x, big.NewInt(y)) }

// times is a product of scalars modulo n.
func times(factors ...*big.Int) *big.Int {
	product := big.NewInt(1)
	for _, factor := range factors {
		product.Mod(product.Mul(product, factor), order)
	}
	return product
}

func inverse(x *big.Int) *big.Int { return new(big.Int).ModInverse(x, order) }

func negative(x *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Neg(x), order) }

// rs is a signature of r and s.
func rs(r, s *big.Int) []byte {
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// xOf is the x coordinate, modulo n, of k times the base point.
func xOf(k *big.Int) *big.Int {
	return new(big.Int).Mod(p256Key(k).public.(*ecdsa.PublicKey).X, order)
}

func digestNumber(signed string) *big.Int {
	_, digest := hashOf("ES256", signed)
	return new(big.Int).SetBytes(digest)
}

func TestES256_EveryOctetAndLength(t *testing.T) {
	key := testKey(t, "p256")
	p := pairOf(t, key.public)
	good := key.sign(t, "ES256", signedText)
	p.refusesVariants(t, "ES256", signedText, good)
	for _, other := range []string{"", "es256", "ES384", "ES512", "ES256K", "RS256", "EdDSA", "none"} {
		if p.prepared.Verify(other, signedText, good) {
			t.Errorf("accepted as %q", other)
		}
	}
	if p.prepared.Verify("ES256", signedText, derSignature(good)) {
		t.Error("accepted as ASN.1")
	}
}

func TestES256_ManyKeys(t *testing.T) {
	scalars := []*big.Int{one, big.NewInt(2), big.NewInt(3), plus(order, -1), plus(order, -2), new(big.Int).Rsh(order, 1)}
	for bit := uint(0); bit < 256; bit += 15 { // around the comb's columns too
		scalars = append(scalars, new(big.Int).Lsh(one, bit), plus(new(big.Int).Lsh(one, bit), -1))
	}
	for i, d := range scalars {
		if d.Sign() == 0 || d.Cmp(order) >= 0 {
			continue
		}
		key := p256Key(d)
		p := pairOf(t, key.public)
		for j := range 8 {
			signed := fmt.Sprint(i, j)
			good := key.sign(t, "ES256", signed)
			p.accepts(t, "ES256", signed, good)
			p.refuses(t, "ES256", signed+"x", good)
		}
	}
}

func TestES256_Numbers(t *testing.T) {
	key := testKey(t, "p256")
	p := pairOf(t, key.public)
	good := key.sign(t, "ES256", signedText)
	r, s := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
	all := plus(new(big.Int).Lsh(one, 256), -1)
	numbers := []*big.Int{
		new(big.Int), one, big.NewInt(2), plus(order, -1), order, plus(order, 1), plus(field, -1), field, plus(field, 1), all,
		new(big.Int).Rsh(order, 1), plus(new(big.Int).Rsh(order, 1), 1), r, s, negative(r), negative(s),
	}
	accepted := 0
	for _, r := range numbers {
		for _, s := range numbers {
			if p.agree(t, "ES256", signedText, rs(r, s)) {
				accepted++
			}
		}
	}
	if accepted != 2 { // (r, s) and (r, n-s)
		t.Errorf("%d of the signatures verify", accepted)
	}
}

// TestES256_Unreduced has good signatures with an s so small that s + n fits
// too. The nonce is 1, so that s = e + r d, and the key is made for it. See
// TestES256_LargeX for the same with r.
func TestES256_Unreduced(t *testing.T) {
	e, r := digestNumber(signedText), xOf(one)
	for _, small := range []int64{1, 2, 3, 1 << 40} {
		d := times(new(big.Int).Sub(big.NewInt(small), e), inverse(r))
		p := pairOf(t, p256Key(d).public)
		p.accepts(t, "ES256", signedText, rs(r, big.NewInt(small)))
		p.refuses(t, "ES256", signedText, rs(r, plus(order, small)))
	}
}

func TestES256_LeadingZeros(t *testing.T) {
	key := testKey(t, "p256")
	p := pairOf(t, key.public)
	var seen [2]bool
	for i := 0; !seen[0] || !seen[1]; i++ {
		signed := fmt.Sprint(i)
		_, digest := hashOf("ES256", signed)
		good := key.signES256(digest, big.NewInt(int64(i)+1))
		for half := range seen {
			if good[32*half] == 0 && !seen[half] {
				seen[half] = true
				p.accepts(t, "ES256", signed, good)
				p.refuses(t, "ES256", signed, append(bytes.Clone(good[:32*half]), good[32*half+1:]...))
			}
		}
	}
}

// doubled makes a key and a good signature for which u1 G and u2 Q are the same
// point, so that their sum is a doubling: e = r d, with a = u1.
func doubled(signed string, a *big.Int) (*key, []byte) {
	e, r := digestNumber(signed), xOf(times(big.NewInt(2), a))
	return p256Key(times(e, inverse(r))), rs(r, times(e, inverse(a)))
}

// opposite makes a key and a signature for which they are opposite points, so
// that their sum is the point at infinity, whatever s is: e = -r d.
func opposite(signed string, r, s *big.Int) (*key, []byte) {
	return p256Key(times(negative(digestNumber(signed)), inverse(r))), rs(r, s)
}

func TestES256_EqualSummands(t *testing.T) {
	for i := range int64(50) {
		signed := fmt.Sprint(i)
		key, signature := doubled(signed, plus(times(big.NewInt(i*i*i), order), i+1))
		pairOf(t, key.public).accepts(t, "ES256", signed, signature)
	}
}

func TestES256_Infinity(t *testing.T) {
	for i := range int64(50) {
		signed := fmt.Sprint(i)
		for _, s := range []*big.Int{one, plus(order, -1), big.NewInt(i + 2), digestNumber(signed + "s")} {
			key, signature := opposite(signed, xOf(big.NewInt(i+1)), new(big.Int).Mod(s, order))
			pairOf(t, key.public).refuses(t, "ES256", signed, signature)
		}
	}
}

// TestES256_LargeX has points whose x is not below n. Nobody knows their
// logarithms, but a key that fits can be made: Q = (R - u1 G) / u2.
func TestES256_LargeX(t *testing.T) {
	found := 0
	for x := new(big.Int).Set(order); found < 20; x.Add(x, one) {
		y := sqrtP256(x)
		if y == nil {
			continue
		}
		found++
		r := new(big.Int).Sub(x, order)
		if r.Sign() == 0 {
			continue
		}
		u2 := big.NewInt(int64(found)*1000003 + 7)
		s := times(r, inverse(u2))
		u1 := times(digestNumber(signedText), inverse(s))
		p := pairOf(t, keyFor(t, rs(x, y), u1, u2))
		p.accepts(t, "ES256", signedText, rs(r, s))
		p.refuses(t, "ES256", signedText, rs(x, s))
		p.refuses(t, "ES256", signedText, rs(plus(r, 1), s))
	}
}

// keyFor is the key Q with u1 G + u2 Q = R, where R is two coordinates.
func keyFor(t *testing.T, r []byte, u1, u2 *big.Int) *ecdsa.PublicKey {
	t.Helper()
	octets := func(x *big.Int) []byte { return x.FillBytes(make([]byte, 32)) }
	q, err := nistec.NewP256Point().SetBytes(append([]byte{4}, r...))
	if err != nil {
		t.Fatal(err)
	}
	g, err := nistec.NewP256Point().ScalarBaseMult(octets(negative(u1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.ScalarMult(q.Add(q, g), octets(inverse(u2))); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), q.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sqrtP256 is y of the point with x, or nil.
func sqrtP256(x *big.Int) *big.Int {
	y := new(big.Int).Exp(x, big.NewInt(3), field)
	y.Sub(y, new(big.Int).Mul(big.NewInt(3), x)).Add(y, elliptic.P256().Params().B)
	return y.ModSqrt(y.Mod(y, field), field)
}

// TestES256_Digests goes below the hash function: no text is known for these
// digests, but the arithmetic must be right for them.
func TestES256_Digests(t *testing.T) {
	for _, key := range []*key{testKey(t, "p256"), p256Key(one), p256Key(plus(order, -1))} {
		k, ok := prepareP256(key.public.(*ecdsa.PublicKey))
		if !ok {
			t.Fatal("declined")
		}
		all := plus(new(big.Int).Lsh(one, 256), -1)
		for _, e := range []*big.Int{new(big.Int), one, plus(order, -1), order, plus(order, 1), all, new(big.Int).Lsh(one, 255)} {
			digest := e.FillBytes(make([]byte, 32))
			agree := func(signature []byte) bool {
				t.Helper()
				want := ecdsa.VerifyASN1(key.public.(*ecdsa.PublicKey), digest, derSignature(signature))
				if got := k.verifyDigest(digest, signature); got != want {
					t.Errorf("%v, want %v: digest %x, signature %x", got, want, digest, signature)
				}
				return want
			}
			for _, nonce := range []*big.Int{one, big.NewInt(2), plus(order, -1), big.NewInt(1 << 50)} {
				good := key.signES256(digest, nonce)
				if !agree(good) {
					if new(big.Int).SetBytes(good[32:]).Sign() != 0 {
						t.Errorf("a good signature does not verify: digest %x, nonce %x", digest, nonce)
					}
				}
				agree(xor(good, []byte{1}, 63))
			}
			// r d = e or -e modulo n, as above.
			if r := times(e, inverse(key.d)); r.Sign() != 0 {
				agree(rs(r, one))
				agree(rs(negative(r), one))
			}
		}
	}
}

// FuzzES256 signs and then bends the signature, makes the cases above, or takes
// what comes as a signature.
func FuzzES256(f *testing.F) {
	for kind := range uint8(5) {
		f.Add(kind, signedText, []byte{7}, []byte("nonce"), []byte{}, uint8(0))
		f.Add(kind, "", []byte{0xff, 0xfe}, []byte{9}, []byte{1}, uint8(40))
	}
	scalar := func(data []byte) *big.Int {
		k := new(big.Int).Mod(new(big.Int).SetBytes(data), plus(order, -1))
		return k.Add(k, one)
	}
	f.Fuzz(func(t *testing.T, kind uint8, signed string, private, nonce, mask []byte, offset uint8) {
		key, k := p256Key(scalar(private)), scalar(nonce)
		_, digest := hashOf("ES256", signed)
		signature := key.signES256(digest, k)
		switch kind % 5 {
		case 1:
			key, signature = doubled(signed, k)
		case 2:
			key, signature = opposite(signed, xOf(k), scalar(private))
		case 3:
			signature = rs(scalar(private), k)
		case 4:
			signature = mask
		}
		p := pairOf(t, key.public)
		p.agree(t, "ES256", signed, signature)
		if kind%5 < 2 && new(big.Int).SetBytes(signature[32:]).Sign() != 0 && new(big.Int).SetBytes(signature[:32]).Sign() != 0 {
			p.accepts(t, "ES256", signed, signature)
		}
		p.agree(t, "ES256", signed, xor(signature, mask, int(offset)))
	})
}
