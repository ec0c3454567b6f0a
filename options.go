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

// ClientOption configures a [Client]. Options are applied in order; of two
// that say the same thing the later one wins, so that options for all issuers
// can be refined for one.
type ClientOption interface{ applyClient(*clientConfig) error }

type clientOption func(*clientConfig) error

func (o clientOption) applyClient(c *clientConfig) error { return o(c) }

// Where the keys come from: at least one of the first six.

// WithIssuer sets the issuer: its keys are found by OIDC discovery at issuer +
// "/.well-known/openid-configuration" (OpenID Connect Discovery 1.0 section 4),
// else at the places of RFC 8414 section 3. Only a document that names exactly
// this issuer is accepted, and the keys are bound to it: they never verify
// another issuer's token. A trailing slash counts. An issuer with "{tenantid}"
// (Entra) needs [WithTenants].
//
// For discovery it must be an https URL, or http on a loopback host, without
// user info and fragment. Where the keys come from elsewhere, by [WithJWKSURL],
// [WithDiscoveryURL] or [WithKeySet], it may be any name, such as
// "accounts.google.com" or "urn:example:idp" (RFC 7519 section 2, StringOrURI);
// a name beside [WithKeySet] alone makes a static client.
func WithIssuer(issuer string) ClientOption {
	return sourceOption("WithIssuer", issuer, func(c *clientConfig) { c.issuer = issuer })
}

// WithIssuerAliases names other values of "iss" that mean this issuer: Google
// says "accounts.google.com" in some of its tokens. They are compared exactly
// and never fetched, and the discovery document must still name the issuer
// itself (OpenID Connect Discovery 1.0 section 4.3). Under an issuer with
// "{tenantid}" the token's "tid" decides on the tenant. Default: none.
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
				return configError("WithIssuerAliases", "%s has a place for a tenant, and aliases are compared exactly", show.Quote(name))
			}
		}
		c.aliases = append(c.aliases[:len(c.aliases):len(c.aliases)], names...) // options may be shared by clients
		return nil
	})
}

// WithJWKSURL sets the URL of the key set and skips discovery; it wins when
// other options would lead to discovery. Add [WithIssuer] to bind the keys.
func WithJWKSURL(url string) ClientOption {
	return sourceOption("WithJWKSURL", url, func(c *clientConfig) { c.jwksURL = url })
}

// WithKeyFile reads the key set from a file, a JWK Set or PEM (see [ParsePEM]),
// instead of fetching it, under the same policy: it is read again when its age
// asks for it ([WithTTL]), and at once for an unknown key within the budget of
// [WithRefreshLimit]. Its content decides, not its date: replace it by rename or
// write into it. A file that is missing, half-written or bad is a failed
// refresh, so that the set at hand serves on ([WithMaxStale]). At most
// [WithMaxDocumentSize] is read; pipes and devices are refused.
//
// With [WithIssuer], which then may be any name, the keys are bound to it. Beside
// [WithJWKSURL] or [WithDiscoveryURL] it is [ErrConfig].
func WithKeyFile(path string) ClientOption {
	return sourceOption("WithKeyFile", path, func(c *clientConfig) { c.keyFile = path })
}

// WithDiscoveryURL sets a non-standard place of the discovery document. With
// [WithIssuer] the document must name that issuer; without, the issuer that it
// names is taken, bound to the keys, and logged as a warning once.
func WithDiscoveryURL(url string) ClientOption {
	return sourceOption("WithDiscoveryURL", url, func(c *clientConfig) { c.discoveryURL = url })
}

// WithKeySet sets a seed: keys to serve until the first fetch succeeds, as if
// they had expired when the client was made (the first lookup fetches, and
// while that fails the seed serves until the end of [WithMaxStale]). They are
// bound to the client's issuer. Alone it makes a static client, which never
// fetches and never expires.
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
// appended to the issuer, and no other place is tried. It is without effect
// where [WithJWKSURL] or [WithDiscoveryURL] names the place.
func WithDiscoveryPath(path string) ClientOption {
	return nonEmpty("WithDiscoveryPath", path, func(c *clientConfig) {
		c.discoveryPath = "/" + strings.TrimLeft(path, "/")
	})
}

// How it fetches.

// WithHTTPClient sets the HTTP client: for tracing and transports of one's own.
// Its cookie jar is not used, and redirects are limited further (at most 3,
// never from https to http). Default: a transport of our own, which takes
// proxies from the environment, TLS from [WithTLSConfig], and nothing from
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

