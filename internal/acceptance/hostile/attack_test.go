package hostile

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestHostile_MutatedTokens: of all the texts that a few changes make of
// valid tokens, none verifies but the valid ones. JWKS_MUTATIONS sets how many
// are tried.
func TestHostile_MutatedTokens(t *testing.T) {
	tries := 20_000
	if text := os.Getenv("JWKS_MUTATIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("JWKS_MUTATIONS: %v", err)
		}
		tries = n
	}
	if testing.Short() {
		tries = 2_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	ed, ec := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "ES256", "k2")
	set := testkit.KeySetOf(t, ed, ec)
	valid := []string{
		ed.Token(testkit.Payload(nil)),
		ec.Token(testkit.Payload(nil)),
		ed.Sign(`{"alg":"EdDSA","kid":"k1"}`, testkit.PadMod3(testkit.Payload(nil), 0)),
		ed.Sign(`{"alg":"Ed25519","kid":"k1"}`, testkit.PadMod3(testkit.Payload(nil), 1)),
		ec.Sign(`{"kid":"k2","alg":"ES256"}`, testkit.PadMod3(testkit.Payload(map[string]any{"sub": nil}), 2)),
	}
	known := map[string]bool{}
	for _, token := range valid {
		known[token] = true
	}
	// With and without the memory of what verified before.
	verifiers := []*jwks.Verifier{testkit.NewVerifier(t, set), testkit.NewVerifier(t, set, jwks.WithTokenCache(100))}
	for range tries {
		token := valid[r.IntN(len(valid))]
		for range 1 + r.IntN(3) {
			token = testkit.Mutate(r, token, valid)
		}
		v := verifiers[r.IntN(len(verifiers))]
		got, err := v.Verify(context.Background(), token)
		stripped := token
		if len(token) > 7 && strings.EqualFold(token[:7], "bearer ") {
			stripped = strings.TrimLeft(token[7:], " ")
		}
		switch {
		case known[stripped]:
			if err != nil {
				t.Fatalf("a valid token is refused: %v", err)
			}
		case err == nil:
			t.Fatalf("%q verifies, with the claims of %s", token, got.Subject())
		case got != nil:
			t.Fatalf("a token came with the error %v", err)
		default:
			testkit.CheckVerifyError(t, err, token)
			if errors.Is(err, jwks.ErrUnavailable) {
				t.Fatalf("%v", err)
			}
		}
		if t.Failed() {
			t.Fatalf("for %q", token)
		}
	}
}

// TestHostile_ForgedTokens: what a verifier remembers of tokens that verify
// serves no other, whatever comes between them.
func TestHostile_ForgedTokens(t *testing.T) {
	s, attacker := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(4))
	valid := s.Token(testkit.Payload(nil))
	for range 3 {
		testkit.Refuse(t, v, attacker.Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
		testkit.Refuse(t, v, attacker.Token(testkit.Payload(map[string]any{"sub": "admin"})), jwt.ErrTokenSignatureInvalid)
		if got := testkit.Accept(t, v, valid); got.Subject() != "user" {
			t.Errorf("sub %q", got.Subject())
		}
		testkit.Refuse(t, v, attacker.Sign(s.Header(), testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
	}
}

// TestHostile_TokenCost: no token makes a verifier allocate more than a small
// multiple of the limit.
func TestHostile_TokenCost(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	const limit = 16 << 10
	for name, token := range map[string]string{
		"1 MiB of dots":        strings.Repeat(".", 1<<20),
		"1 MiB":                strings.Repeat("A", 1<<20),
		"dots":                 strings.Repeat(".", limit),
		"a header of members":  testkit.Segment(`{"alg":"EdDSA"`+testkit.ManyMembers(11<<10)+`}`) + ".e30.AAAA",
		"a header of brackets": testkit.Segment(`{"alg":"EdDSA","x":`+strings.Repeat("[", 11<<10)) + ".e30.AAAA",
		"a header of escapes":  testkit.Segment(`{"alg":"EdDSA","kid":"`+strings.Repeat(`\u0041`, 1900)+`"}`) + ".e30.AAAA",
		"a payload of members": s.Token(`{"exp":9999999999` + testkit.ManyMembers(10<<10) + `}`),
		"an aud of many":       s.Token(testkit.PayloadJSON(map[string]string{"aud": `["` + strings.Repeat(`","`, 3500) + `"]`})),
		"a number of digits":   s.Token(testkit.PayloadJSON(map[string]string{"exp": strings.Repeat("9", 11<<10)})),
		"a number of zeros":    s.Token(testkit.PayloadJSON(map[string]string{"exp": "0." + strings.Repeat("0", 11<<10) + "1e99999999999"})),
		"a signature":          s.Token(testkit.Payload(nil)) + strings.Repeat("A", 15<<10),
	} {
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := v.Verify(context.Background(), token); err == nil {
				t.Fatalf("%s: accepted", name)
			}
		}
		runtime.ReadMemStats(&after)
		if bytes := (after.TotalAlloc - before.TotalAlloc) / runs; bytes > 8*limit {
			t.Errorf("%s: %d bytes are allocated", name, bytes)
		}
	}
}
