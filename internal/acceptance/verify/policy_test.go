package verify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestVerify_Times: the boundaries, as golang-jwt has them.
func TestVerify_Times(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	const now = testkit.Now
	for _, test := range []struct {
		name    string
		opts    verifierOptions
		claims  map[string]any
		want    error // nil: accepted
		further error
	}{
		{"exp in the future", nil, map[string]any{"exp": now + 1}, nil, nil},
		{"exp is now, within the leeway", nil, map[string]any{"exp": now}, nil, nil},
		{"the last moment of the leeway", nil, map[string]any{"exp": now - 29.999}, nil, nil},
		{"now is exp and leeway", nil, map[string]any{"exp": now - 30}, jwt.ErrTokenExpired, nil},
		{"a nanosecond before that", nil, map[string]any{"exp": testkit.JSONNumber("1767225570.000000001")}, nil, nil},
		{"exp long past", nil, map[string]any{"exp": 1}, jwt.ErrTokenExpired, nil},
		{"exp 0 is a time, not absence", nil, map[string]any{"exp": 0}, jwt.ErrTokenExpired, nil},
		{"the last second of 9999", nil, map[string]any{"exp": 253402300799}, nil, nil},
		{"no exp", nil, map[string]any{"exp": nil}, jwt.ErrTokenRequiredClaimMissing, nil},
		{"no leeway, exp is now", verifierOptions{jwks.WithLeeway(0)}, map[string]any{"exp": now}, jwt.ErrTokenExpired, nil},
		{"no leeway, exp just after now", verifierOptions{jwks.WithLeeway(0)}, map[string]any{"exp": now + 0.001}, nil, nil},
		{"a large leeway", verifierOptions{jwks.WithLeeway(1<<63 - 1)}, map[string]any{"exp": 1, "nbf": 4e9, "iat": 4e9}, nil, nil},

		{"nbf past", nil, map[string]any{"nbf": now - 1}, nil, nil},
		{"nbf within the leeway", nil, map[string]any{"nbf": now + 30}, nil, nil},
		{"nbf past the leeway", nil, map[string]any{"nbf": now + 30.001}, jwt.ErrTokenNotValidYet, nil},
		{"nbf in 9999", nil, map[string]any{"nbf": 253402300799}, jwt.ErrTokenNotValidYet, nil},
		{"nbf now without leeway", verifierOptions{jwks.WithLeeway(0)}, map[string]any{"nbf": now}, nil, nil},

		{"iat within the leeway", nil, map[string]any{"iat": now + 30}, nil, nil},
		{"iat in the future", nil, map[string]any{"iat": now + 31}, jwt.ErrTokenUsedBeforeIssued, nil},
		{"no iat", nil, map[string]any{"iat": nil}, nil, nil},

		{"WithoutExpiry: no exp", verifierOptions{jwks.WithoutExpiry()}, map[string]any{"exp": nil}, nil, nil},
		{"WithoutExpiry: exp past", verifierOptions{jwks.WithoutExpiry()}, map[string]any{"exp": now - 31}, jwt.ErrTokenExpired, nil},
		{"WithoutExpiry: a null exp", verifierOptions{jwks.WithoutExpiry()}, map[string]any{"exp": testkit.JSONNull}, jwt.ErrTokenInvalidClaims, nil},
		{"WithoutExpiry: exp required by name", verifierOptions{jwks.WithoutExpiry(), jwks.WithRequiredClaims("exp")}, map[string]any{"exp": nil}, jwt.ErrTokenRequiredClaimMissing, nil},

		{"WithoutTimeChecks: all wrong", verifierOptions{jwks.WithoutTimeChecks()}, map[string]any{"exp": 1, "nbf": 4e9, "iat": 4e9}, nil, nil},
		{"WithoutTimeChecks: all absent", verifierOptions{jwks.WithoutTimeChecks()}, map[string]any{"exp": nil, "iat": nil}, nil, nil},
		{"WithoutTimeChecks: of the wrong form", verifierOptions{jwks.WithoutTimeChecks()}, map[string]any{"exp": "1"}, jwt.ErrTokenInvalidClaims, nil},
		{"WithoutTimeChecks: no age either", verifierOptions{jwks.WithoutTimeChecks(), jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": nil}, nil, nil},
		{"WithoutTimeChecks: the rest holds", verifierOptions{jwks.WithoutTimeChecks()}, map[string]any{"aud": "other"}, jwt.ErrTokenInvalidAudience, nil},

		{"WithMaxTokenAge: young", verifierOptions{jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": now - 60}, nil, nil},
		{"WithMaxTokenAge: within the leeway", verifierOptions{jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": now - 90}, nil, nil},
		{"WithMaxTokenAge: too old", verifierOptions{jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": now - 90.001}, jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims},
		{"WithMaxTokenAge: no iat", verifierOptions{jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": nil}, jwt.ErrTokenRequiredClaimMissing, nil},
		{"WithMaxTokenAge: not by exp", verifierOptions{jwks.WithMaxTokenAge(time.Minute)}, map[string]any{"iat": now - 3600, "exp": now + 3600}, jwt.ErrTokenExpired, nil},
		{"WithMaxTokenAge: the longest", verifierOptions{jwks.WithMaxTokenAge(1<<63 - 1), jwks.WithLeeway(1<<63 - 1)}, map[string]any{"iat": 0}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := testkit.NewVerifier(t, set, test.opts...)
			token := s.Token(testkit.Payload(test.claims))
			if test.want == nil {
				testkit.Accept(t, v, token)
				return
			}
			testkit.Refuse(t, v, token, test.want, jwks.ErrTokenInvalid)
			if test.further != nil {
				testkit.Refuse(t, v, token, test.further)
			}
		})
	}
}

func TestVerify_Audience(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	any2, all2 := jwks.WithAudience("a", "b"), jwks.WithAllAudiences("a", "b")
	for _, test := range []struct {
		name string
		opt  verifierOptions
		aud  any
		want error
	}{
		{"one of two", verifierOptions{any2}, "b", nil},
		{"one of two, in an array", verifierOptions{any2}, []string{"x", "a"}, nil},
		{"none of two", verifierOptions{any2}, []string{"x", "y"}, jwt.ErrTokenInvalidAudience},
		{"another case", verifierOptions{any2}, "A", jwt.ErrTokenInvalidAudience},
		{"a space more", verifierOptions{any2}, "a ", jwt.ErrTokenInvalidAudience},
		{"a part", verifierOptions{jwks.WithAudience("api")}, "ap", jwt.ErrTokenInvalidAudience},
		{"a list in a string", verifierOptions{any2}, "a b", jwt.ErrTokenInvalidAudience},
		{"absent", verifierOptions{any2}, nil, jwt.ErrTokenRequiredClaimMissing},
		{"an empty array", verifierOptions{any2}, []string{}, jwt.ErrTokenInvalidAudience},
		{"an empty string", verifierOptions{any2}, "", jwt.ErrTokenRequiredClaimMissing},
		{"all of two", verifierOptions{all2}, []string{"b", "x", "a"}, nil},
		{"not all of two", verifierOptions{all2}, []string{"b", "x"}, jwt.ErrTokenInvalidAudience},
		{"all of two, absent", verifierOptions{all2}, nil, jwt.ErrTokenRequiredClaimMissing},
		{"any and all", verifierOptions{jwks.WithAudience("x", "y"), all2}, []string{"a", "b", "y"}, nil},
		{"any but not all", verifierOptions{jwks.WithAudience("x", "y"), all2}, []string{"a", "y"}, jwt.ErrTokenInvalidAudience},
		{"all but not any", verifierOptions{jwks.WithAudience("x", "y"), all2}, []string{"a", "b"}, jwt.ErrTokenInvalidAudience},
		{"the later list wins", verifierOptions{any2, jwks.WithAudience("c")}, "a", jwt.ErrTokenInvalidAudience},
		{"not looked at", verifierOptions{jwks.WithoutAudienceCheck()}, "x", nil},
		{"not looked at, absent", verifierOptions{jwks.WithoutAudienceCheck()}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := testkit.NewBareVerifier(t, set, append(test.opt, jwks.WithExpectedIssuer(testkit.Issuer))...)
			token := s.Token(testkit.Payload(map[string]any{"aud": test.aud}))
			if test.want == nil {
				testkit.Accept(t, v, token)
			} else {
				testkit.Refuse(t, v, token, test.want, jwks.ErrTokenInvalid)
			}
		})
	}
}

func TestVerify_Issuer(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer("https://a.example", "https://b.example/"))
	for _, iss := range []string{"https://a.example", "https://b.example/"} {
		testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"iss": iss})))
	}
	for _, iss := range []string{"https://a.example/", "https://b.example", "https://A.example", "HTTPS://a.example", "https://a.example\u0000", " https://a.example", "a.example", "https://c.example"} {
		err := testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"iss": iss})), jwt.ErrTokenInvalidIssuer)
		if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
			t.Errorf("%q counts as missing: %v", iss, err)
		}
	}
	for _, iss := range []any{nil, "", testkit.JSONNull} {
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"iss": iss})), jwt.ErrTokenRequiredClaimMissing)
	}
	open := testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck())
	for _, iss := range []any{nil, "", "https://anybody.example"} {
		testkit.Accept(t, open, s.Token(testkit.Payload(map[string]any{"iss": iss})))
	}
}

