// Package jwkshttp verifies tokens in front of net/http handlers, and answers requests
// that do not pass as RFC 6750 (OAuth 2.0 Bearer Token Usage) describes.
//
//	func things(w http.ResponseWriter, r *http.Request) {
//		token, _ := jwkshttp.TokenFromContext(r.Context())
//		fmt.Fprintln(w, "the things of", token.Subject())
//	}
//
//	func routes(verifier *jwks.Verifier) http.Handler {
//		protect := jwkshttp.Middleware(verifier, jwkshttp.RequireScopes("read"))
//		mux := http.NewServeMux()
//		mux.Handle("GET /things", protect(http.HandlerFunc(things)))
//		return mux
//	}
//
// To test a protected handler use package jwkstest, which signs real tokens.
//
// # Requests and answers
//
// These are the answers of a middleware that requires the scope "read". If a row
// names an option, the middleware has that option too; "header, cookie" stands for
// WithExtractors(FromHeader("X-Token"), FromCookie("token")).
//
//	request                                               answer
//	--------------------------------------------------------------------------
//	a valid token with the scope                          served
//	bearer in lower case, several spaces                  served
//	no Authorization header                               no token
//	an empty Authorization header                         no token
//	another scheme                                        no token
//	a token without a scheme                              no token
//	a token in the query only                             no token
//	a token in a form body only                           no token
//	a token in a cookie only                              no token
//	OPTIONS without a token                               no token
//	two Authorization headers, both valid                 invalid_request
//	two Authorization headers, another scheme first       invalid_request
//	Bearer without a token                                invalid_request
//	two tokens, comma-joined                              invalid_request
//	two credentials, comma-joined                         invalid_request
//	two credentials, comma-joined, another scheme first   invalid_request
//	a comma before the scheme                             invalid_request
//	a comma after the token                               invalid_request
//	anything after the token                              invalid_request
//	a tab in place of the space                           invalid_request
//	a character that no token has                         invalid_request
//	not a JWT                                             invalid_token
//	a forged signature                                    invalid_token
//	an expired token                                      invalid_token
//	another audience                                      invalid_token
//	another issuer                                        invalid_token
//	a token longer than 16 KiB                            invalid_token
//	a valid token without the scope                       insufficient_scope
//	any token while the keys are unavailable              unavailable
//	no token while the keys are unavailable               no token
//	an error of neither class from a TokenVerifier        broken
//	neither token nor error from a TokenVerifier          broken
//	an error of neither class from an Extractor           invalid_request
//	header, cookie: valid in the header                   served
//	header, cookie: valid in the cookie                   served
//	header, cookie: valid in both                         served
//	header, cookie: valid, then invalid                   served
//	header, cookie: invalid, then valid                   invalid_token
//	header, cookie: malformed, then valid                 invalid_request
//	header, cookie: the header twice                      invalid_request
//	header, cookie: the cookie twice                      invalid_request
//	header, cookie: both empty                            no token
//	AllowAnonymous: no token where a scope is required    no token
//	AllowAnonymous, no scopes: no token                   served without token
//	AllowAnonymous, no scopes: another scheme             served without token
//	AllowAnonymous, no scopes: an invalid token           invalid_token
//	AllowAnonymous, no scopes: two Authorization headers  invalid_request
//	SkipPaths("/docs/"): GET /docs/a                      served without token
//	SkipPaths("/docs/"): GET /docs/../a                   no token
//	SkipPaths("/docs/"): GET /docs/..%2Fa                 no token
//	SkipPaths("/docs/"): GET /docs//a                     no token
//	SkipPaths("/docs/"): GET /docs/..;/a                  no token
//	SkipPaths("/docs/"): GET /docs                        no token
//
// Several places are searched in order, and the first that has anything
// decides. Form bodies and queries are not searched (RFC 6750 sections 2.2 and
// 2.3 advise against them); an [Extractor] of your own may search them.
//
// The answers, with the status text as the body unless [WithErrorHandler] says
// otherwise:
//
//	answer                status  WWW-Authenticate
//	--------------------------------------------------------------------------
//	served                200     -
//	served without token  200     -
//	no token              401     Bearer scope="read"
//	invalid_request       400     Bearer error="invalid_request", error_description="The request must carry exactly one well-formed token"
//	invalid_token         401     Bearer error="invalid_token", error_description="The token is expired, malformed or not valid here"
//	insufficient_scope    403     Bearer error="insufficient_scope", error_description="The token lacks a required scope", scope="read"
//	unavailable           503     -
//	broken                500     -
//
// [WithRealm] and [WithResourceMetadata] add their parameters to each of
// these challenges. The descriptions are fixed texts: callers are not told which issuers
// are trusted, which keys exist or what was wrong with a token. Only the error handler
// and the log are.
//
// If [RequireClaim] or [Require] refuses a valid token, the answer is also 403, but
// without a challenge; [RequireAnyScope] answers like [RequireScopes].
//
// "Unavailable" is not a verdict on the token. There is no challenge, which would make
// clients discard their tokens: an issuer that cannot be reached logs nobody out.
// Retry-After says when the next attempt is due, if that is known.
//
// A page of another origin, whose request has an Origin header, may read
// WWW-Authenticate, Retry-After and DPoP-Nonce: the answer lists them in
// Access-Control-Expose-Headers. For the rest of CORS, put a middleware in front.
//
// [WithLogger] logs each refusal, [OnRefusal] passes it to a function, and
// [EndAtExpiry] ends streams together with their token.
//
// Refusals have no Cache-Control, except those with a nonce: caches do not keep responses
// with these statuses unless told to (RFC 9111 section 4.2.2, RFC 9110 section
// 15.1).
//
// # Tokens bound to a key
//
// With [WithProof], a token that is bound to a key (RFC 7800) passes if its sender
// proves possession of that key. Package dpop checks DPoP proofs, and adds the
// scheme DPoP to Bearer; [ClientCertificate] is for mutual TLS and adds no scheme.
// These are the answers with proofs of package dpop:
//
//	request                                               status  WWW-Authenticate
//	--------------------------------------------------------------------------
//	no credentials                                        401     DPoP algs="…", and Bearer
//	an invalid token with the scheme Bearer               401     Bearer error="invalid_token", and DPoP algs="…"
//	an invalid token with the scheme DPoP                 401     DPoP error="invalid_token", algs="…"
//	a bound token as Bearer, an unbound one as DPoP       401     DPoP error="invalid_token", algs="…"
//	a proof that is missing, wrong or used before         401     DPoP error="invalid_dpop_proof", algs="…"
//	a proof without a valid nonce, where there are nonces 401     DPoP error="use_dpop_nonce", algs="…" and DPoP-Nonce
//	the scope is missing, with the scheme DPoP            403     DPoP error="insufficient_scope", scope="…", algs="…"
//	the replay store is full or fails                     503     -
package jwkshttp
