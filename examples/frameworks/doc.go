// Package frameworks shows tokens verified in front of the handlers of chi,
// gin, echo and fiber, an error handler that answers with problem details (RFC
// 9457), and how a protected handler is tested.
//
// Whatever takes net/http middleware takes jwkshttp.Middleware as it is; gin
// needs ten lines around it, and fiber, which is not built on net/http, calls
// jwkshttp.BearerToken and Verify itself.
package frameworks
