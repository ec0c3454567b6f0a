package conformance

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestDifferential lets every library judge every token. A verdict of this
// library must be what the trial says; one of another that differs must be
// explained, and an explanation must explain something.
func TestDifferential(t *testing.T) {
	sheet := newSheet(t)
	ordinary := theMint().ordinary()
	names := make(map[string]bool)
	for _, s := range sections(t) {
		sheet.section(s.title)
		for _, tr := range s.trials {
			if names[tr.name] {
				t.Errorf("two trials are named %q", tr.name)
			}
			names[tr.name] = true
			if tr.keys == "" {
				tr.keys = ordinary
			}
			sheet.add(&tr, runTrial(t, &tr))
		}
	}
	sheet.check(t)
}

// runTrial returns the verdicts in the order of the bench.
func runTrial(t *testing.T, tr *trial) []string {
	t.Helper()
	var verdicts []string
	want := accepts
	if tr.refused != nil {
		want = refuses
	}
	for _, b := range bench {
		p := &publisher{document: tr.keys}
		verdict, err := judged(t.Context(), b.sit, p, tr)
		verdicts = append(verdicts, verdict)
		if stray := p.strayRequests(); stray != nil {
			t.Errorf("%s: %s asked for %q", tr.name, b.name, stray)
		}
		why := tr.why(b.judge)
		differs := verdict != want
		switch {
		case b.judge == ours && (differs || !errors.Is(err, tr.refused)):
			t.Errorf("%s: this library %s (%v), want that it %s (%v): %s", tr.name, verdict, err, want, tr.refused, tr.rule)
		case b.judge == ours:
		case differs && why == "" && !tr.elsewhere():
			t.Errorf("%s: %s %s (%v), this library %s: unexplained", tr.name, b.name, verdict, err, want)
		case !differs && why != "" && !tr.elsewhere():
			t.Errorf("%s: %s %s as this library does, yet is explained: %s", tr.name, b.name, verdict, why)
		}
	}
	return verdicts
}

// why is how a judge's difference is explained, "" when it is not.
func (tr *trial) why(who judges) string {
	for _, d := range tr.differ {
		if d.who&who != 0 {
			return d.why
		}
	}
	return ""
}

// elsewhere says that the verdicts of others are not those in the table,
// because this is another processor.
func (tr *trial) elsewhere() bool { return tr.byProcessor && runtime.GOARCH != "amd64" }

// TestTrialsAreWellFormed: each says its rule, explains a judge once, and fits in
// the table.
func TestTrialsAreWellFormed(t *testing.T) {
	for _, s := range sections(t) {
		for _, tr := range s.trials {
			if tr.rule == "" || tr.name == "" {
				t.Errorf("%q has no rule", tr.name)
			}
			seen := judges(0)
			for _, d := range tr.differ {
				if d.who&seen != 0 || d.who&ours != 0 || d.why == "" {
					t.Errorf("%s: a judge is explained twice, or not at all", tr.name)
				}
				seen |= d.who
			}
			if strings.ContainsAny(tr.name+tr.rule+fmt.Sprint(tr.differ), "|\n") {
				t.Errorf("%s: does not fit in a table", tr.name)
			}
		}
	}
}
