// Package jwksmcp protects a server of the Model Context Protocol that is built
// with github.com/modelcontextprotocol/go-sdk.
//
//	o := jwksmcp.Options{
//		Resource:             "https://mcp.example.com/mcp", // what clients dial
//		AuthorizationServers: []string{"https://login.example.com"},
//		Scopes:               []string{"mcp"},
//	}
//	client, err := jwks.NewClient(jwks.WithIssuer(o.AuthorizationServers[0]))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience(o.Resource))
//	server := mcp.NewServer(&mcp.Implementation{Name: "greeter", Version: "1"}, nil)
//	mux := http.NewServeMux()
//	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
//	err = jwksmcp.Mount(mux, verifier, o, handler)
//
// A client without a token is told where the metadata is, finds the
// authorization server there, logs in and returns with a token for the
// resource (MCP specification, Authorization; RFC 9728). These strings have to
// agree: the URL that clients dial, the resource in the metadata, the URL of the
// metadata in the challenge, and the patterns of the mux. All are derived from
// Resource.
//
// # Why two middlewares
//
// [Protect] puts package jwkshttp outside and the SDK's RequireBearerToken inside,
// which reads what jwkshttp verified.
//
//   - The SDK's middleware alone answers 500 or 401 when the keys are unavailable, with the
//     text of the error in the body, and clients that get 401 log in again. Here
//     the answer is 503, and sessions survive.
//   - jwkshttp alone gives the SDK no TokenInfo: tools do not know their
//     caller, and a session can be used by anybody with a valid token and the session's ID.
//     Here a session belongs to the user who began it, and other users get 403.
//
// # Tools
//
// In a tool, take the token from the request: [Token] of req.Extra.TokenInfo. The
// context is that of the request that began the session, and has the token of that
// request, which may have expired or may have other scopes.
package jwksmcp
