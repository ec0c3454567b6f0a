package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

func publicRSA(t testing.TB, public crypto.PublicKey) *rsa.PublicKey {
	t.Helper()
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("key %T", public)
	}
	return k
}

// A key that is written is read again as the same key, with the names that it
// was given.
func TestFromPublic_RoundTrip(t *testing.T) {
	short, _, _ := shortCoordinates(t, elliptic.P256())
	for rule, tt := range map[string]struct {
		jwk members
		alg string
	}{
		"RSA": {rsaJWK(), ""}, "RSA for PS384": {rsaJWK(), "PS384"},
		"P-256": {ecJWK(t, elliptic.P256()), "ES256"}, "P-384": {ecJWK(t, elliptic.P384()), ""}, "P-521": {ecJWK(t, elliptic.P521()), "ES512"},
		"leading zeros": {short, ""}, "Ed25519": {edJWK(), "EdDSA"}, "Ed25519 by its other name": {edJWK(), "Ed25519"},
	} {
		want, _, err := parse(t, tt.jwk)
		if err != nil {
			t.Fatal(err)
		}
		for _, kid := range []string{"", "k1", `"quoted" <&> é`, strings.Repeat("k", 256)} {
			text, err := FromPublic(want.Public, kid, tt.alg)
			if err != nil {
				t.Fatalf("%s: %v", rule, err)
			}
			k, got, err := parse(t, text)
			if err != nil || got != kid || k.ID != kid || k.Alg != tt.alg || !Equal(k.Public, want.Public) {
				t.Errorf("%s: %s was read as %+v, %v", rule, text, k, err)
			}
		}
	}
}

func TestFromPublic_Refused(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	public := private.Public()
	for _, tt := range []struct {
		rule     string
		key      crypto.PublicKey
		kid, alg string
		want     string
	}{
		{"nil", nil, "", "", "the key is nil"},
		{"a nil RSA key", (*rsa.PublicKey)(nil), "", "", "the RSA key is nil or has no modulus"},
		{"no modulus", &rsa.PublicKey{E: 3}, "", "", "the RSA key is nil or has no modulus"},
		{"a negative modulus", &rsa.PublicKey{N: big.NewInt(-1), E: 3}, "", "", "the RSA key has a negative number"},
		{"a negative exponent", &rsa.PublicKey{N: big.NewInt(1), E: -3}, "", "", "the RSA key has a negative number"},
		{"a nil EC key", (*ecdsa.PublicKey)(nil), "", "", "the EC key is nil or has no curve or point"},
		{"no curve", &ecdsa.PublicKey{X: big.NewInt(1), Y: big.NewInt(1)}, "", "", "the EC key is nil or has no curve or point"},
		{"no point", &ecdsa.PublicKey{Curve: elliptic.P256()}, "", "", "the EC key is nil or has no curve or point"},
		{"a negative coordinate", &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: big.NewInt(1)}, "", "", "the EC key has a negative number"},
		{"a nil Ed25519 key", ed25519.PublicKey(nil), "", "", "the Ed25519 key is nil"},
		{"a private key", private, "", "", "ed25519.PrivateKey is a private key; give what its method Public returns"},
		{"a text", "secret", "", "", "string is not a public key for signatures, want *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey"},
		{"a kid that is not text", public, "\xff", "", "the key ID is not valid UTF-8"},
		{"a kid that is too long", public, strings.Repeat("k", 257), "", "the key ID has 257 bytes, want at most 256"},
	} {
		text, err := FromPublic(tt.key, tt.kid, tt.alg)
		if text != "" {
			t.Errorf("%s: %s", tt.rule, text)
		}
		wantReason(t, err, tt.want)
	}
}

// Whether key and algorithm keep the rules is what reading says.
func TestFromPublic_LeavesRulesToReading(t *testing.T) {
	ec, _, err := parse(t, ecJWK(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	weak := &rsa.PublicKey{N: testModulus(1024), E: 65537}
	for _, tt := range []struct {
		key    crypto.PublicKey
		alg    string
		misfit bool
		want   string
	}{
		{weak, "", false, "RSA modulus of 1024 bits"},
		{ec.Public, "ES384", true, `alg "ES384" does not fit`},
		{ec.Public, "none", true, `alg "none"`},
		{&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, "", false, "point is not on P-256"},
		{&ecdsa.PublicKey{Curve: elliptic.P224(), X: big.NewInt(1), Y: big.NewInt(1)}, "", false, `crv "P-224"`},
		{ed25519.PublicKey(make([]byte, 31)), "", false, "x"},
		{&rsa.PublicKey{N: new(big.Int), E: 0}, "", false, "RSA"},
	} {
		text, err := FromPublic(tt.key, "", tt.alg)
		if err != nil {
			t.Errorf("%T %s: %v", tt.key, tt.alg, err)
			continue
		}
		if _, _, err = parse(t, text); err == nil || IsMisfit(err) != tt.misfit || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", text, err, tt.want)
		}
	}
}
