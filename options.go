package jwks

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/show"
)

// ClientOption configures a [Client]. Options are applied in order; if two set
// the same thing, the later one wins, so that options for all issuers
// can be refined for one.
type ClientOption interface{ applyClient(*clientConfig) error }

type clientOption func(*clientConfig) error

func (o clientOption) applyClient(c *clientConfig) error { return o(c) }

// Where the keys come from: WithIssuer, WithJWKSURL, WithKeyFile,
// WithDiscoveryURL or WithKeySet is required.

// WithIssuer sets the issuer. Its keys are found by OIDC discovery at issuer +
// "/.well-known/openid-configuration" (OpenID Connect Discovery 1.0 section 4),
// or else at the places of RFC 8414 section 3. Only a document that names exactly
// this issuer is accepted, and the keys are bound to it: they never verify
// another issuer's token. A trailing slash counts. An issuer with "{tenantid}"
// (Entra) needs [WithTenants].
//
// For discovery it must be an https URL, or http on a loopback host, without
// user info or fragment. If the keys come from elsewhere, by [WithJWKSURL],
// [WithDiscoveryURL], [WithKeyFile] or [WithKeySet], it may be any name, such as
// "accounts.google.com" or "urn:example:idp" (RFC 7519 section 2, StringOrURI).
// A name that is not a URL, with [WithKeySet] alone, makes a static client.
func WithIssuer(issuer string) ClientOption {
	return sourceOption("WithIssuer", issuer, func(c *clientConfig) { c.issuer = issuer })
}

// WithIssuerAliases sets other values of "iss" that mean this issuer: some of
// Google's tokens say "accounts.google.com". They are compared exactly
// and never fetched, and the discovery document must still name the issuer
// itself (OpenID Connect Discovery 1.0 section 4.3). For an issuer with
// "{tenantid}", the token's "tid" decides on the tenant. Default: none.
// Repeatable. An empty list, an empty name, a name with "{tenantid}", and
// aliases without an issuer are [ErrConfig].
func WithIssuerAliases(names ...string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if len(names) == 0 {
			return configError("WithIssuerAliases", "the list is empty")
		}
		for _, name := range names {
			switch {
			case name == "":
				return configError("WithIssuerAliases", "a name is empty")
			case binding.IsTemplate(name):
				return configError("WithIssuerAliases", "%s has a place for a tenant, and aliases are compared exactly", show.Own(name))
			}
		}
		c.aliases = append(c.aliases[:len(c.aliases):len(c.aliases)], names...) // options may be shared by clients
		return nil
	})
}

// WithJWKSURL sets the URL of the key set, and there is no discovery even if other
// options ask for it. The URL must use https, or http on a loopback host. Add
// [WithIssuer] to bind the keys to their issuer.
func WithJWKSURL(url string) ClientOption {
	return sourceOption("WithJWKSURL", url, func(c *clientConfig) { c.jwksURL = url })
}

// WithKeyFile reads the key set from a file, a JWK Set or PEM (see [ParsePEM]),
// instead of fetching it. The same policy applies: the file is read again when the
// set is due for a refresh ([WithTTL]), and at once for an unknown key, within the
// budget of [WithRefreshLimit]. The content of the file counts, not its date, so you
// may replace it by rename or write into it. A file that is missing, half-written or
// invalid is a failed refresh, and the current set stays in use ([WithMaxStale]). At
// most [WithMaxDocumentSize] is read; pipes and devices are refused.
//
// With [WithIssuer], which may then be any name, the keys are bound to that issuer.
// Together with [WithJWKSURL] or [WithDiscoveryURL] it is [ErrConfig].
func WithKeyFile(path string) ClientOption {
	return sourceOption("WithKeyFile", path, func(c *clientConfig) { c.keyFile = path })
}

// WithDiscoveryURL sets the URL of the discovery document, if it is not at the
// standard place. With [WithIssuer] the document must name that issuer. Without it,
// the keys are bound to the issuer that the document names, and a warning is logged
// once.
func WithDiscoveryURL(url string) ClientOption {
	return sourceOption("WithDiscoveryURL", url, func(c *clientConfig) { c.discoveryURL = url })
}

// WithKeySet sets a seed: keys to use until the first fetch succeeds. They count as
// keys that expired when the client was made: the first lookup fetches, and
// while that fails, the seed is used until the end of [WithMaxStale]. The keys are
// bound to the client's issuer. Without another source the client is static: it
// never fetches, and its keys never expire.
func WithKeySet(seed *KeySet) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.hasSource = true
		if seed == nil || seed.Len() == 0 {
			return configError("WithKeySet", "the key set is nil or empty")
		}
		c.seed = seed
		return nil
	})
}

