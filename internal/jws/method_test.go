package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Our own RS256 and ES256 must accept and refuse what golang-jwt's do: right
// signatures, wrong ones, and bytes that are not a signature at all.

func TestRS256_AgreesWithGolangJWT(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	theirs := jwt.SigningMethodRS256
	for n := range 600 { // every length around the blocks that are hashed
		input := strings.Repeat("x", n) + "."
		if n%64 > 2 && n%64 < 62 {
			continue
		}
		signature, err := theirs.Sign(input, key)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, theirs, RS256, input, signature, &key.PublicKey, true)
		agree(t, theirs, RS256, input+"x", signature, &key.PublicKey, false)
	}
	signature, err := theirs.Sign("input", key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		agree(t, theirs, RS256, "input", append(signature[:min(n, 256):min(n, 256)], make([]byte, max(0, n-256))...), &key.PublicKey, n == 256)
	}
	for i := range signature {
		signature[i] ^= 1 << (i % 8)
		agree(t, theirs, RS256, "input", signature, &key.PublicKey, false)
		signature[i] ^= 1 << (i % 8)
	}
	sum := sha256.Sum256([]byte("input"))
	salted, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, theirs, RS256, "input", salted, &key.PublicKey, false)
}

func TestES256_AgreesWithGolangJWT(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs := jwt.SigningMethodES256
	short := 0 // signatures with a number that begins with a zero
	for n := 0; n < 3000 || short < 3; n++ {
		input := strings.Repeat("x", n%600) + "."
		signature, err := theirs.Sign(input, key)
		if err != nil {
			t.Fatal(err)
		}
		if signature[0] == 0 || signature[32] == 0 {
			short++
		} else if n > 200 {
			continue // checking takes longer than signing
		}
		agree(t, theirs, ES256, input, signature, &key.PublicKey, true)
		agree(t, theirs, ES256, input+"x", signature, &key.PublicKey, false)
		signature[n%64] ^= 1 << (n % 8)
		agree(t, theirs, ES256, input, signature, &key.PublicKey, false)
	}

	signature, err := theirs.Sign("input", key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 80 {
		agree(t, theirs, ES256, "input", append(signature[:min(n, 64):min(n, 64)], make([]byte, max(0, n-64))...), &key.PublicKey, n == 64)
	}
	order := elliptic.P256().Params().N
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	numbers := []*big.Int{
		r, s, big.NewInt(0), big.NewInt(1), big.NewInt(0x7f), big.NewInt(0x80), big.NewInt(0xff), big.NewInt(0x100), order,
		new(big.Int).Sub(order, big.NewInt(1)), new(big.Int).Add(order, big.NewInt(1)), new(big.Int).Sub(order, s), new(big.Int).Sub(order, r),
		new(big.Int).Lsh(big.NewInt(1), 255), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)), new(big.Int).Rsh(order, 9),
	}
	for _, a := range numbers {
		for j, b := range numbers {
			// -s is as good as s: ECDSA signatures are malleable, and so is golang-jwt's reading.
			right := a == r && (b == s || j == 11)
			agree(t, theirs, ES256, "input", append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...), &key.PublicKey, right)
		}
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, theirs, ES256, "input", der, &key.PublicKey, false)
}

// FuzzES256 looks for a signature on which we and golang-jwt disagree.
func FuzzES256(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	theirs := jwt.SigningMethodES256
	for _, input := range []string{"", "a.b", strings.Repeat("x", 600)} {
		signature, err := theirs.Sign(input, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(input, signature)
		f.Add(input, signature[:63])
		f.Add(input, append([]byte{0}, signature[1:]...))
	}
	f.Fuzz(func(t *testing.T, input string, signature []byte) {
		want, got := theirs.Verify(input, signature, &key.PublicKey), methods[ES256].Verify(input, signature, &key.PublicKey)
		if (got == nil) != (want == nil) {
			t.Fatalf("%q under %x: %v, golang-jwt says %v", input, signature, got, want)
		}
	})
}

// agree wants the same verdict of both, and that it is the right one.
func agree(t *testing.T, theirs jwt.SigningMethod, a Algorithm, input string, signature []byte, key any, right bool) {
	t.Helper()
	want, got := theirs.Verify(input, signature, key), methods[a].Verify(input, signature, key)
	if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
		t.Fatalf("%s of %q under %x: %v, golang-jwt says %v", theirs.Alg(), input, signature, got, want)
	}
	if (got == nil) != right {
		t.Fatalf("%s of %q under %x: %v, right is %t", theirs.Alg(), input, signature, got, right)
	}
}

func TestVerify_WantsTheTypeOfKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{nil, ec, "key", []byte("key"), (*rsa.PrivateKey)(nil)} {
		if err := methods[RS256].Verify("input", make([]byte, 256), key); !errors.Is(err, jwt.ErrInvalidKeyType) {
			t.Errorf("RS256 with %T: %v", key, err)
		}
		if err := methods[ES256].Verify("input", make([]byte, 64), key); !errors.Is(err, jwt.ErrInvalidKeyType) {
			t.Errorf("ES256 with %T: %v", key, err)
		}
	}
	for a, m := range methods {
		if m != nil && Named(m.Alg()) != Algorithm(a) {
			t.Errorf("the method of algorithm %d is %s", a, m.Alg())
		}
	}
}

// TestAppendInteger_IsDER holds appendInteger to encoding/asn1.
func TestAppendInteger_IsDER(t *testing.T) {
	for range 100_000 {
		number := make([]byte, 1+mathrand.IntN(33))
		for i := mathrand.IntN(len(number) + 1); i < len(number); i++ { // with zeros before it
			number[i] = byte(mathrand.Uint32() >> mathrand.IntN(8))
		}
		want, err := asn1.Marshal(new(big.Int).SetBytes(number))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendInteger(nil, number); string(got) != string(want) {
			t.Fatalf("%x: %x, want %x", number, got, want)
		}
	}
}

func TestSHA256OfString(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 200)
	for n := range len(text) {
		if got, want := SHA256(text[:n]), sha256.Sum256([]byte(text[:n])); got != want {
			t.Fatalf("of %d bytes: %x, want %x", n, got, want)
		}
	}
}
