package strictjson

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested. The outermost one is
// at depth 1. RFC 8259 section 9 lets a reader set such a limit.
const MaxDepth = 64

// The scan functions below take a text and the index where something begins
// and return the index just behind it. With a problem, the index is where the
// trouble is instead. None of them recurses, allocates or reads beyond s.

// Valid reports why s is not exactly one JSON value (RFC 8259) in valid UTF-8,
// nested at most [MaxDepth] deep, with nothing but JSON whitespace around it.
// It returns nil or an *[Error]. Duplicate members and lone surrogates are the
// business of whoever reads the value: Valid does not look for them.
func Valid(s string) error {
	i, p := begin(s)
	if p == fine {
		i, p = skipValue(s, i, 0)
	}
	if p == fine {
		i, p = end(s, i)
	}
	if p != fine {
		return &Error{Offset: i, problem: p}
	}
	return nil
}

// begin finds where the value in s begins.
func begin(s string) (int, problem) {
	if strings.HasPrefix(s, "\uFEFF") {
		// RFC 8259 section 8.1 allows to ignore it; a second encoding of the
		// same value is what we do not want.
		return 0, byteOrderMark
	}
	i := skipSpace(s, 0)
	if i == len(s) {
		return i, unexpectedEnd
	}
	return i, fine
}

// end makes sure that nothing but whitespace follows.
func end(s string, i int) (int, problem) {
	i = skipSpace(s, i)
	if i < len(s) {
		return i, trailingData
	}
	return i, fine
}

