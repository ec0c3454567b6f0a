// Package cfaccess verifies the tokens of Cloudflare Access, for services
// behind it. It needs only a team name and the audience of an application:
//
//	func hello(w http.ResponseWriter, r *http.Request) {
//		user, _ := cfaccess.UserFromContext(r.Context())
//		fmt.Fprintln(w, "hello", user.Email)
//	}
//
//	func routes() (http.Handler, error) {
//		access, err := cfaccess.New("my-team", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2")
//		if err != nil {
//			return nil, err
//		}
//		return access.Middleware()(http.HandlerFunc(hello)), nil
//	}
//
// The issuer is https://my-team.cloudflareaccess.com, its keys are at
// /cdn-cgi/access/certs there, and a token must be meant for the audience: the
// "AUD tag" that the dashboard shows for the application. Keys are fetched,
// kept and refreshed as in package jwks.
//
// # Where the token is
//
// Access puts the token of every request that it lets through into the header
// Cf-Access-Jwt-Assertion, and browsers also send it in the cookie
// CF_Authorization. The middleware looks into the header and then into
// the cookie; the first that has anything decides. Nothing else that Access
// adds is read. In particular, the header Cf-Access-Authenticated-User-Email is
// not signed.
//
//	request                                               answer
//	--------------------------------------------------------------------------
//	a valid token in the header                           served
//	a valid token in the cookie                           served
//	a valid token in both                                 served
//	valid in the header, invalid in the cookie            served
//	invalid in the header, valid in the cookie            401 invalid_token
//	a service token in the header                         served
//	no token                                              401 no token
//	a valid token in Authorization only                   401 no token
//	an e-mail in Cf-Access-Authenticated-User-Email only  401 no token
//	a token of another team                               401 invalid_token
//	a token for another application                       401 invalid_token
//	an expired token                                      401 invalid_token
//	two token headers                                     400 invalid_request
//	two tokens in one header                              400 invalid_request
//	two token cookies and no header                       400 invalid_request
//	a valid token while the keys are unavailable          503 unavailable
//	SkipPaths("/healthz"): GET /healthz                   served without user
//	SkipPaths("/healthz"): GET //healthz                  401 no token
//	WithDevUser: no token                                 served as the development user
//	WithDevUser: a valid token                            served
//	WithDevUser: an invalid token                         401 invalid_token
//	WithDevUser: two token headers                        400 invalid_request
//	WithDevUser: SkipPaths("/healthz"): GET /healthz      served without user
//
// Package jwkshttp describes each of these answers. Its TokenFromContext works behind this
// middleware too.
//
// # Who the visitor is
//
// A person has a subject and an e-mail address. A service token has neither of them,
// but a common name: a client ID that ends in ".access". Both are valid
// visitors, so a service that is only for people must require the e-mail address.
//
// Groups and the like are not in the token. [Validator.Identity] requests them from Access
// once the token has verified.
//
// The e-mail address is the one that the identity provider reported at login.
// [User].Subject stays the same for an e-mail address within a team; it changes when the
// user is removed from the team and added again.
package cfaccess
