package cfaccess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// The bounds of one request for an identity.
const (
	identityTimeout = 5 * time.Second
	identityMaxSize = 1 << 20
)

// Identity is what Access knows about a user beyond the token. Fields that the
// document lacks, or has in an unexpected form, are empty.
type Identity struct {
	Email     string   // "email"
	UserUUID  string   // "user_uuid", which equals the token's subject
	AccountID string   // "account_id"
	Name      string   // "name"
	IP        string   // "ip": where the user logged in from
	Country   string   // "geo"."country"
	Groups    []string // "groups": of strings, or of objects their "name", else "email", else "id"
	IDP       struct { // "idp": the identity provider
		ID   string // "id"
		Type string // "type": "azureAD", "okta", "onetimepin", …
	}
	// Raw is the whole document, with device posture, OIDC and SAML attributes and
	// whatever else the identity provider gave. It is as Access sent it; only the other
	// fields of Identity were checked.
	Raw json.RawMessage
}

// Identity verifies a token and then asks Access who the user is: GET
// /cdn-cgi/access/get-identity with the token as the cookie CF_Authorization.
// Each call makes one request, within ctx and 5 s. It follows no redirect and reads
// at most 1 MiB.
//
// A token that does not verify is never sent; the errors are those of
// [Validator.Verify]. A service token has no identity: the error is [ErrNoEmail], and no
// request is made. If the endpoint fails, or the document is not a JSON object, or its
// "user_uuid" is not the token's subject, the error is [jwks.ErrUnavailable]: it
// could not be determined who the user is. A failed request is a *[jwks.FetchError].
// No error contains the token.
func (v *Validator) Identity(ctx context.Context, token string) (*Identity, error) {
	t, err := v.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if t.Subject() == "" {
		return nil, ErrNoEmail
	}
	document, err := v.fetchIdentity(ctx, t.Raw())
	if err != nil {
		return nil, err
	}
	id, err := parseIdentity(document)
	if err != nil {
		return nil, &undecided{"the document is no JSON object: " + err.Error(), err}
	}
	if id.UserUUID != t.Subject() {
		return nil, &undecided{text: "the document is another user's: its user_uuid is not the token's subject"}
	}
	return id, nil
}

// undecided is an answer that does not say who the user is: [jwks.ErrUnavailable].
type undecided struct {
	text  string
	cause error
}

func (e *undecided) Error() string { return "cfaccess: identity: " + e.text }

func (e *undecided) Unwrap() []error {
	if e.cause == nil {
		return []error{jwks.ErrUnavailable}
	}
	return []error{jwks.ErrUnavailable, e.cause}
}

// fetchIdentity sends a verified token to the endpoint of its team.
func (v *Validator) fetchIdentity(ctx context.Context, token string) ([]byte, error) {
	fetcher := fetch.New(fetch.Config{
		Client: v.identity,
		Header: http.Header{
			"Accept": {"application/json"},
			"Cookie": {Cookie + "=" + token},
		},
		Timeout:   identityTimeout,
		MaxSize:   identityMaxSize,
		AllowHTTP: true, // New has checked the URL
		UserAgent: fetch.UserAgent,
		NoHints:   true, // they are about options that do not reach here
	})
	answer, err := fetcher.Get(ctx, fetch.Request{URL: v.identityURL})
	if err == nil {
		return answer.Body, nil
	}
	var timeout interface{ Timeout() bool }
	if v.own != nil && errors.As(err, &timeout) && timeout.Timeout() {
		v.own.CloseIdleConnections() // the one that was used may be dead
	}
	failed := &jwks.FetchError{URL: v.identityURL, Err: err}
	var e *fetch.Error
	if errors.As(err, &e) {
		failed.StatusCode, failed.RetryAfter, failed.Err = e.StatusCode, e.RetryAfter, e.Err
	}
	// A RoundTripper of the user's may describe the request that failed.
	if errors.Is(failed.Err, jwks.ErrTokenInvalid) { // from an HTTP client that verifies tokens itself
		failed.Err = errors.New(failed.Err.Error())
	}
	if failed.Err != nil && reveals(failed.Err.Error(), token) {
		failed.Err = errors.New("the HTTP client failed, and its error shows the token")
	}
	if gaveUp := ctx.Err(); gaveUp != nil {
		return nil, fmt.Errorf("cfaccess: identity: %w (%w)", failed, gaveUp)
	}
	return nil, fmt.Errorf("cfaccess: identity: %w", failed)
}

// reveals says whether a text holds the beginning of a segment of the token.
func reveals(text, token string) bool {
	for segment := range strings.SplitSeq(token, ".") {
		if strings.Contains(text, segment[:min(len(segment), 16)]) {
			return true
		}
	}
	return false
}

// identityClient makes the client for the identity endpoint: like the user's,
// but without redirects, which would carry the token elsewhere. (Package fetch
// leaves out its cookie jar, which would mix users up.)
func identityClient(theirs *http.Client) (*http.Client, *http.Transport) {
	var c http.Client
	var own *http.Transport
	if theirs != nil {
		c = *theirs
	} else {
		own = fetch.NewTransport(nil) // its idle connections end with Close
		c.Transport = own
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c, own
}

// parseIdentity reads an identity document: strictly as JSON, with exact names
// and no member twice, and tolerantly as to the members' shapes, which depend
// on the identity provider.
func parseIdentity(document []byte) (*Identity, error) {
	id := &Identity{Raw: document}
	members := strictjson.Object(string(document))
	for members.Next() {
		switch v := members.Value(); members.Name() {
		case "email":
			id.Email = text(v)
		case "user_uuid":
			id.UserUUID = text(v)
		case "account_id":
			id.AccountID = text(v)
		case "name":
			id.Name = text(v)
		case "ip":
			id.IP = text(v)
		case "geo":
			id.Country = member(v, "country")
		case "idp":
			id.IDP.ID, id.IDP.Type = member(v, "id"), member(v, "type")
		case "groups":
			id.Groups = groups(v)
		}
	}
	if err := members.Err(); err != nil {
		return nil, err
	}
	return id, nil
}

// groups reads an array of groups.
func groups(list strictjson.Value) []string {
	var names []string
	for elements := list.Elements(); elements.Next(); {
		v := elements.Value()
		name := text(v)
		for _, key := range []string{"name", "email", "id"} {
			if name == "" {
				name = member(v, key)
			}
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// member is a string inside an object, or "": also where the object has that
// member twice, since it is not clear then which one counts.
func member(object strictjson.Value, name string) string {
	if object.Kind() != strictjson.ObjectKind {
		return ""
	}
	var found string
	members := object.Members()
	for members.Next() {
		if members.Name() == name {
			found = text(members.Value())
		}
	}
	if members.Err() != nil {
		return ""
	}
	return found
}
