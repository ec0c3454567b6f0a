package jwks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/httpcache"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// Metadata is an issuer's discovery document (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2), as far as this package reads it.
type Metadata struct {
	Issuer            string          // "issuer", as checked
	JWKSURI           string          // "jwks_uri", or "jwks_url" where only that is there, after [WithLocalURLRewrite]
	SigningAlgorithms []string        // "id_token_signing_alg_values_supported": information only, nothing is decided by it
	Raw               json.RawMessage // the document

	jwksMember string // which of the two JWKSURI is from
}

// parseMetadata reads a discovery document. Members are compared by their
// exact names; a document in which one that matters appears twice is refused.
func parseMetadata(document []byte) (*Metadata, error) {
	document = strictjson.TrimBOM(document)
	refuse := func(text string) (*Metadata, error) {
		return nil, fault.Unavailable(text, ErrInvalidMetadata)
	}
	var issuer, jwksURI, jwksURL, algorithms []strictjson.Value
	members := strictjson.Object(string(document))
	members.AllowDuplicates()
	for members.Next() {
		v := members.Value()
		if v.Kind() == strictjson.Null { // absence
			continue
		}
		switch members.Name() {
		case "issuer":
			issuer = append(issuer, v)
		case "jwks_uri":
			jwksURI = append(jwksURI, v)
		case "jwks_url":
			jwksURL = append(jwksURL, v)
		case "id_token_signing_alg_values_supported":
			algorithms = append(algorithms, v)
		}
	}
	if err := members.Err(); err != nil {
		return refuse("the discovery document is not a JSON object: " + err.Error())
	}
	m := &Metadata{Raw: slices.Clone(document)}
	var problem string
	if m.Issuer, problem = onlyText("issuer", issuer); problem != "" {
		return refuse("the discovery document " + problem)
	}
	if m.jwksMember = "jwks_uri"; len(jwksURI) == 0 && len(jwksURL) > 0 {
		m.jwksMember, jwksURI = "jwks_url", jwksURL
	}
	if m.JWKSURI, problem = onlyText(m.jwksMember, jwksURI); problem != "" {
		return refuse("the discovery document " + problem)
	}
	for _, list := range algorithms {
		m.SigningAlgorithms = texts(list)
	}
	return m, nil
}

// onlyText wants exactly one value, a string that is not empty. problem says
// what is wrong.
func onlyText(member string, values []strictjson.Value) (text, problem string) {
	switch {
	case len(values) == 0:
		return "", "has no member " + member
	case len(values) > 1:
		return "", "has several members " + member
	}
	text, err := values[0].Text()
	if err != nil || text == "" {
		return "", "has a member " + member + " that is not a non-empty string"
	}
	return text, ""
}

// texts reads the strings of an array and skips the rest.
func texts(list strictjson.Value) []string {
	if list.Kind() != strictjson.Array {
		return nil
	}
	n := 0
	items := list.Elements()
	for items.Next() {
		n++
	}
	all := make([]string, 0, n) // growing it step by step would cost several times its size
	for items = list.Elements(); items.Next(); {
		if text, err := items.Value().Text(); err == nil {
			all = append(all, strings.Clone(text))
		}
	}
	return all
}

// discover fetches the discovery document into next, and checks it before
// anything that it says is used.
func (o origin) discover(ctx context.Context, q inquiry, next *loaded) error {
	var firstErr error // from the first place, for when no other has the document
	for _, place := range o.discoveryPlaces(q.last) {
		response, err := o.get(ctx, q, fetch.Request{URL: place})
		if isNotFound(err) {
			firstErr = cmp.Or(firstErr, err)
			continue
		}
		if err != nil {
			return err
		}
		m, err := parseMetadata(response.Body)
		if err == nil {
			err = o.checkMetadata(m, q.binding, place)
		}
		if err != nil {
			return &FetchError{URL: place, StatusCode: http.StatusOK, Err: err}
		}
		next.document, next.jwksURL = document{m, place, time.Now().Add(-httpcache.Age(response.Header))}, m.JWKSURI
		return nil
	}
	return firstErr
}

