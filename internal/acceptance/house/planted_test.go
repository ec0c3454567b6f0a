package house

import (
	"fmt"
	"strings"
	"testing"
)

// TestHouse_EachRuleCanFail plants violations: each rule finds what breaks it, and leaves what keeps
// it alone.
func TestHouse_EachRuleCanFail(t *testing.T) {
	const root = `"github.com/seed-22400188/jwks"`
	lines := func(n int) string { return strings.Repeat("\n", n) }
	function := func(body string) string { return "package p\nfunc f(a, b bool, c chan int, s []int) {" + body + "}\n" }
	many := func(prefix, suffix string, n int) map[string]string {
		sources := map[string]string{}
		for i := range n {
			sources[fmt.Sprint(prefix, i, suffix)] = "package jwks\n"
		}
		return sources
	}
	one := func(path, source string) map[string]string { return map[string]string{path: source} }
	for _, test := range []struct {
		rule, name string
		sources    map[string]string
		want       string // in what breaks the rule; "" is nothing
	}{
		{"RootImports", "an internal package", one("internal/jwk/a.go", "package jwk\nimport _ "+root+"\n"), "internal/jwk/a.go imports the root"},
		{"RootImports", "its test", one("internal/jwk/a_test.go", "package jwk\nimport _ "+root+"\n"), "a_test.go imports the root"},
		{"RootImports", "a test of the whole", one("internal/acceptance/verify/a_test.go", "package verify\nimport _ "+root+"\n"), ""},
		{"RootImports", "a package for users", one("jwkshttp/a.go", "package jwkshttp\nimport _ "+root+"\n"), ""},
		{"RootImports", "a test inside the root", one("a_test.go", "package jwks\nimport _ \"github.com/seed-22400188/jwks/internal/testkit\"\n"), "imports internal/testkit"},
		{"RootImports", "a test outside the root", one("a_test.go", "package jwks_test\nimport _ \"github.com/seed-22400188/jwks/jwkstest\"\n"), ""},
		{"Layers", "the lowest layer", one("internal/show/a.go", "package show\nimport _ \"github.com/seed-22400188/jwks/internal/fault\"\n"), "internal/show/a.go imports internal/fault"},
		{"Layers", "up", one("internal/binding/a.go", "package binding\nimport _ \"github.com/seed-22400188/jwks/internal/claims\"\n"), "internal/binding/a.go imports internal/claims"},
		{"Layers", "all that is allowed", layersInOrder(), ""},
		{"Layers", "a test", one("internal/show/a_test.go", "package show\nimport _ \"github.com/seed-22400188/jwks/internal/fault\"\n"), ""},
		{"Packages", "one of them", one("internal/jws/a.go", "package jws\n"), "internal/claims does not exist"},
		{"Packages", "tests alone", one("internal/jws/a_test.go", "package jws\n"), "internal/jws does not exist"},
		{"Packages", "all of them", layersInOrder(), ""},
		{"FileLines", "450", one("a.go", "package jwks"+lines(450)), ""},
		{"FileLines", "451", one("a.go", "package jwks"+lines(451)), "a.go has 451 lines"},
		{"FunctionLines", "60", one("a.go", function(lines(59))), ""},
		{"FunctionLines", "61", one("a.go", function(lines(60))), "f has 61 lines"},
		{"FunctionLines", "a test", one("a_test.go", function(lines(60))), ""},
		{"Complexity", "20", one("a.go", function(strings.Repeat("if a {}\n", 19))), ""},
		{"Complexity", "21", one("a.go", function(strings.Repeat("if a {}\n", 20))), "complexity of 21"},
		{"Complexity", "a test", one("a_test.go", function(strings.Repeat("if a {}\n", 20))), ""},
		{"RootFiles", "25 and 10", merged(many("a", ".go", 25), many("a", "_test.go", 10)), ""},
		{"RootFiles", "26", many("a", ".go", 26), "26 files of code"},
		{"RootFiles", "11 tests", many("a", "_test.go", 11), "11 files of tests"},
		{"RootFiles", "other folders do not count", many("internal/a", ".go", 30), ""},
		{"Locked", "in the cache", one("lookup.go", "package jwks\nfunc findLocked() {}\n"), ""},
		{"Locked", "elsewhere", one("client.go", "package jwks\nfunc findLocked() {}\n"), "client.go: findLocked"},
		{"Locked", "a method in an internal package", one("internal/jwk/cache.go", "package jwk\ntype T int\nfunc (T) findLocked() {}\n"), "findLocked"},
		{"ClientMethods", "in client.go", one("client.go", "package jwks\nfunc (c *Client) Key() {}\n"), ""},
		{"ClientMethods", "elsewhere", one("keyfunc.go", "package jwks\nfunc (c *Client) Keyfunc() {}\n"), "keyfunc.go: Client.Keyfunc"},
		{"ClientMethods", "of another type", one("keyfunc.go", "package jwks\nfunc (c Clients) Keyfunc() {}\n"), ""},
		{"ClientMethods", "of another package", one("internal/fetch/a.go", "package fetch\nfunc (c *Client) Get() {}\n"), ""},
		{"TestNames", "as they should be", one("internal/acceptance/verify/a_test.go", "package verify\nfunc TestVerify_Header() {}\n"), ""},
		{"TestNames", "one word", one("internal/acceptance/verify/a_test.go", "package verify\nfunc TestHeader() {}\n"), "TestHeader"},
		{"TestNames", "too long", one("internal/acceptance/verify/a_test.go", "package verify\nfunc TestVerify_"+strings.Repeat("A", 30)+"() {}\n"), "TestVerify_A"},
	} {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			got := strings.Join(rules[test.rule](parse(t, test.sources)), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	names := make([]string, maxRootEntries+1)
	if len(rootEntries(names)) != 1 || len(rootEntries(names[1:])) != 0 || len(rootEntries(append(names[1:], ".git"))) != 0 {
		t.Error("RootEntries does not count what ls shows")
	}
}

// layersInOrder has every package of the table, each importing all it may.
func layersInOrder() map[string]string {
	sources := map[string]string{}
	for name, allowed := range layers {
		source := "package p\n"
		for _, other := range allowed {
			source += "import _ \"" + module + "/" + other + "\"\n"
		}
		sources[name+"/a.go"] = source
	}
	return sources
}

func merged(a, b map[string]string) map[string]string {
	for name, source := range b {
		a[name] = source
	}
	return a
}

func TestHouse_Cyclomatic(t *testing.T) {
	for body, want := range map[string]int{
		"":                                   1,
		"if a {} else if b {} else {}":       3,
		"if a && b || a {}":                  4,
		"for range s {}; for a {}":           3,
		"switch { case a: case b: default:}": 3,
		"select { case <-c: default: }":      2,
		"func() { if a {} }()":               2,
	} {
		code := parse(t, map[string]string{"a.go": "package p\nfunc f(a, b bool, c chan int, s []int) {" + body + "}\n"})
		if got := cyclomatic(code.files[0].functions()[0]); got != want {
			t.Errorf("%q: %d, want %d", body, got, want)
		}
	}
	if code := parse(t, map[string]string{"a.go": "package p\nfunc (x *T[A]) m() {}\n"}); receiver(code.files[0].functions()[0]) != "T" {
		t.Error("the receiver of a generic type is not found")
	}
}
