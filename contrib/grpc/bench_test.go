package jwksgrpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/grpc"
)

// What an interceptor may cost over Verify, beside 2 µs. Of a stream with an end
// 5 allocations are the deadline's in package context, and 1 is the goroutine.
const (
	maxExtraAllocations = 6
	maxWithAnEnd        = 9
)

// ways are the calls whose cost over Verify is measured.
func ways(tb testing.TB) (verify func(), with map[string]func()) {
	issuer := newIssuer(tb)
	// A remembered token verifies in a microsecond, and a difference of one
	// shows; beside a signature it would be noise.
	verifier := newVerifier(tb, issuer, jwks.WithTokenCache(16))
	token := sign(issuer, nil)
	ctx := incoming(context.Background(), "Bearer "+token)
	opts := []jwksgrpc.Option{jwksgrpc.Public("/grpc.health.v1.Health/*"), jwksgrpc.RequireScopes(unaryCall, "read")}
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}

	unary := jwksgrpc.UnaryServerInterceptor(verifier, opts...)
	unaryInfo := &grpc.UnaryServerInfo{FullMethod: unaryCall}
	unaryHandler := func(context.Context, any) (any, error) { return nil, nil }
	stream := jwksgrpc.StreamServerInterceptor(verifier, opts...)
	ending := jwksgrpc.StreamServerInterceptor(verifier, append(opts, jwksgrpc.EndStreamsAtExpiry())...)
	streamInfo := &grpc.StreamServerInfo{FullMethod: fullDuplex}
	streamHandler := func(any, grpc.ServerStream) error { return nil }
	var fake grpc.ServerStream = fakeStream{ctx: ctx}

	verify = func() { _, err := verifier.Verify(ctx, token); check(err) }
	return verify, map[string]func(){
		"unary":              func() { _, err := unary(ctx, nil, unaryInfo, unaryHandler); check(err) },
		"stream":             func() { check(stream(nil, fake, streamInfo, streamHandler)) },
		"stream with an end": func() { check(ending(nil, fake, streamInfo, streamHandler)) },
	}
}

// BenchmarkOverVerify reports what a call costs more than Verify alone. Both are
// measured in turns, and of each the best turn counts: the others tell how busy
// the machine is.
func BenchmarkOverVerify(b *testing.B) {
	verify, with := ways(b)
	for name, call := range with {
		b.Run(name, func(b *testing.B) {
			alone, all := time.Hour, time.Hour
			for b.Loop() {
				alone, all = min(alone, turn(verify)), min(all, turn(call))
			}
			b.ReportMetric(float64(all-alone)/perTurn, "extra-ns/call")
			b.ReportMetric(testing.AllocsPerRun(100, call)-testing.AllocsPerRun(100, verify), "extra-allocs/call")
			b.ReportMetric(0, "ns/op") // of a turn of both: says nothing
		})
	}
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
	verify, with := ways(t)
	for name, limit := range map[string]float64{"unary": maxExtraAllocations, "stream": maxExtraAllocations, "stream with an end": maxWithAnEnd} {
		if extra := testing.AllocsPerRun(200, with[name]) - testing.AllocsPerRun(200, verify); extra > limit {
			t.Errorf("%s: %v allocations over Verify, want at most %v", name, extra, limit)
		}
	}
}
