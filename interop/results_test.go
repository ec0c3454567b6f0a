package interop

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	resultsFile = flag.String("results", "", "write what the run saw to this file")
	least       = flag.Int("least", 0, "fail when fewer real parts than this ran")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if ran := results.parts(); len(ran) < *least {
		fmt.Fprintf(os.Stderr, "interop: %d real parts ran, want at least %d\n", len(ran), *least)
		code = 1
	}
	for _, line := range results.absent {
		fmt.Fprintln(os.Stderr, "interop: not run: "+line)
	}
	if *resultsFile != "" {
		if err := os.WriteFile(*resultsFile, []byte(results.String()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	issuersTable = "Issuers that the library trusts"
	clientsTable = "Clients of the fake issuer of package jwkstest"
	albTable     = "Verifiers of load balancer tokens beside package awsalb, which agrees"
	proofsTable  = "Senders of proofs of possession (RFC 9449) to package dpop"
)

var results sheet

// sheet collects the verdicts of a run.
type sheet struct {
	mu     sync.Mutex
	rows   []*row
	absent []string
}

// row is one part and what came of each step.
type row struct {
	table, part, version string
	steps                []step
}

type step struct{ name, verdict string }

func (s *sheet) row(t *testing.T, table, part, version string) *row {
	t.Helper()
	if version == "" {
		t.Fatalf("%s has no version", part)
	}
	r := &row{table: table, part: part, version: version}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, r)
	return r
}

func (s *sheet) missed(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.absent, why) {
		s.absent = append(s.absent, why)
	}
}

// parts are those that ran, each once.
func (s *sheet) parts() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if !slices.Contains(names, r.part) {
			names = append(names, r.part)
		}
	}
	return names
}

// notes are what steps say besides pass and fail, by the test that said it.
var notes sync.Map

// detail is written behind the verdict of a step that passes.
func detail(t *testing.T, format string, args ...any) {
	notes.Store(t, fmt.Sprintf(format, args...))
}

// notApplicable ends a step that means nothing for this part.
func notApplicable(t *testing.T, why string) {
	t.Helper()
	notes.Store(t, "–")
	t.Skip(why)
}

// step runs one step and keeps its verdict, which stays FAIL if it never ends.
func (r *row) step(t *testing.T, name string, run func(t *testing.T)) {
	t.Helper()
	r.steps = append(r.steps, step{name, "FAIL"})
	current := &r.steps[len(r.steps)-1]
	t.Run(name, func(t *testing.T) {
		defer func() {
			note, _ := notes.LoadAndDelete(t)
			text, _ := note.(string)
			switch {
			case t.Failed():
			case t.Skipped() && text == "":
				current.verdict = "skipped"
			case t.Skipped():
				current.verdict = text
			case text != "":
				current.verdict = "pass, " + text
			default:
				current.verdict = "pass"
			}
		}()
		run(t)
	})
}

func (s *sheet) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("# What real parts and this library say to each other\n\n" +
		"Written by `make interop`. Every part ran as a program or server of its own on\n" +
		"loopback; what the steps do is in `issuer_test.go`, `client_test.go`,\n" +
		"`dpop_test.go` and `alb_test.go`. A dash is a step that means nothing for that part.\n")
	for _, table := range []string{issuersTable, clientsTable, proofsTable, albTable} {
		fmt.Fprintf(&b, "\n## %s\n", table)
		header := false
		for _, r := range s.sorted(table) {
			if !header {
				header = true
				b.WriteString("\n| part | version |")
				for _, step := range r.steps {
					b.WriteString(" " + step.name + " |")
				}
				b.WriteString("\n|---|---|" + strings.Repeat("---|", len(r.steps)) + "\n")
			}
			fmt.Fprintf(&b, "| %s | %s |", r.part, r.version)
			for _, step := range r.steps {
				b.WriteString(" " + step.verdict + " |")
			}
			b.WriteString("\n")
		}
	}
	if len(s.absent) > 0 {
		b.WriteString("\n## Not run\n\n")
		for _, line := range s.absent {
			b.WriteString("- " + line + "\n")
		}
	}
	return b.String()
}

func (s *sheet) sorted(table string) (rows []*row) {
	for _, r := range s.rows {
		if r.table == table {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return strings.Compare(strings.ToLower(a.part), strings.ToLower(b.part)) })
	return rows
}
