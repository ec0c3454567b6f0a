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

// Reading a set costs memory in proportion to its entries, however they are
// named.
func TestInvariant29_KeySetsAreLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, kid := range map[string]func(i int) string{
		"one kid":      func(int) string { return "k" },
		"no kid":       func(int) string { return "" },
		"a kid each":   func(i int) string { return fmt.Sprint(i) },
		"two and two":  func(i int) string { return fmt.Sprint(i / 2) },
		"nine by nine": func(i int) string { return fmt.Sprint(i / 9) },
	} {
		bytes := func(n int) float64 {
			var entries []string
			for i := range n {
				entries = append(entries, rsaEntry(r, kid(i), 2048, 65537))
			}
			document := []byte(testkit.KeySetDocument(entries...))
			result := testing.Benchmark(func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					set, err := jwks.ParseKeySet(document)
					if err != nil || set.Len() != n {
						b.Fatal(set, err)
					}
				}
			})
			return float64(result.AllocedBytesPerOp())
		}
		if few, many := bytes(250), bytes(1000); many > 5*few {
			t.Errorf("%s: 250 entries cost %.0f bytes, 1,000 cost %.0f", name, few, many)
		}
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
