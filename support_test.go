package jwks_test

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// jwkOf writes a public key as a JWK.
func jwkOf(tb testing.TB, public any, kid string) []byte {
	tb.Helper()
	text, err := jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: "RS256"}.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
