// Package jwksconnect verifies the bearer tokens of connect services, with the
// Connect, gRPC and gRPC-Web protocols.
//
//	client, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
//	auth := jwksconnect.AuthFunc(verifier,
//		jwksconnect.Public("/grpc.health.v1.Health/*"),
//		jwksconnect.RequireScopes("/shop.Orders/Cancel", "orders:write"),
//	)
//
// The function has the type that connectrpc.com/authn expects: pass it to
// authn.NewMiddleware and wrap the mux. In a method, authn.GetInfo(ctx) returns the
// *jwks.Token. authn runs in front of the handlers, so a call is refused before
// its message is read. This package does not import authn; the example shows the dozen
// lines that replace it.
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
// The column HTTP is for unary calls of the Connect protocol, whose answers also have
// WWW-Authenticate (RFC 6750 section 3) and Retry-After as headers. gRPC and
// gRPC-Web would send these as trailers, where no client looks for a challenge, so
// they get none. With every protocol, unavailable says when to retry in the RetryInfo of its
// details.
//
// The texts are fixed: callers are not told which issuers are trusted or what was wrong
// with a token. On the server, errors.Is and errors.As find the reason in the error.
package jwksconnect
