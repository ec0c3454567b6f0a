package speed

import (
	"crypto/rsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks"
)

func BenchmarkParseKeySet(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		document := manyRSAKeys(b, n, 0)
		b.Run(fmt.Sprintf("RSA/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set, err := jwks.ParseKeySet(document); err != nil || set.Len() != n {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
		})
	}
}

// manyRSAKeys is a set of n RSA-2048 moduli, other ones for another from. They
// are odd numbers, not products of primes: reading a key set cannot tell.
func manyRSAKeys(b *testing.B, n, from int) []byte {
	b.Helper()
	document := []byte(`{"keys":[`)
	for i := range n {
		if i > 0 {
			document = append(document, ',')
		}
		modulus := new(big.Int).Lsh(big.NewInt(int64(from+i)*2+3), 2040)
		modulus.SetBit(modulus, 2047, 1).SetBit(modulus, 0, 1)
		k := jwkOf(b, &rsa.PublicKey{N: modulus, E: 65537}, fmt.Sprintf("key-%d", i))
		document = append(document, k...)
	}
	return append(document, "]}"...)
}

// jwkOf writes a public key as a JWK.
func jwkOf(tb testing.TB, public any, kid string) []byte {
	tb.Helper()
	text, err := jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: "RS256"}.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
