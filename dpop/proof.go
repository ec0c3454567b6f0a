package dpop

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/ascii"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// Proof returns the proof of a request, for jwkshttp.WithProof or
// [jwks.ContextWithProof]. It does not check anything yet, and its error is always nil: a
// request needs no proof if its token is not bound to a key. [jwks.Verifier] has the proof
// judged once the token has been verified. Each time counts as one use, so a
// second verification for the same request is a replay.
//
// The request must be as the sender made it: its Authorization header, method
// and URL are read when the proof is judged.
func (c *Checker) Proof(r *http.Request) (jwks.Proof, error) {
	return &proof{checker: c, request: r}, nil
}

// proof is the proof of one request. Besides [jwks.Proof] it has what package
// jwkshttp asks for.
type proof struct {
	checker *Checker
	request *http.Request
	renew   atomic.Bool // it was proved with the nonce of the last period
}

// confirms is the confirmation method of section 6.1.
var confirms = []string{"jkt"}

// Confirms implements what [jwks.Proof] describes.
func (p *proof) Confirms() []string { return confirms }

// Challenge is what a request without credentials is told: section 7.1.
func (p *proof) Challenge() (scheme, params string) { return p.checker.offer.Challenge() }

// ResponseHeader hands out the current nonce to who comes with the last one
// (section 8.2). Such an answer must not be kept by a cache.
func (p *proof) ResponseHeader() http.Header {
	if !p.renew.Load() {
		return nil
	}
	return nonceHeader(p.checker.nonces.current(time.Now()))
}

// Prove implements [jwks.Proof].
func (p *proof) Prove(ctx context.Context, t *jwks.Token) error {
	confirmation, _ := t.Confirmation()
	if confirmation.JWKThumbprint == "" {
		return p.checker.notBound(t)
	}
	if !hasScheme(p.request) {
		return fault.Invalid("it was not sent with the scheme DPoP, which a token bound by jkt needs", jwks.ErrProofRequired, p.checker.badToken)
	}
	text, problem := proofText(p.request.Header["Dpop"])
	if problem != "" {
		return p.checker.refuse(problem)
	}
	return p.check(ctx, t, text, confirmation.JWKThumbprint)
}

// notBound is for tokens that other proofs have to prove. A jkt that is there
// and names no key is never proved.
func (c *Checker) notBound(t *jwks.Token) error {
	var claims struct {
		Confirmation map[string]json.RawMessage `json:"cnf"`
	}
	if err := t.Claims(&claims); err != nil {
		return c.refuse("the token's cnf is not an object")
	}
	if jkt, ok := claims.Confirmation["jkt"]; ok && string(jkt) != "null" {
		return c.refuse("the token's cnf has a jkt that is not the thumbprint of a key")
	}
	return nil
}

// hasScheme says whether the request has the scheme DPoP (section 7.1). A token
// that came elsewhere, in a cookie for example, has no scheme at all.
func hasScheme(r *http.Request) bool {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return true
	}
	scheme, _, _ := strings.Cut(trimSpace(values[0]), " ")
	return len(values) == 1 && ascii.EqualFold(scheme, "dpop")
}

