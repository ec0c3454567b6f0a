package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// What a program hands to a client may panic, end its goroutine, or speak this
// package's own language. The client goes on.

// badContext panics when it is asked whether it has ended.
type badContext struct{ context.Context }

func (badContext) Err() error { panic("a broken context") }

func TestClient_PanickingContext(t *testing.T) {
	testkit.Bubble(t, "a lookup", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = c.KeySet(badContext{t.Context()})
		}()
		testkit.WantKey(t, c, "k1")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// transport is a RoundTripper that misbehaves at its first request.
type transport struct {
	good  http.RoundTripper
	first func() (*http.Response, error)
}

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if first := tr.first; first != nil {
		tr.first = nil
		return first()
	}
	return tr.good.RoundTrip(r)
}

func TestClient_MisbehavingHTTPClient(t *testing.T) {
	for rule, first := range map[string]func() (*http.Response, error){
		"it ends the goroutine, as t.FailNow does": func() (*http.Response, error) { runtime.Goexit(); return nil, nil },
		"it panics":                           func() (*http.Response, error) { panic("no transport") },
		"its error is of the other class":     func() (*http.Response, error) { return nil, fmt.Errorf("own token: %w", jwks.ErrTokenInvalid) },
		"it returns neither answer nor error": func() (*http.Response, error) { return nil, nil },
	} {
		testkit.Bubble(t, rule, func(t *testing.T) {
			issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
			tr := &transport{good: issuer.HTTPClient().Transport, first: first}
			c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(&http.Client{Transport: tr}), jwks.WithRetries(0))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Key(t.Context(), "k1")
			var failed *jwks.FetchError
			if !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) || !errors.As(err, &failed) {
				t.Fatalf("got %v, want ErrUnavailable alone, with a FetchError", err)
			}
			time.Sleep(failed.RetryAfter)
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				t.Errorf("after the backoff: %v", err)
			}
		})
	}
}

func TestClient_PanickingObserver(t *testing.T) {
	testkit.Bubble(t, "in the goroutine of a fetch", func(t *testing.T) {
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
		told := 0
		c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()),
			jwks.WithObserver(func(jwks.Event) { told++; panic("a broken observer") }))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if told != 2 {
			t.Errorf("%d events, want 2", told)
		}
	})
}
