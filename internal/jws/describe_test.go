package jws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
)

func TestDescribeSignature(t *testing.T) {
	for a, curve := range map[Algorithm]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384(), ES512: elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.DescribeSignature(der); !strings.Contains(got, "DER") {
			t.Errorf("%v in DER: %q", a, got)
		}
	}
	for _, test := range []struct {
		algorithm Algorithm
		length    int
		want      string
	}{
		{ES256, 64, ""}, {ES256, 63, ": it has 63 bytes, want 64"}, {ES384, 64, ": it has 64 bytes, want 96"}, {ES512, 128, ": it has 128 bytes, want 132"},
		{EdDSA, 64, ""}, {EdDSA, 1, ": it has 1 bytes, want 64"}, {RS256, 1, ""},
	} {
		if got := test.algorithm.DescribeSignature(make([]byte, test.length)); got != test.want {
			t.Errorf("%v with %d bytes: %q, want %q", test.algorithm, test.length, got, test.want)
		}
	}
}
