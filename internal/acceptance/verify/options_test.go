package verify

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestVerify_OptionsRefused(t *testing.T) {
	set := testkit.KeySetOf(t, testkit.NewSigner(t, "EdDSA", "k1"))
	aud, iss := jwks.WithAudience("api"), jwks.WithExpectedIssuer(testkit.Issuer)
	for _, test := range []struct {
		name   string
		source jwks.KeySource
		opts   verifierOptions
		want   string // in the text
	}{
		{"no source", nil, verifierOptions{aud, iss}, "key source is nil"},
		{"a nil client", (*jwks.Client)(nil), verifierOptions{aud, iss}, "key source is nil"},
		{"a nil client, to be asked for its issuer", (*jwks.Client)(nil), verifierOptions{aud}, "key source is nil"},
		{"nil issuers", (*jwks.Issuers)(nil), verifierOptions{aud}, "key source is nil"},
		{"a nil key set", (*jwks.KeySet)(nil), verifierOptions{aud, iss}, "key source is nil"},
		{"a nil function", testkit.SourceFunc(nil), verifierOptions{aud, iss}, "key source is nil"},
		{"a nil pointer of the user's", (*userSource)(nil), verifierOptions{aud, iss}, "key source is nil"},
		{"a nil union", (*jwks.Union)(nil), verifierOptions{aud, iss}, "key source is nil"},
		{"a nil client with rules for an issuer", (*jwks.Client)(nil), verifierOptions{aud, iss, jwks.ForIssuer(testkit.Issuer)}, "key source is nil"},
		{"nil issuers with rules for an issuer", (*jwks.Issuers)(nil), verifierOptions{aud, iss, jwks.ForIssuer(testkit.Issuer)}, "key source is nil"},
		{"a nil union with rules for an issuer", (*jwks.Union)(nil), verifierOptions{aud, iss, jwks.ForIssuer(testkit.Issuer)}, "key source is nil"},
		{"an empty union with rules for an issuer", jwks.AnyOf(), verifierOptions{aud, iss, jwks.ForIssuer(testkit.Issuer)}, "no source"},
		{"a nil option", set, verifierOptions{aud, iss, nil}, "an option is nil"},
		{"a nil option twice", set, verifierOptions{aud, iss, nil, nil}, "an option is nil"},

		{"audience undecided", set, verifierOptions{iss}, "WithAudience"},
		{"audience decided both ways", set, verifierOptions{aud, iss, jwks.WithoutAudienceCheck()}, "contradicts"},
		{"all audiences and none", set, verifierOptions{jwks.WithoutAudienceCheck(), iss, jwks.WithAllAudiences("a")}, "contradicts"},
		{"WithAudience()", set, verifierOptions{jwks.WithAudience(), iss}, "WithAudience: the list is empty"},
		{`WithAudience("")`, set, verifierOptions{jwks.WithAudience(""), iss}, "WithAudience: the list has an empty string"},
		{`WithAudience("api", "")`, set, verifierOptions{jwks.WithAudience("api", ""), iss}, "empty string"},
		{"WithAllAudiences()", set, verifierOptions{jwks.WithAllAudiences(), iss}, "WithAllAudiences"},
		{`WithAllAudiences("")`, set, verifierOptions{jwks.WithAllAudiences(""), iss}, "WithAllAudiences"},

		{"issuer undecided", set, verifierOptions{aud}, "WithExpectedIssuer"},
		{"issuer decided both ways", set, verifierOptions{aud, iss, jwks.WithoutIssuerCheck()}, "contradicts"},
		{"WithExpectedIssuer()", set, verifierOptions{aud, jwks.WithExpectedIssuer()}, "WithExpectedIssuer"},
		{`WithExpectedIssuer("")`, set, verifierOptions{aud, jwks.WithExpectedIssuer("")}, "WithExpectedIssuer"},

		{"WithAlgorithms()", set, verifierOptions{aud, iss, jwks.WithAlgorithms()}, "WithAlgorithms"},
		{`WithAlgorithms("")`, set, verifierOptions{aud, iss, jwks.WithAlgorithms("")}, "empty string"},
		{"none", set, verifierOptions{aud, iss, jwks.WithAlgorithms("none")}, "such as RS256"},
		{"None", set, verifierOptions{aud, iss, jwks.WithAlgorithms("RS256", "None")}, "such as RS256"},
		{"HS256", set, verifierOptions{aud, iss, jwks.WithAlgorithms("HS256")}, "symmetric"},
		{"HS512 among others", set, verifierOptions{aud, iss, jwks.WithAlgorithms("RS256", "HS512")}, "symmetric"},
		{"an encryption algorithm", set, verifierOptions{aud, iss, jwks.WithAlgorithms("RSA-OAEP")}, "want some of RS256"},
		{"another case", set, verifierOptions{aud, iss, jwks.WithAlgorithms("rs256")}, "want some of RS256"},

		{"WithLeeway(-1)", set, verifierOptions{aud, iss, jwks.WithLeeway(-1)}, "WithLeeway: -1ns is negative"},
		{"WithRequiredClaims()", set, verifierOptions{aud, iss, jwks.WithRequiredClaims()}, "WithRequiredClaims"},
		{`WithRequiredClaims("")`, set, verifierOptions{aud, iss, jwks.WithRequiredClaims("sub", "")}, "WithRequiredClaims"},
		{"WithTokenTypes()", set, verifierOptions{aud, iss, jwks.WithTokenTypes()}, "WithTokenTypes"},
		{`WithTokenTypes("")`, set, verifierOptions{aud, iss, jwks.WithTokenTypes("")}, "WithTokenTypes"},
		{"WithTokenTypes of an empty type", set, verifierOptions{aud, iss, jwks.WithTokenTypes("application/")}, "WithTokenTypes"},
		{"WithMaxTokenAge(0)", set, verifierOptions{aud, iss, jwks.WithMaxTokenAge(0)}, "WithMaxTokenAge"},
		{"WithMaxTokenAge(-1)", set, verifierOptions{aud, iss, jwks.WithMaxTokenAge(-time.Hour)}, "WithMaxTokenAge"},
		{"WithAuthorizedParties()", set, verifierOptions{aud, iss, jwks.WithAuthorizedParties()}, "WithAuthorizedParties"},
		{`WithAuthorizedParties("")`, set, verifierOptions{aud, iss, jwks.WithAuthorizedParties("")}, "WithAuthorizedParties"},
		{"WithCheck(nil)", set, verifierOptions{aud, iss, jwks.WithCheck(nil)}, "WithCheck"},
		{"WithMaxTokenSize(0)", set, verifierOptions{aud, iss, jwks.WithMaxTokenSize(0)}, "WithMaxTokenSize"},
		{"WithMaxTokenSize(-1)", set, verifierOptions{aud, iss, jwks.WithMaxTokenSize(-1)}, "WithMaxTokenSize"},
		{"WithTokenCache(-1)", set, verifierOptions{aud, iss, jwks.WithTokenCache(-1)}, "WithTokenCache"},
		{"WithNow(nil)", set, verifierOptions{aud, iss, jwks.WithNow(nil)}, "WithNow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := jwks.NewVerifier(test.source, test.opts...)
			if v != nil || !errors.Is(err, jwks.ErrConfig) {
				t.Fatalf("got %v and %v, want ErrConfig", v, err)
			}
			if errors.Is(err, jwks.ErrTokenInvalid) || errors.Is(err, jwks.ErrUnavailable) {
				t.Errorf("%v has a class", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v does not say %q", err, test.want)
			}
			if n := strings.Count(err.Error(), "\n"); n > 0 {
				t.Errorf("one mistake is reported as several:\n%v", err)
			}
		})
	}
}

