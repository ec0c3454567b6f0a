package jwks

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/tokencache"
)

// defaultLeeway allows for clocks that disagree.
const defaultLeeway = 30 * time.Second

// VerifierOption configures a [Verifier]. Options are applied in order; if two set
// the same thing, the later one wins, except that several [WithCheck],
// [WithClaim] and [WithRequiredClaims] all apply.
type VerifierOption interface{ applyVerifier(*verifierConfig) error }

// verifierConfig is what the options say. It does not change once NewVerifier
// has returned.
type verifierConfig struct {
	claims.Rules
	audienceSet, noAudience bool
	issuersSet, noIssuer    bool
	noProof                 bool
	issuer                  string // that the options are for; "" for the common ones
	perIssuer               []issuerOptions
	issuerFunc              func(ctx context.Context, issuer string) ([]VerifierOption, error)
	algorithms              jws.Set
	algorithmNames          []string // nil: the default
	checks                  []func(context.Context, *Token) error
	maxSize                 int
	cacheSize               int
}

type verifierOption func(*verifierConfig) error

func (o verifierOption) applyVerifier(c *verifierConfig) error { return o(c) }

// newVerifierConfig applies the options and returns every problem at once.
func newVerifierConfig(source KeySource, opts []VerifierOption) (*verifierConfig, *policies, error) {
	c := &verifierConfig{
		Rules:      claims.Rules{Leeway: defaultLeeway, Now: time.Now},
		algorithms: jws.All,
		maxSize:    compact.DefaultMaxSize,
		cacheSize:  tokencache.Size,
	}
	var errs []error
	for _, o := range opts {
		if isNil(o) {
			errs = append(errs, configError("NewVerifier", "an option is nil"))
		} else if err := o.applyVerifier(c); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.check(source)...)
	if faultOf(source) != "" {
		source = nil // or it would be asked for its issuers
	}
	p, problems := newPolicies(c, source)
	return c, p, errors.Join(distinct(append(errs, problems...))...)
}

// contradictions finds options that were given together with their opt-out.
func (c *verifierConfig) contradictions() (errs []error) {
	if c.audienceSet && c.noAudience {
		errs = append(errs, configError("WithoutAudienceCheck", "contradicts WithAudience and WithAllAudiences"))
	}
	if c.issuersSet && c.noIssuer {
		errs = append(errs, configError("WithoutIssuerCheck", "contradicts WithExpectedIssuer"))
	}
	return errs
}

// check looks at what depends on the source and on several options.
func (c *verifierConfig) check(source KeySource) []error {
	errs := c.contradictions()
	absent := false
	if problem := faultOf(source); problem != "" {
		errs, absent = append(errs, configError("NewVerifier", "%s", problem)), true
	}
	if namer, ok := asOurs[issuerNamer](source); ok && !absent {
		for _, name := range c.Issuers {
			if !namer.yields(name) {
				errs = append(errs, configError("WithExpectedIssuer", "the key source never verifies a token of %s: want an issuer that it trusts", show.QuotePlace(name)))
			}
		}
	}
	if !c.audienceSet && !c.noAudience && c.perIssuer == nil && c.issuerFunc == nil {
		errs = append(errs, configError("NewVerifier", "the audience is not decided: name this service with WithAudience, or accept tokens meant for others with WithoutAudienceCheck"))
	}
	binder, ok := asOurs[issuerBinder](source)
	switch {
	case c.issuersSet || c.noIssuer || absent:
	case !ok || !binder.bindsIssuer():
		errs = append(errs, configError("NewVerifier", "the issuer is not decided: the key source knows none, so name it with WithExpectedIssuer, or accept any with WithoutIssuerCheck"))
	}
	return errs
}

// faultOf says why a source cannot be one, "" if it can.
func faultOf(source KeySource) string {
	if isNil(source) {
		return "the key source is nil"
	}
	if u, ok := source.(*Union); ok {
		return u.fault()
	}
	return ""
}

// isNil also finds the nil pointers that a forgotten error leaves behind.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan, reflect.Interface:
		return r.IsNil()
	}
	return false
}

// WithAudience accepts tokens whose "aud" (RFC 7519 section 4.1.3) contains at least
// one of these, compared byte for byte. This is what keeps out tokens for other
// services, so this option, [WithAllAudiences] or [WithoutAudienceCheck] is required.
// Failures match golang-jwt's ErrTokenInvalidAudience, or ErrTokenRequiredClaimMissing.
//
// With several issuers, each audience is accepted from every issuer: a token of one
// issuer passes with an audience that was meant for tokens of another. [ForIssuer]
// keeps them apart.
func WithAudience(aud ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		c.audienceSet = true
		return setList("WithAudience", aud, &c.AnyAudience)
	})
}

// WithAllAudiences accepts tokens whose "aud" contains all of these. Together with
// [WithAudience], both must hold. Failures are as for WithAudience.
func WithAllAudiences(aud ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		c.audienceSet = true
		return setList("WithAllAudiences", aud, &c.AllAudiences)
	})
}

