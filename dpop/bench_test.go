package dpop_test

import (
	"context"
	"crypto"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// proofBench has what a service sees: requests of one sender, each with its own
// proof, for one token.
type proofBench struct {
	*world
	verified *jwks.Token
	requests []*http.Request
	public   [2]crypto.PublicKey // of the token and of the proofs
	opened   [2]compact.Token
}

func newProofBench(t testing.TB) *proofBench {
	b := &proofBench{world: newWorld(t)}
	for range 1000 {
		b.requests = append(b.requests, request("DPoP "+b.token, b.proof()))
	}
	var err error
	b.verified, err = b.verifier.Verify(jwks.ContextWithProof(context.Background(), b.present(0)), b.token)
	if err != nil {
		t.Fatal(err)
	}
	proofKeys, err := jwks.ParseKeySet([]byte(`{"keys":[` + string(b.key.JWK()) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for key := range proofKeys.All() {
		b.public = [2]crypto.PublicKey{b.verified.Key().Public(), key.Public()}
	}
	for i, text := range []string{b.token, b.requests[0].Header.Get("DPoP")} {
		if b.opened[i], err = compact.Open(text, 16<<10); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *proofBench) present(i int) jwks.Proof {
	p, err := b.checker.Proof(b.requests[i])
	if err != nil {
		panic(err)
	}
	return p
}

// verify verifies the token with the proof of a request.
func (b *proofBench) verify(i int) error {
	i %= len(b.requests)
	if i == 0 {
		dpop.Forget(b.checker)
	}
	_, err := b.verifier.Verify(jwks.ContextWithProof(context.Background(), b.present(i)), b.token)
	return err
}

// signatures checks the two signatures and does nothing else.
func (b *proofBench) signatures() bool {
	for i, o := range b.opened {
		if !jws.Verify(o.Algorithm, b.public[i], o.Signed, o.Signature) {
			return false
		}
	}
	return true
}

// BenchmarkProof compares a verification with a proof with the two signature
// checks in it, both ES256.
func BenchmarkProof(b *testing.B) {
	bench := newProofBench(b)
	b.Run("signatures", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !bench.signatures() {
				b.Fatal("a signature does not verify")
			}
		}
	})
	b.Run("verification", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if err := bench.verify(i); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// BenchmarkOverSignatures reports what a verification with a proof costs more
// than the two signature checks in it. Both are measured in turns, and of each
// the first decile counts: the rest tells how busy the machine is.
func BenchmarkOverSignatures(b *testing.B) {
	bench := newProofBench(b)
	var signatures, all []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		verified := bench.signatures()
		signatures = append(signatures, time.Since(start))
		start = time.Now()
		err := bench.verify(i)
		all = append(all, time.Since(start))
		if !verified || err != nil {
			b.Fatal(verified, err)
		}
	}
	decile := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/10])
	}
	b.ReportMetric(decile(signatures), "signatures-ns/op")
	b.ReportMetric(decile(all)-decile(signatures), "extra-ns/op")
	b.ReportMetric(0, "ns/op") // of both: says nothing
}

// BenchmarkCompare reports what a proof costs but for its signature check: the
// best of many turns, because the others tell how busy the machine is.
func BenchmarkCompare(b *testing.B) {
	bench := newProofBench(b)
	const perTurn = 50
	best := time.Hour
	for i := 0; b.Loop(); i = (i + perTurn) % len(bench.requests) {
		if i == 0 {
			dpop.Forget(bench.checker)
		}
		start := time.Now()
		for _, r := range bench.requests[i : i+perTurn] {
			if err := dpop.Compare(bench.checker, r, bench.verified); err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(best)/perTurn, "ns/op")
}

// A verification with a proof allocates at most 10 times more than the two
// signature checks in it.
func TestProof_Allocations(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	b := newProofBench(t)
	i := 0
	verification := testing.AllocsPerRun(500, func() {
		if err := b.verify(i + 1); err != nil {
			t.Fatal(err)
		}
		i++
	})
	signatures := testing.AllocsPerRun(500, func() {
		if !b.signatures() {
			t.Fatal("a signature does not verify")
		}
	})
	t.Logf("%v allocations, %v of them by the signatures", verification, signatures)
	if verification-signatures > 10 {
		t.Errorf("%v allocations, and %v for the signatures alone: want at most 10 more", verification, signatures)
	}
}
