package jwkstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// exampleT stands in for the *testing.T that an example does not have.
type exampleT struct{ fakeTB }

func ExampleNew() {
	var t exampleT // in a test, its *testing.T
	defer t.finish()

	issuer := jwkstest.New(&t, jwkstest.WithAlgorithms("ES256"), jwkstest.WithPath("/tenant-a"))
	fmt.Println(issuer.URL())

	resp, err := issuer.HTTPClient().Get(issuer.JWKSURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, issuer.Requests().JWKS)
	// Output:
	// https://issuer.jwkstest.example/tenant-a
	// 200 OK 1
}

func ExampleStart() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("EdDSA"))
	defer issuer.Close()

	token := issuer.Sign(map[string]any{"aud": "my-api", "scope": "read"})

	// A verifier comes here; this only looks.
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		fmt.Println(err)
		return
	}
	claims := parsed.Claims.(jwt.MapClaims)
	fmt.Println(parsed.Header["alg"], parsed.Header["kid"], claims["iss"], claims["sub"], claims["aud"])
	// Output: EdDSA k1 https://issuer.jwkstest.example user my-api
}

func ExampleIssuer_Rotate() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	signer := func(token string) any {
		parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
		if err != nil {
			return err
		}
		return parsed.Header["kid"]
	}

	fmt.Println(signer(issuer.Sign(nil)))
	kid := issuer.Rotate() // from now on this key signs, and both are published
	fmt.Println(kid, signer(issuer.Sign(nil)))
	issuer.RemoveKey("k1") // an old token still can be made, for a verifier to refuse
	fmt.Println(signer(issuer.Sign(nil, jwkstest.WithKeyID("k1"))))
	// Output:
	// k1
	// k2 k2
	// k1
}

func ExampleIssuer_SetFault() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	fetch := func() {
		resp, err := issuer.HTTPClient().Get(issuer.JWKSURL())
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, strings.Contains(string(body), `"kid":"k1"`))
	}

	issuer.SetFault(jwkstest.Status(http.StatusServiceUnavailable))
	fetch()
	issuer.SetFault(jwkstest.DropConnection())
	fetch()
	issuer.SetFault(jwkstest.None())
	fetch()
	fmt.Println(issuer.Requests().JWKS, "requests")
	// Output:
	// 503 false
	// Get "https://issuer.jwkstest.example/jwks": jwkstest: connection dropped: unexpected EOF
	// 200 true
	// 3 requests
}

// An issuer is named after its address, and the server's address is known
// only once it listens: make the server first, give it the handler, start it.
func ExampleIssuer_Handler() {
	server := httptest.NewUnstartedServer(nil)
	issuer := jwkstest.Start(
		jwkstest.WithAlgorithms("ES256"),
		jwkstest.WithBaseURL("http://"+server.Listener.Addr().String()),
	)
	defer issuer.Close()
	server.Config.Handler = issuer.Handler()
	server.Start() // for StartTLS, let the base URL be https
	defer server.Close()

	resp, err := server.Client().Get(issuer.URL() + "/.well-known/openid-configuration")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, issuer.URL() == server.URL)
	// Output: 200 OK true
}

func ExampleIssuer_Verifier() {
	var t exampleT // in a test, its *testing.T
	defer t.finish()

	issuer := jwkstest.New(&t, jwkstest.WithAlgorithms("ES256"))
	verifier := issuer.Verifier(&t, jwks.WithAudience("my-api"))
	for _, claims := range []map[string]any{
		{"aud": "my-api", "exp": time.Now().Add(time.Minute)},
		{"aud": "my-api", "exp": time.Now().Add(-time.Minute)},
	} {
		_, err := verifier.Verify(context.Background(), issuer.Sign(claims))
		fmt.Println(errors.Is(err, jwt.ErrTokenExpired))
	}
	// Output:
	// false
	// true
}

func ExampleHTTPClient() {
	a := jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://a.example"))
	defer a.Close()
	b := jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://b.example"))
	defer b.Close()

	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuers(a.URL(), b.URL()),
		jwks.WithClientOptions(jwks.WithHTTPClient(jwkstest.HTTPClient(a, b))),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()
	for _, issuer := range []*jwkstest.Issuer{a, b} {
		key, err := issuers.KeyForToken(context.Background(), issuer.Sign(nil))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(key.ID(), key.Issuer())
	}
	// Output:
	// k1 https://a.example
	// k1 https://b.example
}
