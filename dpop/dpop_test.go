package dpop_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestNew_RefusesBadOptions(t *testing.T) {
	store := storeFunc(func(context.Context, string, time.Time) (bool, error) { return false, nil })
	for name, test := range map[string]struct {
		opts []dpop.Option
		text string
	}{
		"nil option":       {[]dpop.Option{nil}, "an option is nil"},
		"max age 0":        {[]dpop.Option{dpop.WithMaxAge(0)}, "WithMaxAge: 0s"},
		"max age negative": {[]dpop.Option{dpop.WithMaxAge(-1)}, "WithMaxAge"},
		"no algorithm":     {[]dpop.Option{dpop.WithAlgorithms()}, "WithAlgorithms: no algorithm"},
		"none":             {[]dpop.Option{dpop.WithAlgorithms("none")}, `WithAlgorithms: "none"`},
		"symmetric":        {[]dpop.Option{dpop.WithAlgorithms("ES256", "HS256")}, `WithAlgorithms: "HS256"`},
		"empty algorithm":  {[]dpop.Option{dpop.WithAlgorithms("")}, `WithAlgorithms: ""`},
		"nil store":        {[]dpop.Option{dpop.WithReplayStore(nil)}, "WithReplayStore"},
		"nil pointer":      {[]dpop.Option{dpop.WithReplayStore((*pointerStore)(nil))}, "WithReplayStore"},
		"capacity 0":       {[]dpop.Option{dpop.WithReplayCapacity(0)}, "WithReplayCapacity: 0"},
		"two stores":       {[]dpop.Option{dpop.WithReplayCapacity(1), dpop.WithReplayStore(store)}, "WithReplayCapacity"},
		"short secret":     {[]dpop.Option{dpop.WithNonces(make([]byte, 31), time.Minute)}, "31 bytes, want 32"},
		"nil secret":       {[]dpop.Option{dpop.WithNonces(nil, time.Minute)}, "0 bytes"},
		"no period":        {[]dpop.Option{dpop.WithNonces(make([]byte, 32), 0)}, "WithNonces: 0s"},
		"nil target":       {[]dpop.Option{dpop.WithTarget(nil)}, "WithTarget"},
	} {
		c, err := dpop.New(test.opts...)
		if c != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want ErrConfig with %s", name, err, test.text)
		}
	}
	_, err := dpop.New(dpop.WithMaxAge(0), dpop.WithReplayCapacity(-1))
	if err == nil || !strings.Contains(err.Error(), "WithMaxAge") || !strings.Contains(err.Error(), "WithReplayCapacity") {
		t.Errorf("not every bad option is told: %v", err)
	}
}

// pointerStore is a store whose constructor may have failed.
type pointerStore struct{ storeFunc }

func TestTarget_BehindProxies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dpop.WithTarget(func(r *http.Request) string { return "https://Public.example:443/v1" + r.URL.EscapedPath() + "?x" }))
		w.wantServed(t, w.send(w.key.Proof("GET", "https://public.example/v1/things", w.token)), "the URL that the sender sees")
		w.wantRefused(t, w.send(w.proof()), "invalid_dpop_proof", `"https://Public.example:443/v1/things`)

		w = newWorld(t, dpop.WithTarget(func(*http.Request) string { return "/things" }))
		w.wantUnavailable(t, w.send(w.proof()), "WithTarget")
		w.wantUnavailable(t, w.send(w.key.Proof("GET", "/things", w.token)), "WithTarget")
	})
}

// A request over TLS has an https URL.
func TestTarget_TLS(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewTLSServer(w.handler)
	defer server.Close()
	for range 2 {
		r, err := http.NewRequest("POST", server.URL+"/a%20b/?q=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		w.key.Authorize(r, w.token)
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%d: %v", res.StatusCode, w.err)
		}
	}
}

