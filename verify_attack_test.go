package jwks_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// TestNoOtherTextOfATokenVerifies: of all the texts that a few changes make of
// valid tokens, none verifies but the valid ones. JWKS_MUTATIONS sets how many
// are tried.
func TestNoOtherTextOfATokenVerifies(t *testing.T) {
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

	ed, ec := newSigner(t, "EdDSA", "k1"), newSigner(t, "ES256", "k2")
	set := keySetOf(t, ed, ec)
	valid := []string{
		ed.token(payloadWith(nil)),
		ec.token(payloadWith(nil)),
		ed.sign(`{"alg":"EdDSA","kid":"k1"}`, withLength(payloadWith(nil), 0)),
		ed.sign(`{"alg":"Ed25519","kid":"k1"}`, withLength(payloadWith(nil), 1)),
		ec.sign(`{"kid":"k2","alg":"ES256"}`, withLength(payloadWith(map[string]any{"sub": nil}), 2)),
	}
	known := map[string]bool{}
	for _, token := range valid {
		known[token] = true
	}
	// With and without the memory of what verified before.
	verifiers := []*jwks.Verifier{newVerifier(t, set), newVerifier(t, set, jwks.WithTokenCache(100))}
	for range tries {
		token := valid[r.IntN(len(valid))]
		for range 1 + r.IntN(3) {
			token = mutated(r, token, valid)
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
			wellBehaved(t, err, token)
			if errors.Is(err, jwks.ErrUnavailable) {
				t.Fatalf("%v", err)
			}
		}
		if t.Failed() {
			t.Fatalf("for %q", token)
		}
	}
}

// mutated changes one place of a token, or puts parts of two together.
func mutated(r *rand.Rand, token string, others []string) string {
	at := r.IntN(len(token) + 1)
	characters := base64Alphabet + "..==+/ \r\n\t\x00é\xff"
	c := string(characters[r.IntN(len(characters))])
	switch r.IntN(10) {
	case 0, 1: // a bit
		if at < len(token) {
			return token[:at] + string([]byte{token[at] ^ 1<<r.IntN(8)}) + token[at+1:]
		}
	case 2, 3: // a character for another
		if at < len(token) {
			return token[:at] + c + token[at+1:]
		}
	case 4: // one more
		return token[:at] + c + token[at:]
	case 5: // one less
		if at < len(token) {
			return token[:at] + token[at+1:]
		}
	case 6: // cut
		return token[:at]
	case 7: // behind
		return token + c
	case 8: // a segment of another token
		a, b := strings.Split(token, "."), strings.Split(others[r.IntN(len(others))], ".")
		i := r.IntN(min(len(a), len(b)))
		a[i] = b[i]
		return strings.Join(a, ".")
	case 9: // the last character before a dot: the bits that encode nothing
		if dot := strings.IndexByte(token[at:], '.'); dot > 0 {
			return token[:at+dot-1] + c + token[at+dot:]
		}
	}
	return token + c
}

// TestForgedTokensAreForgotten: what a verifier remembers of tokens that verify
// serves no other, whatever comes between them.
func TestForgedTokensAreForgotten(t *testing.T) {
	s, attacker := newSigner(t, "EdDSA", "k1"), newSigner(t, "EdDSA", "k1")
	v := newVerifier(t, keySetOf(t, s), jwks.WithTokenCache(4))
	valid := s.token(payloadWith(nil))
	for range 3 {
		refused(t, v, attacker.token(payloadWith(nil)), jwt.ErrTokenSignatureInvalid)
		refused(t, v, attacker.token(payloadWith(map[string]any{"sub": "admin"})), jwt.ErrTokenSignatureInvalid)
		if got := accepted(t, v, valid); got.Subject() != "user" {
			t.Errorf("sub %q", got.Subject())
		}
		refused(t, v, attacker.sign(s.header(), payloadWith(nil)), jwt.ErrTokenSignatureInvalid)
	}
}

