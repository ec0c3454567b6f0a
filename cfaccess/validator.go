package cfaccess

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks"
)

// Validator verifies the tokens of one Access application. It is safe for
// concurrent use; make it once and keep it. It has no goroutine of its own.
type Validator struct {
	client   *jwks.Client
	verifier *jwks.Verifier

	identityURL string
	identity    *http.Client
	own         *http.Transport // nil: the user's
}

// New makes a Validator for a team, the NAME of NAME.cloudflareaccess.com, and
// the audience of an application. It does no I/O. The team must be one DNS
// label (a-z, 0-9, inner hyphens, at most 63) and the audience not empty. All
// problems are reported at once, joined, each matching [jwks.ErrConfig].
func New(team, audience string, opts ...Option) (*Validator, error) {
	var c config
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(checkTeam(team))
	if len(errs) > 0 {
		team = "team" // stands in while the rest is checked
	}
	if audience == "" {
		add(configError("New: the audience is empty: want the AUD tag of the application"))
		audience = "audience"
	}
	for _, o := range opts {
		if o == nil {
			add(configError("New: an option is nil"))
			continue
		}
		add(o.apply(&c))
	}
	custom := c.base != ""
	if !custom {
		c.base = "https://" + team + domain
	}

	client, err := newClient(&c, custom)
	add(err)
	if err != nil { // stands in while the verifier's options are checked
		if client, err = jwks.NewClient(jwks.WithIssuer("https://" + team + domain)); err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
	}
	verifier, err := jwks.NewVerifier(client, append([]jwks.VerifierOption{jwks.WithAudience(audience)}, c.verifierOptions...)...)
	add(err)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	v := &Validator{client: client, verifier: verifier, identityURL: endpoint(c.base, "get-identity")}
	v.identity, v.own = identityClient(c.httpClient)
	return v, nil
}

// newClient makes the client for the keys.
func newClient(c *config, custom bool) (*jwks.Client, error) {
	ours := []jwks.ClientOption{jwks.WithIssuer(c.base), jwks.WithJWKSURL(endpoint(c.base, "certs"))}
	if c.httpClient != nil {
		ours = append(ours, jwks.WithHTTPClient(c.httpClient))
	}
	client, err := jwks.NewClient(slices.Concat(ours, c.clientOptions)...)
	if err != nil || !custom {
		return client, err
	}
	// The user's options may have replaced both URLs, and then nobody judged
	// the base by the rules that they set, to which the token will be sent.
	probe, err := jwks.NewClient(slices.Concat(c.clientOptions, ours)...)
	if err != nil {
		return nil, err
	}
	return client, probe.Close()
}

// endpoint is where Access has its own paths, on every host that it protects.
func endpoint(base, name string) string {
	return strings.TrimRight(base, "/") + "/cdn-cgi/access/" + name
}

// Verify verifies a token, see [jwks.Verifier.Verify] for its errors. A
// Validator is a TokenVerifier of package jwkshttp.
func (v *Validator) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	return v.verifier.Verify(ctx, token)
}

// VerifyUser verifies a token and returns its user: a person, or a service
// token, for which Subject and Email are empty. The errors are those of
// [Validator.Verify].
func (v *Validator) VerifyUser(ctx context.Context, token string) (User, error) {
	t, err := v.Verify(ctx, token)
	if err != nil {
		return User{}, err
	}
	return userOf(t), nil
}

// VerifyEmail verifies a token and returns the e-mail address in it. A service
// token has none: [ErrNoEmail]. The other errors are those of
// [Validator.Verify].
func (v *Validator) VerifyEmail(ctx context.Context, token string) (string, error) {
	u, err := v.VerifyUser(ctx, token)
	switch {
	case err != nil:
		return "", err
	case u.Email == "":
		return "", ErrNoEmail
	}
	return u.Email, nil
}

// Close ends a fetch of keys that is under way and closes idle connections. It is
// idempotent; afterwards Verify fails with [jwks.ErrClosed].
func (v *Validator) Close() error {
	err := v.client.Close()
	if v.own != nil {
		v.own.CloseIdleConnections()
	}
	return err
}
