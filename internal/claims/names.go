package claims

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// registered are the claims that decide on a token: those of RFC 7519 section
// 4.1, and Entra's tenant.
var registered = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "tid"}

// impersonates returns the registered claim that encoding/json would take a
// member for although it has another name, "" for none. It folds the case of
// struct fields as Unicode does: "ISS", and "iſſ" with the long s.
func impersonates(name string) string {
	if utf8.RuneCountInString(name) != 3 { // all have three characters, and folding keeps their number
		return ""
	}
	for _, claim := range registered {
		if name != claim && strings.EqualFold(name, claim) {
			return claim
		}
	}
	return ""
}

// ExactNames returns the payload without the members that encoding/json would
// take for a registered claim and that are another. It must be a JSON object.
func ExactNames(payload string) string {
	clean := true
	members := strictjson.Object(payload)
	for members.Next() && clean {
		clean = impersonates(members.Name()) == ""
	}
	if clean {
		return payload
	}
	var kept []string
	members = strictjson.Object(payload)
	for members.Next() {
		if impersonates(members.Name()) == "" {
			name, _ := json.Marshal(members.Name()) // a string cannot fail
			kept = append(kept, string(name)+":"+members.Value().Raw())
		}
	}
	return "{" + strings.Join(kept, ",") + "}"
}

// CheckAgainst refuses a payload that another reader could take for something
// else than we do: one with a member that passes for a registered claim, or of
// which read, what golang-jwt made of it, has another issuer, audience or time.
// What read does not give is not compared, and neither are fractions of a
// second. To be called before the signature was verified. Errors are
// ErrTokenInvalid and match golang-jwt's ErrTokenInvalidClaims.
func CheckAgainst(payload string, read jwt.Claims) error {
	var ours Set
	members := strictjson.Object(payload)
	for members.Next() {
		name := members.Name()
		if claim := impersonates(name); claim != "" {
			return fault.Invalid("claims: "+show.Quote(name)+" would pass for "+claim+" in other readers", jwt.ErrTokenInvalidClaims)
		}
		switch name {
		case "iss", "aud", "exp", "nbf", "iat":
			_ = ours.readClaim(name, members.Value()) // what cannot be read equals nothing
		}
	}
	if err := members.Err(); err != nil {
		return fault.Malformed("claims: " + describe(err))
	}
	if read == nil {
		return nil
	}
	if differs := ours.differs(read); differs != "" {
		return fault.Invalid("golang-jwt reads another "+differs+" than the token has", jwt.ErrTokenInvalidClaims)
	}
	return nil
}

// differs names a claim of which the other reader has something else, "" for
// none.
func (s *Set) differs(other jwt.Claims) string {
	if iss, err := other.GetIssuer(); err == nil && iss != "" && iss != s.Issuer {
		return "iss"
	}
	if aud, err := other.GetAudience(); err == nil && len(aud) > 0 && !slices.Equal([]string(aud), s.Audience) {
		return "aud"
	}
	same := func(ours, theirs *jwt.NumericDate, err error) bool {
		if err != nil || theirs == nil || theirs.IsZero() {
			return true
		}
		return ours != nil && ours.Unix() == theirs.Unix()
	}
	exp, err := other.GetExpirationTime()
	if !same(dateIf(s.hasExpiry, &s.ExpiresAt), exp, err) {
		return "exp"
	}
	nbf, err := other.GetNotBefore()
	if !same(dateIf(s.hasNotBefore, &s.NotBefore), nbf, err) {
		return "nbf"
	}
	iat, err := other.GetIssuedAt()
	if !same(dateIf(s.hasIssuedAt, &s.IssuedAt), iat, err) {
		return "iat"
	}
	return ""
}
