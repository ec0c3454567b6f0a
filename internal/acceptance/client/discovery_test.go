package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_DiscoveryLocations(t *testing.T) {
	const keys = "https://keys.example/jwks"
	tests := []struct {
		name      string
		issuer    string
		documents map[string]string // of host.example: path to issuer
		opts      []jwks.ClientOption
		want      []string // paths asked for, before the key set
		fails     error
	}{
		{"below the issuer", "https://host.example", map[string]string{testkit.DiscoveryPath: "https://host.example"}, nil, []string{testkit.DiscoveryPath}, nil},
		{"a trailing slash is left out of the place, and counts in the name", "https://host.example/", map[string]string{testkit.DiscoveryPath: "https://host.example/"}, nil, []string{testkit.DiscoveryPath}, nil},
		{"many trailing slashes", "https://host.example/a//", map[string]string{"/a" + testkit.DiscoveryPath: "https://host.example/a//"}, nil, []string{"/a" + testkit.DiscoveryPath}, nil},
		{"a name without the slash is another issuer", "https://host.example/", map[string]string{testkit.DiscoveryPath: "https://host.example"}, nil,
			[]string{testkit.DiscoveryPath, "/.well-known/oauth-authorization-server"}, jwks.ErrIssuerMismatch},
		{"a path", "https://host.example/tenant/a", map[string]string{"/tenant/a" + testkit.DiscoveryPath: "https://host.example/tenant/a"}, nil, []string{"/tenant/a" + testkit.DiscoveryPath}, nil},
		{"RFC 8414 after 404", "https://host.example/a", map[string]string{"/.well-known/oauth-authorization-server/a": "https://host.example/a"}, nil,
			[]string{"/a" + testkit.DiscoveryPath, "/.well-known/oauth-authorization-server/a"}, nil},
		{"RFC 8414 after 404, without a path", "https://host.example", map[string]string{"/.well-known/oauth-authorization-server": "https://host.example"}, nil,
			[]string{testkit.DiscoveryPath, "/.well-known/oauth-authorization-server"}, nil},
		{"then the OpenID form inserted", "https://host.example/a/", map[string]string{testkit.DiscoveryPath + "/a": "https://host.example/a/"}, nil,
			[]string{"/a" + testkit.DiscoveryPath, "/.well-known/oauth-authorization-server/a", testkit.DiscoveryPath + "/a"}, nil},
		{"nowhere", "https://host.example/a", nil, nil,
			[]string{"/a" + testkit.DiscoveryPath, "/.well-known/oauth-authorization-server/a", testkit.DiscoveryPath + "/a"}, jwks.ErrUnavailable},
		{"nowhere, without a path", "https://host.example", nil, nil, []string{testkit.DiscoveryPath, "/.well-known/oauth-authorization-server"}, jwks.ErrUnavailable},
		{"RFC 8414 after a document of another issuer", "https://host.example/a",
			map[string]string{"/a" + testkit.DiscoveryPath: "https://host.example/b", "/.well-known/oauth-authorization-server/a": "https://host.example/a"}, nil,
			[]string{"/a" + testkit.DiscoveryPath, "/.well-known/oauth-authorization-server/a"}, nil},
		{"a document of another issuer everywhere", "https://host.example/a",
			map[string]string{testkit.DiscoveryPath + "/a": "https://host.example/b", "/.well-known/oauth-authorization-server/a": "https://host.example/a/"}, nil,
			[]string{"/a" + testkit.DiscoveryPath, "/.well-known/oauth-authorization-server/a", testkit.DiscoveryPath + "/a"}, jwks.ErrIssuerMismatch},
		{"a custom path is the only one tried", "https://host.example/a/", map[string]string{"/a" + testkit.DiscoveryPath: "https://host.example/a/"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath("/own/place")}, []string{"/a/own/place"}, jwks.ErrUnavailable},
		{"also when it is the usual one", "https://host.example/a", map[string]string{testkit.DiscoveryPath + "/a": "https://host.example/a"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath(testkit.DiscoveryPath)}, []string{"/a" + testkit.DiscoveryPath}, jwks.ErrUnavailable},
		{"a custom path, without its slash", "https://host.example", map[string]string{"/own": "https://host.example"},
			[]jwks.ClientOption{jwks.WithDiscoveryPath("own")}, []string{"/own"}, nil},
		{"a custom URL is the only one tried", "https://host.example/a", map[string]string{"/elsewhere?x=1": "https://host.example/a"},
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere?x=1")}, []string{"/elsewhere?x=1"}, nil},
		{"whose issuer is compared", "https://host.example/a", map[string]string{"/elsewhere": "https://host.example/b"},
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere")}, []string{"/elsewhere"}, jwks.ErrIssuerMismatch},
		{"a key set URL wins", "https://host.example/a", nil,
			[]jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/elsewhere"), jwks.WithJWKSURL(keys)}, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := testkit.NewInternet()
			documents := make(map[string]string)
			for path, issuer := range test.documents {
				documents[path] = testkit.Metadata(issuer, keys)
			}
			n.Serve("host.example", documents)
			n.Serve("keys.example", map[string]string{"/jwks": testkit.OneKey(t)})
			c := n.NewClient(t, append([]jwks.ClientOption{jwks.WithIssuer(test.issuer)}, test.opts...)...)
			err := c.Ready(t.Context())
			var want []string
			for _, path := range test.want {
				want = append(want, "https://host.example"+path)
			}
			if test.fails != nil {
				testkit.WantError(t, err, test.fails, jwks.ErrUnavailable)
				n.WantRequests(t, want...)
				return
			}
			testkit.WantNoError(t, err)
			n.WantRequests(t, append(want, keys)...)
			if key, err := c.Key(t.Context(), "k1"); err != nil || key.Issuer() != test.issuer {
				t.Errorf("key %v, %v: want one that is bound to %s", key, err, test.issuer)
			}
		})
	}
}

// What is there instead of the document leads on to the places of RFC 8414; a
// place that may have it, and cannot tell now, does not.
func TestClient_DiscoveryGoesOn(t *testing.T) {
	const issuer = "https://host.example/a"
	const second = "https://host.example/.well-known/oauth-authorization-server/a"
	answers := map[string]func(*http.Request) *http.Response{}
	status := func(status int, body string) func(*http.Request) *http.Response {
		return func(r *http.Request) *http.Response { return testkit.RespondTo(r, status, body) }
	}
	for _, code := range []int{400, 401, 403, 404, 405, 406, 410, 418, 422, 451, 501} {
		answers[fmt.Sprint(code)] = status(code, "no")
	}
	for name, body := range map[string]string{
		"HTML": "<!doctype html>", "nothing": "", "an array": "[]", "null": "null", "half a document": `{"issuer":"` + issuer,
		"an empty object": "{}", "a foreign document": testkit.Metadata("https://login.example", "https://evil.example/jwks"),
		"one with a slash more": testkit.Metadata(issuer+"/", "https://evil.example/jwks"), "another kind of issuer": `{"issuer":["` + issuer + `"],"jwks_uri":"https://evil.example/jwks"}`,
	} {
		answers[name] = status(http.StatusOK, body)
	}
	for name, answer := range answers {
		for _, good := range []bool{true, false} {
			n := testkit.NewInternet()
			n.Route("host.example", testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				switch {
				case r.URL.Path == "/a"+testkit.DiscoveryPath:
					return answer(r), nil
				case good && r.URL.String() == second:
					return testkit.RespondTo(r, 200, testkit.Metadata(issuer, "https://host.example/jwks")), nil
				case r.URL.Path == "/jwks":
					return testkit.RespondTo(r, 200, testkit.OneKey(t)), nil
				}
				return testkit.RespondTo(r, 404, ""), nil
			}))
			err := n.NewClient(t, jwks.WithIssuer(issuer)).Ready(t.Context())
			if good {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				n.WantRequests(t, issuer+testkit.DiscoveryPath, second, "https://host.example/jwks")
				continue
			}
			testkit.WantError(t, err, jwks.ErrUnavailable)
			if text := err.Error(); strings.Count(text, "nor at https://host.example/") != 2 || strings.Count(text, "404") < 2 {
				t.Errorf("%s: %v\ndoes not list each place with what it answered", name, err)
			}
		}
	}
	for _, code := range []int{301, 408, 429, 500, 502, 503, 504} {
		n := testkit.NewInternet()
		host := n.AddIssuer(t, "host.example", jwkstest.WithPath("/a"))
		host.SetFault(jwkstest.Status(code))
		testkit.WantError(t, n.NewClient(t, jwks.WithIssuer(host.URL())).Ready(t.Context()), jwks.ErrUnavailable)
		n.WantRequests(t, host.URL()+testkit.DiscoveryPath)
	}
}

