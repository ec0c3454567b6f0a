package jwks

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// policy is what a verified token must also be. It does no I/O and does not
// change, so that a remembered token can be judged again.
type policy struct {
	*verifierConfig
	standard *jwt.Validator // exp, nbf, iat, and one of the two audience lists
}

func newPolicy(c *verifierConfig) policy {
	opts := []jwt.ParserOption{jwt.WithLeeway(c.leeway), jwt.WithTimeFunc(c.now), jwt.WithIssuedAt()}
	if !c.noExpiry && !c.noTimes {
		opts = append(opts, jwt.WithExpirationRequired())
	}
	// The validator keeps one list; judge has the other where both are set.
	switch {
	case c.anyAudience != nil:
		opts = append(opts, jwt.WithAudience(c.anyAudience...))
	case c.allAudiences != nil:
		opts = append(opts, jwt.WithAllAudiences(c.allAudiences...))
	}
	return policy{c, jwt.NewValidator(opts...)}
}

// judgeAlgorithm comes before any key is looked up (RFC 8725 section 3.1).
func (p *policy) judgeAlgorithm(t *openedToken) error {
	switch {
	case t.alg == algUnknown && p.algorithmNames == nil:
		return invalid("alg "+quote(t.header.Algorithm)+" is not allowed, want a signature algorithm for public keys, such as RS256", ErrAlgorithmNotAllowed)
	case t.alg == algUnknown || !p.algorithms.has(t.alg):
		return invalid("alg "+quote(t.header.Algorithm)+" is not allowed, want "+oneOf(p.algorithmNames), ErrAlgorithmNotAllowed)
	}
	return nil
}

// judge is the whole policy: what is built in, and only when all of that holds
// the program's own checks.
func (p *policy) judge(ctx context.Context, t *Token) error {
	if err := p.judgeClaims(t); err != nil {
		return err
	}
	if p.checks == nil {
		return nil
	}
	return p.runChecks(ctx, t)
}

// runChecks runs all of the program's checks and returns one error of one
// class for those that fail. A token that one check refuses is invalid, even
// if another check could not decide.
func (p *policy) runChecks(ctx context.Context, t *Token) error {
	var refused, undecided problems
	for _, check := range p.checks {
		err := check(ctx, t)
		if err == nil {
			continue
		}
		text := quote(err.Error())
		if f, ok := err.(*failure); ok {
			text = f.text
		}
		inv, un := errors.Is(err, ErrTokenInvalid), errors.Is(err, ErrUnavailable)
		switch {
		case inv && un: // its chain would put the result in both classes
			undecided.add(text)
		case un:
			undecided.add(text, err)
		default:
			refused.add(text, err)
		}
	}
	switch {
	case refused.texts != nil:
		return invalid("check: "+strings.Join(append(refused.texts, undecided.texts...), "; "), refused.reasons...)
	case undecided.texts != nil:
		return unavailable("check: "+strings.Join(undecided.texts, "; "), undecided.reasons...)
	}
	return nil
}

// judgeClaims returns nil or one error that names everything that fails.
func (p *policy) judgeClaims(t *Token) error {
	var found problems
	c := &t.claims
	p.judgeStandard(c, &found)
	if p.anyAudience != nil && p.allAudiences != nil && !containsAll(c.aud, p.allAudiences) {
		found.add(jwt.ErrTokenInvalidAudience.Error()+": aud "+list(c.aud)+" has not all of "+list(p.allAudiences), jwt.ErrTokenInvalidAudience)
	}
	if err := t.key.binding.check(c.iss, c.tid); err != nil {
		found.add(bare(err), err)
	}
	if p.issuers != nil && !slices.Contains(p.issuers, c.iss) {
		if c.iss == "" {
			found.add("iss claim is missing, want "+oneOf(p.issuers), jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidIssuer)
		} else {
			found.add("iss is "+quote(c.iss)+", want "+oneOf(p.issuers), jwt.ErrTokenInvalidIssuer)
		}
	}
	if p.types != nil && !matchesType(t.header.Type, p.types) {
		found.add("typ is " + quote(t.header.Type) + ", want " + oneOf(p.types))
	}
	if p.accessToken {
		p.judgeAccessToken(t, &found)
	}
	if p.parties != nil {
		p.judgeParty(c, &found)
	}
	for _, name := range c.absent {
		found.missing(name)
	}
	if p.maxAge > 0 && !p.noTimes {
		p.judgeAge(c, &found)
	}
	return found.err()
}

// judgeStandard leaves to golang-jwt what golang-jwt judges well.
func (p *policy) judgeStandard(c *claims, found *problems) {
	if p.plainlyStandard(c) {
		return
	}
	var judged jwt.Claims = c
	if p.noTimes {
		judged = timeless{c}
	}
	err := p.standard.Validate(judged)
	if err == nil {
		return
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		text := err.Error()
		switch {
		case errors.Is(err, jwt.ErrTokenExpired):
			text += ": exp " + p.describeTime(c.exp.Time)
		case errors.Is(err, jwt.ErrTokenNotValidYet):
			text += ": nbf " + p.describeTime(c.nbf.Time)
		case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
			text += ": iat " + p.describeTime(c.iat.Time)
		case errors.Is(err, jwt.ErrTokenInvalidAudience):
			text += ": aud " + list(c.aud) + p.standardAudience()
		}
		found.add(text, err)
	}
}

