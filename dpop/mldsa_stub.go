//go:build !go1.27

package dpop

// mldsa came with Go 1.27.
var mldsa []string
