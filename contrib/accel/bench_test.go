package accel

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
)

// benchSigned is as long as the signing input of a token with 15 claims.
var benchSigned = strings.Repeat("eyJhbGciOi", 90)

// benchmarked are the algorithms with the keys that matter.
var benchmarked = []struct{ name, alg, key string }{
	{"RS256", "RS256", "rsa-2048"},
	{"RS256-3072", "RS256", "rsa-3072"},
	{"RS256-4096", "RS256", "rsa-4096"},
	{"RS256-4096-e31", "RS256", "rsa-4096-e2147483647"},
	{"RS512", "RS512", "rsa-2048"},
	{"PS256", "PS256", "rsa-2048"},
	{"ES256", "ES256", "p256"},
	{"EdDSA", "EdDSA", "ed25519"},
}

// BenchmarkOverBare takes turns with the standard library, so that what else the
// machine does hits both alike. x-bare is the share of its time that a prepared
// key needs. The standard library is given the digest, where there is one.
func BenchmarkOverBare(b *testing.B) {
	for _, bench := range benchmarked {
		b.Run(bench.name, func(b *testing.B) {
			key := testKey(b, bench.key)
			signature := key.sign(b, bench.alg, benchSigned)
			bare := key.bare(bench.alg, benchSigned, signature)
			prepared := prepared(b, key.public)
			if !bare() || !prepared.Verify(bench.alg, benchSigned, signature) {
				b.Fatal("the signature does not verify")
			}
			const turn = 8
			var shares, nanos []float64
			for b.Loop() {
				began := time.Now()
				for range turn {
					bare()
				}
				between := time.Now()
				for range turn {
					prepared.Verify(bench.alg, benchSigned, signature)
				}
				ours, theirs := float64(time.Since(between)), float64(between.Sub(began))
				shares, nanos = append(shares, ours/theirs), append(nanos, ours/turn)
			}
			slices.Sort(shares)
			slices.Sort(nanos)
			b.ReportMetric(shares[len(shares)/2], "x-bare")
			b.ReportMetric(nanos[len(nanos)/2], "ns/verify")
			b.ReportMetric(0, "ns/op") // of a turn: of no meaning
		})
	}
}

// BenchmarkVerify is the prepared key alone, with its allocations.
func BenchmarkVerify(b *testing.B) {
	for _, bench := range benchmarked {
		key := testKey(b, bench.key)
		signature := key.sign(b, bench.alg, benchSigned)
		b.Run(bench.name+"/bare", func(b *testing.B) {
			bare := key.bare(bench.alg, benchSigned, signature)
			b.ReportAllocs()
			for b.Loop() {
				bare()
			}
		})
		b.Run(bench.name+"/prepared", func(b *testing.B) {
			prepared := prepared(b, key.public)
			b.ReportAllocs()
			for b.Loop() {
				prepared.Verify(bench.alg, benchSigned, signature)
			}
		})
	}
}

// BenchmarkPrepare is the time to prepare a key, and the memory that it keeps.
func BenchmarkPrepare(b *testing.B) {
	for _, name := range []string{"rsa-2048", "rsa-3072", "rsa-4096", "p256", "ed25519"} {
		b.Run(name, func(b *testing.B) {
			key, a := testKey(b, name), New()
			held := heldBy(func() jwks.PreparedKey { return a.Prepare(key.public) })
			for b.Loop() {
				if a.Prepare(key.public) == nil {
					b.Fatal("declined")
				}
			}
			b.ReportMetric(held, "B/key")
		})
	}
}

// heldBy is the memory that one prepared key keeps.
func heldBy(prepare func() jwks.PreparedKey) float64 {
	prepare() // what all keys share
	keys := make([]jwks.PreparedKey, 200)
	before := heap()
	for i := range keys {
		keys[i] = prepare()
	}
	after := heap()
	runtime.KeepAlive(keys)
	return float64(after-before) / float64(len(keys))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
