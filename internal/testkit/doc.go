// Package testkit has what the tests of several packages share: signers of any
// token, payloads, verifiers and clients with their checks, an internet in
// memory, and synctest bubbles in which hours take no time.
//
// A test begins with an environment and asks it what happened:
//
//	testkit.Bubble(t, "a key that was removed", func(t *testing.T) {
//		env := testkit.NewEnv(t)
//		client := env.NewClient()
//		testkit.WantKey(t, client, "k1")
//		env.Issuer.RemoveKey("k1")
//		testkit.MustRefresh(t, client)
//		testkit.WantNoKey(t, client, "k1", jwks.ErrKeyNotFound)
//	})
//
// It imports package jwks, so the tests inside that package cannot use it.
package testkit
