package explain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// The issuers of these tests.
const (
	issuerA  = "https://a.example"
	issuerB  = "https://b.example/tenant"
	aliasA   = "a.example"
	dynamic  = "https://dynamic.example"
	down     = "https://down.example"
	refused  = "https://refused.example"
	unknown  = "https://unknown.example"
	muddled  = "https://muddled.example" // the function fails for it
	noPolicy = "https://nopolicy.example"
)

// keyring signs for the issuers. Every issuer has the same two kids.
type keyring struct {
	issuers []string
	signers map[string][]*testkit.Signer
}

func newKeyring(t *testing.T) *keyring {
	k := &keyring{signers: make(map[string][]*testkit.Signer)}
	for _, issuer := range []string{issuerA, issuerB, dynamic, down, noPolicy, testkit.TenantIssuer(testkit.Tenant1)} {
		k.issuers = append(k.issuers, issuer)
		k.signers[issuer] = []*testkit.Signer{testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "ES256", "k2")}
	}
	return k
}

// document is the key set of an issuer.
func (k *keyring) document(issuer string) string {
	var entries []string
	for _, s := range k.signers[issuer] {
		entries = append(entries, s.JWK())
	}
	return testkit.KeySetDocument(append(entries, `{"kty":"RSA","kid":"weak","n":"AQ","e":"AQAB"}`)...)
}

// internet serves the issuers. The one that is down says for how long, so that
// no backoff is left to chance.
func (k *keyring) internet() *testkit.Internet {
	n := testkit.NewInternet()
	n.Route(strings.TrimPrefix(down, "https://"), testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return testkit.Response(http.StatusServiceUnavailable, "", "Retry-After", "600"), nil
	}))
	for _, issuer := range []string{issuerA, issuerB, dynamic, noPolicy} {
		host, path, _ := strings.Cut(strings.TrimPrefix(issuer, "https://"), "/")
		if path != "" {
			path = "/" + path
		}
		n.Serve(host, map[string]string{
			path + testkit.DiscoveryPath: testkit.Metadata(issuer, issuer+"/jwks"),
			path + "/jwks":               k.document(issuer),
		})
	}
	n.Serve("login.microsoftonline.com", map[string]string{
		"/{tenantid}/v2.0" + testkit.DiscoveryPath:     testkit.Metadata(testkit.EntraIssuer, "https://login.microsoftonline.com/keys"),
		"/%7Btenantid%7D/v2.0" + testkit.DiscoveryPath: testkit.Metadata(testkit.EntraIssuer, "https://login.microsoftonline.com/keys"),
		"/keys": k.document(testkit.TenantIssuer(testkit.Tenant1)),
	})
	return n
}

// world makes a verifier over an internet of its own.
type world struct {
	name  string
	build func(t *testing.T, k *keyring, n *testkit.Internet) *jwks.Verifier
}

func verifierOf(t *testing.T, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	t.Helper()
	return testkit.NewBareVerifier(t, source, opts...)
}

var worlds = []world{
	{"a key set and every rule", func(t *testing.T, k *keyring, _ *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, testkit.ParseKeySet(t, k.document(issuerA)),
			jwks.WithExpectedIssuer(issuerA, aliasA), jwks.WithAudience("api", "other"), jwks.WithAllAudiences("api"), jwks.WithTokenTypes("JWT", "at+jwt"),
			jwks.WithRequiredClaims("sub", "email"), jwks.WithMaxTokenAge(time.Hour), jwks.WithAuthorizedParties("web"),
			jwks.WithClientID("web"), jwks.WithClaim("/roles", "admin", "7"), jwks.WithNumericSubject(), jwks.WithCheck(refuseMallory))
	}},
	{"a key set and few rules", func(t *testing.T, k *keyring, _ *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, testkit.ParseKeySet(t, k.document(issuerA)), jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck(),
			jwks.WithoutTimeChecks(), jwks.WithoutProofOfPossession(), jwks.WithAlgorithms("EdDSA"), jwks.WithMaxTokenSize(500))
	}},
	{"a client with an alias", func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, n.NewClient(t, jwks.WithIssuer(issuerA), jwks.WithIssuerAliases(aliasA)), jwks.WithAudience("api"), jwks.WithCheck(refuseMallory))
	}},
	{"a client and a token cache", func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, n.NewClient(t, jwks.WithIssuer(issuerB)), jwks.WithAudience("api"), jwks.WithTokenCache(64), jwks.WithAccessTokenProfile(), jwks.WithoutExpiry())
	}},
	{"no cache of keys", func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, n.NewClient(t, jwks.WithIssuer(issuerA), jwks.WithoutCache()), jwks.WithAudience("api"))
	}},
	{"issuers", func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, issuersOf(t, n), jwks.WithAudience("api"), jwks.WithCheck(refuseMallory))
	}},
	{"issuers, each with its rules", func(t *testing.T, _ *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, issuersOf(t, n), jwks.WithTokenCache(64),
			jwks.ForIssuer(issuerA, jwks.WithAudience("api"), jwks.WithAlgorithms("EdDSA"), jwks.WithClaim("sub", "user", "mallory")),
			jwks.ForIssuer(issuerB, jwks.WithAudience("other"), jwks.WithCheck(refuseMallory)),
			jwks.ForIssuer(down, jwks.WithoutAudienceCheck()),
			jwks.ForIssuer(testkit.EntraIssuer, jwks.WithAudience("api"), jwks.WithoutExpiry()),
			jwks.ForIssuer(testkit.TenantIssuer(testkit.Tenant2), jwks.WithAudience("other")),
			jwks.ForIssuerFunc(func(_ context.Context, issuer string) ([]jwks.VerifierOption, error) {
				switch issuer {
				case dynamic:
					return []jwks.VerifierOption{jwks.WithAudience("api"), jwks.WithAlgorithms("EdDSA")}, nil
				case noPolicy:
					return nil, nil
				}
				return nil, errors.New("nobody knows")
			}))
	}},
	{"a union", func(t *testing.T, k *keyring, n *testkit.Internet) *jwks.Verifier {
		return verifierOf(t, jwks.AnyOf(n.NewClient(t, jwks.WithIssuer(issuerA)), n.NewClient(t, jwks.WithIssuer(issuerB)), testkit.ParseKeySet(t, k.document(dynamic))),
			jwks.WithExpectedIssuer(issuerA, issuerB, dynamic), jwks.WithAudience("api"), jwks.WithTokenCache(16))
	}},
}

