// Package recipes checks the pages under docs/recipes: their options accept
// tokens that are shaped like the provider's and refuse those that its traps are
// about.
package recipes

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// recipe is what one section of a page promises. client and verifier are, to the
// letter, the arguments of NewClient and NewVerifier on the page; a test compares
// them.
type recipe struct {
	name     string // the heading of the section
	page     string // below docs/recipes
	client   []jwks.ClientOption
	verifier []jwks.VerifierOption

	issuer    string // of the documents and the tokens
	discovery string // where the discovery document is; "" when there is none
	document  string // the discovery document, where it is more than issuer and jwks_uri
	keys      string // where the key set is
	algorithm string // default RS256
	header    string // members of the token's header besides alg and kid; default typ JWT
	jwk       func(s *testkit.Signer) string
	others    []string // further entries of the key set

	claims  map[string]any // of a good token, besides iss, iat and exp
	refused []refusal
}

// refusal is a token that differs from a good one, and why it is refused.
type refusal struct {
	trap    string
	changes map[string]any // nil takes a claim away
	reason  string         // as jwks.Reason gives it
}

func TestRecipes_Providers(t *testing.T) {
	for _, r := range slices.Concat(recipes, selfHosted) {
		t.Run(r.name, func(t *testing.T) {
			signer := testkit.NewSigner(t, r.algorithm, "key-1")
			client := r.world(t, signer).NewClient(t, r.client...)
			verifier, err := jwks.NewVerifier(client, r.verifier...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.Verify(t.Context(), r.token(signer, nil)); err != nil {
				t.Errorf("a good token: %v", err)
			}
			for _, f := range r.refused {
				_, err := verifier.Verify(t.Context(), r.token(signer, f.changes))
				if got := jwks.Reason(err); got != f.reason {
					t.Errorf("%s: reason %q, want %q: %v", f.trap, got, f.reason, err)
				}
			}
			// What no recipe may let through.
			for trap, f := range map[string]refusal{
				"expired":          {changes: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, reason: "expired"},
				"without exp":      {changes: map[string]any{"exp": nil}, reason: "claim"},
				"another audience": {changes: map[string]any{"aud": "another-api", "client_id": "another", "azp": "https://another.example"}, reason: r.wrongAudience()},
			} {
				_, err := verifier.Verify(t.Context(), r.token(signer, f.changes))
				if got := jwks.Reason(err); got != f.reason {
					t.Errorf("%s: reason %q, want %q: %v", trap, got, f.reason, err)
				}
			}
			forged := testkit.NewSigner(t, "ES256", "key-1")
			if _, err := verifier.Verify(t.Context(), r.token(forged, nil)); err == nil {
				t.Error("a forged token was accepted")
			}
		})
	}
}

// wrongAudience is the reason for a token that is meant for another service:
// where tokens have no audience the client decides.
func (r recipe) wrongAudience() string {
	if _, ok := r.claims["aud"]; ok {
		return "audience"
	}
	return "claim"
}

// world serves the provider's documents at the provider's addresses.
func (r recipe) world(t *testing.T, s *testkit.Signer) *testkit.Internet {
	t.Helper()
	jwk := r.jwk
	if jwk == nil {
		jwk = func(s *testkit.Signer) string { return s.JWKWithAlg(s.Algorithm) }
	}
	documents := map[string]string{r.keys: testkit.KeySetDocument(append([]string{jwk(s)}, r.others...)...)}
	if r.discovery != "" {
		documents[r.discovery] = r.document
		if r.document == "" {
			documents[r.discovery] = testkit.Metadata(r.issuer, r.keys)
		}
	}
	byHost := map[string]map[string]string{}
	for address, body := range documents {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if byHost[u.Host] == nil {
			byHost[u.Host] = map[string]string{}
		}
		byHost[u.Host][u.RequestURI()] = body
	}
	n := testkit.NewInternet()
	for host, documents := range byHost {
		n.Serve(host, documents)
	}
	return n
}

// token signs the claims of the recipe with changes.
func (r recipe) token(s *testkit.Signer, changes map[string]any) string {
	claims := map[string]any{"iss": r.issuer, "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	maps.Copy(claims, r.claims)
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	header := r.header
	if header == "" {
		header = `,"typ":"JWT"`
	}
	return s.Sign(`{"alg":"`+s.Algorithm+`","kid":"`+s.KeyID+`"`+header+`}`, string(payload))
}
