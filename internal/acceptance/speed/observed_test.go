package speed

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// watched is a request through a guarded handler, with nobody watching or with
// everything on that tells what happens.
func watched(b *testing.B, issuer *jwkstest.Issuer, on bool) (serve func(), verify func()) {
	opts := []jwks.ClientOption{jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient())}
	var guard []jwkshttp.Option
	if on {
		logger := slog.New(slog.NewJSONHandler(discard{}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		opts = append(opts, jwks.WithLogger(logger), jwks.WithObserver(func(jwks.Event) {}))
		guard = []jwkshttp.Option{jwkshttp.WithLogger(logger), jwkshttp.OnRefusal(func(*http.Request, error) {}), jwkshttp.EndAtExpiry()}
	}
	c, err := jwks.NewClient(opts...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	v := testkit.NewSourceVerifier(b, c)
	token := issuer.Sign(map[string]any{"exp": time.Now().Add(time.Hour)})
	status := 0
	h := jwkshttp.Middleware(v, guard...)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { status++ }))
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	serve = func() {
		before := status
		if h.ServeHTTP(httptest.NewRecorder(), r); status != before+1 {
			b.Fatal("the request is refused")
		}
	}
	verify = func() {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	serve() // load the keys
	return serve, verify
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkWatched shows what logger, observer, refusals and EndAtExpiry cost a
// token that verifies: how many times as long as without them it takes. The two
// take turns, so that what else the machine does hits both alike.
func BenchmarkWatched(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256"} {
		issuer := jwkstest.New(b, jwkstest.WithAlgorithms(alg))
		plainServe, plainVerify := watched(b, issuer, false)
		serve, verify := watched(b, issuer, true)
		for _, part := range []struct {
			name        string
			alone, with func()
		}{{"Verify", plainVerify, verify}, {"Middleware", plainServe, serve}} {
			b.Run(alg+"/"+part.name, func(b *testing.B) {
				ratio, over := takeTurns(b, part.alone, part.with)
				b.ReportMetric(ratio, "x-unwatched")
				b.ReportMetric(over, "ns-over")
				b.ReportMetric(testing.AllocsPerRun(100, part.with)-testing.AllocsPerRun(100, part.alone), "extra-allocs")
			})
		}
	}
}
