//go:build jwks_tokencache

package jwks

const defaultTokenCache = 64
