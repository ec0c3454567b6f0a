package jwk

import (
	"encoding/base64"
	"errors"
	"strings"
)

// The two alphabets, refusing trailing bits that are not zero: else several
// texts would mean one key.
var (
	urlAlphabet = base64.RawURLEncoding.Strict()
	stdAlphabet = base64.RawStdEncoding.Strict()
)

var errBase64 = errors.New("not well-formed base64")

// unpad takes the padding from base64 text. RFC 7515 section 2 has none, some
// issuers add it. Padding that does not fit stays, for decode to stumble over.
func unpad(s string) string {
	if len(s)%4 != 0 || !strings.HasSuffix(s, "=") {
		return s
	}
	s = s[:len(s)-1]
	return strings.TrimSuffix(s, "=")
}

// octets is how many octets unpadded base64 text stands for.
func octets(s string) int { return base64.RawURLEncoding.DecodedLen(len(s)) }

// trimZeros takes leading zero octets from unpadded base64 text of a number,
// three at a time (four letters A), so that at most two are left and what is
// too large need not be decoded.
func trimZeros(s string) string {
	for strings.HasPrefix(s, "AAAA") {
		s = s[4:]
	}
	return s
}

// significant takes the leading zero octets from a number.
func significant(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// decode reads unpadded base64 text in either alphabet, but not in both at
// once, into dst, which must have room for octets(s). RFC 7518 section 2 wants
// the URL alphabet; Battle.net and the first keys of Azure AD have the other.
func decode(dst []byte, s string) (int, error) {
	alphabet := urlAlphabet
	if strings.IndexByte(s, '+') >= 0 || strings.IndexByte(s, '/') >= 0 {
		alphabet = stdAlphabet
	}
	// encoding/base64 skips line breaks, in its strict mode too.
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return 0, errBase64
	}
	// In pieces that end between groups of four, so that a small buffer on the
	// stack will do: converting all of s would allocate.
	const piece = 512
	var src [piece]byte
	total := 0
	for len(s) > 0 {
		n := copy(src[:], s)
		s = s[n:]
		n, err := alphabet.Decode(dst[total:], src[:n])
		total += n
		if err != nil {
			return 0, errBase64
		}
	}
	return total, nil
}
