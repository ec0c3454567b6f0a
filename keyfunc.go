package jwks

import (
	"context"
	"errors"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// keyForToken finds the key that a token names: of several candidates the one
// that verifies its signature, and the first where none does.
func keyForToken(ctx context.Context, source KeySource, token string) (*Key, error) {
	began := orderNow()
	t, err := compact.Open(compact.StripBearer(token), compact.DefaultMaxSize)
	if err != nil {
		return nil, err
	}
	if u, ok := source.(*Union); ok {
		if key, err := u.signerFor(ctx, &t, began); err == nil || !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return key, err
		}
	}
	view, reporter := reporting(source)
	keys, issuer, err := keysFor(ctx, view, &t)
	if err != nil {
		return nil, err
	}
	if len(keys) == 1 && isNamed(keys, &t) {
		if reporter != nil { // nobody else needs to know
			if _, err := signer(&t, keys); err == nil {
				reporter.verified(issuer.iss)
			}
		}
		return keys[0], nil
	}
	key, err := signerAmong(ctx, source, &t, keys, issuer, began)
	if err == nil && reporter != nil {
		reporter.verified(issuer.iss)
	}
	if err != nil && len(keys) > 0 && (t.Header.KeyID == "" || isNamed(keys, &t)) {
		return first(keys), nil // its signature is not ours to judge
	}
	return key, err
}

func first(keys []*Key) *Key {
	if len(keys) == 0 {
		return nil
	}
	return keys[0]
}

// isNamed says whether the token names the keys by their kid.
func isNamed(keys []*Key, t *compact.Token) bool {
	return t.Header.KeyID != "" && len(keys) > 0 && keys[0].ID() == t.Header.KeyID
}

// signerAmong returns the candidate that verifies the signature. Where none
// does, the source is asked to look again, as a verifier asks.
func signerAmong(ctx context.Context, source KeySource, t *compact.Token, keys []*Key, issuer unverifiedIssuer, began order) (*Key, error) {
	key, err := signer(t, keys)
	if err == nil || !mayBeReplaced(err) {
		return key, err
	}
	if again, ok := asOurs[rechecker](source); ok {
		for range maxRechecks {
			others, gaveUp := again.recheck(ctx, Header(t.Header), issuer.iss, keys, began)
			if wait, ok := gaveUp.(notYet); ok {
				return nil, wait.addTo(err)
			}
			if gaveUp != nil {
				return nil, gaveUp
			}
			if len(others) == 0 {
				break
			}
			if bound, bindErr := boundTo(others, issuer); bindErr == nil {
				if key, err := signer(t, bound); err == nil {
					return key, nil
				}
			}
			keys = append(slices.Clip(keys), others...)
		}
	}
	return nil, err
}

// unverifiedIssuer is what a token claims of its issuer.
type unverifiedIssuer struct{ iss, tid string }

// keysFor finds the candidates for a token that was opened, and compares the
// token's issuer with the one that they are bound to.
func keysFor(ctx context.Context, source KeySource, t *compact.Token) ([]*Key, unverifiedIssuer, error) {
	var issuer unverifiedIssuer
	if t.Algorithm == jws.Unknown {
		return nil, issuer, unknownAlgorithm(t.Header.Algorithm)
	}
	var err error
	if issuer.iss, issuer.tid, err = t.UnverifiedIssuer(); err != nil {
		return nil, issuer, err
	}
	keys, err := source.SigningKeys(ctx, Header(t.Header), issuer.iss)
	if err != nil {
		return nil, issuer, err
	}
	keys, err = boundTo(keys, issuer)
	return keys, issuer, err
}

// boundTo keeps the keys that may verify a token of this issuer.
func boundTo(keys []*Key, issuer unverifiedIssuer) ([]*Key, error) {
	other := func(k *Key) bool { return !k.binding.Accepts(issuer.iss, issuer.tid) }
	i := slices.IndexFunc(keys, other)
	if i < 0 {
		return keys, nil
	}
	fit := slices.DeleteFunc(slices.Clone(keys), other) // keys is shared
	if len(fit) == 0 {
		return nil, keys[i].binding.Check(issuer.iss, issuer.tid)
	}
	return fit, nil
}

