package jwkstest_test

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/jwkstest"
)

func TestAddKeyPanicsOnAnUnknownAlgorithm(t *testing.T) {
	issuer := small(t)
	got := panicOf(func() { issuer.AddKey("HS256") })
	if !strings.Contains(fmt.Sprint(got), `unknown algorithm "HS256"`) {
		t.Errorf("panics with %v", got)
	}
	if ids := kids(t, issuer); !slices.Equal(ids, []string{"k1"}) { // and the issuer goes on working
		t.Errorf("keys %v, want k1 alone", ids)
	}
}

func TestKeysAndWhichOneSigns(t *testing.T) {
	type step struct {
		name      string
		do        func(*jwkstest.Issuer) string
		returns   string
		published []string
		signer    string
	}
	remove := func(kid string) func(*jwkstest.Issuer) string {
		return func(i *jwkstest.Issuer) string { i.RemoveKey(kid); return "" }
	}
	add := func(alg string) func(*jwkstest.Issuer) string {
		return func(i *jwkstest.Issuer) string { return i.AddKey(alg) }
	}
	steps := []step{
		{"at the start the first signs", func(*jwkstest.Issuer) string { return "" }, "", []string{"k1", "k2"}, "k1 ES256"},
		{"a key that does not sign leaves", remove("k2"), "", []string{"k1"}, "k1 ES256"},
		{"an added key does not sign yet", add("ES384"), "k3", []string{"k1", "k3"}, "k1 ES256"},
		{"an unknown key changes nothing", remove("k9"), "", []string{"k1", "k3"}, "k1 ES256"},
		{"rotate keeps the algorithm and the old keys", (*jwkstest.Issuer).Rotate, "k4", []string{"k1", "k3", "k4"}, "k4 ES256"},
		{"an older key leaves", remove("k3"), "", []string{"k1", "k4"}, "k4 ES256"},
		{"the newest that is left signs", remove("k4"), "", []string{"k1"}, "k1 ES256"},
		{"a removed key is not removed again", remove("k4"), "", []string{"k1"}, "k1 ES256"},
		{"the last removed goes on signing", remove("k1"), "", nil, "k1 ES256"},
		{"rotate from nothing", (*jwkstest.Issuer).Rotate, "k5", []string{"k5"}, "k5 ES256"},
		{"another one is published ahead of time", add("EdDSA"), "k6", []string{"k5", "k6"}, "k5 ES256"},
		{"it signs once it is the newest that is left", remove("k5"), "", []string{"k6"}, "k6 EdDSA"},
		{"rotate keeps that algorithm", (*jwkstest.Issuer).Rotate, "k7", []string{"k6", "k7"}, "k7 EdDSA"},
	}
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256", "EdDSA"))
	for _, s := range steps {
		if kid := s.do(issuer); kid != s.returns {
			t.Errorf("%s: returned %q, want %q", s.name, kid, s.returns)
		}
		if ids := kids(t, issuer); !slices.Equal(ids, s.published) {
			t.Errorf("%s: published %v, want %v", s.name, ids, s.published)
		}
		header, _ := decode(t, issuer.Sign(nil))
		if signer := fmt.Sprint(header["kid"], " ", header["alg"]); signer != s.signer {
			t.Errorf("%s: %s signs, want %s", s.name, signer, s.signer)
		}
	}
}

func TestAKeySetWithoutKeysIsAnEmptyArray(t *testing.T) {
	issuer := small(t)
	issuer.RemoveKey("k1")
	if body := get(t, issuer, issuer.JWKSURL()).body; string(body) != `{"keys":[]}` {
		t.Errorf("key set %s", body)
	}
}

func TestOpenIssuersShareNoKey(t *testing.T) {
	var open []*jwkstest.Issuer
	var sums []string
	for range 3 {
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms("RS256", "ES256"))
		issuer.RemoveKey("k2") // a removed key stays its issuer's
		issuer.AddKey("ES256")
		issuer.Rotate()
		open = append(open, issuer)
		sums = append(sums, thumbprints(t, issuer)...)
	}
	slices.Sort(sums)
	if n := len(slices.Compact(sums)); n != 9 {
		t.Errorf("%d keys for 3 issuers of 3 keys each", n)
	}
	removed := open[0].Sign(nil, jwkstest.WithKeyID("k2"))
	for _, issuer := range open {
		for _, k := range publishedKeys(t, issuer) {
			if k.Algorithm == "ES256" && signedBy(t, removed, k, "ES256") == nil {
				t.Errorf("a removed key of one issuer is %s of another", k.KeyID)
			}
		}
	}
	for _, forger := range open[1:] {
		token := forger.Sign(nil, jwkstest.WithKeyID("k1"))
		if signedBy(t, token, keyNamed(t, publishedKeys(t, open[0]), "k1"), "RS256") == nil {
			t.Error("a token of one issuer verifies under another's key of the same ID")
		}
	}
}

func TestAnIssuerInPlaceOfAClosedOneHasOtherKeys(t *testing.T) {
	first := small(t)
	token := first.Sign(nil)
	first.Close()
	second := small(t)
	if signedBy(t, token, keyNamed(t, publishedKeys(t, second), "k1"), "ES256") == nil {
		t.Error("the closed issuer's token verifies under the new issuer's key")
	}
}

func TestKeysAreUsedAgainOnceTheirIssuerIsOver(t *testing.T) {
	two := jwkstest.WithAlgorithms("ES512", "ES512")
	tb := &fakeTB{}
	tested := jwkstest.New(tb, two)
	started := jwkstest.Start(two)
	idle := append(thumbprints(t, tested), thumbprints(t, started)...)
	tested.RemoveKey("k1") // it goes back too
	tested.Close()
	tb.finish()
	started.Close()
	started.Close() // and nothing goes back twice

	// More keys of one kind than tests leave behind, so that these are all.
	all := thumbprints(t, jwkstest.New(t, jwkstest.WithAlgorithms(slices.Repeat([]string{"ES512"}, 12)...)))
	for n, sum := range idle {
		if !slices.Contains(all, sum) {
			t.Errorf("idle key %d was not used again", n)
		}
	}
	if len(slices.Compact(all)) != 12 {
		t.Error("one issuer has a key twice")
	}
}

// thumbprints are those of the published keys, sorted.
func thumbprints(t *testing.T, issuer *jwkstest.Issuer) (sums []string) {
	t.Helper()
	for _, k := range publishedKeys(t, issuer) {
		sum, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(sum))
	}
	slices.Sort(sums)
	return sums
}
