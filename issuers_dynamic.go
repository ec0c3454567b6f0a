package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/publicnet"
)

// decision is one call of the TrustIssuerFunc. All who wait for the same issuer
// share it; it runs on a context that outlives each of them.
type decision struct {
	done chan struct{}
	// Set before done is closed:
	client *Client
	err    error
}

// maxDeciding bounds the calls of the function that are under way: tokens with
// forged issuers may come faster than it answers.
const maxDeciding = 1000

// decided asks the user's function about an issuer.
func (s *Issuers) decided(ctx context.Context, issuer string) (*Client, error) {
	gaveUp := func() error {
		return unavailable("the caller gave up before issuer "+quote(issuer)+" was decided on: "+ctx.Err().Error(), ctx.Err())
	}
	if ctx.Err() != nil {
		return nil, gaveUp()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, s.closedError()
	}
	if c, ok := s.dynamic.Get(issuer); ok { // decided since we looked
		s.mu.Unlock()
		return c, nil
	}
	d := s.deciding[issuer]
	if d == nil && len(s.deciding) == maxDeciding {
		s.mu.Unlock()
		return nil, unavailable("issuer " + quote(issuer) + " could not be decided on: " + count(maxDeciding, "other") + " are being decided on")
	}
	if d == nil {
		d = &decision{done: make(chan struct{})}
		s.deciding[issuer] = d
		s.busy.Add(1)
		go s.decide(ctx, issuer, d)
	}
	s.mu.Unlock()
	select {
	case <-d.done:
		return d.client, d.err
	case <-ctx.Done():
		return nil, gaveUp()
	case <-s.life.Done():
		return nil, s.closedError()
	}
}

// decide carries a decision out, in a goroutine of its own, whatever the
// user's function does.
func (s *Issuers) decide(ctx context.Context, issuer string, d *decision) {
	d.err = unavailable("issuer " + quote(issuer) + " could not be decided on: the function ended its goroutine")
	defer func() {
		if v := recover(); v != nil { // the value may hold anything
			d.err = unavailable("issuer " + quote(issuer) + fmt.Sprintf(" could not be decided on: the function panicked (%T)", v))
		}
		s.mu.Lock()
		delete(s.deciding, issuer)
		s.mu.Unlock()
		close(d.done)
		s.busy.Done()
	}()
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchDeadline)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	opts, err := s.cfg.decide(inner, issuer)
	if err != nil {
		d.err = undecided(issuer, err)
		return
	}
	c, err := s.cfg.newClient(issuer, opts)
	if err != nil {
		d.err = unavailable("issuer " + quote(issuer) + " could not be decided on: " + strings.ReplaceAll(bare(err), "\n", "; "))
		return
	}
	d.client, d.err = s.admit(issuer, c, false)
}

// undecided is for a function that refused the issuer or failed. Its error
// stays in the chain unless that would put it into the other class, or make
// it look like the end of the caller's own context.
func undecided(issuer string, err error) error {
	if errors.Is(err, ErrIssuerNotTrusted) {
		if err == ErrIssuerNotTrusted {
			return notTrusted(issuer)
		}
		why := quote(bare(err))
		if errors.Is(err, ErrUnavailable) || ofContext(err) {
			err = nil
		}
		return notTrustedBecause(issuer, why, err)
	}
	text := "issuer " + quote(issuer) + " could not be decided on: " + quote(bare(err))
	if errors.Is(err, ErrTokenInvalid) || ofContext(err) {
		return unavailable(text)
	}
	return unavailable(text, err)
}

func ofContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// maxIssuerName bounds the issuer names that tokens may bring in.
const maxIssuerName = 512

// anyone makes a client for an issuer that nobody listed: for public names
// only, with a guarded HTTP client, and within the budget for new issuers.
func (s *Issuers) anyone(issuer string) (*Client, error) {
	u, err := url.Parse(issuer)
	if err == nil {
		err = publicnet.CheckURL(u)
	}
	if err == nil && (u.RawQuery != "" || u.ForceQuery || isTemplate(issuer) || len(issuer) > maxIssuerName) {
		err = errors.New("it is no plain URL")
	}
	if err != nil {
		return nil, notTrustedBecause(issuer, err.Error(), nil)
	}
	c, err := s.cfg.newClient(issuer, []ClientOption{WithHTTPClient(s.cfg.guarded)})
	if err != nil {
		return nil, unavailable("no client for issuer " + quote(issuer) + ": " + strings.ReplaceAll(bare(err), "\n", "; "))
	}
	c.public = true
	return s.admit(issuer, c, true)
}

// admit puts a client among the dynamic ones, unless one is there already or
// all is over, and retires the one that has to go for it.
func (s *Issuers) admit(issuer string, c *Client, budgeted bool) (*Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, s.closedError()
	}
	if known, ok := s.dynamic.Get(issuer); ok {
		return known, nil
	}
	if now := time.Since(s.began); budgeted {
		if !s.fresh.available(now) {
			left := s.fresh.next(now) // for a Retry-After
			return nil, unavailable("issuer "+quote(issuer)+" is new, and the budget for new issuers is spent; one more in "+round(left).String(),
				&FetchError{URL: issuer, RetryAfter: left, Err: errors.New("the budget for new issuers is spent")})
		}
		s.fresh.charge(now)
	}
	if s.dynamic.Len() == s.cfg.maxIssuers {
		if _, evicted, ok := s.dynamic.RemoveOldest(); ok {
			evicted.retire()
			s.busy.Add(1)
			go s.buried(evicted)
		}
	}
	c.dynamic = true
	s.dynamic.Add(issuer, c)
	return c, nil
}

// buried waits for a retired client to end: when its last call does, or with
// everything.
func (s *Issuers) buried(c *Client) {
	defer s.busy.Done()
	select {
	case <-c.life.Done():
	case <-s.life.Done():
	}
	_ = c.Close() // always nil
}
