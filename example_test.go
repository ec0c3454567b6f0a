package jwks_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// The issuer of these examples lives in memory. A service names its own, and
// needs no HTTP client option.

func ExampleNewClient() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()

	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithTTL(10*time.Minute),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	if err := client.Ready(context.Background()); err != nil { // optional: load the keys before the first token
		fmt.Println(err)
		return
	}
	status := client.Status()
	fmt.Println(status.State, status.KeyIDs)
	// Output: fresh [k1]
}

func ExampleNewVerifier() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	text := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api", "tenant": "blue"})
	token, err := verifier.Verify(context.Background(), "Bearer "+text)
	if err != nil {
		fmt.Println(err)
		return
	}
	var claims struct {
		Tenant string `json:"tenant"`
	}
	if err := token.Claims(&claims); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject(), claims.Tenant)
	// Output: alice blue
}

// Every option that is wrong or missing is reported at once.
func ExampleNewVerifier_undecided() {
	client, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/keys"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = jwks.NewVerifier(client, jwks.WithAlgorithms("HS256"))
	fmt.Println(errors.Is(err, jwks.ErrConfig))
	// Output: true
}

func ExampleVerifier_Verify() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	status := func(text string) int {
		switch _, err := verifier.Verify(context.Background(), text); {
		case err == nil:
			return 200
		case errors.Is(err, jwks.ErrUnavailable): // the token may be fine
			return 503
		default:
			return 401
		}
	}

	fmt.Println("good:", status(issuer.Sign(map[string]any{"aud": "orders-api"})))
	fmt.Println("for somebody else:", status(issuer.Sign(map[string]any{"aud": "billing-api"})))
	issuer.SetFault(jwkstest.Status(503))
	issuer.Rotate()
	fmt.Println("new key, issuer down:", status(issuer.Sign(map[string]any{"aud": "orders-api"})))
	// Output:
	// good: 200
	// for somebody else: 401
	// new key, issuer down: 503
}

func ExampleClient_Keyfunc() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	text := issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api"})
	token, err := jwt.Parse(text, client.Keyfunc, jwt.WithAudience("orders-api"), jwt.WithExpirationRequired())
	if err != nil {
		fmt.Println(err)
		return
	}
	subject, _ := token.Claims.GetSubject()
	fmt.Println(subject, token.Valid)
	// Output: alice true
}

