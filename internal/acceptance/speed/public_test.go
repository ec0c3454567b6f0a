package speed

import (
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

// Looking at a key again and again allocates nothing.
func TestKey_PublicAllocatesNothing(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		key, _ := testkit.KeySetOf(t, testkit.NewSigner(t, alg, "k1")).Key("k1")
		first := key.Public()
		if n := testing.AllocsPerRun(100, func() { _ = key.Public() }); n != 0 || first == nil {
			t.Errorf("%s: %v allocations", alg, n)
		}
	}
}

func BenchmarkKeyPublic(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			key, _ := testkit.KeySetOf(b, testkit.NewSigner(b, alg, "k1")).Key("k1")
			for b.Loop() {
				_ = key.Public()
			}
		})
	}
}
