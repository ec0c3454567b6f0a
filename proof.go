package jwks

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// Proof is what a request brings to show that its sender has the key that a
// token is bound to (RFC 7800): a DPoP proof (RFC 9449), a client certificate
// (RFC 8705). [Verifier.Verify] asks the one of its context (see
// [ContextWithProof]) about every token with "cnf", once its signature and
// claims have been verified and before any [WithCheck] runs.
//
// Prove returns nil when the sender has the key. An error refuses the token
// with [ErrProofRequired], and stays in the chain; one that matches
// [ErrUnavailable] says that it could not be decided. It must be safe for
// concurrent use if its context is.
//
// A Proof with a method Confirms() []string answers only for these members of
// "cnf", such as "jkt": a token whose "cnf" has others is refused though Prove
// returned nil. Without the method it answers for all of them.
type Proof interface {
	Prove(ctx context.Context, t *Token) error
}

// confirmer is a Proof that does not answer for all of "cnf".
type confirmer interface{ Confirms() []string }

type proofKey struct{}

// ContextWithProof returns a copy of ctx with a proof for [Verifier.Verify],
// which replaces the one that ctx has, if any. A nil p leaves none. Package
// jwkshttp does it for every request.
func ContextWithProof(ctx context.Context, p Proof) context.Context {
	return context.WithValue(ctx, proofKey{}, p)
}

// proofFrom returns the proof that a context carries, or nil.
func proofFrom(ctx context.Context) Proof {
	p, _ := ctx.Value(proofKey{}).(Proof)
	return p
}

// WithoutProofOfPossession accepts a token that is bound to a key ("cnf", RFC
// 7800) from whoever sends it, as if it were not bound: for services behind a
// proxy that has checked the proof. A proof that the context carries must still
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

// unconfirmed says which of a token's confirmation methods none of those that
// were proved is, "" if each of them was. A cnf that has none, or cannot be
// read, is never proved.
func unconfirmed(t *Token, proved []string) string {
	names, err := t.claims.ConfirmationMembers()
	switch {
	case err != nil:
		return "cnf: " + err.Error()
	case len(names) == 0:
		return "cnf names no key"
	}
	left := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(proved, name) })
	if len(left) == 0 {
		return ""
	}
	return "the proof does not cover " + strings.Trim(show.List(left), "[]") + " of cnf"
}

// proofRefused makes one error of one class from what a Proof returned. Who
// gave up while the proof was judged has no verdict.
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

// Confirmation says which key a token is bound to, by the members of "cnf" that
// profiles of OAuth use. A member that is absent or not a string is "".
type Confirmation struct {
	JWKThumbprint         string // "jkt": of the key of DPoP proofs, RFC 9449 section 6.1
	CertificateThumbprint string // "x5t#S256": of the client certificate, RFC 8705 section 3.1
}

// Confirmation returns what "cnf" (RFC 7800 section 3.1) says, and whether the
// token has one at all. A cnf of another kind, or with a member twice, binds
// the token to a key that nobody can name: the zero Confirmation and true.
func (t *Token) Confirmation() (Confirmation, bool) {
	jkt, x5t := t.claims.Confirmation()
	return Confirmation{jkt, x5t}, t.claims.Bound()
}
