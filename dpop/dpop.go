package dpop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// Defaults.
const (
	defaultMaxAge   = time.Minute
	maxAhead        = 5 * time.Second // how far the sender's clock may be ahead
	defaultCapacity = 1_000_000
	cachedKeys      = 1024
	minSecret       = 32
)

// Checker checks the DPoP proofs of requests. Make one and keep it: it
// remembers the proofs that it has seen. It is safe for concurrent use and has
// no goroutine. The zero value is not usable: see [New].
type Checker struct {
	maxAge   time.Duration
	allowed  jws.Set
	target   func(*http.Request) string // nil: requestTarget
	replays  replays
	nonces   *nonces                         // nil: off
	keys     *lru.Cache[string, *senderKey]  // of proofs that verified, by their header
	offer    challenge                       // without credentials
	badProof challenge                       // section 7.1: invalid_dpop_proof
	badToken challenge                       // RFC 6750 section 3.1: invalid_token
	noNonce  func(nonce string) *nonceNeeded // section 9: use_dpop_nonce
}

// Option configures a [Checker]; the functions of this package are the only ones
// that make one.
type Option interface{ apply(*config) error }

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type config struct {
	maxAge     time.Duration
	algorithms []string
	store      ReplayStore
	capacity   int
	nonces     *nonces
	target     func(*http.Request) string
}

// New makes a Checker. It does no I/O. Every bad option is reported, joined,
// each matching [jwks.ErrConfig].
func New(opts ...Option) (*Checker, error) {
	cfg := config{maxAge: defaultMaxAge, algorithms: asymmetric}
	var errs []error
	for _, o := range opts {
		if o == nil {
			errs = append(errs, configError("New", "an option is nil"))
			continue
		}
		errs = append(errs, o.apply(&cfg))
	}
	if cfg.store != nil && cfg.capacity != 0 {
		errs = append(errs, configError("WithReplayCapacity", "it is of the store in memory: leave it out beside WithReplayStore"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	keys, err := lru.New[string, *senderKey](cachedKeys)
	if err != nil {
		return nil, err
	}
	algs := `algs="` + strings.Join(cfg.algorithms, " ") + `"`
	c := &Checker{
		maxAge:   cfg.maxAge,
		allowed:  jws.SetOf(cfg.algorithms),
		target:   cfg.target,
		replays:  newShared(cfg.store),
		nonces:   cfg.nonces,
		keys:     keys,
		offer:    challenge(algs),
		badProof: challenge(`error="invalid_dpop_proof", ` + algs),
		badToken: challenge(`error="invalid_token", error_description="The token is bound to a key, and was not sent with the scheme DPoP", ` + algs),
	}
	needed := challenge(`error="use_dpop_nonce", error_description="The proof needs the nonce of this answer", ` + algs)
	c.noNonce = func(nonce string) *nonceNeeded { return &nonceNeeded{needed, nonce} }
	if cfg.store == nil {
		capacity := cfg.capacity
		if capacity == 0 {
			capacity = defaultCapacity
		}
		c.replays = newMemory(capacity)
	}
	return c, nil
}

// WithMaxAge sets how old a proof may be by its iat (RFC 9449 section 11.1).
// Default 60 s. It may also be 5 s ahead, whatever this is. A longer one is for
// senders whose clocks are off, and makes the replay store hold more. Zero and
// less are [jwks.ErrConfig].
func WithMaxAge(d time.Duration) Option {
	return option(func(c *config) error {
		if d <= 0 {
			return configError("WithMaxAge", "%v is not a positive duration", d)
		}
		c.maxAge = d
		return nil
	})
}

// WithAlgorithms sets the algorithms that proofs may be signed with, which
// challenges name (RFC 9449 section 7.1, "algs"). Default: every asymmetric one
// that [jwks.WithAlgorithms] knows. An empty list, an unknown or symmetric
// algorithm and "none" are [jwks.ErrConfig].
func WithAlgorithms(algs ...string) Option {
	return option(func(c *config) error {
		if len(algs) == 0 {
			return configError("WithAlgorithms", "no algorithm")
		}
		for _, alg := range algs {
			if jws.Named(alg) == jws.Unknown {
				return configError("WithAlgorithms", "%s is not an asymmetric algorithm, want some of %s", show.Quote(alg), strings.Join(asymmetric, ", "))
			}
		}
		c.algorithms = slices.Clone(algs)
		return nil
	})
}

// ReplayStore remembers which proofs were seen (RFC 9449 section 11.1). One
// that replicas share makes a proof pass once among them all.
type ReplayStore interface {
	// Seen marks id, and says whether it was marked before: of any number of
	// concurrent calls with one id exactly one is told false. id is the
	// SHA-256 of the key's thumbprint and the proof's jti in base64url, of 43
	// characters. It may be forgotten after until, when the proof is too old
	// anyway. An error refuses the request with [jwks.ErrUnavailable]; so does
	// one for want of room, as forgetting a proof early would let it pass again.
	Seen(ctx context.Context, id string, until time.Time) (bool, error)
}

// WithReplayStore sets where the proofs that were seen are kept. Default: in
// memory, see [WithReplayCapacity], which is right for a single process. The
// context of its calls is that of the verification, with a second of its own at
// most: a store that does not answer by then refuses the request with
// [jwks.ErrUnavailable], and one that ignores its context is left behind. nil is
// [jwks.ErrConfig]. The nested module contrib/redis has one.
func WithReplayStore(s ReplayStore) Option {
	return option(func(c *config) error {
		if s == nil {
			return configError("WithReplayStore", "the store is nil")
		}
		c.store = s
		return nil
	})
}

// WithReplayCapacity sets how many proofs are kept in memory, of which each
// needs about 100 bytes until it is too old. Default 1,000,000: 15,000 requests
// a second with the default of [WithMaxAge]. When it is full, requests are
// refused with [jwks.ErrUnavailable]. Less than 1, and a [WithReplayStore]
// beside it, are [jwks.ErrConfig].
func WithReplayCapacity(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return configError("WithReplayCapacity", "%d is not a positive number", n)
		}
		c.capacity = n
		return nil
	})
}