// TestTheRealToken is of an Auth0 tenant, in 2019.
func TestTheRealToken(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "shared", "seed", name))
		if errors.Is(err, os.ErrNotExist) {
			t.Skipf("the seed is not there: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	token := strings.TrimSpace(string(read("auth0-token.jwt")))
	set, err := jwks.ParseKeySet(read("auth0-jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(now int64, opts ...jwks.VerifierOption) *jwks.Verifier {
		v, err := jwks.NewVerifier(set, append([]jwks.VerifierOption{
			jwks.WithAudience("https://expenses-api"),
			jwks.WithExpectedIssuer("https://dev-87evx9ru.auth0.com/"),
			jwks.WithNow(func() time.Time { return time.Unix(now, 0) }),
		}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	got := accepted(t, at(1572006960), token)
	if got.Issuer() != "https://dev-87evx9ru.auth0.com/" || got.ExpiresAt() != time.Unix(1572006964, 0).UTC() || got.Header().KeyID != "NEE1QURBOTM4MzI5RkFDNTYxOTU1MDg2ODgwQ0UzMTk1QjYyRkRFQw" {
		t.Errorf("got %+v", got)
	}
	accepted(t, at(1572006964+29), token)
	refused(t, at(1572006964+30), token, jwt.ErrTokenExpired)
	refused(t, at(1572006954-31), token, jwt.ErrTokenUsedBeforeIssued)
	refused(t, at(1572006960, jwks.WithAudience("https://expenses-api/")), token, jwt.ErrTokenInvalidAudience)
	refused(t, at(1572006960, jwks.WithExpectedIssuer("https://dev-87evx9ru.auth0.com")), token, jwt.ErrTokenInvalidIssuer)
	refused(t, at(1572006960, jwks.WithAlgorithms("ES256")), token, jwks.ErrAlgorithmNotAllowed)
}

// TestCostOfHostileTokens: no token makes a verifier allocate more than a small
// multiple of the limit.
func TestCostOfHostileTokens(t *testing.T) {
	s := newSigner(t, "EdDSA", "k1")
	v := newVerifier(t, keySetOf(t, s))
	const limit = 16 << 10
	for name, token := range map[string]string{
		"1 MiB of dots":        strings.Repeat(".", 1<<20),
		"1 MiB":                strings.Repeat("A", 1<<20),
		"dots":                 strings.Repeat(".", limit),
		"a header of members":  segment(`{"alg":"EdDSA"`+manyMembers(11<<10)+`}`) + ".e30.AAAA",
		"a header of brackets": segment(`{"alg":"EdDSA","x":`+strings.Repeat("[", 11<<10)) + ".e30.AAAA",
		"a header of escapes":  segment(`{"alg":"EdDSA","kid":"`+strings.Repeat(`\u0041`, 1900)+`"}`) + ".e30.AAAA",
		"a payload of members": s.token(`{"exp":9999999999` + manyMembers(10<<10) + `}`),
		"an aud of many":       s.token(claimsWith(map[string]string{"aud": `["` + strings.Repeat(`","`, 3500) + `"]`})),
		"a number of digits":   s.token(claimsWith(map[string]string{"exp": strings.Repeat("9", 11<<10)})),
		"a number of zeros":    s.token(claimsWith(map[string]string{"exp": "0." + strings.Repeat("0", 11<<10) + "1e99999999999"})),
		"a signature":          s.token(payloadWith(nil)) + strings.Repeat("A", 15<<10),
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

// TestAllocations keeps what is left to allocate: the hash and what crypto
// needs, the token, its payload and its audience, and golang-jwt's list of
// errors.
func TestAllocations(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("counts are of the ordinary build")
	}
	for alg, limit := range map[string]float64{"RS256": 2, "ES256": 3, "EdDSA": 3} {
		s := newSigner(t, alg, "k1")
		v, token := benchmarked(t, s, jwks.WithTokenCache(0))
		accepted(t, v, token) // fills the memo and the pool
		bare := verifiedBare(s, token)
		floor := testing.AllocsPerRun(50, func() { bare() })
		all := testing.AllocsPerRun(50, func() { verified(t, v, token) })
		t.Logf("%s: %.0f, of them %.0f for the bare crypto call", alg, all, floor)
		if all > floor+limit {
			t.Errorf("%s: %.0f allocations, want at most %.0f and %.0f", alg, all, floor, limit)
		}
	}
	v, token := benchmarked(t, newSigner(t, "RS256", "k1"), jwks.WithTokenCache(8))
	accepted(t, v, token)
	if n := testing.AllocsPerRun(50, func() { verified(t, v, token) }); n > 0 {
		t.Errorf("a token from the cache: %.0f allocations", n)
	}
}
