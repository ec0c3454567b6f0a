package jwksredis_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/redis"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Replicas of a service share key sets and proofs. Here Redis is not there, and
// the service works all the same.
func Example() {
	issuer := jwkstest.Start() // stands for your identity provider
	defer issuer.Close()

	redis.SetLogger(silent{}) // go-redis tells of every connection that fails
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	store := jwksredis.New(client)

	keys, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithStore(store, []byte("32 random bytes, the same in all replicas")), // from where the service has its secrets
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := dpop.New(dpop.WithReplayStore(store)); err != nil { // proofs, too, where tokens are bound to a key
		fmt.Println(err)
		return
	}

	token, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("hello", token.Subject())
	// Output: hello alice
}
