//go:build !purego && !boringcrypto && (amd64 || arm64 || ppc64le)

package accel_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/accel"
)

// The token and the key are those of RFC 7515, appendix A.3.
const (
	document = `{"keys": [{"kty": "EC", "crv": "P-256",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	token = "eyJhbGciOiJFUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)

// A client with an accelerator. Everything else stays as it is.
func Example() {
	keys, err := jwks.ParseKeySet([]byte(document))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := jwks.NewClient(jwks.WithKeySet(keys), jwks.WithAccelerator(accel.New()))
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithExpectedIssuer("joe"),
		jwks.WithoutAudienceCheck(), jwks.WithoutTimeChecks())
	if err != nil {
		fmt.Println(err)
		return
	}
	verified, err := verifier.Verify(context.Background(), token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verified.Issuer())
	// Output: joe
}

// A prepared key checks the signatures of one key, any number of times and from
// any goroutine. It judges the signature and nothing else.
func ExampleNew() {
	keys, err := jwks.ParseKeySet([]byte(document))
	if err != nil {
		fmt.Println(err)
		return
	}
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		fmt.Println(err)
		return
	}
	for key := range keys.All() {
		prepared := accel.New().Prepare(key.Public())
		if prepared == nil {
			fmt.Println("this key is left to the standard library")
			continue
		}
		fmt.Println(prepared.Verify("ES256", token[:dot], signature))
		signature[0] ^= 1
		fmt.Println(prepared.Verify("ES256", token[:dot], signature))
	}
	// Output:
	// true
	// false
}
