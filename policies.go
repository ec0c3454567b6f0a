package jwks

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// ForIssuer adds options for the tokens of one issuer, on top of the common
// ones: which audience, algorithms or token types count differs from issuer to
// issuer, and what is right for one must not open the door for another.
//
//	jwks.NewVerifier(issuers,
//		jwks.ForIssuer("https://a.example", jwks.WithAudience("orders")),
//		jwks.ForIssuer("https://b.example", jwks.WithAudience("urn:orders"), jwks.WithAlgorithms("ES256")))
//
// It goes by the issuer that the key is bound to, not by what the token says. An
// alias ([WithIssuerAliases]) stands for its issuer; options for an issuer with
// "{tenantid}" hold for every tenant, except those that have a ForIssuer of
// their own.
//
// A list replaces the common list of the same option, and an audience option the
// whole audience decision: [WithAudience], [WithAllAudiences] and
// [WithoutAudienceCheck] count as one, and so do [WithExpectedIssuer] and
// [WithoutIssuerCheck]. [WithRequiredClaims], [WithClaim] and [WithCheck] add up.
// Algorithms are judged before any signature is checked.
//
// An issuer for which neither these nor the common options decide the audience
// is [ErrConfig] where it is listed, and [ErrIssuerNotTrusted] where it came up
// at run time. Also [ErrConfig]: an issuer that the key source never has, one
// named twice, and the options that are for the whole verifier:
// [WithMaxTokenSize], [WithTokenCache], [WithNow], ForIssuer and
// [ForIssuerFunc].
func ForIssuer(issuer string, opts ...VerifierOption) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := c.common("ForIssuer"); err != nil {
			return err
		}
		if issuer == "" {
			return configError("ForIssuer", "the issuer is empty")
		}
		c.perIssuer = append(c.perIssuer, issuerOptions{issuer, slices.Clone(opts)})
		return nil
	})
}

// issuerOptions are the arguments of a ForIssuer.
type issuerOptions struct {
	issuer string
	opts   []VerifierOption
}

// policy is what a verifier demands of the tokens of one issuer.
type policy struct {
	issuer          string // "" for the common one
	rules           claims.Rules
	claims          *claims.Policy
	algorithms      jws.Set
	algorithmNames  []string // nil: the default
	checks          []func(context.Context, *Token) error
	noProof         bool
	audienceDecided bool
}

func newPolicy(issuer string, c *verifierConfig) *policy {
	return &policy{
		issuer:          issuer,
		rules:           c.Rules,
		claims:          claims.NewPolicy(c.Rules),
		algorithms:      c.algorithms,
		algorithmNames:  c.algorithmNames,
		checks:          c.checks,
		noProof:         c.noProof,
		audienceDecided: c.audienceSet || c.noAudience,
	}
}

// checkAlgorithm comes before any signature is checked (RFC 8725 section 3.1).
func (p *policy) checkAlgorithm(t *compact.Token) error {
	if p.algorithms.Has(t.Algorithm) {
		return nil
	}
	forWhom := ""
	if p.issuer != "" {
		forWhom = " for issuer " + show.Quote(p.issuer)
	}
	return fault.Invalid("alg "+show.Quote(t.Header.Algorithm)+" is not allowed"+forWhom+", want "+show.OneOf(p.algorithmNames), ErrAlgorithmNotAllowed)
}

// policies are those of a verifier: the common one, and one for each issuer
// that has options of its own.
type policies struct {
	common  *policy
	named   map[string]*policy // by configured issuer; nil without ForIssuer
	tenants map[string]*policy // the same in lower case, as tenants are compared
	atRun   *answers           // nil without ForIssuerFunc

	algorithms     jws.Set  // that some policy allows
	algorithmNames []string // nil: the default
}

// newPolicies makes the policies that the options ask for, and returns every
// problem at once.
func newPolicies(c *verifierConfig, source KeySource) (*policies, []error) {
	p := &policies{common: newPolicy("", c), algorithms: c.algorithms, algorithmNames: c.algorithmNames}
	var errs []error
	namer, knows := asOurs[issuerNamer](source)
	for _, o := range c.perIssuer {
		issuer, ok := o.issuer, true
		if knows {
			issuer, ok = namer.issuerNamed(o.issuer)
		}
		if !ok {
			errs = append(errs, configError("ForIssuer", "the key source has no key of %s: want an issuer that it trusts", show.Quote(o.issuer)))
			continue
		}
		if p.named[issuer] != nil {
			errs = append(errs, configError("ForIssuer", "%s is named twice", show.Quote(o.issuer)))
			continue
		}
		own, problems := c.overlay(issuer, o.opts, source)
		errs = append(errs, problems...)
		p.add(newPolicy(issuer, own))
	}
	if c.issuerFunc != nil {
		p.atRun = newAnswers(c, source)
		p.algorithms, p.algorithmNames = jws.All, nil // what the function will say is not known
	}
	if knows && !p.common.audienceDecided && (p.named != nil || p.atRun != nil) {
		errs = append(errs, p.undecided(namer)...)
	}
	return p, errs
}

