package jws

import "strconv"

// DescribeSignature says what is wrong with the form of a signature that does
// not verify, as the end of a sentence; "" when its form is right or depends on
// the key. Signers that use a general cryptography API often leave ECDSA
// signatures in DER, where RFC 7518 section 3.4 wants R and S side by side.
func (a Algorithm) DescribeSignature(signature []byte) string {
	want := 0
	switch a {
	case ES256, EdDSA:
		want = 64
	case ES384:
		want = 96
	case ES512:
		want = 132
	}
	switch n := len(signature); {
	case want == 0 || n == want:
		return ""
	case a != EdDSA && isDER(signature):
		return ": it is in DER form, want R and S side by side, " + strconv.Itoa(want) + " bytes (RFC 7518 section 3.4)"
	default:
		return ": it has " + strconv.Itoa(n) + " bytes, want " + strconv.Itoa(want)
	}
}

// isDER tells a SEQUENCE that ends with the signature and begins with an
// INTEGER.
func isDER(b []byte) bool {
	switch {
	case len(b) < 8 || b[0] != 0x30:
		return false
	case b[1] == 0x81:
		return int(b[2]) == len(b)-3 && b[3] == 2
	default:
		return int(b[1]) == len(b)-2 && b[2] == 2
	}
}
