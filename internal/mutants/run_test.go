package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func tiny(t *testing.T) options {
	if testing.Short() {
		t.Skip("runs the go command; without -short")
	}
	// A copy, because a test changes it, and because the go command does not
	// take testdata for a place of its own under -mod=readonly of a workspace.
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "tiny"))); err != nil {
		t.Fatal(err)
	}
	return options{root: root, accepted: "internal/mutants/survivors.txt", workers: 2, limit: time.Minute, suites: "."}
}

// TestRun_Survivors: changes that no test notices are shown, and make the
// command fail unless they are accepted.
func TestRun_Survivors(t *testing.T) {
	o := tiny(t)
	var out strings.Builder
	ok, err := run(context.Background(), o, &out)
	if err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if ok {
		t.Error("the upper bound is not tested, and nothing is said")
	}
	for _, want := range []string{
		"file tiny.go\nfunc Clamp\n- if n > limit {\n+ if n >= limit {\nwhy",
		"file tiny.go\nfunc Clamp\n- if n > limit {\n+ if false && (n > limit) {\nwhy",
		"file tiny.go\nfunc \n- const limit = 3\n+ const limit = 4\nwhy",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no new survivor\n%s", want)
		}
	}
	for _, not := range []string{"+ if n <= 0 {\nwhy", "+ if n >= 0 {\nwhy", "no such change"} {
		if strings.Contains(text, not) {
			t.Errorf("told of %q", not)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestRun_Again: the survivors of a report, and no others, are run again.
func TestRun_Again(t *testing.T) {
	o := tiny(t)
	o.again = filepath.Join(o.root, "report.txt")
	o.list = true
	report := "# tiny.go:11, other operator\n" + (&mutant{file: "tiny.go", function: "Clamp", was: "if n > limit {", is: "if n >= limit {"}).entry()
	if err := os.WriteFile(o.again, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if ok, err := run(context.Background(), o, &out); !ok || err != nil || !strings.Contains(out.String(), "+ if n >= limit {\n\n1 mutants of ") {
		t.Errorf("%v, %v\n%s", ok, err, out.String())
	}
}

// TestSuites_Order: suites are met in the order of their patterns, each once.
func TestSuites_Order(t *testing.T) {
	o := options{root: filepath.Join("..", ".."), suites: "./internal/acceptance/verify,./,./internal/acceptance/..."}
	got, err := o.suitesList(context.Background())
	if err != nil || len(got) < 10 || got[0] != "./internal/acceptance/verify" || got[1] != packageOf("cache.go") || got[2] != "./internal/acceptance/client" {
		t.Errorf("%q, %v", got, err)
	}
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != len(got) {
		t.Errorf("%d of %d are there twice", len(got)-n, len(got))
	}
}

// TestRun_Stale: an accepted survivor that no change makes any more is told.
func TestRun_Stale(t *testing.T) {
	o := tiny(t)
	list := filepath.Join(o.root, "internal", "mutants", "survivors.txt")
	entry := (&mutant{file: "tiny.go", function: "Gone", was: "a", is: "b"}).entry()
	if err := os.WriteFile(list, []byte(strings.Replace(entry, "why ", "why it was so", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := acceptedOf(o)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if ok := summarize(&out, []string{"tiny.go"}, nil, nil, nil, known); ok || !strings.Contains(out.String(), "no such change exists") {
		t.Errorf("%v\n%s", ok, out.String())
	}
	if ok := summarize(&out, []string{"other.go"}, nil, nil, nil, known); !ok {
		t.Error("an entry of a file that was not asked about is told")
	}
}

// TestRun_Unsound: where the tests fail without a change, nothing is concluded.
func TestRun_Unsound(t *testing.T) {
	o := tiny(t)
	if err := os.WriteFile(filepath.Join(o.root, "broken_test.go"), []byte("package tiny\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { t.Fail() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := run(context.Background(), o, &strings.Builder{}); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// TestFiles_Named: files come from the list or from the flag; tests and files
// of other systems are left out, and a pattern that fits nothing is an error.
func TestFiles_Named(t *testing.T) {
	o := tiny(t)
	other := filepath.Join(o.root, "tiny_plan9.go")
	if err := os.WriteFile(other, []byte("package tiny\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for patterns, want := range map[string]string{"": "tiny.go", "*.go": "tiny.go", "tiny.go,t*.go": "tiny.go"} {
		o.files = patterns
		if files, err := filesOf(o); err != nil || strings.Join(files, " ") != want {
			t.Errorf("%q: %q, %v", patterns, files, err)
		}
	}
	o.files = "missing.go"
	if files, err := filesOf(o); err == nil {
		t.Errorf("%q", files)
	}
}

// TestRun_List: -list shows the changes and runs nothing.
func TestRun_List(t *testing.T) {
	o := tiny(t)
	o.list = true
	var out strings.Builder
	if ok, err := run(context.Background(), o, &out); !ok || err != nil || !strings.Contains(out.String(), "tiny.go:11 Clamp: other operator\n- if n > limit {\n+ if n >= limit {\n") {
		t.Errorf("%v, %v\n%s", ok, err, out.String())
	}
}

// TestSurvivors_Exist: the accepted survivors are changes to the code as it is.
func TestSurvivors_Exist(t *testing.T) {
	o := options{root: filepath.Join("..", ".."), accepted: "internal/mutants/survivors.txt"}
	files, err := filesOf(o)
	if err != nil {
		t.Fatal(err)
	}
	var all []*mutant
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join(o.root, file))
		if err != nil {
			t.Fatal(err)
		}
		found, err := mutantsOf(file, source)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	known, err := acceptedOf(o)
	if err != nil || len(known) == 0 {
		t.Fatalf("%d entries, %v", len(known), err)
	}
	for _, key := range staleOf(files, all, known) {
		t.Errorf("no such change any more:\n%s", key)
	}
	for key := range known {
		if file, _, _ := strings.Cut(key, "\n"); !slices.Contains(files, file) {
			t.Errorf("%s is not among the files that are changed", file)
		}
	}
	t.Logf("%d changes, %d of them accepted", len(all), len(known))
}
