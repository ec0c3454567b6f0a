//go:build !go1.27

package jwk

import "testing"

const mldsaSupported = false

func TestMLDSANeedsANewerGo(t *testing.T) {
	_, kid, err := parse(t, members{"kty": "AKP", "kid": "a", "alg": "ML-DSA-65", "pub": "AAAA"})
	wantReason(t, err, `kty "AKP" needs a program built with Go 1.27 or later`)
	if kid != "a" {
		t.Errorf("kid %q", kid)
	}
	_, _, err = parse(t, members{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "priv": "AAAA"})
	wantReason(t, err, `private member "priv" published`)
}
