package strictjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values. Absent is the kind of the zero [Value] only, so that a
// variable nobody has set is not taken for a null. ObjectKind has its suffix
// because [Object] is the function.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	ObjectKind
)

// Value is one JSON value that has been found valid: its text. It shares the
// memory of the text that it was read from. The zero Value is no value at all.
type Value struct {
	raw string
	at  int // where raw begins in the outermost text
}

// Kind tells what the value is, by its first character.
func (v Value) Kind() Kind {
	if v.raw == "" {
		return Absent
	}
	switch v.raw[0] {
	case '{':
		return ObjectKind
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	default:
		return Number
	}
}

// Raw returns the value as it was written, without whitespace around it. It is
// "" for the zero Value.
func (v Value) Raw() string { return v.raw }

// Text returns the string that the value is, its escapes decoded. Without
// escapes it is a part of the text that was scanned and costs no allocation.
// The error is an *[Error] when the value is not a string, or when it escapes
// half of a surrogate pair (RFC 8259 section 8.2), which no UTF-8 can hold.
func (v Value) Text() (string, error) {
	if v.Kind() != String {
		return "", &Error{Offset: v.at, problem: notString}
	}
	body := v.raw[1 : len(v.raw)-1]
	if strings.IndexByte(body, '\\') < 0 {
		return body, nil
	}
	text, at, p := unescape(body)
	if p != fine {
		return "", &Error{Offset: v.at + 1 + at, problem: p}
	}
	return text, nil
}

// OptionalText reads a member that may be absent: the string, or "" for null
// and for the zero Value. It reports false for a value of another kind, and for
// a string that Text refuses.
func (v Value) OptionalText() (string, bool) {
	switch v.Kind() {
	case Absent, Null:
		return "", true
	}
	s, err := v.Text()
	return s, err == nil
}

// unescape decodes the inside of a string that skipString has accepted. With
// a problem, the index is where the escape sequence begins.
func unescape(s string) (text string, at int, p problem) {
	var b strings.Builder
	b.Grow(len(s)) // decoding never lengthens
	for i := 0; i < len(s); {
		n := strings.IndexByte(s[i:], '\\')
		if n < 0 {
			b.WriteString(s[i:])
			break
		}
		b.WriteString(s[i : i+n])
		i += n
		c := s[i+1]
		if c != 'u' {
			b.WriteByte(unescaped(c))
			i += 2
			continue
		}
		r := hexRune(s[i+2:])
		size := 6
		if utf16.IsSurrogate(r) {
			// A high half counts only when the low one follows at once.
			if rest := s[i+6:]; strings.HasPrefix(rest, `\u`) {
				r = utf16.DecodeRune(r, hexRune(rest[2:]))
			} else {
				r = utf8.RuneError
			}
			if r == utf8.RuneError {
				return "", i, loneSurrogate
			}
			size = 12
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), 0, fine
}

// unescaped is what the two-character escape with c stands for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c // quote, backslash and slash stand for themselves
	}
}

// hexRune reads the four hexadecimal digits that s begins with.
func hexRune(s string) rune {
	var r rune
	for i := range 4 {
		d, _ := hexDigit(s[i])
		r = r<<4 | d
	}
	return r
}

// hexDigit reads one hexadecimal digit of either case.
func hexDigit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
