// Package explain shows that Verifier.Explain tells what Verifier.Verify decides.
package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// outline is a report in one line: what failed, what could not be decided and
// what was skipped; all else passed.
func outline(r *jwks.Report) string {
	var names []string
	for _, s := range r.Steps {
		switch s.Verdict {
		case jwks.StepPassed:
			names = append(names, s.Name)
		case jwks.StepFailed:
			names = append(names, "!"+s.Name)
		case jwks.StepUndecided:
			names = append(names, "?"+s.Name)
		case jwks.StepSkipped:
			names = append(names, "("+s.Name+")")
		default:
			names = append(names, fmt.Sprintf("%s has verdict %d", s.Name, s.Verdict))
		}
	}
	return strings.Join(names, " ")
}

// explained explains a token twice, as testkit.Accept verifies it, and checks
// what holds for every report.
func explained(t *testing.T, v *jwks.Verifier, token string) *jwks.Report {
	t.Helper()
	r := v.Explain(context.Background(), token)
	verified, err := v.Verify(context.Background(), token)
	testkit.CheckReport(t, r, token)
	switch {
	case (r.Err == nil) != (err == nil), jwks.Reason(r.Err) != jwks.Reason(err), err != nil && r.Err.Error() != err.Error():
		t.Errorf("Explain says %v, Verify %v", r.Err, err)
	case err == nil && r.Token.Raw() != verified.Raw():
		t.Error("another token")
	}
	return r
}

func TestExplain_Steps(t *testing.T) {
	s, stranger := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	es := testkit.NewSigner(t, "ES256", "k2")
	check := jwks.WithCheck(func(context.Context, *jwks.Token) error { return nil })
	down := testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) {
		return nil, errors.New("the source is down")
	})
	payload := testkit.PayloadJSON(nil)
	good := s.Token(payload)
	_, rest, _ := strings.Cut(good, ".")
	late := testkit.PayloadJSON(map[string]string{"exp": "1", "aud": `"other"`})
	const before, tail = "size form header algorithm issuer keys signature claims ", "iss aud exp iat"
	for _, test := range []struct {
		rule, token string
		opts        []jwks.VerifierOption
		source      jwks.KeySource // nil: of s and es
		want        string
	}{
		{"a good token", good, nil, nil, before + tail + " (check)"},
		{"Bearer is stripped", "Bearer " + good, nil, nil, before + tail + " (check)"},
		{"checks", good, []jwks.VerifierOption{check}, nil, before + tail + " check"},
		{"a check refuses", good, []jwks.VerifierOption{jwks.WithCheck(func(context.Context, *jwks.Token) error { return errors.New("no") })}, nil, before + tail + " !check"},
		{"a check cannot decide", good, []jwks.VerifierOption{jwks.WithCheck(func(context.Context, *jwks.Token) error { return jwks.ErrUnavailable })}, nil, before + tail + " ?check"},
		{"too large", good, []jwks.VerifierOption{jwks.WithMaxTokenSize(10)}, nil, "!size (form) (header) (algorithm) (issuer) (keys) (signature) (claims) (check)"},
		{"two segments", "a.b", nil, nil, "size !form (header) (algorithm) (issuer) (keys) (signature) (claims) (check)"},
		{"empty", "", nil, nil, "size !form (header) (algorithm) (issuer) (keys) (signature) (claims) (check)"},
		{"a header that is not JSON", "AAAA." + rest, nil, nil, "size form !header (algorithm) (issuer) (keys) (signature) (claims) (check)"},
		{"crit", s.Sign(`{"alg":"EdDSA","crit":["b64"]}`, payload), nil, nil, "size form !header (algorithm) (issuer) (keys) (signature) (claims) (check)"},
		{"an algorithm that is not allowed", good, []jwks.VerifierOption{jwks.WithAlgorithms("ES256")}, nil, "size form header !algorithm (issuer) (keys) (signature) claims " + tail + " (check)"},
		{"no such key", s.Sign(`{"alg":"EdDSA","kid":"k9"}`, payload), []jwks.VerifierOption{check}, nil, "size form header algorithm issuer !keys (signature) claims " + tail + " (check)"},
		{"the key is for another algorithm", s.Sign(`{"alg":"EdDSA","kid":"k2"}`, payload), nil, nil, "size form header algorithm issuer !keys (signature) claims " + tail + " (check)"},
		{"a bad signature", stranger.Token(payload), []jwks.VerifierOption{check}, nil, "size form header algorithm issuer keys !signature claims " + tail + " (check)"},
		{"a bad signature and bad claims", stranger.Token(late), nil, nil, "size form header algorithm issuer keys !signature claims iss !aud !exp iat (check)"},
		{"keys are unavailable", s.Token(late), []jwks.VerifierOption{check}, down, "size form header algorithm issuer ?keys (signature) claims iss !aud !exp iat (check)"},
		{"bad claims", s.Token(late), []jwks.VerifierOption{check}, nil, before + "iss !aud !exp iat (check)"},
		{"claims that are not an object", s.Token(`[]`), nil, nil, "size form header algorithm issuer keys signature !claims (check)"},
		{"unverified claims that are not an object", stranger.Token(`[]`), nil, nil, "size form header algorithm issuer keys !signature !claims (check)"},
		{"a bound token", s.Token(testkit.PayloadJSON(map[string]string{"cnf": `{"jkt":"x"}`})), []jwks.VerifierOption{check}, nil, before + tail + " !proof (check)"},
		{"a bound token, unverified", stranger.Token(testkit.PayloadJSON(map[string]string{"cnf": `{"jkt":"x"}`})), nil, nil, "size form header algorithm issuer keys !signature claims " + tail + " (proof) (check)"},
		{"a bound token for anyone", s.Token(testkit.PayloadJSON(map[string]string{"cnf": `{"jkt":"x"}`})), []jwks.VerifierOption{jwks.WithoutProofOfPossession()}, nil, before + tail + " proof (check)"},
		{"claims of options", good, []jwks.VerifierOption{jwks.WithTokenTypes("JWT"), jwks.WithRequiredClaims("email"), jwks.WithClaim("/a/b", "c"), jwks.WithAuthorizedParties("web"), jwks.WithClientID("cli")}, nil, before + tail + " typ !client_id !azp !email !/a/b (check)"},
		{"a missing exp", s.Token(testkit.Payload(map[string]any{"exp": nil})), nil, nil, before + "iss aud !exp iat (check)"},
		{"a missing aud", s.Token(testkit.Payload(map[string]any{"aud": nil})), nil, nil, before + "iss !aud exp iat (check)"},
		{"no times", s.Token(late), []jwks.VerifierOption{jwks.WithoutTimeChecks()}, nil, before + "iss !aud (check)"},
	} {
		t.Run(test.rule, func(t *testing.T) {
			source := test.source
			if source == nil {
				source = testkit.KeySetOf(t, s, es)
			}
			r := explained(t, testkit.NewVerifier(t, source, test.opts...), test.token)
			if got := outline(r); got != test.want {
				t.Errorf("%s\nwant %s\n%s", got, test.want, r)
			}
			signed := slices.ContainsFunc(r.Steps, func(s jwks.Step) bool { return s.Name == "signature" && s.Verdict == jwks.StepPassed })
			for i, s := range r.Steps {
				judged := i >= 7 && s.Verdict != jwks.StepSkipped
				if says := strings.HasPrefix(s.Detail, "unverified: "); says != (judged && !signed) {
					t.Errorf("%s: %q", s.Name, s.Detail)
				}
			}
		})
	}
}

