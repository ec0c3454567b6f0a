package claims

import (
	"iter"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Scopes yields the scopes: "scope" (RFC 8693 section 4.2), or where that is
// absent "scp" (Entra, Okta), a string with spaces between them or an array.
func (s *Set) Scopes() iter.Seq[string] {
	v := s.scopeClaim()
	if v.Kind() == strictjson.Array {
		list, _ := appendStrings(nil, v)
		return nonEmpty(slices.Values(list))
	}
	list, _ := v.OptionalText()
	return nonEmpty(strings.SplitSeq(list, " "))
}

// HasScope looks for one of Scopes. It is apart from it because every request
// asks, and the closures of an iterator would be allocated.
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

func nonEmpty(seq iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range seq {
			if s != "" && !yield(s) {
				return
			}
		}
	}
}
