package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
)

// tenants is the configuration of many issuers: some are listed, a function
// decides on the others, and whoever has a higher number is a stranger that the
// function refuses. The zero value is one client without any of this.
type tenants struct {
	listed  int
	decided int
	max     int           // WithMaxIssuers
	ttl     time.Duration // WithDecisionTTL
}

func (t tenants) accepted() int { return t.listed + t.decided }

// decision is what the TrustIssuerFunc does.
type decision int

const (
	asUsual      decision = iota // yes to tenants, no to strangers
	refusesAll                   // offboarded
	fails                        // cannot say
	slowDecision                 // says after d, or when its context ends
	deafDecision                 // says after d, whatever its context
)

// decisionTime is how long one decision may take.
const decisionTime = 15 * time.Second

// asking is one call of the function.
type asking struct {
	issuer     int
	start, end time.Duration // end -1: under way
	yes        bool
	err        error
}

// forgetting is a call of Forget.
type forgetting struct {
	issuer int
	at     time.Duration
}

// community is what a world of many issuers has besides.
type community struct {
	issuers   *jwks.Issuers
	mode      decision
	modeFor   time.Duration
	modes     []modeSince
	asked     []*asking
	forgotten []forgetting
}

// askingEnds is when the caller of the user's function waits no longer.
const askingEnds = 15 * time.Second

type modeSince struct {
	at   time.Duration
	mode decision
}

// strangers is how many issuers there are that nobody trusts.
const strangers = 3

// ownMaterial is the material of an issuer's key: no two issuers share one.
func ownMaterial(issuer, mat int) int {
	if mat >= 10 {
		return mat // of somebody else
	}
	return 10*(issuer+1) + mat
}

// settle makes the sites and the Issuers of a community.
func (w *world) settle() {
	t := w.config.tenants
	w.net = &network{now: w.now}
	for i := range t.accepted() + strangers {
		s := newSite(i, w.config)
		s.issue(0, []entry{{key: key{1, ownMaterial(i, 1)}}, {key: key{2, ownMaterial(i, 2)}}})
		w.net.sites = append(w.net.sites, s)
	}
	w.site = w.net.sites[0]
	opts := []jwks.IssuersOption{jwks.WithClientOptions(append(w.config.common(), jwks.WithHTTPClient(&http.Client{Transport: w.net}))...)}
	if t.listed > 0 {
		var listed []string
		for _, s := range w.net.sites[:t.listed] {
			listed = append(listed, s.issuer)
		}
		opts = append(opts, jwks.TrustIssuers(listed...))
	}
	opts = append(opts, jwks.TrustIssuerFunc(w.decide))
	if t.max > 0 {
		opts = append(opts, jwks.WithMaxIssuers(t.max))
	}
	if t.ttl > 0 {
		opts = append(opts, jwks.WithDecisionTTL(t.ttl))
	}
	issuers, err := jwks.NewIssuers(opts...)
	if err != nil {
		panic(err)
	}
	w.many.issuers = issuers
	w.many.modes = []modeSince{{0, asUsual}}
	if w.verifier, err = jwks.NewVerifier(issuers, jwks.WithAudience(audience), jwks.WithTokenCache(w.config.tokenCache)); err != nil {
		panic(err)
	}
}

// decide is the TrustIssuerFunc.
func (w *world) decide(ctx context.Context, issuer string) ([]jwks.ClientOption, error) {
	number := slices.IndexFunc(w.net.sites, func(s *site) bool { return s.issuer == issuer })
	w.mu.Lock()
	a := &asking{issuer: number, start: w.now(), end: -1}
	w.many.asked = append(w.many.asked, a)
	mode, d := w.many.mode, w.many.modeFor
	w.mu.Unlock()
	var err error
	switch mode {
	case fails:
		err = errors.New("the table of tenants cannot be read")
	case slowDecision:
		err = pause(ctx, d)
	case deafDecision:
		time.Sleep(d)
	}
	if err == nil && (mode == refusesAll || number < 0 || number >= w.config.tenants.accepted()) {
		err = jwks.ErrIssuerNotTrusted
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a.end, a.yes, a.err = w.now(), err == nil, err
	return nil, err
}

// playTenants is the scenario of many issuers.
func (w *world) playTenants() {
	w.settle()
	for _, s := range w.steps {
		s.issuer = min(s.issuer, len(w.net.sites)-1)
		switch s.op {
		case verify, junkTokens:
			for i := range max(s.n, 1) {
				if i > 0 {
					time.Sleep(s.every)
					if s.op == junkTokens {
						s.issuer = (s.issuer + 1) % len(w.net.sites)
					}
				}
				w.beginAt(s)
			}
		case wait:
			time.Sleep(s.d)
		case join:
			w.join()
		case decide:
			w.mu.Lock()
			w.many.mode, w.many.modeFor = decision(s.n), s.d
			w.many.modes = append(w.many.modes, modeSince{w.now(), decision(s.n)})
			w.mu.Unlock()
		case forget:
			w.many.forgotten = append(w.many.forgotten, forgetting{s.issuer, w.now()})
			w.many.issuers.Forget(w.net.sites[s.issuer].issuer)
		default:
			w.net.mu.Lock()
			w.net.sites[s.issuer].set(s)
			w.net.mu.Unlock()
		}
		synctest.Wait()
	}
	w.join()
	w.closed = w.now()
	if err := w.many.issuers.Close(); err != nil {
		w.problems = append(w.problems, fmt.Sprint("Close: ", err))
	}
	w.ended = w.now()
	w.calling.Wait()
	w.beginAt(step{op: verify, kid: 1, mat: 1})
	w.calls[len(w.calls)-1].afterClose = true
	w.requests, w.sites = w.net.requests, w.net.sites
}

// beginAt makes a call to the issuer of a step.
func (w *world) beginAt(s step) {
	mat := ownMaterial(s.issuer, s.mat)
	c := &call{op: verify, issuer: s.issuer, want: key{s.kid, mat}, patience: s.d, start: w.now()}
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	token := tokenFor(w.net.sites[s.issuer].issuer, c.want, 0)
	w.calling.Go(func() {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if s.d > 0 {
			ctx, cancel = context.WithTimeout(ctx, s.d)
		}
		defer cancel()
		t, err := w.verifier.Verify(ctx, token)
		w.mu.Lock()
		defer w.mu.Unlock()
		c.err, c.end, c.done = err, w.now(), true
		if err == nil {
			c.got = found([]*jwks.Key{t.Key()})
		}
	})
	synctest.Wait()
}
