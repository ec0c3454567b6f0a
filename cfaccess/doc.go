// Package cfaccess verifies the tokens of Cloudflare Access, for services that
// stand behind it. A team name and an application audience are all it needs:
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
// kept and rotated as package jwks does it.
//
// # Where the token is
//
// Access puts the token of every request that it lets through into the header
// Cf-Access-Jwt-Assertion, and a browser sends it in the cookie
// CF_Authorization besides. The middleware looks into the header and then into
// the cookie; the first that holds anything decides. Nothing else that Access
// adds is read: the header Cf-Access-Authenticated-User-Email in particular is
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
// Each answer is the one of that name in the table of package jwkshttp, whose
// TokenFromContext works behind this middleware too.
//
// # Who the visitor is
//
// A person has a subject and an e-mail address. A service token has neither,
// but a common name: the client ID that ends in ".access". Both are valid
// visitors, so a service that is for people only asks for the e-mail.
//
// Groups and the like are not in the token. [Validator.Identity] asks Access
// for them, once the token has verified.
//
// The e-mail is what the identity provider said at login. [User].Subject stays
// with one e-mail address within one team; it changes when the user is removed
// from the team and added again.
package cfaccess
