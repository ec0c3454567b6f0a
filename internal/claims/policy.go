package claims

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/ascii"
	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Rules are what the options of a verifier say about claims. A nil list and a
// zero value ask for nothing, but "exp" is required unless NoExpiry or NoTimes
// is set.
type Rules struct {
	AnyAudience  []string // "aud" has one of them
	AllAudiences []string // "aud" has each of them
	Issuers      []string // "iss" is one of them
	Types        []string // the header's "typ" is one of them; see BareType
	Parties      []string // "azp" is one of them
	Required     []string // claims that are there and not null; for Set.Read
	Claims       []Claim  // each holds
	ClientIDs    []string // the client is one of them
	NumericIDs   bool     // "sub" and "jti" may be integers; for Set.Read
	AccessToken  bool     // RFC 9068
	Leeway       time.Duration
	MaxAge       time.Duration // of "iat"; 0: any
	NoExpiry     bool          // "exp" may be absent
	NoTimes      bool          // "exp", "nbf", "iat" and MaxAge are not compared
	Now          func() time.Time
}

// Policy validates claims by its rules. It does not change, so that a token
// that was verified before can be validated again.
type Policy struct {
	Rules
	validator *jwt.Validator // of exp, nbf, iat, and one of the two audience lists
}

// NewPolicy makes a policy of rules, which must not be changed afterwards.
func NewPolicy(rules Rules) *Policy {
	opts := []jwt.ParserOption{jwt.WithLeeway(rules.Leeway), jwt.WithTimeFunc(rules.Now), jwt.WithIssuedAt()}
	if !rules.NoExpiry && !rules.NoTimes {
		opts = append(opts, jwt.WithExpirationRequired())
	}
	// The validator keeps one list. Where both are set, Validate compares the
	// other.
	switch {
	case rules.AnyAudience != nil:
		opts = append(opts, jwt.WithAudience(rules.AnyAudience...))
	case rules.AllAudiences != nil:
		opts = append(opts, jwt.WithAllAudiences(rules.AllAudiences...))
	}
	return &Policy{rules, jwt.NewValidator(opts...)}
}

// Validate returns nil, or one error that names everything that fails. typ is
// the header's "typ", and b what the key is bound to.
//
// Errors are ErrTokenInvalid and match golang-jwt's sentinels.
func (p *Policy) Validate(s *Set, typ string, b *binding.Binding) error {
	var found problems
	p.validate(s, typ, b, &found)
	return found.err()
}

// validate collects everything that fails.
func (p *Policy) validate(s *Set, typ string, b *binding.Binding, found *problems) {
	r := &p.Rules
	p.validateStandard(s, found)
	if r.AnyAudience != nil && r.AllAudiences != nil && !containsAll(s.Audience, r.AllAudiences) {
		found.add("aud", jwt.ErrTokenInvalidAudience.Error()+": aud "+show.List(s.Audience)+" has not all of "+show.List(r.AllAudiences), jwt.ErrTokenInvalidAudience)
	}
	if err := b.Check(s.Issuer, s.Tenant); err != nil {
		text, _ := fault.Text(err)
		found.add("iss", text, err)
	}
	if r.Issuers != nil && !slices.Contains(r.Issuers, s.Issuer) {
		if s.Issuer == "" {
			found.add("iss", "iss claim is missing, want "+show.OneOfOwn(r.Issuers), jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidIssuer)
		} else {
			found.add("iss", "iss "+show.Differs(s.Issuer, r.Issuers...), jwt.ErrTokenInvalidIssuer)
		}
	}
	if r.Types != nil && !matchesType(typ, r.Types) {
		found.add("typ", "typ "+show.Differs(typ, r.Types...), fault.ErrTokenType)
	}
	if r.AccessToken {
		validateAccessToken(s, typ, found)
	}
	if r.Parties != nil {
		p.validateParty(s, found)
	}
	if r.ClientIDs != nil {
		validateClient(s, r.ClientIDs, found)
	}
	for i := range r.Claims {
		r.Claims[i].validate(s, found)
	}
	for _, name := range s.missing {
		found.missing(name)
	}
	if r.MaxAge > 0 && !r.NoTimes {
		p.validateAge(s, found)
	}
}

// validateStandard leaves to golang-jwt what golang-jwt does well.
func (p *Policy) validateStandard(s *Set, found *problems) {
	if p.standardHolds(s) {
		return
	}
	var claims jwt.Claims = s
	if p.Rules.NoTimes {
		claims = timeless{s}
	}
	err := p.validator.Validate(claims)
	if err == nil {
		return
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		claim, text, reasons := "exp", err.Error(), []error{err}
		switch {
		case errors.Is(err, jwt.ErrTokenExpired):
			text += ": exp " + p.describeTime(s.ExpiresAt.Time)
		case errors.Is(err, jwt.ErrTokenNotValidYet):
			claim = "nbf"
			text += ": nbf " + p.describeTime(s.NotBefore.Time)
		case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
			claim = "iat"
			text += ": iat " + p.describeTime(s.IssuedAt.Time)
		case s.Audience != nil && isMissingAudience(err): // there, and empty
			claim = "aud"
			if reasons[0] = jwt.ErrTokenInvalidAudience; len(s.Audience) > 0 { // an empty string says as little as none
				reasons = append(reasons, err)
			}
			text = jwt.ErrTokenInvalidAudience.Error() + ": aud " + show.List(s.Audience) + p.wantedAudience()
		case isMissingAudience(err):
			claim = "aud"
		case errors.Is(err, jwt.ErrTokenInvalidAudience):
			claim = "aud"
			text += ": aud " + show.List(s.Audience) + p.wantedAudience()
		}
		found.add(claim, text, reasons...)
	}
}

