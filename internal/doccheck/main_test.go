package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatLacksADocCommentIsFound(t *testing.T) {
	dir := t.TempDir()
	source := `package x

func Bare() {}

// Said is said.
func Said() {}

type Type struct{ Field int }

func (Type) Method() {}

func (hidden) Method() {}

type hidden struct{ Field int }

// Both are said.
const (
	A = 1
	B = 2
)

var (
	C = 1
	D = 2 // beside
)
`
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := check(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		f = strings.TrimSuffix(f, " has no doc comment")
		names = append(names, f[strings.LastIndex(f, " ")+1:])
	}
	want := []string{"Bare", "Type", "Type.Field", "Type.Method", "C", "package"} // the last: the package's own
	if !slices.Equal(names, want) {
		t.Errorf("found %q, want %q", names, want)
	}
	if _, err := check(t.TempDir()); err == nil {
		t.Error("a folder without a package passes")
	}
}
