package jwks

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/golang-jwt/jwt/v5"
)

// Verifier verifies tokens (RFC 7519 section 7.2) with the keys of a source.
// It is safe for concurrent use and has no goroutine. The zero value is not
// usable: see [NewVerifier].
type Verifier struct {
	source     KeySource
	ignoresIss bool      // the source answers alike whatever the issuer
	needsIss   bool      // the source can do nothing without an issuer
	again      rechecker // nil: the source cannot look again
	policy     policy
	memo       *headerMemo
	cache      *lru.Cache[string, *Token] // nil: off
	buffers    sync.Pool                  // of *[]byte
}

// maxPooled bounds the buffers that are kept for later tokens.
const maxPooled = 64 << 10

// NewVerifier makes a verifier. The audience must be decided, by
// [WithAudience], [WithAllAudiences] or [WithoutAudienceCheck], and so must
// the issuer: by the source ([Issuers], or a [Client] that knows its issuer),
// by [WithExpectedIssuer] or by [WithoutIssuerCheck].
//
// It does no I/O. Every bad option is reported at once, joined, each matching
// [ErrConfig].
func NewVerifier(source KeySource, opts ...VerifierOption) (*Verifier, error) {
	c, err := newVerifierConfig(source, opts)
	if err != nil {
		return nil, err
	}
	v := &Verifier{source: source, policy: newPolicy(c), memo: newHeaderMemo()}
	_, v.ignoresIss = own[issuerIgnorer](source)
	_, v.needsIss = source.(*Issuers)
	v.again, _ = own[rechecker](source)
	if c.cacheSize > 0 {
		if v.cache, err = lru.New[string, *Token](c.cacheSize); err != nil {
			return nil, configError("WithTokenCache", "%v", err)
		}
	}
	return v, nil
}

// Verify verifies a token in the compact form of RFC 7515 section 7.1 and
// returns what it says. A leading "Bearer " (RFC 6750 section 2.1; any case,
// one or more spaces) is stripped. ctx bounds the wait for keys, should the
// source have to fetch them.
//
// Every error matches exactly one of [ErrTokenInvalid] and [ErrUnavailable],
// and the reason below it: [ErrTokenTooLarge], [ErrUnsupportedCritical],
// [ErrAlgorithmNotAllowed], [ErrIssuerNotTrusted], [ErrKeyNotFound], those of
// the source, or golang-jwt's ErrTokenMalformed, ErrTokenSignatureInvalid,
// ErrTokenExpired, ErrTokenNotValidYet, ErrTokenUsedBeforeIssued,
// ErrTokenInvalidAudience, ErrTokenInvalidIssuer, ErrTokenRequiredClaimMissing
// and ErrTokenInvalidClaims. Of the claims, everything that fails is reported
// at once. No error holds the token or a part of its signature.
func (v *Verifier) Verify(ctx context.Context, token string) (*Token, error) {
	token = stripBearer(token)
	if v.cache != nil && len(token) <= v.policy.maxSize {
		if known, ok := v.cache.Get(token); ok {
			if t, err := v.verifyAgain(ctx, known); t != nil || err != nil {
				return t, err
			}
		}
	}
	buffer, _ := v.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	t, err := v.verify(ctx, token, buffer)
	if cap(*buffer) <= maxPooled {
		v.buffers.Put(buffer)
	}
	return t, err
}

