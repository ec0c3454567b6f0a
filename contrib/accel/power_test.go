package accel

import (
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	mathbits "math/bits"
	"math/rand/v2"
	"testing"
)

// samePower compares s^e mod n with math/big's, and what comes of s >= n.
func samePower(t *testing.T, n *big.Int, e int, s *big.Int) {
	t.Helper()
	k, ok := prepareRSA(&rsa.PublicKey{N: n, E: e})
	if !ok {
		t.Fatalf("declined: %d bits, e = %d", n.BitLen(), e)
	}
	signature := s.FillBytes(make([]byte, k.size))
	for name, m := range map[string]modulus{"chosen": k.modulus, "barrett": newBarrett(n)} {
		em := make([]byte, k.size)
		ok := m.power(new(rsaWorkspace), em, signature, k.exponent)
		if ok != (s.Cmp(n) < 0) {
			t.Fatalf("%s: s < n is %v\nn %x\ns %x", name, ok, n, s)
		}
		if want := new(big.Int).Exp(s, big.NewInt(int64(e)), n); ok && new(big.Int).SetBytes(em).Cmp(want) != 0 {
			t.Fatalf("%s: a wrong power\nn %x\ne %d\ns %x\ngot %x\nwant %x", name, n, e, s, em, want)
		}
	}
}

// oddModulus makes n odd and of so many bits.
func oddModulus(n *big.Int, bits int) *big.Int {
	mask := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	n = new(big.Int).And(n, mask.Sub(mask, big.NewInt(1)))
	return n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
}

// TestRSA_Power takes moduli at the ends of their sizes, where the estimated
// quotient is furthest off, and numbers at the ends of the moduli. They are no
// products of two primes, which no step knows.
func TestRSA_Power(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := func() *big.Int {
		words := make([]big.Word, maxModulusBits/32)
		for i := range words {
			words[i] = big.Word(random.Uint64())
		}
		return new(big.Int).SetBits(words)
	}
	one := big.NewInt(1)
	for _, bits := range []int{2048, 2049, 2050, 2111, 2112, 2113, 2559, 2560, 3071, 3072, 3073, 4095, 4096} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			ones := new(big.Int).Sub(new(big.Int).Lsh(one, uint(bits)), one)
			for _, n := range []*big.Int{
				oddModulus(new(big.Int), bits), ones,
				new(big.Int).Sub(ones, new(big.Int).Lsh(one, 64)),
				new(big.Int).Sub(ones, new(big.Int).Lsh(one, uint(bits/2))),
				oddModulus(new(big.Int).Lsh(one, uint(bits/2)), bits),
				oddModulus(number(), bits), oddModulus(number(), bits),
			} {
				for _, s := range []*big.Int{
					new(big.Int), one, big.NewInt(2), new(big.Int).Sub(n, one), n, new(big.Int).Sub(n, big.NewInt(2)),
					new(big.Int).Rsh(n, 1), new(big.Int).Rsh(n, uint(bits/2)), new(big.Int).Sqrt(n),
					new(big.Int).Mod(number(), n), new(big.Int).Lsh(one, uint(bits-1)),
				} {
					for _, e := range []int{3, 5, 65537, 1<<31 - 1} {
						samePower(t, n, e, s)
					}
				}
			}
		})
	}
}

// TestRSA_Reduce divides numbers next to multiples of the modulus, up to the
// largest that the algorithm is for.
func TestRSA_Reduce(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	w := new(rsaWorkspace)
	one := big.NewInt(1)
	for range 2000 {
		bits := minModulusBits + random.IntN(maxModulusBits-minModulusBits+1)
		words := make([]big.Word, 64)
		for i := range words {
			words[i] = []big.Word{0, 1, ^big.Word(0), big.Word(random.Uint64())}[random.IntN(4)]
		}
		n := oddModulus(new(big.Int).SetBits(words), bits)
		m := newBarrett(n)
		factor := new(big.Int).Rsh(new(big.Int).Sub(n, one), uint(random.IntN(64)*random.IntN(64)))
		for _, x := range []*big.Int{
			new(big.Int).Mul(n, factor),
			new(big.Int).Sub(new(big.Int).Mul(n, factor), one),
			new(big.Int).Add(new(big.Int).Mul(n, factor), one),
			new(big.Int).Mul(factor, factor),
			new(big.Int).Sub(new(big.Int).Lsh(one, uint(2*m.k*mathbits.UintSize)), one),
		} {
			if x.Sign() < 0 {
				continue
			}
			w.wide.Set(x)
			m.reduce(w)
			if want := new(big.Int).Mod(x, n); w.x.Cmp(want) != 0 {
				t.Fatalf("%x mod %x is %x, want %x", x, n, &w.x, want)
			}
		}
	}
}

// FuzzPower has moduli, exponents and numbers of any form.
func FuzzPower(f *testing.F) {
	f.Add(uint16(2048), uint32(65537), []byte{1}, []byte{2})
	f.Add(uint16(4096), uint32(3), []byte("modulus"), []byte("signature"))
	f.Add(uint16(3072), uint32(1<<31-1), []byte{0xff, 0xff, 0xff}, []byte{0xff})
	f.Fuzz(func(t *testing.T, size uint16, e uint32, modulus, number []byte) {
		bits := minModulusBits + int(size)%(maxModulusBits-minModulusBits+1)
		n := oddModulus(spread(modulus, bits), bits)
		s := spread(number, 8*((bits+7)/8))
		exponent := int(e)&maxExponent | 1
		if exponent < 3 {
			exponent = 3
		}
		samePower(t, n, exponent, s)
	})
}

// spread makes a number of at most so many bits of few octets, so that a fuzzer
// can shape all of it: eight octets say where the others are repeated.
func spread(data []byte, bits int) *big.Int {
	octets := make([]byte, bits/8)
	if len(data) > 8 && len(data) < len(octets) {
		places := binary.BigEndian.Uint64(data)
		data = data[8:]
		for place := range 64 {
			if places>>place&1 == 1 {
				copy(octets[place*len(octets)/64:], data)
			}
		}
	} else {
		copy(octets, data)
	}
	return new(big.Int).SetBytes(octets)
}