// keysForParsed is the keyfunc for golang-jwt: what to verify a token with that
// it has parsed. golang-jwt leaves the text in t.Raw, and we read it again by
// our own rules. A token that was put together by hand has none.
func keysForParsed(ctx context.Context, source KeySource, t *jwt.Token) (any, error) {
	if t == nil || t.Method == nil {
		return nil, fault.Malformed("golang-jwt found no signing method for it")
	}
	keys, bound, err := keysForText(ctx, source, t)
	if err != nil {
		return nil, err
	}
	if bound && proofFrom(ctx) == nil {
		return nil, proofRequired("golang-jwt has no place to judge a proof: use a Verifier, or judge it yourself and say so with KeyfuncCtx and ContextWithProof")
	}
	if len(keys) == 1 {
		return keys[0].forParser(), nil
	}
	var set jwt.VerificationKeySet
	for _, k := range keys[:affordable(keys)] {
		set.Keys = append(set.Keys, k.forParser())
	}
	return set, nil
}

// keysForText finds the candidates by the text that golang-jwt has parsed.
// Where the token does not name its key, they are tried here: golang-jwt would
// not look again if a key was replaced. bound: to a key of its sender.
func keysForText(ctx context.Context, source KeySource, t *jwt.Token) (keys []*Key, bound bool, err error) {
	if t.Raw == "" {
		keys, err = keysForUnread(ctx, source, t)
		m, _ := t.Claims.(jwt.MapClaims)
		return keys, m["cnf"] != nil, err
	}
	began := orderNow()
	opened, err := compact.Open(t.Raw, compact.DefaultMaxSize)
	if err != nil {
		return nil, false, err
	}
	if jws.Named(t.Method.Alg()) != opened.Algorithm {
		return nil, false, fault.Invalid("alg is "+show.Quote(opened.Header.Algorithm)+", and golang-jwt verifies "+show.Quote(t.Method.Alg()), ErrAlgorithmNotAllowed)
	}
	if err := claims.CheckAgainst(opened.Payload(), t.Claims); err != nil {
		return nil, false, err
	}
	if u, ok := source.(*Union); ok {
		key, err := u.signerFor(ctx, &opened, began)
		if err == nil {
			return key.alone[:], opened.Bound, nil
		}
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return nil, opened.Bound, err
		}
	}
	keys, issuer, err := keysFor(ctx, source, &opened)
	if err != nil || isNamed(keys, &opened) {
		return keys, opened.Bound, err
	}
	key, err := signerAmong(ctx, source, &opened, keys, issuer, began)
	if err != nil {
		return nil, opened.Bound, err
	}
	return key.alone[:], opened.Bound, nil
}

// keysForUnread is for a token without its text: it goes by what golang-jwt's
// types hold of the header and the claims.
func keysForUnread(ctx context.Context, source KeySource, t *jwt.Token) ([]*Key, error) {
	for _, name := range []string{"crit", "b64"} {
		if _, there := t.Header[name]; there {
			return nil, compact.UnsupportedCritical(name)
		}
	}
	h := Header{Algorithm: t.Method.Alg()}
	for name, to := range map[string]*string{"kid": &h.KeyID, "typ": &h.Type, "x5t": &h.X5t, "x5t#S256": &h.X5tS256} {
		value, there := t.Header[name]
		text, isText := value.(string)
		if there && value != nil && !isText {
			return nil, fault.Malformed("header: " + name + " is not a string")
		}
		*to = text
	}
	if jws.Named(h.Algorithm) == jws.Unknown {
		return nil, unknownAlgorithm(h.Algorithm)
	}
	var issuer unverifiedIssuer
	if t.Claims != nil {
		var err error
		if issuer.iss, err = t.Claims.GetIssuer(); err != nil {
			return nil, fault.MalformedClaim("iss is not a string")
		}
		if m, ok := t.Claims.(jwt.MapClaims); ok {
			issuer.tid, _ = m["tid"].(string)
		}
	}
	keys, err := source.SigningKeys(ctx, h, issuer.iss)
	if err != nil {
		return nil, err
	}
	return boundTo(keys, issuer)
}

// unknownAlgorithm refuses an "alg" that is not a public key signature, such as
// "none" and HS256, or not one that this package verifies.
func unknownAlgorithm(alg string) error {
	return fault.Invalid("alg "+show.Quote(alg)+" is not allowed, want a signature algorithm for public keys, such as RS256", ErrAlgorithmNotAllowed)
}
