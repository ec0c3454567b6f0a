package jwks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/tokencache"
)

// Verifier verifies tokens (RFC 7519 section 7.2) with the keys of a source.
// It is safe for concurrent use and has no goroutine. The zero value is not
// usable: see [NewVerifier].
type Verifier struct {
	maxSize       int // of a token
	source        KeySource
	ignoresIssuer bool      // the source gives the same answer whatever the issuer
	needsIssuer   bool      // the source can do nothing without an issuer
	rechecker     rechecker // nil: the source cannot look again
	union         *Union    // nil: the source is one
	reporter      reporter  // nil: nobody wants to hear what verified
	policies      *policies
	headers       *compact.HeaderCache
	cache         *tokencache.Cache[*Token] // of verified tokens; nil: off
	buffers       sync.Pool                 // of *[]byte
}

// maxPooledBuffer bounds the buffers that are kept for later tokens.
const maxPooledBuffer = 64 << 10

// maxRechecks bounds how often a source looks again for one token: a set that
// landed meanwhile, and one that was fetched for it.
const maxRechecks = 3

// NewVerifier makes a verifier. The audience must be decided, by
// [WithAudience], [WithAllAudiences] or [WithoutAudienceCheck], and so must
// the issuer: by the source ([Issuers], or a [Client] that knows its issuer),
// by [WithExpectedIssuer] or by [WithoutIssuerCheck].
//
// It does no I/O. Every bad option is reported at once, joined, each matching
// [ErrConfig].
func NewVerifier(source KeySource, opts ...VerifierOption) (*Verifier, error) {
	c, policies, err := newVerifierConfig(source, opts)
	if err != nil {
		return nil, err
	}
	v := &Verifier{maxSize: c.maxSize, policies: policies, headers: compact.NewHeaderCache(headersOf(source))}
	v.source, v.reporter = reporting(source)
	_, v.ignoresIssuer = asOurs[issuerIgnorer](source)
	_, v.needsIssuer = source.(*Issuers)
	v.rechecker, _ = asOurs[rechecker](source)
	v.union, _ = source.(*Union)
	if c.cacheSize > 0 {
		v.cache = tokencache.New[*Token](c.cacheSize)
	}
	return v, nil
}

// Verify verifies a token in the compact form of RFC 7515 section 7.1. A leading
// "Bearer " (RFC 6750 section 2.1; any case,
// one or more spaces) is stripped. ctx limits the wait for keys, if the
// source has to fetch them.
//
// Every error matches exactly one of [ErrTokenInvalid] and [ErrUnavailable],
// and a reason: [ErrTokenTooLarge], [ErrUnsupportedCritical],
// [ErrAlgorithmNotAllowed], [ErrIssuerNotTrusted], [ErrKeyNotFound],
// [ErrProofRequired], those of the source, or golang-jwt's ErrTokenMalformed,
// ErrTokenSignatureInvalid, ErrTokenExpired, ErrTokenNotValidYet,
// ErrTokenUsedBeforeIssued, ErrTokenInvalidAudience, ErrTokenInvalidIssuer,
// ErrTokenRequiredClaimMissing and ErrTokenInvalidClaims. All claims that fail are reported
// at once. No error contains the token or a part of its signature.
func (v *Verifier) Verify(ctx context.Context, token string) (*Token, error) {
	return v.judge(ctx, compact.StripBearer(token), nil)
}

// judge is Verify, and records the steps in w unless that is nil. A witness never
// influences the verdict.
func (v *Verifier) judge(ctx context.Context, token string, w *witness) (*Token, error) {
	if v.cache != nil && len(token) <= v.maxSize {
		if known, ok := v.cache.Get(token); ok {
			if t, err := v.verifyCached(ctx, known, w); t != nil || err != nil {
				return t, err
			}
		}
	}
	buffer, _ := v.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	t, err := v.verify(ctx, token, buffer, w)
	if cap(*buffer) <= maxPooledBuffer && w == nil { // a witness keeps it
		v.buffers.Put(buffer)
	}
	return t, err
}

