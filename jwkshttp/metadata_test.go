package jwkshttp_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestResourceMetadataHandlerAnswers(t *testing.T) {
	h := jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{
		Resource:             "https://api.example",
		AuthorizationServers: []string{"https://issuer.example"},
		ScopesSupported:      []string{},
	})
	const document = `{"resource":"https://api.example","authorization_servers":["https://issuer.example"]}`
	for _, test := range []struct {
		method       string
		status       int
		origin, body string
	}{
		{"GET", 200, "*", document},
		{"HEAD", 200, "*", ""},
		{"OPTIONS", 204, "*", ""},
		{"POST", 405, "", "Method Not Allowed\n"},
		{"DELETE", 405, "", "Method Not Allowed\n"},
	} {
		w := answer(h, httptest.NewRequest(test.method, "/.well-known/oauth-protected-resource", nil))
		header := w.Header()
		if w.Code != test.status || w.Body.String() != test.body || header.Get("Access-Control-Allow-Origin") != test.origin {
			t.Errorf("%s: %d %q with origin %q, want %d %q with %q", test.method, w.Code, w.Body, header.Get("Access-Control-Allow-Origin"), test.status, test.body, test.origin)
		}
		if test.status == 200 && (header.Get("Content-Type") != "application/json" || header.Get("ETag") == "") {
			t.Errorf("%s: header %v", test.method, header)
		}
		if got := header.Get("Allow"); test.status != 200 && got != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: Allow %q", test.method, got)
		}
	}

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("If-None-Match", answer(h, httptest.NewRequest("GET", "/", nil)).Header().Get("ETag"))
	if w := answer(h, r); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d %q, want 304", w.Code, w.Body)
	}
}

// TestResourceMetadataHasTheNamesOfRFC9728 (section 2).
func TestResourceMetadataHasTheNamesOfRFC9728(t *testing.T) {
	one := []string{"x"}
	h := jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{
		Resource: "https://x", AuthorizationServers: one, JWKSURI: "x", ScopesSupported: one,
		BearerMethodsSupported: one, ResourceSigningAlgValuesSupported: one, ResourceName: "x",
		ResourceDocumentation: "x", ResourcePolicyURI: "x", ResourceTOSURI: "x",
		TLSClientCertificateBoundAccessTokens: true, AuthorizationDetailsTypesSupported: one,
		DPoPSigningAlgValuesSupported: one, DPoPBoundAccessTokensRequired: true, SignedMetadata: "x",
	})
	var got map[string]any
	if err := json.Unmarshal(answer(h, httptest.NewRequest("GET", "/", nil)).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"resource", "authorization_servers", "jwks_uri", "scopes_supported",
		"bearer_methods_supported", "resource_signing_alg_values_supported", "resource_name",
		"resource_documentation", "resource_policy_uri", "resource_tos_uri",
		"tls_client_certificate_bound_access_tokens", "authorization_details_types_supported",
		"dpop_signing_alg_values_supported", "dpop_bound_access_tokens_required", "signed_metadata"}
	if len(got) != len(want) {
		t.Errorf("%d members, want %d: %v", len(got), len(want), got)
	}
	for _, name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("no member %s", name)
		}
	}
}

// TestResourceMetadataHandlerServesWhatItWasGiven: not what the caller's slice
// says later.
func TestResourceMetadataHandlerServesWhatItWasGiven(t *testing.T) {
	servers := []string{"https://issuer.example"}
	h := jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{Resource: "https://api.example", AuthorizationServers: servers})
	before := answer(h, httptest.NewRequest("GET", "/", nil)).Body.String()
	servers[0] = "https://evil.example"
	if after := answer(h, httptest.NewRequest("GET", "/", nil)).Body.String(); after != before {
		t.Errorf("the document became %s", after)
	}
}