// WithoutAudienceCheck accepts tokens with any "aud" or none, even those that
// the issuer made for another service (RFC 8725 section 3.9).
func WithoutAudienceCheck() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.noAudience = true; return nil })
}

// WithExpectedIssuer accepts tokens whose "iss" (RFC 7519 section 4.1.1) is
// one of these, byte for byte; a trailing slash counts. It is required unless
// the source is a [Client] or [Issuers] that knows its issuer. With such a source it
// can only narrow the choice: keys stay bound to their issuer, and a name that no token of
// the source can have is [ErrConfig]. Failures match golang-jwt's
// ErrTokenInvalidIssuer, or ErrTokenRequiredClaimMissing if there is no "iss".
func WithExpectedIssuer(issuers ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		c.issuersSet = true
		return setList("WithExpectedIssuer", issuers, &c.Issuers)
	})
}

// WithoutIssuerCheck accepts any "iss" or none, for keys that are not bound to an
// issuer, such as those of [ParseKeySet]. A key that is bound still verifies only
// its issuer's tokens.
func WithoutIssuerCheck() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.noIssuer = true; return nil })
}

// WithAlgorithms limits the "alg" of tokens (RFC 8725 section 3.1). Default:
// all asymmetric algorithms, as far as the key allows them: RS256, RS384,
// RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA (which is Ed25519:
// either name allows both), and with Go 1.27 and later ML-DSA-44, ML-DSA-65,
// ML-DSA-87. "none", the symmetric algorithms and unknown names are [ErrConfig]. Tokens
// with another algorithm are refused with [ErrAlgorithmNotAllowed].
func WithAlgorithms(algs ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		var names []string
		if err := setList("WithAlgorithms", algs, &names); err != nil {
			return err
		}
		const known = "want some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87"
		var errs []error
		for _, name := range names {
			switch {
			case jws.Named(name) != jws.Unknown:
			case strings.EqualFold(name, "none"):
				errs = append(errs, configError("WithAlgorithms", "%s means no signature at all: name the algorithms that the issuer signs with, such as RS256", show.Quote(name)))
			case strings.HasPrefix(name, "HS"):
				errs = append(errs, configError("WithAlgorithms", "%s is symmetric, and a public key must never be its secret: name the algorithms that the issuer signs with, such as RS256", show.Quote(name)))
			default:
				errs = append(errs, configError("WithAlgorithms", "%s is unknown: %s", show.Quote(name), known))
			}
		}
		c.algorithms, c.algorithmNames = jws.SetOf(names), names
		return errors.Join(errs...)
	})
}

// WithLeeway sets how far the issuer's clock may differ from ours. Default 30 s. It
// applies to "exp", "nbf" and "iat", and to [WithMaxTokenAge], always in the
// token's favour: a token expires at exp + leeway. 0 is allowed.
func WithLeeway(d time.Duration) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if d < 0 {
			return configError("WithLeeway", "%v is negative", d)
		}
		c.Leeway = d
		return nil
	})
}

// WithRequiredClaims refuses tokens in which one of these claims is absent or null.
// Repeatable. "exp" is required anyway, see [WithoutExpiry]. Failures
// match golang-jwt's ErrTokenRequiredClaimMissing.
func WithRequiredClaims(names ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		var more []string
		if err := setList("WithRequiredClaims", names, &more); err != nil {
			return err
		}
		c.Required = append(c.Required, more...)
		return nil
	})
}

// WithTokenTypes accepts tokens with one of these "typ" headers, which keeps
// tokens of one kind from being used as another (RFC 8725 section 3.11). Case
// and a leading "application/" do not matter (RFC 7515 section 4.1.9): "at+jwt"
// also matches "application/at+jwt". Default: any typ, or none. Failures are
// [ErrTokenInvalid].
func WithTokenTypes(typ ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := setList("WithTokenTypes", typ, &c.Types); err != nil {
			return err
		}
		for i, t := range c.Types {
			if c.Types[i] = strings.ToLower(claims.BareType(t)); c.Types[i] == "" {
				return configError("WithTokenTypes", "%s names no type", show.Quote(t))
			}
		}
		return nil
	})
}

// WithAccessTokenProfile accepts only OAuth 2.0 access tokens of RFC 9068:
// "typ" must be at+jwt (section 2.1), and iss, exp, aud, sub, client_id, iat and jti
// must be present (section 2.2) and not empty. It does not compare the audience:
// [WithAudience] does. exp is required even with [WithoutExpiry]. Off by default.
func WithAccessTokenProfile() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.AccessToken = true; return nil })
}

// WithClaim accepts tokens in which a claim is one of values, or an array that contains
// one of them. Repeatable; all must hold. A name that begins with "/" is a
// JSON Pointer (RFC 6901): "/realm_access/roles". Numbers and booleans are compared by
// their JSON text: WithClaim("email_verified", "true"). Failures match golang-jwt's
// ErrTokenInvalidClaims, or ErrTokenRequiredClaimMissing if the claim is absent
// or null.
func WithClaim(name string, values ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		path, err := claims.ParsePath(name)
		if err != nil {
			return configError("WithClaim", "%s: %v", show.Quote(name), err)
		}
		claim := claims.Claim{Name: name, Path: path}
		if err := setList("WithClaim", values, &claim.Values); err != nil {
			return err
		}
		c.Claims = append(c.Claims, claim)
		return nil
	})
}

