package cfaccess_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/cfaccess"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func failWith(err error) func(context.Context, *jwks.Token) error {
	return func(context.Context, *jwks.Token) error { return err }
}

// identity is a document as Access gives it, with these members in place of
// its own.
func identity(members string) string {
	return `{"id":"x","name":"Alice","email":"alice@example.com","amr":["pwd"],"oidc_fields":{"principalName":"alice"},` +
		`"devicePosture":{},"account_id":"699d98642c564d2e855e9661899b7252","iat":1659474457,` +
		`"idp":{"id":"f174e90a","type":"azureAD"},"geo":{"country":"PT"},"ip":"203.0.113.7",` +
		`"auth_status":"NONE","is_warp":false,` + members + `}`
}

func TestIdentityIsRead(t *testing.T) {
	a := newAccess(t, teamURL)
	document := identity(`"user_uuid":"` + alice + `","groups":["admins",{"id":"g2","name":"everyone"},{"id":"g3","email":"ops@example.com"},{"id":"g4"},{"ID":"g5"},7,null,"",[]]`)
	a.answer = func(*http.Request) *http.Response { return response(200, document) }
	v := newValidator(t, a)
	id, err := v.Identity(t.Context(), "Bearer "+a.person())
	if err != nil {
		t.Fatal(err)
	}
	want := cfaccess.Identity{
		Email: "alice@example.com", UserUUID: alice, AccountID: "699d98642c564d2e855e9661899b7252",
		Name: "Alice", IP: "203.0.113.7", Country: "PT",
		Groups: []string{"admins", "everyone", "ops@example.com", "g4"},
	}
	want.IDP.ID, want.IDP.Type = "f174e90a", "azureAD"
	got := *id
	got.Raw = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if string(id.Raw) != document {
		t.Errorf("Raw is %s", id.Raw)
	}

	requests := a.requests()
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	r := requests[0]
	if r.Method != "GET" || r.URL.String() != teamURL+"/cdn-cgi/access/get-identity" || r.Header.Get("Authorization") != "" {
		t.Errorf("asked %s %s with %v", r.Method, r.URL, r.Header)
	}
	if c := r.Cookies(); len(c) != 1 || c[0].Name != "CF_Authorization" || strings.Count(c[0].Value, ".") != 2 || strings.Contains(c[0].Value, " ") {
		t.Errorf("cookies %v, want the token alone", c)
	}
}

// TestIdentityIsTolerantOfShapes: identity providers differ, and what one says
// in an odd way is left out.
func TestIdentityIsTolerantOfShapes(t *testing.T) {
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	uuid := `"user_uuid":"` + alice + `"`
	for _, test := range []struct {
		rule, document string
		groups         []string
	}{
		{"nothing but the user", `{` + uuid + `}`, nil},
		{"nulls", `{` + uuid + `,"groups":null,"geo":null,"idp":null,"email":null,"name":null}`, nil},
		{"other types", `{` + uuid + `,"groups":7,"geo":"PT","idp":[],"email":{},"name":["x"],"ip":1}`, nil},
		{"groups as one string", `{` + uuid + `,"groups":"admins"}`, nil},
		{"no groups", `{` + uuid + `,"groups":[]}`, nil},
		{"a group whose name is no string", `{` + uuid + `,"groups":[{"name":7,"id":"g1"}]}`, []string{"g1"}},
		{"a group with two names", `{` + uuid + `,"groups":[{"name":"admins","name":"users"}]}`, nil},
		{"a group with an empty name", `{` + uuid + `,"groups":[{"name":"","email":"g@example.com"}]}`, []string{"g@example.com"}},
		{"a lone surrogate in a name", `{` + uuid + `,"name":"\ud800","groups":["\ud800","ok"]}`, []string{"ok"}},
		{"white space around", " \n{" + uuid + "}\n", nil},
	} {
		a.answer = func(*http.Request) *http.Response { return response(200, test.document) }
		id, err := v.Identity(t.Context(), a.person())
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		if id.UserUUID != alice || id.Email != "" || id.Name != "" || id.IP != "" || id.Country != "" || id.IDP.ID != "" || !slices.Equal(id.Groups, test.groups) {
			t.Errorf("%s: %+v, want groups %v and nothing else", test.rule, id, test.groups)
		}
	}
}

