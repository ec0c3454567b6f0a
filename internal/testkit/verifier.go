package testkit

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// What an ordinary token says, and when it does.
const (
	Issuer   = "https://issuer.example"
	Audience = "api"
	Now      = 1767225600 // 2026-01-01T00:00:00Z
)

// NewVerifier makes a verifier for [Issuer] and [Audience] at [Now]. Options
// that say otherwise win; WithoutAudienceCheck and WithoutIssuerCheck contradict
// it and need [NewBareVerifier].
func NewVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	return NewBareVerifier(tb, source, append([]jwks.VerifierOption{
		jwks.WithAudience(Audience),
		jwks.WithExpectedIssuer(Issuer),
	}, opts...)...)
}

// NewBareVerifier makes a verifier at [Now]; opts decide the rest.
func NewBareVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	v, err := jwks.NewVerifier(source, append([]jwks.VerifierOption{jwks.WithNow(NowTime)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// NewSourceVerifier makes a verifier that leaves the issuer to the source
// and does not look at the audience.
func NewSourceVerifier(t testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	t.Helper()
	v, err := jwks.NewVerifier(source, append(opts, jwks.WithoutAudienceCheck())...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Accept verifies a token that must verify, twice: with a token cache, which
// the build tag jwks_tokencache gives to every verifier, the second time takes
// another path.
func Accept(tb testing.TB, v *jwks.Verifier, token string) *jwks.Token {
	tb.Helper()
	AcceptOnce(tb, v, token)
	return AcceptOnce(tb, v, token)
}

// AcceptOnce is [Accept] for tests that count calls: it verifies once.
func AcceptOnce(tb testing.TB, v *jwks.Verifier, token string) *jwks.Token {
	tb.Helper()
	t, err := v.Verify(context.Background(), token)
	if err != nil {
		tb.Fatalf("refused: %v", err)
	}
	return t
}

// Refuse verifies a token that must not verify, twice as [Accept] does, and
// checks that the error matches want and is what every error of Verify must be.
// It returns the first error.
func Refuse(tb testing.TB, v *jwks.Verifier, token string, want ...error) error {
	tb.Helper()
	err := RefuseOnce(tb, v, token, want...)
	RefuseOnce(tb, v, token, want...)
	return err
}

// RefuseOnce is [Refuse] for tests that count calls: it verifies once.
func RefuseOnce(tb testing.TB, v *jwks.Verifier, token string, want ...error) error {
	tb.Helper()
	t, err := v.Verify(context.Background(), token)
	if err == nil {
		tb.Fatalf("accepted, want %v", want)
	}
	if t != nil {
		tb.Errorf("a token came with the error %v", err)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			tb.Errorf("%v does not match %v", err, w)
		}
	}
	CheckVerifyError(tb, err, token)
	return err
}

// CheckVerifyError checks what holds for every error of Verify: one class, one
// line, the prefix, and no part of the token.
func CheckVerifyError(tb testing.TB, err error, token string) {
	tb.Helper()
	if invalid, unavailable := errors.Is(err, jwks.ErrTokenInvalid), errors.Is(err, jwks.ErrUnavailable); invalid == unavailable {
		tb.Errorf("%v: ErrTokenInvalid %t, ErrUnavailable %t, want exactly one", err, invalid, unavailable)
	}
	text := err.Error()
	if !strings.HasPrefix(text, "jwks: ") || strings.ContainsAny(text, "\r\n") || len(text) > 2000 {
		tb.Errorf("not one line with the prefix: %q", text)
	}
	const telling = 12 // characters of a token, which are not in an error by accident
	for i := 0; i+telling <= len(token); i++ {
		if part := token[i : i+telling]; strings.Contains(text, part) && strings.Count(token, part) < 3 {
			tb.Errorf("the error %q shows %q of the token", text, part)
			return
		}
	}
}

// SourceFunc is a key source of the user's own, which knows nothing of issuers.
type SourceFunc func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error)

// SigningKeys calls f.
func (f SourceFunc) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	return f(ctx, h, issuer)
}
