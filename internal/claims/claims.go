// Package claims reads the payload of a verified token and judges what it
// claims (RFC 7519 sections 4 and 7.2). It does no I/O.
package claims

import (
	"errors"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Set is a JWT Claims Set: the registered claims, and those of other profiles
// that policies want. The strings are parts of Text. It is a [jwt.Claims] for
// golang-jwt's Validator.
type Set struct {
	Text                                 string // the payload
	Issuer, Subject, ID                  string
	Tenant                               string // "tid" (Entra); "" unless a string
	Audience                             []string
	NumericIDs                           bool            // "sub" and "jti" may be integers; to be set before Read
	ExpiresAt, NotBefore, IssuedAt       jwt.NumericDate // zero when absent
	hasExpiry, hasNotBefore, hasIssuedAt bool

	azp, clientID strictjson.Value
	scope, scp    strictjson.Value
	cnf           strictjson.Value // see Bound
	missing       []string         // of the claims that the verifier requires
	space         [2]string        // where Audience lies when it is short
}

// Read reads the payload: one JSON object without duplicate members, names
// compared exactly, the registered claims of the types that RFC 7519 gives
// them. It notes which of the required claims are absent or null. To be called
// once the signature was verified, on the zero Set.
//
// Errors are ErrTokenInvalid and match golang-jwt's ErrTokenMalformed.
func (s *Set) Read(text string, required []string) error {
	s.Text = text
	found := make([]bool, len(required))
	var problem string
	members := strictjson.Object(text)
	for members.Next() {
		name, v := members.Name(), members.Value()
		if p := s.readClaim(name, v); p != "" && problem == "" {
			problem = name + p
		}
		for i := range required {
			if required[i] == name && v.Kind() != strictjson.Null {
				found[i] = true
			}
		}
	}
	if err := members.Err(); err != nil {
		return fault.Malformed("claims: " + describe(err))
	}
	if problem != "" {
		return fault.MalformedClaim(problem)
	}
	for i, ok := range found {
		if !ok {
			s.missing = append(s.missing, required[i])
		}
	}
	return nil
}

// describe is the text of an error of strictjson, with the name of a claim that
// is there twice.
func describe(err error) string {
	var e *strictjson.Error
	if errors.As(err, &e) {
		return strings.ReplaceAll(e.Error(), "member", "claim "+show.Quote(e.Member))
	}
	return err.Error()
}

// readClaim reads one claim and returns what is wrong with it. What cannot be
// read stays absent.
func (s *Set) readClaim(name string, v strictjson.Value) (problem string) {
	ok := true
	switch name {
	case "iss":
		s.Issuer, ok = v.OptionalText()
	case "sub":
		s.Subject, ok = s.readID(v)
	case "jti":
		s.ID, ok = s.readID(v)
	case "aud":
		if s.Audience, ok = s.readAudience(v); !ok {
			return " is neither a string nor an array of strings"
		}
	case "exp":
		s.hasExpiry, problem = readDate(v, &s.ExpiresAt)
	case "nbf":
		s.hasNotBefore, problem = readDate(v, &s.NotBefore)
	case "iat":
		s.hasIssuedAt, problem = readDate(v, &s.IssuedAt)
	case "tid":
		s.Tenant, _ = v.OptionalText()
	case "azp":
		s.azp = v
	case "client_id":
		s.clientID = v
	case "scope":
		s.scope = v
	case "scp":
		s.scp = v
	case "cnf":
		s.cnf = v
	}
	if !ok {
		return " is not a string"
	}
	return problem
}

// readID reads a string, or with NumericIDs an integer: digits, and a minus
// before others than 0, so that one number has one text.
func (s *Set) readID(v strictjson.Value) (string, bool) {
	if !s.NumericIDs || v.Kind() != strictjson.Number {
		return v.OptionalText()
	}
	return v.Raw(), v.Raw() != "-0" && !strings.ContainsAny(v.Raw(), ".eE")
}

func readDate(v strictjson.Value, to *jwt.NumericDate) (ok bool, problem string) {
	if to.Time, ok = numericDate(v); !ok {
		problem = " is not a number from 0 to 253402300799: it is " + describeDate(v) + ", want seconds since 1970"
	}
	return ok, problem
}

// readAudience reads RFC 7519 section 4.1.3: a string or an array of strings.
func (s *Set) readAudience(v strictjson.Value) ([]string, bool) {
	if v.Kind() != strictjson.Array {
		aud, ok := v.OptionalText()
		if !ok || v.Kind() == strictjson.Null {
			return nil, ok
		}
		s.space[0] = aud
		return s.space[:1], true
	}
	return appendStrings(s.space[:0], v)
}

// appendStrings appends the elements of an array, which must all be strings.
// When the slice has to grow it grows once, to what the rest of the array needs.
func appendStrings(to []string, v strictjson.Value) ([]string, bool) {
	for elements := v.Elements(); elements.Next(); {
		text, err := elements.Value().Text()
		if err != nil {
			return nil, false
		}
		if len(to) == cap(to) {
			more := 1
			for rest := elements; rest.Next(); {
				more++
			}
			to = append(make([]string, 0, len(to)+more), to...)
		}
		to = append(to, text)
	}
	return to, true
}

// The methods of jwt.Claims. They hand out parts of s, which golang-jwt's
// Validator only reads.

// GetExpirationTime implements [jwt.Claims].
func (s *Set) GetExpirationTime() (*jwt.NumericDate, error) {
	return dateIf(s.hasExpiry, &s.ExpiresAt), nil
}

// GetIssuedAt implements [jwt.Claims].
func (s *Set) GetIssuedAt() (*jwt.NumericDate, error) { return dateIf(s.hasIssuedAt, &s.IssuedAt), nil }

// GetNotBefore implements [jwt.Claims].
func (s *Set) GetNotBefore() (*jwt.NumericDate, error) {
	return dateIf(s.hasNotBefore, &s.NotBefore), nil
}

// GetIssuer implements [jwt.Claims].
func (s *Set) GetIssuer() (string, error) { return s.Issuer, nil }

// GetSubject implements [jwt.Claims].
func (s *Set) GetSubject() (string, error) { return s.Subject, nil }

// GetAudience implements [jwt.Claims].
func (s *Set) GetAudience() (jwt.ClaimStrings, error) { return s.Audience, nil }

func dateIf(there bool, d *jwt.NumericDate) *jwt.NumericDate {
	if !there {
		return nil
	}
	return d
}

// timeless is a Set without times, for Rules.NoTimes.
type timeless struct{ *Set }

func (timeless) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (timeless) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (timeless) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
