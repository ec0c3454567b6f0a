package jwkstest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// SignOption changes one token of [Issuer.Sign]; the functions of this package are
// the only ones that make one.
type SignOption interface{ applySign(*signing) }

type signOption func(*signing)

func (f signOption) applySign(s *signing) { f(s) }

type signing struct {
	kid    *string
	header map[string]any
}

// WithKeyID signs with the issuer's key of this ID, even if
// [Issuer.RemoveKey] removed it from the key set, or [Issuer.AddKey] published it
// ahead of time. An ID that the issuer never had only goes into the header, and
// the default key signs. Default: the key of the last [Issuer.Rotate].
func WithKeyID(kid string) SignOption {
	return signOption(func(s *signing) { s.kid = &kid })
}

// WithHeader sets a header parameter (RFC 7515 section 4), or removes it if
// value is nil. It changes only the header, not how the token is signed: with "alg" or
// "kid" it makes a token whose header is false. The default
// header has the "alg" and "kid" of the signing key, and "typ" JWT.
func WithHeader(name string, value any) SignOption {
	return signOption(func(s *signing) { s.header[name] = value })
}

// Sign makes a token (RFC 7519, in the compact form of RFC 7515 section 7.1)
// with these claims and, where claims lacks them:
//
//   - iss: [Issuer.URL]; in a template, {tenantid} is replaced by
//     the claim tid if that is a string
//   - sub: "user"
//   - iat: now, and exp: in an hour, by the clock of package time, which a
//     testing/synctest bubble fakes
//
// A claim that is a [time.Time] is written as a NumericDate (RFC 7519 section
// 2), in whole seconds: {"exp": time.Now().Add(time.Minute)}. A claim whose value is nil
// is left out, even one of these four; for a null, use
// json.RawMessage("null"). Other values are marshalled as they are, so that a
// claim can have a wrong type. Sign does not change the map.
//
// The key of the last [Issuer.Rotate] signs, or the first one of
// [WithAlgorithms] if there was no rotation; [Issuer.RemoveKey] says which key signs
// after that was removed. A value that encoding/json cannot marshal panics.
func (i *Issuer) Sign(claims map[string]any, opts ...SignOption) string {
	s := signing{header: make(map[string]any)}
	for _, o := range opts {
		o.applySign(&s)
	}
	key := i.keyFor(s.kid)

	header := map[string]any{"alg": key.alg, "kid": key.kid, "typ": "JWT"}
	if i.withoutKeyIDs {
		delete(header, "kid")
	}
	if s.kid != nil && !(i.withoutKeyIDs && *s.kid == key.kid) {
		header["kid"] = *s.kid
	}
	now := time.Now()
	payload := map[string]any{
		"iss": i.issuerFor(claims),
		"sub": "user",
		"iat": now.Unix(),
		"exp": now.Add(time.Hour).Unix(),
	}
	input := segment("header", header, s.header) + "." + segment("claims", payload, numericDates(claims))
	signature, err := key.sign(input, key.private)
	if err != nil {
		panic(fmt.Sprintf("jwkstest: Sign: signing with %s (%s): %v", key.kid, key.alg, err))
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// keyFor is the issuer's key of this ID, else the one that signs.
func (i *Issuer) keyFor(kid *string) *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	if kid != nil {
		for _, k := range i.made {
			if k.kid == *kid {
				return k
			}
		}
	}
	return i.signer
}

func (i *Issuer) issuerFor(claims map[string]any) string {
	if tid, ok := claims["tid"].(string); ok && tid != "" {
		return strings.Replace(i.url, tenantID, tid, 1)
	}
	return i.url
}

// numericDates copies claims with every time.Time as a NumericDate.
func numericDates(claims map[string]any) map[string]any {
	claims = maps.Clone(claims)
	for name, v := range claims {
		if t, ok := v.(time.Time); ok {
			claims[name] = t.Unix()
		}
	}
	return claims
}

// segment lays set over defaults, leaves out what is nil, and encodes the rest.
func segment(name string, defaults, set map[string]any) string {
	maps.Copy(defaults, set)
	maps.DeleteFunc(defaults, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(defaults)
	if err != nil {
		panic(fmt.Sprintf("jwkstest: Sign: the %s cannot be marshalled: %v", name, err))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