// verify takes the whole path: size, form, header, algorithm, issuer, keys,
// signature, claims, policy.
func (v *Verifier) verify(ctx context.Context, token string, buffer *[]byte, w *witness) (*Token, error) {
	began := orderNow()
	var opened compact.Token
	err := opened.Open(token, v.maxSize, buffer, v.headers)
	if w != nil {
		*w = witness{token: opened}
	}
	if err != nil {
		return nil, err
	}
	w.reach(stepAlgorithm)
	if err := v.checkAlgorithm(&opened); err != nil {
		return nil, err
	}
	w.reach(stepIssuer)
	var said unverifiedIssuer
	if !v.ignoresIssuer || v.policies.various() {
		if said.iss, said.tid, err = opened.UnverifiedIssuer(); err != nil {
			if v.needsIssuer {
				return nil, err
			}
			said = unverifiedIssuer{} // what is wrong with the claims is told after the signature
		}
	}
	w.reach(stepKeys)
	key, policy, err := v.findKey(ctx, &opened, said, began, w)
	if err != nil {
		return nil, err
	}

	w.reach(stepClaims)
	t := newToken(token, Header(opened.Header), key, policy)
	t.claims.NumericIDs = policy.claims.NumericIDs
	if err := t.claims.Read(opened.Payload(), policy.claims.Required); err != nil {
		return nil, err
	}
	if v.cache != nil {
		*t.raw = strings.Clone(token) // not the request that it came in
	}
	if err := validate(ctx, t, w); err != nil {
		return nil, err
	}
	v.headers.Add(&opened)
	if v.cache != nil {
		v.cache.Add(t.Raw(), t)
	}
	if v.reporter != nil {
		v.reporter.verified(said.iss)
	}
	return t, nil
}

// checkAlgorithm comes before any key is looked up (RFC 8725 section 3.1).
func (v *Verifier) checkAlgorithm(t *compact.Token) error {
	switch {
	case t.Algorithm != jws.Unknown && v.policies.algorithms.Has(t.Algorithm):
		return nil
	case v.policies.algorithmNames == nil:
		return unknownAlgorithm(t.Header.Algorithm)
	default:
		return fault.Invalid("alg "+show.Quote(t.Header.Algorithm)+" is not allowed, want "+show.OneOf(v.policies.algorithmNames), ErrAlgorithmNotAllowed)
	}
}

// checkAlgorithm comes before any signature is checked (RFC 8725 section 3.1).
func (p *policy) checkAlgorithm(t *compact.Token) error {
	if p.algorithms.Has(t.Algorithm) {
		return nil
	}
	forWhom := ""
	if p.issuer != "" {
		forWhom = " for issuer " + p.shown
	}
	return fault.Invalid("alg "+show.Quote(t.Header.Algorithm)+" is not allowed"+forWhom+", want "+show.OneOf(p.algorithmNames), ErrAlgorithmNotAllowed)
}

// findKey returns the key of the source that verifies the signature, and the
// policy for its issuer. When no key does and the source can look again, it gets
// the chance to.
func (v *Verifier) findKey(ctx context.Context, t *compact.Token, said unverifiedIssuer, began order, w *witness) (key *Key, p *policy, err error) {
	if v.union != nil {
		key, err = v.union.search(ctx, t, said, began, v.policies, w)
	} else {
		key, err = findSigner(ctx, v.source, v.rechecker, t, said, began, v.policies, w)
	}
	if err == nil {
		w.verifies(key)
		p, err = v.policies.of(ctx, key.binding, said.iss, said.tid)
		if err == nil && v.policies.various() {
			err = p.checkAlgorithm(t) // a function may have answered anew
		}
		w.refuse(err)
	}
	if err != nil {
		return nil, nil, err
	}
	return key, p, nil
}

