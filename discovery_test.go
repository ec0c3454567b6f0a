package jwks_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestDiscoveryPlaces(t *testing.T) {
	const keys = "https://keys.example/jwks"
	tests := []struct {
		name      string
		issuer    string
		documents map[string]string // of host.example: path to issuer
		opts      []jwks.ClientOption
		want      []string // paths asked for, before the key set
		fails     error
	}{
		{"below the issuer", "https://host.example", map[string]string{discoveryPath: "https://host.example"}, nil, []string{discoveryPath}, nil},
		{"a trailing slash is left out of the place, and counts in the name", "https://host.example/", map[string]string{discoveryPath: "https://host.example/"}, nil, []string{discoveryPath}, nil},
		{"many trailing slashes", "https://host.example/a//", map[string]string{"/a" + discoveryPath: "https://host.example/a//"}, nil, []string{"/a" + discoveryPath}, nil},
		{"a name without the slash is another issuer", "https://host.example/", map[string]string{discoveryPath: "https://host.example"}, nil, []string{discoveryPath}, jwks.ErrIssuerMismatch},
		{"a path", "https://host.example/tenant/a", map[string]string{"/tenant/a" + discoveryPath: "https://host.example/tenant/a"}, nil, []string{"/tenant/a" + discoveryPath}, nil},
		{"RFC 8414 after 404", "https://host.example/a", map[string]string{"/.well-known/oauth-authorization-server/a": "https://host.example/a"}, nil,
			[]string{"/a" + discoveryPath, "/.well-known/oauth-authorization-server/a"}, nil},
		{"RFC 8414 after 404, without a path", "https://host.example", map[string]string{"/.well-known/oauth-authorization-server": "https://host.example"}, nil,
			[]string{discoveryPath, "/.well-known/oauth-authorization-server"}, nil},
		{"then the OpenID form inserted", "https://host.example/a/", map[string]string{discoveryPath + "/a": "https://host.example/a/"}, nil,
			[]string{"/a" + discoveryPath, "/.well-known/oauth-authorization-server/a", discoveryPath + "/a"}, nil},
		{"nowhere", "https://host.example/a", nil, nil,
			[]string{"/a" + discoveryPath, "/.well-known/oauth-authorization-server/a", discoveryPath + "/a"}, jwks.ErrUnavailable},
		{"nowhere, without a path", "https://host.example", nil, nil, []string{discoveryPath, "/.well-known/oauth-authorization-server"}, jwks.ErrUnavailable},
		{"a document of another issuer is the end, not a reason to look on", "https://host.example/a",
			map[string]string{"/a" + discoveryPath: "https://host.example/b", "/.well-known/oauth-authorization-server/a": "https://host.example/a"}, nil,
			[]string{"/a" + discoveryPath}, jwks.ErrIssuerMismatch},
		{"a path of its own is the only place", "https://host.example/a/", map[string]string{"/a" + discoveryPath: "https://host.example/a/"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath("/own/place")}, []string{"/a/own/place"}, jwks.ErrUnavailable},
		{"also when it is the usual one", "https://host.example/a", map[string]string{discoveryPath + "/a": "https://host.example/a"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath(discoveryPath)}, []string{"/a" + discoveryPath}, jwks.ErrUnavailable},
		{"a path of its own, without its slash", "https://host.example", map[string]string{"/own": "https://host.example"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath("own")}, []string{"/own"}, nil},
		{"a URL of its own is the only place", "https://host.example/a", map[string]string{"/elsewhere?x=1": "https://host.example/a"},
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere?x=1")}, []string{"/elsewhere?x=1"}, nil},
		{"whose issuer is compared", "https://host.example/a", map[string]string{"/elsewhere": "https://host.example/b"},
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere")}, []string{"/elsewhere"}, jwks.ErrIssuerMismatch},
		{"a key set URL wins", "https://host.example/a", nil,
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere"), jwks.WithJWKSURL(keys)}, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newInternet()
			documents := make(map[string]string)
			for path, issuer := range test.documents {
				documents[path] = metadata(issuer, keys)
			}
			n.serve("host.example", documents)
			n.serve("keys.example", map[string]string{"/jwks": oneKey(t)})
			c := n.newClient(t, append([]jwks.ClientOption{jwks.WithIssuer(test.issuer)}, test.opts...)...)
			err := c.Ready(t.Context())
			var want []string
			for _, path := range test.want {
				want = append(want, "https://host.example"+path)
			}
			if test.fails != nil {
				wantError(t, err, test.fails, jwks.ErrUnavailable)
				n.wantRequests(t, want...)
				return
			}
			wantNoError(t, err)
			n.wantRequests(t, append(want, keys)...)
			if key, err := c.Key(t.Context(), "k1"); err != nil || key.Issuer() != test.issuer {
				t.Errorf("key %v, %v: want one that is bound to %s", key, err, test.issuer)
			}
		})
	}
}

// Only 404 leads on: whatever else a place answers is its answer.
func TestDiscoveryGoesOnAfter404Only(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 410, 500, 503} {
		n := newInternet()
		issuer := n.issuer(t, "host.example", jwkstest.WithPath("/a"))
		issuer.SetFault(jwkstest.Status(status))
		wantError(t, n.newClient(t, jwks.WithIssuer(issuer.URL())).Ready(t.Context()), jwks.ErrUnavailable)
		n.wantRequests(t, issuer.URL()+discoveryPath)
	}
}

