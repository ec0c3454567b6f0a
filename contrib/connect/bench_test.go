package jwksconnect_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/connect"
)

// maxExtraAllocations is what the check may cost over Verify, beside 2 µs.
const maxExtraAllocations = 6

func ways(tb testing.TB) (verify, call func()) {
	issuer := newIssuer(tb)
	// A remembered token verifies in a microsecond, and a difference of one
	// shows; beside a signature it would be noise.
	verifier := newVerifier(tb, issuer, jwks.WithTokenCache(16))
	token := sign(issuer, nil)
	ctx := context.Background()
	auth := jwksconnect.AuthFunc(verifier, jwksconnect.Public("/grpc.health.v1.Health/*"), jwksconnect.RequireScopes(whoAmI, "read"))
	request := httptest.NewRequest("POST", whoAmI, nil)
	request.Header.Set("Authorization", "Bearer "+token)
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return func() { _, err := verifier.Verify(ctx, token); check(err) },
		func() { _, err := auth(ctx, request); check(err) }
}

// BenchmarkOverVerify reports what a call costs more than Verify alone. Both are
// measured in turns, and of each the best turn counts: the others tell how busy
// the machine is.
func BenchmarkOverVerify(b *testing.B) {
	verify, call := ways(b)
	alone, all := time.Hour, time.Hour
	for b.Loop() {
		alone, all = min(alone, turn(verify)), min(all, turn(call))
	}
	b.ReportMetric(float64(all-alone)/perTurn, "extra-ns/call")
	b.ReportMetric(testing.AllocsPerRun(100, call)-testing.AllocsPerRun(100, verify), "extra-allocs/call")
	b.ReportMetric(0, "ns/op") // of a turn of both: says nothing
}

const perTurn = 100

// turn is how long some calls of f take.
func turn(f func()) time.Duration {
	start := time.Now()
	for range perTurn {
		f()
	}
	return time.Since(start)
}

// TestOverVerify_Allocations holds what does not depend on the machine.
func TestOverVerify_Allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	verify, call := ways(t)
	if extra := testing.AllocsPerRun(200, call) - testing.AllocsPerRun(200, verify); extra > maxExtraAllocations {
		t.Errorf("%v allocations over Verify, want at most %d", extra, maxExtraAllocations)
	}
}
