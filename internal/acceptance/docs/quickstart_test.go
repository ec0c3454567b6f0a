package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/snippet"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestReadme_QuickStart does what the README says to a reader in an empty folder:
// the program and its test, as they stand there, in a module of their own. Only
// this tree takes the place of the released module.
func TestReadme_QuickStart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	needGo(t)
	root := testkit.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, b := range snippet.ParsePage("README.md", string(text)).Blocks {
		if b.Lang == "go" && strings.HasPrefix(b.Text, "package main\n") {
			files = append(files, b.Text)
		}
	}
	if len(files) != 2 {
		t.Fatalf("the README has %d files of Go, want a program and its test", len(files))
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.go":      files[0],
		"main_test.go": files[1],
		"go.sum":       string(sums),
		"go.mod": "module example.com/orders\n\ngo 1.25.0\n\nrequire github.com/seed-22400188/jwks v0.1.0\n\n" +
			"replace github.com/seed-22400188/jwks => " + filepath.ToSlash(root) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-mod=mod", "-v", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off") // what the tests of this module needed is there
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOrders") {
		t.Errorf("%v\n%s", err, out)
	}
}
