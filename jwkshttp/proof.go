package jwkshttp

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// WithProof sets how a request proves that its sender has the key that a token
// is bound to ("cnf", RFC 7800): f is the method Proof of package dpop's Checker, or the
// result of [ClientCertificate]. It is called for every request that is not skipped, with
// credentials or without; it returns nil and nil if the request has no proof.
// If WithProof is given more than once, all functions are called, and each confirmation
// method that a token names must be proved by one of them. Default: none, and a token that
// is bound to a key is refused ([jwks.ErrProofRequired]).
//
// If f returns an error and the request has credentials, the request is refused. The error
// counts as [jwks.ErrProofRequired], unless it matches [jwks.ErrUnavailable],
// [jwks.ErrTokenInvalid] or [ErrMalformed].
//
// A Proof, and an error of f or of Prove, may have more methods:
//
//   - Challenge() (scheme, params string): the challenge that offers this kind
//     of proof, or the one for this error. If the scheme is DPoP, [BearerToken] as an
//     extractor also accepts tokens with that scheme in the Authorization header; such a
//     token must be bound to a DPoP key (RFC 9449 section 7.1).
//   - ResponseHeader() http.Header: header fields for the answer.
//   - Confirms() []string: see [jwks.Proof].
//
// The proof is not in the handler's context, because it can be used only once. A nil f
// panics.
func WithProof(f func(r *http.Request) (jwks.Proof, error)) Option {
	return option(func(c *config) error {
		if f == nil {
			return fmt.Errorf("WithProof: the function is nil")
		}
		c.proofs = append(c.proofs, f)
		return nil
	})
}

// ClientCertificate returns a function for [WithProof] that proves tokens bound to
// a client certificate (RFC 8705 section 3): the SHA-256 of the certificate of
// the TLS connection must be the token's "x5t#S256". The server must request
// certificates ([crypto/tls.Config].ClientAuth); it does not matter who issued them.
//
// If a proxy ends TLS, f returns the certificate from a header that the proxy
// always sets, or nil if there is none; it must not trust a header that the
// sender can set. With a nil f, the first certificate of the request's TLS
// connection is used. Without a certificate there is no proof.
func ClientCertificate(f func(r *http.Request) *x509.Certificate) func(r *http.Request) (jwks.Proof, error) {
	if f == nil {
		f = peerCertificate
	}
	return func(r *http.Request) (jwks.Proof, error) {
		if cert := f(r); cert != nil {
			return certificateProof{cert}, nil
		}
		return nil, nil
	}
}

func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

type certificateProof struct{ cert *x509.Certificate }

var certificateConfirms = []string{"x5t#S256"}

func (certificateProof) Confirms() []string { return certificateConfirms }

// Prove implements [jwks.Proof] (RFC 8705 section 3.1).
func (p certificateProof) Prove(_ context.Context, t *jwks.Token) error {
	confirmation, _ := t.Confirmation()
	if confirmation.CertificateThumbprint == "" {
		members, err := confirmationMembers(t)
		if err == nil && slices.Contains(members, "x5t#S256") {
			err = fault.Invalid("the x5t#S256 of cnf is not a thumbprint", jwks.ErrProofRequired)
		}
		return err
	}
	sum := sha256.Sum256(p.cert.Raw)
	if len(p.cert.Raw) == 0 || confirmation.CertificateThumbprint != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return fault.Invalid("the client certificate is not the one that the token is bound to", jwks.ErrProofRequired)
	}
	return nil
}

