package jwk

import (
	"crypto/elliptic"
	"errors"
	"testing"
)

func TestClasses_OfRefusals(t *testing.T) {
	classes := []error{ErrSecret, ErrWeak, ErrPurpose}
	ec := ecJWK(t, elliptic.P256())
	for _, test := range []struct {
		name string
		jwk  members
		want error // nil: of no class
	}{
		{"a private member", ec.with(members{"d": "AQAB"}), ErrSecret},
		{"a symmetric member", members{"kty": "oct", "k": "AQAB"}, ErrSecret},
		{"a symmetric type without its member", members{"kty": "oct"}, ErrPurpose},
		{"for encryption", ec.with(members{"use": "enc"}), ErrPurpose},
		{"for deriving", ec.with(members{"key_ops": []string{"deriveKey"}}), ErrPurpose},
		{"a short modulus", rsaJWK().with(members{"n": b64(testModulus(1024).Bytes())}), ErrWeak},
		{"a long modulus", rsaJWK().with(members{"n": b64(testModulus(8200).Bytes())}), nil},
		{"an exponent of 1", rsaJWK().with(members{"e": "AQ"}), ErrWeak},
		{"the ROCA fingerprint", rsaJWK().with(members{"n": b64(rocaModulus(2048).Bytes())}), ErrWeak},
		{"an unknown type", members{"kty": "XYZ"}, nil},
	} {
		_, _, err := parse(t, test.jwk)
		if err == nil {
			t.Errorf("%s is accepted", test.name)
		}
		for _, class := range classes {
			if errors.Is(err, class) != (class == test.want) {
				t.Errorf("%s: %v, of class %v: %v", test.name, err, class, errors.Is(err, class))
			}
		}
	}
}
