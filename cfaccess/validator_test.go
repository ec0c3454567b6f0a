package cfaccess_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestTeamNameCannotBendTheURL: a team is one DNS label, and anything else is
// refused before there is a URL.
func TestTeamNameCannotBendTheURL(t *testing.T) {
	for _, name := range []string{
		"", " ", "evil.com/", "evil.com", "a.b", "a/b", "a/../b", "/", "//evil.com", `a\b`, "a:b", "a:443", "a@b", "user:pass@evil.com/",
		"a?b", "a#b", "a%2eb", "a%00b", "%61", "Team", "TEAM", "tEam", "täm", "téam", "tеam" /* Cyrillic e */, "ｔeam", "team。", "xn--\u00e4",
		"-team", "team-", "-", "te am", "team ", " team", "team\n", "team\t", "team\x00", "te_am", "team.", ".team", "*", "{tenantid}",
		strings.Repeat("a", 64), strings.Repeat("a", 1<<16), "my-team.cloudflareaccess.com", "https://my-team.cloudflareaccess.com",
	} {
		v, err := cfaccess.New(name, audience)
		if v != nil || !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("New(%.70q) = %v, %v, want ErrConfig", name, v, err)
			continue
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\x00") || len(text) > 600 {
			t.Errorf("New(%.70q): the error is no readable line: %.700q", name, text)
		}
		// Nor does another base make up for it.
		if _, err := cfaccess.New(name, audience, cfaccess.WithBaseURL("https://access.example")); !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("New(%.70q) with a base: %v, want ErrConfig", name, err)
		}
	}
	for _, name := range []string{"a", "7", "my-team", "my--team", "xn--tm-yia", strings.Repeat("a", 63)} {
		v, err := cfaccess.New(name, audience)
		if err != nil {
			t.Errorf("New(%q): %v", name, err)
			continue
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTeamNameGivenAsHostGetsAHint(t *testing.T) {
	for _, name := range []string{"my-team.cloudflareaccess.com", "https://my-team.cloudflareaccess.com/", "My-Team"} {
		_, err := cfaccess.New(name, audience)
		if err == nil || !strings.Contains(err.Error(), "such as my-team") {
			t.Errorf("New(%q): %v, want a hint", name, err)
		}
	}
}

func TestNewReportsEveryProblem(t *testing.T) {
	_, err := cfaccess.New("a.b", "",
		nil,
		cfaccess.WithHTTPClient(nil),
		cfaccess.WithBaseURL("ftp://x"),
		cfaccess.WithClientOptions(jwks.WithTTL(-1), nil),
		cfaccess.WithVerifierOptions(jwks.WithLeeway(-1), jwks.WithAlgorithms("HS256")),
	)
	if !errors.Is(err, jwks.ErrConfig) {
		t.Fatalf("%v, want ErrConfig", err)
	}
	for _, want := range []string{"a.b", "audience is empty", "option is nil", "WithHTTPClient", "WithBaseURL", "WithTTL", "NewClient", "WithLeeway", "WithAlgorithms"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in:\n%v", want, err)
		}
	}
	for _, unwanted := range []string{"source is nil", "issuer is not decided", "WithAudience"} {
		if strings.Contains(err.Error(), unwanted) {
			t.Errorf("%q is no problem of the caller's:\n%v", unwanted, err)
		}
	}
}

func TestAudienceCannotBeOptedOutOf(t *testing.T) {
	_, err := cfaccess.New(team, audience, cfaccess.WithVerifierOptions(jwks.WithoutAudienceCheck()))
	if !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("%v, want ErrConfig", err)
	}
}

