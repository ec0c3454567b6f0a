// Package jwkskube verifies the service account tokens of a Kubernetes cluster
// from inside the cluster:
//
//	options, err := jwkskube.InCluster()
//	client, err := jwks.NewClient(options...)
//	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
//
// The keys come from the API server, which requires the pod's own token and has
// a certificate of the cluster's own authority. Discovery is not used, because it may
// name an address that pods cannot reach.
package jwkskube

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/keyfile"
	"github.com/seed-22400188/jwks/internal/show"
)

// Defaults, and where the API server has its keys
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
const (
	defaultRoot      = "/var/run/secrets/kubernetes.io/serviceaccount"
	defaultAPIServer = "https://kubernetes.default.svc"
	keysPath         = "/openid/v1/jwks"
)

// Limits in bytes of the files of a service account.
const (
	maxToken = 64 << 10
	maxCA    = 1 << 20
)

// Option configures [InCluster] and [Issuer].
type Option interface{ apply(*config) error }

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type config struct{ root, apiServer string }

// WithRoot sets the folder of the service account, with the files token and
// ca.crt. Default /var/run/secrets/kubernetes.io/serviceaccount.
func WithRoot(dir string) Option {
	return option(func(c *config) error {
		if dir == "" {
			return configError("WithRoot: the folder is empty")
		}
		c.root = dir
		return nil
	})
}

// WithAPIServer sets the URL of the API server. Default
// https://kubernetes.default.svc.
func WithAPIServer(url string) Option {
	return option(func(c *config) error {
		if strings.Contains(url, "?") { // a path is appended to it
			return configError("WithAPIServer: the URL has a query")
		}
		if err := fetch.CheckOwnURL(url, false); err != nil {
			return configError("WithAPIServer: " + err.Error())
		}
		c.apiServer = strings.TrimRight(url, "/")
		return nil
	})
}

func configError(text string) error { return fmt.Errorf("%w: jwkskube: %s", jwks.ErrConfig, text) }

func newConfig(opts []Option) (*config, error) {
	c := &config{defaultRoot, defaultAPIServer}
	for _, o := range opts {
		if o == nil {
			return nil, configError("an option is nil")
		}
		if err := o.apply(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Issuer returns the issuer of the cluster's service account tokens, as the
// pod's own token names it: for [jwks.TrustIssuer]. It reads the token file once.
//
// Errors match [jwks.ErrConfig] and, if there is no file, [fs.ErrNotExist];
// they name the file and never contain the token.
func Issuer(opts ...Option) (string, error) {
	c, err := newConfig(opts)
	if err != nil {
		return "", err
	}
	return c.issuer()
}

// InCluster returns the options of a [jwks.Client] for the cluster's service
// account tokens: the issuer of [Issuer]; the keys at /openid/v1/jwks of the API
// server, whose certificate must be issued by the authority in ca.crt; and the pod's
// own token, which is sent only to the API server. Both files are read again for
// each fetch, because Kubernetes replaces them. They must exist and be readable now;
// errors are as for [Issuer].
//
// It sets [jwks.WithHTTPClient]. Options given after these take precedence.
func InCluster(opts ...Option) ([]jwks.ClientOption, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	issuer, err := c.issuer()
	if err != nil {
		return nil, err
	}
	t := &transport{path: filepath.Join(c.root, "ca.crt")}
	if _, err := t.current(); err != nil {
		return nil, err
	}
	return []jwks.ClientOption{
		jwks.WithIssuer(issuer),
		jwks.WithJWKSURL(c.apiServer + keysPath),
		jwks.WithHTTPClient(&http.Client{Transport: t}),
		jwks.WithHeaderFunc("Authorization", func(context.Context) (string, error) {
			token, err := c.token()
			if err != nil { // its text is short and ours: the whole of it is told
				return "", fault.Unavailable(strings.TrimPrefix(err.Error(), jwks.ErrConfig.Error()+": "), err)
			}
			return "Bearer " + token, nil
		}),
	}, nil
}

// token reads the pod's own token.
func (c *config) token() (string, error) {
	path := filepath.Join(c.root, "token")
	text, err := keyfile.Read(path, maxToken)
	if err != nil {
		return "", fileError(path, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", configError("the file " + show.OwnLine(path) + " is empty")
	}
	return token, nil
}

// issuer reads who issued the pod's own token. The file is part of the
// configuration: nobody verified the token, and nobody needs to.
func (c *config) issuer() (string, error) {
	token, err := c.token()
	if err != nil {
		return "", err
	}
	path := show.OwnLine(filepath.Join(c.root, "token"))
	opened, err := compact.Open(token, maxToken)
	if err != nil { // whose text may quote the token
		return "", configError("the file " + path + " does not hold a token of three segments")
	}
	issuer, _, err := opened.UnverifiedIssuer()
	if err != nil || issuer == "" {
		return "", configError("the token in the file " + path + ` has no "iss"`)
	}
	return issuer, nil
}

func fileError(path string, err error) error {
	return fmt.Errorf("%w: jwkskube: the file %s: %w", jwks.ErrConfig, show.OwnLine(path), err)
}

// transport trusts the authority in a file alone, and looks at the file before
// each request.
type transport struct {
	path string

	mu     sync.Mutex
	digest [sha256.Size]byte // of the file that base was made of
	base   *http.Transport
}

// RoundTrip sends a request over the transport for the authority of now.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base, err := t.current()
	if err != nil {
		return nil, err
	}
	return base.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
}

// current returns the transport for what the file holds. A file that is being
// replaced, or is bad, leaves the last one.
func (t *transport) current() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := keyfile.Read(t.path, maxCA)
	digest := sha256.Sum256(text)
	if t.base != nil && (err != nil || digest == t.digest) {
		return t.base, nil
	}
	if err != nil {
		return nil, fileError(t.path, err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		if t.base != nil {
			return t.base, nil
		}
		return nil, configError("the file " + show.OwnLine(t.path) + " holds no certificate")
	}
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
	t.base, t.digest = fetch.NewTransport(&tls.Config{RootCAs: authorities}), digest
	t.base.IdleConnTimeout = 5 * time.Second // fetches are minutes apart
	return t.base, nil
}
