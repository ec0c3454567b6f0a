package jwks

import (
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
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
	"github.com/seed-22400188/jwks/internal/wellknown"
)

// Metadata is an issuer's discovery document (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2), as far as this package reads it.
type Metadata struct {
	Issuer            string          // "issuer", which was checked
	JWKSURI           string          // "jwks_uri", or "jwks_url" if only that is there, after [WithLocalURLRewrite]
	SigningAlgorithms []string        // "id_token_signing_alg_values_supported": for information, it decides nothing
	Raw               json.RawMessage // the document

	jwksMember string // which of the two JWKSURI is from
}

// parseMetadata reads a discovery document. Members are compared by their
// exact names; a document in which one that matters appears twice is refused.
func parseMetadata(document []byte) (*Metadata, error) {
	document = strictjson.TrimBOM(document)
	refuse := func(text string, reasons ...error) (*Metadata, error) {
		return nil, fault.Unavailable(text, append([]error{ErrInvalidMetadata}, reasons...)...)
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
		return refuse("the discovery document is not a JSON object: "+err.Error(), errNotTheDocument)
	}
	m := &Metadata{Raw: slices.Clone(document)}
	var problem string
	if m.Issuer, problem = onlyText("issuer", issuer); problem != "" {
		return refuse("the discovery document "+problem, errNotTheDocument)
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
	var failed []*FetchError // one for each place that another may stand in for
	for _, place := range o.discoveryPlaces(q.last) {
		found, err := o.discoverAt(ctx, q, place)
		if err == nil {
			next.document, next.jwksURL = found, found.metadata.JWKSURI
			return nil
		}
		if !isElsewhere(err) {
			return err
		}
		failed = append(failed, err)
	}
	return o.explainPlace(nowhere(failed))
}

// discoverAt fetches and checks the document of one place.
func (o origin) discoverAt(ctx context.Context, q inquiry, place string) (document, *FetchError) {
	response, err := o.get(ctx, q, fetch.Request{URL: place})
	if err != nil {
		var failed *FetchError
		if !errors.As(err, &failed) {
			failed = fetchError(err)
		}
		return document{}, failed
	}
	m, err := parseMetadata(response.Body)
	if err == nil {
		err = o.checkMetadata(m, q.binding, place)
	}
	if err != nil {
		return document{}, &FetchError{URL: show.WholeURL(place), StatusCode: http.StatusOK, Err: explainDocument(err, response)}
	}
	return document{m, place, time.Now().Add(-httpcache.Age(response.Header))}, nil
}

// errNotTheDocument is for an answer that is not the issuer's document at all.
var errNotTheDocument = errors.New("not the issuer's document")

// isElsewhere says that another place may have the document: this one has none
// for us, or one that does not name the issuer.
func isElsewhere(e *FetchError) bool {
	switch status := e.StatusCode; {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return false
	case status == http.StatusOK:
		return errors.Is(e, ErrIssuerMismatch) || errors.Is(e, errNotTheDocument)
	default:
		return status >= 400 && status < 500 || status == http.StatusNotImplemented
	}
}

// nowhere makes one error of those of all places. A document of another issuer
// takes precedence over a missing one, because it says more.
func nowhere(failed []*FetchError) *FetchError {
	main := 0
	for i, e := range failed {
		if errors.Is(e, ErrIssuerMismatch) {
			main = i
			break
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	result := *failed[main]
	var others []string
	for i, e := range failed {
		if i != main {
			others = append(others, show.Place(e.URL)+": "+bare(e.Err))
		}
	}
	result.Err = fault.Unavailable(bare(result.Err)+"; nor at "+strings.Join(others, "; nor at "), result.Err)
	return &result
}

// discoveryPlaces lists where the document may be, the place that had it last
// time first.
func (o origin) discoveryPlaces(last *loaded) []string {
	if o.cfg.discoveryURL != "" {
		return []string{o.cfg.discoveryURL}
	}
	places := wellknown.Places(o.cfg.issuer, o.cfg.discoveryPath)
	if last != nil && last.discoveryURL != "" {
		if i := slices.Index(places, last.discoveryURL); i > 0 {
			places = append([]string{last.discoveryURL}, slices.Delete(places, i, i+1)...)
		}
	}
	return places
}

// checkMetadata refuses a document that names another issuer (OpenID Connect
// Discovery 1.0 section 4.3) or a key set URL that may not be used.
func (o origin) checkMetadata(m *Metadata, b *binding.Binding, place string) error {
	want := b.Issuer()
	issuer, err := fetch.CheckURL(m.Issuer, o.cfg.insecure)
	switch {
	case want == "" && err != nil:
		return fault.Unavailable("the discovery document's issuer is unusable: "+err.Error(), ErrInvalidMetadata)
	case err != nil && m.Issuer != want:
		return fault.Unavailable("the discovery document's issuer is unusable, want "+show.Own(want)+": "+err.Error(), ErrInvalidMetadata, ErrIssuerMismatch)
	case want != "" && m.Issuer != want:
		return fault.Unavailable("the discovery document's issuer "+show.Differs(m.Issuer, want)+": give WithIssuer the name that tokens and the document have, and use WithDiscoveryURL if the document is elsewhere", ErrIssuerMismatch)
	case want == "" && binding.IsTemplate(m.Issuer) && !o.cfg.tenantsSet:
		return fault.Unavailable("the discovery document's issuer "+show.Quote(m.Issuer)+" stands for many tenants: name them with WithTenants", ErrInvalidMetadata)
	}
	if o.cfg.localRewrite {
		if rewritten := rewriteLocal(m.JWKSURI, place, m.Issuer); rewritten != m.JWKSURI {
			m.JWKSURI = rewritten // as good as the place itself
			return nil
		}
	}
	u, err := fetch.CheckURL(m.JWKSURI, o.cfg.insecure)
	if err != nil {
		return fault.Unavailable("the discovery document's "+m.jwksMember+" is unusable: "+err.Error(), ErrInvalidMetadata)
	}
	if issuer != nil && issuer.Scheme == "https" && u.Scheme != "https" && !o.cfg.insecure {
		return fault.Unavailable("the discovery document's "+m.jwksMember+" "+show.QuoteURL(m.JWKSURI)+" is not https, although its issuer is", ErrInvalidMetadata)
	}
	return nil
}

// rewriteLocal replaces the scheme and host of a key set URL by those that the discovery
// document was fetched from. It does so if the URL names another host, and the document's
// host is not the issuer's public one: not the host that the issuer names, or a host that
// is known only in a private network. A host is a name and a port here.
func rewriteLocal(jwksURI, place, issuer string) string {
	from, err := url.Parse(place)
	if err != nil || !isLocalHost(from.Hostname()) && !isSideDoor(from, issuer) {
		return jwksURI
	}
	to, err := url.Parse(jwksURI)
	if err != nil || to.Host == "" || strings.EqualFold(to.Host, from.Host) {
		return jwksURI
	}
	return (&url.URL{Scheme: from.Scheme, Host: from.Host, Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}).String()
}

// isSideDoor says that an issuer names another host than its document was
// fetched from.
func isSideDoor(from *url.URL, issuer string) bool {
	named, err := url.Parse(issuer)
	return err == nil && isWeb(issuer) && hostAndPort(named) != hostAndPort(from)
}

// hostAndPort leaves out the ports that schemes have by default.
func hostAndPort(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if port := u.Port(); port != "" && !(port == "443" && u.Scheme == "https") && !(port == "80" && u.Scheme == "http") {
		host += " " + port
	}
	return host
}

// isLocalHost says whether a name is that of a loopback, private or
// single-label host.
func isLocalHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return !publicnet.IsPublic(a)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host != "" && (!strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost"))
}

// isWeb says whether an issuer is an http or https URL of a host, as discovery
// needs, and not just a name (RFC 7519 section 2, StringOrURI).
func isWeb(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil { // it may have been meant as one
		return strings.HasPrefix(issuer, "https://") || strings.HasPrefix(issuer, "http://")
	}
	return u.Scheme == "https" || u.Scheme == "http"
}
