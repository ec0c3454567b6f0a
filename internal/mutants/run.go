package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed-22400188/jwks/internal/mutants/overlay"
)

// run does what the options say. It returns false if a mutant survived that is
// not accepted, or if the list of those that are is wrong.
func run(ctx context.Context, o options, out io.Writer) (bool, error) {
	files, err := filesOf(o)
	if err != nil {
		return false, err
	}
	sources := map[string][]byte{}
	var all []*mutant
	for _, file := range files {
		if sources[file], err = os.ReadFile(filepath.Join(o.root, filepath.FromSlash(file))); err != nil {
			return false, err
		}
		found, err := mutantsOf(file, sources[file])
		if err != nil {
			return false, err
		}
		all = append(all, found...)
	}
	known, err := acceptedOf(o)
	if err != nil {
		return false, err
	}
	picked := all
	if o.again != "" {
		report, err := os.ReadFile(o.again)
		if err != nil {
			return false, err
		}
		picked = survivorsOf(string(report), all)
	}
	picked = draw(picked, o.sample, o.seed)
	if o.list {
		for _, m := range picked {
			fmt.Fprintf(out, "%s:%d %s: %s\n- %s\n+ %s\n\n", m.file, m.line, m.function, m.kind, m.was, m.is)
		}
		fmt.Fprintf(out, "%d mutants of %d\n", len(picked), len(all))
		return true, nil
	}
	met, results, err := o.meetAll(ctx, files, picked, sources, out)
	if err != nil && (ctx.Err() == nil || len(met) == 0) {
		return false, err
	}
	return summarize(out, files, all, met, results, known) && err == nil, err
}

// meetAll builds and runs the mutants. After an interrupt it returns those that
// were met, with the error.
func (o options) meetAll(ctx context.Context, files []string, picked []*mutant, sources map[string][]byte, out io.Writer) ([]*mutant, []overlay.Result, error) {
	suites, err := o.suitesList(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := o.sound(ctx, files, suites); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	b, err := o.build(ctx, dir, picked, sources, suites, out)
	if err != nil {
		return nil, nil, err
	}
	results, err := o.runAll(ctx, picked, sources, b, out)
	met, results := finished(picked, results)
	if len(met) < len(picked) {
		fmt.Fprintf(out, "\ninterrupted after %d of %d mutants\n", len(met), len(picked))
	}
	return met, results, err
}

// notMet is the result of a mutant whose turn did not come.
const notMet overlay.Result = -1

// finished picks the mutants that have a result.
func finished(picked []*mutant, results []overlay.Result) (met []*mutant, their []overlay.Result) {
	for i, m := range picked {
		if results[i] != notMet {
			met, their = append(met, m), append(their, results[i])
		}
	}
	return met, their
}

func acceptedOf(o options) (accepted, error) {
	f, err := os.Open(filepath.Join(o.root, filepath.FromSlash(o.accepted)))
	if errors.Is(err, os.ErrNotExist) {
		return accepted{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known, err := readAccepted(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.accepted, err)
	}
	return known, nil
}

// test runs the tests of packages against a replacement, in a build of its own.
func (o options) test(ctx context.Context, replace map[string][]byte, packages []string, flags ...string) (overlay.Result, string, error) {
	return overlay.Run{
		Root: o.root, Replace: replace, Packages: packages, Limit: o.limit,
		Flags: append([]string{"-failfast", "-p", "1", "-timeout", o.limit.String(), "-skip", o.skip, fmt.Sprint("-short=", o.short)}, flags...),
		Env:   o.env(0),
	}.Do(ctx)
}

// env is the environment of tests, with a mutant unless it is 0.
func (o options) env(id int) []string {
	return []string{fmt.Sprint("MODEL_SCENARIOS=", o.scenarios), "MODEL_FIRST=1", fmt.Sprintf("%s=%d", variable, id)}
}

func packageOf(file string) string { return "./" + strings.TrimPrefix(path.Dir(file), "./") }

// sound checks that the tests pass as things are: else every mutant would be
// noticed.
func (o options) sound(ctx context.Context, files, suites []string) error {
	packages := slices.Clone(suites)
	for _, file := range files {
		if p := packageOf(file); !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	o.limit *= 10
	result, output, err := o.test(ctx, nil, packages)
	if err == nil && result != overlay.Passed {
		err = fmt.Errorf("the tests do not pass without a change: %v\n%s", result, output)
	}
	return err
}

// suitesList lists the packages with tests that the patterns of -suites match,
// each once, in the order of the patterns.
func (o options) suitesList(ctx context.Context) ([]string, error) {
	var suites []string
	for pattern := range strings.SplitSeq(o.suites, ",") {
		if pattern == "" {
			continue
		}
		cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.Module.Path}} {{.ImportPath}}{{end}}", pattern)
		cmd.Dir = o.root
		found, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list %s: %w", pattern, err)
		}
		for line := range strings.Lines(string(found)) {
			module, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			suite := packageOf(path.Join(".", strings.TrimPrefix(name, module), "x"))
			if !slices.Contains(suites, suite) {
				suites = append(suites, suite)
			}
		}
	}
	return suites, nil
}