// The error names the place where the document should be, not the last guess.
func TestDiscoveryFailureNamesTheFirstPlace(t *testing.T) {
	n := newInternet()
	n.serve("host.example", nil)
	err := n.newClient(t, jwks.WithIssuer("https://host.example/a")).Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "https://host.example/a"+discoveryPath+":") || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v", err)
	}
}

// The place that had the document is asked first from then on.
func TestDiscoveryRemembersThePlace(t *testing.T) {
	n := newInternet()
	n.serve("host.example", map[string]string{
		discoveryPath + "/a": metadata("https://host.example/a", "https://host.example/jwks"),
		"/jwks":              oneKey(t),
	})
	c := n.newClient(t, jwks.WithIssuer("https://host.example/a"))
	ready(t, c)
	n.requests()
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.wantRequests(t, "https://host.example"+discoveryPath+"/a", "https://host.example/jwks")

	// And when it has gone, the others.
	n.serve("host.example", map[string]string{
		"/a" + discoveryPath: metadata("https://host.example/a", "https://host.example/jwks2"),
		"/jwks2":             oneKey(t),
	})
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.wantRequests(t, "https://host.example"+discoveryPath+"/a", "https://host.example/a"+discoveryPath, "https://host.example/jwks2")
}

// With WithDiscoveryURL and no issuer the document's issuer is taken, bound,
// and logged as a warning, once.
func TestTheIssuerOfADiscoveryURLIsTakenOnce(t *testing.T) {
	n := newInternet()
	issuer := n.issuer(t, "host.example")
	var log strings.Builder
	c := n.newClient(t, jwks.WithDiscoveryURL(issuer.URL()+discoveryPath), jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	v := anyAudience(t, c) // it knows that it will know its issuer
	if got, err := v.Verify(t.Context(), issuer.Sign(nil)); err != nil || got.Key().Issuer() != issuer.URL() {
		t.Fatalf("%v %v", got, err)
	}
	_, err := v.Verify(t.Context(), issuer.Sign(map[string]any{"iss": "https://other.example"}))
	wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
	if got := c.Status().Issuer; got != issuer.URL() {
		t.Errorf("status names %q", got)
	}
	for range 2 {
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), issuer.URL()) {
		t.Errorf("%d warnings, want 1 that names the issuer:\n%s", got, log.String())
	}
	// From now on it is the issuer: another one is not taken.
	n.set("host.example", roundTrip(respondWith(metadata("https://evil.example", issuer.JWKSURL()))))
	_, err = c.Refresh(t.Context())
	wantError(t, err, jwks.ErrIssuerMismatch)

	// Where the issuer is configured, there is nothing to warn of.
	log.Reset()
	n.set("host.example", issuer.HTTPClient().Transport)
	ready(t, n.newClient(t, jwks.WithDiscoveryURL(issuer.URL()+discoveryPath), jwks.WithIssuer(issuer.URL()), jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("log: %s", log.String())
	}
}

func TestTheIssuerOfADiscoveryURLMustBeOne(t *testing.T) {
	for _, test := range []struct {
		issuer string
		opts   []jwks.ClientOption
		reason error
	}{
		{"host.example", nil, jwks.ErrInvalidMetadata},
		{"http://host.example", nil, jwks.ErrInvalidMetadata},
		{"https://host.example/{tenantid}", nil, jwks.ErrInvalidMetadata},
		{"https://host.example/{tenantid}", []jwks.ClientOption{jwks.WithTenants()}, nil},
		{"http://host.example", []jwks.ClientOption{jwks.AllowInsecureHTTP()}, nil},
	} {
		n := newInternet()
		n.serve("host.example", map[string]string{"/config": metadata(test.issuer, "https://host.example/jwks"), "/jwks": oneKey(t)})
		err := n.newClient(t, append(test.opts, jwks.WithDiscoveryURL("https://host.example/config"))...).Ready(t.Context())
		if test.reason == nil {
			wantNoError(t, err)
			continue
		}
		wantError(t, err, test.reason)
		if !strings.Contains(err.Error(), "issuer") {
			t.Errorf("%v does not name the issuer", err)
		}
	}
}

// A seed comes before the document that names the issuer, so the verifier must
// be told.
func TestASeedWithoutAnIssuerLeavesItOpen(t *testing.T) {
	key := newSigner(t, "ES256", "k1")
	seeded := []jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/config"), jwks.WithKeySet(keySetOf(t, key))}
	c := newInternet().newClient(t, seeded...)
	if _, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck()); err == nil {
		t.Error("a verifier that would take any issuer")
	}
	_, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer("https://host.example"))
	wantNoError(t, err)
}