// findSigner is findKey for one source; again is nil where it cannot look again,
// and p where every key may verify every token.
func findSigner(ctx context.Context, source KeySource, again rechecker, t *compact.Token, said unverifiedIssuer, began order, p *policies, w *witness) (*Key, error) {
	h := Header(t.Header)
	keys, err := source.SigningKeys(ctx, h, said.iss)
	var refused error
	if err == nil {
		w.finds(keys)
		var permitted []*Key
		permitted, refused = p.permitted(ctx, t, keys, said)
		w.refuse(refused)
		if refused != nil && len(permitted) == 0 {
			return nil, refused // by the policy, which no other key changes
		}
		var key *Key
		if key, err = signer(t, permitted); err == nil {
			return key, nil
		}
	} else {
		err = classified(err)
	}
	for n := 0; n < maxRechecks && again != nil && mayBeReplaced(err); n++ {
		others, gaveUp := again.recheck(ctx, h, said.iss, keys, began)
		if wait, ok := gaveUp.(notYet); ok {
			err = wait.addTo(err)
			break
		}
		if gaveUp != nil {
			return nil, gaveUp
		}
		if len(others) == 0 {
			break
		}
		w.finds(others)
		permitted, undecided := p.permitted(ctx, t, others, said)
		w.refuse(undecided)
		if undecided != nil {
			refused = undecided
		}
		if key, recheckErr := signer(t, permitted); recheckErr == nil {
			return key, nil
		}
		keys = append(slices.Clip(keys), others...)
	}
	if errors.Is(refused, ErrUnavailable) { // a key that was not tried might have verified it
		err = refused
	}
	return nil, err
}

// permitted leaves out the keys whose issuer's policy does not allow the token's
// algorithm, or is not known, and says why. It comes before any signature is
// checked.
func (p *policies) permitted(ctx context.Context, t *compact.Token, keys []*Key, said unverifiedIssuer) (left []*Key, refused error) {
	if p == nil || !p.various() {
		return keys, nil
	}
	var out []int
	for i, k := range keys {
		if isUnusable(k) || !k.allows.Has(t.Algorithm) {
			continue // for signer to tell
		}
		own, err := p.of(ctx, k.binding, said.iss, said.tid)
		if err == nil {
			err = own.checkAlgorithm(t)
		}
		if err != nil {
			out = append(out, i)
			if refused == nil || errors.Is(err, ErrUnavailable) {
				refused = err
			}
		}
	}
	if out == nil {
		return keys, nil
	}
	for i, k := range keys {
		if !slices.Contains(out, i) {
			left = append(left, k)
		}
	}
	return left, refused
}

// mayBeReplaced says that a key was there and did not verify the token, so that
// it is worth asking whether the issuer has another one under its kid by now.
func mayBeReplaced(err error) bool {
	return errors.Is(err, jwt.ErrTokenSignatureInvalid) || errors.Is(err, ErrAlgorithmNotAllowed)
}

// signer returns the key that verifies the signature. The error tells apart no
// key, no key for the algorithm, and a bad signature.
func signer(t *compact.Token, candidates []*Key) (*Key, error) {
	tried, left, price := 0, 0, 0
	var usable, nameless bool // any, and the last that was tried
	for _, k := range candidates {
		if isUnusable(k) { // from a source that is not ours
			continue
		}
		usable = true
		if !k.allows.Has(t.Algorithm) {
			continue
		}
		if price += int(k.price); tried > 0 && (price > maxPrice || tried == maxCandidates) {
			left++
			continue
		}
		tried++
		nameless = k.ID() == ""
		if k.verifies(t.Algorithm, t.Signed, t.Signature) {
			return k, nil
		}
	}
	h := Header(t.Header)
	more := t.Algorithm.DescribeSignature(t.Signature)
	if left > 0 {
		more += ", and " + show.Count(left, "more key") + " not tried: checking them would cost too much"
	}
	switch {
	case !usable:
		return nil, fault.Invalid("the key source has no "+naming(h), ErrKeyNotFound)
	case tried == 0:
		return nil, fault.Invalid(wrongAlg.describe(h), ErrAlgorithmNotAllowed)
	case h.KeyID != "" && nameless:
		return nil, fault.Invalid(naming(h)+" not found, and the signature does not verify with any key without a kid"+more, jwt.ErrTokenSignatureInvalid, ErrKeyNotFound)
	case tried == 1:
		return nil, fault.Invalid("the signature does not verify with "+naming(h)+more, jwt.ErrTokenSignatureInvalid)
	default:
		return nil, fault.Invalid("the signature does not verify with any of "+show.Count(tried, "candidate")+" for "+naming(h)+more, jwt.ErrTokenSignatureInvalid)
	}
}

