// Package jwksotel reports to OpenTelemetry what package jwks does, with metrics of key
// sets and verifications, and spans.
//
//	meters, tracers := otel.GetMeterProvider(), otel.GetTracerProvider()
//	client, err := jwks.NewClient(
//		jwks.WithIssuer("https://login.example.com/"),
//		jwks.WithObserver(jwksotel.Observer(meters)), // refreshes
//	)
//	stop, err := jwksotel.Observe(meters, jwkshttp.Clients(client)) // key sets
//	plain, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
//	verifier := jwksotel.Verifier(plain, meters, tracers) // verifications
//
// A nil provider means the global one. These are the instruments, all with the scope
// [ScopeName]:
//
//	instrument                          kind       unit       attributes
//	jwks.verify.duration                histogram  s          jwks.reason: a word of jwks.Reason, absent for success
//	jwks.refresh.duration               histogram  s          jwks.issuer, jwks.outcome: refreshed, not_modified, failed
//	jwks.refreshes                      counter    {refresh}  jwks.issuer, jwks.outcome
//	jwks.refresh.consecutive_failures   gauge      {refresh}  jwks.issuer
//	jwks.keyset.age                     gauge      s          jwks.issuer
//	jwks.keyset.keys                    gauge      {key}      jwks.issuer
//	jwks.keyset.state                   gauge      {state}    jwks.issuer: 0 empty, 1 fresh, 2 stale, 3 expired
//	jwks.lookups.throttled              counter    {lookup}   jwks.issuer
//
// No attribute has a kid, a subject or anything else from a token, so the number of time
// series depends only on the number of configured issuers: those accepted at run time are
// counted together as "dynamic". For several clients with the same attribute, state, age and
// failures are the highest values, and keys and lookups are sums. A client that knows no
// issuer has no jwks.issuer.
//
// The spans are "jwks.verify" around each verification, in the caller's trace, so that it
// contains the requests for keys that it waits for; and "jwks.refresh" for each
// refresh, in a separate trace, because callers share it. Both have the attributes
// of their histogram, and status Error only if keys are unavailable: a refused token is its
// sender's error.
package jwksotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of every instrument and span.
const ScopeName = "github.com/seed-22400188/jwks/contrib/otel"

// version is that of the scope.
const version = "0.1.0"

// The attributes.
const (
	reasonKey  = attribute.Key("jwks.reason")
	issuerKey  = attribute.Key("jwks.issuer")
	outcomeKey = attribute.Key("jwks.outcome")
)

// dynamic stands for all issuers that nobody listed.
const dynamic = "dynamic"

// issuerOf is the attribute of an issuer; none for a client that knows none.
func issuerOf(issuer string, cameAtRunTime bool) []attribute.KeyValue {
	switch {
	case cameAtRunTime:
		return []attribute.KeyValue{issuerKey.String(dynamic)}
	case issuer == "":
		return nil
	default:
		return []attribute.KeyValue{issuerKey.String(issuer)}
	}
}

func meterOf(m metric.MeterProvider) metric.Meter {
	if m == nil {
		m = otel.GetMeterProvider()
	}
	return m.Meter(ScopeName, metric.WithInstrumentationVersion(version))
}

func tracerOf(t trace.TracerProvider) trace.Tracer {
	if t == nil {
		t = otel.GetTracerProvider()
	}
	return t.Tracer(ScopeName, trace.WithInstrumentationVersion(version))
}

// seconds are bounds of histograms of durations: a verification takes a tenth of
// a millisecond, and one that waits for keys, like a refresh, seconds.
var seconds = metric.WithExplicitBucketBoundaries(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5, 15)

// histogram makes a histogram of durations. One that cannot be made measures
// nothing, and OpenTelemetry's error handler hears why.
func histogram(m metric.Meter, name, description string) metric.Float64Histogram {
	h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), seconds)
	if err != nil {
		otel.Handle(err)
	}
	return h
}
