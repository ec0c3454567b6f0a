// Package jwksconnect verifies the bearer tokens of connect services: of the
// Connect, gRPC and gRPC-Web protocols alike.
//
//	client, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
//	auth := jwksconnect.AuthFunc(verifier,
//		jwksconnect.Public("/grpc.health.v1.Health/*"),
//		jwksconnect.RequireScopes("/shop.Orders/Cancel", "orders:write"),
//	)
//
// The function has the shape that connectrpc.com/authn takes: pass it to
// authn.NewMiddleware, wrap the mux, and authn.GetInfo(ctx) has the *jwks.Token
// in a method. authn runs in front of the handlers, so a call is refused before
// its message is read. This package does not import it; the example has the dozen
// lines that stand in for it.
//
// # Calls and answers
//
//	call                                              code               HTTP
//	-------------------------------------------------------------------------
//	a valid token                                     served             200
//	no token, or another scheme                       unauthenticated    401
//	two authorization headers, or a malformed one     unauthenticated    401
//	an invalid or expired token                       unauthenticated    401
//	a valid token that lacks a scope                  permission_denied  403
//	any token while the keys are unavailable          unavailable        503
//	the caller gave up meanwhile                      canceled, deadline_exceeded
//	an error of neither class from a TokenVerifier    internal           500
//
// HTTP stands for unary calls of the Connect protocol, which also carry
// WWW-Authenticate (RFC 6750 section 3) and Retry-After as headers. gRPC and
// gRPC-Web would send them as trailers, where nobody looks for a challenge, so
// they get none. Unavailable says when to come back in the RetryInfo of its
// details, whatever the protocol.
//
// Texts are fixed: which issuers are trusted and what was wrong with a token
// stay on the server, where errors.Is and errors.As find them in the error.
package jwksconnect