// A mismatch says more than a 404, wherever it was.
func TestClient_DiscoveryMismatchWins(t *testing.T) {
	n := testkit.NewInternet()
	n.Serve("host.example", map[string]string{"/.well-known/oauth-authorization-server/a": testkit.Metadata("https://other.example", "https://other.example/jwks")})
	err := n.NewClient(t, jwks.WithIssuer("https://host.example/a")).Ready(t.Context())
	testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrIssuerMismatch)
	var failed *jwks.FetchError
	if !errors.As(err, &failed) || failed.StatusCode != 200 || !strings.Contains(failed.URL, "oauth-authorization-server") {
		t.Errorf("%#v", failed)
	}
	if text := err.Error(); strings.Index(text, "https://other.example") > strings.Index(text, "404") {
		t.Errorf("%v does not begin with the mismatch", err)
	}
}

// The error names the place where the document should be, not the last guess.
func TestClient_DiscoveryErrorNamesFirstURL(t *testing.T) {
	n := testkit.NewInternet()
	n.Serve("host.example", nil)
	err := n.NewClient(t, jwks.WithIssuer("https://host.example/a")).Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "https://host.example/a"+testkit.DiscoveryPath+":") || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v", err)
	}
}

// The place that had the document is asked first from then on.
func TestClient_DiscoveryRemembersLocation(t *testing.T) {
	n := testkit.NewInternet()
	n.Serve("host.example", map[string]string{
		testkit.DiscoveryPath + "/a": testkit.Metadata("https://host.example/a", "https://host.example/jwks"),
		"/jwks":                      testkit.OneKey(t),
	})
	c := n.NewClient(t, jwks.WithIssuer("https://host.example/a"))
	testkit.MustReady(t, c)
	n.TakeRequests()
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.WantRequests(t, "https://host.example"+testkit.DiscoveryPath+"/a", "https://host.example/jwks")

	// And when it has gone, the others.
	n.Serve("host.example", map[string]string{
		"/a" + testkit.DiscoveryPath: testkit.Metadata("https://host.example/a", "https://host.example/jwks2"),
		"/jwks2":                     testkit.OneKey(t),
	})
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.WantRequests(t, "https://host.example"+testkit.DiscoveryPath+"/a", "https://host.example/a"+testkit.DiscoveryPath, "https://host.example/jwks2")
}

