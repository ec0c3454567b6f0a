package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// ForIssuer adds options for the tokens of one issuer to the common ones: audiences,
// algorithms and token types differ from issuer to issuer, and a rule that is right for
// one must not let in the tokens of another.
//
//	jwks.NewVerifier(issuers,
//		jwks.ForIssuer("https://a.example", jwks.WithAudience("orders")),
//		jwks.ForIssuer("https://b.example", jwks.WithAudience("urn:orders"), jwks.WithAlgorithms("ES256")))
//
// It applies by the issuer that the key is bound to, not by what the token says. An
// alias ([WithIssuerAliases]) stands for its issuer. Options for an issuer with
// "{tenantid}" apply to every tenant that has no ForIssuer of its own.
//
// A list replaces the common list of the same option. An audience option replaces the
// whole audience decision: [WithAudience], [WithAllAudiences] and
// [WithoutAudienceCheck] count as one, and so do [WithExpectedIssuer] and
// [WithoutIssuerCheck]. [WithRequiredClaims], [WithClaim] and [WithCheck] apply in
// addition to the common ones. Algorithms are judged before any signature is checked.
//
// If neither these nor the common options decide the audience of an issuer, that
// is [ErrConfig] for a listed issuer, and [ErrIssuerNotTrusted] for one accepted
// at run time. Also [ErrConfig] are an issuer that the key source never has, an issuer
// that is named twice, and options that are for the whole verifier:
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
	shown           string // the issuer, for texts
	claims          *claims.Policy
	algorithms      jws.Set
	algorithmNames  []string // nil: the default
	checks          []func(context.Context, *Token) error
	noProof         bool
	audienceDecided bool
}

