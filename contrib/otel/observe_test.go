package jwksotel_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-22400188/jwks"
	jwksotel "github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

func newBenchTelemetry(b *testing.B) *metric.MeterProvider {
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return provider
}

func TestObserver_Refreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t)
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
		c := clientOf(t, issuer, jwks.WithObserver(jwksotel.ObserverWithTracer(tel.meters, tel.traces)))
		ctx, callers := tel.traces.Tracer("test").Start(context.Background(), "request")
		issuer.SetFault(jwkstest.Delay(2 * time.Second))
		if err := c.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		issuer.SetFault(jwkstest.None())
		time.Sleep(14 * time.Minute) // past refresh-ahead and its jitter: the next lookup refreshes in the background, for age
		if _, err := c.Key(ctx, "k1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		issuer.SetFault(jwkstest.Status(http.StatusInternalServerError))
		if _, err := c.Refresh(ctx); !errors.Is(err, jwks.ErrUnavailable) {
			t.Fatal(err)
		}
		callers.End()

		at := "jwks.issuer=" + issuer.URL() + ",jwks.outcome="
		want := map[string]float64{at + "refreshed": 1, at + "not_modified": 1, at + "failed": 1}
		all := tel.collect()
		for name, unit := range map[string]string{"jwks.refreshes": "{refresh}", "jwks.refresh.duration": "s"} {
			m := all[name]
			if got := points(t, m); !maps.Equal(got, want) || m.Unit != unit || m.Description == "" {
				t.Errorf("%s: %v, want %v; unit %q, description %q", name, got, want, m.Unit, m.Description)
			}
		}
		var took []time.Duration
		for _, s := range tel.spans.Ended() {
			if s.Name() != "jwks.refresh" {
				continue
			}
			took = append(took, s.EndTime().Sub(s.StartTime()))
			outcome := s.Attributes()[len(s.Attributes())-1].Value.AsString()
			if s.Parent().IsValid() || s.SpanKind() != trace.SpanKindClient || (s.Status().Code == codes.Error) != (outcome == "failed") || len(s.Attributes()) != 2 {
				t.Errorf("span with parent %v, kind %v, status %v, attributes %v", s.Parent().IsValid(), s.SpanKind(), s.Status(), s.Attributes())
			}
		}
		if !slices.Equal(took, []time.Duration{4 * time.Second, 0, 0}) { // of two documents
			t.Errorf("spans of %v", took)
		}
	})
}

func TestObserve_Status(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t)
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256", "EdDSA"))
		c := clientOf(t, issuer, jwks.WithRefreshLimit(time.Hour, 0))
		stop, err := jwksotel.Observe(tel.meters, jwkshttp.Clients(c))
		if err != nil {
			t.Fatal(err)
		}
		at := "jwks.issuer=" + issuer.URL()
		check := func(when string, want map[string]float64) {
			t.Helper()
			got := map[string]float64{}
			for name, m := range tel.collect() {
				values := points(t, m)
				if m.Unit == "" || m.Description == "" || len(values) != 1 {
					t.Errorf("%s: %s has unit %q, description %q, values %v", when, name, m.Unit, m.Description, values)
				}
				got[name] = values[at]
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		const age, keys, state, failures, throttled = "jwks.keyset.age", "jwks.keyset.keys", "jwks.keyset.state", "jwks.refresh.consecutive_failures", "jwks.lookups.throttled"
		check("at first", map[string]float64{keys: 0, state: 0, failures: 0, throttled: 0})
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 3 {
			if _, err := c.Key(t.Context(), "unknown"); !errors.Is(err, jwks.ErrKeyNotFound) {
				t.Fatal(err)
			}
		}
		check("fresh", map[string]float64{age: 60, keys: 2, state: 1, failures: 0, throttled: 3})
		issuer.SetFault(jwkstest.Status(http.StatusInternalServerError))
		time.Sleep(20 * time.Minute)
		if _, err := c.Key(t.Context(), "k1"); err != nil {
			t.Fatal(err)
		}
		check("stale", map[string]float64{age: 21 * 60, keys: 2, state: 2, failures: 1, throttled: 3})
		time.Sleep(2 * time.Hour)
		check("expired", map[string]float64{age: 141 * 60, keys: 2, state: 3, failures: 1, throttled: 3})
		for range 2 {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if all := tel.collect(); len(all) != 0 {
			t.Errorf("after stop: %v", all)
		}
	})
}

// hosts are issuers by host.
type hosts map[string]*jwkstest.Issuer

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	return h[r.URL.Host].HTTPClient().Transport.RoundTrip(r)
}

// TestObserve_DynamicIssuersAreOne: whatever the number of tenants, the number of
// series stays what it is, and the counter of lookups never falls.
func TestObserve_DynamicIssuersAreOne(t *testing.T) {
	tel := newTelemetry(t)
	all := hosts{}
	for _, host := range []string{"listed.example", "a.example", "b.example", "c.example"} {
		all[host] = jwkstest.New(t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://"+host))
	}
	issuers, err := jwks.NewIssuers(jwks.TrustIssuers("https://listed.example"), jwks.WithMaxIssuers(2),
		jwks.TrustIssuerFunc(func(context.Context, string) ([]jwks.ClientOption, error) { return nil, nil }),
		jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: all}), jwks.WithRefreshLimit(time.Hour, 0), jwks.WithObserver(jwksotel.Observer(tel.meters))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = issuers.Close() })
	if _, err := jwksotel.Observe(tel.meters, issuers); err != nil {
		t.Fatal(err)
	}
	v, err := jwks.NewVerifier(issuers, jwks.WithoutAudienceCheck())
	if err != nil {
		t.Fatal(err)
	}
	throttled := 0.0
	for _, host := range []string{"listed.example", "a.example", "b.example", "c.example", "a.example"} {
		if _, err := v.Verify(t.Context(), all[host].Sign(nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), all[host].Sign(nil, jwkstest.WithKeyID("unknown"))); !errors.Is(err, jwks.ErrKeyNotFound) {
			t.Fatal(err)
		}
		now := points(t, tel.collect()["jwks.lookups.throttled"])["jwks.issuer=dynamic"]
		if now < throttled {
			t.Errorf("the counter fell from %v to %v", throttled, now)
		}
		throttled = now
	}
	if throttled < 4 {
		t.Errorf("%v lookups of tenants were throttled, want 4 or more", throttled)
	}
	want := map[string]float64{"jwks.issuer=dynamic": 2, "jwks.issuer=https://listed.example": 1}
	if got := points(t, tel.collect()["jwks.keyset.keys"]); !maps.Equal(got, want) {
		t.Errorf("keys: %v, want %v", got, want)
	}
	for name, m := range tel.collect() {
		for attributes := range points(t, m) {
			if strings.Contains(attributes, "a.example") || strings.Contains(attributes, "b.example") {
				t.Errorf("%s has %s", name, attributes)
			}
		}
	}
}

func TestObserve_NilSource(t *testing.T) {
	var issuers *jwks.Issuers
	for _, source := range []interface{ Status() []jwks.Status }{nil, issuers} {
		if stop, err := jwksotel.Observe(nil, source); err == nil || stop != nil {
			t.Errorf("%T was not refused", source)
		}
	}
	if stop, err := jwksotel.Observe(nil); err != nil || stop() != nil { // the global provider, and nothing to tell
		t.Error(err)
	}
}
