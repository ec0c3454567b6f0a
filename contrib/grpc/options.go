package jwksgrpc

import (
	"fmt"
	"slices"
	"strings"
)

// Option configures the interceptors and [AuthFunc]. A bad option makes them panic, at
// the start of the program, because it is a mistake in the code. The panic names the
// option.
type Option interface{ apply(*config) error }

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// config is what was said about methods: by "/service/method", and by
// "/service/" for all of its methods.
type config struct {
	public      map[string]bool
	scopes      map[string][]string
	endAtExpiry bool
}

// Public lets calls of these methods pass without looking at their token. A name is a full
// method like "/grpc.health.v1.Health/Check", or all methods of one service
// like "/grpc.health.v1.Health/*". It may be given more than once.
// Names are compared exactly, case included; "/a/*" covers neither "/ab/M" nor
// "/a.b/M". An option for a method, this one or [RequireScopes], takes precedence over one
// for its service. Both options for the same name panic, and so does any other
// form of name. Default: no method is public, not even health checks or reflection.
func Public(methods ...string) Option {
	return option(func(c *config) error {
		if len(methods) == 0 {
			return fmt.Errorf("Public: no method")
		}
		for _, m := range methods {
			key, err := keyFor(m)
			if err != nil {
				return fmt.Errorf("Public: %w", err)
			}
			c.public[key] = true
		}
		return nil
	})
}

// RequireScopes requires tokens for one method, or for
// all methods of one service, to have all of these scopes; see [Public] for the names and
// [jwks.Token.Scopes]. Other tokens get [codes.PermissionDenied]. If it is given more than
// once, all scopes are required, those of a service and those of its method. Default: none.
// An empty list, and a scope that RFC 6749 section 3.3 does not allow, panic.
func RequireScopes(method string, scopes ...string) Option {
	return option(func(c *config) error {
		key, err := keyFor(method)
		if err != nil {
			return fmt.Errorf("RequireScopes: %w", err)
		}
		if len(scopes) == 0 {
			return fmt.Errorf("RequireScopes: no scope for %q", method)
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

// EndStreamsAtExpiry ends a stream when its token is no longer valid: the
// context of its handler ends with a cause that matches golang-jwt's
// ErrTokenExpired, and the caller gets [codes.Unauthenticated] at once, even
// while the handler waits in Recv or Send. The handler runs in a separate goroutine
// for that. If it panics, that is reported as usual while the stream lives, and to
// grpclog afterwards. Default: a token is checked when the stream begins,
// and the stream lasts as long as both sides like.
//
// It has no effect on unary calls. [AuthFunc] cannot end a stream, so it panics if it is
// given this option.
func EndStreamsAtExpiry() Option {
	return option(func(c *config) error { c.endAtExpiry = true; return nil })
}

func newConfig(caller string, opts []Option) config {
	c := config{public: make(map[string]bool), scopes: make(map[string][]string)}
	for _, o := range opts {
		if o == nil {
			panic("jwksgrpc: " + caller + ": an option is nil")
		}
		if err := o.apply(&c); err != nil {
			panic("jwksgrpc: " + caller + ": " + err.Error())
		}
	}
	for name := range c.scopes {
		if c.public[name] {
			panic(fmt.Sprintf("jwksgrpc: %s: %q is public and requires scopes", caller, name))
		}
	}
	return c
}

// rule is what holds for calls of one method.
type rule struct {
	public bool
	scopes []string
}

// ruleFor decides by exact names. The service is all up to the last slash, as
// gRPC has it: "/a/*" must not cover "/a/b/M", whose service is "a/b".
func (c *config) ruleFor(method string) rule {
	ofMethod := c.scopes[method]
	service := method[:strings.LastIndexByte(method, '/')+1]
	ofService := c.scopes[service]
	switch {
	case c.public[method]:
		return rule{public: true}
	case len(ofMethod) == 0:
		return rule{public: c.public[service], scopes: ofService}
	case len(ofService) == 0:
		return rule{scopes: ofMethod}
	default:
		return rule{scopes: slices.Concat(ofService, ofMethod)}
	}
}

// keyFor accepts "/service/method", which it returns, and "/service/*", of which
// it returns "/service/".
func keyFor(name string) (string, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 || parts[0] != "" || parts[1] == "" || parts[2] == "" ||
		strings.ContainsAny(parts[1], "* ") || strings.ContainsAny(parts[2], "* ") && parts[2] != "*" {
		return "", fmt.Errorf("%q is neither a full method like %q nor a service like %q",
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
