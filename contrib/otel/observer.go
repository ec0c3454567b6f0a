package jwksotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-22400188/jwks"
)

// Observer is for [jwks.WithObserver]: it counts and measures refreshes
// (jwks.refreshes, jwks.refresh.duration), and makes a span "jwks.refresh" for each
// with the global tracer provider; [ObserverWithTracer] takes another one. One
// observer can serve any number of clients; pass it to [jwks.WithClientOptions] for all
// clients of a [jwks.Issuers]. A nil provider means the global one.
func Observer(m metric.MeterProvider) func(jwks.Event) { return ObserverWithTracer(m, nil) }

// ObserverWithTracer is [Observer] with a tracer provider.
func ObserverWithTracer(m metric.MeterProvider, t trace.TracerProvider) func(jwks.Event) {
	meter := meterOf(m)
	o := &observer{
		tracer:   tracerOf(t),
		duration: histogram(meter, "jwks.refresh.duration", "Duration of a refresh of a key set, with its retries and its discovery document."),
	}
	var err error
	if o.refreshes, err = meter.Int64Counter("jwks.refreshes", metric.WithUnit("{refresh}"), metric.WithDescription("Refreshes of key sets, by outcome.")); err != nil {
		otel.Handle(err)
	}
	return o.observe
}

type observer struct {
	tracer    trace.Tracer
	duration  metric.Float64Histogram
	refreshes metric.Int64Counter
}

// outcomes are the events that end a refresh.
var outcomes = map[jwks.EventKind]string{
	jwks.EventRefreshed: "refreshed", jwks.EventNotModified: "not_modified", jwks.EventRefreshFailed: "failed",
}

func (o *observer) observe(e jwks.Event) {
	outcome, ok := outcomes[e.Kind]
	if !ok {
		return
	}
	now, ctx := time.Now(), context.Background()
	attributes := append(issuerOf(e.Issuer, e.Dynamic), outcomeKey.String(outcome))
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	o.refreshes.Add(ctx, 1, set)
	o.duration.Record(ctx, e.Duration.Seconds(), set)
	_, span := o.tracer.Start(ctx, "jwks.refresh", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(now.Add(-e.Duration)), trace.WithAttributes(attributes...))
	if e.Err != nil {
		span.SetStatus(codes.Error, jwks.Reason(e.Err))
	}
	span.End(trace.WithTimestamp(now))
}
