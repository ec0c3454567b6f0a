package accel

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"fmt"
	"math/big"
	"testing"
)

var rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

const signedText = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ"

func TestRSA_EverySizeAndExponent(t *testing.T) {
	for _, name := range rsaNames() {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		for _, alg := range rsaAlgorithms {
			good := key.sign(t, alg, signedText)
			p.accepts(t, alg, signedText, good)
			for _, other := range rsaAlgorithms {
				if other != alg {
					p.refuses(t, other, signedText, good)
				}
			}
			p.refuses(t, alg, signedText, key.sign(t, alg, "other"))
			for _, other := range []string{"", "rs256", "RS1", "ES256", "EdDSA", "none", "HS256"} {
				if p.prepared.Verify(other, signedText, good) {
					t.Errorf("%s: accepted as %q", name, other)
				}
			}
		}
	}
}

func TestRSA_EveryOctetAndLength(t *testing.T) {
	for _, name := range []string{"rsa-2048", "rsa-2057", "rsa-3072-e3"} {
		for _, alg := range []string{"RS256", "PS256"} {
			key := testKey(t, name)
			pairOf(t, key.public).refusesVariants(t, alg, signedText, key.sign(t, alg, signedText))
		}
	}
}

func TestRSA_Numbers(t *testing.T) {
	for _, name := range rsaNames() {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		n := key.public.(*rsa.PublicKey).N
		good := new(big.Int).SetBytes(key.sign(t, "RS256", signedText))
		all := new(big.Int).Lsh(big.NewInt(1), uint(8*key.size()))
		for i, s := range []*big.Int{
			big.NewInt(0), big.NewInt(1), big.NewInt(2),
			new(big.Int).Sub(n, big.NewInt(2)), new(big.Int).Sub(n, big.NewInt(1)), n, new(big.Int).Add(n, big.NewInt(1)),
			new(big.Int).Sub(n, good), new(big.Int).Add(n, good), new(big.Int).Lsh(n, 1),
			new(big.Int).Sub(all, big.NewInt(1)), new(big.Int).Rsh(all, 1), new(big.Int).Rsh(all, 8),
		} {
			if s.BitLen() > 8*key.size() {
				continue // n + s and 2n fit where n has bits to spare
			}
			for _, alg := range rsaAlgorithms {
				t.Run(fmt.Sprint(name, alg, i), func(t *testing.T) {
					p.refuses(t, alg, signedText, s.FillBytes(make([]byte, key.size())))
				})
			}
		}
	}
}