// WithDiscoveryPath replaces "/.well-known/openid-configuration": it is
// appended to the issuer, and no other place is tried. It has no effect
// together with [WithJWKSURL] or [WithDiscoveryURL].
func WithDiscoveryPath(path string) ClientOption {
	return nonEmpty("WithDiscoveryPath", path, func(c *clientConfig) {
		c.discoveryPath = "/" + strings.TrimLeft(path, "/")
	})
}

// How it fetches.

// WithHTTPClient sets the HTTP client, for example for tracing or for a transport of
// your own. Its cookie jar is not used, and redirects are limited further (at most 3,
// never from https to http). Default: a client with its own transport, which takes
// proxies from the environment, TLS settings from [WithTLSConfig], and nothing from
// [http.DefaultTransport].
func WithHTTPClient(client *http.Client) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if client == nil {
			return configError("WithHTTPClient", "the client is nil")
		}
		if client.Transport != nil && isNil(client.Transport) {
			return configError("WithHTTPClient", "the client's transport is a nil %T", client.Transport)
		}
		c.httpClient = client
		c.say("WithHTTPClient")
		return nil
	})
}

// WithTLSConfig sets the certificate authorities that servers must be certified by, and
// client certificates, so that you need no HTTP client of your own; proxies still come
// from the environment. Default: that of crypto/tls. The config is copied.
// InsecureSkipVerify is [ErrConfig], because it lets anyone who answers choose the
// keys, and so is WithTLSConfig together with [WithHTTPClient], whose transport has
// its own config.
func WithTLSConfig(config *tls.Config) ClientOption {
	return clientOption(func(c *clientConfig) error {
		switch {
		case config == nil:
			return configError("WithTLSConfig", "the config is nil")
		case config.InsecureSkipVerify:
			return configError("WithTLSConfig", "InsecureSkipVerify lets anyone who answers choose the keys; set RootCAs to the authority of the server")
		}
		c.tls = config.Clone()
		c.say("WithTLSConfig")
		return nil
	})
}

// WithHeader sends a header field with every request to the hosts that [WithIssuer],
// [WithDiscoveryURL], [WithJWKSURL] and [WithHeaderHosts] name, and to
// no others: not to a "jwks_uri" on another host, nor to another host after a
// redirect. User-Agent and Accept are not secrets and go everywhere. Default: none.
// Repeatable. "Host" sets the host of the request; "Accept-Encoding" is left to
// net/http, which decodes what it asks for.
//
// Given to [WithClientOptions], it goes to listed issuers. An issuer that a
// [TrustIssuerFunc] accepts gets the fields that the function returns for it, and the
// common ones only on hosts of a common WithHeaderHosts. Together with
// [TrustAnyIssuer], WithHeader is [ErrConfig].
func WithHeader(name, value string) ClientOption {
	return headerOption("WithHeader", name, func() (header, error) {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return header{}, configError("WithHeader", "the value of %s has control characters", name)
		}
		return header{value: value}, nil
	})
}

// WithHeaderFunc is [WithHeader] with a value that changes, such as a token in
// a file: f is called before each attempt that sends the field, with the context
// of that attempt. If it returns "", the field is left out; with an error, or a value
// with control characters, the attempt fails. The text of the error appears in errors
// and logs, so it must not contain the value. Of several functions for one field the
// last counts, and a function takes precedence over a WithHeader for the same field.
func WithHeaderFunc(name string, f func(ctx context.Context) (string, error)) ClientOption {
	return headerOption("WithHeaderFunc", name, func() (header, error) {
		if f == nil {
			return header{}, configError("WithHeaderFunc", "the function for %s is nil", name)
		}
		return header{f: f}, nil
	})
}

// WithHeaderHosts names further hosts that the fields of [WithHeader] and
// [WithHeaderFunc] may go to, such as that of a "jwks_uri":
// "keys.example.com", or with a port "10.0.0.1:8443". Without a port, the
// default port of the scheme is meant. Default: none. Repeatable.
func WithHeaderHosts(hosts ...string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if len(hosts) == 0 {
			return configError("WithHeaderHosts", "the list is empty")
		}
		for _, host := range hosts {
			if err := fetch.CheckHeaderHost(host); err != nil {
				return configError("WithHeaderHosts", "%v", err)
			}
			c.headerHosts = append(c.headerHosts, headerHost{host, c.list})
		}
		return nil
	})
}

