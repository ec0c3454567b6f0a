package jwkshttp

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// Extractor looks for a token in one place of a request. It returns "" and nil, or an
// error that matches [ErrNoToken], if there is none. Any
// other error ends the search: one that matches [jwks.ErrTokenInvalid] or
// [jwks.ErrUnavailable] is answered as such, and any other as [ErrMalformed].
type Extractor func(r *http.Request) (string, error)

// BearerToken returns the token of the Authorization header (RFC 6750 section
// 2.1). The scheme is Bearer in any case (RFC 9110 section 11.1), followed by
// one or more spaces and one token of the characters that RFC 9110 section 11.2
// allows. It is the default [Extractor], and can be called directly in frameworks
// that do not use net/http middleware. The error matches one of:
//
//   - [ErrNoToken]: no Authorization header, an empty one, another scheme, or a
//     token without a scheme;
//   - [ErrMalformed]: several Authorization headers, Bearer without a token,
//     a comma list, anything after the token, a tab in place of the space, or
//     a value that does not begin with the name of a scheme.
//
// The error never contains the value.
func BearerToken(r *http.Request) (string, error) {
	switch values := r.Header["Authorization"]; len(values) {
	case 0:
		return "", ErrNoToken
	case 1:
		return bearer(values[0])
	default:
		return "", malformed("%d Authorization headers, want one", len(values))
	}
}

// FromHeader looks for a token in a header field such as Cf-Access-Jwt-Assertion, either
// alone or after "Bearer ". If the header is absent or empty, there is
// no token; several headers of that name, a list, or another scheme are
// [ErrMalformed]. FromHeader("Authorization") is [BearerToken]. An empty name
// panics.
func FromHeader(name string) Extractor {
	if name == "" {
		panic("jwkshttp: FromHeader: the name is empty")
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if name == "Authorization" {
		return BearerToken
	}
	return func(r *http.Request) (string, error) {
		values := r.Header[name]
		switch {
		case len(values) > 1:
			return "", malformed("%d %s headers, want one", len(values), name)
		case len(values) == 0 || trim(values[0]) == "":
			return "", nil
		}
		value := trim(values[0])
		if scheme, _, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			return bearer(value)
		}
		return lone(value, name)
	}
}

// FromCookie looks for a token in a cookie. If the cookie is absent or empty, there is no
// token; several cookies of that name, and a value that cannot be a token, are
// [ErrMalformed]. Browsers also send cookies with requests that another
// site caused, so a service that changes state needs protection against that (RFC
// 6265 section 8.2), for example [http.CrossOriginProtection]. An empty name
// panics.
func FromCookie(name string) Extractor {
	if name == "" {
		panic("jwkshttp: FromCookie: the name is empty")
	}
	place := "the cookie " + name
	return func(r *http.Request) (string, error) {
		switch value, n := cookie(r, name); {
		case n > 1:
			return "", malformed("%d cookies named %s, want one", n, name)
		case value == "":
			return "", nil
		default:
			return lone(value, place)
		}
	}
}

// cookie counts the cookies of a name and returns the last one's value (RFC
// 6265 section 4.2.1). Unlike [http.Request.CookiesNamed] it does not pass over
// a cookie whose value it does not like, and allocates nothing.
func cookie(r *http.Request, name string) (value string, n int) {
	for _, line := range r.Header["Cookie"] {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			if key, v, _ := strings.Cut(trim(pair), "="); trim(key) == name {
				value, n = v, n+1
			}
		}
	}
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return value, n
}

// bearer reads an Authorization value: credentials = auth-scheme 1*SP token68
// (RFC 9110 section 11.4, RFC 6750 section 2.1).
func bearer(value string) (string, error) {
	value = trim(value)
	n := 0
	for n < len(value) && isTchar(value[n]) {
		n++
	}
	scheme, rest := value[:n], value[n:]
	switch {
	case value == "":
		return "", ErrNoToken
	case scheme == "":
		return "", malformed("the Authorization header has no scheme")
	case !strings.EqualFold(scheme, "Bearer"):
		if joinsBearer(rest) {
			return "", malformed("several credentials in the Authorization header")
		}
		return "", ErrNoToken
	case rest == "":
		return "", malformed("Bearer without a token")
	case rest[0] != ' ':
		return "", malformed("want a space after Bearer")
	}
	return lone(strings.TrimLeft(rest, " "), "the Authorization header")
}

// joinsBearer finds Bearer credentials behind those of another scheme. Two
// headers that something joined with a comma mean the same as two headers (RFC
// 9110 section 5.3); the parameters of one scheme, as Digest has them, do not.
func joinsBearer(rest string) bool {
	for {
		_, after, more := strings.Cut(rest, ",")
		if !more {
			return false
		}
		rest = strings.TrimLeft(after, " \t")
		if word := len("Bearer"); len(rest) > word && strings.EqualFold(rest[:word], "Bearer") && (rest[word] == ' ' || rest[word] == '\t') {
			return true
		}
	}
}

// lone checks that a value is one token and nothing else.
func lone(value, place string) (string, error) {
	if !isToken68(value) {
		return "", fmt.Errorf("%w: %s holds more or something else than one token", ErrMalformed, place)
	}
	return value, nil
}

// isToken68 checks RFC 9110 section 11.2.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		switch c := s[i]; {
		case isAlphanumeric(c), c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return s != ""
}

// isTchar checks RFC 9110 section 5.6.2.
func isTchar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// trim takes off the white space around a field value, which is not part of it
// (RFC 9110 section 5.5).
func trim(value string) string { return strings.Trim(value, " \t") }
