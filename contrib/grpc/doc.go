// Package jwksgrpc verifies the bearer tokens of gRPC calls.
//
//	client, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
//	opts := []jwksgrpc.Option{
//		jwksgrpc.Public("/grpc.health.v1.Health/*"),
//		jwksgrpc.RequireScopes("/shop.Orders/Cancel", "orders:write"),
//	}
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(jwksgrpc.UnaryServerInterceptor(verifier, opts...)),
//		grpc.ChainStreamInterceptor(jwksgrpc.StreamServerInterceptor(verifier, opts...)),
//	)
//
// In a method, TokenFromContext returns the token.
//
// Both interceptors are needed: gRPC calls one or the other, by the kind of the
// method.
//
// # Calls and answers
//
// The token is in the metadata "authorization", after "Bearer ".
//
//	call                                              code
//	----------------------------------------------------------------------
//	a valid token                                     served
//	no authorization, or another scheme               Unauthenticated
//	two authorization values, or a malformed one      Unauthenticated
//	an invalid or expired token                       Unauthenticated
//	a valid token that lacks a scope                  PermissionDenied
//	any token while the keys are unavailable          Unavailable
//	the caller gave up meanwhile                      Canceled, DeadlineExceeded
//	an error of neither class from a TokenVerifier    Internal
//	a stream whose token expires                      Unauthenticated
//
// The texts are fixed: callers are not told which issuers are trusted or what was wrong
// with a token. An interceptor outside these finds the reason in the error, which
// matches, with errors.Is and errors.As, what Verify returned.
//
// Unavailable is not a verdict on the token. It says when to retry, twice:
// as RetryInfo in the details of the status, for people and for clients that
// read it, and as the trailer grpc-retry-pushback-ms, which is all that the
// retries of gRPC's own clients obey (gRPC proposal A6).
//
// # What gRPC does before an interceptor
//
//   - It decodes the message of a unary call. A caller without a token can make
//     the server read as much as grpc.MaxRecvMsgSize allows, 4 MiB by default. A
//     grpc.InTapHandle sees the metadata first and may refuse a call that has
//     none; it runs on the goroutine that reads the connection, so it must not
//     verify there. The examples have one.
//   - It answers calls of unknown methods with Unimplemented, with or without a token.
//     With grpc.UnknownServiceHandler they come to the stream interceptor instead.
package jwksgrpc
