package base64url

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// sameAsTheStandardLibrary compares with encoding/base64, and what it lets
// through in spite of Strict shows when the result is encoded again.
func sameAsTheStandardLibrary(t *testing.T, text string) {
	t.Helper()
	want, err := base64.RawURLEncoding.Strict().DecodeString(text)
	valid := err == nil && base64.RawURLEncoding.EncodeToString(want) == text
	got := make([]byte, DecodedLen(len(text)))
	if ok := Decode(got, text); ok != valid || ok && !bytes.Equal(got, want) {
		t.Fatalf("%q: got %t %x, want %t %x", text, ok, got, valid, want)
	}
}

func TestEveryLengthDecodes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		text := base64.RawURLEncoding.EncodeToString(data)
		if DecodedLen(len(text)) != n {
			t.Fatalf("%d characters: %d bytes, want %d", len(text), DecodedLen(len(text)), n)
		}
		// In the middle of a buffer, whose other bytes are none of Decode's business.
		buffer := bytes.Repeat([]byte{0xAA}, n+32)
		if !Decode(buffer[16:16+n], text) || !bytes.Equal(buffer[16:16+n], data) {
			t.Fatalf("%d bytes do not come back", n)
		}
		if around := append(bytes.Clone(buffer[:16]), buffer[16+n:]...); !bytes.Equal(around, bytes.Repeat([]byte{0xAA}, 32)) {
			t.Fatalf("%d bytes: written beside the buffer", n)
		}
	}
}

func TestEveryCharacterInEveryPlace(t *testing.T) {
	for n := range 21 {
		for at := range n {
			for c := range 256 {
				text := []byte(strings.Repeat("A", n))
				text[at] = byte(c)
				sameAsTheStandardLibrary(t, string(text))
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"padding":                        "AA==",
		"one character too many":         "AAAAA",
		"a line break in that place":     "AAAA\n",
		"a line break":                   "AA\nAA",
		"line breaks of a whole quantum": "AAAA\n\n\n\n",
		"CR LF":                          "AAAA\r\nAAAA",
		"a space":                        "AA A",
		"the other alphabet":             "ab+/",
		"bits to spare, two":             "AB",
		"bits to spare, three":           "AAB",
		"UTF-8":                          "AAé",
	} {
		sameAsTheStandardLibrary(t, text)
		if Decode(make([]byte, DecodedLen(len(text))), text) {
			t.Errorf("%s: %q is accepted", name, text)
		}
	}
	for _, n := range []int{0, 2, 4, 100} {
		if Decode(make([]byte, n), "AAAA") {
			t.Errorf("three bytes go into %d", n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{"", "A", "AA", "AAA", "AAAA", "AAAAAAAAAAAA", "AB", "AAB", "AA==", "AAAA\n", "AA\r\nAA", "-_-_", "+/+/", "AAAAAAAAAA\n\n\n"} {
		f.Add(text)
	}
	f.Fuzz(sameAsTheStandardLibrary)
}

func BenchmarkDecode(b *testing.B) {
	text := base64.RawURLEncoding.EncodeToString(make([]byte, 632)) // a payload
	dst := make([]byte, DecodedLen(len(text)))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if !Decode(dst, text) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("encoding-base64", func(b *testing.B) {
		strict := base64.RawURLEncoding.Strict()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := strict.Decode(dst, []byte(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
