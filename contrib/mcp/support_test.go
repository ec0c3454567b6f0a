package jwksmcp_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// options are those of a server that requires a scope.
var options = jwksmcp.Options{
	Resource:             "https://mcp.example/mcp",
	AuthorizationServers: []string{"https://issuer.jwkstest.example"},
	Scopes:               []string{"mcp"},
}

// newIssuer starts an issuer whose signatures are cheap.
func newIssuer(t testing.TB, opts ...jwkstest.Option) *jwkstest.Issuer {
	t.Helper()
	return jwkstest.New(t, append([]jwkstest.Option{jwkstest.WithAlgorithms("ES256")}, opts...)...)
}

// newVerifier makes a verifier of an issuer's tokens for the resource, with
// options of the client and of the verifier.
func newVerifier(t testing.TB, issuer *jwkstest.Issuer, opts ...any) *jwks.Verifier {
	t.Helper()
	ofClient := []jwks.ClientOption{jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient())}
	ofVerifier := []jwks.VerifierOption{jwks.WithAudience(options.Resource)}
	for _, o := range opts {
		switch o := o.(type) {
		case jwks.ClientOption:
			ofClient = append(ofClient, o)
		case jwks.VerifierOption:
			ofVerifier = append(ofVerifier, o)
		default:
			t.Fatalf("newVerifier: an option of type %T", o)
		}
	}
	client, err := jwks.NewClient(ofClient...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, ofVerifier...)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// sign makes a token for the resource with its scope.
func sign(issuer *jwkstest.Issuer, claims map[string]any) string {
	all := map[string]any{"aud": options.Resource, "scope": "mcp"}
	maps.Copy(all, claims)
	return issuer.Sign(all)
}

// verify returns the verified token.
func verify(t testing.TB, v *jwks.Verifier, token string) *jwks.Token {
	t.Helper()
	verified, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return verified
}

// protected is a server with one tool, which says who calls.
func protected(t testing.TB, v jwkshttp.TokenVerifier, o jwksmcp.Options) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	if err := jwksmcp.Mount(mux, v, o, streamable()); err != nil {
		t.Fatal(err)
	}
	return mux
}

func streamable() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		who := "nobody"
		if token, ok := jwksmcp.Token(r.Extra.TokenInfo); ok {
			who = token.Subject() + ", token " + token.ID()
		}
		if token, ok := jwkshttp.TokenFromContext(ctx); ok {
			who += ", in the context token " + token.ID()
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: who}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// initialize begins a session, call is a tool call in it.
const (
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	call       = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
)

// post sends a message the way that clients do.
func post(h http.Handler, body, token, session string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", options.Resource, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("MCP-Protocol-Version", "2025-06-18")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// verifierFunc is a TokenVerifier.
type verifierFunc func(ctx context.Context, token string) (*jwks.Token, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	return f(ctx, token)
}

// failing is a verifier that always returns err.
func failing(err error) jwkshttp.TokenVerifier {
	return verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, err })
}
