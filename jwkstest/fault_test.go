package jwkstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

func TestStatusFault(t *testing.T) {
	issuer := small(t)
	for _, code := range []int{200, 204, 304, 404, 429, 500, 503} {
		issuer.SetFault(jwkstest.Status(code))
		for _, url := range []string{issuer.JWKSURL(), discoveryURL(issuer)} {
			g := get(t, issuer, url)
			if g.status != code {
				t.Errorf("%s: status %d, want %d", url, g.status, code)
			}
			if g.header.Get("ETag") != "" {
				t.Errorf("%s: status %d has an ETag", url, code)
			}
			if code == 204 || code == 304 {
				if len(g.body) != 0 {
					t.Errorf("%d has the body %q", code, g.body)
				}
				continue
			}
			var body map[string]any
			if err := json.Unmarshal(g.body, &body); err != nil || body["keys"] != nil || body["issuer"] != nil {
				t.Errorf("%d: body %s, want an object that is no document", code, g.body)
			}
		}
	}
	for _, code := range []int{0, 100, 199, 600} {
		if panicOf(func() { jwkstest.Status(code) }) == nil {
			t.Errorf("Status(%d) does not panic", code)
		}
	}
}

func TestBodyFault(t *testing.T) {
	issuer := small(t)
	document := []byte("<html>")
	etag := get(t, issuer, issuer.JWKSURL()).header.Get("ETag")
	issuer.SetFault(jwkstest.Body(document))
	document[0] = 'X' // the fault has a copy
	for _, url := range []string{issuer.JWKSURL(), discoveryURL(issuer)} {
		g := get(t, issuer, url, "If-None-Match", etag)
		if g.status != 200 || string(g.body) != "<html>" || g.header.Get("ETag") != "" {
			t.Errorf("%s: %d %q, ETag %q", url, g.status, g.body, g.header.Get("ETag"))
		}
	}
	issuer.SetFault(jwkstest.Body(nil))
	if g := get(t, issuer, issuer.JWKSURL()); g.status != 200 || len(g.body) != 0 {
		t.Errorf("no bytes: %d %q", g.status, g.body)
	}
}

func TestDropConnectionFault(t *testing.T) {
	issuer := small(t)
	issuer.SetFault(jwkstest.DropConnection())
	for _, url := range []string{issuer.JWKSURL(), discoveryURL(issuer)} {
		if _, err := send(t, issuer.HTTPClient(), http.MethodGet, url); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want io.ErrUnexpectedEOF", url, err)
		}
	}
	if n := issuer.Requests(); n != (jwkstest.Requests{Discovery: 1, JWKS: 1}) {
		t.Errorf("requests %+v, want one of each", n)
	}
}

func TestRedirectFault(t *testing.T) {
	t.Run("is followed back to the issuer", func(t *testing.T) {
		issuer := small(t)
		issuer.SetJWKSFault(jwkstest.Redirect(discoveryURL(issuer)))
		if g := get(t, issuer, issuer.JWKSURL()); g.status != 200 || !bytes.Contains(g.body, []byte(`"jwks_uri"`)) {
			t.Errorf("%d %s, want the discovery document", g.status, g.body)
		}
	})
	t.Run("may be relative", func(t *testing.T) {
		issuer := small(t, jwkstest.WithPath("/a"))
		issuer.SetJWKSFault(jwkstest.Redirect(".well-known/openid-configuration"))
		if g := get(t, issuer, issuer.JWKSURL()); !bytes.Contains(g.body, []byte(`"jwks_uri"`)) {
			t.Errorf("%d %s, want the discovery document", g.status, g.body)
		}
	})
	t.Run("as the client sees it", func(t *testing.T) {
		issuer := small(t)
		issuer.SetFault(jwkstest.Redirect("http://elsewhere.example/x"))
		client := issuer.HTTPClient()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		g, err := send(t, client, http.MethodGet, issuer.JWKSURL())
		if err != nil || g.status != http.StatusFound || g.header.Get("Location") != "http://elsewhere.example/x" {
			t.Errorf("%d to %q, %v", g.status, g.header.Get("Location"), err)
		}
	})
	t.Run("to itself is a loop that counts", func(t *testing.T) {
		issuer := small(t)
		issuer.SetJWKSFault(jwkstest.Redirect(issuer.JWKSURL()))
		if _, err := send(t, issuer.HTTPClient(), http.MethodGet, issuer.JWKSURL()); err == nil {
			t.Error("the loop ended in an answer")
		}
		if n := issuer.Requests().JWKS; n != 10 { // what net/http follows
			t.Errorf("%d requests, want 10", n)
		}
	})
}

