// Command prometheus is an API with Prometheus metrics of its keys and
// verifications at /metrics. Its test scrapes it through a rotation, refused
// tokens and an outage of the issuer.
//
//	go run . -issuer https://login.example.com -audience my-api -listen :8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func main() {
	issuer := flag.String("issuer", "", "the issuer of the tokens")
	audience := flag.String("audience", "my-api", "the audience of the tokens")
	listen := flag.String("listen", "localhost:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *issuer, *audience, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, issuer, audience, listen string) error {
	h, closeAll, err := newHandler(audience, jwks.WithIssuer(issuer))
	if err != nil {
		return err
	}
	server := &http.Server{Addr: listen, Handler: h}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, closeAll())
	}
	return closeAll()
}

// newHandler is the API and its metrics. Keep /metrics where only Prometheus
// reaches it: it names the issuers that are trusted.
func newHandler(audience string, opts ...jwks.ClientOption) (h http.Handler, closeAll func() error, err error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	meters := metric.NewMeterProvider(metric.WithReader(reader))

	client, err := jwks.NewClient(append(opts, jwks.WithObserver(jwksotel.Observer(meters)))...)
	if err != nil {
		return nil, nil, err
	}
	stop, err := jwksotel.Observe(meters, jwkshttp.Clients(client))
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	plain, err := jwks.NewVerifier(client, jwks.WithAudience(audience))
	if err != nil {
		return nil, nil, errors.Join(err, stop(), client.Close())
	}
	guard := jwkshttp.Middleware(jwksotel.Verifier(plain, meters, nil))

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /hello", guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprintln(w, "hello", token.Subject())
	})))
	return mux, func() error {
		return errors.Join(stop(), client.Close(), meters.Shutdown(context.Background()))
	}, nil
}