// runAll runs the mutants, some at a time.
func (o options) runAll(ctx context.Context, picked []*mutant, sources map[string][]byte, b *binaries, out io.Writer) ([]overlay.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := slices.Repeat([]overlay.Result{notMet}, len(picked))
	var mu sync.Mutex
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(o.workers, 1) {
		workers.Go(func() {
			for i := range next {
				m := picked[i]
				result, err := b.meet(ctx, m, sources[m.file])
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				results[i] = result
				verdict := result.String()
				if result == overlay.Passed {
					verdict = "SURVIVED"
				}
				fmt.Fprintf(out, "%-16s %s:%d %s: %s\n\t- %s\n\t+ %s\n", verdict, m.file, m.line, m.function, m.kind, m.was, m.is)
				mu.Unlock()
			}
		})
	}
	for i := range picked {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return results, context.Cause(ctx)
}

// meet lets a mutant meet the tests in builds of its own.
func (o options) meet(ctx context.Context, m *mutant, source []byte, suites []string) (overlay.Result, error) {
	replace := map[string][]byte{m.file: m.apply(source)}
	for _, suite := range packagesFor(m, suites) {
		result, _, err := o.test(ctx, replace, []string{suite})
		if err != nil || result != overlay.Passed {
			return result, err
		}
	}
	return overlay.Passed, nil
}

// packagesFor lists the mutant's own package and then the suites, each once.
func packagesFor(m *mutant, suites []string) []string {
	own := packageOf(m.file)
	return append([]string{own}, slices.DeleteFunc(slices.Clone(suites), func(s string) bool { return s == own })...)
}

// tally counts the mutants of one file.
type tally struct{ noticed, survived, accepted, invalid int }

func (t tally) score() float64 {
	if n := t.noticed + t.survived + t.accepted; n > 0 {
		return 100 * float64(t.noticed) / float64(n)
	}
	return 100
}

// summarize writes the score of each file, the new survivors, and what is wrong
// with the list of accepted ones.
func summarize(out io.Writer, files []string, all, picked []*mutant, results []overlay.Result, known accepted) bool {
	tallies := map[string]*tally{}
	for _, file := range files {
		tallies[file] = &tally{}
	}
	var total tally
	var survivors []*mutant
	for i, m := range picked {
		t := tallies[m.file]
		_, isKnown := known[m.key()]
		switch {
		case results[i] == overlay.NotCompiled:
			t.invalid++
		case results[i] != overlay.Passed:
			t.noticed++
			if isKnown {
				fmt.Fprintf(out, "noticed by now, and still accepted as a survivor:\n%s\n", m.entry())
			}
		case isKnown:
			t.accepted++
		default:
			t.survived++
			survivors = append(survivors, m)
		}
	}
	fmt.Fprintf(out, "\n%-40s %8s %8s %8s %8s %7s\n", "file", "noticed", "survived", "accepted", "invalid", "score")
	for _, file := range files {
		t := tallies[file]
		fmt.Fprintf(out, "%-40s %8d %8d %8d %8d %6.1f%%\n", file, t.noticed, t.survived, t.accepted, t.invalid, t.score())
		total = tally{total.noticed + t.noticed, total.survived + t.survived, total.accepted + t.accepted, total.invalid + t.invalid}
	}
	fmt.Fprintf(out, "%-40s %8d %8d %8d %8d %6.1f%%\n", "all", total.noticed, total.survived, total.accepted, total.invalid, total.score())
	for _, m := range survivors {
		fmt.Fprintf(out, "\n# %s:%d, %s\n%s", m.file, m.line, m.kind, m.entry())
	}
	stale := staleOf(files, all, known)
	for _, key := range stale {
		fmt.Fprintf(out, "\naccepted, but no such change exists any more:\n%s\n", key)
	}
	return len(survivors) == 0 && len(stale) == 0
}

// staleOf lists accepted survivors that no change to these files makes.
func staleOf(files []string, all []*mutant, known accepted) []string {
	exists := map[string]bool{}
	for _, m := range all {
		exists[m.key()] = true
	}
	var stale []string
	for key := range known {
		file, _, _ := strings.Cut(key, "\n")
		if slices.Contains(files, file) && !exists[key] {
			stale = append(stale, key)
		}
	}
	slices.Sort(stale)
	return stale
}