// RFC 8725 section 3.11, RFC 7515 section 4.1.9.
func TestVerify_TokenTypes(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	typed := func(typ string) string {
		return s.Sign(`{"alg":"EdDSA","kid":"k1","typ":`+testkit.Quote(typ)+`}`, testkit.Payload(nil))
	}
	for _, want := range []string{"at+jwt", "application/at+jwt", "AT+JWT", "Application/AT+jwt"} {
		v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenTypes("secevent+jwt", want))
		for _, typ := range []string{"at+jwt", "application/at+jwt", "AT+JWT", "APPLICATION/At+Jwt", "secevent+jwt"} {
			testkit.Accept(t, v, typed(typ))
		}
		for _, typ := range []string{"JWT", "at+jw", "at+jwtx", "/at+jwt", "application/", "text/at+jwt", "application/application/at+jwt",
			"application//at+jwt", " at+jwt", "ſecevent+jwt", ""} {
			testkit.Refuse(t, v, typed(typ), jwks.ErrTokenInvalid)
		}
		testkit.Refuse(t, v, s.Sign(`{"alg":"EdDSA","kid":"k1"}`, testkit.Payload(nil)), jwks.ErrTokenInvalid)
	}
	// "application/" may be left out only where no other slash follows.
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenTypes("x/y"))
	testkit.Accept(t, v, typed("X/Y"))
	testkit.Refuse(t, v, typed("application/x/y"), jwks.ErrTokenInvalid)
	testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s)), typed("anything/at/all"))
}

