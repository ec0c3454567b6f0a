// Package base64url decodes base64url as RFC 7515 section 2 has it, and nothing
// else: no padding, no line breaks, no bits that encode nothing, so that a
// segment of a token has exactly one text.
//
// encoding/base64 skips line breaks whatever it is told, so its results need a
// second look, and it takes longer, which shows in the time that a token takes. It is
// the oracle of the tests.
package base64url

import "encoding/binary"

const (
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" // RFC 4648 section 5
	foreign  = 1 << 24                                                            // marks a character that is not in it
)

// sextets holds what each character stands for, shifted to each of the four
// places in 24 bits. Read only.
var sextets = func() (t [4][256]uint32) {
	for place := range t {
		for c := range t[place] {
			t[place][c] = foreign
		}
		for i := range len(alphabet) {
			t[place][alphabet[i]] = uint32(i) << (18 - 6*place)
		}
	}
	return t
}()

// DecodedLen is how many bytes a text of n characters stands for.
func DecodedLen(n int) int { return n/4*3 + n%4*6/8 }

// Decode fills dst, which must have DecodedLen of the text. It reports whether
// the text is base64url; when it is not, dst holds nothing of use.
func Decode(dst []byte, text string) bool {
	if len(dst) != DecodedLen(len(text)) {
		return false
	}
	var seen uint32
	for len(text) >= 8 && len(dst) >= 8 {
		a := sextets[0][text[0]] | sextets[1][text[1]] | sextets[2][text[2]] | sextets[3][text[3]]
		b := sextets[0][text[4]] | sextets[1][text[5]] | sextets[2][text[6]] | sextets[3][text[7]]
		seen |= a | b
		// Six bytes and two zeros, which the next ones replace.
		binary.BigEndian.PutUint64(dst, uint64(a)<<40|uint64(b)<<16)
		text, dst = text[8:], dst[6:]
	}
	for len(text) >= 4 {
		v := sextets[0][text[0]] | sextets[1][text[1]] | sextets[2][text[2]] | sextets[3][text[3]]
		seen |= v
		dst[0], dst[1], dst[2] = byte(v>>16), byte(v>>8), byte(v)
		text, dst = text[4:], dst[3:]
	}
	var spare uint32 // bits of the last character that encode nothing
	switch len(text) {
	case 1:
		return false // six bits are no byte
	case 2:
		v := sextets[0][text[0]] | sextets[1][text[1]]
		dst[0], spare = byte(v>>16), v&0xffff
		seen |= v
	case 3:
		v := sextets[0][text[0]] | sextets[1][text[1]] | sextets[2][text[2]]
		dst[0], dst[1], spare = byte(v>>16), byte(v>>8), v&0xff
		seen |= v
	}
	return seen < foreign && spare == 0
}
