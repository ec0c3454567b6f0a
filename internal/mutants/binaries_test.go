package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/mutants/overlay"
)

// more is a second file for the tiny module, and its tests: one change in it
// does not compile, one never ends, one is outside of functions, and the test of
// New passes only while New is inlined.
var more = map[string]string{
	"more.go": `package tiny

// step is a variable, for a constant would be known while compiling.
var step = 1

type four struct{ a, b, c, d int }

// New is inlined, so that the four stay on the stack.
func New() *four { return &four{11, 12, 13, 14} }

// Join has no difference of strings.
func Join(a, b string) string { return a + b }

// Count never ends if it counts down.
func Count(_ string, to int) (n int) {
	for n < to {
		n += step
	}
	return n
}
`,
	"more_test.go": `package tiny

import "testing"

func TestNew(t *testing.T) {
	sum := 0
	if n := testing.AllocsPerRun(10, func() { sum = New().a }); n != 0 || sum != 11 {
		t.Errorf("%v allocations, %d", n, sum)
	}
}

func TestJoin(t *testing.T) {
	if got := Join("a", "b"); got != "ab" {
		t.Error(got)
	}
}

func TestCount(t *testing.T) {
	if got := Count("", 2); got != 2 {
		t.Error(got)
	}
}
`,
}

// TestBinaries_SameResults: mutants meet the same fate in one build for all as
// in a build of their own.
func TestBinaries_SameResults(t *testing.T) {
	o := tiny(t)
	var all []*mutant
	sources := map[string][]byte{}
	for name, text := range more {
		if err := os.WriteFile(filepath.Join(o.root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"tiny.go", "more.go"} {
		source, err := os.ReadFile(filepath.Join(o.root, file))
		if err != nil {
			t.Fatal(err)
		}
		found, err := mutantsOf(file, source)
		if err != nil {
			t.Fatal(err)
		}
		all, sources[file] = append(all, found...), source
	}
	var said strings.Builder
	b, err := o.build(t.Context(), t.TempDir(), all, sources, nil, &said)
	if err != nil {
		t.Fatal(err)
	}
	if said.String() != "./.: met without copies, which they notice: TestNew\n" {
		t.Errorf("of the test that fails because of the copies is said %q", said.String())
	}
	for is, test := range map[string]struct {
		want  overlay.Result
		alone bool // has no copy
	}{
		"if n >= 0 {":     {want: overlay.Failed},
		"if n >= limit {": {want: overlay.Passed},
		"const limit = 4": {want: overlay.Passed, alone: true},
		"var step = 2":    {want: overlay.Passed, alone: true},
		"(dropped)":       {want: overlay.TimedOut},
		"for n <= to {":   {want: overlay.Failed},
		"func Join(a, b string) string { return a - b }":    {want: overlay.NotCompiled, alone: true},
		"func New() *four { return &four{10, 12, 13, 14} }": {want: overlay.Failed},
		"func New() *four { return &four{11, 12, 13, 15} }": {want: overlay.Passed},
	} {
		i := slices.IndexFunc(all, func(m *mutant) bool { return m.is == is && (is != "(dropped)" || m.function == "Count") })
		if i < 0 {
			t.Errorf("no mutant %q", is)
			continue
		}
		m := all[i]
		b.o.limit = time.Minute
		if test.want == overlay.TimedOut {
			b.o.limit = 4 * time.Second
		}
		got, err := b.meet(t.Context(), m, sources[m.file])
		alone, err2 := b.o.meet(t.Context(), m, sources[m.file], nil)
		if err != nil || err2 != nil || got != test.want || alone != test.want || (m.id == 0) != test.alone {
			t.Errorf("%s: %v, %v, alone %v, %v, copy %d; want %+v", is, got, err, alone, err2, m.id, test)
		}
	}
}

// TestBinaries_Limit: a mutant has several times as long as the tests take, and
// no longer than -timeout.
func TestBinaries_Limit(t *testing.T) {
	b := &binary{took: time.Second, skipped: []string{"TestA", "TestB"}}
	if got := b.limit(time.Minute); got != 16*time.Second {
		t.Error(got)
	}
	if got := b.limit(time.Second); got != time.Second {
		t.Error(got)
	}
	for skip, want := range map[string]string{"": "^(TestA|TestB)$", "TestC": "TestC|^(TestA|TestB)$"} {
		if got := b.args(options{skip: skip}, true); !slices.Equal(got, []string{"-test.skip", want, "-test.failfast"}) {
			t.Errorf("%q", got)
		}
	}
	if got := b.args(options{short: true}, false); !slices.Equal(got, []string{"-test.skip", "^(TestA|TestB)$", "-test.short"}) {
		t.Errorf("%q", got)
	}
}

// TestBinaries_Unbuilt: an error that is not a mutant's ends the run.
func TestBinaries_Unbuilt(t *testing.T) {
	o := tiny(t)
	if err := os.WriteFile(filepath.Join(o.root, "broken.go"), []byte("package tiny\n\nvar x int = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(o.root, "tiny.go"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := mutantsOf("tiny.go", source)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.build(context.Background(), t.TempDir(), all, map[string][]byte{"tiny.go": source}, nil, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "broken.go:3") {
		t.Errorf("%v", err)
	}
}

// TestRun_Interrupted: what was met before an interrupt is summed up.
func TestRun_Interrupted(t *testing.T) {
	o := tiny(t)
	o.workers = 1
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &interrupter{cancel: cancel}
	ok, err := run(ctx, o, out)
	if ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
	if text := out.String(); !strings.Contains(text, "\ninterrupted after 1 of ") || !strings.Contains(text, "\nall  ") {
		t.Errorf("%s", text)
	}
}

// interrupter cancels at the first mutant.
type interrupter struct {
	strings.Builder
	cancel func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	i.cancel()
	return i.Builder.Write(p)
}
