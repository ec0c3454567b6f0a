package jwkstest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Option configures an issuer, for [New] and [Start]. Only the functions of this
// package make one. If an option is given twice, the last one counts.
type Option interface{ apply(*config) error }

type option func(*config) error

func (f option) apply(c *config) error { return f(c) }

type config struct {
	algorithms    []string
	base, path    string
	withoutKeyIDs bool
}

// WithAlgorithms sets the issuer's first keys: one for each name, k1, k2 and so
// on. The first one signs. Default: RS256. The names are RS256, RS384,
// RS512, PS256, PS384, PS512 (2048 bits), ES256, ES384, ES512, EdDSA (RFC 7518
// section 3.1, RFC 8037 section 3.1) and Ed25519 (RFC 9864 section 2.2); with
// Go 1.27 and later also ML-DSA-44, ML-DSA-65 and ML-DSA-87 (RFC 9964). An
// unknown name and an empty list are errors.
func WithAlgorithms(algs ...string) Option {
	return option(func(c *config) error {
		if len(algs) == 0 {
			return errors.New("jwkstest: WithAlgorithms: no algorithm")
		}
		for _, alg := range algs {
			if _, err := algorithmNamed(alg); err != nil {
				return fmt.Errorf("jwkstest: WithAlgorithms: %w", err)
			}
		}
		c.algorithms = append([]string(nil), algs...)
		return nil
	})
}

// WithPath gives the issuer a path, such as those of tenants on a shared host. Default:
// none. A slash at its end is part of the issuer identifier but not
// of the documents' URLs (OpenID Connect Discovery 1.0 section 4.1).
// A path that contains {tenantid} makes a template like those of Microsoft
// Entra: the issuer then answers for any segment in its place, and its
// discovery document names the template. A query or a fragment is an error.
func WithPath(path string) Option {
	return option(func(c *config) error {
		if path != "" && !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		if u, err := url.Parse("https://host" + path); err != nil || strings.ContainsAny(path, "?#") || u.Host != "host" {
			return fmt.Errorf("jwkstest: WithPath: %q is not the path of a URL", path)
		}
		c.path = path
		return nil
	})
}

// WithoutKeyIDs publishes keys without a "kid" and signs tokens without one (RFC
// 7517 section 4.5 and RFC 7515 section 4.1.4 make it optional), as some issuers with a
// single key do. The key IDs that [Issuer.AddKey] and [Issuer.Rotate] return
// still identify the keys for [Issuer.RemoveKey] and [WithKeyID]. Default: keys have a
// kid.
func WithoutKeyIDs() Option {
	return option(func(c *config) error {
		c.withoutKeyIDs = true
		return nil
	})
}

// WithBaseURL sets the issuer's scheme and host, for an issuer that
// [Issuer.Handler] serves on a socket, or to tell several issuers apart. Default:
// https://issuer.jwkstest.example. Anything but an http or https URL
// of a host is an error, for example a URL with a path.
func WithBaseURL(base string) Option {
	return option(func(c *config) error {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
			strings.Trim(u.Path, "/") != "" || strings.ContainsAny(base, "?#") {
			return fmt.Errorf("jwkstest: WithBaseURL: want a scheme and a host like https://issuer.example, not %q", base)
		}
		c.base = strings.TrimRight(base, "/")
		return nil
	})
}
