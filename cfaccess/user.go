package cfaccess

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// ErrNoEmail says that a token does not belong to a person: it is a service token, which
// has neither an e-mail address nor an identity. It matches
// [jwks.ErrTokenInvalid].
var ErrNoEmail error = fmt.Errorf("%w: cfaccess: a service token, which has no e-mail and no identity", jwks.ErrTokenInvalid)

// User is the visitor whom a token names.
type User struct {
	// Subject is "sub", the user's ID in the team; "" for a service token.
	Subject string
	// Email is "email", as the identity provider said it; "" for a service
	// token.
	Email string
	// Country is "country", where the user logged in from: an ISO 3166-1
	// alpha-2 code; "" when unknown.
	Country string
	// CommonName is "common_name", the client ID of a service token; "" for a
	// person.
	CommonName string
}

// userOf reads the claims of a verified token. A claim that is not a string
// counts as absent: who has no e-mail that can be read, has none.
func userOf(t *jwks.Token) User {
	u := User{Subject: t.Subject()}
	_, rest, _ := strings.Cut(t.Raw(), ".")
	segment, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return u // not after Verify
	}
	for members := strictjson.Object(string(payload)); members.Next(); {
		switch members.Name() {
		case "email":
			u.Email = text(members.Value())
		case "country":
			u.Country = text(members.Value())
		case "common_name":
			u.CommonName = text(members.Value())
		}
	}
	return u
}

// text is a JSON string, or "" for anything else.
func text(v strictjson.Value) string {
	s, err := v.Text()
	if err != nil {
		return ""
	}
	return s
}

type userKey struct{}

// UserFromContext returns the visitor of a request behind
// [Validator.Middleware]. It returns false if there was no middleware, or if it skipped the
// path.
func UserFromContext(ctx context.Context) (User, bool) {
	switch v := ctx.Value(userKey{}).(type) {
	case *jwks.Token:
		return userOf(v), true // read only where somebody asks
	case *User:
		return *v, true
	}
	return User{}, false
}
