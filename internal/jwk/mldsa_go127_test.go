//go:build go1.27

package jwk

import (
	"crypto/mldsa"
	"encoding/base64"
	"slices"
	"testing"
)

const mldsaSupported = true

// mldsaJWK is a good ML-DSA key.
func mldsaJWK(t testing.TB, params mldsa.Parameters) (members, *mldsa.PrivateKey) {
	t.Helper()
	private, err := mldsa.NewPrivateKey(params, stream("mldsa", mldsa.PrivateKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return members{"kty": "AKP", "kid": "a", "alg": params.String(), "pub": b64(private.PublicKey().Bytes())}, private
}

func TestMLDSA(t *testing.T) {
	for _, params := range []mldsa.Parameters{mldsa.MLDSA44(), mldsa.MLDSA65(), mldsa.MLDSA87()} {
		t.Run(params.String(), func(t *testing.T) {
			jwk, private := mldsaJWK(t, params)
			k, kid, err := parse(t, jwk)
			if err != nil {
				t.Fatal(err)
			}
			if kid != "a" || k.Type != "AKP" || k.Curve != "" || k.Alg != params.String() || !slices.Equal(k.Algorithms, []string{params.String()}) {
				t.Errorf("got %+v", k)
			}
			signature, err := private.Sign(nil, []byte("message"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := mldsa.Verify(k.Public.(*mldsa.PublicKey), []byte("message"), signature, nil); err != nil {
				t.Error(err)
			}
			if !Equal(k.Public, private.PublicKey()) {
				t.Error("another key")
			}
		})
	}
}

func TestMLDSARules(t *testing.T) {
	good, _ := mldsaJWK(t, mldsa.MLDSA65())
	pub := good["pub"].(string)
	raw, err := base64.RawURLEncoding.DecodeString(pub)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		changes members
		why     string
	}{
		{"use sig", members{"use": "sig"}, ""},
		{"use enc", members{"use": "enc"}, `use "enc" is not "sig"`},
		{"alg is required", members{"alg": nil}, "alg is missing"},
		{"alg null", members{"alg": null}, "alg is missing"},
		{"alg empty", members{"alg": ""}, "alg is missing"},
		{"alg of another type", members{"alg": "RS256"}, `alg "RS256" does not fit AKP`},
		{"alg unknown", members{"alg": "ML-DSA-66"}, `alg "ML-DSA-66" does not fit AKP`},
		{"another parameter set", members{"alg": "ML-DSA-44"}, "pub of 1952 octets, want 1312"},
		{"private", members{"priv": "AAAA"}, `private member "priv" published`},
		{"no pub", members{"pub": nil}, "pub is missing"},
		{"pub null", members{"pub": null}, "pub is missing"},
		{"short", members{"pub": pub[:len(pub)-4]}, "pub of 1949 octets, want 1952"},
		{"padded", members{"pub": base64.URLEncoding.EncodeToString(raw)}, ""},
		{"standard alphabet", members{"pub": base64.RawStdEncoding.EncodeToString(raw)}, ""},
		{"a line break", members{"pub": pub[:100] + "\n" + pub[101:]}, "pub is not well-formed base64"},
		{"another key in x5c", members{"x5c": []string{certificateFor(t, rsaJWK())}}, "x5c holds a certificate for another key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse(t, good.with(test.changes))
			wantReason(t, err, test.why)
		})
	}
}
