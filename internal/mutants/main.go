// Command mutants changes one line of the code at a time and shows which
// changes no test notices.
//
//	go run ./internal/mutants                        every file of files.txt
//	go run ./internal/mutants -sample 40 -seed 7     forty changes, drawn by lot
//	go run ./internal/mutants -files cache.go -list  what would be changed
//	go run ./internal/mutants -again report.txt      the survivors of a run
//
// All mutants of a run are built together: each is a copy of its function with
// the change in it, and an environment variable says which copy runs, if any.
// So a mutant costs only the time that the tests take. Those outside functions,
// and those whose function works only under its own name, are built one by one.
//
// A mutant first meets the tests of its own package, then the suites that know
// the public API alone, one after the other, until one of them notices it. Tests
// that fail because of the copies, as some that count allocations do, meet what
// the others let pass in a build without copies. A mutant that does not compile
// does not count. Survivors that are right to survive stand in survivors.txt
// with a reason each, by file, function and text, so that the command fails on
// new ones only. An interrupt ends the run with the summary so far.
package main

import (
	"context"
	"flag"
	"fmt"
	"go/build"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// suites begins with those that notice most in the least time.
const suites = "./,./internal/acceptance/client,./internal/acceptance/verify,./internal/acceptance/model,./internal/acceptance/issuers,./internal/acceptance/..."

// options are the flags.
type options struct {
	root      string
	files     string
	suites    string
	skip      string
	accepted  string
	again     string
	sample    int
	seed      uint64
	list      bool
	short     bool
	workers   int
	limit     time.Duration
	scenarios int
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the root of the module")
	flag.StringVar(&o.files, "files", "", "files to change, separated by commas, patterns allowed; default: those of internal/mutants/files.txt")
	flag.StringVar(&o.suites, "suites", suites, "patterns of packages whose tests a mutant meets after those of its own package, in this order, separated by commas")
	flag.BoolVar(&o.short, "short", false, "run the tests with -short: in less than half the time, and a few more survive")
	flag.StringVar(&o.skip, "skip", "", "tests that do not pass anyway, as for go test")
	flag.StringVar(&o.accepted, "accepted", "internal/mutants/survivors.txt", "the list of survivors that are accepted")
	flag.StringVar(&o.again, "again", "", "run only the new survivors of an earlier run, whose output this file holds")
	flag.IntVar(&o.sample, "sample", 0, "how many mutants to draw; 0 is all")
	flag.Uint64Var(&o.seed, "seed", 1, "what they are drawn from")
	flag.BoolVar(&o.list, "list", false, "show the mutants and run nothing")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many to run at a time")
	flag.DurationVar(&o.limit, "timeout", 3*time.Minute, "upper bound for the tests of one package with one mutant; running out of time counts as noticed")
	flag.IntVar(&o.scenarios, "scenarios", 500, "how many scenarios the model runs for one mutant")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// filesOf lists the files to change, relative to the root.
func filesOf(o options) ([]string, error) {
	patterns := strings.Split(o.files, ",")
	if o.files == "" {
		text, err := os.ReadFile(filepath.Join(o.root, "internal", "mutants", "files.txt"))
		if err != nil {
			return nil, err
		}
		patterns = nil
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				patterns = append(patterns, line)
			}
		}
	}
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(o.root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		fits := false
		for _, path := range found {
			here, err := build.Default.MatchFile(filepath.Dir(path), filepath.Base(path))
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || !here {
				continue
			}
			fits = true
			relative, err := filepath.Rel(o.root, path)
			if err != nil {
				return nil, err
			}
			if relative = filepath.ToSlash(relative); !slices.Contains(files, relative) {
				files = append(files, relative)
			}
		}
		if !fits {
			return nil, fmt.Errorf("no file to change matches %q", pattern)
		}
	}
	return files, nil
}

// survivorsOf picks the mutants whose entry stands in a report.
func survivorsOf(report string, all []*mutant) []*mutant {
	return slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return !strings.Contains(report, m.entry()) })
}

// draw picks n of the mutants, in their order.
func draw(all []*mutant, n int, seed uint64) []*mutant {
	if n <= 0 || n >= len(all) {
		return all
	}
	picked := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:n]
	slices.Sort(picked)
	some := make([]*mutant, 0, n)
	for _, i := range picked {
		some = append(some, all[i])
	}
	return some
}
