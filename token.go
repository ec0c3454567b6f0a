package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// Header is the part of a token's JOSE header that selects a key (RFC 7515
// section 4.1): "alg", "kid", "typ", "x5t" and "x5t#S256", "" when absent.
// Nothing in it is verified until [Verifier.Verify] returned a [Token].
type Header struct{ Algorithm, KeyID, Type, X5t, X5tS256 string }

// Token is a verified token. Only [Verifier.Verify] makes one, and never returns
// one together with an error, so having one means that it was verified. It is
// immutable and safe to share between goroutines.
type Token struct {
	raw    *string // behind a pointer: no verb prints it, wherever a copy of the Token is
	header Header
	key    *Key
	claims claims.Set
	policy *policy // that it was judged by
}

// Issuer returns "iss" (RFC 7519 section 4.1.1), "" when absent.
func (t *Token) Issuer() string { return t.claims.Issuer }

// Subject returns "sub" (RFC 7519 section 4.1.2), "" when absent.
func (t *Token) Subject() string { return t.claims.Subject }

// Audience returns a copy of "aud" (RFC 7519 section 4.1.3), whether the token
// has a string or an array there; nil when absent.
func (t *Token) Audience() []string { return slices.Clone(t.claims.Audience) }

// ExpiresAt returns "exp" (RFC 7519 section 4.1.4) in UTC. A fraction
// of a second is kept, truncated to nanoseconds. The zero time when
// absent, which only [WithoutExpiry] and [WithoutTimeChecks] permit.
func (t *Token) ExpiresAt() time.Time { return t.claims.ExpiresAt.Time }

// ValidUntil returns when this token stops being valid: "exp" plus the leeway
// of its verifier ([WithLeeway]). The zero time without an exp. Use it to end
// streams and cache entries together with the token.
func (t *Token) ValidUntil() time.Time {
	if t.ExpiresAt().IsZero() {
		return time.Time{}
	}
	return t.ExpiresAt().Add(t.policy.claims.Leeway)
}

// NotBefore returns "nbf" (RFC 7519 section 4.1.5) in the form of ExpiresAt; the zero
// time when absent.
func (t *Token) NotBefore() time.Time { return t.claims.NotBefore.Time }

// IssuedAt returns "iat" (RFC 7519 section 4.1.6) in the form of ExpiresAt; the zero
// time when absent.
func (t *Token) IssuedAt() time.Time { return t.claims.IssuedAt.Time }

// ID returns "jti" (RFC 7519 section 4.1.7), "" when absent.
func (t *Token) ID() string { return t.claims.ID }

// Header returns the part of the header that selects the key, which has been verified.
func (t *Token) Header() Header { return t.header }

// Key returns the key that verified the signature.
func (t *Token) Key() *Key { return t.key }

// Raw returns the token as it came, without "Bearer". It is a credential: keep
// it out of logs.
func (t *Token) Raw() string {
	if t.raw == nil {
		return ""
	}
	return *t.raw
}

// newToken makes a Token and its text in one allocation.
func newToken(raw string, h Header, key *Key, p *policy) *Token {
	t := &struct {
		Token
		text string
	}{Token{header: h, key: key, policy: p}, raw}
	t.raw = &t.text
	return &t.Token
}

// Format prints issuer, subject and expiry whatever the verb, and never the
// token: it is a credential.
func (t Token) Format(s fmt.State, _ rune) {
	text := "jwks.Token{iss: " + show.Quote(t.Issuer()) + ", sub: " + show.Quote(t.Subject())
	if exp := t.ExpiresAt(); !exp.IsZero() {
		text += ", exp: " + exp.Format(time.RFC3339)
	}
	_, _ = io.WriteString(s, text+"}") // fmt's buffer does not fail
}

// LogValue logs what [Token.Format] prints, as a group of iss, sub and exp.
func (t Token) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("iss", show.Cut(t.Issuer())), slog.String("sub", show.Cut(t.Subject()))}
	if exp := t.ExpiresAt(); !exp.IsZero() {
		attrs = append(attrs, slog.Time("exp", exp))
	}
	return slog.GroupValue(attrs...)
}

// Scopes returns the scopes: "scope" (RFC 8693 section 4.2, a string separated by
// spaces) or, if that is absent, "scp" (Entra, Okta: such a string, or an array).
// An array is accepted in either. The slice belongs to the
// caller; it is nil if the token has no scopes, or something else in their place.
func (t *Token) Scopes() []string { return t.claims.Scopes() }

