package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// TestSchema_Jump: the jump that a function begins with, for each kind of
// function, and that the whole file compiles.
func TestSchema_Jump(t *testing.T) {
	tests := []struct {
		name, code string
		want       string // the first line of the function
	}{
		{"names", "func f(a, b int, c string) int { return 0 }", "func f(a, b int, c string) int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(a, b, c); } }; return 0 }"},
		{"no parameter", "func f() int { return 0 }", "func f() int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(); } }; return 0 }"},
		{"unnamed", "func f(int, ...string) int { return 0 }", "func f(argumentª0 int, argumentª1 ...string) int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(argumentª0, argumentª1...); } }; return 0 }"},
		{"blank", "func f(_ int, a, _ string) int { return 0 }", "func f(argumentª0 int, a, argumentª2 string) int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(argumentª0, a, argumentª2); } }; return 0 }"},
		{"variadic", "func f(a int, more ...int) int { return 0 }", "func f(a int, more ...int) int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(a, more...); } }; return 0 }"},
		{"no result", "func f(a int) { println(0) }", "func f(a int) { if mutantª != 0 { switch mutantª { case 1: mutant1ªf(a); return; case 2: mutant2ªf(a); return; } }; println(0) }"},
		{"named results", "func f() (n int, err error) { return 0, nil }", "func f() (n int, err error) { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(); } }; return 0, nil }"},
		{"a receiver", "type T int\nfunc (t *T) f(a int) int { return 0 }", "func (t *T) f(a int) int { if mutantª != 0 { switch mutantª { case 1: return t.mutant1ªf(a); } }; return 0 }"},
		{"an unnamed receiver", "type T int\nfunc (T) f() int { return 0 }", "func (receiverª0 T) f() int { if mutantª != 0 { switch mutantª { case 1: return receiverª0.mutant1ªf(); } }; return 0 }"},
		{"a blank receiver", "type T int\nfunc (_ *T) f() int { return 0 }", "func (receiverª0 *T) f() int { if mutantª != 0 { switch mutantª { case 1: return receiverª0.mutant1ªf(); } }; return 0 }"},
		{"a generic function", "func f[K comparable, V any](m map[K]V) int { return 0 }", "func f[K comparable, V any](m map[K]V) int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf[K, V](m); } }; return 0 }"},
		{"a generic receiver", "type T[K any] int\nfunc (t T[_]) f() int { return 0 }", "func (t T[_]) f() int { if mutantª != 0 { switch mutantª { case 1: return t.mutant1ªf(); } }; return 0 }"},
		{"a comment behind the brace", "func f() int { // why\nreturn 0\n}", "func f() int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(); } }; // why"},
		{"a directive", "//go:noinline\nfunc f() int { return 0 }", "func f() int { if mutantª != 0 { switch mutantª { case 1: return mutant1ªf(); } }; return 0 }"},
		{"a recover in a function that is deferred here", "func f() { defer func() { recover() }() }", "func f() { if mutantª != 0 { switch mutantª { case 1: mutant1ªf(); return; case 2: mutant2ªf(); return; } }; defer func() { recover() }() }"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, mutants := schemaFor(t, "package p\n\n"+test.code+"\n")
			if !strings.Contains(string(s.text), "\n"+test.want+"\n") {
				t.Errorf("got\n%s\nwant the line\n%s", s.text, test.want)
			}
			if len(s.spans) != len(mutants) || len(mutants) == 0 {
				t.Errorf("%d copies of %d mutants", len(s.spans), len(mutants))
			}
			check(t, string(s.text))
		})
	}
}