func respondWith(body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) { return respond(r, 200, body), nil }
}

func TestLocalURLRewrite(t *testing.T) {
	const keys = "/realms/a/certs?x=1"
	tests := []struct {
		name, issuer, place, says string
		want                      string // "" when the document is refused
		opts                      []jwks.ClientOption
	}{
		{"a container by its service name", "http://localhost:8080/realms/a", "http://keycloak:8080/discovery", "http://localhost:8080" + keys, "http://keycloak:8080" + keys,
			[]jwks.ClientOption{jwks.AllowInsecureHTTP()}},
		{"the https rule is for the rewritten URL", "https://sso.example/realms/a", "http://localhost:8080/discovery", "http://sso.example" + keys, "http://localhost:8080" + keys, nil},
		{"scheme and host both change", "https://sso.example/realms/a", "http://127.0.0.1:8080/discovery", "https://sso.example" + keys, "http://127.0.0.1:8080" + keys, nil},
		{"a private address", "https://sso.example/realms/a", "https://10.1.2.3/discovery", "https://sso.example" + keys, "https://10.1.2.3" + keys, nil},
		{"the same host stays", "https://sso.example/realms/a", "http://localhost:8080/discovery", "http://localhost:8080" + keys, "", nil}, // http under https
		{"a public host stays", "https://sso.example/realms/a", "https://sso.example/discovery", "https://keys.example" + keys, "https://keys.example" + keys, nil},
		{"a relative URL is not helped", "https://sso.example/realms/a", "http://localhost:8080/discovery", "/certs", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newInternet()
			for _, host := range []string{"keycloak:8080", "localhost:8080", "127.0.0.1:8080", "10.1.2.3", "sso.example", "keys.example"} {
				n.serve(host, map[string]string{"/discovery": metadata(test.issuer, test.says), keys: oneKey(t)})
			}
			opts := append([]jwks.ClientOption{jwks.WithDiscoveryURL(test.place), jwks.WithIssuer(test.issuer), jwks.WithLocalURLRewrite()}, test.opts...)
			c := n.newClient(t, opts...)
			err := c.Ready(t.Context())
			if test.want == "" {
				wantError(t, err, jwks.ErrInvalidMetadata)
				return
			}
			wantNoError(t, err)
			n.wantRequests(t, test.place, test.want)
			if m, err := c.Metadata(t.Context()); err != nil || m.JWKSURI != test.want || !strings.Contains(string(m.Raw), test.says) {
				t.Errorf("metadata %+v %v", m, err)
			}
		})
	}
	t.Run("off by default", func(t *testing.T) {
		n := newInternet()
		n.serve("localhost:8080", map[string]string{"/discovery": metadata("http://localhost:8080", "http://sso.example/certs")})
		err := n.newClient(t, jwks.WithDiscoveryURL("http://localhost:8080/discovery")).Ready(t.Context())
		wantError(t, err, jwks.ErrInvalidMetadata)
	})
}

// The caller's context bounds the wait for a document that does not come.
func TestDiscoveryObeysTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet()
		issuer := n.issuer(t, "host.example")
		issuer.SetFault(jwkstest.Hang())
		c := n.newClient(t, jwks.WithIssuer(issuer.URL()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Metadata(ctx)
		if wantError(t, err, context.DeadlineExceeded, jwks.ErrUnavailable); time.Since(began) != time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}
