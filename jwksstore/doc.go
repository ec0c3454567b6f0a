// Package jwksstore has stores for [jwks.WithStore] that need no server: one in a
// directory, which outlives the process and can be shared by the processes of a
// machine, and one in memory, for tests. For replicas on several machines use the nested
// module contrib/redis.
//
//	func newClient(secret []byte) (*jwks.Client, error) { // 32 random bytes or more
//		store, err := jwksstore.Dir("/var/lib/orders/keys")
//		if err != nil {
//			return nil, err
//		}
//		return jwks.NewClient(jwks.WithIssuer("https://login.example.com/"), jwks.WithStore(store, secret))
//	}
package jwksstore
