// Package house checks the layout of the repository: who may import whom, where
// things live, and how large they may be.
package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

// pending are the rules that the code does not keep yet. A rule that is kept
// must leave this list: the test says so.
var pending = []string{}

// Limits.
const (
	maxRootEntries   = 60 // that ls shows: the two below, folders, and files that are not Go
	maxRootCode      = 25
	maxRootTests     = 10
	maxFileLines     = 450
	maxFunctionLines = 60 // outside tests
	maxComplexity    = 20 // outside tests
	maxTestName      = 40 // in acceptance
)

// layers are the packages below the root, and what each of them may import of
// ours. Tests are not bound by it.
var layers = map[string][]string{
	"internal/ascii":      {},
	"internal/fault":      {},
	"internal/freshness":  {},
	"internal/jws":        {},
	"internal/show":       {},
	"internal/strictjson": {},
	"internal/binding":    {"internal/fault", "internal/show"},
	"internal/record":     {},
	"internal/bounded":    {},
	"internal/storelink":  {"internal/bounded", "internal/freshness", "internal/record", "internal/show"},
	"internal/tenants":    {"internal/freshness"},
	"internal/wellknown":  {"internal/binding"},
	"internal/compact":    {"internal/ascii", "internal/base64url", "internal/fault", "internal/jws", "internal/show", "internal/strictjson"},
	"internal/claims":     {"internal/ascii", "internal/binding", "internal/fault", "internal/jws", "internal/show", "internal/strictjson"},
}

// rules are all that the repository must keep. Each lists what breaks it.
var rules = map[string]func(tree) []string{
	"RootImports":   rootImports,
	"Layers":        layering,
	"Packages":      packages,
	"FileLines":     fileLines,
	"FunctionLines": functionLines,
	"Complexity":    complexity,
	"RootFiles":     rootFiles,
	"Locked":        lockedNames,
	"ClientMethods": clientMethods,
	"TestNames":     testNames,
}

func TestHouse_Rules(t *testing.T) {
	code := repository(t)
	if len(code.files) < 100 {
		t.Fatalf("only %d Go files were found", len(code.files))
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) { judge(t, name, rule(code)) })
	}
	t.Run("RootEntries", func(t *testing.T) {
		entries, err := os.ReadDir(testkit.Root(t))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		judge(t, "RootEntries", rootEntries(names))
	})
}

// judge reports what breaks a rule, unless the rule is pending.
func judge(t *testing.T, rule string, broken []string) {
	t.Helper()
	switch late := slices.Contains(pending, rule); {
	case late && len(broken) == 0:
		t.Errorf("%s is kept now: remove it from the pending list", rule)
	case late:
		t.Skipf("pending, broken in %d places:\n%s", len(broken), strings.Join(broken, "\n"))
	case len(broken) > 0:
		t.Errorf("broken in %d places:\n%s", len(broken), strings.Join(broken, "\n"))
	}
}

// rootImports: below internal only tests of the whole know the root, and the
// tests inside the root know neither them nor jwkstest, which import it.
func rootImports(code tree) (broken []string) {
	for _, f := range code.files {
		inside := strings.HasPrefix(f.path, "internal/")
		whole := strings.HasPrefix(f.path, "internal/acceptance/") || strings.HasPrefix(f.path, "internal/conformance/") || strings.HasPrefix(f.path, "internal/testkit/")
		for _, name := range f.imports() {
			if inside && !whole && name == "." {
				broken = append(broken, f.path+" imports the root")
			}
			if f.inRoot() && f.syntax.Name.Name == "jwks" && (name == "internal/testkit" || name == "jwkstest") {
				broken = append(broken, f.path+" is inside the root and imports "+name)
			}
		}
	}
	return broken
}

// layering: a package of the table imports what the table says, and no more.
func layering(code tree) (broken []string) {
	for _, f := range code.files {
		allowed, ok := layers[f.folder()]
		if !ok || f.isTest() {
			continue
		}
		for _, name := range f.imports() {
			if !slices.Contains(allowed, name) {
				broken = append(broken, f.path+" imports "+name)
			}
		}
	}
	return broken
}