// WithNonces makes proofs carry a nonce of this service (RFC 9449 section 9),
// which limits what can be signed in advance for later. A nonce serves for the
// period in which it was given out and the next one. Nothing is stored: replicas
// with the same secret and period accept each other's nonces. A proof without
// a valid one is refused with the challenge use_dpop_nonce and the current nonce
// in the header field DPoP-Nonce; a request with the nonce of the last period
// is served and told the current one. Default: off. A secret of less than 32
// bytes and a period of 0 or less are [jwks.ErrConfig]. The secret is copied.
func WithNonces(secret []byte, every time.Duration) Option {
	secret = slices.Clone(secret)
	return option(func(c *config) error {
		switch {
		case len(secret) < minSecret:
			return configError("WithNonces", "the secret has %d bytes, want %d or more", len(secret), minSecret)
		case every <= 0:
			return configError("WithNonces", "%v is not a positive period", every)
		}
		c.nonces = newNonces(secret, every)
		return nil
	})
}

// WithTarget says which URL the sender asked for, where a proxy in front of the
// service ends TLS or rewrites host or path, or where [http.StripPrefix] took a
// part of the path away: f returns what a proof's htu must be, such as
// "https://api.example.com"+r.URL.EscapedPath(). A query and a fragment do not
// matter. It must not believe a header that the sender may set. Default: the
// scheme that r.TLS tells, r.Host, and the path of r.URL. What is not an
// absolute URL refuses the request with [jwks.ErrUnavailable]. A nil f is
// [jwks.ErrConfig].
func WithTarget(f func(r *http.Request) string) Option {
	return option(func(c *config) error {
		if f == nil {
			return configError("WithTarget", "the function is nil")
		}
		c.target = f
		return nil
	})
}

func configError(option, format string, args ...any) error {
	return fmt.Errorf("%w: dpop.%s: %s", jwks.ErrConfig, option, fmt.Sprintf(format, args...))
}

// asymmetric are the names of the algorithms that this version of Go verifies.
var asymmetric = slices.Concat([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}, mldsa)
