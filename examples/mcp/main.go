// Command mcp is a server of the Model Context Protocol whose tools know their
// caller. Its test goes the whole way with the SDK's own client: from the first
// 401 through the metadata and a login to a tool, and through an outage of the
// identity provider.
//
//	go run . -resource https://mcp.example.com/mcp -issuer https://login.example.com -listen :8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func main() {
	resource := flag.String("resource", "", "the URL of the endpoint as clients dial it")
	issuer := flag.String("issuer", "", "the issuer of the tokens")
	listen := flag.String("listen", "localhost:8080", "address to listen on, behind something that speaks TLS")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *resource, *issuer, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, resource, issuer, listen string) error {
	keys, err := jwks.NewClient(jwks.WithIssuer(issuer), jwks.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }()
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience(resource))
	if err != nil {
		return err
	}
	handler, err := newHandler(verifier, jwksmcp.Options{
		Resource:             resource,
		AuthorizationServers: []string{issuer},
		Scopes:               []string{"notes:read"},
		Logger:               slog.Default(),
	})
	if err != nil {
		return err
	}
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newHandler serves the endpoint and its metadata.
func newHandler(v jwkshttp.TokenVerifier, o jwksmcp.Options) (http.Handler, error) {
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "whose notes these are"}, whoAmI)
	mcp.AddTool(server, &mcp.Tool{Name: "delete", Description: "delete all notes"}, deleteNotes)

	mux := http.NewServeMux()
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	if err := jwksmcp.Mount(mux, v, o, handler); err != nil {
		return nil, err
	}
	return mux, nil
}

func whoAmI(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	token, ok := jwksmcp.Token(request.Extra.TokenInfo)
	if !ok {
		return nil, nil, errors.New("no token")
	}
	return text("you are %s", token.Subject()), nil, nil
}

// deleteNotes needs a scope that the other tools do not.
func deleteNotes(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	if token, ok := jwksmcp.Token(request.Extra.TokenInfo); !ok || !token.HasScopes("notes:write") {
		return nil, nil, errors.New("the token lacks the scope notes:write")
	}
	return text("deleted"), nil, nil
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