func TestVerify_OptionsAccepted(t *testing.T) {
	set := testkit.KeySetOf(t, testkit.NewSigner(t, "EdDSA", "k1"))
	aud, iss := jwks.WithAudience("api"), jwks.WithExpectedIssuer(testkit.Issuer)
	for name, opts := range map[string]verifierOptions{
		"both audience lists":     {aud, jwks.WithAllAudiences("a"), iss},
		"an option twice":         {aud, jwks.WithAudience("b"), iss, jwks.WithExpectedIssuer("x")},
		"opt-outs":                {jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck()},
		"zero leeway":             {aud, iss, jwks.WithLeeway(0)},
		"no cache":                {aud, iss, jwks.WithTokenCache(0)},
		"no expiry and no times":  {aud, iss, jwks.WithoutExpiry(), jwks.WithoutTimeChecks()},
		"profile and its parts":   {aud, iss, jwks.WithAccessTokenProfile(), jwks.WithRequiredClaims("sub"), jwks.WithTokenTypes("at+jwt")},
		"every algorithm by name": {aud, iss, jwks.WithAlgorithms("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87")},
	} {
		if _, err := jwks.NewVerifier(set, opts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerify_ReportsEveryBadOption, each as ErrConfig, on a line of its own.
func TestVerify_ReportsEveryBadOption(t *testing.T) {
	_, err := jwks.NewVerifier(nil, jwks.WithLeeway(-time.Second), nil, jwks.WithNow(nil), jwks.WithAlgorithms("HS256", "none", "XS256", "ES256"), jwks.WithMaxTokenSize(0))
	for _, want := range []string{"WithLeeway", "an option is nil", "WithNow", `"HS256"`, `"none"`, `"XS256"`, "WithMaxTokenSize", "key source is nil", "audience is not decided"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not reported in\n%v", want, err)
		}
	}
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		if strings.Contains(one.Error(), "\n") {
			t.Errorf("several in one: %v", one)
		}
	}
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "jwks: invalid configuration: ") {
			t.Errorf("not a line of its own: %s", line)
		}
	}
	if len(lines) != 9 {
		t.Errorf("%d problems, want 9:\n%v", len(lines), err)
	}
}

// TestVerify_OptionListsAreCopied: what the caller does with a slice afterwards changes
// nothing.
func TestVerify_OptionListsAreCopied(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	aud, iss, algs, typ, azp, names := []string{"api"}, []string{testkit.Issuer}, []string{"EdDSA"}, []string{"JWT"}, []string{"web"}, []string{"sub"}
	v := testkit.NewBareVerifier(t, testkit.KeySetOf(t, s), jwks.WithAudience(aud...), jwks.WithAllAudiences(aud...), jwks.WithExpectedIssuer(iss...), jwks.WithAlgorithms(algs...),
		jwks.WithTokenTypes(typ...), jwks.WithAuthorizedParties(azp...), jwks.WithRequiredClaims(names...))
	for _, list := range [][]string{aud, iss, algs, typ, azp, names} {
		list[0] = "changed"
	}
	testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"azp": "web"})))
	testkit.Refuse(t, v, s.Token(testkit.Payload(map[string]any{"azp": "changed", "aud": "changed", "iss": "changed"})), jwks.ErrTokenInvalid)
}

type verifierOptions = []jwks.VerifierOption

// userSource is a key source of the user's that embeds one of ours.
type userSource struct{ *jwks.KeySet }
