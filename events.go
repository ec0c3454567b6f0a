package jwks

import (
	"context"
	"log/slog"
)

// tellLocked queues an event for the log and the observer. They hear of it
// when the lock is given back, one event at a time and in order.
func (c *Client) tellLocked(e Event) {
	if c.cfg.logger == nil && c.cfg.observer == nil {
		return
	}
	e.Issuer, e.URL = c.boundIssuer(), c.jwksURLLocked()
	c.untold = append(c.untold, e)
}

// eventIssuerTaken is for the log only: the discovery document said which
// issuer to bind the keys to, and nothing checked that.
const eventIssuerTaken EventKind = 0

// unlock gives the lock back and delivers what was queued meanwhile. Whoever
// delivers already goes on with what others queue: order is kept, and an
// observer that asks for the status meets no lock.
func (c *Client) unlock() {
	defer c.mu.Unlock()
	if c.telling {
		return
	}
	c.telling = true
	defer func() { c.telling = false }()
	for len(c.untold) > 0 {
		e := c.untold[0]
		c.untold = c.untold[1:]
		c.tell(e)
	}
	c.untold = nil
}

// tell delivers one event, without the lock, which its caller holds. A panic
// of the observer or of the logger's handler ends here: in the goroutine of a
// fetch nobody else could recover it.
func (c *Client) tell(e Event) {
	c.mu.Unlock()
	defer c.mu.Lock()
	defer func() { _ = recover() }()
	c.log(e)
	if c.cfg.observer != nil && e.Kind != eventIssuerTaken {
		c.cfg.observer(e)
	}
}

// servedStaleLocked announces, once per spell, that a set past its TTL serves.
func (c *Client) servedStaleLocked() {
	if !c.staleAnnounced {
		c.staleAnnounced = true
		why := c.lastError
		if c.policy.stumbled {
			why = c.stumbledOver
		}
		c.tellLocked(Event{Kind: EventServedStale, Err: why})
	}
}

// throttledLocked counts a lookup that the budget refused to refresh for, and
// announces it once per spell.
func (c *Client) throttledLocked() {
	c.counts.throttled++
	if !c.throttleAnnounced {
		c.throttleAnnounced = true
		c.tellLocked(Event{Kind: EventThrottled})
	}
}

// log writes an event down. What an operator should look at is a warning: a
// failing issuer is one for each step of the backoff.
func (c *Client) log(e Event) {
	if c.cfg.logger == nil {
		return
	}
	level, message := slog.LevelDebug, "jwks: key set "+e.Kind.String()
	attrs := make([]slog.Attr, 0, 6)
	if e.Issuer != "" {
		attrs = append(attrs, slog.String("issuer", e.Issuer))
	}
	if e.URL != "" {
		attrs = append(attrs, slog.String("url", showURL(e.URL)))
	}
	switch e.Kind {
	case eventIssuerTaken:
		level, message = slog.LevelWarn, "jwks: keys are bound to the issuer that the discovery document names; say WithIssuer to check it"
	case EventRefreshFailed:
		level, message = slog.LevelWarn, "jwks: refresh failed"
	case EventServedStale: // the failed refreshes warn
		level, message = slog.LevelInfo, "jwks: serving keys past their TTL"
	case EventThrottled:
		level, message = slog.LevelInfo, "jwks: unknown keys, refresh budget spent"
	case EventRefreshed:
		if len(e.Added)+len(e.Removed) > 0 {
			level = slog.LevelInfo
			attrs = append(attrs, slog.Any("added", quoted(e.Added)), slog.Any("removed", quoted(e.Removed)))
		}
	}
	if e.Duration > 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", bare(e.Err)))
	}
	c.cfg.logger.LogAttrs(context.Background(), level, message, attrs...)
}

// quoted makes kids fit for a log.
func quoted(kids []string) []string {
	q := make([]string, len(kids))
	for i, kid := range kids {
		q[i] = quote(kid)
	}
	return q
}
