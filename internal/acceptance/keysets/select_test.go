package keysets

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func TestKeySet_Selection(t *testing.T) {
	named := func(alg, kid, x5t, x5tS256 string) string {
		jwk := testkit.NewSigner(t, alg, kid).JWK()
		if x5t != "" {
			jwk = testkit.WithMembers(jwk, fmt.Sprintf(`"x5t":%q`, x5t))
		}
		if x5tS256 != "" {
			jwk = testkit.WithMembers(jwk, fmt.Sprintf(`"x5t#S256":%q`, x5tS256))
		}
		return jwk
	}
	twice := []string{named("ES256", "k", "", ""), named("ES256", "k", "", "")}
	twice2 := []string{named("ES256", "k", "", ""), named("ES256", "k", "", "")}
	var bare []string
	for range 5 {
		bare = append(bare, named("ES256", "", "", ""))
	}
	set := []string{named("ES256", "a", "ta", "sa"), named("ES384", "b", "tb", "sb"), named("ES512", "", "tc", "")}
	tests := []struct {
		name   string
		keys   []string
		header jwks.Header
		want   string // the keys, by their place in the set
		fails  error
	}{
		{"by kid", set, jwks.Header{Algorithm: "ES384", KeyID: "b"}, "1", nil},
		{"a kid and thumbprints that agree", set, jwks.Header{Algorithm: "ES256", KeyID: "a", X5t: "ta", X5tS256: "sa"}, "0", nil},
		{"a thumbprint that contradicts the kid", set, jwks.Header{Algorithm: "ES256", KeyID: "a", X5tS256: "sb"}, "", jwks.ErrKeyNotFound},
		{"an x5t that contradicts the kid", set, jwks.Header{Algorithm: "ES256", KeyID: "a", X5t: "tb", X5tS256: "sa"}, "", jwks.ErrKeyNotFound},
		{"a kid that is not there is not helped by thumbprints", set, jwks.Header{Algorithm: "ES256", KeyID: "z", X5t: "ta", X5tS256: "sa"}, "", jwks.ErrKeyNotFound},
		{"by x5t#S256", set, jwks.Header{Algorithm: "ES384", X5tS256: "sb"}, "1", nil},
		{"thumbprints of two keys", set, jwks.Header{Algorithm: "ES256", X5t: "tb", X5tS256: "sa"}, "", jwks.ErrKeyNotFound},
		{"an x5t#S256 where the key has an x5t only", set, jwks.Header{Algorithm: "ES512", X5t: "tc", X5tS256: "sc"}, "2", nil},
		{"an x5t#S256 that no key can be compared with", set, jwks.Header{Algorithm: "ES512", X5tS256: "sc"}, "2", nil},
		{"an x5t#S256 that is not there is not helped by x5t", set, jwks.Header{Algorithm: "ES256", X5t: "ta", X5tS256: "sz"}, "", jwks.ErrKeyNotFound},
		{"by x5t", set, jwks.Header{Algorithm: "ES512", X5t: "tc"}, "2", nil},
		{"x5t is not a kid", set, jwks.Header{Algorithm: "ES256", KeyID: "ta"}, "", jwks.ErrKeyNotFound},
		{"a kid that no key has, and a key without one", set, jwks.Header{Algorithm: "ES512", KeyID: "z"}, "2", nil},
		{"that key has another thumbprint", set, jwks.Header{Algorithm: "ES512", KeyID: "z", X5t: "ta"}, "", jwks.ErrKeyNotFound},
		{"that key is for another algorithm", set, jwks.Header{Algorithm: "ES256", KeyID: "z"}, "", jwks.ErrKeyNotFound},
		{"kids are compared exactly", set, jwks.Header{Algorithm: "ES256", KeyID: "A"}, "", jwks.ErrKeyNotFound},
		{"no identifier, one key for the algorithm", set, jwks.Header{Algorithm: "ES384"}, "1", nil},
		{"no identifier, a key without a kid", set, jwks.Header{Algorithm: "ES512"}, "2", nil},
		{"no identifier, no key for the algorithm", set, jwks.Header{Algorithm: "RS256"}, "", jwks.ErrKeyNotFound},
		{"no identifier, several keys for the algorithm", twice, jwks.Header{Algorithm: "ES256"}, "01", nil},
		{"no identifier, four keys for the algorithm", slices.Concat(twice, set[1:2], twice2), jwks.Header{Algorithm: "ES256"}, "0134", nil},
		{"no identifier, five keys for the algorithm", slices.Concat(twice, set[:1], twice2), jwks.Header{Algorithm: "ES256"}, "", jwks.ErrKeyNotFound},
		{"no identifier, keys with a kid and without", slices.Concat(bare[:1], set[:1]), jwks.Header{Algorithm: "ES256"}, "01", nil},
		{"an x5t alone that contradicts the kid", set, jwks.Header{Algorithm: "ES256", KeyID: "a", X5t: "tb"}, "", jwks.ErrKeyNotFound},
		{"a kid as long as one may be", bare[:1], jwks.Header{Algorithm: "ES256", KeyID: strings.Repeat("z", 256)}, "0", nil},
		{"a kid that is too long for a key", bare[:1], jwks.Header{Algorithm: "ES256", KeyID: strings.Repeat("z", 257)}, "", jwks.ErrKeyNotFound},
		{"an x5t as long as one may be", bare[:1], jwks.Header{Algorithm: "ES256", X5t: strings.Repeat("z", 256)}, "0", nil},
		{"an x5t that is too long for a key", bare[:1], jwks.Header{Algorithm: "ES256", X5t: strings.Repeat("z", 257)}, "", jwks.ErrKeyNotFound},
		{"an x5t#S256 as long as one may be", bare[:1], jwks.Header{Algorithm: "ES256", X5tS256: strings.Repeat("z", 256)}, "0", nil},
		{"an x5t#S256 that is too long for a key", bare[:1], jwks.Header{Algorithm: "ES256", X5tS256: strings.Repeat("z", 257)}, "", jwks.ErrKeyNotFound},
		{"by x5t, after five that have none", slices.Concat(bare, []string{named("ES256", "k", "t5", "")}), jwks.Header{Algorithm: "ES256", X5t: "t5"}, "5", nil},
		{"by an x5t that is not there, after five that have none", bare, jwks.Header{Algorithm: "ES256", X5t: "t5"}, "", jwks.ErrKeyNotFound},
		{"several with the kid, and none with the thumbprint", []string{named("ES256", "k", "t1", ""), named("ES256", "k", "t2", "")}, jwks.Header{Algorithm: "ES256", KeyID: "k", X5t: "t3"}, "", jwks.ErrKeyNotFound},
		{"several with the kid, and none for the algorithm", twice, jwks.Header{Algorithm: "ES384", KeyID: "k"}, "", jwks.ErrAlgorithmNotAllowed},
		{"those with the thumbprint come before those without one", slices.Concat(twice, twice2, []string{named("ES256", "k", "", "s1"), named("ES256", "k", "t1", "")}),
			jwks.Header{Algorithm: "ES256", KeyID: "k", X5t: "t1", X5tS256: "s1"}, "4501", nil},
		{"zeros are not the thumbprint of a key whose own cannot be read", []string{named("ES256", "1", "t", "s")}, jwks.Header{Algorithm: "ES256", X5t: strings.Repeat("A", 27)}, "", jwks.ErrKeyNotFound},
		{"nor as x5t#S256", []string{named("ES256", "1", "t", "s")}, jwks.Header{Algorithm: "ES256", X5tS256: strings.Repeat("A", 43)}, "", jwks.ErrKeyNotFound},
		{"what cannot be read is not a thumbprint of zeros", []string{named("ES256", "1", strings.Repeat("A", 27), "")}, jwks.Header{Algorithm: "ES256", X5t: "t"}, "", jwks.ErrKeyNotFound},
		{"nor that as x5t#S256", []string{named("ES256", "1", "", strings.Repeat("A", 43))}, jwks.Header{Algorithm: "ES256", X5tS256: "s"}, "", jwks.ErrKeyNotFound},
		{"a kid that no key has, five keys without one", bare, jwks.Header{Algorithm: "ES256", KeyID: "z"}, "", jwks.ErrKeyNotFound},
		{"one of five, by x5t", slices.Concat(twice, twice2, []string{named("ES256", "k", "t5", "")}), jwks.Header{Algorithm: "ES256", KeyID: "k", X5t: "t5"}, "4012", nil},
		{"a key that does not allow the algorithm, by kid", set, jwks.Header{Algorithm: "ES256", KeyID: "b"}, "", jwks.ErrAlgorithmNotAllowed},
		{"a key that does not allow the algorithm, by x5t", set, jwks.Header{Algorithm: "ES256", X5t: "tb"}, "", jwks.ErrAlgorithmNotAllowed},
		{"a symmetric algorithm", set, jwks.Header{Algorithm: "HS256", KeyID: "a"}, "", jwks.ErrAlgorithmNotAllowed},
		{"none", set, jwks.Header{Algorithm: "none", KeyID: "a"}, "", jwks.ErrAlgorithmNotAllowed},
		{"a duplicate kid gives several candidates, in order", twice, jwks.Header{Algorithm: "ES256", KeyID: "k"}, "01", nil},
		{"those that allow the algorithm", append([]string{named("ES384", "k", "", "")}, twice...), jwks.Header{Algorithm: "ES256", KeyID: "k"}, "12", nil},
		{"at most four", slices.Concat(twice, []string{named("ES384", "k", "", "")}, []string{named("ES256", "k", "", ""), named("ES256", "k", "", ""), named("ES256", "k", "", "")}),
			jwks.Header{Algorithm: "ES256", KeyID: "k"}, "0134", nil},
		{"duplicate thumbprints as well", []string{named("ES256", "1", "t", ""), named("ES384", "2", "t", ""), named("ES256", "3", "t", "")},
			jwks.Header{Algorithm: "ES256", X5t: "t"}, "02", nil},
		{"at most four of them", []string{named("ES256", "1", "", "s"), named("ES256", "2", "", "s"), named("ES256", "3", "", "s"), named("ES256", "4", "", "s"), named("ES256", "5", "", "s")},
			jwks.Header{Algorithm: "ES256", X5tS256: "s"}, "0123", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := testkit.ParseKeys(t, test.keys...)
			static, err := jwks.NewClient(jwks.WithKeySet(s))
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range []jwks.KeySource{s, static} {
				keys, err := source.SigningKeys(t.Context(), test.header, "")
				if test.fails != nil {
					if testkit.WantError(t, err, jwks.ErrTokenInvalid, test.fails); keys != nil {
						t.Errorf("keys with the error")
					}
					continue
				}
				testkit.WantNoError(t, err)
				all, got := slices.Collect(s.All()), ""
				for _, k := range keys {
					got += fmt.Sprint(slices.Index(all, k))
				}
				if got != test.want {
					t.Errorf("%T: keys %q, want %q", source, got, test.want)
				}
			}
		})
	}
}

