package jwksmcp

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// Options describe the protected resource. Pass the same to all functions of this package.
type Options struct {
	// Resource is the URL of the MCP endpoint exactly as clients dial it, for
	// example "https://mcp.example.com/mcp". Clients compare it byte for byte
	// (RFC 9728 section 3.3). It is the audience to expect of tokens as well:
	// jwks.WithAudience(o.Resource). Required: http or https, without user info,
	// query and fragment.
	Resource string
	// AuthorizationServers are the issuers whose tokens the verifier accepts
	// (RFC 8414 issuer identifiers). [Metadata] needs at least one.
	AuthorizationServers []string
	// Scopes are required of every token, and what clients ask for when they log
	// in. Default: none.
	Scopes []string
	// Logger gets a line for each refusal, see [jwkshttp.WithLogger]: status,
	// reason, and what was wrong, but never the token. Default: none.
	Logger *slog.Logger
}

// wellKnown is RFC 9728 section 3.
const wellKnown = "/.well-known/oauth-protected-resource"

// places is what follows from a resource: the pattern of its mount, where its
// metadata is on the web, and the pattern of that.
type places struct {
	mount, metadataURL, metadata string
}

// places checks the options and derives the rest.
func (o Options) places() (places, error) {
	u, err := url.Parse(o.Resource)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return places{}, configError("Resource: %q is not an absolute http or https URL", o.Resource)
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(o.Resource, "#"):
		return places{}, configError("Resource: %q has user info, a query or a fragment", o.Resource)
	case strings.ContainsAny(u.Path, "{}"), u.Path != "" && !isClean(u.EscapedPath()):
		return places{}, configError("Resource: no mux serves the path of %q as it stands", o.Resource)
	}
	for _, s := range o.AuthorizationServers {
		if a, err := url.Parse(s); err != nil || a.Scheme != "https" && a.Scheme != "http" || a.Host == "" {
			return places{}, configError("AuthorizationServers: %q is not an absolute http or https URL", s)
		}
	}
	for _, s := range o.Scopes {
		if !isScope(s) {
			return places{}, configError("Scopes: %q is not a scope: want printable ASCII without space, quote and backslash", s)
		}
	}
	// Section 3.1: between host and path, and a path of "/" counts as none.
	path := u.EscapedPath()
	suffix := path
	if path == "/" {
		suffix = ""
	}
	metadata := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: wellKnown}
	return places{
		mount:       exactly("/" + strings.TrimPrefix(path, "/")),
		metadataURL: metadata.String() + suffix,
		metadata:    exactly(wellKnown + suffix),
	}, nil
}

// exactly is the pattern of this path alone.
func exactly(path string) string {
	if strings.HasSuffix(path, "/") {
		return path + "{$}"
	}
	return path
}

// isClean says whether a mux serves path without a redirect.
func isClean(path string) bool {
	return !strings.Contains(path, "//") && !slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool {
		return s == "." || s == ".."
	})
}

// isScope checks the scope-token of RFC 6749 section 3.3.
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: jwksmcp: %s", jwks.ErrConfig, fmt.Sprintf(format, args...))
}

// Metadata returns the protected resource metadata (RFC 9728) and the pattern of
// [http.ServeMux] under which clients look for it. It must be reachable without a
// token. It never changes, and pages of any origin may read it. Bad options, and
// no authorization server, are [jwks.ErrConfig].
func Metadata(o Options) (pattern string, h http.Handler, err error) {
	p, err := o.places()
	if err != nil {
		return "", nil, err
	}
	if len(o.AuthorizationServers) == 0 {
		return "", nil, configError("AuthorizationServers: none, so no client could log in")
	}
	return p.metadata, jwkshttp.ResourceMetadataHandler(jwkshttp.ResourceMetadata{
		Resource:               o.Resource,
		AuthorizationServers:   slices.Clone(o.AuthorizationServers),
		ScopesSupported:        slices.Clone(o.Scopes),
		BearerMethodsSupported: []string{"header"},
	}), nil
}

// Mount registers h, protected by v as with [Protect], at the path of the
// resource, and [Metadata] at its place. If it returns an error, nothing is registered.
// If the mux already has one of the patterns, it panics.
func Mount(mux *http.ServeMux, v jwkshttp.TokenVerifier, o Options, h http.Handler) error {
	protect, err := Protect(v, o)
	if err != nil {
		return err
	}
	pattern, metadata, err := Metadata(o)
	if err != nil {
		return err
	}
	p, err := o.places()
	if err != nil {
		return err
	}
	mux.Handle(pattern, metadata)
	mux.Handle(p.mount, protect(h))
	return nil
}
