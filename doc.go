// Package jwks fetches the keys that issuers sign JSON Web Tokens with, keeps
// them fresh, and verifies tokens with them.
//
// # The path of a token
//
//	token → header → issuer → key set → key → verified claims
//
// A [Verifier] takes a token through nine steps, each of which sees only what
// it needs; an error ends the way:
//
//  1. size       at most 16 KiB                                    [WithMaxTokenSize]
//  2. form       three segments of strict base64url                RFC 7515 section 7.1
//  3. header     a JSON object, no duplicates, no "crit"           RFC 7515 section 4
//  4. algorithm  on the verifier's list                            [WithAlgorithms]
//  5. issuer     trusted, where there are several                  [Issuers]
//  6. keys       by kid, x5t#S256, x5t, or the only one that fits  [KeySource]
//  7. signature  by a key that allows the algorithm                RFC 7515 section 5.2
//  8. claims     a JSON object, no duplicates, types checked       RFC 7519 section 4
//  9. policy     issuer, audience, times, and your own checks      [VerifierOption]
//
// # Three ways in
//
// A [Verifier] leaves nothing out:
//
//	client, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
//	token, err := verifier.Verify(ctx, r.Header.Get("Authorization"))
//
// A keyfunc, where golang-jwt already parses the tokens:
//
//	token, err := jwt.Parse(text, client.Keyfunc, jwt.WithAudience("orders-api"), jwt.WithExpirationRequired())
//
// A middleware, in front of a handler (package jwkshttp):
//
//	handler = jwkshttp.Middleware(verifier)(handler)
//
// [NewClient] serves one issuer and [NewIssuers] many; both do no I/O and
// start no goroutine. For unit tests, package jwkstest is an issuer without a
// network. Package cfaccess is for Cloudflare Access.
//
// # Errors
//
// Every error is of one of two classes: [ErrTokenInvalid], the caller's fault
// (HTTP 401), or [ErrUnavailable], it could not be decided (HTTP 503). Below
// the class stands the reason:
//
//	ErrTokenInvalid                     ErrUnavailable
//	  ErrKeyNotFound (source answered)    ErrKeyNotFound (source could not be asked)
//	  ErrIssuerNotTrusted                 ErrIssuerMismatch
//	  ErrAlgorithmNotAllowed              ErrInvalidKeySet
//	  ErrUnsupportedCritical              ErrInvalidMetadata
//	  ErrTokenTooLarge                    ErrClosed
//	  jwt.ErrTokenMalformed               *FetchError
//	  jwt.ErrTokenSignatureInvalid        context.Canceled
//	  jwt.ErrTokenExpired                 context.DeadlineExceeded
//	  jwt.ErrTokenNotValidYet
//	  jwt.ErrTokenUsedBeforeIssued
//	  jwt.ErrTokenInvalidAudience
//	  jwt.ErrTokenInvalidIssuer
//	  jwt.ErrTokenRequiredClaimMissing
//
// # Freshness
//
// One policy, in one place, decides what a lookup does:
//
//	state             the key is there               the key is not there
//	empty             wait for a fetch               wait for a fetch
//	fresh (15 min)    answer at once; from 80 % on   fetch if the budget allows
//	                  refresh in the background      (5, one more each 30 s), else refuse
//	stale (1 h more)  wait for a fetch; while the    wait for a fetch; while the
//	                  source fails, answer at once   source fails, ErrUnavailable
//	expired           as empty                       as empty
//
// After a failure nobody waits for the network until a backoff has passed (1 s
// doubling to 60 s, with full jitter, raised by Retry-After). Concurrent
// lookups share one fetch, which runs on a context of its own; each waits
// under the caller's. A key that the issuer removed is refused at most one TTL
// and one fetch (15 s) later while the issuer answers, and [WithMaxStale]
// later while it does not.
//
// # What holds whatever comes in
//
//  1. No input panics, or allocates more than a small multiple of its limit.
//  2. Nothing is decoded, looked up or fetched for a token over the limit.
//  3. A token has one text: strict base64url, no padding, no stray bits, no
//     line breaks.
//  4. Header and claims are JSON objects in valid UTF-8 without duplicate
//     members, at most 64 deep, with names compared exactly.
//  5. "crit" and "b64" refuse the token; "jku", "x5u", "jwk" and "x5c" in a
//     token are never read.
//  6. Only configured algorithms pass; "none" and HS256 and its kin cannot be
//     configured.
//  7. The key decides: its type, curve, "alg", "use" and "key_ops" must fit.
//  8. RSA has 2048 to 8192 bits, an odd modulus without the ROCA fingerprint
//     and an odd exponent from 3; EC points are full length and on the curve;
//     Ed25519 points are not of small order.
//  9. A PSS salt is as long as the hash; ECDSA signatures have the exact
//     length; ES256, ES384 and ES512 go with P-256, P-384 and P-521.
//  10. A key of one issuer never verifies a token of another.
//  11. A token's content never forms a URL, except under [TrustAnyIssuer] and
//     [TrustIssuerFunc]; an issuer that is not trusted costs no I/O.
//  12. Issuer and audience are compared byte for byte, and both must be
//     decided on when the verifier is made.
//  13. "exp" is required unless opted out by name; times are finite numbers.
//  14. The signature is verified before any claim is interpreted or shown; with
//     an error there is no token.
//  15. Claims never land in memory that was filled before the signature was
//     verified.
//  16. One bad key never costs another, and a bad document changes nothing.
//  17. A removed key is unusable after the TTL and one fetch, plus max-stale
//     while the issuer fails, plus the retention if one was set.
//  18. Unknown kids and bad signatures cost a bounded number of fetches,
//     whatever their rate, and do not slow tokens with known kids.
//  19. Concurrent misses share one fetch; one caller's cancellation hurts
//     nobody else.
//  20. Fetches are https, of 200 or 304, bounded in size, time and redirects,
//     without cookies; a cut body is an error.
//  21. The discovery document's issuer equals the configured one before its
//     "jwks_uri" is used.
//  22. Private and symmetric keys in a set are never used, and are reported.
//  23. Errors and logs hold no token, signature or key; foreign text in them
//     is quoted and cut to 64 bytes.
//  24. Keys in a set, candidates for a token, remembered misses, issuers and
//     cached tokens are bounded.
//  25. A jump of the wall clock neither expires keys nor keeps them.
//  26. Everything is safe for concurrent use; no constructor starts a
//     goroutine, and Close leaves none.
package jwks
