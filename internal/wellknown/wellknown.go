// Package wellknown knows where the discovery document of an issuer may be.
package wellknown

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/binding"
)

// openID is OpenID's place below the issuer.
const openID = "/.well-known/openid-configuration"

// Places gives the places for an issuer: OpenID's (OpenID Connect
// Discovery 1.0 section 4), then those of RFC 8414 section 3, which inserts
// the well-known part between host and path. A path of the user's own is the
// only place. An issuer template is asked for under Entra's "common" first.
func Places(issuer, customPath string) []string {
	base := strings.TrimRight(issuer, "/")
	var bases []string
	if binding.IsTemplate(base) {
		bases = append(bases, binding.Fill(base, "common"))
	}
	bases = append(bases, base)
	var places []string
	add := func(place string) {
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	for _, base := range bases {
		add(base + cmp.Or(customPath, openID))
	}
	if customPath != "" {
		return places
	}
	for _, base := range bases {
		scheme, rest, _ := strings.Cut(base, "://")
		host, issuerPath, _ := strings.Cut(rest, "/")
		if issuerPath != "" {
			issuerPath = "/" + issuerPath
		}
		add(scheme + "://" + host + "/.well-known/oauth-authorization-server" + issuerPath)
		add(scheme + "://" + host + openID + issuerPath)
	}
	return places
}
