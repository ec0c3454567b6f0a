//go:build !purego && !boringcrypto && (amd64 || arm64 || ppc64le)

package accel

// supported is decided by build tags. On these processors bigmod, nistec and
// math/big are written in assembly, as are the parts of the standard library
// that they stand in for. For Ed25519 that is so on amd64 alone; on the other
// two, both sides are the same Go code, and the prepared key needs less of it.
//
// s390x is left out because the standard library has an instruction there that
// checks a whole P-256 signature.
const supported = true