// TestRSA_Unreduced adds the modulus to good signatures: s + n is another text
// of the same number where it fits into k octets.
func TestRSA_Unreduced(t *testing.T) {
	tried := 0
	for _, name := range rsaNames() {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		for _, alg := range rsaAlgorithms {
			s := new(big.Int).SetBytes(key.sign(t, alg, signedText))
			if s.Add(s, key.public.(*rsa.PublicKey).N); s.BitLen() <= 8*key.size() {
				p.refuses(t, alg, signedText, s.FillBytes(make([]byte, key.size())))
				tried++
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d signatures had room for the modulus", tried)
	}
}

// TestRSA_LeadingZeros looks for good signatures that begin with zeros, which
// must stay, and refuses them without.
func TestRSA_LeadingZeros(t *testing.T) {
	key := testKey(t, "rsa-2048")
	p := pairOf(t, key.public)
	for i := 0; ; i++ {
		signed := fmt.Sprint(i)
		if good := key.sign(t, "RS256", signed); good[0] == 0 {
			p.accepts(t, "RS256", signed, good)
			p.refuses(t, "RS256", signed, good[1:])
			return
		}
	}
}

func TestPKCS1_EveryOctetOfTheEncoding(t *testing.T) {
	for _, name := range []string{"rsa-2048", "rsa-2049"} {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		hash, digest := hashOf("RS256", signedText)
		em := pkcs1(key.size(), hash, digest)
		p.accepts(t, "RS256", signedText, key.open(em))
		for i := 1; i < len(em); i++ { // with octet 0, em would be more than n
			p.refuses(t, "RS256", signedText, key.open(xor(em, []byte{1 << (i % 8)}, i)))
		}
	}
}

func TestPKCS1_OtherEncodings(t *testing.T) {
	key := testKey(t, "rsa-2048")
	p := pairOf(t, key.public)
	size := key.size()
	_, digest := hashOf("RS256", signedText)
	info := func(hex string) []byte { return append([]byte(hex), digest...) }
	with := func(em []byte, change func(em []byte)) []byte { change(em); return em }
	good := pkcs1(size, crypto.SHA256, digest)
	for name, em := range map[string][]byte{
		"no DigestInfo":           pkcs1Of(size, digest),
		"no NULL":                 pkcs1Of(size, info("\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20")),
		"a long length":           pkcs1Of(size, info("\x30\x81\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")),
		"SHA-384's DigestInfo":    pkcs1Of(size, append(bytes.Clone(digestInfos[crypto.SHA384]), digest...)),
		"SHA-512's DigestInfo":    pkcs1Of(size, append(bytes.Clone(digestInfos[crypto.SHA512]), digest...)),
		"SHA-1's DigestInfo":      pkcs1Of(size, info("\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14")),
		"SHA-224's DigestInfo":    pkcs1Of(size, info("\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c")),
		"SHA3-256's DigestInfo":   pkcs1Of(size, info("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x08\x05\x00\x04\x20")),
		"a hash cut short":        pkcs1Of(size, append(bytes.Clone(digestInfos[crypto.SHA256]), digest[:31]...)),
		"octets behind":           pkcs1Of(size, append(info(string(digestInfos[crypto.SHA256])), 0, 0)),
		"block type 0":            with(bytes.Clone(good), func(em []byte) { em[1] = 0 }),
		"block type 2":            with(bytes.Clone(good), func(em []byte) { em[1] = 2 }),
		"zeros as padding":        with(bytes.Clone(good), func(em []byte) { clear(em[2 : size-52]) }),
		"padding of eight":        append(append([]byte{0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0}, good[size-51:]...), make([]byte, size-11-51)...),
		"a separator in padding":  with(bytes.Clone(good), func(em []byte) { em[100] = 0 }),
		"no separator":            with(bytes.Clone(good), func(em []byte) { em[size-52] = 255 }),
		"a digest in the padding": with(bytes.Clone(good), func(em []byte) { copy(em[20:], em[size-52:]) }),
	} {
		t.Run(name, func(t *testing.T) { p.refuses(t, "RS256", signedText, key.open(em)) })
	}
	p.accepts(t, "RS256", signedText, key.open(good))
}

// TestPKCS1_CubeRoots forges signatures of keys with e = 3 without the private
// key, for verifiers that do not look at every octet (Bleichenbacher, CRYPTO 2006
// rump session): a cube that begins, or ends, as an encoding does.
func TestPKCS1_CubeRoots(t *testing.T) {
	for _, name := range []string{"rsa-2048-e3", "rsa-3072-e3", "rsa-4096-e3"} {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		for _, alg := range []string{"RS256", "RS512"} {
			if name == "rsa-2048-e3" && alg == "RS512" {
				continue // too few octets are free for a cube
			}
			hash, digest := hashOf(alg, signedText)
			t.Run(name+" "+alg+" garbage behind", func(t *testing.T) {
				begin := append([]byte{0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0}, append(bytes.Clone(digestInfos[hash]), digest...)...)
				space := uint(8 * (key.size() - len(begin)))
				low := new(big.Int).Lsh(new(big.Int).SetBytes(begin), space)
				root := cubeRootUp(low)
				cube := new(big.Int).Exp(root, big.NewInt(3), nil)
				if !bytes.HasPrefix(cube.FillBytes(make([]byte, key.size())), begin) {
					t.Fatal("the cube does not begin as it should")
				}
				p.refuses(t, alg, signedText, root.FillBytes(make([]byte, key.size())))
			})
			t.Run(name+" "+alg+" garbage before", func(t *testing.T) {
				end := append(append([]byte{0}, digestInfos[hash]...), digest...)
				end[len(end)-1] |= 1 // else it has no root
				root := cubeRootModulo2(new(big.Int).SetBytes(end), uint(8*len(end)))
				cube := new(big.Int).Exp(root, big.NewInt(3), nil)
				if cube.BitLen() > 8*key.size() || !bytes.HasSuffix(cube.Bytes(), end) {
					t.Fatal("the cube does not end as it should")
				}
				p.refuses(t, alg, signedText, root.FillBytes(make([]byte, key.size())))
			})
		}
	}
}

// cubeRootUp is the least number whose cube is not below x.
func cubeRootUp(x *big.Int) *big.Int {
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(x.BitLen()/3+1))
	for low.Cmp(high) < 0 {
		middle := new(big.Int).Rsh(new(big.Int).Add(low, high), 1)
		if new(big.Int).Exp(middle, big.NewInt(3), nil).Cmp(x) < 0 {
			low.Add(middle, big.NewInt(1))
		} else {
			high = middle
		}
	}
	return low
}

// cubeRootModulo2 is the number whose cube ends as the odd x does, in so many
// bits: 3 has an inverse modulo the order of the odd numbers modulo 2^bits.
func cubeRootModulo2(x *big.Int, bits uint) *big.Int {
	power := new(big.Int).Lsh(big.NewInt(1), bits)
	group := new(big.Int).Lsh(big.NewInt(1), bits-2)
	return new(big.Int).Exp(x, new(big.Int).ModInverse(big.NewInt(3), group), power)
}

func TestPSS_EveryOctetOfTheEncoding(t *testing.T) {
	for _, name := range []string{"rsa-2048", "rsa-2057"} { // emLen is k, and one less
		key := testKey(t, name)
		p := pairOf(t, key.public)
		hash, digest := hashOf("PS256", signedText)
		em := pss(key.public.(*rsa.PublicKey).N.BitLen(), hash, digest, make([]byte, 32))
		p.accepts(t, "PS256", signedText, key.open(em))
		for i := 1; i < len(em); i++ {
			p.refuses(t, "PS256", signedText, key.open(xor(em, []byte{1 << (i % 8)}, i)))
		}
	}
}

func TestPSS_Salts(t *testing.T) {
	for _, name := range []string{"rsa-2048", "rsa-2049", "rsa-2050-e3", "rsa-2056-e17", "rsa-2057", "rsa-2113-e3"} {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		bits := key.public.(*rsa.PublicKey).N.BitLen()
		for _, alg := range []string{"PS256", "PS384", "PS512"} {
			hash, digest := hashOf(alg, signedText)
			most := (bits-1+7)/8 - hash.Size() - 2
			for _, length := range []int{0, 1, 20, hash.Size() - 1, hash.Size(), hash.Size() + 1, most - 1, most} {
				signature := key.open(pss(bits, hash, digest, bytes.Repeat([]byte{0xa5}, length)))
				if length == hash.Size() {
					p.accepts(t, alg, signedText, signature)
				} else {
					p.refuses(t, alg, signedText, signature)
				}
			}
		}
	}
}

func TestPSS_Padding(t *testing.T) {
	key := testKey(t, "rsa-2050-e3") // its first octet has one bit
	p := pairOf(t, key.public)
	hash, digest := hashOf("PS256", signedText)
	salt := bytes.Repeat([]byte{0x5a}, 32)
	signature := func(change func(db []byte)) []byte { return key.open(pssOf(2050, hash, digest, salt, change)) }
	length := 0
	p.accepts(t, "PS256", signedText, signature(func(db []byte) { length = len(db) - 32 }))
	for i := range length - 1 {
		octet := byte(1)
		p.refuses(t, "PS256", signedText, signature(func(db []byte) { db[i] = octet }))
	}
	for _, octet := range []byte{0, 2, 0x81, 0xff} {
		p.refuses(t, "PS256", signedText, signature(func(db []byte) { db[length-1] = octet }))
	}
	// The bits of the first octet that are beyond emBits are masked on both
	// sides, so that their value before does not matter.
	p.accepts(t, "PS256", signedText, signature(func(db []byte) { db[0] = 0xfe }))
	em := pss(2050, hash, digest, salt)
	em[len(em)-1] = 0xcc // ISO 9796-2's trailer
	p.refuses(t, "PS256", signedText, key.open(em))
}

// TestPSS_UnusedBits sets the bits in front of the emBits that an encoding has,
// in the octet that it shares with them and in the one before. It takes a salt
// for which that is less than the modulus still.
func TestPSS_UnusedBits(t *testing.T) {
	shared, before := 0, 0
	for _, name := range rsaNames() {
		key := testKey(t, name)
		p := pairOf(t, key.public)
		n := key.public.(*rsa.PublicKey).N
		hash, digest := hashOf("PS256", signedText)
		for octet := range 20 {
			em := pss(n.BitLen(), hash, digest, bytes.Repeat([]byte{byte(octet)}, hash.Size()))
			x := new(big.Int).SetBytes(em)
			if x.SetBit(x, n.BitLen()-1, 1).Cmp(n) >= 0 {
				continue
			}
			if n.BitLen()%8 == 1 {
				before++
			} else {
				shared++
			}
			p.accepts(t, "PS256", signedText, key.open(em))
			p.refuses(t, "PS256", signedText, key.open(x.FillBytes(em)))
		}
	}
	if shared == 0 || before == 0 {
		t.Errorf("%d and %d encodings tried: no modulus has room for them", shared, before)
	}
}
