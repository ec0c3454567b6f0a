// Package jwksstore has stores for [jwks.WithStore] that need no server: a
// directory, which outlives the process and may be shared by the processes of a
// machine, and one in memory, for tests. For replicas on several machines there
// is the nested module contrib/redis.
//
//	store, err := jwksstore.Dir("/var/lib/orders/keys")
//	client, err := jwks.NewClient(
//		jwks.WithIssuer("https://login.example.com/"),
//		jwks.WithStore(store, secret), // 32 random bytes or more
//	)
package jwksstore
