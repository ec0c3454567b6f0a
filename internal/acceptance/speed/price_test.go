package speed

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// rsaEntry is a JWK with a modulus that nobody has factored: odd, of so many
// bits. No signature verifies with it.
func rsaEntry(r *rand.Rand, kid string, bits, e int) string {
	n := make([]byte, bits/8)
	for i := range n {
		n[i] = byte(r.Uint32())
	}
	n[0] |= 0x80
	n[len(n)-1] |= 1
	exponent := big.NewInt(int64(e)).Bytes()
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q}`, kid, base64.RawURLEncoding.EncodeToString(n), base64.RawURLEncoding.EncodeToString(exponent))
}

// What a forged token costs is bounded by two checks of RSA-8192.
func TestInvariant29_CandidatesAreBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := testkit.NewSigner(t, "RS256", "k")
	for _, test := range []struct {
		name       string
		bits, e, n int
		left       string // of the others
	}{
		{"two of 8192 bits", 8192, 65537, 2, ""},
		{"three of 8192 bits", 8192, 65537, 3, "1 more key"},
		{"four of 8192 bits", 8192, 65537, 4, "2 more keys"},
		{"four of 8192 bits with a small exponent", 8192, 3, 4, ""},
		{"four of 4096 bits", 4096, 65537, 4, ""},
		{"four of 4096 bits with the largest exponent", 4096, 1<<31 - 1, 4, "2 more keys"},
		{"four of 2048 bits with the largest exponent", 2048, 1<<31 - 1, 4, ""},
	} {
		for _, kid := range []string{"k", ""} {
			t.Run(fmt.Sprintf("%s, kid %q", test.name, kid), func(t *testing.T) {
				var entries []string
				for range test.n {
					entries = append(entries, rsaEntry(r, kid, test.bits, test.e))
				}
				v := testkit.NewVerifier(t, testkit.ParseKeys(t, entries...))
				header := `{"alg":"RS256"}`
				if kid != "" {
					header = s.Header()
				}
				err := testkit.Refuse(t, v, s.Sign(header, testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
				if want := test.left; want == "" && strings.Contains(err.Error(), "not tried") || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q not tried", err, want)
				}
			})
		}
	}
}

// A key is found by its order among those that are tried.
func TestInvariant29_TheSecondVerifies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := testkit.NewSigner(t, "RS256", "k")
	big := rsaEntry(r, "k", 8192, 65537)
	testkit.Accept(t, testkit.NewVerifier(t, testkit.ParseKeys(t, big, s.JWK())), s.Token(testkit.Payload(nil)))
	testkit.Refuse(t, testkit.NewVerifier(t, testkit.ParseKeys(t, big, rsaEntry(r, "k", 8192, 65537), s.JWK())), s.Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
}

// worstKeyIDs are ways to name the entries of a key set.
var worstKeyIDs = map[string]func(i int) string{
	"one kid":      func(int) string { return "k" },
	"no kid":       func(int) string { return "" },
	"a kid each":   func(i int) string { return fmt.Sprint(i) },
	"two and two":  func(i int) string { return fmt.Sprint(i / 2) },
	"nine by nine": func(i int) string { return fmt.Sprint(i / 9) },
}

func worstKeySet(r *rand.Rand, kid func(i int) string, n int) []byte {
	var entries []string
	for i := range n {
		entries = append(entries, rsaEntry(r, kid(i), 2048, 65537))
	}
	return []byte(testkit.KeySetDocument(entries...))
}

// Reading a set costs memory in proportion to its entries, however they are
// named.
func TestInvariant29_KeySetsAreLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, kid := range worstKeyIDs {
		bytes := func(n int) uint64 {
			document := worstKeySet(r, kid, n)
			bytes, _ := testkit.LeastAllocated(func() {
				set, err := jwks.ParseKeySet(document)
				if err != nil || set.Len() != n {
					t.Fatal(set, err)
				}
			})
			return bytes
		}
		if few, many := bytes(250), bytes(1000); many > 5*few {
			t.Errorf("%s: 250 entries cost %d bytes, 1,000 cost %d", name, few, many)
		}
	}
}

// worstTokens are payloads and headers of about n bytes in the shapes that cost
// the most. The claims are good where they are read.
var worstTokens = map[string]func(n int) (header, payload string){
	"many members":         func(n int) (string, string) { return "", members(n, `"m%d":0`) },
	"many escaped members": func(n int) (string, string) { return "", members(n, `"\u006d%d":0`) },
	"members that are duplicates at the end": func(n int) (string, string) {
		return "", members(n-20, `"m%d":0`) + `,"m0":1`
	},
	"many audiences": func(n int) (string, string) {
		return "", `"x":[` + strings.Repeat(`"a",`, n/4) + `"a"],"aud":[` + strings.Repeat(`"a",`, n/8) + `"` + testkit.Audience + `"]`
	},
	"one long string":         func(n int) (string, string) { return "", `"x":"` + strings.Repeat("a", n) + `"` },
	"one long escaped string": func(n int) (string, string) { return "", `"sub":"` + strings.Repeat(`\u0061`, n/6) + `"` },
	"deeply nested": func(n int) (string, string) {
		return "", `"x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `,"y":"` + strings.Repeat("é", n/2-500) + `"`
	},
	"a long number":            func(n int) (string, string) { return "", `"exp":1` + strings.Repeat("0", n) },
	"many scopes":              func(n int) (string, string) { return "", `"scope":"` + strings.Repeat("a ", n/2) + `"` },
	"spaces":                   func(n int) (string, string) { return "", `"x":` + strings.Repeat(" ", n) + `0` },
	"a header of many members": func(n int) (string, string) { return members(n, `"m%d":0`), "" },
	"a header with a chain":    func(n int) (string, string) { return `"x5c":[` + strings.Repeat(`"AAAA",`, n/7) + `"AAAA"]`, "" },
	"a header with a long kid": func(n int) (string, string) { return `"x":"` + strings.Repeat("k", n) + `"`, "" },
	"a header with many crits": func(n int) (string, string) { return `"crit":[` + strings.Repeat(`"a",`, n/4) + `"b64"]`, "" },
}

