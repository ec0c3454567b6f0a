package claims

import (
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Claim is a rule about one claim: it is one of Values, or an array with one of
// them.
type Claim struct {
	Name   string // as it was configured
	Path   Path
	Values []string
}

// Validate returns nil, or an error that is ErrTokenInvalid and matches
// golang-jwt's sentinels.
func (c *Claim) Validate(s *Set) error {
	var found problems
	c.validate(s, &found)
	return found.err()
}

func (c *Claim) validate(s *Set, found *problems) {
	v := s.Find(c.Path)
	if v.Kind() == strictjson.Absent || v.Kind() == strictjson.Null {
		found.missing(c.Name)
		return
	}
	if c.is(v) {
		return
	}
	for elements := v.Elements(); elements.Next(); {
		if c.is(elements.Value()) {
			return
		}
	}
	found.add(c.Name, "claim "+show.Quote(c.Name)+" "+describeValue(v)+", want "+show.OneOf(c.Values), jwt.ErrTokenInvalidClaims)
}

// is compares one value. Numbers and booleans compare by their JSON text.
func (c *Claim) is(v strictjson.Value) bool {
	switch v.Kind() {
	case strictjson.String:
		text, err := v.Text()
		return err == nil && slices.Contains(c.Values, text)
	case strictjson.Number, strictjson.Bool:
		return slices.Contains(c.Values, v.Raw())
	}
	return false
}

// describeValue says what a claim is, for an error.
func describeValue(v strictjson.Value) string {
	switch v.Kind() {
	case strictjson.ObjectKind:
		return "is an object"
	case strictjson.Array:
		var texts []string
		for elements := v.Elements(); elements.Next() && len(texts) <= show.MaxListed; {
			texts = append(texts, text(elements.Value()))
		}
		return "is " + show.List(texts)
	}
	return "is " + show.Quote(text(v))
}

// text is a string as it is, and the JSON text of anything else.
func text(v strictjson.Value) string {
	if s, err := v.Text(); err == nil {
		return s
	}
	return v.Raw()
}

// clientClaims say which OAuth client a token was issued to, best first: RFC
// 9068 section 2.2, OpenID Connect Core 1.0 section 2, Okta, Entra.
var clientClaims = [...]string{"client_id", "azp", "cid", "appid"}

// validateClient compares the first of clientClaims that is not empty.
func validateClient(s *Set, ids []string, found *problems) {
	for _, name := range clientClaims {
		id, ok := s.Find(Path{name}).OptionalText()
		switch {
		case !ok:
			found.add("client_id", name+" is not a string", jwt.ErrTokenInvalidClaims)
			return
		case id == "":
			continue
		case !slices.Contains(ids, id):
			found.add("client_id", name+" is "+show.Quote(id)+", want "+show.OneOf(ids), jwt.ErrTokenInvalidClaims)
		}
		return
	}
	found.missing("client_id")
}
