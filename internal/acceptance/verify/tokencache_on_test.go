//go:build jwks_tokencache

package verify

// cachedByDefault tells whether a verifier without WithTokenCache has a cache.
const cachedByDefault = true