// confirmationMembers names the members of a token's cnf that are not null.
func confirmationMembers(t *jwks.Token) ([]string, error) {
	var claims struct {
		Confirmation map[string]json.RawMessage `json:"cnf"`
	}
	if err := t.Claims(&claims); err != nil {
		return nil, fault.Invalid("cnf is not an object", jwks.ErrProofRequired)
	}
	maps.DeleteFunc(claims.Confirmation, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return slices.Collect(maps.Keys(claims.Confirmation)), nil
}

// What a Proof, or an error about one, may have besides.
type (
	challenger interface {
		Challenge() (scheme, params string)
	}
	responseHeaders interface{ ResponseHeader() http.Header }
	confirmer       interface{ Confirms() []string }
)

// schemeDPoP is the one scheme besides Bearer (RFC 9449 section 7.1).
const schemeDPoP = "DPoP"

// presented is what a request brings to prove a key.
type presented struct {
	proofs []jwks.Proof
	first  [1]jwks.Proof // most have one
	err    error         // of a function
	dpop   bool          // the scheme DPoP is read
	scheme string        // that the token came with: "" for Bearer, or DPoP
}

// presentedBy asks the functions of WithProof. An error of one does not keep
// the others from saying which schemes there are.
func (g *guard) presentedBy(r *http.Request) *presented {
	if g.proofs == nil {
		return nil
	}
	p := &presented{}
	p.proofs = p.first[:0]
	for _, f := range g.proofs {
		proof, err := f(r)
		if err != nil {
			p.err = errors.Join(p.err, err)
			if c := challenger(nil); errors.As(err, &c) {
				p.note(c)
			}
			continue
		}
		if !isNil(proof) {
			p.proofs = append(p.proofs, proof)
			if c, ok := proof.(challenger); ok {
				p.note(c)
			}
		}
	}
	return p
}

// note notes the scheme that a Proof or an error brings.
func (p *presented) note(c challenger) {
	scheme, _ := c.Challenge()
	p.dpop = p.dpop || strings.EqualFold(scheme, schemeDPoP)
}

// refusal classes what the functions returned.
func (p *presented) refusal() error {
	if p == nil || p.err == nil {
		return nil
	}
	if errors.Is(p.err, jwks.ErrUnavailable) || errors.Is(p.err, jwks.ErrTokenInvalid) || errors.Is(p.err, ErrMalformed) {
		return p.err
	}
	return fault.Invalid("proof: "+show.Quote(p.err.Error()), jwks.ErrProofRequired, p.err)
}

// context returns the context to verify the token under.
func (p *presented) context(ctx context.Context) context.Context {
	switch {
	case p == nil || len(p.proofs) == 0:
		return ctx
	case len(p.proofs) == 1:
		return jwks.ContextWithProof(ctx, p.proofs[0])
	case slices.ContainsFunc(p.proofs, func(proof jwks.Proof) bool { _, ok := proof.(confirmer); return !ok }):
		return jwks.ContextWithProof(ctx, joint(p.proofs))
	}
	return jwks.ContextWithProof(ctx, jointConfirmer{joint(p.proofs)})
}

// checkScheme refuses a token with the scheme DPoP that no proof was asked about
// (RFC 9449 section 7.1): its sender takes it for bound.
func (p *presented) checkScheme(t *jwks.Token) error {
	if p == nil || p.scheme == "" {
		return nil
	}
	if confirmation, _ := t.Confirmation(); confirmation.JWKThumbprint == "" {
		return fault.Invalid("it was sent with the scheme DPoP and is not bound to a DPoP key (cnf has no jkt)", jwks.ErrProofRequired)
	}
	return nil
}

// joint are several proofs of one request. Each is asked about the tokens that
// it is for.
type joint []jwks.Proof

// Prove implements [jwks.Proof].
func (j joint) Prove(ctx context.Context, t *jwks.Token) error {
	members, err := confirmationMembers(t)
	if err != nil {
		return err
	}
	for _, p := range j {
		if c, ok := p.(confirmer); ok && !slices.ContainsFunc(c.Confirms(), func(name string) bool { return slices.Contains(members, name) }) {
			continue
		}
		if err := p.Prove(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// jointConfirmer are several proofs of which none answers for all of cnf.
type jointConfirmer struct{ joint }

func (j jointConfirmer) Confirms() []string {
	var names []string
	for _, p := range j.joint {
		names = append(names, p.(confirmer).Confirms()...)
	}
	return names
}

// extractor is what looks in the place of e: BearerToken also reads the scheme
// DPoP, if one of the proofs is of that kind.
func (p *presented) extractor(e Extractor, isBearerToken bool) Extractor {
	if p == nil || !p.dpop || !isBearerToken {
		return e
	}
	return p.token
}

// areBearerToken says which extractors are [BearerToken], the function itself:
// they are what reads Authorization.
func areBearerToken(extractors []Extractor) []bool {
	own := reflect.ValueOf(BearerToken).Pointer()
	are := make([]bool, len(extractors))
	for i, e := range extractors {
		are[i] = reflect.ValueOf(e).Pointer() == own
	}
	return are
}

// token is BearerToken for both schemes.
func (p *presented) token(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return BearerToken(r)
	}
	value := trim(values[0])
	if len(value) < len(schemeDPoP) || !strings.EqualFold(value[:len(schemeDPoP)], schemeDPoP) {
		return bearer(value)
	}
	rest := value[len(schemeDPoP):]
	if rest != "" && isTchar(rest[0]) { // a longer name
		return bearer(value)
	}
	p.scheme = schemeDPoP
	switch {
	case rest == "":
		return "", malformed("DPoP without a token")
	case rest[0] != ' ':
		return "", malformed("want a space after DPoP")
	}
	return lone(strings.TrimLeft(rest, " "), "the Authorization header")
}