func TestVerify_RequiredClaims(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithRequiredClaims("email", "sub"), jwks.WithRequiredClaims("jti", "exp"))
	testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"email": "", "jti": "1"})))
	testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"email": []int{}, "jti": "1"})))
	for name, claims := range map[string]map[string]any{
		"email":       {"jti": "1", "Email": "x", "EMAIL": "x"},
		"a null one":  {"email": testkit.JSONNull, "jti": "1"},
		"jti":         {"email": "x"},
		"sub":         {"email": "x", "jti": "1", "sub": nil},
		"all of them": {"sub": nil},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.Refuse(t, v, s.Token(testkit.Payload(claims)), jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidClaims)
		})
	}
	err := testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"sub": nil, "exp": nil})))
	for _, name := range []string{"email", "sub", "jti", "exp"} {
		if strings.Count(err.Error(), ": "+name+" claim is required") != 1 {
			t.Errorf("%s is not named once: %v", name, err)
		}
	}
}

func TestVerify_RequiredClaimWithOddName(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithRequiredClaims("https://example.com/roles", "two\nlines"))
	err := testkit.Refuse(t, v, s.Token(testkit.Payload(nil)), jwt.ErrTokenRequiredClaimMissing)
	for _, want := range []string{": https://example.com/roles claim is required", `: "two\nlines" claim is required`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"https://example.com/roles": 1, "two\nlines": 2})))
}

// TestVerify_AuthorizedParties: OpenID Connect Core 1.0 section 3.1.3.7.
func TestVerify_AuthorizedParties(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAuthorizedParties("web", "app"))
	testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"azp": "app"})))
	for _, azp := range []any{"App", "app ", "", "other", 1, []string{"app"}, map[string]any{"app": 1}} {
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"azp": azp})), jwt.ErrTokenInvalidClaims)
	}
	for _, azp := range []any{nil, testkit.JSONNull} {
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"azp": azp})), jwt.ErrTokenRequiredClaimMissing)
	}
}

