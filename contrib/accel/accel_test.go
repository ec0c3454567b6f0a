package accel

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rsa"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// declinedCurve is a curve by another name.
type declinedCurve struct{ elliptic.Curve }

func TestPrepare_Declines(t *testing.T) {
	good := testKey(t, "rsa-2048").public.(*rsa.PublicKey)
	point := testKey(t, "p256").public.(*ecdsa.PublicKey)
	with := func(n *big.Int, e int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: e} }
	bits := func(n int) *big.Int { return oddModulus(new(big.Int), n) }
	p384, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), append(make([]byte, 47), 1))
	if err != nil {
		t.Fatal(err)
	}
	beyond := int64(maxExponent) + 2
	for name, key := range map[string]crypto.PublicKey{
		"nothing":                nil,
		"no key":                 "key",
		"RSA by value":           *good,
		"no RSA key":             (*rsa.PublicKey)(nil),
		"RSA without a modulus":  with(nil, 65537),
		"a modulus of 0":         with(new(big.Int), 65537),
		"a modulus below 0":      with(new(big.Int).Neg(good.N), 65537),
		"an even modulus":        with(plus(good.N, 1), 65537),
		"2047 bits":              with(bits(2047), 65537),
		"4097 bits":              with(bits(4097), 65537),
		"8192 bits":              with(bits(8192), 65537),
		"e = 1":                  with(good.N, 1),
		"e = 0":                  with(good.N, 0),
		"e = 2":                  with(good.N, 2),
		"e = -3":                 with(good.N, -3),
		"e = 65536":              with(good.N, 65536),
		"e = 2^31+1":             with(good.N, int(beyond)),
		"no ECDSA key":           (*ecdsa.PublicKey)(nil),
		"ECDSA without a curve":  &ecdsa.PublicKey{X: point.X, Y: point.Y},
		"ECDSA without numbers":  &ecdsa.PublicKey{Curve: elliptic.P256()},
		"P-384":                  &p384.PublicKey,
		"a curve of its own":     &ecdsa.PublicKey{Curve: declinedCurve{elliptic.P256()}, X: point.X, Y: point.Y},
		"not on the curve":       &ecdsa.PublicKey{Curve: elliptic.P256(), X: point.X, Y: plus(point.Y, 1)},
		"x not below p":          &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Add(point.X, field), Y: point.Y},
		"x below 0":              &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Neg(point.X), Y: point.Y},
		"the point at infinity":  &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)},
		"no Ed25519 key":         ed25519.PublicKey(nil),
		"31 octets":              ed25519.PublicKey(make([]byte, 31)),
		"33 octets":              ed25519.PublicKey(make([]byte, 33)),
		"not on the other curve": ed25519.PublicKey(append([]byte{2}, make([]byte, 31)...)),
		"an Ed25519 private key": testKey(t, "ed25519").edKey,
	} {
		if k := New().Prepare(key); k != nil {
			t.Errorf("%s: prepared as %T", name, k)
		}
	}
	for _, name := range []string{"rsa-2048", "rsa-4096-e3", "p256", "ed25519"} {
		k := New().Prepare(testKey(t, name).public)
		if want := supported && !fips140.Enabled(); (k != nil) != want {
			t.Errorf("%s: prepared is %v, want %v", name, k != nil, want)
		}
	}
}

// TestPrepare_FIPS runs the test above in FIPS 140-3 mode, which a process is in
// from its start or not at all.
func TestPrepare_FIPS(t *testing.T) {
	if !supported {
		t.Skip("this build declines all keys, and a purego build has no FIPS 140-3 mode")
	}
	for _, mode := range []string{"on", "only"} {
		// TestPrepare_Declines asks fips140.Enabled what to expect.
		command := exec.Command(os.Args[0], "-test.run=^TestPrepare_Declines$|^TestPrepare_ModeIs", "-test.v")
		command.Env = append(os.Environ(), "GODEBUG=fips140="+mode, "ACCEL_TEST_FIPS=true")
		output, err := command.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("an emulator runs this test; run it on the processor that it is for")
		}
		if err != nil || bytes.Count(output, []byte("--- PASS")) != 2 {
			t.Errorf("fips140=%s: %v\n%s", mode, err, output)
		}
	}
}

