package claims

import (
	"slices"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Judgement is what became of one claim.
type Judgement struct {
	Claim  string // its name; of a [Claim] as it was configured; "typ" is the header's
	Detail string // what it is, and what is wrong with it; foreign parts are quoted
	Err    error  // nil: it is as wanted
}

// Judge is Validate with a judgement for each claim that the rules look at. The
// error is that of Validate, from one and the same look.
func (p *Policy) Judge(s *Set, typ string, b *binding.Binding) ([]Judgement, error) {
	found := problems{byClaim: make(map[string]*problems)}
	p.validate(s, typ, b, &found)
	names := p.judged(s, b)
	all := make([]Judgement, 0, len(names))
	for _, name := range names {
		j := Judgement{Claim: name}
		if failed := found.byClaim[name]; failed != nil {
			j.Detail, j.Err = strings.Join(failed.short, "; "), failed.err()
		} else {
			j.Detail = p.describeClaim(s, name, typ)
		}
		all = append(all, j)
	}
	return all, found.err()
}

// judged lists the claims of a token that the rules look at: all that validate
// may find something wrong with.
func (p *Policy) judged(s *Set, b *binding.Binding) (names []string) {
	r := &p.Rules
	add := func(look bool, more ...string) {
		for _, name := range more {
			if look && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	add(b != nil || r.Issuers != nil || r.AccessToken, "iss")
	add(r.AnyAudience != nil || r.AllAudiences != nil || r.AccessToken, "aud")
	add(!r.NoTimes && (s.hasExpiry || !r.NoExpiry) || r.AccessToken, "exp")
	add(!r.NoTimes && s.hasNotBefore, "nbf")
	add(!r.NoTimes && (s.hasIssuedAt || r.MaxAge > 0) || r.AccessToken, "iat")
	add(r.Types != nil || r.AccessToken, "typ")
	add(r.AccessToken, "sub", "client_id", "jti")
	add(r.ClientIDs != nil, "client_id")
	add(r.Parties != nil, "azp")
	add(true, r.Required...)
	for i := range r.Claims {
		add(true, r.Claims[i].Name)
	}
	return names
}

// describeClaim says what a claim is that is as wanted.
func (p *Policy) describeClaim(s *Set, name, typ string) string {
	switch name {
	case "iss":
		return show.Own(s.Issuer)
	case "aud":
		return show.List(s.Audience)
	case "exp":
		return p.describeTime(s.ExpiresAt.Time)
	case "nbf":
		return p.describeTime(s.NotBefore.Time)
	case "iat":
		return p.describeTime(s.IssuedAt.Time)
	case "typ":
		return show.Quote(typ)
	}
	path := Path{name}
	for i := range p.Rules.Claims {
		if p.Rules.Claims[i].Name == name {
			path = p.Rules.Claims[i].Path
		}
	}
	if name == "client_id" { // the one of several that was compared
		for _, other := range clientClaims {
			if id, _ := s.Find(Path{other}).OptionalText(); id != "" {
				return other + " " + show.Quote(id)
			}
		}
	}
	if v := s.Find(path); v.Kind() != strictjson.Absent {
		return describeValue(v)
	}
	return "it is there"
}

// problems are what is wrong with claims.
type problems struct {
	fault.Problems
	byClaim map[string]*problems // nil: nobody asks for the claims one by one
	short   []string             // of one claim: the texts without its name
}

// add notes what is wrong with a claim.
func (p *problems) add(claim, text string, reasons ...error) {
	p.Add(text, reasons...)
	if p.byClaim == nil {
		return
	}
	own := p.byClaim[claim]
	if own == nil {
		own = new(problems)
		p.byClaim[claim] = own
	}
	own.Add(text, reasons...)
	own.short = append(own.short, shorten(claim, text))
}

// shorten leaves out of the text of a problem what the name of the claim beside
// it says.
func shorten(claim, text string) string {
	if strings.HasPrefix(text, jwt.ErrTokenRequiredClaimMissing.Error()) {
		return "missing"
	}
	text = strings.TrimPrefix(text, jwt.ErrTokenInvalidAudience.Error()+": ")
	text = strings.TrimPrefix(text, "claim "+show.Quote(claim)+" ")
	text = strings.TrimPrefix(text, claim+" ")
	if what, value, ok := strings.Cut(text, ": "+claim+" "); ok && !strings.Contains(what, `"`) { // not within what the claim is
		return what + ": " + value
	}
	return text
}

// missing says that a claim is missing as golang-jwt says it, and once, though
// several rules may want the same claim.
func (p *problems) missing(claim string) {
	shown := claim
	if q := strconv.Quote(claim); len(q) != len(claim)+2 {
		shown = q // an odd name in the configuration
	}
	text := jwt.ErrTokenRequiredClaimMissing.Error() + ": " + shown + " claim is required"
	if !slices.Contains(p.Texts, text) {
		p.add(claim, text, jwt.ErrTokenRequiredClaimMissing)
	}
}

func (p *problems) err() error {
	if p.Empty() {
		return nil
	}
	claim := func(reason error) bool { return reason != fault.ErrTokenType }
	if slices.ContainsFunc(p.Reasons, claim) { // golang-jwt's parser adds it to what its validator says
		p.Reasons = append(p.Reasons, jwt.ErrTokenInvalidClaims)
	}
	return fault.Invalid(p.Text(), p.Reasons...)
}
