package jwksotel

import (
	"context"
	"errors"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// Verifier measures each verification of v: jwks.verify.duration, with the
// attribute jwks.reason for one that failed ([jwks.Reason]), and a span
// "jwks.verify". It returns what v returns. If both providers are those of
// OpenTelemetry's package noop, it costs next to nothing.
//
// A nil provider means the global one. It panics if v is nil or a nil pointer.
func Verifier(v jwkshttp.TokenVerifier, m metric.MeterProvider, t trace.TracerProvider) jwkshttp.TokenVerifier {
	if r := reflect.ValueOf(v); v == nil || r.Kind() == reflect.Pointer && r.IsNil() {
		panic("jwksotel: the verifier is nil")
	}
	return &verifier{
		next:     v,
		tracer:   tracerOf(t),
		duration: histogram(meterOf(m), "jwks.verify.duration", "Duration of the verification of a token."),
		refused:  recordOptions(),
	}
}

type verifier struct {
	next     jwkshttp.TokenVerifier
	tracer   trace.Tracer
	duration metric.Float64Histogram
	refused  map[string][]metric.RecordOption // by reason, made once
}

// reasons are the words of jwks.Reason.
var reasons = []string{
	"closed", "canceled", "unavailable", "check", "proof", "too_large", "malformed", "algorithm", "not_trusted", "key_not_found",
	"signature", "claim", "issuer", "audience", "not_yet_valid", "expired", "other",
}

func recordOptions() map[string][]metric.RecordOption {
	all := make(map[string][]metric.RecordOption, len(reasons))
	for _, reason := range reasons {
		all[reason] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(reasonKey.String(reason)))}
	}
	return all
}

// Verify implements [jwkshttp.TokenVerifier].
func (v *verifier) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	ctx, span := v.tracer.Start(ctx, "jwks.verify")
	defer span.End() // also when a function of the program panics
	measured := v.duration.Enabled(ctx)
	var began time.Time
	if measured {
		began = time.Now()
	}
	verified, err := v.next.Verify(ctx, token)
	reason := jwks.Reason(err)
	if measured {
		v.duration.Record(ctx, time.Since(began).Seconds(), v.options(reason)...)
	}
	if err != nil && span.IsRecording() {
		span.SetAttributes(reasonKey.String(reason))
		if errors.Is(err, jwks.ErrUnavailable) {
			span.SetStatus(codes.Error, reason)
		}
	}
	return verified, err
}

// options are the attributes of a reason, none for success.
func (v *verifier) options(reason string) []metric.RecordOption {
	if options, ok := v.refused[reason]; ok || reason == "" {
		return options
	}
	return v.refused["other"] // a word that this package does not know yet
}