// trimSpace takes off the white space that may surround a field value (RFC 9110
// section 5.6.3).
func trimSpace(s string) string {
	isSpace := func(c byte) bool { return c == ' ' || c == '\t' }
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// proofText finds the one proof of a request (section 4.3, check 1).
func proofText(values []string) (text, problem string) {
	switch {
	case len(values) == 0:
		return "", "the request has no header field DPoP with a proof"
	case len(values) > 1:
		return "", "the request has " + show.Count(len(values), "header field") + " DPoP, want one"
	}
	return trimSpace(values[0]), ""
}

// check judges the text of a proof (section 4.3). What costs little comes first;
// the replay store, which others share, comes last.
func (p *proof) check(ctx context.Context, t *jwks.Token, text, jkt string) error {
	now := time.Now()
	opened, claims, err := p.compare(t, text, jkt, now)
	if err != nil {
		return err
	}
	if !jws.Verify(opened.key.algorithm, opened.key.public, opened.signed, opened.signature) {
		return p.checker.refuse("its signature does not verify with its jwk")
	}
	return p.use(ctx, opened, claims, now)
}

// compare reads a proof and compares it with its token and request.
func (p *proof) compare(t *jwks.Token, text, jkt string, now time.Time) (openedProof, proofClaims, error) {
	c := p.checker
	opened, problem := c.open(text)
	if problem != "" {
		return opened, proofClaims{}, c.refuse(problem)
	}
	if opened.key.jkt != jkt {
		return opened, proofClaims{}, c.refuse("its jwk is not the key that the token is bound to")
	}
	claims, problem := readClaims(opened.payload)
	if problem != "" {
		return opened, claims, c.refuse(problem)
	}
	if err := c.checkRequest(p.request, claims); err != nil {
		return opened, claims, err
	}
	if problem := checkTime(now, claims.issuedAt, c.maxAge); problem != "" {
		return opened, claims, c.refuse(problem)
	}
	if !isHash(claims.tokenHash, t.Raw()) {
		return opened, claims, c.refuse("its ath is not the hash of the token that came with it")
	}
	return opened, claims, nil
}

// use is for a proof whose signature was verified: it counts once.
func (p *proof) use(ctx context.Context, opened openedProof, claims proofClaims, now time.Time) error {
	c := p.checker
	c.remember(opened)
	if c.nonces != nil {
		valid, last := c.nonces.check(now, claims.nonce)
		if !valid {
			return fault.Invalid("it needs a nonce that this service gave out lately", jwks.ErrProofRequired, c.noNonce(c.nonces.current(now)))
		}
		p.renew.Store(last)
	}
	seen, err := c.replays.seen(ctx, replayID(opened.key, claims.id), now, claims.issuedAt.Add(c.maxAge))
	switch {
	case err != nil:
		return err
	case seen:
		return c.refuse("it was used before")
	}
	// It may have grown too old on the way here, and then who remembered its first
	// use has forgotten it.
	if problem := checkTime(time.Now(), claims.issuedAt, c.maxAge); problem != "" {
		return c.refuse(problem)
	}
	return nil
}

// checkRequest compares a proof with its request (section 4.3, checks 8 and 9).
func (c *Checker) checkRequest(r *http.Request, claims proofClaims) error {
	method := r.Method
	if method == "" {
		method = http.MethodGet // as net/http has it for clients
	}
	if claims.method != method {
		return c.refuse("its htm is not the method of the request, " + show.Quote(method))
	}
	if c.target == nil && isRequestTarget(claims.target, r) {
		return nil
	}
	target := c.targetOf(r)
	same, ok := sameTarget(claims.target, target)
	switch {
	case !ok:
		return fault.Unavailable("the URL of the request is not known: " + show.QuoteURL(target) + " is not absolute (see dpop.WithTarget)")
	case !same:
		return c.refuse("its htu is not the URL of the request, " + show.QuoteURL(target) + " (behind a proxy say dpop.WithTarget)")
	}
	return nil
}

// checkTime compares iat with the window (section 4.3, check 11).
func checkTime(now, issuedAt time.Time, maxAge time.Duration) (problem string) {
	switch age := now.Sub(issuedAt); {
	case age > maxAge:
		return "it was issued " + show.Round(age).String() + " ago by its iat, want at most " + maxAge.String()
	case age < -maxAhead:
		return "it was issued " + show.Round(-age).String() + " ahead by its iat, want at most " + maxAhead.String()
	}
	return ""
}

// isHash compares ath with the hash of the token (section 4.2).
func isHash(ath, token string) bool {
	sum := jws.SHA256(token)
	var encoded [43]byte
	base64.RawURLEncoding.Encode(encoded[:], sum[:])
	return ath == string(encoded[:])
}

// replayID tells proofs apart: a jti is unique among those of one key only.
func replayID(key *senderKey, jti string) [sha256.Size]byte {
	var space [128]byte // for a jti of the usual length
	return sha256.Sum256(append(append(space[:0], key.thumbprint[:]...), jti...))
}

// refuse is the error for a proof that fails section 4.3. The problem holds
// nothing of the proof.
func (c *Checker) refuse(problem string) error {
	return fault.Invalid("DPoP: "+problem, jwks.ErrProofRequired, c.badProof)
}

// challenge is a reason that says how to challenge the sender: the parameters
// behind the scheme.
type challenge string

func (c challenge) Error() string                      { return "dpop: the proof was refused" }
func (c challenge) Challenge() (scheme, params string) { return "DPoP", string(c) }

// nonceNeeded also tells the nonce (section 9).
type nonceNeeded struct {
	challenge
	nonce string
}

func (n *nonceNeeded) ResponseHeader() http.Header { return nonceHeader(n.nonce) }

func nonceHeader(nonce string) http.Header {
	return http.Header{"Dpop-Nonce": {nonce}, "Cache-Control": {"no-store"}}
}