// HasScopes says whether the token has all of these scopes, compared
// byte for byte (RFC 6749 section 3.3). Without arguments it is true.
func (t *Token) HasScopes(scopes ...string) bool {
	for _, want := range scopes {
		if !t.claims.HasScope(want) {
			return false
		}
	}
	return true
}

// Strings returns a claim that is a string, or the strings in a claim that is an
// array. A name that begins with "/" is a JSON Pointer (RFC 6901):
// "/realm_access/roles". It returns nil if the claim is absent or something else,
// if the pointer is malformed, or if an object on the path has a duplicate
// member. The slice belongs to the caller.
func (t *Token) Strings(name string) []string {
	path, err := claims.ParsePath(name)
	if err != nil {
		return nil
	}
	return t.claims.Strings(path)
}

// Claims decodes the payload into v, a pointer, by [json.Unmarshal]. So
// fields of v that the token does not name keep their values, numbers become
// float64 in an any, and the names of struct fields match in any case; decode
// into a map to tell "role" from "Role". The registered claims are safe: if v
// is a struct, a field for iss, sub, aud, exp, nbf, iat, jti or tid, even of an
// embedded struct such as [jwt.RegisteredClaims], takes only the member of exactly
// that name, never one such as "ISS".
//
// A payload that does not fit v is [ErrTokenInvalid] and golang-jwt's
// ErrTokenInvalidClaims, with the cause in the chain. A v that is not a
// pointer is a mistake in the program, and its error belongs to neither class.
func (t *Token) Claims(v any) error {
	text := t.claims.Text
	if isStruct(v) {
		text = claims.ExactNames(text)
	}
	return decodeInto(v, []byte(text), "claim")
}

// DecodeHeader decodes the whole JOSE header (RFC 7515 section 4) into v, for
// parameters that [Header] does not have. Errors and v are as for
// [Token.Claims]. Do not trust keys or URLs in "jku", "jwk", "x5u" and "x5c": this
// package never reads them, because the sender of a token writes them.
func (t *Token) DecodeHeader(v any) error {
	encoded, _, _ := strings.Cut(t.Raw(), ".")
	text := make([]byte, base64url.DecodedLen(len(encoded)))
	base64url.Decode(text, encoded) // as it did when the token was verified
	return decodeInto(v, text, "header parameter")
}

// decodeInto decodes a JSON object. what is one of its members, for errors.
func decodeInto(v any, text []byte, what string) error {
	err := json.Unmarshal(text, v)
	var misuse *json.InvalidUnmarshalError
	var misfit *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &misuse):
		return err
	case errors.As(err, &misfit): // its text may hold a number of the token, of any length
		if misfit.Field == "" {
			return fault.Invalid("the "+what+"s do not fit "+misfit.Type.String(), jwt.ErrTokenInvalidClaims, err)
		}
		return fault.Invalid(what+" "+show.Quote(misfit.Field)+" does not fit "+misfit.Type.String(), jwt.ErrTokenInvalidClaims, err)
	case errors.Is(err, ErrUnavailable): // from an UnmarshalJSON of the program
		return classified(err)
	default:
		return fault.Invalid(what+"s: "+show.Quote(err.Error()), jwt.ErrTokenInvalidClaims, err)
	}
}