// WithTLSConfig sets the authorities that servers must be certified by, and
// client certificates, without an HTTP client of one's own; proxies still come
// from the environment. Default: what crypto/tls does. The config is copied.
// InsecureSkipVerify is [ErrConfig], for it lets whoever answers choose the
// keys, and so is WithTLSConfig beside [WithHTTPClient], whose transport has
// its own.
func WithTLSConfig(config *tls.Config) ClientOption {
	return clientOption(func(c *clientConfig) error {
		switch {
		case config == nil:
			return configError("WithTLSConfig", "the config is nil")
		case config.InsecureSkipVerify:
			return configError("WithTLSConfig", "InsecureSkipVerify lets whoever answers choose the keys; set RootCAs to the authority of the server")
		}
		c.tls = config.Clone()
		c.say("WithTLSConfig")
		return nil
	})
}

// WithHeader sends a header field to the hosts that the configuration names, in
// [WithIssuer], [WithDiscoveryURL], [WithJWKSURL] and [WithHeaderHosts], and to
// no others: not to a "jwks_uri" on another host, nor through a redirect to
// one. User-Agent and Accept are not secrets and go everywhere. Repeatable.
// "Host" sets the host that is asked for; "Accept-Encoding" is left to
// net/http, which decodes what it asks for.
//
// Among [WithClientOptions] it goes to listed issuers; to issuers that a
// [TrustIssuerFunc] admits go those that the function returns, and the common
// ones only to hosts of a common WithHeaderHosts. Beside [TrustAnyIssuer] it is
// [ErrConfig].
func WithHeader(name, value string) ClientOption {
	return headerOption("WithHeader", name, func() (header, error) {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return header{}, configError("WithHeader", "the value of %s has control characters", name)
		}
		return header{value: value}, nil
	})
}

// WithHeaderFunc is [WithHeader] with a value that changes, such as a token in
// a file: f is asked before each attempt that sends the field, with the context
// of that attempt. "" leaves the field out; an error, or a value with control
// characters, fails the attempt. Its text is quoted in errors and logs, so it
// must not hold the value. The last of several functions for one field, or
// the function beside a WithHeader for it, is the one that counts.
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
// "keys.example.com", or with a port "10.0.0.1:8443". Without one it is the
// default port of the scheme. Default: none. Repeatable.
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

// WithTimeout bounds one attempt. Default 5 s. A whole fetch, with its retries
// and the discovery document, ends after 15 s, or after this timeout for each
// of its documents if that is longer.
func WithTimeout(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithTimeout", "%v is not positive", d)
		}
		c.timeout = d
		return nil
	})
}

// WithRetries sets how many extra attempts one fetch makes after connection
// errors, time-outs, 408, 429 and 5xx without Retry-After. Default 2.
func WithRetries(n int) ClientOption {
	return notNegative("WithRetries", n, func(c *clientConfig) { c.retries = n })
}

// WithMaxDocumentSize bounds a document in bytes, decoded. Default 1 MiB. A
// longer one is an error, never cut.
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
// replace the keys.
func AllowInsecureHTTP() ClientOption {
	return clientOption(func(c *clientConfig) error { c.insecure = true; return nil })
}

// WithLocalURLRewrite is for an issuer that is reached under another name than
// its own, as in a container: when the discovery document was fetched from
// another host than the issuer names, or from a loopback, private or
// single-label host, and its "jwks_uri" names another host than that, path and
// query are kept and the scheme and host of the discovery document are used.
// Off by default.
func WithLocalURLRewrite() ClientOption {
	return clientOption(func(c *clientConfig) error { c.localRewrite = true; return nil })
}

// WithPublicAddressesOnly keeps the client on the public Internet, as
// [TrustAnyIssuer] does: for [TrustIssuerFunc] with tenants who are not trusted
// to name hosts. URLs must be https on port 443 with a public name or address,
// those of documents and redirects included, and a name that resolves to a
// loopback, private, link-local or metadata address is not connected to (it is
// judged when it is dialled, against DNS rebinding). The transport of
// [WithHTTPClient] is treated as [TrustAnyIssuer] says; no proxy is used. What
// it refuses is a failed fetch: [ErrUnavailable]. Off by default.
func WithPublicAddressesOnly() ClientOption {
	return clientOption(func(c *clientConfig) error { c.publicOnly = true; return nil })
}

// WithKeyUses sets which values of a key's "use" (RFC 7517 section 4.2) mean
// that it signs tokens, in place of "sig": SPIFFE bundles say "jwt-svid". A key
// without "use" counts in any case. "enc" is for encryption and refused.
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

