package accel

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"testing"
)

// rsaSizes are the RSA keys of the tests: usual ones, the least and the greatest
// exponent, and sizes where k, emLen and the number of words part.
var rsaSizes = []struct{ bits, e int }{
	{2048, 65537}, {2048, 3}, {2048, 2147483647},
	{2049, 65537}, {2050, 3}, {2056, 17}, {2057, 65537}, {2111, 65537},
	{2112, 65537}, {2113, 3},
	{3072, 65537}, {3072, 3}, {3072, 2147483647},
	{4095, 257}, {4096, 65537}, {4096, 3}, {4096, 2147483647},
}

var newRSA = flag.Bool("new-rsa", false, "make new RSA keys and write testdata/rsa.json")

// TestRSAKeys_File shows that the file has the keys that the tests count on.
// With -new-rsa it makes the file.
func TestRSAKeys_File(t *testing.T) {
	if *newRSA {
		var entries []rsaPrimes
		for _, size := range rsaSizes {
			p, q := findPrimes(t, size.bits, size.e)
			entries = append(entries, rsaPrimes{size.bits, size.e, p.Text(16), q.Text(16)})
		}
		text, err := json.MarshalIndent(entries, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/rsa.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i, name := range rsaNames() {
		public := testKey(t, name).public.(*rsa.PublicKey)
		if public.N.BitLen() != rsaSizes[i].bits || public.E != rsaSizes[i].e {
			t.Errorf("%s has %d bits and e = %d", name, public.N.BitLen(), public.E)
		}
	}
}

// findPrimes finds primes whose product has so many bits, and that e fits.
func findPrimes(t *testing.T, bits, e int) (p, q *big.Int) {
	one, exponent := big.NewInt(1), big.NewInt(int64(e))
	next := func(bits int) *big.Int {
		for {
			prime, err := rand.Prime(rand.Reader, bits)
			if err != nil {
				t.Fatal(err)
			}
			if new(big.Int).GCD(nil, nil, new(big.Int).Sub(prime, one), exponent).Cmp(one) == 0 {
				return prime
			}
		}
	}
	for {
		p, q = next(bits/2), next(bits-bits/2)
		if new(big.Int).Mul(p, q).BitLen() == bits {
			return p, q
		}
	}
}
