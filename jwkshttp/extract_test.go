package jwkshttp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestBearerToken(t *testing.T) {
	for _, test := range []struct {
		rule   string
		values []string
		want   string
		err    error
	}{
		{"the scheme and one space", []string{"Bearer abc"}, "abc", nil},
		{"the scheme in any case", []string{"bEARER abc"}, "abc", nil},
		{"several spaces", []string{"Bearer    abc"}, "abc", nil},
		{"white space around the value is no part of it", []string{" \tBearer abc \t"}, "abc", nil},
		{"all characters of RFC 9110 section 11.2", []string{"Bearer aZ09-._~+/=="}, "aZ09-._~+/==", nil},

		{"no header", nil, "", jwkshttp.ErrNoToken},
		{"an empty header", []string{""}, "", jwkshttp.ErrNoToken},
		{"a header of white space", []string{" \t"}, "", jwkshttp.ErrNoToken},
		{"another scheme", []string{"Basic eDp5"}, "", jwkshttp.ErrNoToken},
		{"another scheme with a list of parameters", []string{`Digest realm="Bearer", qop=auth, bearer=x`}, "", jwkshttp.ErrNoToken},
		{"a scheme that begins alike", []string{"BearerX abc"}, "", jwkshttp.ErrNoToken},
		{"a scheme that looks alike", []string{"DPoP abc"}, "", jwkshttp.ErrNoToken},
		{"a token without a scheme reads as a scheme", []string{"eyJh.eyJp.c2ln"}, "", jwkshttp.ErrNoToken},

		{"two headers", []string{"Bearer abc", "Bearer abc"}, "", jwkshttp.ErrMalformed},
		{"two headers, one empty", []string{"Bearer abc", ""}, "", jwkshttp.ErrMalformed},
		{"two headers, none Bearer", []string{"Basic eDp5", "Digest x"}, "", jwkshttp.ErrMalformed},
		{"the scheme alone", []string{"Bearer"}, "", jwkshttp.ErrMalformed},
		{"the scheme and spaces", []string{"Bearer   "}, "", jwkshttp.ErrMalformed},
		{"a tab for the space", []string{"Bearer\tabc"}, "", jwkshttp.ErrMalformed},
		{"a tab after the space", []string{"Bearer \tabc"}, "", jwkshttp.ErrMalformed},
		{"a colon for the space", []string{"Bearer: abc"}, "", jwkshttp.ErrMalformed},
		{"an equals sign for the space", []string{"Bearer=abc"}, "", jwkshttp.ErrMalformed},
		{"a slash for the space", []string{"Bearer/abc"}, "", jwkshttp.ErrMalformed},
		{"two words", []string{"Bearer abc def"}, "", jwkshttp.ErrMalformed},
		{"the scheme twice", []string{"Bearer Bearer abc"}, "", jwkshttp.ErrMalformed},
		{"a list of tokens", []string{"Bearer abc,def"}, "", jwkshttp.ErrMalformed},
		{"a list of credentials", []string{"Bearer abc, Bearer def"}, "", jwkshttp.ErrMalformed},
		{"a list that begins with another scheme", []string{"Basic eDp5, Bearer abc"}, "", jwkshttp.ErrMalformed},
		{"a list that begins with another scheme, without a space", []string{"Basic eDp5,bearer\tabc"}, "", jwkshttp.ErrMalformed},
		{"an empty element before", []string{",Bearer abc"}, "", jwkshttp.ErrMalformed},
		{"an empty element after", []string{"Bearer abc,"}, "", jwkshttp.ErrMalformed},
		{"parameters after the token", []string{"Bearer abc;x=y"}, "", jwkshttp.ErrMalformed},
		{"parameters for the token", []string{`Bearer token="abc"`}, "", jwkshttp.ErrMalformed},
		{"a quoted token", []string{`Bearer "abc"`}, "", jwkshttp.ErrMalformed},
		{"padding alone", []string{"Bearer =="}, "", jwkshttp.ErrMalformed},
		{"padding inside", []string{"Bearer a=b"}, "", jwkshttp.ErrMalformed},
		{"a line break inside", []string{"Bearer a\r\nb"}, "", jwkshttp.ErrMalformed},
		{"a NUL", []string{"Bearer a\x00"}, "", jwkshttp.ErrMalformed},
		{"no ASCII", []string{"Bearer ä"}, "", jwkshttp.ErrMalformed},
		{"a no-break space for the space", []string{"Bearer\u00a0abc"}, "", jwkshttp.ErrMalformed},
		{"no scheme", []string{`"Bearer" abc`}, "", jwkshttp.ErrMalformed},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if test.values != nil {
			r.Header["Authorization"] = test.values
		}
		got, err := jwkshttp.BearerToken(r)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: BearerToken(%q) = %q, %v, want %q, %v", test.rule, test.values, got, err, test.want, test.err)
		}
		// The same header through FromHeader is read the same way.
		if again, err := jwkshttp.FromHeader("authorization")(r); again != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: FromHeader reads %q, %v", test.rule, again, err)
		}
		if err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: the error shows the value: %v", test.rule, err)
		}
	}
}