// With WithDiscoveryURL and no issuer the document's issuer is taken, bound,
// and logged as a warning, once.
func TestClient_IssuerFromDiscoveryURL(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example")
	var log strings.Builder
	c := n.NewClient(t, jwks.WithDiscoveryURL(issuer.URL()+testkit.DiscoveryPath), jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	v := testkit.NewSourceVerifier(t, c) // it knows that it will know its issuer
	if got, err := v.Verify(t.Context(), issuer.Sign(nil)); err != nil || got.Key().Issuer() != issuer.URL() {
		t.Fatalf("%v %v", got, err)
	}
	_, err := v.Verify(t.Context(), issuer.Sign(map[string]any{"iss": "https://other.example"}))
	testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
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
	n.Route("host.example", testkit.RoundTripFunc(respondWith(testkit.Metadata("https://evil.example", issuer.JWKSURL()))))
	_, err = c.Refresh(t.Context())
	testkit.WantError(t, err, jwks.ErrIssuerMismatch)

	// Where the issuer is configured, there is nothing to warn of.
	log.Reset()
	n.Route("host.example", issuer.HTTPClient().Transport)
	testkit.MustReady(t, n.NewClient(t, jwks.WithDiscoveryURL(issuer.URL()+testkit.DiscoveryPath), jwks.WithIssuer(issuer.URL()), jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("log: %s", log.String())
	}
}

func TestClient_BadIssuerFromDiscoveryURL(t *testing.T) {
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
		n := testkit.NewInternet()
		n.Serve("host.example", map[string]string{"/config": testkit.Metadata(test.issuer, "https://host.example/jwks"), "/jwks": testkit.OneKey(t)})
		err := n.NewClient(t, append(test.opts, jwks.WithDiscoveryURL("https://host.example/config"))...).Ready(t.Context())
		if test.reason == nil {
			testkit.WantNoError(t, err)
			continue
		}
		testkit.WantError(t, err, test.reason)
		if !strings.Contains(err.Error(), "issuer") {
			t.Errorf("%v does not name the issuer", err)
		}
	}
}

// A seed comes before the document that names the issuer, so the verifier must
// be told.
func TestClient_SeedWithoutIssuer(t *testing.T) {
	key := testkit.NewSigner(t, "ES256", "k1")
	seeded := []jwks.ClientOption{jwks.WithDiscoveryURL("https://host.example/config"), jwks.WithKeySet(testkit.KeySetOf(t, key))}
	c := testkit.NewInternet().NewClient(t, seeded...)
	if _, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck()); err == nil {
		t.Error("a verifier that would take any issuer")
	}
	_, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer("https://host.example"))
	testkit.WantNoError(t, err)
}