// verify takes the whole path: size, form, header, algorithm, issuer, keys,
// signature, claims, policy.
func (v *Verifier) verify(ctx context.Context, token string, buffer *[]byte) (*Token, error) {
	var began time.Time
	if v.again != nil {
		began = time.Now() // not WithNow's clock, which is for claims
	}
	var opened openedToken
	if err := opened.open(token, v.policy.maxSize, buffer, v.memo); err != nil {
		return nil, err
	}
	if err := v.policy.judgeAlgorithm(&opened); err != nil {
		return nil, err
	}
	var issuer string
	if !v.ignoresIss {
		var err error
		if issuer, _, err = opened.unverifiedIssuer(); err != nil {
			if v.needsIss {
				return nil, err
			}
			issuer = "" // what is wrong with the claims comes after the signature
		}
	}
	keys, err := v.source.SigningKeys(ctx, opened.header, issuer)
	var key *Key
	if err == nil {
		key, err = opened.signer(keys)
	} else {
		err = classified(err)
	}
	if err != nil && v.again != nil && mayBeReplaced(err) {
		others := v.again.recheck(ctx, opened.header, issuer, keys, began)
		if changed, none := opened.signer(others); none == nil {
			key, err = changed, nil
		}
	}
	if err != nil {
		return nil, err
	}

	t := &Token{raw: token, header: opened.header, key: key}
	if err := t.claims.read(opened.payloadText(), v.policy.required); err != nil {
		return nil, err
	}
	if v.cache != nil {
		t.raw = strings.Clone(token) // not the request that it came in
	}
	if err := v.policy.judge(ctx, t); err != nil {
		return nil, err
	}
	if !opened.remembered {
		v.memo.remember(&opened)
	}
	if v.cache != nil {
		v.cache.Add(t.raw, t)
	}
	return t, nil
}

// mayBeReplaced says that a key was there and did not verify the token, so that
// it is worth asking whether the issuer has another one under its name by now.
func mayBeReplaced(err error) bool {
	return errors.Is(err, jwt.ErrTokenSignatureInvalid) || errors.Is(err, ErrAlgorithmNotAllowed)
}

// verifyAgain is for a token that verified before: what its text says is
// known. Whether its key still serves and its claims still please is not. It
// returns neither token nor error when the signature must be verified anew.
func (v *Verifier) verifyAgain(ctx context.Context, t *Token) (*Token, error) {
	var issuer string
	if !v.ignoresIss {
		issuer = t.claims.iss
	}
	keys, err := v.source.SigningKeys(ctx, t.header, issuer)
	if err != nil {
		keys, err = nil, classified(err) // whatever came with the error
	}
	if err == nil || mayBeReplaced(err) {
		key := sameKey(keys, t.key)
		if key == nil {
			v.cache.Remove(t.raw)
			return nil, nil
		}
		if key != t.key { // read anew since
			renewed := *t
			renewed.key = key
			t = &renewed
			v.cache.Add(t.raw, t)
		}
		if err = v.policy.judge(ctx, t); err == nil {
			return t, nil
		}
	}
	if errors.Is(err, ErrTokenInvalid) {
		v.cache.Remove(t.raw)
	}
	return nil, err
}

// sameKey finds key among the candidates that would be tried: itself, or what
// a new reading of the same entry made.
func sameKey(candidates []*Key, key *Key) *Key {
	for i, k := range candidates {
		if i == maxCandidates {
			break
		}
		if k == key || k != nil && k.parsed != nil && k.sameAs(key) {
			return k
		}
	}
	return nil
}

// signer returns the key that verifies the signature. The error tells no key,
// no key for the algorithm, and a bad signature apart.
func (t *openedToken) signer(candidates []*Key) (*Key, error) {
	there, tried := 0, 0
	for _, k := range candidates {
		if k == nil || k.parsed == nil { // from a source that is not ours
			continue
		}
		there++
		if !k.allows.has(t.alg) {
			continue
		}
		if tried == maxCandidates {
			break
		}
		tried++
		if k.verifySignature(t.alg, t.signed, t.signature) {
			return k, nil
		}
	}
	switch {
	case there == 0:
		return nil, invalid("the key source has no "+naming(t.header), ErrKeyNotFound)
	case tried == 0:
		return nil, invalid(wrongAlg.describe(t.header), ErrAlgorithmNotAllowed)
	case tried == 1:
		return nil, invalid("the signature does not verify with "+naming(t.header), jwt.ErrTokenSignatureInvalid)
	default:
		return nil, invalid("the signature does not verify with any of "+count(tried, "candidate")+" for "+naming(t.header), jwt.ErrTokenSignatureInvalid)
	}
}
