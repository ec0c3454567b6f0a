// Package awsalb verifies what an AWS Application Load Balancer says about a
// user it has signed in, for services behind it. It needs only the ARN of the load
// balancer:
//
//	alb, err := awsalb.New([]string{"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"})
//	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
//		identity, err := alb.Verify(r.Context(), r.Header.Get(awsalb.Header))
//		if err != nil {
//			http.Error(w, "no", jwkshttp.StatusCode(err))
//			return
//		}
//		fmt.Fprintln(w, "hello", identity.Email)
//	})
//
// The load balancer puts a token into the header x-amzn-oidc-data of each
// request that it lets through. The token looks like a JWT but is not quite one: its
// segments are base64url with padding, its expiry and issuer are in its header,
// and each key is PEM at a separate URL. A [jwks.Verifier] therefore
// refuses it, and this package exists. The format is described at
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html.
//
// # What is checked
//
//	1  size       at most 16 KiB
//	2  form       three segments of base64url with all of its padding
//	3  header     a JSON object, no duplicates, no "crit", exp is a number
//	4  algorithm  ES256
//	5  signer     exactly one of the ARNs given to New
//	6  key        kid is a UUID; its key is fetched once and kept
//	7  signature  by that key
//	8  claims     a JSON object, no duplicates, sub is a string
//	9  expiry     exp of the header, with 30 s for clocks that differ
//
// Nothing is fetched before step 6, so a token that is forged otherwise causes no
// request. Forged key IDs cause at most 10 requests, and one more each second.
//
// A load balancer may have several rules that sign users in, each with its own issuer
// and client. [Identity] has both, verified; a service that is for users of one rule only
// must compare them.
//
// The other two headers, x-amzn-oidc-identity and x-amzn-oidc-accesstoken, are
// not signed by the load balancer; the second may be a JWT of the issuer's, for a
// [jwks.Verifier].
//
// # Errors
//
// As everywhere in this module, each error belongs to one of two classes, and
// jwkshttp.StatusCode knows the status: [jwks.ErrTokenInvalid], 401, and
// [jwks.ErrUnavailable], 503, if the key could not be fetched.
package awsalb