// members are as many members as fit into n bytes.
func members(n int, format string) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// worstToken signs one of them.
func worstToken(s *testkit.Signer, shape func(n int) (header, payload string), n int) string {
	header, payload := shape(n * 3 / 4 * 9 / 10) // base64url adds a third
	h, p := s.Header(), testkit.Payload(nil)
	if header != "" {
		h = strings.TrimSuffix(h, "}") + "," + header + "}"
	}
	if payload != "" {
		p = strings.TrimSuffix(p, "}") + "," + payload + "}"
	}
	return s.Sign(h, p)
}

// A token costs memory in proportion to its size, whatever is in it.
func TestInvariant29_TokensAreLinear(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	s := testkit.NewSigner(t, "EdDSA", "k")
	v := testkit.NewVerifier(t, testkit.ParseKeys(t, s.JWK()), jwks.WithMaxTokenSize(1<<20), jwks.WithTokenCache(0))
	for name, shape := range worstTokens {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) (bytes, objects uint64) {
				token := worstToken(s, shape, n)
				if len(token) < n*3/4 || len(token) > n*3/2 {
					t.Fatalf("the token has %d bytes, want about %d", len(token), n)
				}
				return testkit.LeastAllocated(func() { _, _ = v.Verify(t.Context(), token) })
			}
			bytes, objects := cost(16 << 10)
			for _, n := range []int{64 << 10, 256 << 10} {
				moreBytes, moreObjects := cost(n)
				if moreBytes > 8*bytes || moreObjects > 8*objects { // four times as much is linear, 16 times quadratic
					t.Errorf("%d KiB cost %d bytes in %d allocations, a quarter of that %d in %d", n>>10, moreBytes, moreObjects, bytes, objects)
				}
				bytes, objects = moreBytes, moreObjects
			}
			if bytes > 40*256<<10 {
				t.Errorf("256 KiB cost %d bytes", bytes)
			}
		})
	}
}

// BenchmarkWorstTokens shows that the time of a token grows with its size: x-16KiB
// is a token of 64 or 256 KiB over one of 16, by turns, and 4 and 16 are linear.
func BenchmarkWorstTokens(b *testing.B) {
	s := testkit.NewSigner(b, "EdDSA", "k")
	v := testkit.NewVerifier(b, testkit.ParseKeys(b, s.JWK()), jwks.WithMaxTokenSize(1<<20), jwks.WithTokenCache(0))
	for name, shape := range worstTokens {
		small := worstToken(s, shape, 16<<10)
		for _, n := range []int{64 << 10, 256 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", strings.ReplaceAll(name, " ", "-"), n>>10), func(b *testing.B) {
				large := worstToken(s, shape, n)
				ratio, _ := takeTurns(b, func() { _, _ = v.Verify(b.Context(), small) }, func() { _, _ = v.Verify(b.Context(), large) })
				b.ReportMetric(ratio, "x-16KiB")
			})
		}
	}
}

// BenchmarkWorstKeySets is the same for key sets: 4 is linear.
func BenchmarkWorstKeySets(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, kid := range worstKeyIDs {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			few, many := worstKeySet(r, kid, 250), worstKeySet(r, kid, 1000)
			ratio, _ := takeTurns(b, func() { _, _ = jwks.ParseKeySet(few) }, func() { _, _ = jwks.ParseKeySet(many) })
			b.ReportMetric(ratio, "x-250")
		})
	}
}

// Keys that share a kid and are not all tried are told of when they are read,
// and once.
func TestClient_TellsOfUntriedKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	n := testkit.NewInternet()
	n.Serve("keys.example", map[string]string{"/jwks": testkit.KeySetDocument(rsaEntry(r, "big", 8192, 65537), rsaEntry(r, "big", 8192, 65537), rsaEntry(r, "big", 8192, 65537), rsaEntry(r, "small", 2048, 65537))})
	var log strings.Builder
	c := n.NewClient(t, jwks.WithJWKSURL("https://keys.example/jwks"), jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	testkit.MustReady(t, c)
	testkit.MustRefresh(t, c)
	if text := log.String(); strings.Count(text, "not tried") != 1 || !strings.Contains(text, `kid \"big\": 3 keys share it, and a token is tried with 2`) {
		t.Errorf("the log says\n%s", text)
	}
}
