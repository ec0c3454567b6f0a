// Package jwks fetches the keys that issuers sign JSON Web Tokens with, keeps
// them fresh, and verifies tokens with them.
//
// # Three ways to use it
//
// A [Verifier] checks everything:
//
//	client, err := jwks.NewClient(jwks.WithIssuer("https://login.example.com/"))
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
//	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
//		token, err := verifier.Verify(r.Context(), r.Header.Get("Authorization"))
//		if err != nil {
//			http.Error(w, "no", jwkshttp.StatusCode(err))
//			return
//		}
//		fmt.Fprintln(w, "hello", token.Subject())
//	})
//
// A keyfunc, where golang-jwt already parses the tokens:
//
//	func parse(client *jwks.Client, text string) (*jwt.Token, error) {
//		return jwt.Parse(text, client.Keyfunc, jwt.WithAudience("orders-api"), jwt.WithExpirationRequired())
//	}
//
// A middleware, in front of a handler (package jwkshttp):
//
//	func protect(verifier *jwks.Verifier, next http.Handler) http.Handler {
//		return jwkshttp.Middleware(verifier)(next)
//	}
//
// [NewClient] serves one issuer and [NewIssuers] many. Make them once and keep
// them: both do no I/O and start no goroutine. For unit tests, package jwkstest
// is an issuer without a network.
//
// Some keys are in places of their own: package jwkskube knows those of the
// Kubernetes cluster that it runs in, awsalb those of AWS load balancers, and
// cfaccess those of Cloudflare Access.
//
// # Options, in the order that a reader needs
//
// Most programs need [WithIssuer], [WithAudience] and [WithLogger].
//
// Where the keys are: [WithIssuer], [WithJWKSURL], [WithDiscoveryURL],
// [WithKeyFile], [WithKeySet]. Whose tokens are accepted as well: [WithIssuerAliases],
// [WithTenants]; for many issuers [TrustIssuers], [TrustIssuer] and
// [TrustIssuerFunc].
//
// How they are fetched: [WithHTTPClient] or [WithTLSConfig], [WithHeader],
// [WithTimeout]; inside a private network [AllowInsecureHTTP] and
// [WithLocalURLRewrite].
//
// How long they count: [WithTTL], [WithMaxStale], [WithRetention],
// [WithRefreshLimit]. Who is told: [WithLogger], [WithObserver], [Client.Status].
//
// What a token must be: [WithAudience], [WithAlgorithms], [WithLeeway],
// [WithClientID], [WithClaim], [WithRequiredClaims], [WithTokenTypes],
// [WithAccessTokenProfile], [WithCheck]; for each issuer by rules of its own,
// [ForIssuer]. Options that give something up say so in their names: [WithoutAudienceCheck],
// [WithoutIssuerCheck], [WithoutExpiry], [WithoutTimeChecks].
//
// # The path of a token
//
// A [Verifier] takes a token through ten steps and stops at the first error:
//
//	1  size       at most 16 KiB                                    WithMaxTokenSize
//	2  form       three segments of strict base64url                RFC 7515 section 7.1
//	3  header     a JSON object, no duplicates, no "crit"           RFC 7515 section 4
//	4  algorithm  on the verifier's list                            WithAlgorithms
//	5  issuer     trusted, where there are several                  Issuers
//	6  keys       by kid, x5t#S256, x5t, else those that fit alg   KeySource
//	7  signature  by a key that allows the algorithm                RFC 7515 section 5.2
//	8  claims     a JSON object, no duplicates, types checked       RFC 7519 section 4
//	9  policy     issuer, audience, times, and more                 VerifierOption
//	10 proof      of a token bound to a key; then your own checks   Proof, WithCheck
//
// [Verifier.Explain] reports what becomes of a token at each of them. Nothing is
// fetched before step 6, and no claim is interpreted before step 8, except that
// several issuers are told apart by the unverified "iss". What holds whatever comes
// in is listed in SECURITY.md, each rule with its test.
//
// # Errors
//
// Every error is of one of two classes: [ErrTokenInvalid], the token is bad
// (HTTP 401), or [ErrUnavailable], the token could not be judged (HTTP 503). Below the
// class stands the reason:
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
//	  ErrProofRequired
//
// # Freshness
//
// One policy decides what a lookup does:
//
//	state             the key is there               the key is not there
//	empty             wait for a fetch               wait for a fetch
//	fresh (15 min)    answer at once; from 80 % on   fetch if the budget allows
//	                  refresh in the background      (5, one more each 30 s), else refuse
//	stale (1 h more)  wait for a fetch; while the    wait for a fetch; while the
//	                  source fails, answer at once   source fails, ErrUnavailable
//	expired           as empty                       as empty
//
// After a failure no lookup waits for the network until a backoff has passed
// (1 s doubling to 60 s, with full jitter, raised by Retry-After). Concurrent
// lookups share one fetch, which runs on a context of its own; each waits under
// its caller's. A key that the issuer removed is refused at most one TTL and one
// fetch (15 s) later while the issuer answers, and [WithMaxStale] later while it
// does not. That holds behind caches on the way, which are asked for an answer
// within the TTL; the server's own headers only bring the next refresh forward.
// [WithStore] lets a set outlive the process, and replicas share it: all of this
// counts from when it was fetched, whoever fetched it.
package jwks