func (p *policies) add(own *policy) {
	if p.named == nil {
		p.named, p.tenants = make(map[string]*policy), make(map[string]*policy)
	}
	p.named[own.issuer] = own
	p.tenants[strings.ToLower(own.issuer)] = own
	switch {
	case own.algorithmNames == nil || p.algorithmNames == nil:
		p.algorithms, p.algorithmNames = jws.All, nil
	default:
		for _, name := range own.algorithmNames {
			if !slices.Contains(p.algorithmNames, name) {
				p.algorithmNames = append(slices.Clip(p.algorithmNames), name)
			}
		}
		p.algorithms = jws.SetOf(p.algorithmNames)
	}
}

// undecided names the listed issuers whose audience no option decides.
func (p *policies) undecided(namer issuerNamer) (errs []error) {
	decided := func(name string) bool { return p.named[name] != nil && p.named[name].audienceDecided }
	for _, b := range namer.boundTo() {
		parts := b.Parts()
		if decided(b.Issuer()) || len(parts) > 0 && !slices.ContainsFunc(parts, func(name string) bool {
			own := p.tenants[strings.ToLower(name)]
			return own == nil || !own.audienceDecided
		}) {
			continue
		}
		errs = append(errs, configError("ForIssuer", "the audience of issuer %s is not decided: give it a ForIssuer with WithAudience, or a common WithAudience for all", show.Quote(b.Issuer())))
	}
	return errs
}

// various says that not all tokens are judged alike.
func (p *policies) various() bool { return p.named != nil || p.atRun != nil }

// of returns the policy for a token with this "iss" and "tid" under a key with
// this binding. It fails for an issuer whose audience nobody decided, and as the
// function of ForIssuerFunc does.
func (p *policies) of(ctx context.Context, b *binding.Binding, iss, tid string) (*policy, error) {
	if !p.various() {
		return p.common, nil
	}
	issuer, template := b.Governs(iss, tid)
	own := p.find(issuer, template)
	if own == nil && p.atRun != nil && issuer != "" && !p.atRun.knows(b.Root().Issuer()) {
		var err error
		if own, err = p.atRun.of(ctx, b.Root(), issuer); err != nil {
			return nil, err
		}
	}
	if own == nil {
		own = p.common
	}
	if !own.audienceDecided {
		if issuer == "" {
			issuer = template
		}
		return nil, undecidedAudience(issuer)
	}
	return own, nil
}

// find returns the policy of an issuer, else that of its template, else nil.
func (p *policies) find(issuer, template string) *policy {
	if template == "" {
		return p.named[issuer]
	}
	if own := p.tenants[strings.ToLower(issuer)]; own != nil {
		return own
	}
	return p.named[template]
}

// undecidedAudience refuses the tokens of an issuer that came up at run time.
func undecidedAudience(issuer string) error {
	if issuer == "" {
		return fault.Invalid("the key is bound to no issuer, and no common option decides the audience", ErrIssuerNotTrusted)
	}
	return notTrustedBecause(issuer, "no option decides the audience of its tokens", nil)
}

// overlay applies the options for one issuer on top of the common ones.
func (c *verifierConfig) overlay(issuer string, opts []VerifierOption, source KeySource) (*verifierConfig, []error) {
	own := *c
	own.issuer = issuer
	own.Required, own.Claims, own.checks = slices.Clip(c.Required), slices.Clip(c.Claims), slices.Clip(c.checks)
	own.audienceSet, own.noAudience, own.AnyAudience, own.AllAudiences = false, false, nil, nil
	own.issuersSet, own.noIssuer, own.Issuers = false, false, nil
	var errs []error
	add := func(err error) {
		for _, err := range distinct([]error{err}) {
			errs = append(errs, configError("ForIssuer", "%s: %s", show.Quote(issuer), strings.TrimPrefix(err.Error(), ErrConfig.Error()+": ")))
		}
	}
	for _, o := range opts {
		if o == nil {
			add(configError("ForIssuer", "an option is nil"))
		} else if err := o.applyVerifier(&own); err != nil {
			add(err)
		}
	}
	for _, err := range own.contradictions() {
		add(err)
	}
	if !own.audienceSet && !own.noAudience {
		own.audienceSet, own.noAudience, own.AnyAudience, own.AllAudiences = c.audienceSet, c.noAudience, c.AnyAudience, c.AllAudiences
	}
	namer, knows := asOurs[issuerNamer](source)
	for _, name := range own.Issuers {
		if knows {
			stands, ok := namer.issuerNamed(name)
			if !ok || stands != issuer && !binding.Fits(issuer, stands) {
				add(configError("WithExpectedIssuer", "no token of this issuer says %s", show.Quote(name)))
			}
		}
	}
	if !own.issuersSet && !own.noIssuer {
		own.issuersSet, own.noIssuer, own.Issuers = c.issuersSet, c.noIssuer, c.Issuers
	}
	return &own, errs
}

// common refuses an option for the whole verifier among those of one issuer.
func (c *verifierConfig) common(option string) error {
	if c.issuer != "" {
		return configError(option, "is for the whole verifier, not for one issuer")
	}
	return nil
}