func TestFromHeaderReadsOneToken(t *testing.T) {
	for _, test := range []struct {
		rule   string
		values []string
		want   string
		err    error
	}{
		{"the token alone", []string{"a.b.c"}, "a.b.c", nil},
		{"behind Bearer", []string{"Bearer a.b.c"}, "a.b.c", nil},
		{"absent: none", nil, "", nil},
		{"empty: none", []string{""}, "", nil},
		{"white space: none", []string{"  "}, "", nil},
		{"two headers", []string{"a.b.c", "a.b.c"}, "", jwkshttp.ErrMalformed},
		{"two headers, one empty", []string{"", "a.b.c"}, "", jwkshttp.ErrMalformed},
		{"a list", []string{"a.b.c, a.b.c"}, "", jwkshttp.ErrMalformed},
		{"another scheme", []string{"Basic abc"}, "", jwkshttp.ErrMalformed},
		{"Bearer without a token", []string{"Bearer "}, "", jwkshttp.ErrMalformed},
		{"bearer and nothing else", []string{"bearer"}, "", jwkshttp.ErrMalformed},
		{"two words", []string{"a.b.c d"}, "", jwkshttp.ErrMalformed},
		{"two tokens behind Bearer", []string{"Bearer a.b.c d"}, "", jwkshttp.ErrMalformed},
		{"a tab inside", []string{"a.b.\tc"}, "", jwkshttp.ErrMalformed},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if test.values != nil {
			r.Header["X-Token"] = test.values
		}
		got, err := jwkshttp.FromHeader("x-token")(r)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q gives %q, %v, want %q, %v", test.rule, test.values, got, err, test.want, test.err)
		}
	}
}

func TestFromCookieReadsOneToken(t *testing.T) {
	for _, test := range []struct {
		rule, header, want string
		err                error
	}{
		{"the cookie", "token=a.b.c", "a.b.c", nil},
		{"among others", "x=1; token=a.b.c; y=2", "a.b.c", nil},
		{"none", "x=1", "", nil},
		{"no cookies", "", "", nil},
		{"an empty one: none", "token=", "", nil},
		{"no value at all: none", "token", "", nil},
		{"an empty quoted one: none", `token=""`, "", nil},
		{"quoted", `token="a.b.c"`, "a.b.c", nil},
		{"white space around", "x=1;  token =a.b.c ;y=2", "a.b.c", nil},
		{"white space before the value", "token= a.b.c", "", jwkshttp.ErrMalformed},
		{"another name that ends alike", "mytoken=a.b.c", "", nil},
		{"inside another's value", "x=token=a.b.c", "", nil},
		{"half quoted", `token="a.b.c`, "", jwkshttp.ErrMalformed},
		{"what net/http would pass over", "token=a\\b; token=a.b.c", "", jwkshttp.ErrMalformed},
		{"names differ in case", "Token=a.b.c", "", nil},
		{"twice", "token=a.b.c; token=a.b.c", "", jwkshttp.ErrMalformed},
		{"twice, one empty", "token=; token=a.b.c", "", jwkshttp.ErrMalformed},
		{"a list", "token=a.b.c,d", "", jwkshttp.ErrMalformed},
		{"a scheme", "token=Bearer a.b.c", "", jwkshttp.ErrMalformed},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", test.header)
		got, err := jwkshttp.FromCookie("token")(r)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q gives %q, %v, want %q, %v", test.rule, test.header, got, err, test.want, test.err)
		}
	}
}

