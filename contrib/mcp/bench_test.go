package jwksmcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
)

func ways(tb testing.TB) (verify, call func()) {
	issuer := newIssuer(tb)
	// A remembered token verifies in a microsecond, and a difference of one
	// shows; beside a signature it would be noise.
	verifier := newVerifier(tb, issuer, jwks.WithTokenCache(16))
	token := sign(issuer, nil)
	ctx := context.Background()
	protect, err := jwksmcp.Protect(verifier, options)
	if err != nil {
		tb.Fatal(err)
	}
	served := false
	h := protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
	request := httptest.NewRequest("POST", options.Resource, nil)
	request.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	return func() {
			if _, err := verifier.Verify(ctx, token); err != nil {
				tb.Fatal(err)
			}
		}, func() {
			served = false
			if h.ServeHTTP(w, request); !served {
				tb.Fatal(w.Code)
			}
		}
}

// BenchmarkOverVerify reports what a request costs more than Verify alone, the
// SDK's share included. Both are measured in turns, and of each the best turn
// counts: the others tell how busy the machine is.
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

// TestOverVerify_Allocations holds what does not depend on the machine: 4 are
// the SDK's middleware, 2 jwkshttp's, and 5 are a TokenInfo with its scopes, its
// user, and the token in a map.
func TestOverVerify_Allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	verify, call := ways(t)
	if extra := testing.AllocsPerRun(200, call) - testing.AllocsPerRun(200, verify); extra > 11 {
		t.Errorf("%v allocations over Verify, want at most 11", extra)
	}
}
