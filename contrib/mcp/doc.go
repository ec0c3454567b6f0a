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
// A client that comes without a token is told where the metadata is, finds the
// authorization server there, logs in and comes back with a token for the
// resource (MCP specification, Authorization; RFC 9728). These strings have to
// agree: the URL that clients dial, the resource in the metadata, the place of the
// metadata in the challenge, and the patterns of the mux. All follow from
// Resource.
//
// # Why two middlewares
//
// [Protect] puts package jwkshttp outside and the SDK's RequireBearerToken inside,
// which reads what jwkshttp verified.
//
//   - The SDK's alone answers 500 or 401 when the keys are unavailable, with the
//     text of the error in the body, and clients that get 401 log in anew. Here
//     it is 503, and sessions survive.
//   - jwkshttp alone leaves the SDK without a TokenInfo: tools do not know who
//     calls, and a session answers to anybody with a valid token and its ID.
//     Here a session belongs to the user who began it, and another is answered
//     403.
//
// # Tools
//
// In a tool take the token from the request, [Token] of req.Extra.TokenInfo. The
// context is that of the request that began the session, and has the token of that
// one: perhaps expired long ago, perhaps with other scopes.
package jwksmcp
