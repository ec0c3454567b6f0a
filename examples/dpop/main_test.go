package main

import (
	"strings"
	"testing"
)

func TestExample_ShowsWhatAThiefGets(t *testing.T) {
	var out strings.Builder
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	const algs = `algs="ES256 EdDSA"`
	want := []string{
		`alice, first request               401  DPoP error="use_dpop_nonce", error_description="The proof needs the nonce of this answer", ` + algs,
		`alice, with the nonce              200  orders of alice`,
		`thief, the token as Bearer         401  DPoP error="invalid_token", error_description="The token is bound to a key, and was not sent with the scheme DPoP", ` + algs,
		`thief, the token without a proof   401  DPoP error="invalid_dpop_proof", ` + algs,
		`thief, Alice's request once more   401  DPoP error="invalid_dpop_proof", ` + algs,
		`thief, Alice's proof for a DELETE  401  DPoP error="invalid_dpop_proof", ` + algs,
		`thief, a proof of his own key      401  DPoP error="invalid_dpop_proof", ` + algs,
		`alice, next request                200  orders of alice`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
