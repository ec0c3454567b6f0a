// Package speed measures: benchmarks, allocations, and what a thousand issuers cost.
package speed

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// benchPayload is what a Keycloak server writes: 15 claims in about 630 bytes.
const benchPayload = `{"exp":1767232800,"iat":1767225600,"nbf":1767225540,"jti":"0b4f6a1e-3f2c-4f67-8a35-9d1e6c2b7f80",` +
	`"iss":"https://issuer.example","aud":["api","account"],"sub":"f3b1c9d2-7a64-4b0e-9c1d-5e8f0a2b4c6d","typ":"Bearer",` +
	`"azp":"web-frontend","sid":"2d7f1f5e-4f7e-46a5-8a3c-0f5c3d1e9b21","scope":"openid profile email orders:read orders:write",` +
	`"email":"renee.example@customer.example","email_verified":true,"preferred_username":"renee.example",` +
	`"realm_access":{"roles":["offline_access","uma_authorization","default-roles-production","orders-reader"]}}`

// verifiedBare is the crypto call alone, on a digest made before: what no
// verifier can do without.
func verifiedBare(s *testkit.Signer, token string) func() bool {
	signed, text := token[:strings.LastIndexByte(token, '.')], token[strings.LastIndexByte(token, '.')+1:]
	sig, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	digest := sha256.Sum256([]byte(signed))
	switch key := s.Key.Public().(type) {
	case *rsa.PublicKey:
		return func() bool { return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) == nil }
	case *ecdsa.PublicKey:
		der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])})
		if err != nil {
			panic(err)
		}
		return func() bool { return ecdsa.VerifyASN1(key, digest[:], der) }
	case ed25519.PublicKey:
		message := []byte(signed)
		return func() bool { return ed25519.Verify(key, message, sig) }
	}
	panic("no crypto call for " + s.Algorithm)
}

// benchmarked is a verifier and a token that it accepts.
func benchmarked(tb testing.TB, s *testkit.Signer, opts ...jwks.VerifierOption) (*jwks.Verifier, string) {
	v := testkit.NewVerifier(tb, testkit.KeySetOf(tb, s), opts...)
	return v, s.Token(benchPayload)
}

// BenchmarkVerify shows algorithms beside the bare crypto call; see
// BenchmarkVerifyAlgorithms for all of them.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		s := testkit.NewSigner(b, alg, "key-prod-000001")
		v, token := benchmarked(b, s)
		b.Run(alg+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			bare := verifiedBare(s, token)
			for b.Loop() {
				if !bare() {
					b.Fatal("the token does not verify")
				}
			}
		})
		b.Run(alg+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Verify(context.Background(), token); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkVerifyAlgorithms is Verify by algorithm.
func BenchmarkVerifyAlgorithms(b *testing.B) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			v, token := benchmarked(b, testkit.NewSigner(b, alg, "key-prod-000001"))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyOverBare takes turns with the bare crypto call, so that what
// else the machine does hits both alike: how many times its cost a
// verification is, and how much more.
func BenchmarkVerifyOverBare(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			s := testkit.NewSigner(b, alg, "key-prod-000001")
			v, token := benchmarked(b, s)
			bare := verifiedBare(s, token)
			ratio, over := takeTurns(b, func() { bare() }, func() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(ratio, "x-bare")
			b.ReportMetric(over, "ns-over")
		})
	}
}

// takeTurns does one thing and the other in turns, so that what else the machine
// does hits both alike. It returns how many times the time of the first the
// second takes, and how many nanoseconds more: medians over the turns.
func takeTurns(b *testing.B, first, second func()) (ratio, over float64) {
	b.Helper()
	const turn = 8
	var ratios, overs []float64
	for b.Loop() {
		began := time.Now()
		for range turn {
			first()
		}
		between := time.Now()
		for range turn {
			second()
		}
		a, z := float64(between.Sub(began)), float64(time.Since(between))
		ratios, overs = append(ratios, z/a), append(overs, (z-a)/turn)
	}
	slices.Sort(ratios)
	slices.Sort(overs)
	b.ReportMetric(0, "ns/op") // of a turn: meaningless
	return ratios[len(ratios)/2], overs[len(overs)/2]
}

