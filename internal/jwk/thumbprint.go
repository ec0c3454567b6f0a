package jwk

import (
	"crypto/sha1" // #nosec G505 -- see Key.SHA1
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// maxThumbprint is the longest text of a thumbprint that is looked at and kept,
// in bytes: base64 of the hex form of SHA-256, with colons.
const maxThumbprint = 128

// SHA1Thumbprint reads a certificate thumbprint "x5t" of a key or a token (RFC
// 7517 section 4.8, RFC 7515 section 4.1.7) into octets that can be compared.
// RFC 7515 has base64url without padding. Taken as well are padding and the
// standard alphabet, and hex digits of either case, as they are or encoded in
// base64 once more, as Auth0 and WSO2 publish them. ok is false for any other
// text.
func SHA1Thumbprint(text string) (octets [sha1.Size]byte, ok bool) {
	ok = thumbprint(octets[:], text)
	return octets, ok
}

// SHA256Thumbprint is [SHA1Thumbprint] for "x5t#S256" (RFC 7517 section 4.9,
// RFC 7515 section 4.1.8).
func SHA256Thumbprint(text string) (octets [sha256.Size]byte, ok bool) {
	ok = thumbprint(octets[:], text)
	return octets, ok
}

// thumbprint fills dst. The forms differ in their lengths, so no text has two
// meanings. When there is none, dst is zero.
func thumbprint(dst []byte, text string) bool {
	if len(text) > maxThumbprint {
		return false
	}
	var buf [maxThumbprint]byte
	if n := copy(buf[:], text); fromHex(dst, buf[:n]) {
		return true
	}
	n, err := decode(buf[:], unpad(text))
	if err != nil {
		return false
	}
	if n == len(dst) {
		copy(dst, buf[:n])
		return true
	}
	return fromHex(dst, buf[:n])
}

// fromHex reads hex digits, with or without colons between the octets, which
// it takes away.
func fromHex(dst, text []byte) bool {
	if len(text) == 3*len(dst)-1 {
		digits := text[:0]
		for i, c := range text {
			if i%3 == 2 && c != ':' {
				return false
			} else if i%3 != 2 {
				digits = append(digits, c)
			}
		}
		text = digits
	}
	if len(text) != 2*len(dst) {
		return false
	}
	if _, err := hex.Decode(dst, text); err != nil {
		clear(dst)
		return false
	}
	return true
}

// readThumbprint reads a member that counts only when it is a string of a
// sensible length. Its text is kept although it may be none of the known forms:
// some issuers put another name of the key there.
func readThumbprint[T any](v strictjson.Value, read func(string) (T, bool)) (text string, octets T, ok bool) {
	text, err := v.Text()
	if err != nil || len(text) > maxThumbprint {
		return "", octets, false
	}
	octets, ok = read(text)
	return strings.Clone(text), octets, ok // a copy: the text would hold the document
}
