package frameworks

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/seed-22400188/jwks/jwkshttp"
)

// Gin is a service on gin.
func Gin(verifier jwkshttp.TokenVerifier) http.Handler {
	g := gin.New()
	g.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	protected := g.Group("", wrapGin(jwkshttp.Middleware(verifier, jwkshttp.WithErrorHandler(Problem))))
	protected.GET("/hello", func(c *gin.Context) {
		token, _ := jwkshttp.TokenFromContext(c.Request.Context())
		c.String(http.StatusOK, "hello "+token.Subject())
	})
	return g
}

// wrapGin makes net/http middleware one of gin. What the middleware does not
// let through ends here.
func wrapGin(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
