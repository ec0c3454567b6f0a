package jwkshttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/fault"
)

// requirement is something that a valid token must have to be let in here.
type requirement func(ctx context.Context, t *jwks.Token) error

// RequireAnyScope requires the token to have one of these scopes; if it is given more than
// once, one of each list. A token without it is refused with [ErrInsufficientScope]. The
// challenges name all of the scopes, as for [RequireScopes]. Default: none. An empty
// list, and a scope that RFC 6749 section 3.3 does not allow, panic.
func RequireAnyScope(scopes ...string) Option {
	return option(func(c *config) error {
		if err := checkScopes("RequireAnyScope", scopes); err != nil {
			return err
		}
		scopes := slices.Clone(scopes)
		c.anyScopes = append(c.anyScopes, scopes...)
		c.required = append(c.required, func(_ context.Context, t *jwks.Token) error {
			if slices.ContainsFunc(scopes, func(s string) bool { return t.HasScopes(s) }) {
				return nil
			}
			return fmt.Errorf("%w: want one of %s", ErrInsufficientScope, strings.Join(scopes, " "))
		})
		return nil
	})
}

// RequireClaim requires a claim as [jwks.WithClaim] does: it must be one of values, or
// an array that contains one of them, and a name that begins with "/" is a JSON Pointer.
// The difference is the answer: a token without the claim is valid, but its sender may not
// do this, so the answer is 403 and the error [ErrForbidden]. Use it for roles and groups.
// If it is given more than once, all must hold. Default: none. A malformed name, an empty
// list and an empty value panic.
func RequireClaim(name string, values ...string) Option {
	return option(func(c *config) error {
		path, err := claims.ParsePath(name)
		switch {
		case err != nil:
			return fmt.Errorf("RequireClaim: %q: %w", name, err)
		case len(values) == 0 || slices.Contains(values, ""):
			return fmt.Errorf("RequireClaim: %q: no value, or an empty one", name)
		}
		claim := claims.Claim{Name: name, Path: path, Values: slices.Clone(values)}
		c.required = append(c.required, func(_ context.Context, t *jwks.Token) error {
			var payload json.RawMessage
			if err := t.Claims(&payload); err != nil {
				return err
			}
			if err := claim.Validate(&claims.Set{Text: string(payload)}); err != nil {
				text, _ := fault.Text(err)
				return fmt.Errorf("%w: %s", ErrForbidden, text)
			}
			return nil
		})
		return nil
	})
}

// Require adds a check of your own: whether the sender of a token may do this. It runs once
// the token has verified and has the required scopes and claims. An error of f is
// answered with 403 and matches [ErrForbidden], or is answered with 503 if it matches
// [jwks.ErrUnavailable]. The context is that of the request. If it is given more than
// once, all must hold; they run in order, up to the first error. f must be safe
// for concurrent use. Default: none. A nil f panics.
func Require(f func(ctx context.Context, t *jwks.Token) error) Option {
	return option(func(c *config) error {
		if f == nil {
			return fmt.Errorf("Require: the function is nil")
		}
		c.checks = append(c.checks, func(ctx context.Context, t *jwks.Token) error {
			err := f(ctx, t)
			if err == nil || errors.Is(err, jwks.ErrUnavailable) {
				return err
			}
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		})
		return nil
	})
}

// checkScopes looks at the arguments of an option.
func checkScopes(option string, scopes []string) error {
	if len(scopes) == 0 {
		return fmt.Errorf("%s: no scope", option)
	}
	for _, s := range scopes {
		if !isScope(s) {
			return fmt.Errorf("%s: %q is not a scope: want printable ASCII without space, quote and backslash", option, s)
		}
	}
	return nil
}

// needsToken says that something is required of every token, so that none is
// not enough.
func (c *config) needsToken() bool {
	return len(c.scopes) > 0 || len(c.required) > 0 || len(c.checks) > 0
}

// permit judges a token that verified: scopes, claims, then the program's own
// checks.
func (c *config) permit(ctx context.Context, t *jwks.Token) error {
	if !t.HasScopes(c.scopes...) {
		return fmt.Errorf("%w: want %s", ErrInsufficientScope, strings.Join(c.scopes, " "))
	}
	for _, f := range c.required {
		if err := f(ctx, t); err != nil {
			return err
		}
	}
	for _, f := range c.checks {
		if err := f(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// wantedScopes are those that challenges name.
func (c *config) wantedScopes() []string {
	wanted := slices.Clone(c.scopes)
	for _, s := range c.anyScopes {
		if !slices.Contains(wanted, s) {
			wanted = append(wanted, s)
		}
	}
	return wanted
}
