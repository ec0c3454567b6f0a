package jwk

import (
	"crypto/elliptic"
	"encoding/json"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for _, bench := range []struct {
		name string
		jwk  members
	}{
		{"RSA-2048", rsaJWK()},
		{"RSA-2048-padded-std", rsaJWK().with(members{"n": stdPadded(b, rsaJWK()["n"].(string))})},
		{"RSA-4096", rsaJWK().with(members{"n": b64(testModulus(4096).Bytes())})},
		{"RSA-65536-refused", rsaJWK().with(members{"n": b64(testModulus(65536).Bytes())})},
		{"EC-P-256", ecJWK(b, elliptic.P256())},
		{"EC-P-521", ecJWK(b, elliptic.P521())},
		{"Ed25519", edJWK()},
		{"RSA-2048-x5c", rsaJWK().with(members{"x5c": []string{certificateFor(b, rsaJWK())}})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			text, err := json.Marshal(bench.jwk)
			if err != nil {
				b.Fatal(err)
			}
			v := value(b, string(text))
			b.ReportAllocs()
			for b.Loop() {
				Parse(v)
			}
		})
	}
}

func BenchmarkROCA(b *testing.B) {
	for _, bench := range []struct {
		name string
		n    []byte
	}{
		{"2048", testModulus(2048).Bytes()},
		{"8192", testModulus(8192).Bytes()},
		{"2048-fingerprint", rocaModulus(2048).Bytes()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				hasROCAFingerprint(bench.n)
			}
		})
	}
}

func BenchmarkMembers(b *testing.B) {
	text, err := json.Marshal(rsaJWK())
	if err != nil {
		b.Fatal(err)
	}
	v := value(b, string(text))
	for b.Loop() {
		var e entry
		if err := e.read(v); err != nil {
			b.Fatal(err)
		}
	}
}