func issuersOf(t *testing.T, n *testkit.Internet) *jwks.Issuers {
	return n.NewIssuers(t,
		jwks.TrustIssuer(issuerA, jwks.WithIssuerAliases(aliasA)), jwks.TrustIssuers(issuerB, down),
		jwks.TrustIssuer(testkit.EntraIssuer, jwks.WithTenants(testkit.Tenant1, testkit.Tenant2)),
		jwks.TrustIssuerFunc(func(_ context.Context, issuer string) ([]jwks.ClientOption, error) {
			switch issuer {
			case dynamic, noPolicy:
				return nil, nil
			case muddled:
				return nil, errors.New("the database is down")
			}
			return nil, jwks.ErrIssuerNotTrusted
		}))
}

func refuseMallory(_ context.Context, t *jwks.Token) error {
	switch t.Subject() {
	case "mallory":
		return errors.New("she is not welcome")
	case "nobody":
		return fmt.Errorf("%w: the list is not there", jwks.ErrUnavailable)
	}
	return nil
}

// tokenOf makes up a token that is signed by one of the keys.
func (k *keyring) tokenOf(r *rand.Rand) string {
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	issuer := k.issuers[r.IntN(len(k.issuers))]
	s := k.signers[issuer][r.IntN(2)]
	header := pick(s.Header(), s.Header(), s.Header(), s.Header(),
		`{"alg":"`+s.Algorithm+`"}`, `{"alg":"`+s.Algorithm+`","kid":"weak"}`, `{"alg":"`+s.Algorithm+`","kid":"`+pick("k1", "k2", "k9")+`"}`,
		`{"alg":"Ed25519","kid":"k1","typ":"at+jwt"}`, `{"alg":"none"}`, `{"alg":"","kid":1}`, `{"alg":"ES256","kid":"k1"}`,
		`{"alg":"`+s.Algorithm+`","kid":"`+s.KeyID+`","typ":"`+pick("at+jwt", "application/AT+JWT", "x")+`"}`,
		`{"alg":"`+s.Algorithm+`","crit":["x"]}`, `{"alg":"`+s.Algorithm+`","x5t":"AAAA"}`)
	claims := map[string]any{"iss": issuer, "sub": "user", "email": "e", "azp": "web", "client_id": "web", "jti": "1", "roles": []string{"admin"}, "tid": testkit.Tenant1}
	for range r.IntN(3) {
		name := pick("iss", "iss", "aud", "aud", "exp", "exp", "nbf", "iat", "sub", "cnf", "cnf", "azp", "client_id", "email", "roles", "tid", "jti")
		claims[name] = k.claim(r, name)
	}
	payload := testkit.Payload(claims)
	if r.IntN(20) == 0 {
		payload = pick(`[]`, `null`, `{"iss":1}`, strings.TrimSuffix(payload, "}")+`,"sub":"again"}`, payload+" x", "")
	}
	return s.Sign(header, payload)
}

// claim makes up a value, nil for none.
func (k *keyring) claim(r *rand.Rand, name string) any {
	values := map[string][]any{
		"iss": {nil, 7, "", issuerA, aliasA, issuerA + "/", issuerB, dynamic, down, refused, unknown, muddled, noPolicy, testkit.EntraIssuer,
			testkit.TenantIssuer(testkit.Tenant1), testkit.TenantIssuer(testkit.Tenant2), strings.Repeat("x", 3000)},
		"aud":   {nil, "api", "other", "", []string{}, []string{"api", "other"}, []any{"api", 1}, map[string]int{}},
		"exp":   {nil, testkit.Now, testkit.Now - 31, testkit.Now - 29, "soon", 1e300, testkit.Now * 1000, testkit.Now + 0.5},
		"nbf":   {nil, testkit.Now + 29, testkit.Now + 31, -1},
		"iat":   {nil, testkit.Now + 31, testkit.Now - 4000, 0},
		"sub":   {nil, "", "mallory", "nobody", 7, 1.5},
		"cnf":   {nil, map[string]string{"jkt": "thumb"}, map[string]string{"x5t#S256": "t"}, map[string]string{}, "x"},
		"roles": {nil, "admin", 7, []any{7}, map[string]string{"admin": "admin"}},
		"tid":   {nil, testkit.Tenant2, "x", 3},
	}[name]
	if values == nil {
		values = []any{nil, "", "x", 3, true}
	}
	return values[r.IntN(len(values))]
}

// proofs are contexts of callers.
func proofs() []context.Context {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	return []context.Context{
		context.Background(), context.Background(),
		jwks.ContextWithProof(context.Background(), proof{}),
		jwks.ContextWithProof(context.Background(), proof{errors.New("another key")}),
		jwks.ContextWithProof(context.Background(), proof{jwks.ErrUnavailable}),
		gone,
	}
}

type proof struct{ err error }

func (p proof) Prove(context.Context, *jwks.Token) error { return p.err }
func (proof) Confirms() []string                         { return []string{"jkt"} }
