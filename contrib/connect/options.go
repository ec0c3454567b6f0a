package jwksconnect

import (
	"fmt"
	"slices"
	"strings"
)

// Option configures [AuthFunc]. A bad option makes that panic, at the start of
// the program, because it is a mistake in the code. The panic names the option.
type Option interface{ apply(*config) error }

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// config is what was said about procedures: by "/service/method", and by
// "/service/" for all of a service.
type config struct {
	public map[string]bool
	scopes map[string][]string
}

// Public lets calls of these procedures pass without looking at their token. A name is a
// procedure like "/grpc.health.v1.Health/Check", or all procedures of one service like
// "/grpc.health.v1.Health/*". It may be given more than once. The whole path
// of the request is compared exactly, case included, so behind a prefix put
// the middleware inside [http.StripPrefix]. An option for a procedure, this one or
// [RequireScopes], takes precedence over one for its service. Both options for the same
// name panic, and so does any other form of name. Default: none.
func Public(procedures ...string) Option {
	return option(func(c *config) error {
		if len(procedures) == 0 {
			return fmt.Errorf("Public: no procedure")
		}
		for _, p := range procedures {
			key, err := keyFor(p)
			if err != nil {
				return fmt.Errorf("Public: %w", err)
			}
			c.public[key] = true
		}
		return nil
	})
}

// RequireScopes requires tokens for one procedure, or for
// all procedures of one service, to have all of these scopes; see [Public] for the names
// and [jwks.Token.Scopes]. Other tokens get [connect.CodePermissionDenied]. If it is given
// more than once, all scopes are required, those of a service and those of its procedure.
// Unlike Public it also applies if the procedure is only a part of the path, behind a
// prefix that this middleware sees. Default: none. An empty list, and a scope that RFC 6749
// section 3.3 does not allow, panic.
func RequireScopes(procedure string, scopes ...string) Option {
	return option(func(c *config) error {
		key, err := keyFor(procedure)
		if err != nil {
			return fmt.Errorf("RequireScopes: %w", err)
		}
		if len(scopes) == 0 {
			return fmt.Errorf("RequireScopes: no scope for %q", procedure)
		}
		for _, s := range scopes {
			if !isScope(s) {
				return fmt.Errorf("RequireScopes: %q is not a scope: want printable ASCII without space, quote and backslash", s)
			}
			if !slices.Contains(c.scopes[key], s) {
				c.scopes[key] = append(c.scopes[key], s)
			}
		}
		return nil
	})
}

func newConfig(opts []Option) config {
	c := config{public: make(map[string]bool), scopes: make(map[string][]string)}
	for _, o := range opts {
		if o == nil {
			panic("jwksconnect: AuthFunc: an option is nil")
		}
		if err := o.apply(&c); err != nil {
			panic("jwksconnect: AuthFunc: " + err.Error())
		}
	}
	for name := range c.scopes {
		if c.public[name] {
			panic(fmt.Sprintf("jwksconnect: AuthFunc: %q is public and requires scopes", name))
		}
	}
	return c
}

// rule is what holds for requests of one path.
type rule struct {
	public bool
	scopes []string
}

// ruleFor errs towards refusing. Only a path that is a procedure and nothing
// else is public, since what serves a longer one is for the mux to say. But
// scopes are required of any path that has the procedure in it.
func (c *config) ruleFor(path string) rule {
	first, second, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !found || len(path) != len(first)+len(second)+2 || strings.Contains(second, "/") {
		return rule{scopes: c.scopesWithin(path)}
	}
	ofProcedure, ofService := c.scopes[path], c.scopes[path[:len(first)+2]]
	switch {
	case c.public[path]:
		return rule{public: true}
	case len(ofProcedure) == 0:
		return rule{public: c.public[path[:len(first)+2]], scopes: ofService}
	case len(ofService) == 0:
		return rule{scopes: ofProcedure}
	default:
		return rule{scopes: slices.Concat(ofService, ofProcedure)}
	}
}

// scopesWithin collects the scopes of all procedures that path contains.
func (c *config) scopesWithin(path string) (scopes []string) {
	if len(c.scopes) == 0 {
		return nil
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	for i, service := range parts {
		scopes = append(scopes, c.scopes["/"+service+"/"]...)
		if i+1 < len(parts) {
			scopes = append(scopes, c.scopes["/"+service+"/"+parts[i+1]]...)
		}
	}
	return scopes
}

// keyFor accepts "/service/method", which it returns, and "/service/*", of which
// it returns "/service/".
func keyFor(name string) (string, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 || parts[0] != "" || parts[1] == "" || parts[2] == "" ||
		strings.ContainsAny(parts[1], "* ") || strings.ContainsAny(parts[2], "* ") && parts[2] != "*" {
		return "", fmt.Errorf("%q is neither a procedure like %q nor a service like %q",
			name, "/package.Service/Method", "/package.Service/*")
	}
	return strings.TrimSuffix(name, "*"), nil
}

// isScope checks the scope-token of RFC 6749 section 3.3.
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}
