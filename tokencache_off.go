//go:build !jwks_tokencache

package jwks

// defaultTokenCache is the size of the token cache where [WithTokenCache] says
// nothing. The build tag jwks_tokencache turns the cache on everywhere: it is
// for running the tests both ways, and no other default follows from it.
const defaultTokenCache = 0
