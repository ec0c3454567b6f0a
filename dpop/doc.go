// Package dpop checks proofs of possession on the server side (RFC 9449, DPoP):
// a token that is bound to a key is accepted only from a sender who has the key.
//
//	func protect(verifier *jwks.Verifier, next http.Handler) (http.Handler, error) {
//		proofs, err := dpop.New()
//		if err != nil {
//			return nil, err
//		}
//		return jwkshttp.Middleware(verifier, jwkshttp.WithProof(proofs.Proof))(next), nil
//	}
//
// For each request the sender signs a short JWT, the proof, which names the
// method, the URL and the token, and sends it in the header field DPoP. The
// token's "cnf" has the thumbprint of the key (section 6.1).
//
// # What a proof must be
//
// These are the checks of section 4.3, in the order in which they are made. The token is
// verified first, so strangers cannot make a service spend time on proofs.
//
//	the scheme is DPoP, not Bearer                       7.1, else invalid_token
//	exactly one header field DPoP, at most 16 KiB        check 1
//	one JWT of strict base64url, without "crit"          check 2
//	typ is dpop+jwt                                      check 4
//	alg is asymmetric and one of WithAlgorithms          check 5
//	jwk is a public key that alg may be used with        check 7, no private member
//	jwk is the key that the token is bound to            check 12
//	jti, htm, htu, iat, ath are there, nothing twice     check 3
//	htm is the request's method                          check 8
//	htu is the request's URL without query and fragment  check 9, RFC 3986 section 6.2
//	iat is at most 60 s old and 5 s ahead                check 11, WithMaxAge
//	ath is the token's hash                              check 12
//	the signature verifies with jwk                      check 6
//	nonce is one of ours, if there are nonces            check 10, else use_dpop_nonce
//	it was not seen before                               section 11.1, WithReplayStore
//
// # Errors
//
// An error of Prove matches [jwks.ErrTokenInvalid] and [jwks.ErrProofRequired],
// or [jwks.ErrUnavailable] if the proof could not be judged because the replay store is
// full or fails. The texts say what was expected and contain nothing from a proof or a
// token. Package jwkshttp makes the challenges of section 7.1 from these errors.
package dpop
