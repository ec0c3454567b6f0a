package jwkshttp

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
)

// challenges makes the WWW-Authenticate value of every refusal (RFC 6750
// section 3, RFC 9728 section 5.1); "" is none. They depend on the
// configuration alone: what a refused token says never reaches the caller.
func challenges(realm, resourceMetadata string, scopes []string) [refusals]string {
	bare := bareParams(realm, resourceMetadata)
	challenge := func(params ...string) string {
		params = slices.Concat(bare, params)
		if len(params) == 0 {
			return "Bearer"
		}
		return "Bearer " + strings.Join(params, ", ")
	}

	var c [refusals]string
	var wanted []string
	if len(scopes) > 0 {
		wanted = []string{`scope=` + quoted(strings.Join(scopes, " "))}
	}
	c[refusedNoToken] = challenge(wanted...) // RFC 6750 section 3.1: no error code without credentials
	c[refusedMalformed] = challenge(`error="invalid_request"`,
		`error_description="The request must carry exactly one well-formed token"`)
	c[refusedInvalid] = challenge(`error="invalid_token"`,
		`error_description="The token is expired, malformed or not valid here"`)
	c[refusedScope] = challenge(append([]string{`error="insufficient_scope"`,
		`error_description="The token lacks a required scope"`}, wanted...)...)
	return c
}

// bareParams are the parameters of every challenge.
func bareParams(realm, resourceMetadata string) (params []string) {
	if realm != "" {
		params = append(params, `realm=`+quoted(realm))
	}
	if resourceMetadata != "" {
		params = append(params, `resource_metadata=`+quoted(resourceMetadata))
	}
	return params
}

// quoted makes a quoted-string (RFC 9110 section 5.6.4). The options refuse
// the control characters that no quoted-string can hold.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quotable says whether a quoted-string can hold s.
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// isScope checks the scope-token of RFC 6749 section 3.3, which the scope
// attribute of a challenge shares (RFC 6750 section 3).
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// retryAfter is the Retry-After value for err in whole seconds (RFC 9110
// section 10.2.3), or "" when nothing tells. It never promises an earlier
// moment than the one told.
func retryAfter(err error) string {
	var fetch *jwks.FetchError
	if !errors.As(err, &fetch) || fetch.RetryAfter <= 0 {
		return ""
	}
	seconds := int64(fetch.RetryAfter / time.Second)
	if fetch.RetryAfter%time.Second != 0 {
		seconds++
	}
	return strconv.FormatInt(seconds, 10)
}

// expose lets a page of another origin read the headers that a refusal has: a
// browser shows it few of a response besides (Fetch standard, CORS protocol).
func expose(h http.Header, r *http.Request) {
	if r.Header["Origin"] == nil {
		return
	}
	var names []string
	for _, name := range []string{"WWW-Authenticate", "Retry-After", "DPoP-Nonce"} {
		if h.Get(name) != "" {
			names = append(names, name)
		}
	}
	if names != nil {
		h.Add("Access-Control-Expose-Headers", strings.Join(names, ", "))
	}
}

// defaultErrorHandler writes the status and its text, and nothing about err.
func defaultErrorHandler(w http.ResponseWriter, _ *http.Request, err error) {
	status := StatusCode(err)
	http.Error(w, http.StatusText(status), status)
}
