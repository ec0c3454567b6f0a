package jwksmcp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/oauth2"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A server with one tool that greets the user of the token.
func Example() {
	issuer := jwkstest.Start() // stands for your identity provider
	defer issuer.Close()

	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	defer web.Close()
	o := jwksmcp.Options{
		Resource:             web.URL + "/mcp", // in a program: what clients dial, "https://mcp.example.com/mcp"
		AuthorizationServers: []string{issuer.URL()},
		Scopes:               []string{"greet"},
	}
	keys, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience(o.Resource))
	if err != nil {
		log.Fatal(err)
	}

	server := mcp.NewServer(&mcp.Implementation{Name: "greeter", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet"}, greet)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	if err := jwksmcp.Mount(mux, verifier, o, handler); err != nil {
		log.Fatal(err)
	}

	// A client that has a token already.
	token := issuer.Sign(map[string]any{"aud": o.Resource, "sub": "alice", "scope": "greet"})
	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{
		Endpoint:             o.Resource,
		OAuthHandler:         holder{token},
		DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: "greet"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output:
	// hello alice
}

func greet(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	token, ok := jwksmcp.Token(request.Extra.TokenInfo) // and not the context, see the package documentation
	if !ok || !token.HasScopes("greet") {
		return nil, nil, fmt.Errorf("not allowed")
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello " + token.Subject()}}}, nil, nil
}

// holder is an OAuthHandler that cannot log in again.
type holder struct{ token string }

func (h holder) TokenSource(context.Context) (oauth2.TokenSource, error) {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: h.token}), nil
}

func (h holder) Authorize(_ context.Context, _ *http.Request, r *http.Response) error {
	_ = r.Body.Close()
	return fmt.Errorf("the server answered %s", r.Status)
}

var _ auth.OAuthHandler = holder{}
