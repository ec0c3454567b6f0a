//go:build purego || boringcrypto || !(amd64 || arm64 || ppc64le)

package accel

// supported: see arch.go.
const supported = false
