package jwk

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// forms are the ways in which issuers write the octets of a thumbprint.
func forms(octets []byte) map[string]string {
	digits := hex.EncodeToString(octets)
	var colons []string
	for pair := range slices.Chunk([]byte(digits), 2) {
		colons = append(colons, strings.ToUpper(string(pair)))
	}
	return map[string]string{
		"as RFC 7515 has it":   base64.RawURLEncoding.EncodeToString(octets),
		"padded":               base64.URLEncoding.EncodeToString(octets),
		"standard alphabet":    base64.RawStdEncoding.EncodeToString(octets),
		"standard, padded":     base64.StdEncoding.EncodeToString(octets),
		"hex":                  digits,
		"hex in capitals":      strings.ToUpper(digits),
		"hex with colons":      strings.Join(colons, ":"),
		"hex in base64url":     base64.RawURLEncoding.EncodeToString([]byte(digits)),
		"hex in base64, upper": base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(digits))),
		"colons in base64url":  base64.RawURLEncoding.EncodeToString([]byte(strings.Join(colons, ":"))),
	}
}

func TestThumbprint_EveryFormIsTheSameOctets(t *testing.T) {
	// Octets that use both of the characters in which the alphabets differ.
	one := append([]byte{0xfb, 0xef, 0xff, 0xff}, stream("thumbprint", sha1.Size-4)...)
	two := append([]byte{0xfb, 0xef, 0xff, 0xff}, stream("thumbprint", sha256.Size-4)...)
	for name, text := range forms(one) {
		if got, ok := SHA1Thumbprint(text); !ok || !bytes.Equal(got[:], one) {
			t.Errorf("SHA-1 %s, %s: %x, %t", name, text, got, ok)
		}
		if got, ok := SHA256Thumbprint(text); ok || got != [32]byte{} {
			t.Errorf("SHA-1 %s passes for SHA-256: %x", name, got)
		}
	}
	for name, text := range forms(two) {
		if got, ok := SHA256Thumbprint(text); !ok || !bytes.Equal(got[:], two) {
			t.Errorf("SHA-256 %s, %s: %x, %t", name, text, got, ok)
		}
		if got, ok := SHA1Thumbprint(text); ok || got != [20]byte{} {
			t.Errorf("SHA-256 %s passes for SHA-1: %x", name, got)
		}
	}
	for _, text := range []string{
		"", "t", "####", strings.Repeat("g", 40), strings.Repeat("é", 20), strings.Repeat("A", 28), strings.Repeat(":", 59),
		strings.Repeat("a", 40) + "\n", strings.Repeat("=", 28), strings.Repeat("a", 1<<20),
		base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("g", 40))),
	} {
		if got, ok := SHA1Thumbprint(text); ok || got != [20]byte{} {
			t.Errorf("%.80q is read as %x", text, got)
		}
	}
}

func TestThumbprint_KeyHasOctets(t *testing.T) {
	rsaLeaf, ec := certificateFor(t, rsaJWK()), ecJWK(t, elliptic.P256())
	der, err := base64.StdEncoding.DecodeString(rsaLeaf)
	if err != nil {
		t.Fatal(err)
	}
	leaf1, leaf256 := sha1.Sum(der), sha256.Sum256(der)
	other1, other256 := sha1.Sum(nil), sha256.Sum256(nil)
	none1, none256 := [20]byte{}, [32]byte{}
	hexOf := func(b []byte) string { return b64([]byte(hex.EncodeToString(b))) }
	for _, test := range []struct {
		name   string
		jwk    members
		sha1   [20]byte
		sha256 [32]byte
	}{
		{"none", rsaJWK(), none1, none256},
		{"published", rsaJWK().with(members{"x5t": b64(other1[:]), "x5t#S256": b64(other256[:])}), other1, other256},
		{"published in hex and base64", rsaJWK().with(members{"x5t": hexOf(other1[:]), "x5t#S256": hexOf(other256[:])}), other1, other256},
		{"published without a certificate", ec.with(members{"x5t": b64(other1[:])}), other1, none256},
		{"computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}}), leaf1, leaf256},
		{"what is published is not computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t": b64(other1[:])}), other1, leaf256},
		{"the other way round", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t#S256": b64(other256[:])}), leaf1, other256},
		{"null is computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t": null, "x5t#S256": null}), leaf1, leaf256},
		{"empty is computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t": "", "x5t#S256": ""}), leaf1, leaf256},
		{"what is not a thumbprint is computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t": "####", "x5t#S256": 5}), leaf1, leaf256},
		{"huge is computed", rsaJWK().with(members{"x5c": []string{rsaLeaf}, "x5t": strings.Repeat("a", 1<<20)}), leaf1, leaf256},
		{"of the leaf only", rsaJWK().with(members{"x5c": []string{rsaLeaf, certificateFor(t, ec)}}), leaf1, leaf256},
		{"not of what cannot be read", rsaJWK().with(members{"x5c": []string{b64([]byte("junk"))}}), none1, none256},
		{"not of a member of the wrong type", rsaJWK().with(members{"x5c": rsaLeaf}), none1, none256},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, _, err := parse(t, test.jwk)
			if err != nil {
				t.Fatal(err)
			}
			if k.SHA1 != test.sha1 || k.HasSHA1 != (test.sha1 != none1) {
				t.Errorf("SHA-1 %x, %t, want %x", k.SHA1, k.HasSHA1, test.sha1)
			}
			if k.SHA256 != test.sha256 || k.HasSHA256 != (test.sha256 != none256) {
				t.Errorf("SHA-256 %x, %t, want %x", k.SHA256, k.HasSHA256, test.sha256)
			}
			if len(k.X5t)+len(k.X5tS256) > 256 {
				t.Errorf("%d bytes of text are kept", len(k.X5t)+len(k.X5tS256))
			}
		})
	}
}

func TestThumbprint_AllocatesNothing(t *testing.T) {
	octets := stream("thumbprint", sha256.Size)
	for name, text := range forms(octets) {
		if n := testing.AllocsPerRun(100, func() { SHA256Thumbprint(text) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
