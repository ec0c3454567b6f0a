package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// ForIssuerFunc is [ForIssuer] for issuers that come up at run time
// ([TrustIssuerFunc]): f returns the options for one of them, nil for the
// common ones alone. It is not asked about listed issuers nor about those of a
// ForIssuer. An issuer whose audience then is not decided is
// [ErrIssuerNotTrusted].
//
// f is asked once an issuer, when the first token of it has found a key.
// Callers who wait for one issuer share a call; its context has the values of the
// first one's, ends after 15 s, and not when a caller leaves. An answer lives as
// long as the issuer's client, at most [WithDecisionTTL]. An error that matches
// [ErrIssuerNotTrusted] is an answer: it refuses the tokens. Any other, and bad
// options, are [ErrUnavailable], and f is asked again.
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

// answerKey is an issuer under one client: a client that is made anew binds its
// keys anew.
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
	if s, ok := source.(*Issuers); ok && s != nil {
		size = max(size, 2*s.cfg.maxIssuers) // twice: those of clients that are gone stay for a while
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
	asked, expired := a.join(ctx, key)
	if asked == nil {
		return nil, undecidedError(issuer, show.Count(maxIssuerFuncs, "other")+" are being decided on")
	}
	switch done, err := asked.wait(ctx, expired); {
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
	return fault.Unavailable("the caller gave up before issuer "+show.Quote(issuer)+" was decided on: "+ctx.Err().Error(), ctx.Err())
}

// join asks the function, or joins a call that is under way. The channel is
// closed when the call has taken too long: it gives its place back then, even if
// the function does not end. A nil call: too many are under way.
func (a *answers) join(ctx context.Context, key answerKey) (*issuerCall, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked := a.asking[key]; asked != nil {
		return asked, asked.expired
	}
	if len(a.asking) == maxIssuerFuncs {
		return nil, nil
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerFuncTimeout)
	asked := &issuerCall{call: call[answer]{done: make(chan struct{})}, expired: inner.Done()}
	a.asking[key] = asked
	context.AfterFunc(inner, func() { a.leave(key, asked) })
	go a.ask(inner, cancel, key, asked)
	return asked, asked.expired
}

// issuerCall is a call of the function.
type issuerCall struct {
	call[answer]
	expired <-chan struct{}
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
		close(asked.done)
		a.leave(key, asked)
	}()
	opts, err := a.cfg.issuerFunc(ctx, key.issuer)
	asked.result, asked.err = a.answer(key.issuer, opts, err)
}

// answer makes an answer of what the function returned.
func (a *answers) answer(issuer string, opts []VerifierOption, err error) (answer, error) {
	until := time.Now().Add(a.ttl)
	switch {
	case errors.Is(err, ErrIssuerNotTrusted):
		return answer{refused: trustFuncError(issuer, err), until: until}, nil
	case err != nil:
		return answer{}, trustFuncError(issuer, err)
	}
	own, errs := a.cfg.overlay(issuer, opts, a.source)
	if len(errs) > 0 {
		return answer{}, undecidedError(issuer, strings.ReplaceAll(bare(errors.Join(errs...)), "\n", "; "))
	}
	return answer{policy: newPolicy(issuer, own), until: until}, nil
}