// verifyCached is for a token that verified before. What it says is known;
// whether its key is still in use and its claims are still valid is not. It
// returns neither token nor error when the signature must be verified again.
func (v *Verifier) verifyCached(ctx context.Context, t *Token, w *witness) (*Token, error) {
	w.remember(t)
	var issuer string
	if !v.ignoresIssuer {
		issuer = t.claims.Issuer
	}
	keys, err := v.source.SigningKeys(ctx, t.header, issuer)
	if err != nil {
		keys, err = nil, classified(err) // whatever came with the error
	}
	if err == nil || mayBeReplaced(err) {
		key := sameKey(keys, t.key)
		if key == nil {
			v.cache.Remove(t.Raw())
			return nil, nil
		}
		w.finds(keys)
		w.verifies(key)
		switch policy, undecided := v.policies.of(ctx, key.binding, t.claims.Issuer, t.claims.Tenant); {
		case undecided != nil:
			return nil, undecided
		case policy != t.policy:
			v.cache.Remove(t.Raw())
			return nil, nil
		}
		if key != t.key { // read anew since
			renewed := *t
			renewed.key = key
			t = &renewed
			v.cache.Add(t.Raw(), t)
		}
		w.reach(stepClaims)
		if err = validate(ctx, t, w); err == nil {
			if v.reporter != nil {
				v.reporter.verified(issuer)
			}
			return t, nil
		}
	}
	if errors.Is(err, ErrTokenInvalid) {
		v.cache.Remove(t.Raw())
	}
	return nil, err
}

// sameKey finds key among the candidates that would be tried: itself, or what
// a new reading of the same entry made.
func sameKey(candidates []*Key, key *Key) *Key {
	for _, k := range candidates[:min(len(candidates), maxCandidates)] {
		if !isUnusable(k) && k.sameAs(key) {
			return k
		}
	}
	return nil
}

// validate judges a token whose signature was verified: its claims, then the
// proof that it may need, and only when they hold the program's own checks.
func validate(ctx context.Context, t *Token, w *witness) error {
	var err error
	if w == nil {
		err = t.policy.claims.Validate(&t.claims, t.header.Type, t.key.binding)
	} else {
		err = w.judge(t)
	}
	if err != nil {
		return err
	}
	w.reach(stepProof)
	if err := checkProof(ctx, t, t.policy.noProof); err != nil {
		return err
	}
	w.reach(stepCheck)
	if t.policy.checks == nil {
		return nil
	}
	return runChecks(ctx, t)
}

// runChecks runs all of the program's checks and returns one error of one
// class for those that fail. A token that one check refuses is invalid, even
// if another check could not decide.
func runChecks(ctx context.Context, t *Token) error {
	var refused, undecided fault.Problems
	for _, check := range t.policy.checks {
		err := check(ctx, t)
		if err == nil {
			continue
		}
		text, ok := fault.Text(err)
		if !ok {
			text = show.Quote(err.Error())
		}
		switch class, cause := fault.Sort(err, ErrTokenInvalid); class {
		case ErrTokenInvalid:
			refused.Add(text, cause)
		default:
			undecided.Add(text, cause)
		}
	}
	switch {
	case !refused.Empty():
		refused.Texts = append(refused.Texts, undecided.Texts...)
		return fault.Invalid("check: "+refused.Text(), append(refused.Reasons, fault.ErrCheck)...)
	case !undecided.Empty():
		return fault.Unavailable("check: "+undecided.Text(), undecided.Reasons...)
	}
	return nil
}