// TestExtractorErrorsAreAnswered: each kind of error that an Extractor of the
// user's own may return has its answer, and an error is never a pass.
func TestExtractorErrorsAreAnswered(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	good := sign(issuer, "user")
	next := func(*http.Request) (string, error) { return good, nil }
	for _, test := range []struct {
		rule string
		err  error
		want int
	}{
		{"nil and a token", nil, 200},
		{"no token here: the next place", jwkshttp.ErrNoToken, 200},
		{"malformed", jwkshttp.ErrMalformed, 400},
		{"neither class", errors.New("boom"), 400},
		{"another sentinel", jwkshttp.ErrInsufficientScope, 400},
		{"a store that cannot be asked", errUnavailable, 503},
		{"a session that is over", errInvalid, 401},
	} {
		first := func(*http.Request) (string, error) {
			if test.err == nil {
				return good, nil
			}
			return "", test.err
		}
		h := jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(first, next))(served)
		if got := answer(h, httptest.NewRequest("GET", "/", nil)); got.Code != test.want {
			t.Errorf("%s: status %d, want %d", test.rule, got.Code, test.want)
		}
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer  a.b.c==", "Basic x, Bearer y", "Bearer\tx", "", ",", "Bearer a,b", "Bearer a b"} {
		f.Add(seed)
	}
	const token68 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="
	f.Fuzz(func(t *testing.T, value string) {
		token, err := jwkshttp.BearerToken(&http.Request{Header: http.Header{"Authorization": {value}}})
		switch {
		case err == nil:
			// Nothing but the scheme, spaces and the token is in the value.
			rest, ok := strings.CutSuffix(strings.Trim(value, " \t"), token)
			if !ok || !strings.EqualFold(strings.TrimRight(rest, " "), "Bearer") || !strings.HasSuffix(rest, " ") {
				t.Errorf("BearerToken(%q) = %q", value, token)
			}
			if token == "" || strings.Trim(token, token68) != "" {
				t.Errorf("BearerToken(%q) = %q, which is no token68", value, token)
			}
		case token != "":
			t.Errorf("BearerToken(%q) = %q together with %v", value, token, err)
		case errors.Is(err, jwkshttp.ErrNoToken) == errors.Is(err, jwkshttp.ErrMalformed):
			t.Errorf("BearerToken(%q): %v matches both or none", value, err)
		case len(value) > 8 && strings.Contains(err.Error(), value):
			t.Errorf("BearerToken(%q): the error shows the value: %v", value, err)
		}
	})
}

// FuzzFromCookie: a token that FromCookie finds is the one cookie of that name
// that net/http finds.
func FuzzFromCookie(f *testing.F) {
	for _, seed := range []string{"token=a.b.c", "x=1; token=a", "token=a; token=b", `token="a"`, "token", ";;token=;", "token =a", "token=a=b"} {
		f.Add(seed)
	}
	extract := jwkshttp.FromCookie("token")
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n") { // no server lets it through
			return
		}
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		token, err := extract(r)
		theirs := r.CookiesNamed("token")
		switch {
		case err != nil && (token != "" || !errors.Is(err, jwkshttp.ErrMalformed)):
			t.Errorf("%q: %q, %v", header, token, err)
		case token != "" && (len(theirs) != 1 || theirs[0].Value != token):
			t.Errorf("%q: %q, net/http has %v", header, token, theirs)
		case err == nil && token == "" && len(theirs) > 0 && theirs[0].Value != "":
			t.Errorf("%q: nothing, net/http has %v", header, theirs)
		}
	})
}
