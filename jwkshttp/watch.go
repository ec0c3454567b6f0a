package jwkshttp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/show"
)

// WithLogger logs one line per refusal: status, reason (see [Reason]), what was
// wrong (error), method, and the pattern of the mux that routed the request here,
// if one did. A 503 is a warning, a 500 an error, and everything else info, because it is
// usually the caller's mistake. The line never contains the token, nor
// the path, which may contain secrets. Default: nothing is logged. A nil l panics.
func WithLogger(l *slog.Logger) Option {
	return option(func(c *config) error {
		if l == nil {
			return fmt.Errorf("WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	})
}

// OnRefusal calls f for every refusal, before it is answered, for metrics and audit
// logs. Unlike a handler of [WithErrorHandler], f does not write the answer. If it is given
// more than once, each function is called. f runs in the goroutine
// of the request. err is for logs, not for the caller, and never contains the token
// unless a [TokenVerifier] or an [Extractor] of your own put it there. Default:
// none. A nil f panics.
func OnRefusal(f func(r *http.Request, err error)) Option {
	return option(func(c *config) error {
		if f == nil {
			return fmt.Errorf("OnRefusal: the function is nil")
		}
		c.onRefusal = append(c.onRefusal, f)
		return nil
	})
}

// EndAtExpiry ends the context of a request when its token expires, at
// [jwks.Token.ValidUntil]. It is for streams, WebSockets and long polls, whose token
// is checked once and would otherwise be good for hours. The handler has to watch
// r.Context(); [context.Cause] then matches [jwt.ErrTokenExpired] and
// [jwks.ErrTokenInvalid]. Without an "exp" the context does not end early. It ends by
// the clock of the machine, even if the verifier has another ([jwks.WithNow]).
// Default: off.
func EndAtExpiry() Option {
	return option(func(c *config) error { c.endAtExpiry = true; return nil })
}

// errExpired is the cause of a context that ended with its token.
var errExpired = fmt.Errorf("jwkshttp: the token of this request has expired: %w: %w", jwks.ErrTokenInvalid, jwt.ErrTokenExpired)

// endingWith is a context that ends with a token.
func endingWith(ctx context.Context, t *jwks.Token) (context.Context, context.CancelFunc) {
	until := t.ValidUntil()
	if until.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, until, errExpired)
}

// tell logs a refusal, and calls who wants to know.
func (g *guard) tell(r *http.Request, err error) {
	if g.logger != nil {
		status := StatusCode(err)
		if level := levelFor(status); g.logger.Enabled(r.Context(), level) {
			attrs := append(make([]slog.Attr, 0, 5), slog.Int("status", status), slog.String("reason", Reason(err)),
				slog.String("error", discreet(err.Error())), slog.String("method", show.Line(r.Method)))
			if r.Pattern != "" {
				attrs = append(attrs, slog.String("pattern", r.Pattern))
			}
			g.logger.LogAttrs(r.Context(), level, "jwkshttp: request refused", attrs...)
		}
	}
	for _, f := range g.onRefusal {
		f(r, err)
	}
}

func levelFor(status int) slog.Level {
	switch status {
	case http.StatusInternalServerError:
		return slog.LevelError
	case http.StatusServiceUnavailable:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// tokenLike finds what might be a token, or the beginning of one: base64url of
// a JSON object, and what is tied to it by dots.
var tokenLike = regexp.MustCompile(`ey[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*`)

// discreet is the text of an error for the log. Our own errors hold no token;
// those of a verifier or an extractor of the user's may.
func discreet(text string) string { return show.Text(tokenLike.ReplaceAllString(text, "…")) }