func respondWith(body string) testkit.RoundTripFunc {
	return func(r *http.Request) (*http.Response, error) { return testkit.RespondTo(r, 200, body), nil }
}

func TestClient_LocalURLRewrite(t *testing.T) {
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
		{"a side door", "https://sso.example/realms/a", "http://host.docker.internal:8080/discovery", "https://sso.example" + keys, "http://host.docker.internal:8080" + keys,
			[]jwks.ClientOption{jwks.AllowInsecureHTTP()}},
		{"a side door of a cluster", "https://sso.example/realms/a", "https://keycloak.auth.svc.cluster.local/discovery", "https://sso.example" + keys, "https://keycloak.auth.svc.cluster.local" + keys, nil},
		{"a side door to a third host", "https://sso.example/realms/a", "https://idp.internal/discovery", "https://keys.example" + keys, "https://idp.internal" + keys, nil},
		{"a side door that names itself", "https://sso.example/realms/a", "https://idp.internal/discovery", "https://idp.internal" + keys, "https://idp.internal" + keys, nil},
		{"a link-local address", "https://169.254.1.2/realms/a", "https://169.254.1.2/discovery", "https://sso.example" + keys, "https://169.254.1.2" + keys, nil},
		{"an address behind a carrier", "https://100.64.1.2/realms/a", "https://100.64.1.2/discovery", "https://sso.example" + keys, "https://100.64.1.2" + keys, nil},
		{"a link-local IPv6 address", "https://[fe80::1]/realms/a", "https://[fe80::1]/discovery", "https://sso.example" + keys, "https://[fe80::1]" + keys, nil},
		{"another port of the issuer's host", "https://sso.example/realms/a", "https://sso.example:8443/discovery", "https://sso.example" + keys, "https://sso.example:8443" + keys, nil},
		{"the default port is the same host", "https://sso.example/realms/a", "https://sso.example:443/discovery", "https://keys.example" + keys, "https://keys.example" + keys, nil},
		{"an issuer that is a name has no front door", "accounts.example", "https://sso.example/discovery", "https://keys.example" + keys, "https://keys.example" + keys, nil},
		{"a relative URL is not helped", "https://sso.example/realms/a", "http://localhost:8080/discovery", "/certs", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := testkit.NewInternet()
			for _, host := range []string{"keycloak:8080", "localhost:8080", "127.0.0.1:8080", "10.1.2.3", "sso.example", "keys.example",
				"host.docker.internal:8080", "keycloak.auth.svc.cluster.local", "idp.internal", "169.254.1.2", "100.64.1.2", "[fe80::1]", "sso.example:8443", "sso.example:443"} {
				n.Serve(host, map[string]string{"/discovery": testkit.Metadata(test.issuer, test.says), keys: testkit.OneKey(t)})
			}
			opts := append([]jwks.ClientOption{jwks.WithDiscoveryURL(test.place), jwks.WithIssuer(test.issuer), jwks.WithLocalURLRewrite()}, test.opts...)
			c := n.NewClient(t, opts...)
			err := c.Ready(t.Context())
			if test.want == "" {
				testkit.WantError(t, err, jwks.ErrInvalidMetadata)
				return
			}
			testkit.WantNoError(t, err)
			n.WantRequests(t, test.place, test.want)
			if m, err := c.Metadata(t.Context()); err != nil || m.JWKSURI != test.want || !strings.Contains(string(m.Raw), test.says) {
				t.Errorf("metadata %+v %v", m, err)
			}
		})
	}
	t.Run("off by default", func(t *testing.T) {
		n := testkit.NewInternet()
		n.Serve("localhost:8080", map[string]string{"/discovery": testkit.Metadata("http://localhost:8080", "http://sso.example/certs")})
		err := n.NewClient(t, jwks.WithDiscoveryURL("http://localhost:8080/discovery")).Ready(t.Context())
		testkit.WantError(t, err, jwks.ErrInvalidMetadata)
	})
}

// The caller's context bounds the wait for a document that does not come.
func TestClient_DiscoveryObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "host.example")
		issuer.SetFault(jwkstest.Hang())
		c := n.NewClient(t, jwks.WithIssuer(issuer.URL()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Metadata(ctx)
		if testkit.WantError(t, err, context.DeadlineExceeded, jwks.ErrUnavailable); time.Since(began) != time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}
