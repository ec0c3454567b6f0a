package client

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_MetadataIsAlwaysChecked(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example")
	c := n.NewClient(t, jwks.WithIssuer(issuer.URL()))
	testkit.MustReady(t, c)
	n.TakeRequests()
	issuer.SetFault(jwkstest.Body([]byte(testkit.Metadata("https://evil.example", issuer.JWKSURL()))))
	_, err := c.Refresh(t.Context())
	testkit.WantError(t, err, jwks.ErrIssuerMismatch, jwks.ErrUnavailable)
	if key, err := c.Key(t.Context(), "k1"); err != nil || key.Issuer() != issuer.URL() {
		t.Errorf("the good set is gone: %v %v", key, err)
	}
	n.WantRequests(t, issuer.URL()+testkit.DiscoveryPath, issuer.URL()+"/.well-known/oauth-authorization-server") // and not the key set that the document names
}

func TestClient_MetadataKeySetURL(t *testing.T) {
	const issuer = "https://host.example"
	tests := []struct {
		name, document string
		want           string // the key set URL; "" when the document is refused
		names          string // then its error names this member
	}{
		{"jwks_uri", `{"issuer":"https://host.example","jwks_uri":"https://keys.example/1"}`, "https://keys.example/1", ""},
		{"jwks_url", `{"issuer":"https://host.example","jwks_url":"https://keys.example/1"}`, "https://keys.example/1", ""},
		{"jwks_uri before jwks_url", `{"jwks_url":"https://keys.example/2","issuer":"https://host.example","jwks_uri":"https://keys.example/1"}`, "https://keys.example/1", ""},
		{"null is absence", `{"issuer":"https://host.example","jwks_uri":null,"jwks_url":"https://keys.example/1"}`, "https://keys.example/1", ""},
		{"escaped", `{"issuer":"https:\/\/host.example","jwks_uri":"https:\/\/keys.example\/1"}`, "https://keys.example/1", ""},
		{"unknown members do not matter, not even twice", `{"x":1,"x":2,"issuer":"https://host.example","jwks_uri":"https://keys.example/1"}`, "https://keys.example/1", ""},
		{"neither", `{"issuer":"https://host.example"}`, "", "jwks_uri"},
		{"both null", `{"issuer":"https://host.example","jwks_uri":null,"jwks_url":null}`, "", "jwks_uri"},
		{"empty", `{"issuer":"https://host.example","jwks_uri":""}`, "", "jwks_uri"},
		{"a number", `{"issuer":"https://host.example","jwks_uri":5}`, "", "jwks_uri"},
		{"jwks_url is not a string", `{"issuer":"https://host.example","jwks_url":["https://keys.example/1"]}`, "", "jwks_url"},
		{"relative", `{"issuer":"https://host.example","jwks_uri":"/jwks"}`, "", "jwks_uri"},
		{"relative jwks_url", `{"issuer":"https://host.example","jwks_url":"jwks.json"}`, "", "jwks_url"},
		{"without a scheme", `{"issuer":"https://host.example","jwks_uri":"//keys.example/1"}`, "", "jwks_uri"},
		{"another scheme", `{"issuer":"https://host.example","jwks_uri":"file:///etc/passwd"}`, "", "jwks_uri"},
		{"user info", `{"issuer":"https://host.example","jwks_uri":"https://u:p@keys.example/1"}`, "", "jwks_uri"},
		{"http under an https issuer", `{"issuer":"https://host.example","jwks_uri":"http://keys.example/1"}`, "", "jwks_uri"},
		{"on loopback too", `{"issuer":"https://host.example","jwks_uri":"http://127.0.0.1/1"}`, "", "jwks_uri"},
		{"twice", `{"issuer":"https://host.example","jwks_uri":"https://keys.example/1","jwks_uri":"https://keys.example/1"}`, "", "jwks_uri"},
		{"twice, with an escape", `{"issuer":"https://host.example","jwks_uri":"https://keys.example/1","jwks\u005furi":"https://evil.example/1"}`, "", "jwks_uri"},
		{"case counts", `{"issuer":"https://host.example","JWKS_URI":"https://keys.example/1"}`, "", "jwks_uri"},
		{"no issuer", `{"jwks_uri":"https://keys.example/1"}`, "", "issuer"},
		{"issuer is null", `{"issuer":null,"jwks_uri":"https://keys.example/1"}`, "", "issuer"},
		{"issuer is not a string", `{"issuer":1,"jwks_uri":"https://keys.example/1"}`, "", "issuer"},
		{"issuer twice", `{"issuer":"https://host.example","jwks_uri":"https://keys.example/1","issuer":"https://host.example"}`, "", "issuer"},
		{"issuer without a scheme", `{"issuer":"host.example","jwks_uri":"https://keys.example/1"}`, "", "issuer"},
		{"an array", `[]`, "", "object"},
		{"null", `null`, "", "object"},
		{"HTML", `<html>`, "", "object"},
		{"nothing", ``, "", ""},
		{"trailing data", `{"issuer":"https://host.example","jwks_uri":"https://keys.example/1"} {}`, "", ""},
		{"invalid UTF-8", "{\"issuer\":\"https://host.example\",\"x\":\"\xff\",\"jwks_uri\":\"https://keys.example/1\"}", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := testkit.NewInternet()
			n.Serve("host.example", map[string]string{testkit.DiscoveryPath: test.document})
			n.Serve("keys.example", map[string]string{"/1": testkit.OneKey(t)})
			c := n.NewClient(t, jwks.WithIssuer(issuer))
			err := c.Ready(t.Context())
			if test.want != "" {
				testkit.WantNoError(t, err)
				n.WantRequests(t, issuer+testkit.DiscoveryPath, test.want)
				if m, err := c.Metadata(t.Context()); err != nil || m.JWKSURI != test.want || c.Status().JWKSURL != test.want {
					t.Errorf("metadata %+v, %v", m, err)
				}
				return
			}
			testkit.WantError(t, err, jwks.ErrInvalidMetadata, jwks.ErrUnavailable)
			if !strings.Contains(err.Error(), test.names) {
				t.Errorf("%v\ndoes not name %s", err, test.names)
			}
			want := []string{issuer + testkit.DiscoveryPath}
			if !strings.HasPrefix(test.names, "jwks") { // it does not name the issuer: another place may have one that does
				want = append(want, issuer+"/.well-known/oauth-authorization-server")
			}
			n.WantRequests(t, want...)
		})
	}
}

