package speed

import (
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// withRules makes a verifier of n issuers with a ForIssuer each, and a token of
// each.
func withRules(t testing.TB, n int) (v *jwks.Verifier, tokens []string) {
	t.Helper()
	c := newCrowd(t, n)
	s := c.issuers(t)
	t.Cleanup(func() { _ = s.Close() })
	opts := []jwks.VerifierOption{testkit.AtNow()}
	for _, name := range c.names {
		opts = append(opts, jwks.ForIssuer(name, jwks.WithAudience(name), jwks.WithAlgorithms("ES256")))
	}
	v, err := jwks.NewVerifier(s, append(opts, jwks.WithTokenCache(0))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range c.names {
		tokens = append(tokens, c.signer.Token(testkit.Payload(map[string]any{"iss": name, "aud": name})))
		testkit.Accept(t, v, tokens[len(tokens)-1])
	}
	return v, tokens
}

// A verification costs the same whatever the number of issuers that have rules
// of their own.
func BenchmarkVerifyByNumberOfForIssuers(b *testing.B) {
	one, ofOne := withRules(b, 1)
	many, ofMany := withRules(b, 1000)
	compareCrowds(b, one, ofOne, many, ofMany)
}

// What the benchmark measures, as far as a test can: rules for an issuer, and
// rules for many, allocate nothing.
func TestForIssuer_AllocatesNothingMore(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	allocations := func(v *jwks.Verifier, tokens []string) float64 {
		i := 0
		return testing.AllocsPerRun(1000, func() {
			if _, err := v.Verify(t.Context(), tokens[i%len(tokens)]); err != nil {
				t.Fatal(err)
			}
			i++
		})
	}
	c := newCrowd(t, 1)
	s := c.issuers(t)
	t.Cleanup(func() { _ = s.Close() })
	plain, err := jwks.NewVerifier(s, testkit.AtNow(), jwks.WithTokenCache(0), jwks.WithAudience(testkit.Audience))
	if err != nil {
		t.Fatal(err)
	}
	want := allocations(plain, []string{c.token(0)})
	for _, n := range []int{1, 1000} {
		if got := allocations(withRules(t, n)); got > want {
			t.Errorf("%v allocations with rules for %d issuers, %v without", got, n, want)
		}
	}
}
