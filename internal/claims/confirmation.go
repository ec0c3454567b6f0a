package claims

import (
	"errors"
	"slices"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Bound says that the token is bound to a key: it has a "cnf" (RFC 7800), of
// whatever kind, that is not null.
func (s *Set) Bound() bool {
	return s.cnf.Kind() != strictjson.Absent && s.cnf.Kind() != strictjson.Null
}

// Confirmation returns "jkt" and "x5t#S256" of "cnf", each "" when absent or
// not a string. Both are "" when cnf cannot be read.
func (s *Set) Confirmation() (jkt, x5tS256 string) {
	members := s.cnf.Members()
	for members.Next() {
		switch members.Name() {
		case "jkt":
			jkt, _ = members.Value().OptionalText()
		case "x5t#S256":
			x5tS256, _ = members.Value().OptionalText()
		}
	}
	if members.Err() != nil {
		return "", ""
	}
	return jkt, x5tS256
}

// ConfirmedBy says that "cnf" is an object with members that are not null, and
// that each of these is among methods.
func (s *Set) ConfirmedBy(methods []string) bool {
	named := false
	members := s.cnf.Members()
	for members.Next() {
		if members.Value().Kind() == strictjson.Null {
			continue
		}
		if named = true; !slices.Contains(methods, members.Name()) {
			return false
		}
	}
	return named && members.Err() == nil
}

// ConfirmationMembers lists the members of "cnf" that are not null. The error
// says what is wrong with a cnf that is not an object without duplicates.
func (s *Set) ConfirmationMembers() ([]string, error) {
	if s.cnf.Kind() != strictjson.ObjectKind {
		return nil, errors.New("it is not an object")
	}
	var names []string
	members := s.cnf.Members()
	for members.Next() {
		if members.Value().Kind() != strictjson.Null {
			names = append(names, members.Name())
		}
	}
	if err := members.Err(); err != nil {
		return nil, err
	}
	return names, nil
}