// isMissingAudience says that golang-jwt's validator takes "aud" for absent, as
// it does with an empty list and with an empty string alone. Of the claims that
// it may miss, only "exp" is the other.
func isMissingAudience(err error) bool {
	return errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && strings.Contains(err.Error(), "aud claim")
}

// standardHolds is true for nearly all tokens that pass, and only where the
// validator would find nothing: asking it costs an allocation. False refuses
// nothing, it leaves the decision to the validator.
func (p *Policy) standardHolds(s *Set) bool {
	r := &p.Rules
	if r.NoTimes || !s.hasExpiry || r.AllAudiences != nil {
		return false
	}
	now := r.Now()
	if !now.Before(s.ExpiresAt.Add(r.Leeway)) ||
		s.hasNotBefore && now.Before(s.NotBefore.Add(-r.Leeway)) ||
		s.hasIssuedAt && now.Before(s.IssuedAt.Add(-r.Leeway)) {
		return false
	}
	if r.AnyAudience == nil {
		return true
	}
	for _, aud := range s.Audience {
		if aud != "" && slices.Contains(r.AnyAudience, aud) {
			return true
		}
	}
	return false
}

// wantedAudience says what the validator compared "aud" with.
func (p *Policy) wantedAudience() string {
	if p.Rules.AnyAudience != nil {
		return " has none of " + show.List(p.Rules.AnyAudience)
	}
	return " has not all of " + show.List(p.Rules.AllAudiences)
}

// validateAccessToken is RFC 9068 sections 2.1, 2.2 and 4. An empty value says
// as little as none.
func validateAccessToken(s *Set, typ string, found *problems) {
	if !matchesType(typ, []string{"at+jwt"}) {
		found.add("typ", "typ is "+show.Quote(typ)+`, want "at+jwt" (RFC 9068)`, fault.ErrTokenType)
	}
	client, ok := s.clientID.OptionalText()
	if !ok {
		found.add("client_id", "client_id is not a string", jwt.ErrTokenInvalidClaims)
	}
	for _, claim := range [...]struct {
		name  string
		there bool
	}{
		{"iss", s.Issuer != ""},
		{"exp", s.hasExpiry},
		{"aud", slices.ContainsFunc(s.Audience, func(aud string) bool { return aud != "" })},
		{"sub", s.Subject != ""},
		{"client_id", client != "" || !ok},
		{"iat", s.hasIssuedAt},
		{"jti", s.ID != ""},
	} {
		if !claim.there {
			found.missing(claim.name)
		}
	}
}

// validateParty is OpenID Connect Core 1.0 section 3.1.3.7, item 5.
func (p *Policy) validateParty(s *Set, found *problems) {
	azp, ok := s.azp.OptionalText()
	switch {
	case !ok:
		found.add("azp", "azp is not a string", jwt.ErrTokenInvalidClaims)
	case s.azp.Kind() != strictjson.String:
		found.missing("azp")
	case !slices.Contains(p.Rules.Parties, azp):
		found.add("azp", "azp "+show.Differs(azp, p.Rules.Parties...), jwt.ErrTokenInvalidClaims)
	}
}

// validateAge compares as golang-jwt does: times are moved, never subtracted,
// which could overflow.
func (p *Policy) validateAge(s *Set, found *problems) {
	r := &p.Rules
	if !s.hasIssuedAt {
		found.missing("iat")
		return
	}
	if now := r.Now(); now.Add(-r.MaxAge).Add(-r.Leeway).After(s.IssuedAt.Time) {
		found.add("iat", "token is too old: iat "+p.describeTime(s.IssuedAt.Time)+", want at most "+r.MaxAge.String()+" ago", jwt.ErrTokenExpired)
	}
}

func (p *Policy) describeTime(t time.Time) string {
	return t.Format(time.RFC3339Nano) + ", now " + p.now() + ", leeway " + p.Rules.Leeway.String()
}

// now is the time that claims are compared with, for people.
func (p *Policy) now() string {
	return p.Rules.Now().UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

// matchesType compares media types as RFC 7515 section 4.1.9 does. want is in
// lower case and without "application/".
func matchesType(typ string, want []string) bool {
	typ = BareType(typ)
	for _, w := range want {
		if ascii.EqualFold(typ, w) {
			return true
		}
	}
	return false
}

// BareType leaves out "application/", which RFC 7515 section 4.1.9 lets a token
// leave out where no other slash follows. Rules.Types wants types in this form
// and in lower case.
func BareType(typ string) string {
	if kind, bare, ok := strings.Cut(typ, "/"); ok && ascii.EqualFold(kind, "application") && !strings.Contains(bare, "/") {
		return bare
	}
	return typ
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}
