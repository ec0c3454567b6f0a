package jwks

import (
	"context"

	"github.com/golang-jwt/jwt/v5"
)

// keyForToken finds the key that a token names.
func keyForToken(ctx context.Context, source KeySource, token string) (*Key, error) {
	t, err := openToken(stripBearer(token), defaultMaxTokenSize)
	if err != nil {
		return nil, err
	}
	keys, err := keysFor(ctx, source, &t)
	if err != nil {
		return nil, err
	}
	for _, k := range keys[1:] {
		if k.verifySignature(t.alg, t.signed, t.signature) {
			return k, nil
		}
	}
	return keys[0], nil
}

// keysFor finds the candidates for a token that was opened, and compares the
// token's issuer with the one that they are bound to.
func keysFor(ctx context.Context, source KeySource, t *openedToken) ([]*Key, error) {
	if t.alg == algUnknown {
		return nil, invalid("alg "+quote(t.header.Algorithm)+" is no public key signature algorithm that this package verifies", ErrAlgorithmNotAllowed)
	}
	iss, tid, err := t.unverifiedIssuer()
	if err != nil {
		return nil, err
	}
	keys, err := source.SigningKeys(ctx, t.header, iss)
	if err != nil {
		return nil, err
	}
	return boundTo(keys, iss, tid)
}

// boundTo keeps the keys that may verify a token of this issuer.
func boundTo(keys []*Key, iss, tid string) ([]*Key, error) {
	for i, k := range keys {
		if k.binding.accepts(iss, tid) {
			continue
		}
		fit := append([]*Key(nil), keys[:i]...)
		for _, k := range keys[i:] {
			if k.binding.accepts(iss, tid) {
				fit = append(fit, k)
			}
		}
		if len(fit) == 0 {
			return nil, k.binding.check(iss, tid)
		}
		return fit, nil
	}
	return keys, nil
}

// keysForParsed is the keyfunc for golang-jwt: what to verify a token with that
// it has parsed. golang-jwt leaves the text in t.Raw, and we read it again by
// our own rules; a token that was put together by hand has none.
func keysForParsed(ctx context.Context, source KeySource, t *jwt.Token) (any, error) {
	if t == nil || t.Method == nil {
		return nil, malformed("golang-jwt found no signing method for it")
	}
	var keys []*Key
	var err error
	if t.Raw != "" {
		var opened openedToken
		if opened, err = openToken(t.Raw, defaultMaxTokenSize); err != nil {
			return nil, err
		}
		if algorithmNamed(t.Method.Alg()) != opened.alg {
			return nil, invalid("alg is "+quote(opened.header.Algorithm)+", and golang-jwt verifies "+quote(t.Method.Alg()), ErrAlgorithmNotAllowed)
		}
		keys, err = keysFor(ctx, source, &opened)
	} else {
		keys, err = keysForUnread(ctx, source, t)
	}
	if err != nil {
		return nil, err
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

// keysForUnread is for a token without its text: what golang-jwt made of the
// header and the claims has to do.
func keysForUnread(ctx context.Context, source KeySource, t *jwt.Token) ([]*Key, error) {
	for _, name := range []string{"crit", "b64"} {
		if _, there := t.Header[name]; there {
			return nil, invalid("the header has "+quote(name)+", and no extension is supported", ErrUnsupportedCritical)
		}
	}
	h := Header{Algorithm: t.Method.Alg()}
	for name, to := range map[string]*string{"kid": &h.KeyID, "typ": &h.Type, "x5t": &h.X5t, "x5t#S256": &h.X5tS256} {
		value, there := t.Header[name]
		text, isText := value.(string)
		if there && value != nil && !isText {
			return nil, malformed("header: " + name + " is not a string")
		}
		*to = text
	}
	if algorithmNamed(h.Algorithm) == algUnknown {
		return nil, invalid("alg "+quote(h.Algorithm)+" is no public key signature algorithm that this package verifies", ErrAlgorithmNotAllowed)
	}
	var iss, tid string
	if t.Claims != nil {
		var err error
		if iss, err = t.Claims.GetIssuer(); err != nil {
			return nil, malformedClaim("iss is not a string")
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
