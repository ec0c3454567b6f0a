package jwkstest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-22400188/jwks/jwkstest"
)

func TestURLsFollowBaseAndPath(t *testing.T) {
	tests := map[string]struct {
		opts            []jwkstest.Option
		url, jwks, disc string
	}{
		"default": {
			nil,
			"https://issuer.jwkstest.example",
			"https://issuer.jwkstest.example/jwks",
			"https://issuer.jwkstest.example/.well-known/openid-configuration",
		},
		"path": {
			[]jwkstest.Option{jwkstest.WithPath("/realms/a")},
			"https://issuer.jwkstest.example/realms/a",
			"https://issuer.jwkstest.example/realms/a/jwks",
			"https://issuer.jwkstest.example/realms/a/.well-known/openid-configuration",
		},
		"path without its leading slash": {
			[]jwkstest.Option{jwkstest.WithPath("a")},
			"https://issuer.jwkstest.example/a",
			"https://issuer.jwkstest.example/a/jwks",
			"https://issuer.jwkstest.example/a/.well-known/openid-configuration",
		},
		"path with a trailing slash": {
			[]jwkstest.Option{jwkstest.WithPath("/a/")},
			"https://issuer.jwkstest.example/a/",
			"https://issuer.jwkstest.example/a/jwks",
			"https://issuer.jwkstest.example/a/.well-known/openid-configuration",
		},
		"path of a slash": {
			[]jwkstest.Option{jwkstest.WithPath("/")},
			"https://issuer.jwkstest.example/",
			"https://issuer.jwkstest.example/jwks",
			"https://issuer.jwkstest.example/.well-known/openid-configuration",
		},
		"escaped path": {
			[]jwkstest.Option{jwkstest.WithPath("/a%20b")},
			"https://issuer.jwkstest.example/a%20b",
			"https://issuer.jwkstest.example/a%20b/jwks",
			"https://issuer.jwkstest.example/a%20b/.well-known/openid-configuration",
		},
		"base URL": {
			[]jwkstest.Option{jwkstest.WithBaseURL("http://127.0.0.1:8080/"), jwkstest.WithPath("/a")},
			"http://127.0.0.1:8080/a",
			"http://127.0.0.1:8080/a/jwks",
			"http://127.0.0.1:8080/a/.well-known/openid-configuration",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := jwkstest.New(t, tt.opts...)
			if issuer.URL() != tt.url {
				t.Errorf("URL %q, want %q", issuer.URL(), tt.url)
			}
			if issuer.JWKSURL() != tt.jwks {
				t.Errorf("JWKSURL %q, want %q", issuer.JWKSURL(), tt.jwks)
			}
			var doc struct {
				Issuer string `json:"issuer"`
				JWKS   string `json:"jwks_uri"`
			}
			if err := json.Unmarshal(get(t, issuer, tt.disc).body, &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Issuer != tt.url || doc.JWKS != tt.jwks {
				t.Errorf("document names issuer %q and jwks_uri %q", doc.Issuer, doc.JWKS)
			}
			if g := get(t, issuer, tt.jwks); g.status != http.StatusOK {
				t.Errorf("key set: status %d", g.status)
			}
			if n := issuer.Requests(); n.Discovery != 1 || n.JWKS != 1 {
				t.Errorf("requests %+v, want one of each", n)
			}
		})
	}
}

