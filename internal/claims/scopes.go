package claims

import (
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Scopes lists the scopes: "scope" (RFC 8693 section 4.2), or where that is
// absent "scp" (Entra, Okta), a string with spaces between them or an array. It
// is nil where there are none.
func (s *Set) Scopes() []string {
	v := s.scopeClaim()
	if v.Kind() == strictjson.Array {
		list, _ := appendStrings(nil, v)
		return notEmpty(list)
	}
	text, _ := v.OptionalText()
	return notEmpty(strings.Split(text, " "))
}

// HasScope looks for one of Scopes without making the list: every request asks.
func (s *Set) HasScope(want string) bool {
	v := s.scopeClaim()
	if v.Kind() == strictjson.Array {
		list, _ := appendStrings(nil, v)
		return want != "" && slices.Contains(list, want)
	}
	list, _ := v.OptionalText()
	for more := want != ""; more; {
		var scope string
		if scope, list, more = strings.Cut(list, " "); scope == want {
			return true
		}
	}
	return false
}

func (s *Set) scopeClaim() strictjson.Value {
	if s.scope.Kind() == strictjson.Absent || s.scope.Kind() == strictjson.Null {
		return s.scp
	}
	return s.scope
}

// notEmpty leaves out empty strings, in place, and is nil where none is left.
func notEmpty(list []string) []string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	if len(list) == 0 {
		return nil
	}
	return list
}