func TestClient_AllowInsecureHTTP(t *testing.T) {
	n := testkit.NewInternet()
	n.Serve("host.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://host.example", "http://keys.example/1")})
	n.Serve("keys.example", map[string]string{"/1": testkit.OneKey(t)})
	testkit.MustReady(t, n.NewClient(t, jwks.WithIssuer("https://host.example"), jwks.AllowInsecureHTTP()))
}

func TestClient_Metadata(t *testing.T) {
	n := testkit.NewInternet()
	document := `{"issuer":"https://host.example","jwks_uri":"https://host.example/jwks","extra":{"a":[1]},` +
		`"id_token_signing_alg_values_supported":["RS256",7,"none"]}`
	n.Serve("host.example", map[string]string{testkit.DiscoveryPath: document, "/jwks": testkit.OneKey(t)})
	c := n.NewClient(t, jwks.WithIssuer("https://host.example"))
	for range 2 { // what callers do with theirs does not matter to others
		m, err := c.Metadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Issuer != "https://host.example" || m.JWKSURI != "https://host.example/jwks" || strings.Join(m.SigningAlgorithms, " ") != "RS256 none" || string(m.Raw) != document {
			t.Errorf("metadata %+v", m)
		}
		var extra struct{ Extra struct{ A []int } }
		if err := json.Unmarshal(m.Raw, &extra); err != nil || len(extra.Extra.A) != 1 {
			t.Errorf("raw document: %v %v", extra, err)
		}
		m.Raw[0], m.SigningAlgorithms[0] = 'X', "X"
	}
	if got := len(n.TakeRequests()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}

	for name, opts := range map[string][]jwks.ClientOption{
		"a key set URL":    {jwks.WithJWKSURL("https://host.example/jwks")},
		"and an issuer":    {jwks.WithJWKSURL("https://host.example/jwks"), jwks.WithIssuer("https://host.example")},
		"a static key set": {jwks.WithKeySet(testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k")))},
	} {
		_, err := n.NewClient(t, opts...).Metadata(t.Context())
		if testkit.WantError(t, err, jwks.ErrInvalidMetadata, jwks.ErrUnavailable); len(n.TakeRequests()) != 0 {
			t.Errorf("%s: requests were made", name)
		}
	}

	// A seed has no document: it is fetched, also while the seed serves.
	seeded := n.NewClient(t, jwks.WithIssuer("https://host.example"), jwks.WithKeySet(testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k"))))
	if m, err := seeded.Metadata(t.Context()); err != nil || m.Issuer != "https://host.example" {
		t.Errorf("%v %v", m, err)
	}
	n.Serve("host.example", nil)
	dead := n.NewClient(t, jwks.WithIssuer("https://host.example"), jwks.WithKeySet(testkit.KeySetOf(t, testkit.NewSigner(t, "ES256", "k"))))
	_, err := dead.Metadata(t.Context())
	testkit.WantError(t, err, jwks.ErrUnavailable)
}

// Every document that real issuers published behaves as the rules say.
func TestClient_RealDiscoveryDocuments(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.SharedDir(t, "corpus"), "discovery", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	unusable := map[string]string{ // and the member that the error names
		"naver.json":                         "jwks_uri",
		"nov-config-without-issuer.json":     "issuer",
		"google-2014-schemeless-issuer.json": "issuer",
		"aad-v1-kitchen-sink.json":           "jwks_uri",
	}
	insecure := map[string]bool{"vault.json": true} // http://0.0.0.0
	keys := testkit.OneKey(t)
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var said struct {
				Issuer     string
				JWKSURI    string   `json:"jwks_uri"`
				Algorithms []string `json:"id_token_signing_alg_values_supported"`
			}
			if err := json.Unmarshal(document, &said); err != nil {
				t.Fatal(err)
			}
			var asked []string
			serve := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				if len(asked) == 1 {
					return testkit.RespondTo(r, 200, string(document)), nil
				}
				return testkit.RespondTo(r, 200, keys), nil
			})
			opts := []jwks.ClientOption{jwks.WithHTTPClient(&http.Client{Transport: serve}), jwks.WithRetries(0), jwks.WithTenants()}
			if !strings.Contains(said.Issuer, "{tenantid}") {
				opts = opts[:2]
			}
			if insecure[name] {
				opts = append(opts, jwks.AllowInsecureHTTP())
			}

			if member := unusable[name]; member != "" {
				for how, source := range map[string]jwks.ClientOption{
					"by its place":  jwks.WithDiscoveryURL("https://host.example/config"),
					"by its issuer": jwks.WithIssuer(cmp.Or(strings.Repeat(said.Issuer, strings.Count(said.Issuer, "https://")), "https://accounts.google.com")),
				} {
					asked = nil
					c, err := jwks.NewClient(append(opts, source)...)
					if err != nil {
						t.Fatal(err)
					}
					err = c.Ready(t.Context())
					testkit.WantError(t, err, jwks.ErrInvalidMetadata, jwks.ErrUnavailable)
					if !strings.Contains(err.Error(), member) || len(asked) > 2 {
						t.Errorf("%s: %v\nwants to name %s, after at most 2 requests; there were %d", how, err, member, len(asked))
					}
				}
				return
			}

			c, err := jwks.NewClient(append(opts, jwks.WithIssuer(said.Issuer))...)
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.Metadata(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if m.Issuer != said.Issuer || m.JWKSURI != said.JWKSURI || strings.Join(m.SigningAlgorithms, " ") != strings.Join(said.Algorithms, " ") {
				t.Errorf("%+v, want %+v", m, said)
			}
			place := strings.TrimRight(strings.ReplaceAll(said.Issuer, "{tenantid}", "common"), "/") + testkit.DiscoveryPath
			if len(asked) != 2 || asked[0] != place || asked[1] != said.JWKSURI {
				t.Errorf("asked for %q", asked)
			}
			if key, err := c.Key(t.Context(), "k1"); err != nil || key.Issuer() != said.Issuer {
				t.Errorf("key: %v %v", key, err)
			}

			// The same document does not serve another issuer.
			asked = nil
			other, err := jwks.NewClient(append(opts, jwks.WithIssuer(said.Issuer+"/other"))...)
			if err != nil {
				t.Fatal(err)
			}
			testkit.WantError(t, other.Ready(t.Context()), jwks.ErrIssuerMismatch)
		})
	}
}
