package conformance

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write RESULTS.md anew")

// measured is when the verdicts of the versions in go.mod were looked at.
const measured = "2026-11-27"

// sheet collects RESULTS.md.
type sheet struct {
	body     strings.Builder
	trials   int
	lax      []int    // by judge: accepts what should be refused, or as somebody else
	strict   []int    // refuses what should be accepted
	versions []string // by judge
}

func newSheet(t *testing.T) *sheet {
	t.Helper()
	s := &sheet{lax: make([]int, len(bench)), strict: make([]int, len(bench))}
	for _, b := range bench {
		var versions []string
		for i, module := range b.modules {
			version := versionOf(t, module)
			if i > 0 {
				version = "with " + strings.TrimPrefix(module, "github.com/") + " " + version
			}
			versions = append(versions, version)
		}
		if versions == nil {
			versions = []string{"this tree"}
		}
		s.versions = append(s.versions, strings.Join(versions, ", "))
	}
	return s
}

func (s *sheet) section(title string) {
	fmt.Fprintf(&s.body, "\n## %s\n\n| token | %s | rule, and why a difference matters |\n", title, strings.Join(names(), " | "))
	s.body.WriteString("|---|" + strings.Repeat("---|", len(bench)) + "---|\n")
}

func names() (all []string) {
	for _, b := range bench {
		all = append(all, b.name)
	}
	return all
}

// add writes a line of the table. What differs is bold.
func (s *sheet) add(tr *trial, verdicts []string) {
	s.trials++
	fmt.Fprintf(&s.body, "| %s |", tr.name)
	for i, v := range verdicts {
		if v == verdicts[0] {
			fmt.Fprintf(&s.body, " %s |", v)
			continue
		}
		fmt.Fprintf(&s.body, " **%s** |", v)
		if v == refuses {
			s.strict[i]++
		} else {
			s.lax[i]++
		}
	}
	fmt.Fprintf(&s.body, " %s", tr.rule)
	for _, d := range tr.differ {
		var who []string
		for _, b := range bench {
			if d.who&b.judge != 0 {
				who = append(who, b.name)
			}
		}
		fmt.Fprintf(&s.body, ". **%s**: %s", strings.Join(who, ", "), d.why)
	}
	s.body.WriteString(" |\n")
}

func (s *sheet) text() string {
	var head strings.Builder
	head.WriteString(`# Four libraries, the same tokens

Written by ` + "`go generate`" + ` in this folder; a test fails when it is out of date. Measured ` + measured + ` on amd64.

Each library was told the same: one issuer, one audience, the asymmetric algorithms, exp required, iat
compared where that can be asked for, no leeway where it can be chosen, the same time. Otherwise it runs
with its defaults, as its documentation shows; keyfunc with golang-jwt's RegisteredClaims. All four fetch
the same key set in memory, and none asked for anything else. What differs from this library is bold.

| library | version | same verdict | accepts what is refused here | refuses what is accepted here |
|---|---|---|---|---|
`)
	for i, b := range bench {
		fmt.Fprintf(&head, "| %s | %s | %d of %d | %d | %d |\n", b.name, s.versions[i], s.trials-s.lax[i]-s.strict[i], s.trials, s.lax[i], s.strict[i])
	}
	return head.String() + s.body.String()
}

// check compares the table with the stored one, or stores it.
func (s *sheet) check(t *testing.T) {
	t.Helper()
	if t.Failed() || runtime.GOARCH != "amd64" {
		return
	}
	if *update {
		if err := os.WriteFile("RESULTS.md", []byte(s.text()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	stored, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if count := fmt.Sprintf("| %d tokens |", s.trials); !strings.Contains(string(readme), count) {
		t.Errorf("README.md does not say %q", count)
	}
	if string(stored) != s.text() {
		t.Error("RESULTS.md is out of date: run go generate")
	}
}
