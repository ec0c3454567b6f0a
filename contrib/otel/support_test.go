package jwksotel_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-22400188/jwks"
	jwksotel "github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/jwkstest"
)

// telemetry is OpenTelemetry's SDK in memory.
type telemetry struct {
	t      *testing.T
	reader *metric.ManualReader
	meters *metric.MeterProvider
	spans  *tracetest.SpanRecorder
	traces *trace.TracerProvider
}

func newTelemetry(t *testing.T) *telemetry {
	reader, spans := metric.NewManualReader(), tracetest.NewSpanRecorder()
	tel := &telemetry{t, reader, metric.NewMeterProvider(metric.WithReader(reader)), spans, trace.NewTracerProvider(trace.WithSpanProcessor(spans))}
	t.Cleanup(func() {
		if err := errors.Join(tel.meters.Shutdown(context.Background()), tel.traces.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return tel
}

// collect returns the metrics of the scope by name.
func (tel *telemetry) collect() map[string]metricdata.Metrics {
	tel.t.Helper()
	var all metricdata.ResourceMetrics
	if err := tel.reader.Collect(context.Background(), &all); err != nil {
		tel.t.Fatal(err)
	}
	found := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != jwksotel.ScopeName {
			tel.t.Errorf("a scope named %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// points are the values of an instrument by its attributes, as text; of a
// histogram how many there were.
func points(t *testing.T, m metricdata.Metrics) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	name := func(s attribute.Set) string { return s.Encoded(attribute.DefaultEncoder()) }
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			values[name(p.Attributes)] = float64(p.Count)
		}
	case metricdata.Sum[int64]:
		if !data.IsMonotonic {
			t.Errorf("%s may fall", m.Name)
		}
		for _, p := range data.DataPoints {
			values[name(p.Attributes)] = float64(p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			values[name(p.Attributes)] = float64(p.Value)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			values[name(p.Attributes)] = p.Value
		}
	default:
		t.Errorf("%s is a %T", m.Name, m.Data)
	}
	return values
}

// clientOf makes a client of an issuer in memory, without retries.
func clientOf(t *testing.T, issuer *jwkstest.Issuer, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
