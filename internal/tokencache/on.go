//go:build jwks_tokencache

package tokencache

// Size: see off.go.
const Size = 64
