// Package jwks fetches the public keys of token issuers, keeps them fresh, and
// verifies JSON Web Tokens (JWTs) with them.
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
// A keyfunc, if golang-jwt already parses your tokens:
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
// [NewClient] is for one issuer and [NewIssuers] for many. Make them once and keep
// them: they do no I/O and start no goroutine. For unit tests, package jwkstest
// has an issuer that needs no network.
//
// Three packages fetch keys that are published in other ways: jwkskube those of the
// Kubernetes cluster that the program runs in, awsalb those of AWS load balancers, and
// cfaccess those of Cloudflare Access.
//
// # Options
//
// Most programs need [WithIssuer], [WithAudience] and [WithLogger].
//
// Where the keys are: [WithIssuer], [WithJWKSURL], [WithDiscoveryURL],
// [WithKeyFile], [WithKeySet]. Which other issuer names are accepted:
// [WithIssuerAliases], [WithTenants]; for many issuers [TrustIssuers], [TrustIssuer]
// and [TrustIssuerFunc].
//
// How the keys are fetched: [WithHTTPClient] or [WithTLSConfig], [WithHeader],
// [WithTimeout]; inside a private network [AllowInsecureHTTP] and
// [WithLocalURLRewrite].
//
// How long the keys are trusted: [WithTTL], [WithMaxStale], [WithRetention],
// [WithRefreshLimit]. How to watch them: [WithLogger], [WithObserver], [Client.Status].
//
// What a token must contain: [WithAudience], [WithAlgorithms], [WithLeeway],
// [WithClientID], [WithClaim], [WithRequiredClaims], [WithTokenTypes],
// [WithAccessTokenProfile], [WithCheck]; separate rules for each issuer:
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
// [Verifier.Explain] reports what happens to a token at each step. Nothing is
// fetched before step 6, and no claim is interpreted before step 8, except that
// several issuers are told apart by the unverified "iss". SECURITY.md lists the
// rules that hold for every input, each with its test.
//
// # Errors
//
// An error of a lookup or a verification belongs to exactly one of two classes:
// [ErrTokenInvalid], the token is bad (HTTP 401), or [ErrUnavailable], the token could not
// be judged (HTTP 503). Constructors return [ErrConfig], which belongs to neither. Below
// each class are the reasons, which [errors.Is] and [errors.As] find too:
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
// One policy decides what a lookup does, depending on the age of the key set:
//
//	state             the key is there               the key is not there
//	empty             wait for a fetch               wait for a fetch
//	fresh (15 min)    answer at once; from 80 % on   fetch if the budget allows
//	                  refresh in the background      (5, one more each 30 s), else refuse
//	stale (1 h more)  wait for a fetch; while the    wait for a fetch; while the
//	                  source fails, answer at once   source fails, ErrUnavailable
//	expired           as empty                       as empty
//
// After a failure, no lookup waits for the network until a backoff has passed
// (1 s doubling to 60 s, with full jitter, raised by Retry-After). Concurrent
// lookups share one fetch, which has its own context; each lookup waits only as long
// as its caller's context allows. A key that the issuer removed is refused at most one
// TTL and one fetch (15 s) later while the issuer answers, and at most [WithMaxStale]
// after that while it does not. This also holds behind HTTP caches, which are asked for an
// answer no older than the TTL; the server's headers can only bring the next refresh
// forward. With [WithStore] a set outlives the process and is shared by replicas: all times
// then count from when it was fetched, whichever process fetched it.
package jwks
