package jwks

import (
	"context"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// keyForToken finds the key that a token names.
func keyForToken(ctx context.Context, source KeySource, token string) (*Key, error) {
	t, err := compact.Open(compact.StripBearer(token), compact.DefaultMaxSize)
	if err != nil {
		return nil, err
	}
	keys, err := keysFor(ctx, source, &t)
	if err != nil {
		return nil, err
	}
	for _, k := range keys[1:] {
		if k.verifies(t.Algorithm, t.Signed, t.Signature) {
			return k, nil
		}
	}
	return keys[0], nil
}

// keysFor finds the candidates for a token that was opened, and compares the
// token's issuer with the one that they are bound to.
func keysFor(ctx context.Context, source KeySource, t *compact.Token) ([]*Key, error) {
	if t.Algorithm == jws.Unknown {
		return nil, unknownAlgorithm(t.Header.Algorithm)
	}
	iss, tid, err := t.UnverifiedIssuer()
	if err != nil {
		return nil, err
	}
	keys, err := source.SigningKeys(ctx, Header(t.Header), iss)
	if err != nil {
		return nil, err
	}
	return boundTo(keys, iss, tid)
}

// boundTo keeps the keys that may verify a token of this issuer.
func boundTo(keys []*Key, iss, tid string) ([]*Key, error) {
	other := func(k *Key) bool { return !k.binding.Accepts(iss, tid) }
	first := slices.IndexFunc(keys, other)
	if first < 0 {
		return keys, nil
	}
	fit := slices.DeleteFunc(slices.Clone(keys), other) // keys is shared
	if len(fit) == 0 {
		return nil, keys[first].binding.Check(iss, tid)
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
	var keys []*Key
	var bound bool // to a key of its sender
	var err error
	if t.Raw != "" {
		var opened compact.Token
		if opened, err = compact.Open(t.Raw, compact.DefaultMaxSize); err != nil {
			return nil, err
		}
		if jws.Named(t.Method.Alg()) != opened.Algorithm {
			return nil, fault.Invalid("alg is "+show.Quote(opened.Header.Algorithm)+", and golang-jwt verifies "+show.Quote(t.Method.Alg()), ErrAlgorithmNotAllowed)
		}
		keys, err = keysFor(ctx, source, &opened)
		bound = opened.Bound
	} else {
		keys, err = keysForUnread(ctx, source, t)
		claims, _ := t.Claims.(jwt.MapClaims)
		bound = claims["cnf"] != nil
	}
	if err != nil {
		return nil, err
	}
	if bound && proofFrom(ctx) == nil {
		return nil, proofRequired("golang-jwt has no place to judge a proof: use a Verifier, or judge it yourself and say so with KeyfuncCtx and ContextWithProof")
	}
	if len(keys) == 1 {
		return keys[0].Public(), nil
	}
	var set jwt.VerificationKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	return set, nil
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
	var iss, tid string
	if t.Claims != nil {
		var err error
		if iss, err = t.Claims.GetIssuer(); err != nil {
			return nil, fault.MalformedClaim("iss is not a string")
		}
		if claims, ok := t.Claims.(jwt.MapClaims); ok {
			tid, _ = claims["tid"].(string)
		}
	}
	keys, err := source.SigningKeys(ctx, h, iss)
	if err != nil {
		return nil, err
	}
	return boundTo(keys, iss, tid)
}

// unknownAlgorithm refuses an "alg" that is not a public key signature, such as
// "none" and HS256, or not one that this package verifies.
func unknownAlgorithm(alg string) error {
	return fault.Invalid("alg "+show.Quote(alg)+" is not allowed, want a signature algorithm for public keys, such as RS256", ErrAlgorithmNotAllowed)
}