// WithClientID accepts tokens that were issued to one of these OAuth clients. The client
// is the first of these claims that is present and not empty: "client_id" (RFC 9068
// section 2.2), "azp" (OpenID Connect Core 1.0), "cid" (Okta), "appid" (Entra). It must
// equal one of ids, byte for byte. This option does not decide the audience. Default: any
// client. Failures match golang-jwt's ErrTokenInvalidClaims, or
// ErrTokenRequiredClaimMissing.
func WithClientID(ids ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		return setList("WithClientID", ids, &c.ClientIDs)
	})
}

// WithNumericSubject accepts integers as "sub" and "jti", which RFC
// 7519 does not allow but some issuers write. [Token.Subject] and [Token.ID] return
// them in decimal. 1.0 and 1e3 are still refused. Off by default.
func WithNumericSubject() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.NumericIDs = true; return nil })
}

// WithMaxTokenAge refuses tokens issued longer ago than d plus the leeway, whatever
// their "exp". It requires an "iat". Default: any age. Failures match
// golang-jwt's ErrTokenExpired, or ErrTokenRequiredClaimMissing.
func WithMaxTokenAge(d time.Duration) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if d <= 0 {
			return configError("WithMaxTokenAge", "%v is not positive", d)
		}
		c.MaxAge = d
		return nil
	})
}

// WithoutExpiry accepts tokens without "exp", which are valid forever. A token
// with an exp still expires.
func WithoutExpiry() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.NoExpiry = true; return nil })
}

// WithoutTimeChecks accepts tokens that have expired or are not valid yet: "exp", "nbf",
// "iat" and [WithMaxTokenAge] are not compared with the clock, and "exp" may be absent.
// The form of these claims is still checked. For debugging tools.
func WithoutTimeChecks() VerifierOption {
	return verifierOption(func(c *verifierConfig) error { c.NoTimes = true; return nil })
}

// WithAuthorizedParties accepts tokens whose "azp" (OpenID Connect Core 1.0
// section 2) is one of these, byte for byte. It requires an azp. Default: any azp, or
// none. Failures match golang-jwt's ErrTokenInvalidClaims, or
// ErrTokenRequiredClaimMissing.
func WithAuthorizedParties(azp ...string) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		return setList("WithAuthorizedParties", azp, &c.Parties)
	})
}

// WithCheck adds a check of your own. It runs after all built-in checks, and only if they
// passed. Repeatable; all of them run. An error of f stays in
// the chain and makes the token invalid ([ErrTokenInvalid]), unless it matches
// [ErrUnavailable]: a check that asks another service may be unable to decide.
// f must be safe for concurrent use.
func WithCheck(f func(ctx context.Context, t *Token) error) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if f == nil {
			return configError("WithCheck", "the function is nil")
		}
		c.checks = append(c.checks, f)
		return nil
	})
}

// WithMaxTokenSize limits the length of a token in bytes, without "Bearer". Default
// 16 KiB. A longer token is refused with [ErrTokenTooLarge] before any of it is decoded.
func WithMaxTokenSize(n int) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := c.common("WithMaxTokenSize"); err != nil {
			return err
		}
		if n <= 0 {
			return configError("WithMaxTokenSize", "%d is not positive", n)
		}
		c.maxSize = n
		return nil
	})
}

// WithTokenCache keeps up to size verified tokens, so that a token that comes
// again needs no signature check. It is off by default, and with 0.
//
// A hit requires the whole token, byte for byte, and everything that can change is
// checked again: the key source must still have the key, and the times, the
// other claims and each [WithCheck] must still pass. Refused tokens are never
// kept. The tokens, which are credentials, stay in memory until others displace
// them.
func WithTokenCache(size int) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := c.common("WithTokenCache"); err != nil {
			return err
		}
		if size < 0 {
			return configError("WithTokenCache", "%d is negative", size)
		}
		c.cacheSize = size
		return nil
	})
}

// WithNow sets the clock that claims are compared with. Default: [time.Now].
// It must be safe for concurrent use. It does not affect the freshness of keys.
func WithNow(now func() time.Time) VerifierOption {
	return verifierOption(func(c *verifierConfig) error {
		if err := c.common("WithNow"); err != nil {
			return err
		}
		if now == nil {
			return configError("WithNow", "the function is nil")
		}
		c.Now = now
		return nil
	})
}

// setList copies a list, which must not be empty: an empty list is more likely
// a setting that was not read than the wish to check nothing.
func setList(option string, values []string, to *[]string) error {
	if len(values) == 0 {
		return configError(option, "the list is empty")
	}
	if slices.Contains(values, "") {
		return configError(option, "the list has an empty string")
	}
	*to = slices.Clone(values)
	return nil
}
