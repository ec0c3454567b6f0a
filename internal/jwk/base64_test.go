package jwk

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// stdPadded rewrites base64url as standard base64 with padding.
func stdPadded(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// decoded is what readers of key material do with a string.
func decoded(s string) ([]byte, error) {
	s = unpad(s)
	b := make([]byte, octets(s))
	n, err := decode(b, s)
	return b[:n], err
}

func TestBase64OfEitherAlphabetAndPadding(t *testing.T) {
	for n := range 1100 { // past the piece that is decoded at once, and twice
		want := stream("base64", n)
		for _, encoding := range []*base64.Encoding{
			base64.RawURLEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.StdEncoding,
		} {
			got, err := decoded(encoding.EncodeToString(want))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d octets: %v", n, err)
			}
		}
	}
}

func TestBase64Refused(t *testing.T) {
	long := strings.Repeat("A", 600)
	for _, test := range []struct{ name, text string }{
		{"both alphabets", "-_+/"},
		{"both alphabets far apart", "-" + long + "AA/"},
		{"a line feed", "AAAA\nAAAA"},
		{"a carriage return", "AAAA\rAAAA"},
		{"a line break at the end", "AAAA\n"},
		{"a line break that makes the length fit", "AA\r\n"},
		{"a line break in a later piece", long + "AAA\n"},
		{"a space", "AA A"},
		{"an odd character", "AA?A"},
		{"beyond ASCII", "AAAé"},
		{"trailing bits, one octet", "AB"},
		{"trailing bits, two octets", "AAB"},
		{"trailing bits, padded", "AB=="},
		{"trailing bits, standard alphabet", "A/"},
		{"trailing bits in a later piece", long + "AB"},
		{"a lone last letter", "AAAAA"},
		{"padding that does not fit", "AA="},
		{"padding of three", "A==="},
		{"padding of four", "AAAA===="},
		{"padding inside", "AA==AAAA"},
		{"padding only", "===="},
	} {
		t.Run(test.name, func(t *testing.T) {
			if b, err := decoded(test.text); err == nil {
				t.Errorf("%q read as %x", test.text, b)
			}
		})
	}
}

// FuzzBase64: exactly the texts that one of the encoders writes are accepted.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{"", "AQAB", "-_-_", "+/+/", "AA==", "AB==", "AAA=", "AAA", "AA\n=", "AAAAA===", "-A+A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := false
		for _, encoding := range []*base64.Encoding{
			base64.RawURLEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.StdEncoding,
		} {
			if b, err := encoding.DecodeString(s); err == nil && encoding.EncodeToString(b) == s {
				written = true
				if got, err := decoded(s); err != nil || !bytes.Equal(got, b) {
					t.Errorf("%q read as %x, %v", s, got, err)
				}
			}
		}
		if _, err := decoded(s); (err == nil) != written {
			t.Errorf("%q: error %v, want one: %v", s, err, !written)
		}
	})
}