// WithTimeout limits one attempt. Default 5 s. A whole fetch, with its retries
// and the discovery document, ends after 15 s, or after one such timeout per
// document if that is longer.
func WithTimeout(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithTimeout", "%v is not positive", d)
		}
		c.timeout = d
		return nil
	})
}

// WithRetries sets how many more attempts one fetch makes after a connection
// error, a timeout, or status 408, 429 or 5xx without Retry-After. Default 2.
func WithRetries(n int) ClientOption {
	return notNegative("WithRetries", n, func(c *clientConfig) { c.retries = n })
}

// WithMaxDocumentSize limits a document, in bytes after decompression. Default 1 MiB.
// A longer document is an error; it is never cut.
func WithMaxDocumentSize(n int64) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if n <= 0 || n == math.MaxInt64 {
			return configError("WithMaxDocumentSize", "%d is out of range", n)
		}
		c.maxDocument = n
		return nil
	})
}

// AllowInsecureHTTP permits plain http to hosts other than loopback, and an
// http "jwks_uri" under an https issuer. Anyone on the network path can then
// replace the keys. Off by default.
func AllowInsecureHTTP() ClientOption {
	return clientOption(func(c *clientConfig) error { c.insecure = true; return nil })
}

// WithLocalURLRewrite is for an issuer that is reached under a name other than
// its own, as in a network of containers. If the discovery document was fetched from
// a host other than the issuer's, or from a loopback, private or single-label host,
// and its "jwks_uri" names yet another host, then the keys are fetched from the host
// of the discovery document: its scheme and host replace those of the "jwks_uri",
// whose path and query are kept. Off by default.
func WithLocalURLRewrite() ClientOption {
	return clientOption(func(c *clientConfig) error { c.localRewrite = true; return nil })
}

// WithPublicAddressesOnly keeps the client on the public Internet, as
// [TrustAnyIssuer] does. It is meant for [TrustIssuerFunc] with tenants who are not
// trusted to name hosts. Every URL must be https on port 443 with a public name or
// address, including URLs in documents and redirects. No connection is made to a
// loopback, private, link-local or metadata address, whatever name resolves to it;
// addresses are checked when they are dialled, which prevents DNS rebinding. No proxy
// is used, and [TrustAnyIssuer] says how the transport of [WithHTTPClient] is treated.
// A refused URL or address is a failed fetch: [ErrUnavailable]. Off by default.
func WithPublicAddressesOnly() ClientOption {
	return clientOption(func(c *clientConfig) error { c.publicOnly = true; return nil })
}

// WithKeyUses sets which values of a key's "use" (RFC 7517 section 4.2) mean
// that it signs tokens; SPIFFE bundles say "jwt-svid". Default: "sig". A key
// without "use" counts in any case. "enc", which means encryption, is [ErrConfig].
func WithKeyUses(uses ...string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if len(uses) == 0 {
			return configError("WithKeyUses", "the list is empty")
		}
		for _, use := range uses {
			if use == "" || use == "enc" {
				return configError("WithKeyUses", "%s does not mean signing", show.Quote(use))
			}
		}
		c.uses = slices.Clone(uses)
		return nil
	})
}

// WithTenants names the tenants, by their GUIDs, that an issuer with "{tenantid}"
// (Entra) stands for. Without an id it allows every tenant. There is no default: an
// issuer with "{tenantid}" needs this option.
func WithTenants(ids ...string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.tenantsSet = true
		var tenants map[string]bool
		for _, id := range ids {
			if !binding.IsGUID(id) {
				return configError("WithTenants", "%s is not a GUID", show.Quote(id))
			}
			if tenants == nil {
				tenants = make(map[string]bool, len(ids))
			}
			tenants[strings.ToLower(id)] = true
		}
		c.tenants = tenants
		return nil
	})
}

// How it caches.

// WithTTL sets how long a key set is trusted without asking again. Default
// 15 min, counted from when the origin server made the response (the response's Age
// is subtracted). The server's headers never change the TTL; they can only bring the
// next refresh forward, see [WithMinTTL]. HTTP caches on the way are asked for a
// response that is no older than the TTL (RFC 9111 section 5.2.1.1). If an older one
// comes anyway, the request is repeated with "no-cache". If a cache ignores that too, a
// warning is logged once, and its response is trusted until the cache's copy expires,
// but at least for WithMinTTL and at most for the TTL.
func WithTTL(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithTTL", "%v is not positive; to fetch for every lookup use WithoutCache", d)
		}
		c.ttl = d
		c.say("WithTTL")
		return nil
	})
}

