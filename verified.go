package jwks

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Token is a verified token. Only [Verifier.Verify] makes one, so having one
// means that it was verified: there is none together with an error. It is
// immutable and safe to share between goroutines.
type Token struct {
	raw    string
	header Header
	key    *Key
	claims claims
}

// Issuer returns "iss" (RFC 7519 section 4.1.1), "" when absent.
func (t *Token) Issuer() string { return t.claims.iss }

// Subject returns "sub" (RFC 7519 section 4.1.2), "" when absent.
func (t *Token) Subject() string { return t.claims.sub }

// Audience returns a copy of "aud" (RFC 7519 section 4.1.3), whether the token
// has a string or an array there; nil when absent.
func (t *Token) Audience() []string { return slices.Clone(t.claims.aud) }

// ExpiresAt returns "exp" (RFC 7519 section 4.1.4) in UTC, with the fraction
// of a second that the token has, cut at the nanosecond. The zero time when
// absent, which [WithoutExpiry] and [WithoutTimeChecks] let happen.
func (t *Token) ExpiresAt() time.Time { return t.claims.exp.Time }

// NotBefore returns "nbf" (RFC 7519 section 4.1.5) as ExpiresAt does.
func (t *Token) NotBefore() time.Time { return t.claims.nbf.Time }

// IssuedAt returns "iat" (RFC 7519 section 4.1.6) as ExpiresAt does.
func (t *Token) IssuedAt() time.Time { return t.claims.iat.Time }

// ID returns "jti" (RFC 7519 section 4.1.7), "" when absent.
func (t *Token) ID() string { return t.claims.jti }

// Header returns the part of the header that selects the key. Now it is
// verified.
func (t *Token) Header() Header { return t.header }

// Key returns the key that verified the signature.
func (t *Token) Key() *Key { return t.key }

// Raw returns the token as it came, without "Bearer". It is a credential: keep
// it out of logs.
func (t *Token) Raw() string { return t.raw }

// Scopes returns the scopes: "scope" (RFC 8693 section 4.2, a string with
// spaces between them), or where that is absent "scp" (Entra, Okta: such a
// string, or an array). An array is accepted in either. The slice is the
// caller's; nil when the token has no scopes or something else in their place.
func (t *Token) Scopes() []string { return slices.Collect(t.claims.scopes()) }

// HasScopes says whether the token has every one of these scopes, compared
// byte for byte (RFC 6749 section 3.3). It is true for none.
func (t *Token) HasScopes(scopes ...string) bool {
	for _, want := range scopes {
		if !t.claims.hasScope(want) {
			return false
		}
	}
	return true
}

// hasScope is scopes without its closures: every request asks.
func (c *claims) hasScope(want string) bool {
	v := c.scope
	if v.Kind() == strictjson.Absent || v.Kind() == strictjson.Null {
		v = c.scp
	}
	if v.Kind() == strictjson.Array {
		list, _ := stringElements(v, nil)
		return want != "" && slices.Contains(list, want)
	}
	list, _ := optionalString(v)
	for more := want != ""; more; {
		var scope string
		if scope, list, more = strings.Cut(list, " "); scope == want {
			return true
		}
	}
	return false
}

func (c *claims) scopes() iter.Seq[string] {
	v := c.scope
	if v.Kind() == strictjson.Absent || v.Kind() == strictjson.Null {
		v = c.scp
	}
	if v.Kind() == strictjson.Array {
		list, _ := stringElements(v, nil)
		return nonEmptyStrings(slices.Values(list))
	}
	list, _ := optionalString(v)
	return nonEmptyStrings(strings.SplitSeq(list, " "))
}

func nonEmptyStrings(seq iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range seq {
			if s != "" && !yield(s) {
				return
			}
		}
	}
}

// Claims decodes the payload into v, a pointer as for [json.Unmarshal], which
// does it: what v holds and the token does not name stays, and numbers become
// float64 in an any. Names of struct fields match in any case there; decode
// into a map to tell "role" from "Role".
//
// A payload that does not fit v is [ErrTokenInvalid] and golang-jwt's
// ErrTokenInvalidClaims, with the cause in the chain. A v that is not a
// pointer is a mistake of the program and of no class.
func (t *Token) Claims(v any) error {
	err := json.Unmarshal([]byte(t.claims.text), v)
	var misuse *json.InvalidUnmarshalError
	var misfit *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &misuse):
		return err
	case errors.As(err, &misfit): // its text may hold a number of the token, of any length
		what := "claim " + quote(misfit.Field) + " does"
		if misfit.Field == "" {
			what = "the claims do"
		}
		return invalid(what+" not fit "+misfit.Type.String(), jwt.ErrTokenInvalidClaims, err)
	case errors.Is(err, ErrUnavailable): // of an UnmarshalJSON of the program
		return classified(err)
	default:
		return invalid("claims: "+quote(err.Error()), jwt.ErrTokenInvalidClaims, err)
	}
}

// ClaimsAs decodes the payload into a new T, as [Token.Claims] does. With an
// error it returns the zero T.
//
//	type claims struct {
//		Roles []string `json:"roles"`
//	}
//	c, err := jwks.ClaimsAs[claims](token)
func ClaimsAs[T any](t *Token) (T, error) {
	var v, none T
	if err := t.Claims(&v); err != nil {
		return none, err
	}
	return v, nil
}
