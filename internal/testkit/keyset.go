package testkit

import (
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// OneKey is a key set document with one ES256 key, k1, which does not matter.
func OneKey(t testing.TB) string {
	t.Helper()
	return KeySetDocument(NewSigner(t, "ES256", "k1").JWK())
}

// KeyIDs lists the key IDs of a set, in order.
func KeyIDs(s *jwks.KeySet) []string {
	kids := []string{}
	for k := range s.All() {
		kids = append(kids, k.ID())
	}
	return kids
}

// Members of public keys from the RFCs, without kid.
const (
	Ed25519Members = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`                                                // RFC 8037 appendix A.2
	P256Members    = `"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"` // RFC 7517 appendix A.1
)

// ParseKeySet reads a key set document, which must be valid.
func ParseKeySet(t testing.TB, document string) *jwks.KeySet {
	t.Helper()
	set, err := jwks.ParseKeySet([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// WithMembers adds members to a JWK, as JSON.
func WithMembers(jwk, members string) string {
	return strings.TrimSuffix(jwk, "}") + "," + members + "}"
}

// KeySetOf is the set of the signers' public keys.
func KeySetOf(tb testing.TB, signers ...*Signer) *jwks.KeySet {
	tb.Helper()
	var entries []string
	for _, s := range signers {
		entries = append(entries, s.JWK())
	}
	return ParseKeys(tb, entries...)
}

// ParseKeys is [ParseKeySet] of a document with these entries.
func ParseKeys(tb testing.TB, entries ...string) *jwks.KeySet {
	tb.Helper()
	return ParseKeySet(tb, KeySetDocument(entries...))
}

// KeySetDocument writes a key set of these entries, each a JWK.
func KeySetDocument(entries ...string) string {
	return `{"keys":[` + strings.Join(entries, ",") + `]}`
}