// TestSchema_Without: functions that cannot be copied stay as they are, and so
// does what is outside the bodies of functions.
func TestSchema_Without(t *testing.T) {
	for name, code := range map[string]string{
		"init":               "func init() { println(0) }",
		"a blank function":   "func _() { println(0) }",
		"recover":            "func f() { if recover() != nil { println(0) } }",
		"the caller":         "import \"runtime\"\nfunc f() { runtime.Caller(1) }",
		"a linkname":         "import _ \"unsafe\"\n//go:linkname f g\nfunc f() { println(0) }",
		"a blank type":       "func f[_ any]() { println(0) }",
		"a constant":         "const c = 0",
		"a literal":          "var v = func() int { return 0 }",
		"in the signature":   "func f(a [4]int) {}",
		"the mark in a name": "var xª = 1\nfunc f() { println(0) }",
	} {
		source := "package p\n\n" + code + "\n"
		if s, mutants := schemaFor(t, source); len(mutants) == 0 || len(s.spans) != 0 || string(s.text) != source+"\n" {
			t.Errorf("%s: %d mutants, %d copies\n%s", name, len(mutants), len(s.spans), s.text)
		}
	}
}

// TestSchema_Spans: the lines of a copy are those that the compiler names, and
// the function keeps its own.
func TestSchema_Spans(t *testing.T) {
	const source = "package p\n\nfunc f(a, b string) string {\n\tprintln(\"x\")\n\treturn a + b\n}\n\nfunc g(a int) int {\n\ta++\n\treturn a\n}"
	s, mutants := schemaFor(t, source)
	if len(mutants) != 4 || len(s.spans) != 4 {
		t.Fatalf("%d mutants, %d copies", len(mutants), len(s.spans))
	}
	lines := strings.Split(string(s.text), "\n")
	for i, span := range s.spans {
		copied := strings.Join(lines[span.first-1:span.last], "\n")
		if span.mutant != mutants[i] || strings.Count(copied, "func mutant") != 1 || !strings.HasSuffix(copied, "\n}") || span.mutant.is != "(dropped)" && !strings.Contains(copied, span.mutant.is) {
			t.Errorf("%q has lines %d to %d:\n%s", span.mutant.is, span.first, span.last, copied)
		}
	}
	if !strings.HasPrefix(lines[2], "func f(") || !strings.HasPrefix(lines[7], "func g(") {
		t.Errorf("lines moved:\n%s", s.text)
	}
}

// TestBlame_Lines: errors of the compiler are those of the mutants in whose
// copies they are, wherever the compiler says that the file is.
func TestBlame_Lines(t *testing.T) {
	a, b := &mutant{id: 1}, &mutant{id: 2}
	spans := map[string][]span{"in/p.go": {{a, 10, 19}, {b, 20, 29}}}
	for _, test := range []struct {
		name, output string
		bad          []*mutant
		unknown      string
	}{
		{"replacement", "# m\n/tmp/d/in/p.go:10:3: x\n\tother\n/tmp/d/in/p.go:29: y\n", []*mutant{a, b}, ""},
		{"relative", "in/p.go:19:3: x\n./in/p.go:20:1: y\n../tmp/d/in/p.go:21:1: z", []*mutant{a, b, b}, ""},
		{"the code itself", "in/p.go:9:3: x\n", nil, "in/p.go:9:3: x"},
		{"another file", "in/p.go:20:3: x\nq.go:20:3: y\n", []*mutant{b}, "q.go:20:3: y"},
		{"nothing to read", "link: killed\n", nil, ""},
	} {
		bad, unknown := blame("/m", "/tmp/d", test.output, spans)
		if !slices.Equal(bad, test.bad) || unknown != test.unknown {
			t.Errorf("%s: %v, %q", test.name, bad, unknown)
		}
	}
}

func schemaFor(t *testing.T, source string) (schema, []*mutant) {
	t.Helper()
	mutants, err := mutantsOf("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mutants {
		m.id = i + 1
	}
	s, err := schemaOf("p.go", []byte(source), mutants)
	if err != nil {
		t.Fatal(err)
	}
	return s, mutants
}

// check finds errors that a compiler would find.
func check(t *testing.T, text string) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for name, text := range map[string]string{"p.go": text, "active.go": "package p\n\nvar " + active + " int\n"} {
		f, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		files = append(files, f)
	}
	if _, err := (&types.Config{Importer: importer.Default()}).Check("p", set, files, nil); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