// skipSpace skips the four characters that RFC 8259 section 2 calls whitespace.
func skipSpace(s string, i int) int {
	for i < len(s) && s[i] <= ' ' && isSpace(s[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t'
}

// skipValue skips the value that begins at i, inside depth open containers.
func skipValue(s string, i, depth int) (int, problem) {
	if i < len(s) && (s[i] == '{' || s[i] == '[') {
		return skipContainer(s, i, depth)
	}
	return skipScalar(s, i)
}

// skipScalar skips a string, number or literal.
func skipScalar(s string, i int) (int, problem) {
	if i >= len(s) {
		return len(s), unexpectedEnd
	}
	switch s[i] {
	case '"':
		i, _, p := skipString(s, i)
		return i, p
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return skipNumber(s, i)
	case 't':
		return skipLiteral(s, i, "true")
	case 'f':
		return skipLiteral(s, i, "false")
	case 'n':
		return skipLiteral(s, i, "null")
	default:
		return i, unexpectedCharacter
	}
}

// skipContainer skips the array or object that begins at i. What is open is
// kept in one bit a level, so depth costs neither stack nor memory.
func skipContainer(s string, i, depth int) (int, problem) {
	var p problem
	open := containers{outside: depth, depth: depth}
	for {
		// A value begins here.
		i = skipSpace(s, i)
		empty := false
		switch {
		case i < len(s) && (s[i] == '{' || s[i] == '['):
			if i, empty, p = open.enter(s, i); p != fine {
				return i, p
			}
			if !empty {
				continue
			}
		default:
			if i, p = skipScalar(s, i); p != fine {
				return i, p
			}
		}
		// A value has ended, or an empty container is about to.
		if i, p = open.leave(s, i); p != fine || open.depth == open.outside {
			return i, p
		}
	}
}

// containers are the arrays and objects that are open at one place.
type containers struct {
	outside, depth int
	objects        uint64 // a bit each, 1 for an object; the lowest is the innermost
}

// enter opens the container that begins at i. It stops at its first value, or
// at its end if it is empty.
func (c *containers) enter(s string, i int) (next int, empty bool, p problem) {
	if c.depth == MaxDepth {
		return i, false, tooDeep
	}
	c.depth++
	c.objects <<= 1
	closing := byte(']')
	if s[i] == '{' {
		c.objects |= 1
		closing = '}'
	}
	i = skipSpace(s, i+1)
	switch {
	case i == len(s):
		return i, false, unexpectedEnd
	case s[i] == closing:
		return i, true, fine
	case closing == '}':
		i, p = skipName(s, i)
	}
	return i, false, p
}

// leave closes the containers that end at i. It stops where the next value
// begins, or behind the last one.
func (c *containers) leave(s string, i int) (int, problem) {
	for {
		i = skipSpace(s, i)
		if i == len(s) {
			return i, unexpectedEnd
		}
		object := c.objects&1 == 1
		switch {
		case s[i] == ',' && object:
			return skipName(s, skipSpace(s, i+1))
		case s[i] == ',':
			return i + 1, fine
		case object && s[i] != '}', !object && s[i] != ']':
			return i, unexpectedCharacter
		}
		i++
		c.objects >>= 1
		c.depth--
		if c.depth == c.outside {
			return i, fine
		}
	}
}

// skipName skips a member's name and the colon behind it.
func skipName(s string, i int) (int, problem) {
	i, _, p := skipString(s, i)
	if p != fine {
		return i, p
	}
	return skipColon(s, i)
}

// skipColon skips the colon between name and value.
func skipColon(s string, i int) (int, problem) {
	i = skipSpace(s, i)
	if i >= len(s) {
		return len(s), unexpectedEnd
	}
	if s[i] != ':' {
		return i, unexpectedCharacter
	}
	return i + 1, fine
}

// skipLiteral skips one of the three names of RFC 8259 section 3.
func skipLiteral(s string, i int, literal string) (int, problem) {
	if strings.HasPrefix(s[i:], literal) {
		return i + len(literal), fine
	}
	for j := 0; i < len(s) && s[i] == literal[j]; j++ {
		i++
	}
	if i == len(s) {
		return i, unexpectedEnd
	}
	return i, unexpectedCharacter
}

// skipNumber skips a number as RFC 8259 section 6 writes it. What follows is
// the caller's: in 01 the second digit is an unexpected character.
func skipNumber(s string, i int) (int, problem) {
	if s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else {
		var p problem
		if i, p = skipDigits(s, i); p != fine {
			return i, p
		}
	}
	if i < len(s) && s[i] == '.' {
		var p problem
		if i, p = skipDigits(s, i+1); p != fine {
			return i, p
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		return skipDigits(s, i)
	}
	return i, fine
}

// skipDigits skips at least one digit.
func skipDigits(s string, i int) (int, problem) {
	first := i
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	if i > first {
		return i, fine
	}
	if i == len(s) {
		return i, unexpectedEnd
	}
	return i, unexpectedCharacter
}

// skipString skips the string that must begin at i, and tells whether it has
// escapes. Bytes above ASCII are nowhere else allowed, so a text whose strings
// are valid UTF-8 is valid UTF-8, and each string is checked as it is passed.
func skipString(s string, i int) (next int, escaped bool, p problem) {
	if i >= len(s) {
		return len(s), false, unexpectedEnd
	}
	if s[i] != '"' {
		return i, false, unexpectedCharacter
	}
	i++
	first := i
	var seen uint64 // all bytes passed, or-ed: a high bit is one above ASCII
	for {
		var stop uint64
		for i <= len(s)-8 {
			w := load8(s, i)
			if stop = special(w); stop != 0 {
				// Only what lies below the first special byte is passed.
				seen |= w & (stop&-stop - 1)
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			seen |= w
			i += 8
		}
		if stop == 0 {
			for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
				seen |= uint64(s[i])
				i++
			}
		}
		if i >= len(s) {
			return len(s), escaped, unexpectedEnd
		}
		switch s[i] {
		case '"':
			if seen&highBits != 0 {
				if at := invalidAt(s[first:i]); at >= 0 {
					return first + at, escaped, invalidUTF8
				}
			}
			return i + 1, escaped, fine
		case '\\':
			escaped = true
			if i, p = skipEscape(s, i); p != fine {
				return i, escaped, p
			}
		default:
			return i, escaped, controlCharacter
		}
	}
}

// skipEscape skips one escape sequence (RFC 8259 section 7). Whether a
// surrogate has its other half matters only to who decodes the string.
func skipEscape(s string, i int) (int, problem) {
	if i+1 >= len(s) {
		return len(s), unexpectedEnd
	}
	switch s[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, fine
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(s) {
				return len(s), unexpectedEnd
			}
			if _, ok := hexDigit(s[j]); !ok {
				return j, invalidEscape
			}
		}
		return i + 6, fine
	default:
		return i + 1, invalidEscape
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// load8 reads eight bytes, the first in the lowest place.
func load8(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// special sets the high bit of bytes that end a run of plain ones: the quote,
// the backslash and what is below the space. A borrow may also mark a byte
// above such a one, never one below it, so the lowest mark is right.
func special(w uint64) uint64 {
	control := w - ' '*lowBits
	quote := (w ^ '"'*lowBits) - lowBits
	backslash := (w ^ '\\'*lowBits) - lowBits
	return (control | quote | backslash) &^ w & highBits
}

// invalidAt returns where s stops being valid UTF-8, or -1.
func invalidAt(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
