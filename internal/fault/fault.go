// Package fault makes the errors of package jwks.
//
// An error of a lookup or of a verification is of exactly one of two classes:
// [ErrTokenInvalid], the caller's fault, or [ErrUnavailable], it could not be
// decided. Below the class stand the reasons, and one line of text says what
// was expected and what came. The sentinels that packages under internal need
// are declared here; package jwks documents and exports them.
package fault

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// The two classes.
var (
	ErrTokenInvalid = errors.New("jwks: token invalid")
	ErrUnavailable  = errors.New("jwks: keys unavailable")
)

// Reasons. ErrKeyNotFound comes with either class, the others always with
// ErrTokenInvalid.
var (
	ErrKeyNotFound         = errors.New("jwks: key not found")
	ErrAlgorithmNotAllowed = New("jwks: algorithm not allowed", ErrTokenInvalid)
	ErrUnsupportedCritical = New("jwks: unsupported critical header parameter", ErrTokenInvalid)
	ErrTokenTooLarge       = New("jwks: token too large", ErrTokenInvalid)
)

// Marks that only jwks.Reason looks for: what golang-jwt has no sentinel for.
var (
	ErrCheck     = New("jwks: refused by a check", ErrTokenInvalid) // of the program's own
	ErrTokenType = New("jwks: token type", ErrTokenInvalid)         // the header's "typ"
)

// reason is a sentinel that belongs to one class for good.
type reason struct {
	text  string
	class error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.class }

// New makes a sentinel that always belongs to class. Its type is error, so that
// a variable needs none: with one, go doc takes error for a type of the package
// and lists constructors apart from what they make.
func New(text string, class error) error { return &reason{text, class} }

// failure is an error of one class with the reasons below it.
type failure struct {
	text  string
	chain []error // the class first
}

func (f *failure) Error() string   { return f.chain[0].Error() + ": " + f.text }
func (f *failure) Unwrap() []error { return f.chain }

// ErrIssuerUndecided marks, for jwks.Verifier.Explain, that nobody could say
// whether an issuer is trusted.
var ErrIssuerUndecided = New("jwks: issuer undecided", ErrUnavailable)

// Invalid makes an error of class [ErrTokenInvalid]. The text is one line, with
// foreign parts quoted. The reasons must not be of the other class; see [Within].
func Invalid(text string, reasons ...error) error { return newFailure(ErrTokenInvalid, text, reasons) }

// Unavailable makes an error of class [ErrUnavailable], as Invalid does.
func Unavailable(text string, reasons ...error) error {
	return newFailure(ErrUnavailable, text, reasons)
}

func newFailure(class error, text string, reasons []error) error {
	return &failure{text: text, chain: append([]error{class}, reasons...)}
}

// Add returns err with more text. It must be one that Invalid or Unavailable
// made: others are returned as they are.
func Add(err error, text string) error {
	if f, ok := err.(*failure); ok {
		return &failure{f.text + text, f.chain}
	}
	return err
}

// Malformed says what is wrong with the form of a token.
func Malformed(text string) error { return Invalid("malformed: "+text, jwt.ErrTokenMalformed) }

// MalformedClaim says what is wrong with the form of a claim.
func MalformedClaim(text string) error {
	return Invalid("malformed: claims: "+text, jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims)
}

// Text is the text of an error that Invalid or Unavailable made, without its
// class: for use within a longer line. It reports false for other errors.
func Text(err error) (string, bool) {
	if f, ok := err.(*failure); ok {
		return f.text, true
	}
	return "", false
}