func TestDiscoveryDocument(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithPath("/a"), jwkstest.WithAlgorithms("ES256", "EdDSA", "ES256"))
	document := func() map[string]any {
		g := get(t, issuer, discoveryURL(issuer))
		if ct := g.header.Get("Content-Type"); g.status != http.StatusOK || ct != "application/json" {
			t.Fatalf("status %d, Content-Type %q", g.status, ct)
		}
		var doc map[string]any
		if err := json.Unmarshal(g.body, &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	want := map[string]any{
		"issuer":                                issuer.URL(),
		"jwks_uri":                              issuer.JWKSURL(),
		"authorization_endpoint":                issuer.URL() + "/authorize",
		"token_endpoint":                        issuer.URL() + "/token",
		"response_types_supported":              []any{"code"},
		"subject_types_supported":               []any{"public"},
		"id_token_signing_alg_values_supported": []any{"ES256", "EdDSA"},
	}
	if doc := document(); !reflect.DeepEqual(doc, want) {
		t.Errorf("got  %v\nwant %v", doc, want)
	}

	for _, kid := range []string{"k1", "k3", "k2"} {
		issuer.RemoveKey(kid)
	}
	algs := document()["id_token_signing_alg_values_supported"]
	if !reflect.DeepEqual(algs, []any{"EdDSA"}) { // k2, removed last, still signs
		t.Errorf("algorithms without keys: %v, want those of the key that signs", algs)
	}
}

func TestTemplateAnswersForAnyTenant(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithPath("/{tenantid}/v2.0"), jwkstest.WithAlgorithms("ES256"))
	const host = "https://issuer.jwkstest.example"
	if want := host + "/{tenantid}/v2.0"; issuer.URL() != want {
		t.Errorf("URL %q, want %q", issuer.URL(), want)
	}
	tests := []struct {
		path   string
		status int
	}{
		{"/{tenantid}/v2.0/.well-known/openid-configuration", 200},
		{"/%7Btenantid%7D/v2.0/.well-known/openid-configuration", 200},
		{"/common/v2.0/.well-known/openid-configuration", 200},
		{"/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/jwks", 200},
		{"/{tenantid}/v2.0/jwks", 200},
		{"/a/b/v2.0/jwks", 404},
		{"//v2.0/jwks", 404},
		{"/v2.0/jwks", 404},
		{"/common/jwks", 404},
		{"/common/v2.0/jwks/x", 404},
	}
	for _, tt := range tests {
		g := get(t, issuer, host+tt.path)
		if g.status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.path, g.status, tt.status)
		}
		if strings.HasSuffix(tt.path, "configuration") && !strings.Contains(string(g.body), `"issuer":"`+issuer.URL()+`"`) {
			t.Errorf("%s: the document does not name the template: %s", tt.path, g.body)
		}
	}

	deeper := small(t, jwkstest.WithPath("/x/{tenantid}"))
	for path, status := range map[string]int{"/x/t/jwks": 200, "/y/t/jwks": 404, "/x/jwks": 404} {
		if g := get(t, deeper, host+path); g.status != status {
			t.Errorf("%s below /x: status %d, want %d", path, g.status, status)
		}
	}

	for name, tt := range map[string]struct {
		claims map[string]any
		iss    any
	}{
		"tid fills the template":   {map[string]any{"tid": "t1"}, host + "/t1/v2.0"},
		"no tid":                   {nil, issuer.URL()},
		"tid of another type":      {map[string]any{"tid": 1}, issuer.URL()},
		"empty tid":                {map[string]any{"tid": ""}, issuer.URL()},
		"iss given":                {map[string]any{"tid": "t1", "iss": "x"}, "x"},
		"iss left out despite tid": {map[string]any{"tid": "t1", "iss": nil}, nil},
	} {
		if _, claims := decode(t, issuer.Sign(tt.claims)); claims["iss"] != tt.iss {
			t.Errorf("%s: iss %v, want %v", name, claims["iss"], tt.iss)
		}
	}
}