func TestWhichFaultApplies(t *testing.T) {
	set := func(f jwkstest.Fault) func(*jwkstest.Issuer) {
		return func(i *jwkstest.Issuer) { i.SetFault(f) }
	}
	setJWKS := func(f jwkstest.Fault) func(*jwkstest.Issuer) {
		return func(i *jwkstest.Issuer) { i.SetJWKSFault(f) }
	}
	issuer := small(t)
	steps := []struct {
		name            string
		do              func(*jwkstest.Issuer)
		discovery, jwks int
	}{
		{"none at first", func(*jwkstest.Issuer) {}, 200, 200},
		{"SetFault is for both", set(jwkstest.Status(503)), 503, 503},
		{"SetJWKSFault wins for the key set", setJWKS(jwkstest.Status(404)), 503, 404},
		{"and stays when the other ends", set(jwkstest.None()), 200, 404},
		{"and when it begins again", set(jwkstest.Status(500)), 500, 404},
		{"None lets the key set follow again", setJWKS(jwkstest.None()), 500, 500},
		{"the zero Fault is None", set(jwkstest.Fault{}), 200, 200},
	}
	for n, s := range steps {
		s.do(issuer)
		if g := get(t, issuer, discoveryURL(issuer)); g.status != s.discovery {
			t.Errorf("%s: discovery %d, want %d", s.name, g.status, s.discovery)
		}
		if g := get(t, issuer, issuer.JWKSURL()); g.status != s.jwks {
			t.Errorf("%s: key set %d, want %d", s.name, g.status, s.jwks)
		}
		if want := (jwkstest.Requests{Discovery: n + 1, JWKS: n + 1}); issuer.Requests() != want {
			t.Errorf("%s: requests %+v, want %+v", s.name, issuer.Requests(), want)
		}
	}
}

func TestDelayAnswersWithTheStateAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := jwkstest.New(t)
		etag := get(t, issuer, issuer.JWKSURL()).header.Get("ETag")
		issuer.SetFault(jwkstest.Delay(time.Minute))
		begin := time.Now()
		go func() {
			time.Sleep(30 * time.Second)
			issuer.Rotate()
			issuer.SetCacheControl("max-age=9")
			issuer.SetFault(jwkstest.Status(503)) // for requests to come
			if n := issuer.Requests().JWKS; n != 2 {
				t.Errorf("%d requests during the delay, want 2", n)
			}
		}()
		g := get(t, issuer, issuer.JWKSURL(), "If-None-Match", etag)
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("it took %v, want a minute", took)
		}
		if n := len(parseKeys(t, g.body)); g.status != 200 || n != 2 {
			t.Errorf("status %d with %d keys, want 200 and 2", g.status, n)
		}
		if cc := g.header.Get("Cache-Control"); cc != "max-age=9" {
			t.Errorf("Cache-Control %q", cc)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	for name, fault := range map[string]jwkstest.Fault{"hang": jwkstest.Hang(), "delay": jwkstest.Delay(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := small(t)
				issuer.SetFault(fault)
				begin := time.Now()

				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer.JWKSURL(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = issuer.HTTPClient().Do(req); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("deadline of the context: %v", err)
				}
				if took := time.Since(begin); took != 3*time.Second {
					t.Errorf("it took %v, want 3 s", took)
				}

				client := issuer.HTTPClient()
				client.Timeout = 5 * time.Second
				if _, err := client.Get(issuer.JWKSURL()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("timeout of the client: %v", err)
				}
				if took := time.Since(begin); took != 8*time.Second {
					t.Errorf("both took %v, want 8 s", took)
				}

				cancel()
				if _, err := issuer.HTTPClient().Do(req); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("context that has ended: %v", err)
				}
				if n := issuer.Requests().JWKS; n != 2 {
					t.Errorf("%d requests, want the 2 that were sent", n)
				}
			})
		})
	}
}

func TestAnIssuerFromOutsideWaitsInABubble(t *testing.T) {
	issuer := small(t)
	issuer.SetFault(jwkstest.Delay(time.Hour))
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if ids := kids(t, issuer); !slices.Equal(ids, []string{"k1"}) {
			t.Errorf("keys %v", ids)
		}
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("it took %v, want an hour", took)
		}
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := small(t)
		issuer.SetFault(jwkstest.Hang())
		issuer.SetJWKSFault(jwkstest.Delay(time.Hour))
		ended := make(chan error)
		for _, url := range []string{issuer.JWKSURL(), discoveryURL(issuer)} {
			go func() {
				_, err := send(t, issuer.HTTPClient(), http.MethodGet, url)
				ended <- err
			}()
		}
		synctest.Wait()
		begin := time.Now()
		issuer.Close()
		for range 2 {
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "was closed") {
				t.Errorf("%v, want an error that names the reason", err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
