package jwksmcp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
)

// TestOptions_Places follows one resource through all four strings.
func TestOptions_Places(t *testing.T) {
	tests := []struct{ resource, pattern, metadata string }{
		{"https://mcp.example/mcp", "/.well-known/oauth-protected-resource/mcp", "https://mcp.example/.well-known/oauth-protected-resource/mcp"},
		{"https://mcp.example:8443/a/b", "/.well-known/oauth-protected-resource/a/b", "https://mcp.example:8443/.well-known/oauth-protected-resource/a/b"},
		{"https://mcp.example", "/.well-known/oauth-protected-resource", "https://mcp.example/.well-known/oauth-protected-resource"},
		{"https://mcp.example/", "/.well-known/oauth-protected-resource", "https://mcp.example/.well-known/oauth-protected-resource"},
		{"https://mcp.example/mcp/", "/.well-known/oauth-protected-resource/mcp/{$}", "https://mcp.example/.well-known/oauth-protected-resource/mcp/"},
		{"https://mcp.example/a%20b", "/.well-known/oauth-protected-resource/a%20b", "https://mcp.example/.well-known/oauth-protected-resource/a%20b"},
		{"http://localhost:9000/mcp", "/.well-known/oauth-protected-resource/mcp", "http://localhost:9000/.well-known/oauth-protected-resource/mcp"},
	}
	for _, tt := range tests {
		t.Run(tt.resource, func(t *testing.T) {
			o := options
			o.Resource = tt.resource
			pattern, _, err := jwksmcp.Metadata(o)
			if err != nil || pattern != tt.pattern {
				t.Fatalf("pattern %q, %v, want %q", pattern, err, tt.pattern)
			}
			mux := protected(t, failing(jwks.ErrTokenInvalid), o)
			w := httptest.NewRecorder()
			request := httptest.NewRequest("POST", tt.resource, nil)
			request.URL.Path = "/" + strings.TrimPrefix(request.URL.Path, "/") // as clients send it
			mux.ServeHTTP(w, request)
			want := `resource_metadata="` + tt.metadata + `"`
			if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.Contains(got, want) {
				t.Errorf("the resource answers %d with %q, want %s", w.Code, got, want)
			}
			w = httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", tt.metadata, nil))
			var m struct {
				Resource             string   `json:"resource"`
				AuthorizationServers []string `json:"authorization_servers"`
				Scopes               []string `json:"scopes_supported"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != 200 {
				t.Fatalf("the metadata answers %d, %v", w.Code, err)
			}
			if m.Resource != tt.resource || len(m.AuthorizationServers) != 1 || len(m.Scopes) != 1 {
				t.Errorf("the metadata say %+v, want resource %q", m, tt.resource)
			}
		})
	}
}

func TestOptions_Mistakes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*jwksmcp.Options)
		want   string
	}{
		{"nothing", func(o *jwksmcp.Options) { *o = jwksmcp.Options{} }, "Resource"},
		{"a path", func(o *jwksmcp.Options) { o.Resource = "/mcp" }, "Resource"},
		{"a host", func(o *jwksmcp.Options) { o.Resource = "mcp.example" }, "Resource"},
		{"another scheme", func(o *jwksmcp.Options) { o.Resource = "ftp://mcp.example/mcp" }, "Resource"},
		{"no host", func(o *jwksmcp.Options) { o.Resource = "https:///mcp" }, "Resource"},
		{"not a URL", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/%zz" }, "Resource"},
		{"a query", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/mcp?x=1" }, "query"},
		{"an empty query", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/mcp?" }, "query"},
		{"a fragment", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/mcp#x" }, "fragment"},
		{"user info", func(o *jwksmcp.Options) { o.Resource = "https://u:p@mcp.example/mcp" }, "user info"},
		{"a path that a mux redirects", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/a/../mcp" }, "no mux"},
		{"a path that is a wildcard", func(o *jwksmcp.Options) { o.Resource = "https://mcp.example/{mcp}" }, "no mux"},
		{"an authorization server that is a name", func(o *jwksmcp.Options) { o.AuthorizationServers = []string{"login"} }, "AuthorizationServers"},
		{"two scopes in one", func(o *jwksmcp.Options) { o.Scopes = []string{"a b"} }, "Scopes"},
	}
	for _, tt := range tests {
		o := options
		tt.change(&o)
		_, protect := jwksmcp.Protect(failing(nil), o)
		_, _, metadata := jwksmcp.Metadata(o)
		mount := jwksmcp.Mount(http.NewServeMux(), failing(nil), o, http.NotFoundHandler())
		for what, err := range map[string]error{"Protect": protect, "Metadata": metadata, "Mount": mount} {
			if !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %s: %v, want ErrConfig with %q", tt.name, what, err, tt.want)
			}
		}
	}
	if _, err := jwksmcp.Protect((*jwks.Verifier)(nil), options); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("a nil verifier: %v", err)
	}
	o := options
	o.AuthorizationServers = nil
	if _, _, err := jwksmcp.Metadata(o); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("metadata without an authorization server: %v", err)
	}
	if _, err := jwksmcp.Protect(failing(nil), o); err != nil {
		t.Errorf("Protect needs none, but: %v", err)
	}
}