// WithTenants names the tenants, as GUIDs, that an issuer with "{tenantid}"
// (Entra) stands for. Without an id: any tenant.
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
// 15 min, counted from when the origin made the answer: its Age is taken off.
// The server's headers never change it; what they may bring forward is the next
// refresh, see [WithMinTTL]. Caches on the way are asked for an answer that is
// not older (RFC 9111 section 5.2.1.1), and one that comes all the same is
// asked for again past all caches. A cache that ignores that too is logged as a
// warning once, and its answer is trusted until its copy ends: for at least
// WithMinTTL and at most the TTL.
func WithTTL(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithTTL", "%v is not positive; to fetch for every lookup say WithoutCache", d)
		}
		c.ttl = d
		c.say("WithTTL")
		return nil
	})
}

// WithMinTTL sets how early the server's headers may ask for a refresh: the
// lifetime that Cache-Control max-age or Expires give counts as at least this
// much, and so do no-store, no-cache and what cannot be read (RFC 9111 sections
// 4.2 and 5.2.2). Default 1 min; above the TTL it counts as the TTL. That
// refresh is in the background, jittered by ±10 %, and not switched off by
// [WithRefreshAhead]: until the TTL a known key answers at once.
func WithMinTTL(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if d <= 0 {
			return configError("WithMinTTL", "%v is not positive", d)
		}
		c.minTTL = d
		return nil
	})
}

// WithoutCache makes every lookup fetch; concurrent ones may share a fetch.
// There are no stale answers and no budget, but the backoff after failures
// holds.
func WithoutCache() ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.noCache = true
		c.say("WithoutCache")
		return nil
	})
}

// WithRefreshAhead sets the fraction of the TTL after which a lookup refreshes
// the set in the background. Default 0.8, jittered by ±10 % so that a fleet
// does not march in step; 1 turns it off.
func WithRefreshAhead(fraction float64) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if !(fraction > 0 && fraction <= 1) { // NaN too
			return configError("WithRefreshAhead", "%v is not in (0, 1]", fraction)
		}
		c.refreshAhead = fraction
		return nil
	})
}

// WithMaxStale sets how long past the TTL a set still serves while the source
// fails. Default 1 h; 0 fails closed at the TTL.
func WithMaxStale(d time.Duration) ClientOption {
	return notNegativeDuration("WithMaxStale", d, func(c *clientConfig) { c.maxStale = d })
}

// WithRetention keeps trusting a key that left the set for d, counted from the
// first set without it. Default 0. For issuers whose replicas disagree
// (Entra). It ends at once when the kid comes back with another key or as an
// entry that is not usable. Keys without a kid, and one of several under a kid,
// are not kept.
func WithRetention(d time.Duration) ClientOption {
	return notNegativeDuration("WithRetention", d, func(c *clientConfig) { c.retention = d })
}

// WithRefreshLimit is the budget of refreshes that unknown keys and bad
// signatures may ask for: burst at once, and one more each time every has
// passed. Default 30 s, 5. With a burst of 0 they never cause a refresh.
func WithRefreshLimit(every time.Duration, burst int) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if every <= 0 || burst < 0 {
			return configError("WithRefreshLimit", "every %v, burst %d: want a positive duration and a burst of 0 or more", every, burst)
		}
		c.limitEvery, c.limitBurst = every, burst
		return nil
	})
}

// WithKeyCacheSize bounds the LRU of keys that were looked up and are missing.
// Default 1024; 0 turns it off. No entry outlives the set it is about, nor keeps
// that alive. (Keys that are in the set are found in its index, which is as
// large as the set.)
func WithKeyCacheSize(n int) ClientOption {
	return notNegative("WithKeyCacheSize", n, func(c *clientConfig) { c.keyCache = n })
}

// Who watches.

// WithLogger sets where to log. Default: nowhere. Expired keys are an error. A
// refresh that failed is a warning once per doubling of the failures in a row
// and at least every ten minutes, not one per attempt and never one per request;
// a spent budget for unknown keys is one at most once a minute. The first set,
// one that changed, and the first success after failures are on level info, the
// rest on debug. Attributes: issuer, url (without its query), state, failures,
// until (when the keys at hand stop serving), next (the next attempt), kid,
// added, removed and changed (kids, at most 16, with the number of all in
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
// nobody. f runs in the goroutine of a fetch or of a lookup, and callers who
// wait for that wait for f: it should return soon, and must not call the client
// except for [Client.Status]. A panic of f is recovered.
func WithObserver(f func(Event)) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if f == nil {
			return configError("WithObserver", "the function is nil")
		}
		c.observer = f
		return nil
	})
}