func newPolicy(issuer, shown string, c *verifierConfig) *policy {
	return &policy{
		issuer:          issuer,
		shown:           shown,
		claims:          claims.NewPolicy(c.Rules),
		algorithms:      c.algorithms,
		algorithmNames:  c.algorithmNames,
		checks:          c.checks,
		noProof:         c.noProof,
		audienceDecided: c.audienceSet || c.noAudience,
	}
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
	p := &policies{common: newPolicy("", "", c), algorithms: c.algorithms, algorithmNames: c.algorithmNames}
	var errs []error
	namer, knows := asOurs[issuerNamer](source)
	for _, o := range c.perIssuer {
		issuer, ok := o.issuer, true
		if knows {
			issuer, ok = namer.issuerNamed(o.issuer)
		}
		if !ok {
			errs = append(errs, configError("ForIssuer", "the key source has no key of %s: want an issuer that it trusts", show.QuotePlace(o.issuer)))
			continue
		}
		if p.named[issuer] != nil {
			errs = append(errs, configError("ForIssuer", "%s is named twice", show.QuotePlace(o.issuer)))
			continue
		}
		own, problems := c.overlay(issuer, show.QuotePlace(issuer), o.opts, source)
		errs = append(errs, problems...)
		p.add(newPolicy(issuer, show.QuotePlace(issuer), own))
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
		errs = append(errs, configError("ForIssuer", "the audience of issuer %s is not decided: give it a ForIssuer with WithAudience, or a common WithAudience for all", show.QuotePlace(b.Issuer())))
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

// undecidedAudience refuses the tokens of an issuer accepted at run time.
func undecidedAudience(issuer string) error {
	if issuer == "" {
		return fault.Invalid("the key is not bound to an issuer, and no common option decides the audience", ErrIssuerNotTrusted)
	}
	return notTrustedBecause(issuer, "no option decides the audience of its tokens", nil)
}

// overlay applies the options for one issuer on top of the common ones. shown is
// how errors name it.
func (c *verifierConfig) overlay(issuer, shown string, opts []VerifierOption, source KeySource) (*verifierConfig, []error) {
	own := *c
	own.issuer = issuer
	own.Required, own.Claims, own.checks = slices.Clip(c.Required), slices.Clip(c.Claims), slices.Clip(c.checks)
	own.audienceSet, own.noAudience, own.AnyAudience, own.AllAudiences = false, false, nil, nil
	own.issuersSet, own.noIssuer, own.Issuers = false, false, nil
	var errs []error
	add := func(err error) {
		for _, err := range distinct([]error{err}) {
			errs = append(errs, configError("ForIssuer", "%s: %s", shown, strings.TrimPrefix(err.Error(), ErrConfig.Error()+": ")))
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
				add(configError("WithExpectedIssuer", "no token of this issuer says %s", show.QuotePlace(name)))
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

// ForIssuerFunc is [ForIssuer] for issuers that are accepted at run time
// ([TrustIssuerFunc]): f returns the options for one of them, or nil if the
// common ones are enough. It is not called for listed issuers or those of a
// ForIssuer. If the audience of an issuer is then still undecided, its tokens are
// [ErrIssuerNotTrusted].
//
// f is called once per issuer, when a key has been found for its first token.
// Callers who wait for the same issuer share a call. Its context has the values of the
// first caller's context; it ends after 15 s, but not when a caller gives up. An answer
// holds as long as the issuer's client lives, at most [WithDecisionTTL]. An error that
// matches [ErrIssuerNotTrusted] is an answer: it refuses the tokens. After any other
// error, and after bad options, the result is [ErrUnavailable] and f is called again.
func ForIssuerFunc(f func(ctx context.Context, issuer string) ([]VerifierOption, error)) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := c.common("ForIssuerFunc"); err != nil {
			return err
		}
		if f == nil {
			return configError("ForIssuerFunc", "the function is nil")
		}
		c.issuerFunc = f
		return nil
	})
}

const (
	issuerFuncTimeout = 15 * time.Second // of one call
	defaultAnswerTTL  = 15 * time.Minute
	defaultAnswers    = 2048 // that are kept
	maxIssuerFuncs    = 1000 // calls under way
)

// answers are what the function of ForIssuerFunc says about issuers. Each call
// runs in a goroutine of its own.
type answers struct {
	cfg    *verifierConfig
	source KeySource
	knows  func(issuer string) bool // listed issuers, which the function is not asked about
	ttl    time.Duration

	known *lru.Cache[answerKey, answer] // safe for concurrent use

	mu     sync.Mutex // never held while the function runs
	asking map[answerKey]*issuerCall
}

// answerKey is an issuer and its client: if the client is replaced, its answer ends,
// because the new client binds its keys anew.
type answerKey struct {
	client *binding.Binding
	issuer string
}

// answer is a policy, or why there is none. It holds until.
type answer struct {
	policy  *policy
	refused error
	until   time.Time
}

func newAnswers(c *verifierConfig, source KeySource) *answers {
	a := &answers{cfg: c, source: source, ttl: defaultAnswerTTL, asking: make(map[answerKey]*issuerCall)}
	a.knows = func(string) bool { return false }
	size := defaultAnswers
	if namer, ok := asOurs[issuerNamer](source); ok {
		a.knows = namer.isListed
	}
	for i, s := range issuersIn(source) {
		size = max(size, 2*s.cfg.maxIssuers) // twice: those of clients that are gone stay for a while
		if i == 0 || s.cfg.decisionTTL < a.ttl {
			a.ttl = s.cfg.decisionTTL // of several, the shortest
		}
	}
	a.known, _ = lru.New[answerKey, answer](size) // fails for sizes below 1 only
	return a
}

// of returns the policy for an issuer that is not listed.
func (a *answers) of(ctx context.Context, client *binding.Binding, issuer string) (*policy, error) {
	key := answerKey{client, issuer}
	if known, ok := a.known.Get(key); ok && time.Now().Before(known.until) {
		return known.policy, known.refused
	}
	if ctx.Err() != nil {
		return nil, gaveUpOn(ctx, issuer)
	}
	key.issuer = strings.Clone(issuer) // or it would keep its token in memory
	known, asked := a.join(ctx, key)
	switch {
	case known != nil:
		return known.policy, known.refused
	case asked == nil:
		return nil, undecidedError(issuer, show.Count(maxIssuerFuncs, "other")+" are being decided on")
	}
	switch done, err := asked.wait(ctx, asked.ctx.Done()); {
	case err != nil:
		return nil, gaveUpOn(ctx, issuer)
	case !done:
		return nil, undecidedError(issuer, "the function of ForIssuerFunc did not answer within "+issuerFuncTimeout.String())
	case asked.err != nil:
		return nil, asked.err
	}
	return asked.result.policy, asked.result.refused
}

// gaveUpOn is for a caller whose context ended before an issuer was decided on.
func gaveUpOn(ctx context.Context, issuer string) error {
	return fault.Unavailable("the caller gave up before issuer "+show.Quote(issuer)+" was decided on: "+ctx.Err().Error(), fault.ErrIssuerUndecided, ctx.Err())
}

// join asks the function, or joins a call that is under way, unless one has just
// ended. A call that takes too long gives its place back, even if the function
// does not end. Both results are nil when too many are under way.
func (a *answers) join(ctx context.Context, key answerKey) (*answer, *issuerCall) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked := a.asking[key]; asked != nil && asked.ctx.Err() == nil {
		return nil, asked
	}
	// Its answer is known before a call leaves the list.
	if known, ok := a.known.Get(key); ok && time.Now().Before(known.until) {
		return &known, nil
	}
	if len(a.asking) == maxIssuerFuncs {
		return nil, nil
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerFuncTimeout)
	asked := &issuerCall{call: call[answer]{done: make(chan struct{})}, ctx: inner}
	a.asking[key] = asked
	context.AfterFunc(inner, func() { a.leave(key, asked) })
	go a.ask(inner, cancel, key, asked)
	return nil, asked
}

// issuerCall is a call of the function.
type issuerCall struct {
	call[answer]
	ctx context.Context // of the function: ends when it has taken too long
}

// leave takes a call off the list.
func (a *answers) leave(key answerKey, asked *issuerCall) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asking[key] == asked {
		delete(a.asking, key)
	}
}

