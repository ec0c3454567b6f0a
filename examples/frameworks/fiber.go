package frameworks

import (
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/seed-22400188/jwks/jwkshttp"
)

// Fiber is a service on fiber, which has no *http.Request.
func Fiber(verifier jwkshttp.TokenVerifier) *fiber.App {
	app := fiber.New()
	app.Get("/healthz", func(c fiber.Ctx) error { return c.SendString("ok") })
	app.Use(requireToken(verifier))
	app.Get("/hello", func(c fiber.Ctx) error {
		token, _ := jwkshttp.TokenFromContext(c.Context())
		return c.SendString("hello " + token.Subject())
	})
	return app
}

// requireToken is what jwkshttp.Middleware does, in fiber's terms.
func requireToken(verifier jwkshttp.TokenVerifier) fiber.Handler {
	return func(c fiber.Ctx) error {
		var r http.Request // BearerToken looks at this header only
		r.Header = http.Header{}
		for _, value := range c.Request().Header.PeekAll(fiber.HeaderAuthorization) {
			r.Header.Add("Authorization", string(value)) // a copy: fiber uses its memory again
		}
		raw, err := jwkshttp.BearerToken(&r)
		if err != nil {
			return refuse(c, err)
		}
		token, err := verifier.Verify(c.Context(), raw)
		if err != nil {
			return refuse(c, err)
		}
		c.SetContext(jwkshttp.ContextWithToken(c.Context(), token))
		return c.Next()
	}
}

func refuse(c fiber.Ctx, err error) error {
	status := jwkshttp.StatusCode(err)
	if status == http.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer") // RFC 9110 section 15.5.2 requires one
	}
	return c.Status(status).JSON(problemFor(err), problemType)
}
