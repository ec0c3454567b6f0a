// Package hostile puts documents and tokens that attackers would send before the
// library: what can be used is used, and the rest costs nothing.
package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// manifestEntry is one line of testdata/hostile/manifest.json.
type manifestEntry struct {
	File       string   `json:"file"`
	Expect     string   `json:"expect"`
	UsableKids []string `json:"usable_kids"`
	Why        string   `json:"why"`
}

func readManifest(t *testing.T, dir string) []manifestEntry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Entries []manifestEntry `json:"entries"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Entries) < 90 {
		t.Fatalf("the manifest has %d entries, want at least 90", len(manifest.Entries))
	}
	return manifest.Entries
}

// unstored makes the documents that are too large to keep in the repository.
func unstored(t *testing.T, name string) ([]byte, bool) {
	good := `{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	switch name {
	case "191-very-long-unknown-string.json":
		return fmt.Appendf(nil, `{"keys":[`+good+`],"x":"%s"}`, "rsa-good", strings.Repeat("A", 300_000)), true
	case "034-deep-nesting-100k.json":
		return []byte(`{"keys":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`), true
	case "035-deep-nesting-objects-20k.json":
		return []byte(`{"keys":[` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + `]}`), true
	case "073-10k-keys-trimmed.json", "gen-10k-ed25519":
		return []byte(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, 10_000) + fmt.Sprintf(good, "late") + `]}`), true
	case "gen-50MB-string":
		return []byte(`{"keys":[],"x":"` + strings.Repeat("A", 50_000_000) + `"}`), true
	case "gen-gzip-bomb":
		return []byte(strings.Repeat(" ", 100_000_000) + `{"keys":[]}`), true
	case "gen-slowloris", "gen-endless-whitespace", "gen-short-content-length":
		return nil, false // of the transport: see the client's tests
	}
	t.Helper()
	t.Fatalf("no document %s", name)
	return nil, false
}

func TestHostile_ManifestOutcomes(t *testing.T) {
	check := func(t *testing.T, dir string) {
		for _, entry := range readManifest(t, dir) {
			t.Run(entry.File, func(t *testing.T) {
				document, err := os.ReadFile(filepath.Join(dir, entry.File))
				if errors.Is(err, os.ErrNotExist) {
					made, ok := unstored(t, entry.File)
					if !ok {
						return
					}
					document = made
				} else if err != nil {
					t.Fatal(err)
				}
				checkHostile(t, entry, document)
			})
		}
	}
	t.Run("ours", func(t *testing.T) { check(t, testkit.Testdata(t, "hostile")) })
	t.Run("shared", func(t *testing.T) { check(t, testkit.SharedDir(t, "corpus", "hostile")) })
}

func checkHostile(t *testing.T, entry manifestEntry, document []byte) {
	t.Helper()
	set, err := jwks.ParseKeySet(document)
	if entry.Expect == "reject_document" {
		if !errors.Is(err, jwks.ErrInvalidKeySet) || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Fatalf("got %v, want ErrInvalidKeySet of class ErrUnavailable: %s", err, entry.Why)
		}
		if set != nil {
			t.Error("a set came with the error")
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\r") || len(text) > 400 {
			t.Errorf("the error is not one short line: %q", text)
		}
		return
	}
	if err != nil {
		t.Fatalf("refused: %v; want %q: %s", err, entry.UsableKids, entry.Why)
	}
	want := slices.Clone(entry.UsableKids)
	got := testkit.KeyIDs(set)
	if entry.File == "055-akp-mldsa.json" { // usable where the toolchain has crypto/mldsa
		got = slices.DeleteFunc(got, func(kid string) bool { return kid != "rsa-good" })
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("usable %q, want %q: %s\nskipped: %v", got, want, entry.Why, set.Skipped())
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &raw); err == nil && entry.File != "038-keys-and-KEYS.json" {
		if set.Len()+len(set.Skipped()) != len(raw.Keys) {
			t.Errorf("%d keys and %d skipped of %d entries: each entry left out needs a reason", set.Len(), len(set.Skipped()), len(raw.Keys))
		}
	}
	for _, skipped := range set.Skipped() {
		if skipped.Err == nil || strings.ContainsAny(skipped.Err.Error(), "\n\r") {
			t.Errorf("entry %d: reason %v", skipped.Index, skipped.Err)
		}
	}
}
