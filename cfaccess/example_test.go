package cfaccess_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/jwkstest"
)

// exampleTeam is a fake team: in a service there is only cfaccess.New.
func exampleTeam() (*jwkstest.Issuer, *cfaccess.Validator) {
	team := jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://my-team.cloudflareaccess.com"))
	validator, err := cfaccess.New("my-team", "my-audience",
		cfaccess.WithHTTPClient(team.HTTPClient()),
		cfaccess.WithClientOptions(jwks.WithJWKSURL(team.JWKSURL())))
	if err != nil {
		panic(err)
	}
	return team, validator
}

func ExampleNew() {
	validator, err := cfaccess.New("my-team", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer validator.Close()

	_, err = cfaccess.New("my-team.cloudflareaccess.com", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2")
	fmt.Println(errors.Is(err, jwks.ErrConfig))
	// Output: true
}

func ExampleValidator_Middleware() {
	team, validator := exampleTeam()
	defer team.Close()
	defer validator.Close()

	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := cfaccess.UserFromContext(r.Context())
		fmt.Fprint(w, "hello ", user.Email)
	})
	service := validator.Middleware(cfaccess.SkipPaths("GET /healthz"))(hello)

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(cfaccess.Header, team.Sign(map[string]any{"aud": "my-audience", "email": "alice@example.com"}))
	w := httptest.NewRecorder()
	service.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)

	w = httptest.NewRecorder()
	service.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code)
	// Output:
	// 200 hello alice@example.com
	// 401
}

func ExampleValidator_VerifyEmail() {
	team, validator := exampleTeam()
	defer team.Close()
	defer validator.Close()

	email, err := validator.VerifyEmail(context.Background(), team.Sign(map[string]any{"aud": "my-audience", "email": "alice@example.com"}))
	fmt.Println(email, err)

	_, err = validator.VerifyEmail(context.Background(), team.Sign(map[string]any{"aud": "my-audience", "sub": "", "common_name": "ci.access"}))
	fmt.Println(errors.Is(err, cfaccess.ErrNoEmail))
	// Output:
	// alice@example.com <nil>
	// true
}
