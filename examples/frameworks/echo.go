package frameworks

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/seed-22400188/jwks/jwkshttp"
)

// Echo is a service on echo, which wraps net/http middleware.
func Echo(verifier jwkshttp.TokenVerifier) http.Handler {
	e := echo.New()
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	protected := e.Group("", echo.WrapMiddleware(jwkshttp.Middleware(verifier, jwkshttp.WithErrorHandler(Problem))))
	protected.GET("/hello", func(c echo.Context) error {
		token, _ := jwkshttp.TokenFromContext(c.Request().Context())
		return c.String(http.StatusOK, "hello "+token.Subject())
	})
	return e
}