// plainlyStandard is true for nearly all tokens that pass, and only where the
// validator has nothing to say, which would cost an allocation. It refuses
// nothing: what is not plain, the validator judges.
func (p *policy) plainlyStandard(c *claims) bool {
	if p.noTimes || !c.has.exp || p.allAudiences != nil {
		return false
	}
	now := p.now()
	if !now.Before(c.exp.Add(p.leeway)) ||
		c.has.nbf && now.Before(c.nbf.Add(-p.leeway)) ||
		c.has.iat && now.Before(c.iat.Add(-p.leeway)) {
		return false
	}
	if p.anyAudience == nil {
		return true
	}
	for _, aud := range c.aud {
		if aud != "" && slices.Contains(p.anyAudience, aud) {
			return true
		}
	}
	return false
}

// judgeAccessToken is RFC 9068 sections 2.1, 2.2 and 4. An empty value says as
// little as none.
func (p *policy) judgeAccessToken(t *Token, found *problems) {
	c := &t.claims
	if !matchesType(t.header.Type, []string{"at+jwt"}) {
		found.add("typ is " + quote(t.header.Type) + `, want "at+jwt" (RFC 9068)`)
	}
	client, ok := optionalString(c.clientID)
	if !ok {
		found.add("client_id is not a string", jwt.ErrTokenInvalidClaims)
	}
	for _, claim := range [...]struct {
		name  string
		there bool
	}{
		{"iss", c.iss != ""},
		{"exp", c.has.exp},
		{"aud", len(c.aud) > 0 && !(len(c.aud) == 1 && c.aud[0] == "")},
		{"sub", c.sub != ""},
		{"client_id", client != "" || !ok},
		{"iat", c.has.iat},
		{"jti", c.jti != ""},
	} {
		if !claim.there {
			found.missing(claim.name)
		}
	}
}

// judgeParty is OpenID Connect Core 1.0 section 3.1.3.7, item 5.
func (p *policy) judgeParty(c *claims, found *problems) {
	azp, ok := optionalString(c.azp)
	switch {
	case !ok:
		found.add("azp is not a string", jwt.ErrTokenInvalidClaims)
	case c.azp.Kind() != strictjson.String:
		found.missing("azp")
	case !slices.Contains(p.parties, azp):
		found.add("azp is "+quote(azp)+", want "+oneOf(p.parties), jwt.ErrTokenInvalidClaims)
	}
}

// judgeAge compares as golang-jwt does: times are moved, never subtracted,
// which could overflow.
func (p *policy) judgeAge(c *claims, found *problems) {
	if !c.has.iat {
		found.missing("iat")
		return
	}
	if now := p.now(); now.Add(-p.maxAge).Add(-p.leeway).After(c.iat.Time) {
		found.add("token is too old: iat "+p.describeTime(c.iat.Time)+", want at most "+p.maxAge.String()+" ago", jwt.ErrTokenExpired)
	}
}

// matchesType compares media types as RFC 7515 section 4.1.9 does. want is in
// lower case and without "application/".
func matchesType(typ string, want []string) bool {
	typ = bareType(typ)
	for _, w := range want {
		if equalFoldASCII(typ, w) {
			return true
		}
	}
	return false
}

// bareType leaves out "application/", which section 4.1.9 lets a token leave
// out where no other slash follows.
func bareType(typ string) string {
	const prefix = "application/"
	if len(typ) < len(prefix) || !equalFoldASCII(typ[:len(prefix)], prefix) || strings.Contains(typ[len(prefix):], "/") {
		return typ
	}
	return typ[len(prefix):]
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// problems collects what fails. The texts are ours, with foreign parts quoted.
type problems struct {
	texts   []string
	reasons []error
}

func (f *problems) add(text string, reasons ...error) {
	f.texts = append(f.texts, text)
	f.reasons = append(f.reasons, reasons...)
}

// missing says it as golang-jwt does, and once, though several options may
// want the same claim.
func (f *problems) missing(claim string) {
	if q := strconv.Quote(claim); len(q) != len(claim)+2 {
		claim = q // an odd name in the configuration
	}
	text := jwt.ErrTokenRequiredClaimMissing.Error() + ": " + claim + " claim is required"
	if !slices.Contains(f.texts, text) {
		f.add(text, jwt.ErrTokenRequiredClaimMissing)
	}
}

func (f *problems) err() error {
	if f.texts == nil {
		return nil
	}
	if len(f.reasons) > 0 { // golang-jwt's parser adds it to what its validator says
		f.reasons = append(f.reasons, jwt.ErrTokenInvalidClaims)
	}
	return invalid(strings.Join(f.texts, "; "), f.reasons...)
}

func (p *policy) describeTime(t time.Time) string {
	return t.Format(time.RFC3339Nano) + ", now " + p.now().UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano) + ", leeway " + p.leeway.String()
}

// standardAudience says what the validator wanted.
func (p *policy) standardAudience() string {
	if p.anyAudience != nil {
		return " has none of " + list(p.anyAudience)
	}
	return " has not all of " + list(p.allAudiences)
}

// maxListed bounds how much of a list is shown.
const maxListed = 4

// list shows strings that are foreign, or might be.
func list(values []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range values {
		if i == maxListed {
			b.WriteString(" …")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(v))
	}
	b.WriteByte(']')
	return b.String()
}

// oneOf shows what was wanted.
func oneOf(values []string) string {
	if len(values) == 1 {
		return quote(values[0])
	}
	return "one of " + list(values)
}