// TestPrepare_ModeIsFIPS keeps TestPrepare_FIPS from passing in the wrong mode.
func TestPrepare_ModeIsFIPS(t *testing.T) {
	if os.Getenv("ACCEL_TEST_FIPS") == "" {
		t.Skip("started by TestPrepare_FIPS")
	}
	if !fips140.Enabled() {
		t.Error("not in FIPS 140-3 mode")
	}
}

// TestPrepare_Copies changes the key after it was prepared.
func TestPrepare_Copies(t *testing.T) {
	for _, test := range []struct{ name, alg string }{
		{"rsa-2048", "RS256"}, {"rsa-3072", "PS256"}, {"p256", "ES256"}, {"ed25519", "EdDSA"},
	} {
		key := testKey(t, test.name)
		good := key.sign(t, test.alg, signedText)
		var public crypto.PublicKey
		var spoil func()
		switch original := key.public.(type) {
		case *rsa.PublicKey:
			copied := &rsa.PublicKey{N: new(big.Int).Set(original.N), E: original.E}
			public, spoil = copied, func() { clear(copied.N.Bits()); copied.E = 3 }
		case *ecdsa.PublicKey:
			copied := &ecdsa.PublicKey{Curve: original.Curve, X: new(big.Int).Set(original.X), Y: new(big.Int).Set(original.Y)}
			public, spoil = copied, func() { clear(copied.X.Bits()); clear(copied.Y.Bits()) }
		case ed25519.PublicKey:
			copied := ed25519.PublicKey(bytes.Clone(original))
			public, spoil = copied, func() { clear(copied) }
		}
		k := prepared(t, public)
		spoil()
		if !k.Verify(test.alg, signedText, good) {
			t.Errorf("%s: the prepared key changed with the key", test.name)
		}
	}
}

// TestVerify_Concurrent uses keys of all kinds from several goroutines, good and
// bad signatures mixed, so that shared room to work in would show.
func TestVerify_Concurrent(t *testing.T) {
	var group sync.WaitGroup
	for _, bench := range benchmarked {
		key := testKey(t, bench.key)
		p := pairOf(t, key.public)
		good := key.sign(t, bench.alg, benchSigned)
		bad := xor(good, []byte{1}, len(good)-1)
		for range 4 {
			group.Go(func() {
				for range 20 {
					if !p.prepared.Verify(bench.alg, benchSigned, good) || p.prepared.Verify(bench.alg, benchSigned, bad) {
						t.Errorf("%s: a wrong verdict beside others", bench.name)
						return
					}
				}
			})
		}
	}
	group.Wait()
}

// TestVerify_Allocations holds the prepared keys to what README.md says: no
// more than the standard library's calls.
func TestVerify_Allocations(t *testing.T) {
	for _, bench := range benchmarked {
		key := testKey(t, bench.key)
		signature := key.sign(t, bench.alg, benchSigned)
		k, bare := prepared(t, key.public), key.bare(bench.alg, benchSigned, signature)
		ours := testing.AllocsPerRun(20, func() { k.Verify(bench.alg, benchSigned, signature) })
		if theirs := testing.AllocsPerRun(20, func() { bare() }); ours > theirs {
			t.Errorf("%s: %v allocations, the standard library has %v", bench.name, ours, theirs)
		}
	}
}

// TestVerify_Hashes has texts of every length around the blocks of the hash
// functions and of hasher.
func TestVerify_Hashes(t *testing.T) {
	for _, test := range []struct {
		hashers *hashers
		alg     string
	}{
		{sha256Hashers, "RS256"}, {sha384Hashers, "RS384"}, {sha512Hashers, "RS512"},
	} {
		for length := range 1200 {
			signed := strings.Repeat("0123456789", 120)[:length]
			h := test.hashers.get()
			h.writeString(signed)
			if _, want := hashOf(test.alg, signed); !bytes.Equal(h.digest(), want) {
				t.Fatalf("%s: a wrong digest of %d octets", test.alg, length)
			}
			test.hashers.put(h)
		}
	}
}