// TestIdentityNotDecidedIsUnavailable: a failing endpoint is not the user's
// fault.
func TestIdentityNotDecidedIsUnavailable(t *testing.T) {
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	redirect := func(to string) *http.Response {
		r := response(302, "")
		r.Header.Set("Location", to)
		return r
	}
	for _, test := range []struct {
		rule   string
		answer *http.Response
		status int // of the FetchError; -1: none
	}{
		{"another user", response(200, identity(`"user_uuid":"57cf8cf2-f55a-4588-9ac9-f5e41e9f09b4"`)), -1},
		{"no user", response(200, identity(`"x":1`)), -1},
		{"an empty user", response(200, identity(`"user_uuid":""`)), -1},
		{"a user that is no string", response(200, identity(`"user_uuid":["`+alice+`"]`)), -1},
		{"a user in another case", response(200, identity(`"user_uuid":"`+strings.ToUpper(alice)+`"`)), -1},
		{"a user under a name in another case", response(200, identity(`"USER_UUID":"`+alice+`"`)), -1},
		{"two users", response(200, identity(`"user_uuid":"x","user_uuid":"`+alice+`"`)), -1},
		{"no JSON", response(200, "<html>"), -1},
		{"nothing", response(200, ""), -1},
		{"an array", response(200, `[{"user_uuid":"`+alice+`"}]`), -1},
		{"something behind it", response(200, identity(`"user_uuid":"`+alice+`"`)+"{}"), -1},
		{"too long", response(200, identity(`"user_uuid":"`+alice+`","x":"`+strings.Repeat("x", 1<<20)+`"`)), 200},
		{"no content", response(204, ""), 204},
		{"401", response(401, `{}`), 401},
		{"403", response(403, `{}`), 403},
		{"404", response(404, `{}`), 404},
		{"500", response(500, `{}`), 500},
		{"a redirect on the host", redirect("/elsewhere"), 302},
		{"a redirect to a login page", redirect("https://idp.example/login"), 302},
	} {
		before := len(a.requests())
		a.answer = func(*http.Request) *http.Response { return test.answer }
		token := a.person()
		id, err := v.Identity(t.Context(), token)
		if id != nil || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%s: %v, %v, want ErrUnavailable", test.rule, id, err)
			continue
		}
		if n := len(a.requests()) - before; n != 1 {
			t.Errorf("%s: %d requests, want 1", test.rule, n)
		}
		var fetch *jwks.FetchError
		if got := errors.As(err, &fetch); got != (test.status >= 0) || got && fetch.StatusCode != test.status {
			t.Errorf("%s: %v, want a FetchError with status %d", test.rule, err, test.status)
		}
		checkSecret(t, test.rule, err, token)
	}
}

