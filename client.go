package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// Client fetches the keys of one issuer, keeps them fresh, and finds the one
// that a token names. It is a [KeySource]. It is safe for concurrent use; make it
// once and keep it. It has a goroutine only while a fetch is under way. The
// zero value is not usable: see [NewClient].
type Client struct {
	cfg   *clientConfig
	cache cache
}

// NewClient makes a client. It does no I/O and starts no goroutine. At least
// one of [WithIssuer], [WithJWKSURL], [WithDiscoveryURL], [WithKeyFile] and
// [WithKeySet] must say where the keys come from. It reports every bad option at
// once, joined, each matching [ErrConfig].
func NewClient(opts ...ClientOption) (*Client, error) {
	cfg, errs := newClientConfig(opts)
	if len(errs) > 0 {
		return nil, errors.Join(distinct(errs)...)
	}
	c := &Client{cfg: cfg}
	c.cache.open(cfg.policy(), cfg.cache(), newOrigin(cfg))
	if cfg.seed != nil {
		seed := cfg.seed
		if c.cache.cfg.binding != nil || cfg.accelerator != nil {
			seed = seed.bound(c.cache.cfg.binding)
			seed.accelerate(cfg.accelerator)
		}
		if seed.Len() == 0 {
			return nil, configError("WithKeySet", "all its keys name another issuer than %s", show.Own(cfg.issuer))
		}
		c.cache.installSeed(seed)
	}
	return c, nil
}

// KeySet returns the current key set, fetching it if necessary: what the issuer
// published last, without retained keys. Like every lookup it waits no longer than
// ctx allows, and while a set is fresh it does not wait at all.
//
// Errors, all [ErrUnavailable]: a *[FetchError], [ErrInvalidKeySet],
// [ErrInvalidMetadata], [ErrIssuerMismatch], [ErrClosed], or ctx's own.
func (c *Client) KeySet(ctx context.Context) (*KeySet, error) {
	if s, _ := c.cache.quick(); s != nil {
		return s.set, nil
	}
	s, _, err := c.cache.find(ctx, &wanted{set: true})
	if err != nil {
		return nil, err
	}
	return s.set, nil
}

// Metadata returns the issuer's discovery document as it was when the key set
// was last fetched, fetching both if necessary. Errors are as for [Client.KeySet],
// and [ErrInvalidMetadata] for a client that does no discovery.
func (c *Client) Metadata(ctx context.Context) (*Metadata, error) {
	if !c.cfg.discovers() {
		return nil, fault.Unavailable("the client does no discovery", ErrInvalidMetadata)
	}
	s, _, err := c.cache.find(ctx, &wanted{set: true, document: true})
	if err != nil {
		return nil, err
	}
	m := *s.metadata
	m.Raw = slices.Clone(m.Raw)
	m.SigningAlgorithms = slices.Clone(m.SigningAlgorithms)
	return &m, nil
}

// Ready loads the keys if necessary and returns nil once there is a usable set:
// for warming up, and for /readyz. Errors are as for [Client.KeySet].
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.KeySet(ctx)
	return err
}

// Refresh fetches the set now, whatever its age, the budget and the backoff. The
// request is unconditional and asks HTTP caches not to answer it. Refresh joins a
// fetch under way, unless a cache or a 304 may answer that one: then it waits for it
// to end first. It is meant for operators, after an incident. Errors are as for
// [Client.KeySet]; after an error the current set stays in use. A static client
// returns its set.
func (c *Client) Refresh(ctx context.Context) (*KeySet, error) {
	if c.cfg.static() {
		return c.KeySet(ctx)
	}
	s, err := c.cache.refresh(ctx)
	if err != nil {
		return nil, err
	}
	return s.set, nil
}

