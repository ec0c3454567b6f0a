package jwk

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// FuzzParse: whatever is read satisfies the rules that its readers rely on,
// survives being written and read again, and is what go-jose reads too.
func FuzzParse(f *testing.F) {
	for _, jwk := range []members{
		rsaJWK(),
		rsaJWK().with(members{"n": stdPadded(f, "AAAA"+rsaJWK()["n"].(string)), "e": "Aw==", "alg": nil}),
		rsaJWK().with(members{"n": b64(rocaModulus(2048).Bytes())}),
		rsaJWK().with(members{"n": b64(testModulus(4096).Bytes()), "key_ops": []string{"verify"}, "issuer": "i"}),
		rsaJWK().with(members{"x5c": []string{certificateFor(f, rsaJWK())}, "x5t": "a", "x5t#S256": "b"}),
		ecJWK(f, elliptic.P256()), ecJWK(f, elliptic.P384()), ecJWK(f, elliptic.P521()),
		edJWK(), edJWK().with(members{"x": b64(make([]byte, 32))}),
		{"kty": "oct", "k": "AAAA"}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
	} {
		text, err := json.Marshal(jwk)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"kid":"a","k\u0069d":"b","kty":"RSA"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		outer := strictjson.Object(`{"v":` + text + `}`)
		if !outer.Next() || outer.Value().Raw() != strings.Trim(text, " \t\r\n") {
			return
		}
		k, kid, err := Parse(outer.Value())
		if (k == nil) != (err != nil) {
			t.Fatalf("key %v with error %v", k, err)
		}
		if err != nil {
			if s := err.Error(); strings.ContainsAny(s, "\r\n") || len(s) > 512 {
				t.Errorf("reason %q", s)
			}
			return
		}
		checkInvariants(t, k, kid)
		if k.Type == "AKP" {
			return // go-jose does not know the type
		}
		written, err := jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: k.Alg, Use: k.Use}.MarshalJSON()
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		again, _, err := Parse(value(t, string(written)))
		if err != nil || !Equal(k.Public, again.Public) || again.ID != k.ID || !slices.Equal(again.Algorithms, k.Algorithms) {
			t.Errorf("read again: %+v, %v", again, err)
		}
		var other jose.JSONWebKey
		if other.UnmarshalJSON([]byte(text)) == nil && (!Equal(k.Public, other.Key) || other.KeyID != k.ID) {
			t.Error("go-jose reads another key")
		}
	})
}

// checkInvariants checks what the package promises about each key, without
// using its code.
func checkInvariants(t *testing.T, k *Key, kid string) {
	t.Helper()
	if k.ID != kid || len(k.ID) > 256 {
		t.Errorf("ID %q with kid %q", k.ID, kid)
	}
	if k.Use != "" && k.Use != "sig" {
		t.Errorf("use %q", k.Use)
	}
	fit := map[string][]string{
		"RSA/":        {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
		"EC/P-256":    {"ES256"},
		"EC/P-384":    {"ES384"},
		"EC/P-521":    {"ES512"},
		"OKP/Ed25519": {"EdDSA", "Ed25519"},
		"AKP/":        {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"},
	}[k.Type+"/"+k.Curve]
	if len(k.Algorithms) == 0 || k.Alg != "" && !slices.Contains(k.Algorithms, k.Alg) {
		t.Errorf("alg %q, algorithms %q", k.Alg, k.Algorithms)
	}
	for _, alg := range k.Algorithms {
		if !slices.Contains(fit, alg) {
			t.Errorf("%s %s with %q", k.Type, k.Curve, alg)
		}
	}
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		if k.Type != "RSA" || pub.N.BitLen() < 2048 || pub.N.BitLen() > 8192 || pub.N.Bit(0) == 0 || pub.N.Sign() < 0 ||
			pub.E < 3 || pub.E > 1<<31-1 || pub.E%2 == 0 || slowDetector()(pub.N) {
			t.Errorf("RSA key of %d bits with e %d", pub.N.BitLen(), pub.E)
		}
	case *ecdsa.PublicKey:
		if _, err := pub.ECDH(); k.Type != "EC" || err != nil || pub.Curve.Params().Name != k.Curve {
			t.Errorf("EC key on %s: %v", k.Curve, err)
		}
	case ed25519.PublicKey:
		y := slices.Clone(pub)
		slices.Reverse(y)
		y[0] &= 0x7f
		p, ok := edDecode(new(big.Int).SetBytes(y), pub[31]>>7 == 1)
		if k.Type != "OKP" || len(pub) != 32 || !ok || p.y.Cmp(edP) >= 0 || p.times(big.NewInt(8)).isZero() {
			t.Errorf("Ed25519 key %x", pub)
		}
	default:
		if k.Type != "AKP" || !mldsaSupported {
			t.Errorf("key %T", pub)
		}
	}
}
