package awsalb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Header is where the load balancer puts the token.
const Header = "X-Amzn-Oidc-Data"

// leeway is for clocks that differ, as elsewhere in this module.
const leeway = 30 * time.Second

// Validator verifies the tokens of some load balancers. It is safe for
// concurrent use; make it once and keep it. It has no goroutine of its own.
type Validator struct {
	bases map[string]string // where the keys of each load balancer are, by its ARN
	keys  *keys
}

// Option configures a [Validator].
type Option interface{ apply(*config) error }

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type config struct {
	httpClient *http.Client
	base       string // "": of the load balancer's region
}

// WithHTTPClient sets the HTTP client that fetches keys. Default: a transport of
// its own, with the proxy of the environment ([http.ProxyFromEnvironment]). nil
// is [jwks.ErrConfig].
func WithHTTPClient(c *http.Client) Option {
	return option(func(cfg *config) error {
		if c == nil {
			return configError("WithHTTPClient: the client is nil")
		}
		cfg.httpClient = c
		return nil
	})
}

// WithBaseURL sets where the keys are: at url, a slash, and the key ID. Default:
// https://public-keys.auth.elb.REGION.amazonaws.com, and for GovCloud and China
// the place of that partition. For tests, and for endpoints inside a VPC. It must
// be https, or http on a loopback host, and have no query; anything else is
// [jwks.ErrConfig].
func WithBaseURL(url string) Option {
	return option(func(c *config) error {
		if strings.Contains(url, "?") { // key IDs are appended to it
			return configError("WithBaseURL: the URL has a query")
		}
		if err := fetch.CheckOwnURL(url, false); err != nil {
			return configError("WithBaseURL: " + err.Error())
		}
		c.base = strings.TrimRight(url, "/")
		return nil
	})
}

func configError(text string) error { return fmt.Errorf("%w: awsalb: %s", jwks.ErrConfig, text) }

// New makes a Validator for tokens of these load balancers, named by their ARNs
// (arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID), which
// may be of several regions. It does no I/O. All problems are reported at once,
// joined, each matching [jwks.ErrConfig]: no ARN, one that is not of an
// Application Load Balancer, or one of a partition whose keys are at a place that
// is not known, without [WithBaseURL].
func New(loadBalancers []string, opts ...Option) (*Validator, error) {
	var c config
	var errs []error
	for _, o := range opts {
		if o == nil {
			errs = append(errs, configError("New: an option is nil"))
			continue
		}
		errs = append(errs, o.apply(&c))
	}
	if len(loadBalancers) == 0 {
		errs = append(errs, configError("New: no load balancer is given: want the ARN of each"))
	}
	v := &Validator{bases: make(map[string]string, len(loadBalancers))}
	for _, arn := range loadBalancers {
		base, err := keyBase(arn, c.base)
		errs = append(errs, err)
		v.bases[arn] = base
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	v.keys = newKeys(c.httpClient)
	return v, nil
}

// Identity is a user whom the load balancer has signed in. All fields were
// verified.
type Identity struct {
	Subject  string          // "sub"; "" where the issuer gave none
	Email    string          // "email" as the issuer said it; "" where it gave none
	Issuer   string          // "iss" of the header: who signed the user in
	ClientID string          // "client" of the header: the load balancer's client ID there
	Signer   string          // "signer" of the header: the ARN of the load balancer
	Expires  time.Time       // "exp" of the header
	Claims   json.RawMessage // the whole payload: what the issuer's user info endpoint said
}

// Verify verifies a token, the value of the header x-amzn-oidc-data, and returns
// the user it names. It waits, at most as long as ctx allows, only for a key that it has
// not seen before.
//
// Errors of [jwks.ErrTokenInvalid], HTTP 401, match [jwks.ErrTokenTooLarge],
// [jwks.ErrAlgorithmNotAllowed], [jwks.ErrUnsupportedCritical];
// [jwks.ErrIssuerNotTrusted] if another load balancer signed it;
// [jwks.ErrKeyNotFound] if AWS has no such key; and golang-jwt's
// ErrTokenMalformed, ErrTokenSignatureInvalid, ErrTokenRequiredClaimMissing and
// ErrTokenExpired.
//
// Errors of [jwks.ErrUnavailable], HTTP 503: the key could not be fetched (a
// *[jwks.FetchError]), the response is not a key ([jwks.ErrInvalidKeySet]), ctx has
// ended (the error matches ctx's), too many unknown key IDs came at once, or the Validator
// was closed ([jwks.ErrClosed]).
func (v *Validator) Verify(ctx context.Context, data string) (*Identity, error) {
	t, err := open(data)
	if err != nil {
		return nil, err
	}
	base, ok := v.bases[t.signer]
	if !ok {
		return nil, foreignSigner(t.signer)
	}
	if err := checkKeyID(t.keyID); err != nil {
		return nil, err
	}
	at := place{base, t.keyID}
	key, err := v.keys.find(ctx, at)
	if err != nil {
		return nil, err
	}
	if !jws.Verify(jws.ES256, key, t.signed, t.signature) {
		return nil, fault.Invalid(jwt.ErrTokenSignatureInvalid.Error(), jwt.ErrTokenSignatureInvalid)
	}
	v.keys.prove(at, key)
	id, err := t.identity()
	if err != nil {
		return nil, err
	}
	if now := time.Now(); !now.Before(t.expires.Add(leeway)) {
		return nil, fault.Invalid(fmt.Sprintf("%v: exp %s, now %s, leeway %v", jwt.ErrTokenExpired,
			t.expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339), leeway), jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims)
	}
	return id, nil
}

// Close ends the fetches under way, waits for them and closes idle connections.
// It is idempotent; afterwards Verify fails with [jwks.ErrClosed].
func (v *Validator) Close() error {
	v.keys.close()
	return nil
}

// identity reads the payload of a token whose signature was verified.
func (t *token) identity() (*Identity, error) {
	id := &Identity{Issuer: t.issuer, ClientID: t.client, Signer: t.signer, Expires: t.expires, Claims: t.payload}
	members := strictjson.Object(string(t.payload))
	subjectFits := true
	for members.Next() {
		switch members.Name() {
		case "sub":
			id.Subject, subjectFits = members.Value().OptionalText()
		case "email":
			id.Email, _ = members.Value().OptionalText() // issuers give what they like
		}
	}
	if err := members.Err(); err != nil {
		return nil, fault.MalformedClaim(err.Error())
	}
	if !subjectFits {
		return nil, fault.MalformedClaim("sub is not a string")
	}
	return id, nil
}
