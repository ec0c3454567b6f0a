//go:build go1.27

package dpop

// mldsa came with Go 1.27 (RFC 9964).
var mldsa = []string{"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
