package claims

import (
	"errors"
	"strconv"
	"strings"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Path is the way to a claim: a name, or the reference tokens of a JSON Pointer
// (RFC 6901) in the payload.
type Path []string

// ParsePath reads a name that begins with "/" as a JSON Pointer, and any other
// as the name of a claim. It fails for "" and for an escape that RFC 6901
// section 3 does not have.
func ParsePath(name string) (Path, error) {
	if name == "" {
		return nil, errors.New("the name is empty")
	}
	rest, ok := strings.CutPrefix(name, "/")
	if !ok {
		return Path{name}, nil
	}
	path := strings.Split(rest, "/")
	for i, token := range path {
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, errors.New("it is not a JSON Pointer: want ~0 or ~1 after the slash, for ~ and / in a name")
		}
		// Section 4: ~1 first, so that ~01 is not taken for a slash.
		path[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// Find returns the value at a path, [strictjson.Absent] when there is none. An
// object on the way with a member twice has none: RFC 8259 section 4 leaves
// open which of them counts.
func (s *Set) Find(path Path) strictjson.Value {
	var v strictjson.Value
	for i, token := range path {
		var members strictjson.Members
		switch {
		case i == 0:
			members = strictjson.Object(s.Text)
		case v.Kind() == strictjson.Array:
			v = element(v, token)
			continue
		default:
			members = v.Members()
		}
		v = strictjson.Value{}
		for members.Next() {
			if members.Name() == token {
				v = members.Value()
			}
		}
		if members.Err() != nil || v.Kind() == strictjson.Absent {
			return strictjson.Value{}
		}
	}
	return v
}

// element is RFC 6901 section 4: an index without sign and leading zeros.
func element(array strictjson.Value, token string) strictjson.Value {
	index, _ := strconv.Atoi(token)
	if strconv.Itoa(index) != token {
		return strictjson.Value{}
	}
	elements := array.Elements()
	for elements.Next() {
		if index == 0 {
			return elements.Value()
		}
		index--
	}
	return strictjson.Value{}
}

// Strings returns the string at a path, or the strings of an array there; nil
// for anything else.
func (s *Set) Strings(path Path) []string {
	v := s.Find(path)
	if v.Kind() == strictjson.String {
		if text, err := v.Text(); err == nil {
			return []string{text}
		}
		return nil
	}
	var found []string
	for elements := v.Elements(); elements.Next(); {
		if text, err := elements.Value().Text(); err == nil {
			found = append(found, text)
		}
	}
	return found
}