// BenchmarkVerifyTwoCores takes turns between one goroutine and two: how many
// times as many tokens two verify, and how many times as many bare crypto calls
// they make, which is what the machine has to give at that time.
func BenchmarkVerifyTwoCores(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Skip("needs two cores")
	}
	const turn = 128
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			s := testkit.NewSigner(b, alg, "key-prod-000001")
			v, token := benchmarked(b, s)
			bare := verifiedBare(s, token)
			times := func(goroutines int, do func()) float64 {
				var all sync.WaitGroup
				began := time.Now()
				for range goroutines {
					all.Go(func() {
						for range turn {
							do()
						}
					})
				}
				all.Wait()
				return float64(time.Since(began))
			}
			var ours, theirs []float64
			for b.Loop() {
				verify := func() {
					if _, err := v.Verify(context.Background(), token); err != nil {
						b.Error(err)
					}
				}
				ours = append(ours, 2*times(1, verify)/times(2, verify))
				theirs = append(theirs, 2*times(1, func() { bare() })/times(2, func() { bare() }))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(ours[len(ours)/2], "x-one-core")
			b.ReportMetric(theirs[len(theirs)/2], "x-one-core-bare")
			b.ReportMetric(0, "ns/op") // of a turn: meaningless
		})
	}
}

// BenchmarkVerifyCached is the same token again with WithTokenCache.
func BenchmarkVerifyCached(b *testing.B) {
	v, token := benchmarked(b, testkit.NewSigner(b, "RS256", "key-prod-000001"), jwks.WithTokenCache(1024))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyRefused is what a token costs that is refused: the earlier,
// the less.
func BenchmarkVerifyRefused(b *testing.B) {
	s := testkit.NewSigner(b, "ES256", "key-prod-000001")
	v, token := benchmarked(b, s)
	for name, refused := range map[string]string{
		"too large":     strings.Repeat("a", 1<<20),
		"no segments":   strings.Repeat("a", 1<<10),
		"only dots":     strings.Repeat(".", 16<<10),
		"not base64":    token[:len(token)-1] + "=",
		"unknown kid":   s.Sign(`{"alg":"ES256","kid":"unknown"}`, benchPayload),
		"bad signature": token[:len(token)-10] + strings.Repeat("A", 10),
		"many members":  testkit.Segment(`{"alg":"ES256"`+testkit.ManyMembers(11<<10)+`}`) + "." + testkit.Segment("{}") + ".AAAA",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), refused); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// TestVerify_Allocations keeps what is left to allocate: the hash and what crypto
// needs, the token, its payload and its audience, and golang-jwt's list of
// errors.
func TestVerify_Allocations(t *testing.T) {
	if testing.Short() || testkit.RaceEnabled {
		t.Skip("counts are of the ordinary build")
	}
	for alg, limit := range map[string]float64{"RS256": 2, "ES256": 3, "EdDSA": 3} {
		s := testkit.NewSigner(t, alg, "k1")
		v, token := benchmarked(t, s, jwks.WithTokenCache(0))
		testkit.Accept(t, v, token) // fills the memo and the pool
		bare := verifiedBare(s, token)
		floor := testing.AllocsPerRun(50, func() { bare() })
		all := testing.AllocsPerRun(50, func() { testkit.AcceptOnce(t, v, token) })
		t.Logf("%s: %.0f, of them %.0f for the bare crypto call", alg, all, floor)
		if all > floor+limit {
			t.Errorf("%s: %.0f allocations, want at most %.0f and %.0f", alg, all, floor, limit)
		}
	}
	v, token := benchmarked(t, testkit.NewSigner(t, "RS256", "k1"), jwks.WithTokenCache(8))
	testkit.Accept(t, v, token)
	if n := testing.AllocsPerRun(50, func() { testkit.AcceptOnce(t, v, token) }); n > 0 {
		t.Errorf("a token from the cache: %.0f allocations", n)
	}
}