func TestVerify_AccessTokenProfile(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	header := `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`
	with := func(claims map[string]any) string {
		all := map[string]any{"client_id": "web", "jti": "1"}
		for name, value := range claims {
			all[name] = value
		}
		return testkit.Payload(all)
	}
	loose := verifierOptions{jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutExpiry(), jwks.WithAccessTokenProfile()}
	for _, v := range []*jwks.Verifier{
		testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAccessTokenProfile()),
		testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), loose...), // what the profile demands is not for others to drop
	} {
		testkit.Accept(t, v, s.Sign(header, with(nil)))
		testkit.Accept(t, v, s.Sign(strings.Replace(header, "at+jwt", "application/AT+JWT", 1), with(nil)))
		for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
			err := testkit.Refuse(t, v, s.Sign(header, with(map[string]any{name: nil})), jwt.ErrTokenRequiredClaimMissing)
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s is not named: %v", name, err)
			}
			if name != "exp" && name != "iat" {
				testkit.Refuse(t, v, s.Sign(header, with(map[string]any{name: ""})), jwt.ErrTokenRequiredClaimMissing)
			}
		}
		testkit.Refuse(t, v, s.Sign(header, with(map[string]any{"client_id": 1})), jwt.ErrTokenInvalidClaims)
		testkit.Refuse(t, v, s.Sign(header, with(map[string]any{"aud": []string{}})), jwt.ErrTokenRequiredClaimMissing)
		testkit.Refuse(t, v, s.Token(with(nil)), jwks.ErrTokenInvalid) // typ is JWT
		testkit.Refuse(t, v, s.Sign(`{"alg":"EdDSA","kid":"k1"}`, with(nil)), jwks.ErrTokenInvalid)
	}
	both := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAccessTokenProfile(), jwks.WithTokenTypes("JWT"))
	testkit.Refuse(t, both, s.Sign(header, with(nil)), jwks.ErrTokenInvalid) // options do not loosen each other
}

// TestVerify_ReportsEveryFailure in one line, with what was expected and
// what came.
func TestVerify_ReportsEveryFailure(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenTypes("at+jwt"), jwks.WithAuthorizedParties("web"), jwks.WithRequiredClaims("email"), jwks.WithMaxTokenAge(time.Hour))
	err := testkit.Refuse(t, v, s.Token(`{"iss":"https://evil.example","aud":["a","b","c","d","e"],"exp":1572006964,"nbf":1767225631,"iat":1572006954.25,"azp":"cli"}`),
		jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidClaims)
	const want = `jwks: token invalid: ` +
		`token is expired: exp 2019-10-25T12:36:04Z, now 2026-01-01T00:00:00Z, leeway 30s; ` +
		`token is not valid yet: nbf 2026-01-01T00:00:31Z, now 2026-01-01T00:00:00Z, leeway 30s; ` +
		`token has invalid audience: aud ["a" "b" "c" "d" …] has none of ["api"]; ` +
		`iss is "https://evil.example", want "https://issuer.example"; ` +
		`typ is "JWT", want "at+jwt"; ` +
		`azp is "cli", want "web"; ` +
		`token is missing required claim: email claim is required; ` +
		`token is too old: iat 2019-10-25T12:35:54.25Z, now 2026-01-01T00:00:00Z, leeway 30s, want at most 1h0m0s ago`
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
}

// TestVerify_QuotesForeignText: a claim can neither break the line nor fill it.
func TestVerify_QuotesForeignText(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithAuthorizedParties("web"), jwks.WithTokenTypes("JWT"))
	evil := "\n\x1b[31m" + strings.Repeat("\u202e!", 2000)
	err := testkit.Refuse(t, v, s.Sign(`{"alg":"EdDSA","kid":"k1","typ":`+testkit.Quote(evil)+`}`,
		testkit.Payload(map[string]any{"iss": evil, "aud": []string{evil, evil, evil, evil, evil, evil}, "azp": evil})), jwks.ErrTokenInvalid)
	for _, r := range err.Error() {
		if r < ' ' || r == '\u202e' {
			t.Fatalf("%q is in the error: %q", r, err.Error())
		}
	}
	testkit.Refuse(t, v, s.Sign(`{"alg":`+testkit.Quote(evil)+`,"kid":"k1"}`, testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed)
	testkit.Refuse(t, v, s.Sign(`{"alg":"EdDSA","kid":`+testkit.Quote(evil)+`}`, testkit.Payload(nil)), jwks.ErrKeyNotFound)
}