// What the cache of verified tokens spares is the token's signature only.
func TestProof_JudgedAtEveryCacheHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := w.issuer.Verifier(t, jwks.WithAudience("api"), jwks.WithTokenCache(10))
		verify := func(proofs ...string) error {
			p, err := w.checker.Proof(request("DPoP "+w.token, proofs...))
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(jwks.ContextWithProof(t.Context(), p), w.token)
			return err
		}
		good := w.proof()
		if err := verify(good); err != nil {
			t.Fatal(err)
		}
		for name, proofs := range map[string][]string{"the same": {good}, "none": nil, "another method": {w.key.Proof("PUT", target, w.token)}} {
			if err := verify(proofs...); !errors.Is(err, jwks.ErrProofRequired) {
				t.Errorf("%s: %v", name, err)
			}
			if err := verify(w.proof()); err != nil {
				t.Errorf("a good one after it: %v", err)
			}
		}
		if _, err := v.Verify(t.Context(), w.token); !errors.Is(err, jwks.ErrProofRequired) {
			t.Errorf("without a proof in the context: %v", err)
		}
	})
}

func TestProof_KeyfuncRefusesBoundTokens(t *testing.T) {
	w := newWorld(t)
	client, err := jwks.NewClient(jwks.WithIssuer(w.issuer.URL()), jwks.WithHTTPClient(w.issuer.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := jwt.Parse(w.token, client.Keyfunc); !errors.Is(err, jwks.ErrProofRequired) {
		t.Errorf("%v", err)
	}
}

// A jkt that names no key is not proved by anything.
func TestProof_OddConfirmations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, cnf := range []any{
			map[string]any{"jkt": 5}, map[string]any{"jkt": ""}, map[string]any{"jkt": []string{w.key.Thumbprint()}}, map[string]any{"jkt": nil}, map[string]any{},
			"text", []any{}, 1, map[string]any{"jkt": w.key.Thumbprint(), "x5t#S256": "AAAA"}, map[string]any{"jwk": w.key.JWK()}, map[string]any{"kid": "k1"},
			map[string]any{"jkt": w.key.Thumbprint() + "="}, map[string]any{"JKT": w.key.Thumbprint()},
		} {
			w.token = w.issuer.Sign(map[string]any{"aud": "api", "cnf": cnf})
			if rec := w.send(w.proof()); rec.Code != 401 || !errors.Is(w.err, jwks.ErrProofRequired) {
				t.Errorf("%v: %d %v", cnf, rec.Code, w.err)
			}
		}
	})
}

// A proxy that checked the proof may leave it out; one that is there must pass.
func TestProof_WithoutProofOfPossession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := w.issuer.Verifier(t, jwks.WithAudience("api"), jwks.WithoutProofOfPossession())
		if _, err := v.Verify(t.Context(), w.token); err != nil {
			t.Errorf("without a proof: %v", err)
		}
		p, err := w.checker.Proof(request("DPoP "+w.token, w.proof(jwkstest.WithProofClaim("htm", "PUT"))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(jwks.ContextWithProof(t.Context(), p), w.token); !errors.Is(err, jwks.ErrProofRequired) {
			t.Errorf("with a bad proof: %v", err)
		}
	})
}

// The handler does not get the proof: it counts once.
func TestProof_CountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var again error
		h := jwkshttp.Middleware(w.verifier, jwkshttp.WithProof(w.checker.Proof))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, again = w.verifier.Verify(r.Context(), w.token)
		}))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request("DPoP "+w.token, w.proof()))
		if rec.Code != 200 || !errors.Is(again, jwks.ErrProofRequired) {
			t.Errorf("%d, and in the handler: %v", rec.Code, again)
		}
	})
}

// Keys of every type can sign proofs, also those seen before.
func TestProof_EveryKeyType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, alg := range []string{"RS256", "PS512", "ES384", "ES512", "Ed25519"} {
			w.key = jwkstest.NewProofKey(alg)
			w.token = w.bound(w.key)
			for range 2 {
				w.wantServed(t, w.send(w.proof()), alg)
			}
		}
	})
}
