package jwk

import (
	"encoding/binary"
	"math/bits"
)

// rocaPrime is a prime modulo which the powers of 65537 are only a part of all
// residues: as many as its order.
type rocaPrime struct{ p, order uint64 }

// rocaPrimes returns those of the 38 odd primes up to 167, which the published
// detector looks at, that tell anything: modulo the other 21 every residue but
// zero is a power of 65537. Two groups, the product of each fits 64 bits.
func rocaPrimes() [2][]rocaPrime {
	return [2][]rocaPrime{
		{{37, 3}, {79, 13}, {11, 2}, {61, 20}, {73, 24}, {127, 42}, {151, 50}, {19, 9}, {53, 26}},
		{{97, 6}, {13, 6}, {17, 8}, {71, 35}, {103, 51}, {107, 53}, {109, 54}, {157, 78}},
	}
}

// hasROCAFingerprint tells whether a modulus, big-endian, may come from the
// Infineon library of CVE-2017-15361. Its primes, and so their product, are
// powers of 65537 modulo every small prime, which makes them easy to factor
// (Nemec et al., "The Return of Coppersmith's Attack", 2017). Of other moduli
// one in 10^9 looks like that.
func hasROCAFingerprint(n []byte) bool {
	// 2^48 is 1 modulo 97, 13 and 17, so the sum of the digits to that base
	// has the modulus's residues. That settles 99 of 100 moduli at a fraction
	// of the price of a division. 8192 bits have 171 digits: no overflow.
	var sum uint64
	rest := n
	for ; len(rest) >= 8; rest = rest[:len(rest)-6] {
		sum += binary.BigEndian.Uint64(rest[len(rest)-8:]) & (1<<48 - 1)
	}
	sum += residue(rest, 1<<48-1)
	if !isPower(sum%97, 97, 6) || !isPower(sum%13, 13, 6) || !isPower(sum%17, 17, 8) {
		return false
	}
	for _, group := range rocaPrimes() {
		product := uint64(1)
		for _, q := range group {
			product *= q.p
		}
		r := residue(n, product)
		for _, q := range group {
			if !isPower(r%q.p, q.p, q.order) {
				return false
			}
		}
	}
	return true
}

// isPower tells whether x is a power of 65537 modulo p, where order is how many
// there are. The units modulo a prime are a cyclic group, in which the elements
// of a subgroup are those that the subgroup's order takes to 1.
func isPower(x, p, order uint64) bool {
	y := uint64(1)
	for ; order > 0; order >>= 1 {
		if order&1 == 1 {
			y = y * x % p
		}
		x = x * x % p
	}
	return y == 1
}

// residue is the big-endian number b modulo m.
func residue(b []byte, m uint64) uint64 {
	var r uint64
	for ; len(b)%8 != 0; b = b[1:] {
		r = (r<<8 | uint64(b[0])) % m
	}
	for ; len(b) > 0; b = b[8:] {
		_, r = bits.Div64(r, binary.BigEndian.Uint64(b), m)
	}
	return r
}