// isNotFound says that another place may have the document.
func isNotFound(err error) bool {
	var e *FetchError
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound
}

// discoveryPlaces lists where the document may be, the place that had it last
// time first.
func (o origin) discoveryPlaces(last *loaded) []string {
	if o.cfg.discoveryURL != "" {
		return []string{o.cfg.discoveryURL}
	}
	places := discoveryURLs(o.cfg.issuer, o.cfg.discoveryPath)
	if last != nil && last.discoveryURL != "" {
		if i := slices.Index(places, last.discoveryURL); i > 0 {
			places = append([]string{last.discoveryURL}, slices.Delete(places, i, i+1)...)
		}
	}
	return places
}

// discoveryURLs gives the places for an issuer: OpenID's (OpenID Connect
// Discovery 1.0 section 4), then those of RFC 8414 section 3, which inserts
// the well-known part between host and path. A path of the user's own is the
// only place. An issuer template is asked for under Entra's "common" first.
func discoveryURLs(issuer, customPath string) []string {
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
		add(base + cmp.Or(customPath, discoveryPath))
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
		add(scheme + "://" + host + discoveryPath + issuerPath)
	}
	return places
}

// checkMetadata refuses a document that names another issuer (OpenID Connect
// Discovery 1.0 section 4.3) or a key set URL that may not be used.
func (o origin) checkMetadata(m *Metadata, b *binding.Binding, place string) error {
	want := b.Issuer()
	issuer, err := fetch.CheckURL(m.Issuer, o.cfg.insecure)
	switch {
	case err != nil && want == "":
		return fault.Unavailable("the discovery document's issuer is unusable: "+err.Error(), ErrInvalidMetadata)
	case err != nil:
		return fault.Unavailable("the discovery document's issuer is unusable, want "+show.Quote(want)+": "+err.Error(), ErrInvalidMetadata, ErrIssuerMismatch)
	case want != "" && m.Issuer != want:
		return fault.Unavailable("the discovery document's issuer is "+show.Quote(m.Issuer)+", want "+show.Quote(want), ErrIssuerMismatch)
	case want == "" && binding.IsTemplate(m.Issuer) && !o.cfg.tenantsSet:
		return fault.Unavailable("the discovery document's issuer "+show.Quote(m.Issuer)+" stands for many tenants: name them with WithTenants", ErrInvalidMetadata)
	}
	if o.cfg.localRewrite {
		if rewritten := rewriteLocal(m.JWKSURI, place); rewritten != m.JWKSURI {
			m.JWKSURI = rewritten // as good as the place itself
			return nil
		}
	}
	u, err := fetch.CheckURL(m.JWKSURI, o.cfg.insecure)
	if err != nil {
		return fault.Unavailable("the discovery document's "+m.jwksMember+" is unusable: "+err.Error(), ErrInvalidMetadata)
	}
	if issuer.Scheme == "https" && u.Scheme != "https" && !o.cfg.insecure {
		return fault.Unavailable("the discovery document's "+m.jwksMember+" "+show.Quote(m.JWKSURI)+" is not https, although its issuer is", ErrInvalidMetadata)
	}
	return nil
}

// rewriteLocal gives a key set URL the scheme and host that its discovery
// document was fetched from, when that was a local one and the URL names
// another host. A host is a name and a port here.
func rewriteLocal(jwksURI, place string) string {
	from, err := url.Parse(place)
	if err != nil || !isLocalHost(from.Hostname()) {
		return jwksURI
	}
	to, err := url.Parse(jwksURI)
	if err != nil || to.Host == "" || strings.EqualFold(to.Host, from.Host) {
		return jwksURI
	}
	return (&url.URL{Scheme: from.Scheme, Host: from.Host, Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}).String()
}

// isLocalHost says whether a name is that of a loopback, private or
// single-label host.
func isLocalHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.IsLoopback() || a.IsPrivate()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host != "" && (!strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost"))
}