// ask carries out one call, whatever the program's function does.
func (a *answers) ask(ctx context.Context, cancel context.CancelFunc, key answerKey, asked *issuerCall) {
	defer cancel()
	asked.err = undecidedError(key.issuer, "the function of ForIssuerFunc ended its goroutine")
	defer func() {
		if v := recover(); v != nil { // the value may hold anything
			asked.err = undecidedError(key.issuer, fmt.Sprintf("the function of ForIssuerFunc panicked (%T)", v))
		}
		if asked.err == nil && ctx.Err() == nil {
			a.known.Add(key, asked.result)
		}
		a.leave(key, asked) // first: who asks again after this answer gets another
		close(asked.done)
	}()
	until := time.Now().Add(a.ttl) // what the function knows may be as old as the question
	opts, err := a.cfg.issuerFunc(ctx, key.issuer)
	asked.result, asked.err = a.answer(key.issuer, opts, err, until)
}

// answer makes an answer of what the function returned.
func (a *answers) answer(issuer string, opts []VerifierOption, err error, until time.Time) (answer, error) {
	switch {
	case errors.Is(err, ErrIssuerNotTrusted):
		return answer{refused: trustFuncError(issuer, err), until: until}, nil
	case err != nil:
		return answer{}, trustFuncError(issuer, err)
	}
	own, errs := a.cfg.overlay(issuer, show.Quote(issuer), opts, a.source)
	if len(errs) > 0 {
		return answer{}, undecidedError(issuer, strings.ReplaceAll(bare(errors.Join(errs...)), "\n", "; "))
	}
	return answer{policy: newPolicy(issuer, show.Quote(issuer), own), until: until}, nil
}