// packages: every package of the table exists.
func packages(code tree) (broken []string) {
	found := map[string]bool{}
	for _, f := range code.files {
		found[f.folder()] = found[f.folder()] || !f.isTest()
	}
	for name := range layers {
		if !found[name] {
			broken = append(broken, name+" does not exist")
		}
	}
	slices.Sort(broken)
	return broken
}

func fileLines(code tree) (broken []string) {
	for _, f := range code.files {
		if f.lines > maxFileLines {
			broken = append(broken, fmt.Sprintf("%s has %d lines, want at most %d", f.path, f.lines, maxFileLines))
		}
	}
	return broken
}

func functionLines(code tree) (broken []string) {
	for _, f := range code.files {
		for _, fn := range f.functions() {
			lines := code.fset.Position(fn.End()).Line - code.fset.Position(fn.Pos()).Line + 1
			if lines > maxFunctionLines && !f.isTest() {
				broken = append(broken, fmt.Sprintf("%s: %s has %d lines, want at most %d", f.path, fn.Name.Name, lines, maxFunctionLines))
			}
		}
	}
	return broken
}

func complexity(code tree) (broken []string) {
	for _, f := range code.files {
		for _, fn := range f.functions() {
			if n := cyclomatic(fn); n > maxComplexity && !f.isTest() {
				broken = append(broken, fmt.Sprintf("%s: %s has a cyclomatic complexity of %d, want at most %d", f.path, fn.Name.Name, n, maxComplexity))
			}
		}
	}
	return broken
}

// cyclomatic counts the ways through a function as gocyclo does: one, and one
// more for each if, for, case that is not the default, && and ||.
func cyclomatic(fn *ast.FuncDecl) int {
	n := 1
	ast.Inspect(fn, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func rootFiles(code tree) (broken []string) {
	files, tests := 0, 0
	for _, f := range code.files {
		switch {
		case f.inRoot() && f.isTest():
			tests++
		case f.inRoot():
			files++
		}
	}
	if files > maxRootCode {
		broken = append(broken, fmt.Sprintf("%d files of code in the root, want at most %d", files, maxRootCode))
	}
	if tests > maxRootTests {
		broken = append(broken, fmt.Sprintf("%d files of tests in the root, want at most %d", tests, maxRootTests))
	}
	return broken
}

// rootEntries: what ls shows, which leaves names with a dot out.
func rootEntries(names []string) (broken []string) {
	shown := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasPrefix(name, ".") })
	if len(shown) > maxRootEntries {
		broken = append(broken, fmt.Sprintf("%d entries in the root, want at most %d", len(shown), maxRootEntries))
	}
	return broken
}

// lockedNames: a name that says that a lock is held belongs to the files of the
// cache, which has the lock.
func lockedNames(code tree) (broken []string) {
	cache := []string{"cache.go", "lookup.go", "flight.go"}
	for _, f := range code.files {
		if slices.Contains(cache, f.path) || strings.HasPrefix(f.path, "bench/") {
			continue
		}
		for _, fn := range f.functions() {
			if strings.HasSuffix(fn.Name.Name, "Locked") {
				broken = append(broken, f.path+": "+fn.Name.Name)
			}
		}
	}
	return broken
}

func clientMethods(code tree) (broken []string) {
	for _, f := range code.files {
		for _, fn := range f.functions() {
			if f.inRoot() && f.path != "client.go" && receiver(fn) == "Client" {
				broken = append(broken, f.path+": Client."+fn.Name.Name)
			}
		}
	}
	return broken
}

var testName = regexp.MustCompile(`^Test[A-Z][A-Za-z0-9]*_[A-Z][A-Za-z0-9]*$`)

// testNames: TestNoun_Rule, and short enough for a list.
func testNames(code tree) (broken []string) {
	for _, f := range code.files {
		for _, fn := range f.functions() {
			name := fn.Name.Name
			if !f.isTest() || !strings.HasPrefix(name, "Test") || path.Dir(f.folder()) != "internal/acceptance" {
				continue
			}
			if !testName.MatchString(name) || len(name) > maxTestName {
				broken = append(broken, f.path+": "+name)
			}
		}
	}
	return broken
}
