package house

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestHouse_SecurityNamesTests: every test that SECURITY.md names exists, and
// every test of an invariant is named there.
func TestHouse_SecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, f := range repository(t).files {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.isTest() && strings.HasPrefix(fn.Name.Name, "Test") {
				tests[fn.Name.Name] = true
			}
		}
	}
	for _, problem := range unnamed(string(text), tests) {
		t.Error(problem)
	}
}

var namedTest = regexp.MustCompile("`(Test[A-Za-z0-9]+_[A-Za-z0-9]+)`")

// unnamed lists what a text says of tests that is not so.
func unnamed(text string, tests map[string]bool) (problems []string) {
	named := map[string]bool{}
	for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
		named[m[1]] = true
		if !tests[m[1]] {
			problems = append(problems, "SECURITY.md names "+m[1]+", which does not exist")
		}
	}
	for name := range tests {
		if strings.HasPrefix(name, "TestInvariant") && !named[name] {
			problems = append(problems, "SECURITY.md does not name "+name)
		}
	}
	slices.Sort(problems)
	return problems
}

func TestUnnamed_Table(t *testing.T) {
	tests := map[string]bool{"TestInvariant01_A": true, "TestB_C": true}
	for text, want := range map[string]int{
		"`TestInvariant01_A`": 0, "`TestInvariant01_A`, `TestB_C`": 0, "`TestB_C`": 1,
		"`TestInvariant01_A` `TestD_E`": 1, "TestInvariant01_A": 1, "": 1,
	} {
		if got := unnamed(text, tests); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}

// TestHouse_ExamplesAreListed: the index of the examples has each of them.
func TestHouse_ExamplesAreListed(t *testing.T) {
	folder := filepath.Join(testkit.Root(t), "examples")
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.Contains(string(index), "]("+e.Name()+")") {
			t.Errorf("examples/README.md has no row for %s", e.Name())
		}
	}
}