// WithMinTTL sets how soon after a fetch the server's headers may ask for the next
// refresh. A shorter lifetime in Cache-Control max-age or Expires counts as this much,
// and so do no-store, no-cache and values that cannot be read (RFC 9111 sections
// 4.2 and 5.2.2). Default 1 min; a value above the TTL counts as the TTL. The
// refresh runs in the background, jittered by ±10 %, and [WithRefreshAhead] does not
// turn it off. Until the TTL ends, lookups of known keys do not wait for it.
func WithMinTTL(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithMinTTL", "%v is not positive", d)
		}
		c.minTTL = d
		return nil
	})
}

// WithoutCache makes every lookup fetch the set; concurrent lookups may share a fetch.
// No stale set is used and no budget applies, but the backoff after failures
// does. Off by default.
func WithoutCache() ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.noCache = true
		c.say("WithoutCache")
		return nil
	})
}

// WithRefreshAhead sets the fraction of the TTL after which a lookup refreshes
// the set in the background. Default 0.8, jittered by ±10 % so that the replicas of a
// service do not all refresh at the same moment; 1 turns it off.
func WithRefreshAhead(fraction float64) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if !(fraction > 0 && fraction <= 1) { // NaN too
			return configError("WithRefreshAhead", "%v is not in (0, 1]", fraction)
		}
		c.refreshAhead = fraction
		return nil
	})
}

// WithMaxStale sets how long after its TTL a set is still used while refreshes
// fail. Default 1 h; with 0 nothing is verified after the TTL.
func WithMaxStale(d time.Duration) ClientOption {
	return notNegativeDuration("WithMaxStale", d, func(c *clientConfig) { c.maxStale = d })
}

// WithRetention keeps trusting a key for d after it left the set, counted from the
// first set without it. Default 0: it is not trusted any longer. This is for issuers
// whose replicas disagree (Entra). Retention ends at once if the kid comes back with
// another key or as an entry that is not usable. A key without a kid, or one of several
// under the same kid, is not retained.
func WithRetention(d time.Duration) ClientOption {
	return notNegativeDuration("WithRetention", d, func(c *clientConfig) { c.retention = d })
}

// WithRefreshLimit sets the budget of refreshes that unknown keys and bad
// signatures may cause: burst at once, and one more each time the duration every has
// passed. Default: 5, and one more every 30 s. With a burst of 0 they never cause one.
func WithRefreshLimit(every time.Duration, burst int) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if every <= 0 || burst < 0 {
			return configError("WithRefreshLimit", "every %v, burst %d: want a positive duration and a burst of 0 or more", every, burst)
		}
		c.limitEvery, c.limitBurst = every, burst
		return nil
	})
}

// WithKeyCacheSize limits how many missing keys are remembered, so that looking them
// up again costs nothing. Default 1024; 0 turns it off. Entries end with the key set
// that lacked the key. (Keys in the set are found by an index.)
func WithKeyCacheSize(n int) ClientOption {
	return notNegative("WithKeyCacheSize", n, func(c *clientConfig) { c.keyCache = n })
}

// How it is watched.

// WithLogger sets the logger. Default: nothing is logged. Expired keys are logged as
// an error. A failed refresh is a warning, logged each time the number of failures in a
// row has doubled and at least every ten minutes, so an outage does not produce one line
// per attempt or per request. A spent budget for unknown keys is a warning at most once a
// minute. The first set, a changed set, and the first success after failures are logged
// at level info, the rest at debug. Attributes: issuer, url (without its query), state,
// failures, until (when the current keys stop serving), next (the next attempt), kid,
// added, removed and changed (kids, at most 16, with the full number in
// added_count and so on), duration, error.
func WithLogger(l *slog.Logger) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if l == nil || isNil(l.Handler()) {
			return configError("WithLogger", "the logger is nil or has no handler")
		}
		c.logger = l
		return nil
	})
}

// WithObserver calls f for every [Event], one at a time and in order. Default:
// none. f runs in the goroutine of a fetch or of a lookup, and whoever waits for that
// also waits for f, so it should return quickly. It must not call any method of the
// client except [Client.Status]. A panic of f is recovered.
func WithObserver(f func(Event)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if f == nil {
			return configError("WithObserver", "the function is nil")
		}
		c.observer = f
		return nil
	})
}
