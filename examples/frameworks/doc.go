// Package frameworks shows tokens verified in front of the handlers of chi,
// gin, echo and fiber, an error handler that answers with problem details (RFC
// 9457), and how a protected handler is tested.
//
// Frameworks that accept net/http middleware use jwkshttp.Middleware as it is. For gin
// it takes ten lines around it, and fiber, which is not built on net/http, calls
// jwkshttp.BearerToken and Verify itself.
package frameworks