// A key set from a file, and no network at all.
func ExampleParseKeySet() {
	set, err := jwks.ParseKeySet([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"2026","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"oct","kid":"oops","k":"c2VjcmV0"}
	]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for key := range set.All() {
		fmt.Println("key", key.ID(), key.Algorithms())
	}
	for _, entry := range set.Skipped() {
		fmt.Println("left out", entry.KeyID+":", entry.Err)
	}
	// Output:
	// key 2026 [EdDSA Ed25519]
	// left out oops: symmetric member "k" published
}

// A PEM text has no key IDs: tokens are verified with the keys that allow their
// algorithm.
func ExampleParsePEM() {
	keys, err := jwks.ParsePEM([]byte(`-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for key := range keys.All() {
		fmt.Println(key.Type(), key.Algorithms())
	}
	// Output: OKP [EdDSA Ed25519]
}

func ExampleNewKeySet() {
	public := ed25519.NewKeyFromSeed(make([]byte, 32)).Public() // your partner's
	keys, err := jwks.NewKeySet(jwks.PublicKey{ID: "partner", Key: public})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = jwks.NewVerifier(keys, jwks.WithExpectedIssuer("https://partner.example"), jwks.WithAudience("orders-api"))
	fmt.Println(keys.Len(), err)
	// Output: 1 <nil>
}

// While one source is down, the keys of the others verify.
func ExampleAnyOf() {
	a, b := jwkstest.Start(jwkstest.WithBaseURL("https://a.example")), jwkstest.Start(jwkstest.WithBaseURL("https://b.example"))
	defer a.Close()
	defer b.Close()
	var sources []jwks.KeySource
	for _, issuer := range []*jwkstest.Issuer{a, b} {
		client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer client.Close()
		sources = append(sources, client)
	}
	verifier, err := jwks.NewVerifier(jwks.AnyOf(sources...), jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	a.SetFault(jwkstest.Status(503))
	_, err = verifier.Verify(context.Background(), b.Sign(map[string]any{"aud": "orders-api"}))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClaimsAs() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	token, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{
		"aud": "orders-api", "scope": "orders:read", "roles": []string{"clerk", "auditor"},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := jwks.ClaimsAs[struct {
		Roles []string `json:"roles"`
	}](token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Roles, token.HasScopes("orders:read"), token.HasScopes("orders:write"))
	// Output: [clerk auditor] true false
}

// A check of the program's own. An error that matches ErrUnavailable would say
// that it could not be decided.
func ExampleWithCheck() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	errRevoked := errors.New("token is revoked")
	revoked := map[string]bool{"token-7": true}
	verifier, err := jwks.NewVerifier(client,
		jwks.WithAudience("orders-api"),
		jwks.WithRequiredClaims("jti"),
		jwks.WithCheck(func(_ context.Context, t *jwks.Token) error {
			if revoked[t.ID()] {
				return errRevoked
			}
			return nil
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(context.Background(), issuer.Sign(map[string]any{"aud": "orders-api", "jti": "token-7"}))
	fmt.Println(err)
	fmt.Println(errors.Is(err, errRevoked), errors.Is(err, jwks.ErrTokenInvalid))
	// Output:
	// jwks: token invalid: check: "token is revoked"
	// true true
}

// tenants are two issuers in memory, and the HTTP client that reaches both. A
// service needs neither.
func tenants() (blue, green *jwkstest.Issuer, client *http.Client) {
	blue = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://blue.example"))
	green = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://green.example"))
	client = &http.Client{Transport: hosts{"blue.example": blue, "green.example": green}}
	return blue, green, client
}

// hosts are issuers by host.
type hosts map[string]*jwkstest.Issuer

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	return h[r.URL.Host].HTTPClient().Transport.RoundTrip(r)
}

func ExampleNewIssuers() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()

	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuers(blue.URL()),                                    // found by discovery
		jwks.TrustIssuer(green.URL(), jwks.WithJWKSURL(green.JWKSURL())), // without it
		jwks.WithClientOptions(jwks.WithHTTPClient(client)),              // for all of them
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()
	verifier, err := jwks.NewVerifier(issuers, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	// Both have a key "k1". The token's "iss" says whose it has to be.
	for _, text := range []string{
		blue.Sign(map[string]any{"aud": "orders-api"}),
		green.Sign(map[string]any{"aud": "orders-api"}),
		green.Sign(map[string]any{"aud": "orders-api", "iss": blue.URL()}),
		green.Sign(map[string]any{"aud": "orders-api", "iss": "https://red.example"}),
	} {
		if token, err := verifier.Verify(context.Background(), text); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(token.Issuer(), token.Key().ID())
		}
	}
	// Output:
	// https://blue.example k1
	// https://green.example k1
	// jwks: token invalid: the signature does not verify with key "k1"
	// jwks: token invalid: issuer "https://red.example" is not trusted
}

func ExampleTrustIssuerFunc() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()

	customers := map[string]bool{blue.URL(): true} // in a service: a table of its database
	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
			if !customers[issuer] {
				return nil, jwks.ErrIssuerNotTrusted // 401; any other error is 503
			}
			return nil, nil
		}),
		jwks.WithClientOptions(jwks.WithHTTPClient(client)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()

	for _, text := range []string{blue.Sign(nil), green.Sign(nil)} {
		key, err := issuers.KeyForToken(context.Background(), text)
		if errors.Is(err, jwks.ErrIssuerNotTrusted) {
			fmt.Println("refused,", green.Requests().JWKS, "requests")
		} else if err == nil {
			fmt.Println(key.ID(), "of", key.Issuer())
		}
	}
	// Output:
	// k1 of https://blue.example
	// refused, 0 requests
}

func ExampleIssuers_Client() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()
	issuers, err := jwks.NewIssuers(jwks.TrustIssuers(blue.URL(), green.URL()), jwks.WithClientOptions(jwks.WithHTTPClient(client)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()

	c, err := issuers.Client(context.Background(), blue.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	metadata, err := c.Metadata(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(metadata.JWKSURI, metadata.SigningAlgorithms)
	// Output: https://blue.example/jwks [ES256]
}

func ExampleVerifier_Explain() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}

	report := verifier.Explain(context.Background(), issuer.Sign(map[string]any{"aud": "billing-api"}))
	for _, step := range report.Steps {
		fmt.Println(step.Name, step.Verdict)
		if step.Err != nil {
			fmt.Println(" ", step.Detail)
		}
	}
	// Output:
	// size passed
	// form passed
	// header passed
	// algorithm passed
	// issuer passed
	// keys passed
	// signature passed
	// claims passed
	// iss passed
	// aud failed
	//   ["billing-api"] has none of ["orders-api"]
	// exp passed
	// iat passed
	// check skipped
}
