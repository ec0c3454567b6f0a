package jws

import "testing"

func TestNamed(t *testing.T) {
	names := map[string]Algorithm{
		"RS256": RS256, "RS384": RS384, "RS512": RS512,
		"PS256": PS256, "PS384": PS384, "PS512": PS512,
		"ES256": ES256, "ES384": ES384, "ES512": ES512,
		"EdDSA": EdDSA, "Ed25519": EdDSA,
		"ML-DSA-44": MLDSA44, "ML-DSA-65": MLDSA65, "ML-DSA-87": MLDSA87,
	}
	for name, want := range names {
		if got := Named(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
		if got := methods[want].Alg(); Named(got) != want {
			t.Errorf("the method of %s is %s", name, got)
		}
	}
	for _, name := range []string{"", "none", "None", "HS256", "HS384", "HS512", "rs256", "RS256 ", "ES256K", "Ed448", "RSA-OAEP", "ML-DSA-45"} {
		if got := Named(name); got != Unknown {
			t.Errorf("%q is %d", name, got)
		}
	}
}

func TestSet(t *testing.T) {
	s := SetOf([]string{"RS256", "none", "Ed25519", "HS256"})
	for a := RS256; a <= MLDSA87; a++ {
		if got, want := s.Has(a), a == RS256 || a == EdDSA; got != want {
			t.Errorf("%d is in the set: %v", a, got)
		}
		if !All.Has(a) {
			t.Errorf("%d is not in All", a)
		}
	}
	if s.Has(Unknown) || SetOf(nil) != 0 {
		t.Error("an unknown algorithm is in a set")
	}
}

func TestVerify_RefusesUnknown(t *testing.T) {
	if Verify(Unknown, nil, "", nil) {
		t.Error("verified")
	}
}
