package keysets

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// FuzzParseKeySet: whatever comes in, either it is refused in one line of one
// class, or encoding/json reads it too, every entry is accounted for, every
// key is one that may be used, and the set survives being written and read.
func FuzzParseKeySet(f *testing.F) {
	files, err := filepath.Glob(testkit.Testdata(f, "hostile", "*.json"))
	if err != nil || len(files) < 50 {
		f.Fatalf("%d seeds, %v", len(files), err)
	}
	for _, file := range files {
		if document, err := os.ReadFile(file); err != nil {
			f.Fatal(err)
		} else if len(document) < 4<<10 && !strings.HasSuffix(file, "manifest.json") {
			f.Add(document)
		}
	}
	f.Add([]byte(`{"keys":[{` + testkit.Ed25519Members + `,"kid":"a","x5t":"\u2028<","issuer":"i"},{` + testkit.P256Members + `,"kid":"a"},{` + testkit.Ed25519Members + `,"kid":"a","alg":"EdDSA"},null]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		before := slices.Clone(document)
		set, err := jwks.ParseKeySet(document)
		if !slices.Equal(before, document) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			if set != nil || !errors.Is(err, jwks.ErrInvalidKeySet) || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
				t.Fatalf("%v with %v", set, err)
			}
			if text := err.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n") || len(text) > 400 {
				t.Fatalf("error %q", text)
			}
			return
		}
		var read map[string]json.RawMessage
		var entries []json.RawMessage
		if err := json.Unmarshal(bytes.TrimPrefix(document, []byte("\ufeff")), &read); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if err := json.Unmarshal(read["keys"], &entries); err != nil {
			t.Fatalf("encoding/json refuses the keys: %v", err)
		}
		if set.Len() == 0 || len(entries) > 1000 || set.Len()+len(set.Skipped()) != len(entries) {
			t.Fatalf("%d keys and %d skipped of %d entries", set.Len(), len(set.Skipped()), len(entries))
		}
		for i, skipped := range set.Skipped() {
			if text := skipped.Err.Error(); skipped.Index >= len(entries) || i > 0 && skipped.Index <= set.Skipped()[i-1].Index || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n") || len(text) > 400 {
				t.Fatalf("skipped %d: %q", skipped.Index, text)
			}
		}
		for k := range set.All() {
			checkUsable(t, set, k)
		}
		written, err := set.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jwks.ParseKeySet(written)
		if err != nil || len(again.Skipped()) != 0 {
			t.Fatalf("%s is read with %v: %v", written, err, again)
		}
		if rewritten, err := again.MarshalJSON(); err != nil || string(rewritten) != string(written) {
			t.Fatalf("%s is written as %s, %v", written, rewritten, err)
		}
		one, other := slices.Collect(set.All()), slices.Collect(again.All())
		if !slices.EqualFunc(one, other, func(a, b *jwks.Key) bool {
			return a.ID() == b.ID() && a.Type() == b.Type() && a.Use() == b.Use() && a.Thumbprint() == b.Thumbprint() && slices.Equal(a.Algorithms(), b.Algorithms())
		}) {
			t.Fatalf("%q became %q", testkit.KeyIDs(set), testkit.KeyIDs(again))
		}
	})
}

// checkUsable checks what a set promises of each of its keys.
func checkUsable(t *testing.T, set *jwks.KeySet, k *jwks.Key) {
	t.Helper()
	first, ok := set.Key(k.ID())
	if !ok || first.ID() != k.ID() || len(k.ID()) > 256 || k.Use() != "" && k.Use() != "sig" || k.Issuer() != "" || len(k.Thumbprint()) != 43 {
		t.Fatalf("key %q, use %q, issuer %q", k.ID(), k.Use(), k.Issuer())
	}
	fit := "RS256 RS384 RS512 PS256 PS384 PS512"
	switch public := k.Public().(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < 2048 || n > 8192 || public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 {
			t.Fatalf("RSA of %d bits, e %d", n, public.E)
		}
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil {
			t.Fatal(err)
		}
		fit = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[public.Curve.Params().Name]
	case ed25519.PublicKey:
		if fit = "EdDSA Ed25519"; len(public) != ed25519.PublicKeySize {
			t.Fatalf("Ed25519 of %d bytes", len(public))
		}
	default:
		if fit = "ML-DSA-44 ML-DSA-65 ML-DSA-87"; k.Type() != "AKP" {
			t.Fatalf("a key of type %T", public)
		}
	}
	if len(k.Algorithms()) == 0 {
		t.Fatal("no algorithm")
	}
	for _, alg := range k.Algorithms() {
		if !slices.Contains(strings.Fields(fit), alg) {
			t.Fatalf("alg %q of %s", alg, k.Type())
		}
		keys, err := set.SigningKeys(t.Context(), jwks.Header{Algorithm: alg, KeyID: k.ID()}, "")
		if k.ID() == "" && err != nil {
			continue // several keys without a name
		}
		if err != nil || len(keys) > 4 || !slices.ContainsFunc(keys, func(c *jwks.Key) bool { return slices.Contains(c.Algorithms(), alg) }) {
			t.Fatalf("alg %q, kid %q: %d keys, %v", alg, k.ID(), len(keys), err)
		}
	}
}