// Key returns the first usable key with this kid. If there is none, it refreshes the
// set within the budget and looks again. "" finds the first key without a kid.
//
// Errors: [ErrKeyNotFound], as [ErrTokenInvalid] when the issuer answered and
// as [ErrUnavailable] when it could not be asked; otherwise as for
// [Client.KeySet].
func (c *Client) Key(ctx context.Context, kid string) (*Key, error) {
	if s, now := c.cache.quick(); s != nil {
		if keys, v := s.byKeyID(kid, now); v == chosen {
			return keys[0], nil
		}
	}
	_, keys, err := c.cache.find(ctx, &wanted{header: Header{KeyID: kid}, any: true})
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// SigningKeys implements [KeySource]: the keys that may have signed a token
// with header h, chosen as [KeySet.SigningKeys] says. It does not compare
// issuers: the keys are bound to theirs, and a [Verifier] or [Client.Keyfunc]
// does the comparison. The slice is shared and must not be changed.
//
// Errors: [ErrKeyNotFound], as [ErrTokenInvalid] when the issuer answered and
// as [ErrUnavailable] when it could not be asked; [ErrAlgorithmNotAllowed];
// otherwise as for [Client.KeySet].
func (c *Client) SigningKeys(ctx context.Context, h Header, _ string) ([]*Key, error) {
	if s, now := c.cache.quick(); s != nil {
		if keys, v := s.chooseFor(&h, now); v == chosen {
			return keys, nil
		}
	}
	_, keys, err := c.cache.find(ctx, &wanted{header: h})
	return keys, err
}

// KeyForToken finds the key that a token names. It checks the form and the header
// of the token before any I/O, and that its "iss" is the issuer that the key is
// bound to, but not the other claims. Of several candidates it returns the one that
// verifies the signature. If none does, it refreshes the set as for an unknown kid,
// and if none does then either, it returns the first: the signature is for the
// caller to verify.
//
// Errors are as for [Client.SigningKeys], and those of a malformed token:
// [jwt.ErrTokenMalformed], [ErrTokenTooLarge] (over 16 KiB),
// [ErrUnsupportedCritical], [ErrAlgorithmNotAllowed].
func (c *Client) KeyForToken(ctx context.Context, token string) (*Key, error) {
	return keyForToken(ctx, c, token)
}

// Keyfunc is for [jwt.Parse]: it finds the key for a token that golang-jwt has
// parsed. It refuses what golang-jwt lets through: "crit" and "b64", text that
// is not strict base64url, an "alg" that the key does not allow, and an "iss"
// other than the issuer that the keys are bound to. It also refuses a token that is
// bound to a key of its sender ("cnf") with [ErrProofRequired], unless the context of
// [Client.KeyfuncCtx] has a [Proof]; the program must then judge the proof itself,
// because golang-jwt has no place for that.
//
// golang-jwt verifies the signature and, if its options say so, the audience and the
// rest. Two things are therefore weaker than with a [Verifier]: if a key was replaced
// under its kid, that is noticed only at the next refresh, and PS256, PS384 and PS512
// signatures pass with any salt length. If the token has no kid that names a key, Keyfunc
// finds the key that verifies it, and refreshes the set if none does.
//
// Errors are as for [Client.KeyForToken]; golang-jwt wraps them. Several keys with
// one kid are returned as a [jwt.VerificationKeySet].
func (c *Client) Keyfunc(t *jwt.Token) (any, error) {
	return keysForParsed(context.Background(), c, t)
}

// KeyfuncCtx is [Client.Keyfunc] with the caller's context.
func (c *Client) KeyfuncCtx(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) { return keysForParsed(ctx, c, t) }
}

// Run keeps the set fresh without traffic: it loads the set, and refreshes it when a
// lookup would. It blocks until ctx ends and returns ctx.Err(), or [ErrClosed]
// if the client is closed first. Without Run, lookups do the same, and only
// the first one after a long silence has to wait.
func (c *Client) Run(ctx context.Context) error { return c.cache.keepWarm(ctx) }

// Status says how the client is doing. It never blocks.
func (c *Client) Status() Status { return c.cache.status() }

// Format prints where the keys come from, whatever the verb, and nothing else of
// the configuration, which may hold secrets.
func (c *Client) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "jwks.Client{"+c.cache.origin.name()+"}") // fmt's buffer does not fail
}

// Close ends the fetch under way, if there is one, and waits for it. Later
// lookups return [ErrClosed]. It is idempotent and returns nil.
func (c *Client) Close() error {
	c.cache.close()
	c.cache.running.Wait()
	return nil
}

// More methods that a verifier uses of this package's sources; see asOurs.

func (c *Client) bindsIssuer() bool { return c.cfg.bindsIssuer() }

func (c *Client) ignoresIssuer() {}

func (c *Client) recheck(ctx context.Context, h Header, _ string, tried []*Key, since order) ([]*Key, error) {
	return c.cache.recheck(ctx, h, tried, since)
}

func (c *Client) issuerNamed(name string) (issuer string, ok bool) {
	if b := c.cache.cfg.binding; b != nil || !c.cfg.bindsIssuer() {
		return b.Named(name)
	}
	return name, true // discovery will tell
}

func (c *Client) yields(name string) bool { return c.cache.cfg.binding.Yields(name) }

func (c *Client) isListed(issuer string) bool { return c.cfg.issuer == issuer }

func (c *Client) boundTo() []*binding.Binding {
	if b := c.cache.cfg.binding; b != nil {
		return []*binding.Binding{b}
	}
	return nil
}
