package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMutants_OfCode: what is changed in a line of code, and what is not.
func TestMutants_OfCode(t *testing.T) {
	tests := []struct {
		name string
		code string   // the body of func f(a, b int, ok bool) int
		want []string // the changed lines
	}{
		{"a comparison", "if a < b { a = 7 }", []string{"if a <= b { a = 7 }", "if a >= b { a = 7 }", "if a < b {  }", "if a < b { a = 8 }", "if a < b { a = 6 }"}},
		{"equality", "ok = a == b", []string{"(dropped)", "ok = a != b"}},
		{"logic", "if ok && a != b { println() }", []string{"if !(ok && a != b) { println() }", "if ok || a != b { println() }", "if ok && a == b { println() }", "if ok && a != b {  }"}},
		{"arithmetic", "return a*b - a/b", []string{"return a/b - a/b", "return a*b + a/b", "return a*b - a*b"}},
		{"zero gets one neighbour", "return 0", []string{"return 1"}},
		{"a hexadecimal", "return 0x10", []string{"return 17", "return 15"}},
		{"booleans", "return map[bool]int{true: a}[ok]", []string{"return map[bool]int{false: a}[ok]"}},
		{"min and max", "return max(a, b)", []string{"return min(a, b)"}},
		{"an early return", "if ok { return a }", []string{"if !(ok) { return a }", "if false && (ok) { return a }"}},
		{"a return before else is a branch", "if ok { return a } else { return b }", []string{"if !(ok) { return a } else { return b }"}},
		{"a count", "a++", []string{"(dropped)", "a--"}},
		{"a computing assignment", "a += b", []string{"(dropped)", "a -= b"}},
		{"a definition stays", "c := a; return c", nil},
		{"a loop is left", "for { break }", []string{"for {  }"}},
		{"a deferred call", "defer println()", []string{"(dropped)"}},
		{"cases", "switch a {\n case b:\n return a\n default:\n return b\n}", []string{"return b …"}},
		{"texts stay", `println("1 < 2")`, []string{"(dropped)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source := "package p\n\nfunc f(a, b int, ok bool) int {\n" + test.code + "\nreturn b\n}\n"
			found, err := mutantsOf("p.go", []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range found {
				got = append(got, m.is)
				if string(m.apply([]byte(source))) == source {
					t.Errorf("%s changes nothing", m.kind)
				}
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// TestMutants_Keys: a mutant is known by file, function and text, and two that
// look alike are told apart.
func TestMutants_Keys(t *testing.T) {
	const source = "package p\n\nconst c = 0\n\nfunc (x *T[K]) m() {\n\ta++\n\ta++\n}\n"
	find := func(source string) []string {
		found, err := mutantsOf("p.go", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, m := range found {
			keys = append(keys, m.key())
		}
		return keys
	}
	keys := find(source)
	want := []string{"p.go\n\nconst c = 0\nconst c = 1", "p.go\nT.m\na++\n(dropped)", "p.go\nT.m\na++\na--", "p.go\nT.m\na++\n(dropped) // the same, 2", "p.go\nT.m\na++\na-- // the same, 2"}
	if !slices.Equal(keys, want) {
		t.Errorf("%q, want %q", keys, want)
	}
	if moved := find(strings.Replace(source, "\nfunc", "\n// A line more.\nfunc", 1)); !slices.Equal(moved, keys) {
		t.Errorf("a line above changes the keys: %q", moved)
	}
}

// TestMutants_Parse: every mutant of this package's own code is Go.
func TestMutants_Parse(t *testing.T) {
	source, err := os.ReadFile("mutate.go")
	if err != nil {
		t.Fatal(err)
	}
	found, err := mutantsOf("mutate.go", source)
	if err != nil || len(found) < 50 {
		t.Fatalf("%d mutants: %v", len(found), err)
	}
	for _, m := range found {
		if _, err := mutantsOf("mutate.go", m.apply(source)); err != nil {
			t.Errorf("%s %q: %v", m.kind, m.is, err)
		}
	}
	if _, err := mutantsOf("x.go", []byte("not Go")); err == nil {
		t.Error("what is not Go has mutants")
	}
}

// TestAccepted_Read: the list of accepted survivors, and what is wrong in one.
func TestAccepted_Read(t *testing.T) {
	m := mutant{file: "a.go", function: "T.f", was: "x - 1", is: "x + 1"}
	good := "# a comment\n\n" + m.entry() + "because\n"
	good = strings.Replace(good, "why \nbecause", "why because", 1)
	known, err := readAccepted(strings.NewReader(good))
	if err != nil || known[m.key()] != "because" || len(known) != 1 {
		t.Fatalf("%q: %v", known, err)
	}
	for name, text := range map[string]string{
		"no reason":      m.entry(),
		"no line":        "file a.go\nwhy x\n",
		"another word":   "files a.go\n",
		"twice the same": good + "\n" + good,
	} {
		if known, err := readAccepted(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %q", name, known)
		}
	}
}

// TestDraw_Sample: a sample is as large as asked for, in order, and the same
// for the same seed.
func TestDraw_Sample(t *testing.T) {
	var all []*mutant
	for i := range 100 {
		all = append(all, &mutant{line: i})
	}
	a, b, other := draw(all, 10, 1), draw(all, 10, 1), draw(all, 10, 2)
	if len(a) != 10 || !slices.Equal(a, b) || slices.Equal(a, other) {
		t.Errorf("%d, %d, %d", len(a), len(b), len(other))
	}
	if !slices.IsSortedFunc(a, func(x, y *mutant) int { return x.line - y.line }) {
		t.Error("not in order")
	}
	if n := len(draw(all, 0, 1)); n != 100 {
		t.Errorf("%d of 100 without a sample", n)
	}
	if fmt.Sprint(tally{}.score()) != "100" {
		t.Error("no mutant at all is a full score")
	}
}