// A token without a kid verifies by the thumbprint of its key's certificate,
// and forged thumbprints do not choose a key that the signature is not from.
func TestKeySet_TokensWithoutKeyID(t *testing.T) {
	a, b := testkit.NewSigner(t, "ES256", "a"), testkit.NewSigner(t, "ES256", "b")
	v := testkit.NewVerifier(t, testkit.ParseKeys(t, testkit.WithMembers(a.JWK(), `"x5t":"ta","x5t#S256":"sa"`), testkit.WithMembers(b.JWK(), `"x5t":"tb","x5t#S256":"sb"`)))
	for header, want := range map[string]*testkit.Signer{
		`{"alg":"ES256","x5t":"ta"}`:                 a,
		`{"alg":"ES256","x5t":"tb"}`:                 b,
		`{"alg":"ES256","x5t#S256":"sb"}`:            b,
		`{"alg":"ES256","x5t#S256":"sb","x5t":"tb"}`: b,
		`{"alg":"ES256"}`:                            b, // tried in turn
		`{"alg":"ES256","kid":"","x5t":"ta"}`:        a, // an empty kid counts as none
		`{"alg":"ES256","kid":null,"x5t":"ta"}`:      a,
	} {
		if got := testkit.Accept(t, v, want.Sign(header, testkit.Payload(nil))); got.Key().ID() != want.KeyID {
			t.Errorf("%s: key %q", header, got.Key().ID())
		}
		if header == `{"alg":"ES256"}` {
			continue
		}
		other := a
		if want == a {
			other = b
		}
		testkit.Refuse(t, v, other.Sign(header, testkit.Payload(nil)))
	}
	testkit.Refuse(t, v, b.Sign(`{"alg":"ES256","x5t#S256":"sb","x5t":"ta"}`, testkit.Payload(nil)), jwks.ErrKeyNotFound)
}

// Choosing a key costs no memory where there is one.
func TestKeySet_SelectionAllocatesNothing(t *testing.T) {
	set := testkit.ParseKeys(t, testkit.WithMembers(testkit.NewSigner(t, "ES256", "a").JWK(), `"x5t":"ta"`), testkit.NewSigner(t, "ES384", "b").JWK())
	for _, h := range []jwks.Header{{Algorithm: "ES256", KeyID: "a"}, {Algorithm: "ES256", KeyID: "a", X5t: "ta"}, {Algorithm: "ES256", X5t: "ta"}, {Algorithm: "ES384"}} {
		if n := testing.AllocsPerRun(100, func() { _, _ = set.SigningKeys(t.Context(), h, "") }); n != 0 {
			t.Errorf("%+v: %v allocations", h, n)
		}
	}
}
