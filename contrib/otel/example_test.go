package jwksotel_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/seed-22400188/jwks"
	jwksotel "github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

func Example() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	reader := metric.NewManualReader() // a program has a periodic one, or that of Prometheus
	meters := metric.NewMeterProvider(metric.WithReader(reader))
	tracers := noop.NewTracerProvider()

	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithObserver(jwksotel.ObserverWithTracer(meters, tracers)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	stop, err := jwksotel.Observe(meters, jwkshttp.Clients(client))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	plain, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := jwksotel.Verifier(plain, meters, tracers) // for jwkshttp.Middleware, say

	_, err = verifier.Verify(context.Background(), issuer.Sign(map[string]any{"aud": "billing-api"}))
	fmt.Println(jwks.Reason(err))

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Unordered output:
	// audience
	// jwks.refreshes {refresh}
	// jwks.refresh.duration s
	// jwks.refresh.consecutive_failures {refresh}
	// jwks.keyset.age s
	// jwks.keyset.keys {key}
	// jwks.keyset.state {state}
	// jwks.lookups.throttled {lookup}
	// jwks.verify.duration s
}
