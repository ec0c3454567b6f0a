package jwk

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
)

func TestRSAModulusSize(t *testing.T) {
	for _, test := range []struct {
		bits int
		why  string
	}{
		{512, "RSA modulus of 512 bits, want 2048 to 8192"},
		{1024, "RSA modulus of 1024 bits, want 2048 to 8192"},
		{2040, "RSA modulus of 2040 bits, want 2048 to 8192"},
		{2047, "RSA modulus of 2047 bits, want 2048 to 8192"},
		{2048, ""}, {2049, ""}, {2056, ""}, {3072, ""}, {4096, ""}, {6144, ""}, {8191, ""}, {8192, ""},
		{8193, "RSA modulus of 8193 bits, want 2048 to 8192"},
		{8200, "RSA modulus of 8200 bits, want 2048 to 8192"},
		{8208, "RSA modulus of 8208 bits, want 2048 to 8192"},
		{8216, "RSA modulus of more than 8192 bits, want 2048 to 8192"},
		{65536, "RSA modulus of more than 8192 bits, want 2048 to 8192"},
	} {
		n := testModulus(test.bits)
		if n.BitLen() != test.bits {
			t.Fatalf("test modulus of %d bits, want %d", n.BitLen(), test.bits)
		}
		_, _, err := parse(t, rsaJWK().with(members{"n": b64(n.Bytes())}))
		wantReason(t, err, test.why)
	}
}

func TestLeadingZerosOfTheModulusDoNotCount(t *testing.T) {
	for _, bits := range []int{2047, 2048, 2049, 8192, 8193} {
		n := testModulus(bits)
		for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.StdEncoding} {
			for _, zeros := range []int{1, 2, 3, 4, 5, 6, 100, 10_000} {
				text := encoding.EncodeToString(append(make([]byte, zeros), n.Bytes()...))
				k, _, err := parse(t, rsaJWK().with(members{"n": text}))
				if fits := 2048 <= bits && bits <= 8192; fits != (err == nil) {
					t.Errorf("%d bits behind %d zeros: %v", bits, zeros, err)
				} else if fits && k.Public.(*rsa.PublicKey).N.Cmp(n) != 0 {
					t.Errorf("%d bits behind %d zeros: another modulus", bits, zeros)
				}
			}
		}
	}
}

func TestRSAModulus(t *testing.T) {
	good := rsaJWK()["n"].(string)
	even := new(big.Int).SetBit(testModulus(2048), 0, 0)
	const malformed = "n is not well-formed base64"
	for _, test := range []struct {
		name string
		n    any
		why  string
	}{
		{"missing", nil, "n is missing"},
		{"null", null, "n is missing"},
		{"a number", 5, "n is not a string"},
		{"an array", []string{good}, "n is not a string"},
		{"empty", "", "RSA modulus of 0 bits, want 2048 to 8192"},
		{"zero", strings.Repeat("A", 342), "RSA modulus of 0 bits, want 2048 to 8192"},
		{"zeros only, padded", "AA==", "RSA modulus of 0 bits, want 2048 to 8192"},
		{"even", b64(even.Bytes()), "RSA modulus is even"},
		{"standard alphabet, padding and a leading zero", base64.StdEncoding.EncodeToString(append([]byte{0}, testModulus(2048).Bytes()...)), ""},
		{"both alphabets", "-/" + good[2:], malformed},
		{"a line break", good[:64] + "\n" + good[64:], malformed},
		{"trailing bits", good[:341] + string(good[341]+1), malformed},
		{"a truncated group", good[:341], malformed},
		{"ROCA", b64(rocaModulus(2048).Bytes()), "RSA modulus has the ROCA fingerprint (CVE-2017-15361)"},
		{"ROCA of 4096 bits with a leading zero", b64(append([]byte{0}, rocaModulus(4096).Bytes()...)), "RSA modulus has the ROCA fingerprint (CVE-2017-15361)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse(t, rsaJWK().with(members{"n": test.n}))
			wantReason(t, err, test.why)
		})
	}
}

func TestRSAExponent(t *testing.T) {
	const bad = "RSA exponent is not odd and between 3 and 2147483647"
	const malformed = "e is not well-formed base64"
	for _, test := range []struct {
		name string
		e    any
		want int
		why  string
	}{
		{"65537", "AQAB", 65537, ""},
		{"3", "Aw", 3, ""},
		{"3, padded", "Aw==", 3, ""},
		{"2^31-1", "f____w", 1<<31 - 1, ""},
		{"2^31-1, standard alphabet", "f////w==", 1<<31 - 1, ""},
		{"missing", nil, 0, "e is missing"},
		{"a number", 65537, 0, "e is not a string"},
		{"null", null, 0, "e is missing"},
		{"empty", "", 0, bad},
		{"0", "AA", 0, bad},
		{"0, of many octets", strings.Repeat("A", 4000), 0, bad},
		{"1", "AQ", 0, bad},
		{"2", "Ag", 0, bad},
		{"4", "BA", 0, bad},
		{"65536", "AQAA", 0, bad},
		{"2^31", "gAAAAA", 0, bad},
		{"2^31+1", "gAAAAQ", 0, bad},
		{"2^32+1", "AQAAAAE", 0, bad},
		{"2^64+1", "AQAAAAAAAAAB", 0, bad},
		{"2048 bits", b64(testModulus(2048).Bytes()), 0, bad},
		{"a leading zero", "AAEAAQ", 65537, ""},
		{"to four octets, padded", "AAEAAQ==", 65537, ""},
		{"to eight octets", "AAAAAAABAAE", 65537, ""},
		{"to a thousand octets", b64(append(make([]byte, 997), 1, 0, 1)), 65537, ""},
		{"3 behind two zeros", "AAAD", 3, ""},
		{"1 behind zeros", "AAAAAQ", 0, bad},
		{"zeros before one that is too large", b64([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}), 0, bad},
		{"zeros only, a letter short", "AAAAA", 0, malformed},
		{"trailing bits", "Ax", 0, malformed},
		{"a line break", "AQ\nAB", 0, malformed},
		{"decimal", "65537", 0, malformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, _, err := parse(t, rsaJWK().with(members{"e": test.e}))
			wantReason(t, err, test.why)
			if k != nil && k.Public.(*rsa.PublicKey).E != test.want {
				t.Errorf("e is %d, want %d", k.Public.(*rsa.PublicKey).E, test.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for n := range 20 {
		number := make([]byte, n)
		for i := range number {
			number[i] = byte(0x81 + 17*i)
		}
		if got, want := new(big.Int).SetBits(words(number)), new(big.Int).SetBytes(number); got.Cmp(want) != 0 {
			t.Errorf("%x is read as %x", number, got)
		}
	}
}