func TestBaseURLIsChecked(t *testing.T) {
	elsewhere := cfaccess.WithClientOptions(jwks.WithIssuer(teamURL), jwks.WithJWKSURL(teamURL+"/certs"))
	for _, test := range []struct {
		base string
		opts []cfaccess.Option
		ok   bool
	}{
		{"https://access.example", nil, true},
		{"https://access.example/", nil, true},
		{"http://127.0.0.1:8080", nil, true},
		{"http://localhost", nil, true},
		{"http://access.example", nil, false},
		{"http://access.example", []cfaccess.Option{elsewhere}, false}, // the token would still go there
		{"http://access.example", []cfaccess.Option{cfaccess.WithClientOptions(jwks.AllowInsecureHTTP())}, true},
		{"", nil, false},
		{"access.example", nil, false},
		{"/access", nil, false},
		{"https://u:p@access.example", nil, false},
		{"https://access.example?x=", nil, false},
		{"https://access.example#x", nil, false},
	} {
		v, err := cfaccess.New(team, audience, append(test.opts, cfaccess.WithBaseURL(test.base))...)
		if test.ok != (err == nil) || !test.ok && !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("WithBaseURL(%q): %v, want ok = %v", test.base, err, test.ok)
		}
		if v != nil {
			_ = v.Close()
		}
	}
}

// TestEverythingIsDerivedFromTeamAndAudience: the issuer, the place of the keys,
// and no other request.
func TestEverythingIsDerivedFromTeamAndAudience(t *testing.T) {
	a := newAccess(t, teamURL)
	var asked []string
	v := newValidator(t, a, cfaccess.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		return a.RoundTrip(r)
	})}))
	token, err := v.Verify(t.Context(), a.person())
	if err != nil {
		t.Fatal(err)
	}
	if token.Issuer() != teamURL || token.Subject() != alice {
		t.Errorf("issuer %s, subject %s", token.Issuer(), token.Subject())
	}
	if len(asked) != 1 || asked[0] != teamURL+"/cdn-cgi/access/certs" {
		t.Errorf("asked for %q", asked)
	}
}

// TestBaseURLIsTheIssuer: byte for byte, while the places below it are found
// with and without a slash at its end.
func TestBaseURLIsTheIssuer(t *testing.T) {
	for _, base := range []string{"https://access.example", "https://access.example/", "https://access.example/tenant"} {
		a := newAccess(t, "https://access.example")
		var asked []string
		v := newValidator(t, a, cfaccess.WithBaseURL(base), cfaccess.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.String())
			r.URL.Path = "/cdn-cgi/access/certs"
			return a.RoundTrip(r)
		})}))
		claims := personClaims()
		claims["iss"] = base
		if _, err := v.Verify(t.Context(), a.Sign(claims)); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if want := strings.TrimSuffix(base, "/") + "/cdn-cgi/access/certs"; len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: asked for %q, want %s", base, asked, want)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	a, other := newAccess(t, teamURL), newAccess(t, "https://other-team.cloudflareaccess.com")
	v := newValidator(t, a)
	with := func(name string, value any) string {
		claims := personClaims()
		claims[name] = value
		return a.Sign(claims)
	}
	for _, test := range []struct {
		rule, token string
		want        error
	}{
		{"another team", other.person(), jwt.ErrTokenSignatureInvalid},
		{"another team's name", with("iss", other.URL()), jwt.ErrTokenInvalidIssuer},
		{"the team's name with a slash", with("iss", teamURL+"/"), jwt.ErrTokenInvalidIssuer},
		{"another application", with("aud", "other"), jwt.ErrTokenInvalidAudience},
		{"no audience", with("aud", nil), jwt.ErrTokenRequiredClaimMissing},
		{"expired", with("exp", time.Now().Add(-time.Hour).Unix()), jwt.ErrTokenExpired},
		{"no JWT", "x", jwt.ErrTokenMalformed},
	} {
		if _, err := v.Verify(t.Context(), test.token); !errors.Is(err, jwks.ErrTokenInvalid) || !errors.Is(err, test.want) {
			t.Errorf("%s: Verify: %v, want %v", test.rule, err, test.want)
		}
		if u, err := v.VerifyUser(t.Context(), test.token); !errors.Is(err, jwks.ErrTokenInvalid) || u != (cfaccess.User{}) {
			t.Errorf("%s: VerifyUser: %v, %v", test.rule, u, err)
		}
		if email, err := v.VerifyEmail(t.Context(), test.token); !errors.Is(err, jwks.ErrTokenInvalid) || email != "" || errors.Is(err, cfaccess.ErrNoEmail) {
			t.Errorf("%s: VerifyEmail: %v, %v", test.rule, email, err)
		}
	}
}

