package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestReason_OfVerify(t *testing.T) {
	s, other := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	set := testkit.KeySetOf(t, s)
	with := func(claims map[string]any) string { return s.Token(testkit.Payload(claims)) }
	good := with(nil)
	denied := errors.New("denied")
	down := fmt.Errorf("%w: the database is down", jwks.ErrUnavailable)
	check := func(err error) jwks.VerifierOption {
		return jwks.WithCheck(func(context.Context, *jwks.Token) error { return err })
	}
	for _, test := range []struct {
		want, token string
		opts        []jwks.VerifierOption
	}{
		{"", good, nil},
		{"too_large", strings.Repeat("x", 17<<10), nil},
		{"malformed", "x", nil},
		{"malformed", "", nil},
		{"malformed", s.Sign(`{"alg":"EdDSA","crit":["exp"]}`, testkit.Payload(nil)), nil},
		{"malformed", s.Sign(`{"alg":""}`, testkit.Payload(nil)), nil},
		{"malformed", with(map[string]any{"exp": "soon"}), nil},
		{"algorithm", s.Sign(`{"alg":"none"}`, testkit.Payload(nil)), nil},
		{"algorithm", good, []jwks.VerifierOption{jwks.WithAlgorithms("ES256")}},
		{"key_not_found", s.Sign(`{"alg":"EdDSA","kid":"k9"}`, testkit.Payload(nil)), nil},
		{"signature", other.Token(testkit.Payload(nil)), nil},
		{"issuer", with(map[string]any{"iss": "https://b.example"}), nil},
		{"audience", with(map[string]any{"aud": "other"}), nil},
		{"audience", with(map[string]any{"aud": "other", "exp": testkit.Now - 3600}), nil},
		{"expired", with(map[string]any{"exp": testkit.Now - 3600}), nil},
		{"expired", with(map[string]any{"iat": testkit.Now - 3600}), []jwks.VerifierOption{jwks.WithMaxTokenAge(time.Minute)}},
		{"not_yet_valid", with(map[string]any{"nbf": testkit.Now + 3600}), nil},
		{"not_yet_valid", with(map[string]any{"iat": testkit.Now + 3600}), nil},
		{"claim", with(map[string]any{"exp": nil}), nil},
		{"claim", with(map[string]any{"aud": nil}), nil},
		{"claim", with(map[string]any{"iss": nil}), nil},
		{"claim", good, []jwks.VerifierOption{jwks.WithRequiredClaims("email")}},
		{"claim", with(map[string]any{"azp": "web"}), []jwks.VerifierOption{jwks.WithAuthorizedParties("cli")}},
		{"claim", good, []jwks.VerifierOption{jwks.WithTokenTypes("at+jwt")}},
		{"proof", with(map[string]any{"cnf": map[string]any{"jkt": "x"}}), nil},
		{"check", good, []jwks.VerifierOption{check(denied)}},
		{"check", good, []jwks.VerifierOption{check(fmt.Errorf("%w", jwt.ErrTokenExpired))}},
		{"check", good, []jwks.VerifierOption{check(denied), check(down)}},
		{"check", good, []jwks.VerifierOption{check(context.Canceled)}},
		{"unavailable", good, []jwks.VerifierOption{check(down)}},
		{"canceled", good, []jwks.VerifierOption{check(errors.Join(jwks.ErrUnavailable, context.Canceled))}},
	} {
		_, err := testkit.NewVerifier(t, set, test.opts...).Verify(t.Context(), test.token)
		if got := jwks.Reason(err); got != test.want {
			t.Errorf("%q for %v, want %q", got, err, test.want)
		}
	}
}

func TestReason_OfSources(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example")
	listed := n.NewIssuers(t, jwks.TrustIssuers(issuer.URL()))
	v := testkit.NewSourceVerifier(t, listed)
	want := func(reason string, ctx context.Context, token string) {
		t.Helper()
		if _, err := v.Verify(ctx, token); jwks.Reason(err) != reason {
			t.Errorf("%q for %v, want %q", jwks.Reason(err), err, reason)
		}
	}
	want("not_trusted", t.Context(), issuer.Sign(map[string]any{"iss": "https://b.example"}))
	want("not_trusted", t.Context(), issuer.Sign(map[string]any{"iss": nil}))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	want("canceled", gone, issuer.Sign(nil))
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	want("canceled", late, issuer.Sign(nil))
	want("", t.Context(), issuer.Sign(nil))
	if err := listed.Close(); err != nil {
		t.Fatal(err)
	}
	want("closed", t.Context(), issuer.Sign(nil))

	down := n.NewClient(t, jwks.WithIssuer("https://down.example"))
	if err := down.Ready(t.Context()); jwks.Reason(err) != "unavailable" {
		t.Errorf("%q for %v", jwks.Reason(err), err)
	}
}

func TestReason_OfErrors(t *testing.T) {
	for _, test := range []struct {
		want string
		err  error
	}{
		{"", nil},
		{"other", errors.New("x")},
		{"other", jwks.ErrConfig},
		{"other", jwks.ErrTokenInvalid},
		{"unavailable", jwks.ErrUnavailable},
		{"unavailable", jwks.ErrInvalidKeySet},
		{"unavailable", jwks.ErrIssuerMismatch},
		{"unavailable", &jwks.FetchError{}},
		{"unavailable", errors.Join(jwks.ErrTokenInvalid, jwt.ErrTokenExpired, jwks.ErrUnavailable)},
		{"closed", jwks.ErrClosed},
		{"proof", jwks.ErrProofRequired},
		{"expired", fmt.Errorf("wrapped: %w", jwt.ErrTokenExpired)},
		{"malformed", jwks.ErrUnsupportedCritical},
		{"malformed", jwt.ErrTokenMalformed},
		{"key_not_found", jwks.ErrKeyNotFound},
		{"not_trusted", jwks.ErrIssuerNotTrusted},
	} {
		if got := jwks.Reason(test.err); got != test.want {
			t.Errorf("%q for %v, want %q", got, test.err, test.want)
		}
	}
}
