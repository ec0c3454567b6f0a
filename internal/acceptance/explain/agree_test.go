package explain

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// twins are two verifiers that were made alike and know nothing of each other:
// one verifies and the other explains.
type twins struct {
	verifier, explainer *jwks.Verifier
	nets                [2]*testkit.Internet
}

func newTwins(t *testing.T, k *keyring, w world) *twins {
	p := &twins{nets: [2]*testkit.Internet{k.internet(), k.internet()}}
	p.verifier, p.explainer = w.build(t, k, p.nets[0]), w.build(t, k, p.nets[1])
	return p
}

// compare gives both a token, and returns the reason for which it was refused.
func (p *twins) compare(t *testing.T, ctx context.Context, token string) string {
	t.Helper()
	verified, err := p.verifier.Verify(ctx, token)
	report := p.explainer.Explain(ctx, token)
	reason := jwks.Reason(err)
	for _, class := range []error{jwks.ErrTokenInvalid, jwks.ErrUnavailable, jwks.ErrKeyNotFound, context.Canceled} {
		if errors.Is(err, class) != errors.Is(report.Err, class) {
			t.Errorf("%v: Verify says %v, Explain %v", class, err, report.Err)
		}
	}
	switch {
	case jwks.Reason(report.Err) != reason:
		t.Errorf("Verify says %s, Explain %s", reason, jwks.Reason(report.Err))
	case err != nil && timeless(err) != timeless(report.Err):
		t.Errorf("Verify says %v\nExplain %v", err, report.Err)
	case err == nil && (verified.Raw() != report.Token.Raw() || verified.Key().Thumbprint() != report.Token.Key().Thumbprint()):
		t.Errorf("another token, or another key")
	}
	var requests [2][]string
	for i, n := range p.nets {
		requests[i] = n.TakeRequests()
	}
	if !slices.Equal(requests[0], requests[1]) {
		t.Errorf("Verify asked for %q, Explain for %q", requests[0], requests[1])
	}
	testkit.CheckReport(t, report, token)
	if t.Failed() {
		t.Fatalf("for the token %q\n%s", token, report)
	}
	return reason
}

// timeless is the text of an error without how long a backoff takes, which is
// left to chance.
func timeless(err error) string {
	text, _, _ := strings.Cut(err.Error(), "; next attempt in ")
	return text
}

// TestExplain_AgreesWithVerify gives 100,000 tokens to pairs of verifiers, with
// every option: ones that were signed with anything in them, and ones that were
// changed on their way.
func TestExplain_AgreesWithVerify(t *testing.T) {
	tries := 100_000
	if testing.Short() || testkit.RaceEnabled {
		tries = 5_000
	}
	k := newKeyring(t)
	r := rand.New(rand.NewPCG(16, 3))
	pool := make([]string, 2000)
	for i := range pool {
		pool[i] = k.tokenOf(r)
	}
	for i, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(i), 16))
				reasons := compareMany(t, newTwins(t, k, w), pool, r, tries/len(worlds))
				t.Logf("%d tokens: %v", tries/len(worlds), reasons)
				for _, want := range []string{"", "malformed", "signature"} {
					if reasons[want] == 0 {
						t.Errorf("no token was answered with %q: the test shows little", want)
					}
				}
			})
		})
	}
}

func compareMany(t *testing.T, p *twins, pool []string, r *rand.Rand, n int) (reasons map[string]int) {
	reasons = make(map[string]int)
	contexts := proofs()
	for i := range n {
		token := pool[r.IntN(len(pool))]
		for range r.IntN(4) {
			token = testkit.Mutate(r, token, pool)
		}
		if r.IntN(10) == 0 {
			token = "bearer  " + token
		}
		ctx := contexts[0]
		if r.IntN(3) == 0 {
			ctx = contexts[r.IntN(len(contexts))]
		}
		reasons[p.compare(t, ctx, token)]++
		if i%50 == 0 {
			time.Sleep(time.Second / 4) // of the bubble: budgets refill, memories lapse
		}
	}
	return reasons
}

// TestExplain_AgreesOnCorpus gives tokens under every kid of the stored key
// sets, and the stored tokens, to pairs of verifiers.
func TestExplain_AgreesOnCorpus(t *testing.T) {
	t.Run("ours", func(t *testing.T) { compareCorpus(t, testkit.Testdata(t, "hostile"), nil) })
	for _, part := range []string{"hostile", "jwks"} {
		t.Run(part, func(t *testing.T) { compareCorpus(t, testkit.SharedDir(t, "corpus", part), storedTokens(t)) })
	}
}

// storedTokens are those that real issuers made; they have expired.
func storedTokens(t *testing.T) []string {
	text, err := os.ReadFile(filepath.Join(testkit.SharedDir(t, "seed"), "auth0-token.jwt"))
	if err != nil {
		t.Fatal(err)
	}
	return []string{strings.TrimSpace(string(text))}
}

func compareCorpus(t *testing.T, dir string, tokens []string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	s := testkit.NewSigner(t, "ES256", "k1")
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Clone(tokens)
		for _, kid := range append(kidsIn(document), "unknown") {
			for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
				header, _ := json.Marshal(map[string]string{"alg": alg, "kid": kid}) // strings cannot fail
				all = append(all, s.Sign(string(header), testkit.Payload(map[string]any{"iss": issuerA})))
			}
		}
		all = append(all, s.Sign(`{"alg":"ES256"}`, testkit.Payload(map[string]any{"iss": issuerA})), string(document[:min(len(document), 100)]))
		synctest.Test(t, func(t *testing.T) {
			p := newTwins(t, &keyring{}, world{build: func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
				n.Serve("a.example", map[string]string{"/jwks": string(document)})
				return verifierOf(t, n.NewClient(t, jwks.WithIssuer(issuerA), jwks.WithJWKSURL(issuerA+"/jwks")), jwks.WithAudience("api"))
			}})
			for _, token := range all[:min(len(all), 120)] {
				p.compare(t, context.Background(), token)
				time.Sleep(time.Minute) // of the bubble: whatever a backoff is, it has passed
			}
		})
	}
}

// kidsIn lists the kids of a document, whatever it is.
func kidsIn(document []byte) (kids []string) {
	var set struct {
		Keys []struct {
			Kid any `json:"kid"`
		} `json:"keys"`
	}
	_ = json.Unmarshal(document, &set) // what can be read of it is enough
	for _, k := range set.Keys {
		if kid, ok := k.Kid.(string); ok {
			kids = append(kids, kid)
		}
	}
	return kids
}