func TestServiceTokensAreToldApart(t *testing.T) {
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	claims := func(name string, value any) string {
		c := personClaims()
		c[name] = value
		return a.Sign(c)
	}
	person := cfaccess.User{Subject: alice, Email: "alice@example.com", Country: "US"}
	noEmail := person
	noEmail.Email = ""
	for _, test := range []struct {
		rule, token string
		want        cfaccess.User
	}{
		{"a person", a.person(), person},
		{"a service token", a.service(), cfaccess.User{CommonName: servicesName}},
		{"no e-mail", claims("email", nil), noEmail},
		{"an e-mail that is no string", claims("email", []string{"alice@example.com"}), noEmail},
		{"an e-mail under a name in another case", a.Sign(map[string]any{"aud": audience, "sub": alice, "country": "US", "EMAIL": "alice@example.com"}), noEmail},
		{"an e-mail with escapes", claims("email", "<alice>@example.com"), cfaccess.User{Subject: alice, Email: "<alice>@example.com", Country: "US"}},
	} {
		u, err := v.VerifyUser(t.Context(), test.token)
		if err != nil || u != test.want {
			t.Errorf("%s: VerifyUser = %+v, %v, want %+v", test.rule, u, err, test.want)
		}
		email, err := v.VerifyEmail(t.Context(), test.token)
		if email != test.want.Email || (email == "") != errors.Is(err, cfaccess.ErrNoEmail) || err != nil && !errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%s: VerifyEmail = %q, %v, want %q", test.rule, email, err, test.want.Email)
		}
	}
}

func TestUnreachableKeysAreUnavailable(t *testing.T) {
	a := newAccess(t, teamURL)
	a.SetFault(jwkstest.Status(403))
	v := newValidator(t, a)
	for name, verify := range map[string]func() error{
		"Verify":      func() error { _, err := v.Verify(t.Context(), a.person()); return err },
		"VerifyUser":  func() error { _, err := v.VerifyUser(t.Context(), a.person()); return err },
		"VerifyEmail": func() error { _, err := v.VerifyEmail(t.Context(), a.person()); return err },
		"Identity":    func() error { _, err := v.Identity(t.Context(), a.person()); return err },
	} {
		if err := verify(); !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	if n := len(a.requests()); n != 0 {
		t.Errorf("a token that was not verified was sent %d times", n)
	}
}

func TestOptionsReachClientAndVerifier(t *testing.T) {
	a := newAccess(t, teamURL)
	refused := errors.New("not today")
	v := newValidator(t, a,
		cfaccess.WithClientOptions(jwks.WithJWKSURL(a.JWKSURL())),
		cfaccess.WithVerifierOptions(jwks.WithMaxTokenSize(10)),
		cfaccess.WithClientOptions(jwks.WithHTTPClient(a.HTTPClient())))
	if _, err := v.Verify(t.Context(), a.person()); !errors.Is(err, jwks.ErrTokenTooLarge) {
		t.Errorf("%v, want ErrTokenTooLarge", err)
	}
	v = newValidator(t, a,
		cfaccess.WithClientOptions(jwks.WithJWKSURL(a.JWKSURL())),
		cfaccess.WithClientOptions(jwks.WithHTTPClient(a.HTTPClient())),
		cfaccess.WithVerifierOptions(jwks.WithCheck(failWith(refused))))
	if _, err := v.Verify(t.Context(), a.person()); !errors.Is(err, refused) {
		t.Errorf("%v, want the error of the check", err)
	}
	if a.Requests().JWKS != 1 {
		t.Errorf("%d requests to the URL of WithJWKSURL, want 1", a.Requests().JWKS)
	}
}

func TestCloseEndsTheValidator(t *testing.T) {
	a := newAccess(t, teamURL)
	v := newValidator(t, a)
	token := a.person()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := v.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := v.Identity(t.Context(), token); !errors.Is(err, jwks.ErrClosed) || len(a.requests()) != 0 {
		t.Errorf("Identity after Close: %v, %d requests, want ErrClosed and none", err, len(a.requests()))
	}
}