// isStruct says whether encoding/json would match members with fields.
func isStruct(v any) bool {
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer || r.Kind() == reflect.Interface {
		if r.IsNil() {
			if r.Kind() == reflect.Pointer { // it would make what the pointer is for
				t := r.Type()
				for t.Kind() == reflect.Pointer {
					t = t.Elem()
				}
				return t.Kind() == reflect.Struct
			}
			return false
		}
		r = r.Elem()
	}
	return r.Kind() == reflect.Struct
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

// Proof shows that the sender of a request has the key that its
// token is bound to (RFC 7800): a DPoP proof (RFC 9449) or a client certificate
// (RFC 8705). For every token with "cnf", [Verifier.Verify] asks the Proof in its
// context (see [ContextWithProof]), after the signature and the
// claims have been verified and before any [WithCheck] runs.
//
// Prove returns nil if the sender has the key. An error refuses the token
// with [ErrProofRequired], and stays in the chain; an error that matches
// [ErrUnavailable] says that it could not be decided. A Proof must be safe for
// concurrent use if its context is used concurrently.
//
// A Proof with a method Confirms() []string answers only for these members of
// "cnf", such as "jkt": a token whose "cnf" has others is refused even if Prove
// returned nil. Without the method it answers for all of them.
type Proof interface {
	Prove(ctx context.Context, t *Token) error
}

// confirmer is a Proof that does not answer for all of "cnf".
type confirmer interface{ Confirms() []string }

type proofKey struct{}

// ContextWithProof returns a copy of ctx with a proof for [Verifier.Verify],
// which replaces the one that ctx has, if any. A nil p, also a nil pointer of any type,
// removes it. The middleware of package jwkshttp does this for every request if it has a
// WithProof.
func ContextWithProof(ctx context.Context, p Proof) context.Context {
	if isNil(p) {
		p = nil
	}
	return context.WithValue(ctx, proofKey{}, p)
}

// proofFrom returns the proof that a context carries, or nil.
func proofFrom(ctx context.Context) Proof {
	p, _ := ctx.Value(proofKey{}).(Proof)
	return p
}

// WithoutProofOfPossession accepts a token that is bound to a key ("cnf", RFC
// 7800) from anyone, as if it were not bound: for services behind a
// proxy that has checked the proof. A proof in the context must still
// pass. Without this option, a bound token without proof is
// [ErrProofRequired].
func WithoutProofOfPossession() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.noProof = true; return nil })
}

// checkProof judges a token whose claims hold. What is not bound to a key needs
// no proof.
func checkProof(ctx context.Context, t *Token, optional bool) error {
	if !t.claims.Bound() {
		return nil
	}
	p := proofFrom(ctx)
	switch {
	case p == nil && optional:
		return nil
	case p == nil:
		return proofRequired(confirmedBy(t) + ": send a proof, or accept the token from anyone with WithoutProofOfPossession")
	}
	if err := p.Prove(ctx, t); err != nil {
		return proofRefused(ctx, err)
	}
	if c, ok := p.(confirmer); ok && !optional {
		if left := unconfirmed(t, c.Confirms()); left != "" {
			return proofRequired(left)
		}
	}
	return nil
}

// proofRequired says that nothing proved that the sender has the key.
func proofRequired(why string) error {
	return fault.Invalid("it is bound to a key (cnf), and nothing proved that its sender has the key: "+why, ErrProofRequired)
}

// confirmedBy says how the key of a token is to be proved.
func confirmedBy(t *Token) string {
	names, _ := t.claims.ConfirmationMembers()
	if len(names) == 0 {
		return "cnf names no key"
	}
	return "cnf has " + show.List(names)
}

// unconfirmed returns a confirmation method of the token that is not among the proved
// ones, or "" if all are proved. A cnf that has none, or cannot be
// read, is never proved.
func unconfirmed(t *Token, proved []string) string {
	if t.claims.ConfirmedBy(proved) { // before anything is allocated
		return ""
	}
	names, err := t.claims.ConfirmationMembers()
	switch {
	case err != nil:
		return "cnf: " + err.Error()
	case len(names) == 0:
		return "cnf names no key"
	}
	left := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(proved, name) })
	return "the proof does not cover " + strings.Trim(show.List(left), "[]") + " of cnf"
}

// proofRefused makes one error of one class from what a Proof returned. If the
// caller gave up while the proof was judged, there is no verdict.
func proofRefused(ctx context.Context, err error) error {
	text, ok := fault.Text(err)
	if !ok {
		text = show.Quote(err.Error())
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fault.Unavailable("proof: "+text, fault.Within(ErrUnavailable, err))
	}
	class, cause := fault.Sort(err, ErrTokenInvalid)
	if class == ErrTokenInvalid {
		return fault.Invalid("proof: "+text, ErrProofRequired, cause)
	}
	return fault.Unavailable("proof: "+text, cause)
}

// Confirmation says which key a token is bound to, by the two members of "cnf" that
// OAuth uses. A member that is absent or not a string is "".
type Confirmation struct {
	JWKThumbprint         string // "jkt": of the key of DPoP proofs, RFC 9449 section 6.1
	CertificateThumbprint string // "x5t#S256": of the client certificate, RFC 8705 section 3.1
}

// Confirmation returns what "cnf" (RFC 7800 section 3.1) says, and whether the
// token has one. A cnf of another kind, or with a duplicate member, binds
// the token to a key that is not known here: the zero Confirmation and true.
func (t *Token) Confirmation() (Confirmation, bool) {
	jkt, x5t := t.claims.Confirmation()
	return Confirmation{jkt, x5t}, t.claims.Bound()
}