func TestVerify_Checks(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	token := s.Token(testkit.Payload(nil))
	mine, other := errors.New("user is blocked"), errors.New("tenant is blocked")
	away := &jwks.FetchError{URL: "https://policy.example", StatusCode: 500}
	check := func(err error) jwks.VerifierOption {
		return jwks.WithCheck(func(context.Context, *jwks.Token) error { return err })
	}
	both := errors.Join(jwks.ErrTokenInvalid, jwks.ErrUnavailable)
	for _, test := range []struct {
		name string
		opts verifierOptions
		want []error // nil: accepted
		not  error
	}{
		{"no check objects", verifierOptions{check(nil), check(nil)}, nil, nil},
		{"one objects", verifierOptions{check(nil), check(mine)}, []error{jwks.ErrTokenInvalid, mine}, jwks.ErrUnavailable},
		{"both object", verifierOptions{check(mine), check(other)}, []error{jwks.ErrTokenInvalid, mine, other}, jwks.ErrUnavailable},
		{"with a class", verifierOptions{check(jwks.ErrTokenInvalid)}, []error{jwks.ErrTokenInvalid}, jwks.ErrUnavailable},
		{"one could not decide", verifierOptions{check(nil), check(away)}, []error{jwks.ErrUnavailable, away}, jwks.ErrTokenInvalid},
		{"one objects, one could not decide", verifierOptions{check(away), check(mine)}, []error{jwks.ErrTokenInvalid, mine}, jwks.ErrUnavailable},
		{"an error of both classes", verifierOptions{check(both)}, []error{jwks.ErrUnavailable}, jwks.ErrTokenInvalid},
		{"an error of both classes and an objection", verifierOptions{check(both), check(mine)}, []error{jwks.ErrTokenInvalid, mine}, jwks.ErrUnavailable},
		{"a sentinel of golang-jwt", verifierOptions{check(jwt.ErrTokenInvalidSubject)}, []error{jwks.ErrTokenInvalid, jwt.ErrTokenInvalidSubject}, jwks.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := testkit.NewVerifier(t, set, test.opts...)
			if test.want == nil {
				testkit.Accept(t, v, token)
				return
			}
			if err := testkit.Refuse(t, v, token, test.want...); errors.Is(err, test.not) {
				t.Errorf("%v matches %v", err, test.not)
			}
		})
	}

	t.Run("what a check gets", func(t *testing.T) {
		type key struct{}
		ctx := context.WithValue(context.Background(), key{}, "value")
		calls := 0
		v := testkit.NewVerifier(t, set, jwks.WithCheck(func(got context.Context, tok *jwks.Token) error {
			calls++
			if got != ctx || tok.Subject() != "user" || tok.Raw() != token || tok.Key() == nil {
				t.Errorf("the check got %v and %v", got, tok)
			}
			return nil
		}))
		if _, err := v.Verify(ctx, token); err != nil || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
	t.Run("only when all built-in checks passed", func(t *testing.T) {
		v := testkit.NewVerifier(t, set, jwks.WithCheck(func(context.Context, *jwks.Token) error {
			t.Error("the check ran")
			return nil
		}))
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"exp": 1})), jwt.ErrTokenExpired)
		testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"aud": "x"})), jwt.ErrTokenInvalidAudience)
		testkit.Refuse(t, v, testkit.NewSigner(t, "EdDSA", "k1").Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
		testkit.Refuse(t, v, s.Token("null"), jwt.ErrTokenMalformed)
	})
	t.Run("an error of this package keeps its text", func(t *testing.T) {
		v := testkit.NewVerifier(t, set, jwks.WithCheck(func(_ context.Context, tok *jwks.Token) error {
			_, err := jwks.ClaimsAs[struct {
				Sub int `json:"sub"`
			}](tok)
			return err
		}))
		if err := testkit.Refuse(t, v, token, jwt.ErrTokenInvalidClaims); err.Error() != `jwks: token invalid: check: claim "sub" does not fit int` {
			t.Error(err)
		}
	})
	t.Run("a text over several lines", func(t *testing.T) {
		testkit.Refuse(t, testkit.NewVerifier(t, set, check(errors.New("one\ntwo"+strings.Repeat("!", 5000)))), token, jwks.ErrTokenInvalid)
	})
}
