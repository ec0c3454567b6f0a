package jwk

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// detectorPrimes are the odd primes up to 167, those of the published detector.
func detectorPrimes() []int64 {
	var primes []int64
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(20) {
			primes = append(primes, p)
		}
	}
	return primes
}

// powers are the residues that 65537 generates modulo p.
func powers(p int64) map[int64]bool {
	set := map[int64]bool{}
	for x := int64(1); !set[x]; x = x * 65537 % p {
		set[x] = true
	}
	return set
}

// rocaModulus is a modulus with the fingerprint: 65537^a + k·M, where M is the
// product of the primes.
func rocaModulus(length int) *big.Int {
	m := big.NewInt(2)
	for _, p := range detectorPrimes() {
		m.Mul(m, big.NewInt(p))
	}
	n := new(big.Int).Exp(big.NewInt(65537), new(big.Int).SetBytes(stream("a", 16)), m)
	k := new(big.Int).Quo(testModulus(length), m)
	return n.Add(n, k.Mul(k, m))
}

// slowDetector is the test as it was published: a set of residues for each of
// the primes.
func slowDetector() func(n *big.Int) bool {
	primes := detectorPrimes()
	residues := make([]map[int64]bool, len(primes))
	for i, p := range primes {
		residues[i] = powers(p)
	}
	return func(n *big.Int) bool {
		r := new(big.Int)
		for i, p := range primes {
			if !residues[i][r.Mod(n, big.NewInt(p)).Int64()] {
				return false
			}
		}
		return true
	}
}

func TestROCATableHoldsEveryPrimeThatTells(t *testing.T) {
	table := map[int64]uint64{}
	for _, group := range rocaPrimes() {
		product := big.NewInt(1)
		for _, q := range group {
			table[int64(q.p)] = q.order
			product.Mul(product, new(big.Int).SetUint64(q.p))
		}
		if !product.IsUint64() {
			t.Errorf("product %v does not fit", product)
		}
	}
	primes := detectorPrimes()
	if len(primes) != 38 {
		t.Fatalf("%d primes, want 38", len(primes))
	}
	for _, p := range primes {
		order, listed := table[p]
		size := len(powers(p))
		if tells := size < int(p)-1; listed != tells || listed && order != uint64(size) {
			t.Errorf("%d: listed %v with order %d, but %d powers", p, listed, order, size)
		}
	}
}

func TestROCAFirstSieveDividesBase(t *testing.T) {
	for _, p := range []uint64{97, 13, 17} {
		if (1<<48)%p != 1 {
			t.Errorf("2^48 is not 1 modulo %d", p)
		}
	}
}

func TestROCAFingerprintIsFoundAtEverySize(t *testing.T) {
	published := slowDetector()
	for length := 2048; length <= 8192; length += 40 { // every number of octets modulo 8
		n := rocaModulus(length)
		if !published(n) {
			t.Fatalf("%d bits: the test's own modulus has no fingerprint", length)
		}
		if !hasROCAFingerprint(n.Bytes()) {
			t.Errorf("%d bits: fingerprint not found", length)
		}
	}
}

func TestROCANeedsEveryPrime(t *testing.T) {
	// Moduli that are right for all primes but one, and no residue class of
	// that one: the fingerprint must depend on each.
	m := big.NewInt(1)
	for _, p := range detectorPrimes() {
		m.Mul(m, big.NewInt(p))
	}
	for _, group := range rocaPrimes() {
		for _, q := range group {
			p := int64(q.p)
			step := new(big.Int).Quo(m, big.NewInt(p)) // changes n modulo p only
			n := rocaModulus(2048)
			good := 0
			for range p {
				n.Add(n, step)
				want := powers(p)[new(big.Int).Mod(n, big.NewInt(p)).Int64()]
				if got := hasROCAFingerprint(n.Bytes()); got != want {
					t.Fatalf("modulo %d: fingerprint %v, want %v", p, got, want)
				}
				if want {
					good++
				}
			}
			if good != int(q.order) {
				t.Errorf("modulo %d: %d residues passed, want %d", p, good, q.order)
			}
		}
	}
}

func TestROCASparesOtherModuli(t *testing.T) {
	published := slowDetector()
	for i := range 3000 {
		n := stream(fmt.Sprint("other ", i), 256+i%768)
		if published(new(big.Int).SetBytes(n)) {
			continue // one in 10^9
		}
		if hasROCAFingerprint(n) {
			t.Fatalf("fingerprint in noise %d", i)
		}
	}
}

func TestResidueAgreesWithBig(t *testing.T) {
	moduli := []uint64{1, 2, 97, 1<<48 - 1, 1<<63 + 29, 1<<64 - 1}
	for length := range 40 {
		b := stream("residue", length)
		for _, x := range [][]byte{b, slices.Repeat([]byte{255}, length), make([]byte, length)} {
			for _, m := range moduli {
				big1 := new(big.Int).SetBytes(x)
				want := big1.Mod(big1, new(big.Int).SetUint64(m)).Uint64()
				if got := residue(x, m); got != want {
					t.Errorf("%x modulo %d is %d, want %d", x, m, got, want)
				}
			}
		}
	}
}
