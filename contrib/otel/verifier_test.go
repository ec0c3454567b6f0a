package jwksotel_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/seed-22400188/jwks"
	jwksotel "github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// verifierFunc is a TokenVerifier of one function.
type verifierFunc func(ctx context.Context, token string) (*jwks.Token, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	return f(ctx, token)
}

func TestVerifier_DurationsAndSpans(t *testing.T) {
	tel := newTelemetry(t)
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	v := jwksotel.Verifier(issuer.Verifier(t, jwks.WithAudience("api")), tel.meters, tel.traces)
	ctx, parent := tel.traces.Tracer("test").Start(context.Background(), "request")
	for range 2 {
		if token, err := v.Verify(ctx, issuer.Sign(map[string]any{"aud": "api"})); err != nil || token == nil {
			t.Fatal(err)
		}
	}
	_, err := v.Verify(ctx, issuer.Sign(map[string]any{"aud": "api", "exp": time.Now().Add(-time.Hour)}))
	if !errors.Is(err, jwt.ErrTokenExpired) {
		t.Fatal(err)
	}
	issuer.Close()
	down := jwksotel.Verifier(verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, jwks.ErrClosed }), tel.meters, tel.traces)
	if _, err := down.Verify(ctx, "token"); !errors.Is(err, jwks.ErrUnavailable) {
		t.Fatal(err)
	}
	parent.End()

	m := tel.collect()["jwks.verify.duration"]
	if m.Unit != "s" || m.Description == "" {
		t.Errorf("unit %q, description %q", m.Unit, m.Description)
	}
	if got, want := points(t, m), map[string]float64{"": 2, "jwks.reason=expired": 1, "jwks.reason=closed": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	spans := tel.spans.Ended()
	if len(spans) != 5 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, want := range []struct {
		reason string
		status codes.Code
	}{{"", codes.Unset}, {"", codes.Unset}, {"expired", codes.Unset}, {"closed", codes.Error}} {
		s, reason := spans[i], ""
		for _, a := range s.Attributes() {
			if a.Key != "jwks.reason" {
				t.Errorf("attribute %s", a.Key)
			}
			reason = a.Value.AsString()
		}
		if s.Name() != "jwks.verify" || reason != want.reason || s.Status().Code != want.status || len(s.Events()) != 0 ||
			s.Parent().SpanID() != parent.SpanContext().SpanID() || s.InstrumentationScope().Name != jwksotel.ScopeName {
			t.Errorf("span %d: %s, reason %q, status %v, %d events", i, s.Name(), reason, s.Status(), len(s.Events()))
		}
	}
}

// Every word of jwks.Reason has its own series; one of a later version is "other".
func TestVerifier_Reasons(t *testing.T) {
	tel := newTelemetry(t)
	errs := []error{jwks.ErrTokenTooLarge, jwks.ErrAlgorithmNotAllowed, jwks.ErrIssuerNotTrusted, jwks.ErrProofRequired, jwt.ErrTokenSignatureInvalid, context.Canceled, errors.New("new")}
	want := map[string]float64{}
	for _, err := range errs {
		v := jwksotel.Verifier(verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, err }), tel.meters, tel.traces)
		if _, got := v.Verify(context.Background(), ""); got != err {
			t.Errorf("%v became %v", err, got)
		}
		want["jwks.reason="+jwks.Reason(err)]++
	}
	if got := points(t, tel.collect()["jwks.verify.duration"]); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestVerifier_Nil(t *testing.T) {
	for _, v := range []jwkshttp.TokenVerifier{nil, (*jwks.Verifier)(nil)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T did not panic", v)
				}
			}()
			jwksotel.Verifier(v, nil, nil)
		}()
	}
	// The global providers do nothing until a program sets them.
	v := jwksotel.Verifier(verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, nil }), nil, nil)
	if _, err := v.Verify(context.Background(), ""); err != nil {
		t.Error(err)
	}
}

// TestVerifier_IdleAllocatesNothing: with providers that do nothing, a
// verification allocates what it does without.
func TestVerifier_IdleAllocatesNothing(t *testing.T) {
	v := jwksotel.Verifier(verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, jwks.ErrClosed }), metricnoop.NewMeterProvider(), tracenoop.NewTracerProvider())
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Verify(context.Background(), "") }); n > 1 { // the context of the span
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkOverVerify shows what the instruments add to a verification, in turns.
func BenchmarkOverVerify(b *testing.B) {
	issuer := jwkstest.New(b, jwkstest.WithAlgorithms("ES256"))
	plain := issuer.Verifier(b, jwks.WithAudience("api"))
	token := issuer.Sign(map[string]any{"aud": "api", "exp": time.Now().Add(time.Hour)})
	tel := newBenchTelemetry(b)
	for name, watched := range map[string]jwkshttp.TokenVerifier{
		"noop":    jwksotel.Verifier(plain, metricnoop.NewMeterProvider(), tracenoop.NewTracerProvider()),
		"metrics": jwksotel.Verifier(plain, tel, tracenoop.NewTracerProvider()),
	} {
		b.Run(name, func(b *testing.B) {
			alone, all := time.Hour, time.Hour
			for b.Loop() {
				alone, all = min(alone, turn(b, plain, token)), min(all, turn(b, watched, token))
			}
			b.ReportMetric(float64(all-alone)/perTurn, "extra-ns/call")
			b.ReportMetric(float64(all)/float64(alone), "x-plain")
			b.ReportMetric(0, "ns/op") // of a turn of both: says nothing
		})
	}
}

const perTurn = 20

// turn is how long some verifications take.
func turn(b *testing.B, v jwkshttp.TokenVerifier, token string) time.Duration {
	began := time.Now()
	for range perTurn {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}
