//go:build !jwks_tokencache

package tokencache

// Size applies where WithTokenCache says nothing. The build tag
// jwks_tokencache turns the cache on everywhere, for running the tests both
// ways; nothing else depends on it.
const Size = 0
