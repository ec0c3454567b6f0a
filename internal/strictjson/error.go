package strictjson

import "strconv"

// Error says what is wrong with a text and where. Its message is one line and
// never quotes the text, which may be a token or key material.
type Error struct {
	// Offset counts the bytes before the trouble, from the start of the text
	// that was given to [Object] or [Valid], also for values inside it.
	Offset int

	// Member is the name of a duplicate member, "" for other problems. It is
	// foreign text, and not part of the message.
	Member string

	problem problem
}

// Error tells the problem and the byte offset, for example
// "invalid JSON at byte 17: unexpected character" or
// "duplicate member at byte 30".
func (e *Error) Error() string {
	at := " at byte " + strconv.Itoa(e.Offset)
	switch e.problem {
	case notObject, notArray, notString, duplicateMember:
		return e.problem.String() + at
	default:
		return "invalid JSON" + at + ": " + e.problem.String()
	}
}

// problem is why a text was refused. The scanner passes these around and only
// the reader who asks for an error pays for one.
type problem uint8

const (
	fine problem = iota
	unexpectedEnd
	unexpectedCharacter
	controlCharacter
	invalidEscape
	invalidUTF8
	loneSurrogate
	tooDeep
	trailingData
	byteOrderMark
	notObject
	notArray
	notString
	duplicateMember
)

// String describes the problem without the place.
func (p problem) String() string {
	switch p {
	case fine:
		return "no problem"
	case unexpectedEnd:
		return "unexpected end"
	case unexpectedCharacter:
		return "unexpected character"
	case controlCharacter:
		return "control character in a string"
	case invalidEscape:
		return "invalid escape"
	case invalidUTF8:
		return "invalid UTF-8"
	case loneSurrogate:
		return "lone surrogate"
	case tooDeep:
		return "nested deeper than " + strconv.Itoa(MaxDepth) + " levels"
	case trailingData:
		return "data after the value"
	case byteOrderMark:
		return "byte order mark"
	case notObject:
		return "not a JSON object"
	case notArray:
		return "not a JSON array"
	case notString:
		return "not a JSON string"
	case duplicateMember:
		return "duplicate member"
	}
	return "unknown problem"
}