func TestBadOptions(t *testing.T) {
	tests := map[string]struct {
		opt  jwkstest.Option
		says string
	}{
		"unknown algorithm":    {jwkstest.WithAlgorithms("RS256", "HS256"), `unknown algorithm "HS256"`},
		"none":                 {jwkstest.WithAlgorithms("none"), `unknown algorithm "none"`},
		"no algorithm":         {jwkstest.WithAlgorithms(), "no algorithm"},
		"path with a query":    {jwkstest.WithPath("/a?b"), `WithPath: "/a?b"`},
		"path with a fragment": {jwkstest.WithPath("/a#b"), `WithPath: "/a#b"`},
		"path that is broken":  {jwkstest.WithPath("/%zz"), `WithPath: "/%zz"`},
		"base without scheme":  {jwkstest.WithBaseURL("issuer.example"), `WithBaseURL`},
		"base of another kind": {jwkstest.WithBaseURL("ftp://issuer.example"), `"ftp://issuer.example"`},
		"base without host":    {jwkstest.WithBaseURL("https:///"), `"https:///"`},
		"base with a path":     {jwkstest.WithBaseURL("https://issuer.example/a"), `"https://issuer.example/a"`},
		"base with a query":    {jwkstest.WithBaseURL("https://issuer.example?a"), `"https://issuer.example?a"`},
		"base with user info":  {jwkstest.WithBaseURL("https://a@issuer.example"), `"https://a@issuer.example"`},
		"base that is broken":  {jwkstest.WithBaseURL("https://a b"), `"https://a b"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := panicOf(func() { jwkstest.Start(tt.opt) })
			if got == nil || !strings.Contains(fmt.Sprint(got), tt.says) {
				t.Errorf("Start panics with %v, want a word of %q", got, tt.says)
			}
			tb := &fakeTB{}
			panicOf(func() { jwkstest.New(tb, tt.opt) })
			if !strings.Contains(fmt.Sprint(tb.fatal...), tt.says) {
				t.Errorf("New calls Fatal with %v, want a word of %q", tb.fatal, tt.says)
			}
		})
	}
}

func TestAllBadOptionsAreReported(t *testing.T) {
	got := fmt.Sprint(panicOf(func() {
		jwkstest.Start(jwkstest.WithAlgorithms("X"), jwkstest.WithPath("?"), jwkstest.WithBaseURL(""))
	}))
	for _, name := range []string{"WithAlgorithms", "WithPath", "WithBaseURL"} {
		if !strings.Contains(got, name) {
			t.Errorf("%q does not name %s", got, name)
		}
	}
}

func TestCloseStopsServing(t *testing.T) {
	issuer := small(t)
	key := keyNamed(t, publishedKeys(t, issuer), "k1")
	before := issuer.Requests()
	issuer.Close()
	issuer.Close() // twice is fine

	for _, url := range []string{issuer.JWKSURL(), discoveryURL(issuer), issuer.URL()} {
		_, err := send(t, issuer.HTTPClient(), http.MethodGet, url)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v, want connection refused", url, err)
		}
	}
	if n := issuer.Requests(); n != before {
		t.Errorf("requests %+v after Close, %+v before", n, before)
	}
	if err := signedBy(t, issuer.Sign(nil), key, "ES256"); err != nil {
		t.Errorf("a token signed after Close: %v", err)
	}
}

func TestNewClosesWithTheTest(t *testing.T) {
	tb := &fakeTB{}
	issuer := jwkstest.New(tb, jwkstest.WithAlgorithms("ES256"))
	get(t, issuer, issuer.JWKSURL())
	tb.finish()
	if _, err := send(t, issuer.HTTPClient(), http.MethodGet, issuer.JWKSURL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the test: %v, want connection refused", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	issuer := small(t)
	client := issuer.HTTPClient()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				kid := issuer.Rotate()
				issuer.Sign(map[string]any{"aud": "a"}, jwkstest.WithKeyID(kid))
				issuer.SetCacheControl("no-store")
				issuer.SetFault(jwkstest.Status(503))
				issuer.SetJWKSFault(jwkstest.None())
				if resp, err := client.Get(issuer.JWKSURL()); err == nil {
					resp.Body.Close()
				}
				issuer.RemoveKey(kid)
				issuer.Requests()
			}
		})
	}
	wg.Wait()
	if n := issuer.Requests(); n.JWKS != 20 {
		t.Errorf("%d requests for the key set, want 20", n.JWKS)
	}
	issuer.SetFault(jwkstest.None())
	if ids := kids(t, issuer); !slices.Equal(ids, []string{"k1"}) {
		t.Errorf("keys %v, want k1", ids)
	}
}
