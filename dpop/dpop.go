package dpop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
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

// Option configures a [Checker]. Only the functions of this package make one.
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
// Default 60 s. Independently of this, the iat may be up to 5 s in the future. A longer
// age is for senders whose clocks are wrong, and makes the replay store larger. 0 and
// negative values are [jwks.ErrConfig].
func WithMaxAge(d time.Duration) Option {
	return option(func(c *config) error {
		if d <= 0 {
			return configError("WithMaxAge", "%v is not a positive duration", d)
		}
		c.maxAge = d
		return nil
	})
}

// WithAlgorithms sets the algorithms that proofs may be signed with, and which
// challenges name (RFC 9449 section 7.1, "algs"). Default: all algorithms of
// [jwks.WithAlgorithms]. An empty list, an unknown or symmetric
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

// ReplayStore remembers which proofs were seen (RFC 9449 section 11.1). If replicas
// share it, a proof is accepted only once by all of them together.
type ReplayStore interface {
	// Seen marks id, and reports whether it was already marked: of any number of
	// concurrent calls with the same id, exactly one returns false. id is the
	// SHA-256 of the key's thumbprint and the proof's jti in base64url, 43
	// characters long. It may be forgotten after until, when the proof is too old
	// anyway. An error refuses the request with [jwks.ErrUnavailable]. A store that is
	// full must return an error: if it forgot a proof early, that would pass again.
	Seen(ctx context.Context, id string, until time.Time) (bool, error)
}

// WithReplayStore sets where seen proofs are remembered. Default: in
// memory, see [WithReplayCapacity], which is enough for a single process. The
// context of its calls is that of the verification, limited to one second. If the store
// does not answer by then, the request is refused with
// [jwks.ErrUnavailable]; a call that ignores its context is abandoned. A nil store is
// [jwks.ErrConfig]. The nested module contrib/redis has a store.
func WithReplayStore(s ReplayStore) Option {
	return option(func(c *config) error {
		if v := reflect.ValueOf(s); s == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return configError("WithReplayStore", "the store is nil")
		}
		c.store = s
		return nil
	})
}

// WithReplayCapacity sets how many proofs are kept in memory, each in about 100 bytes
// until it is too old. Default 1,000,000, enough for 15,000 requests
// a second with the default of [WithMaxAge]. When the memory is full, requests are
// refused with [jwks.ErrUnavailable]. Values below 1, and a combination with
// [WithReplayStore], are [jwks.ErrConfig].
func WithReplayCapacity(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return configError("WithReplayCapacity", "%d is not a positive number", n)
		}
		c.capacity = n
		return nil
	})
}

// WithNonces requires proofs to contain a nonce from this service (RFC 9449 section 9),
// so that proofs cannot be signed long in advance. A nonce is valid in the period every in
// which it was given out and in the next one. Nothing is stored: replicas
// with the same secret and period accept each other's nonces. A proof without
// a valid nonce is refused with the challenge use_dpop_nonce and the current nonce
// in the header field DPoP-Nonce. A request with the nonce of the previous period
// is served, and its answer has the current one. Default: off. A secret of fewer than 32
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

// WithTarget sets how to find the URL that the sender requested, if a proxy in front of
// the service ends TLS or rewrites host or path, or if [http.StripPrefix] removed a
// part of the path: f returns what a proof's htu must be, such as
// "https://api.example.com"+r.URL.EscapedPath(). A query and a fragment do not
// matter. f must not trust a header that the sender can set. Default: the
// scheme according to r.TLS, r.Host, and the path of r.URL. If f does not return an
// absolute URL, the request is refused with [jwks.ErrUnavailable]. A nil f is
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