// TestIdentityIsAskedOnlyForVerifiedTokens: the endpoint never sees what did
// not verify, nor a service token, which has no identity.
func TestIdentityIsAskedOnlyForVerifiedTokens(t *testing.T) {
	a, other := newAccess(t, teamURL), newAccess(t, "https://other-team.cloudflareaccess.com")
	v := newValidator(t, a)
	expired := personClaims()
	expired["exp"] = time.Now().Add(-time.Hour).Unix()
	for rule, token := range map[string]string{
		"empty": "", "no JWT": "x", "another team": other.person(), "expired": a.Sign(expired), "forged": a.person()[:200] + strings.Repeat("A", 86),
	} {
		if _, err := v.Identity(t.Context(), token); !errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%s: %v, want ErrTokenInvalid", rule, err)
		}
	}
	if _, err := v.Identity(t.Context(), a.service()); !errors.Is(err, cfaccess.ErrNoEmail) || !errors.Is(err, jwks.ErrTokenInvalid) {
		t.Errorf("a service token: %v, want ErrNoEmail", err)
	}
	if n := len(a.requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// TestIdentityKeepsCookiesOutOfTheJar: one user's session must not be sent with
// another's request, and the user's client stays as it was.
func TestIdentityKeepsCookiesOutOfTheJar(t *testing.T) {
	a := newAccess(t, teamURL)
	a.answer = func(*http.Request) *http.Response {
		r := response(200, identity(`"user_uuid":"`+alice+`"`))
		r.Header.Set("Set-Cookie", "CF_AppSession=x; Path=/")
		return r
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	site, _ := url.Parse(teamURL)
	jar.SetCookies(site, []*http.Cookie{{Name: "CF_Authorization", Value: "someone-else"}})
	client := &http.Client{Transport: a, Jar: jar}
	v := newValidator(t, a, cfaccess.WithHTTPClient(client))
	for range 2 {
		if _, err := v.Identity(t.Context(), a.person()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range a.requests() {
		if c := r.Cookies(); len(c) != 1 || c[0].Value == "someone-else" {
			t.Errorf("sent the cookies %v, want the token alone", c)
		}
	}
	if client.Jar != jar || client.CheckRedirect != nil || len(jar.Cookies(site)) != 1 {
		t.Error("the client or its jar was changed")
	}
}

func TestIdentityWaitsFiveSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccess(t, teamURL)
		a.answer = func(*http.Request) *http.Response { return nil }
		v := newValidator(t, a)
		token := a.person()
		start := time.Now()
		_, err := v.Identity(t.Context(), token)
		if took := time.Since(start); took != 5*time.Second || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v, want ErrUnavailable after 5s, and no deadline of the caller's", err, took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = v.Identity(ctx, token)
		if took := time.Since(start); took != time.Second || !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v, want ErrUnavailable and DeadlineExceeded after the caller's 1s", err, took)
		}
		checkSecret(t, "caller gave up", err, token)
	})
}

// TestIdentityErrorsNeverShowTheToken: not even where the RoundTripper's own
// error does.
func TestIdentityErrorsNeverShowTheToken(t *testing.T) {
	a := newAccess(t, teamURL)
	token := a.person()
	parts := strings.Split(token, ".")
	for _, failure := range []error{
		errors.New("connection refused"),
		errors.New("request failed: Cookie: CF_Authorization=" + token),
		errors.New("…" + parts[2]),
		&url.Error{Op: "Get", URL: teamURL + "?token=" + token, Err: errors.New(parts[1][:40])},
	} {
		v := newValidator(t, a, cfaccess.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/get-identity") {
				return nil, failure
			}
			return a.RoundTrip(r)
		})}))
		_, err := v.Identity(t.Context(), token)
		if !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		checkSecret(t, "failing transport", err, token)
	}
}

// checkSecret looks for the token in an error and everything that it wraps.
func checkSecret(t *testing.T, rule string, err error, token string) {
	t.Helper()
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(err.Error(), part[:16]) {
				t.Errorf("%s: the error shows the token: %v", rule, err)
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
}

// FuzzIdentity: no document makes Identity panic, and none is accepted that
// names another user or is not one JSON object.
func FuzzIdentity(f *testing.F) {
	f.Add([]byte(identity(`"user_uuid":"` + alice + `","groups":["a",{"name":"b"}]`)))
	f.Add([]byte(`{"user_uuid":"` + alice + `"}`))
	f.Add([]byte(`{"user_uuid":"` + alice + `","groups":[[[[{}]]]],"geo":{"country":1}}`))
	f.Add([]byte(`[]`))
	a := newAccess(f, teamURL)
	v := newValidator(f, a)
	token := a.person()
	f.Fuzz(func(t *testing.T, document []byte) {
		a.mu.Lock()
		a.asked = nil
		a.mu.Unlock()
		a.answer = func(*http.Request) *http.Response { return response(200, string(document)) }
		id, err := v.Identity(context.Background(), token)
		switch {
		case err != nil && (id != nil || !errors.Is(err, jwks.ErrUnavailable)):
			t.Errorf("%q: %v, %v", document, id, err)
		case err == nil && (id.UserUUID != alice || !bytes.Equal(id.Raw, document) || !bytes.Contains(document, []byte(`{`))):
			t.Errorf("%q: %+v", document, id)
		}
	})
}
