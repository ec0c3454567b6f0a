package invariants

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

const (
	idp        = "https://idp.example"
	credential = "Bearer s3cret"
)

// witness notes which hosts were sent which credentials.
type witness struct {
	base http.RoundTripper

	mu   sync.Mutex
	seen []string // host and what it was sent, one a request
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := "-"
	if values := slices.Concat(r.Header["Authorization"], r.Header["X-Key"]); len(values) > 0 {
		sent = strings.Join(values, ",")
	}
	w.mu.Lock()
	w.seen = append(w.seen, r.URL.Host+" "+sent)
	w.mu.Unlock()
	return w.base.RoundTrip(r)
}

func (w *witness) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := strings.Join(w.seen, "; ")
	w.seen = nil
	return seen
}

// worldOf is an issuer whose keys are on another host, and that host.
func worldOf(t *testing.T, jwksURI string) *testkit.Internet {
	n := testkit.NewInternet()
	set := testkit.KeySetDocument(testkit.NewSigner(t, "ES256", "k1").JWK())
	n.Serve("idp.example", map[string]string{
		testkit.DiscoveryPath: testkit.Metadata(idp, jwksURI),
		"/jwks":               set,
	})
	for _, host := range []string{"keys.example", "keys.example:8443", "10.0.0.1:8443"} {
		n.Serve(host, map[string]string{"/jwks": set})
	}
	return n
}

// Configured headers are credentials: they reach the hosts that the
// configuration names and no others, whatever the documents say.
func TestInvariant27_ConfiguredHosts(t *testing.T) {
	const away = "https://keys.example/jwks"
	issuer := jwks.WithIssuer(idp)
	for _, tt := range []struct {
		rule    string
		jwksURI string
		opts    []jwks.ClientOption
		want    string
	}{
		{"the issuer's own documents", idp + "/jwks", []jwks.ClientOption{issuer}, "idp.example " + credential + "; idp.example " + credential},
		{"not a jwks_uri on another host", away, []jwks.ClientOption{issuer}, "idp.example " + credential + "; keys.example -"},
		{"a jwks_uri on a host that is named", away, []jwks.ClientOption{issuer, jwks.WithHeaderHosts("keys.example")}, "idp.example " + credential + "; keys.example " + credential},
		{"a host without a port is on the default one", "https://keys.example:8443/jwks", []jwks.ClientOption{issuer, jwks.WithHeaderHosts("keys.example")}, "idp.example " + credential + "; keys.example:8443 -"},
		{"an address with a port", "https://10.0.0.1:8443/jwks", []jwks.ClientOption{issuer, jwks.WithHeaderHosts("other.example", "10.0.0.1:8443")}, "idp.example " + credential + "; 10.0.0.1:8443 " + credential},
		{"a configured key set URL", away, []jwks.ClientOption{issuer, jwks.WithJWKSURL(away)}, "keys.example " + credential},
		{"a configured discovery URL, but not what its document names", away, []jwks.ClientOption{jwks.WithDiscoveryURL(idp + testkit.DiscoveryPath)}, "idp.example " + credential + "; keys.example -"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for how, header := range map[string]jwks.ClientOption{
				"a value":    jwks.WithHeader("Authorization", credential),
				"a function": jwks.WithHeaderFunc("authorization", func(context.Context) (string, error) { return credential, nil }),
			} {
				w := &witness{base: worldOf(t, tt.jwksURI)}
				c, err := jwks.NewClient(slices.Concat(tt.opts, []jwks.ClientOption{header, jwks.WithHTTPClient(&http.Client{Transport: w})})...)
				if err != nil {
					t.Fatal(err)
				}
				testkit.WantNoError(t, c.Ready(t.Context()))
				if got := w.take(); got != tt.want {
					t.Errorf("%s: %s, want %s", how, got, tt.want)
				}
				testkit.WantNoError(t, c.Close())
			}
		})
	}
}

func TestInvariant27_Redirects(t *testing.T) {
	n := worldOf(t, idp+"/jwks")
	n.Route("idp.example", testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp := testkit.RespondTo(r, http.StatusFound, "")
		resp.Header.Set("Location", "https://keys.example/jwks")
		return resp, nil
	}))
	w := &witness{base: n}
	c, err := jwks.NewClient(jwks.WithJWKSURL(idp+"/jwks"), jwks.WithHeader("X-Key", credential), jwks.WithHTTPClient(&http.Client{Transport: w}))
	if err != nil {
		t.Fatal(err)
	}
	testkit.WantNoError(t, c.Ready(t.Context()))
	if got, want := w.take(), "idp.example "+credential+"; keys.example -"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
