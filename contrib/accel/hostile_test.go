package accel

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// TestPrepare_HostileDocuments takes every usable key of the root module's
// hostile documents. Their private halves are not there, so the signatures are
// bad ones, but for those that need none.
func TestPrepare_HostileDocuments(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/hostile/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("the hostile documents are not in ../../testdata/hostile: %v", err)
	}
	seen := map[string]int{}
	for _, path := range paths {
		document, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		set, err := jwks.ParseKeySet(document)
		if err != nil {
			continue // no usable key
		}
		for key := range set.All() {
			t.Run(filepath.Base(path)+"/"+strings.ToValidUTF8(key.ID(), ""), func(t *testing.T) { hostile(t, key, seen) })
		}
	}
	for _, kind := range []string{"RSA", "P-256", "Ed25519", "declined"} {
		if seen[kind] == 0 {
			t.Errorf("no key of the kind %s", kind)
		}
	}
}

// hostile compares verdicts on what needs no private key.
func hostile(t *testing.T, key *jwks.Key, seen map[string]int) {
	taken, size, kind := false, 64, ""
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		taken, size, kind = public.N.BitLen() <= maxModulusBits, public.Size(), "RSA"
	case *ecdsa.PublicKey:
		taken, kind = public.Curve.Params().BitSize == 256, "P-256"
	case ed25519.PublicKey:
		taken, kind = true, "Ed25519"
	}
	if !taken {
		seen["declined"]++
		if New().Prepare(key.Public()) != nil {
			t.Error("prepared, and should be declined")
		}
		return
	}
	seen[kind]++
	p := pairOf(t, key.Public())
	for _, alg := range key.Algorithms() {
		for _, signature := range [][]byte{
			nil, make([]byte, size), bytes.Repeat([]byte{0xff}, size), append(make([]byte, size-1), 1),
			append([]byte{1}, make([]byte, size-1)...), bytes.Repeat([]byte{0x5a}, size),
		} {
			p.refuses(t, alg, signedText, signature)
		}
		if public, ok := key.Public().(*rsa.PublicKey); ok {
			for _, delta := range []int64{-2, -1, 0, 1} {
				s := new(big.Int).Add(public.N, big.NewInt(delta))
				p.refuses(t, alg, signedText, s.FillBytes(make([]byte, size)))
			}
		}
	}
}