func TestExplain_HeaderAndClaims(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithMaxTokenSize(1000))
	for _, test := range []struct{ rule, token, header, claims string }{
		{"a good token", s.Token(`{"iss":"i"}`), s.Header(), `{"iss":"i"}`},
		{"crit", s.Sign(`{"alg":"none","crit":1}`, ` {"a":1}`), `{"alg":"none","crit":1}`, ` {"a":1}`},
		{"a duplicate is told as it stands", s.Token(`{"a":1,"a":2}`), s.Header(), `{"a":1,"a":2}`},
		{"not objects", s.Sign(`[]`, `null`), "", ""},
		{"not JSON", s.Sign(`{`, "{\"a\":\"\xff\"}"), "", ""},
		{"two segments", testkit.Segment(`{"alg":"none"}`) + "." + testkit.Segment(`{}`), `{"alg":"none"}`, `{}`},
		{"an encrypted one", testkit.Segment(`{"enc":"A256GCM"}`) + ".AA.AA.AA.AA", `{"enc":"A256GCM"}`, ""},
		{"an opaque one", "0123456789abcdef", "", ""},
		{"too large", s.Token(`{"a":"` + strings.Repeat("x", 1000) + `"}`), "", ""},
	} {
		r := explained(t, v, test.token)
		if string(r.Header) != test.header || string(r.Claims) != test.claims {
			t.Errorf("%s: header %s, claims %s", test.rule, r.Header, r.Claims)
		}
	}
	r := v.Explain(context.Background(), s.Token(testkit.PayloadJSON(map[string]string{"exp": "1", "aud": `"x"`})))
	for _, step := range r.Steps {
		if want := map[string]error{"exp": jwt.ErrTokenExpired, "aud": jwt.ErrTokenInvalidAudience}[step.Name]; want != nil && !errors.Is(step.Err, want) {
			t.Errorf("%s: %v", step.Name, step.Err)
		}
	}
}
