// Command faults puts known faults into the code, one at a time, and shows
// after how many scenarios the model finds each. A fault that it does not find
// is a hole of the model, and the command fails.
//
//	go run ./internal/acceptance/model/faults
//	go run ./internal/acceptance/model/faults -name budget -v
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks/internal/mutants/overlay"
)

type options struct {
	root      string
	name      string
	scenarios int
	seed      uint64
	workers   int
	limit     time.Duration
	check     bool
	verbose   bool
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the root of the module")
	flag.StringVar(&o.name, "name", "", "only faults whose name contains this")
	flag.IntVar(&o.scenarios, "scenarios", 5000, "how many scenarios may pass before a fault is found")
	flag.Uint64Var(&o.seed, "seed", 1, "what they are drawn from")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many faults to try at a time")
	flag.DurationVar(&o.limit, "timeout", 10*time.Minute, "for one fault")
	flag.BoolVar(&o.check, "check", false, "only see whether each fault fits into the code")
	flag.BoolVar(&o.verbose, "v", false, "show how each fault was found")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	missed, err := run(ctx, o, faults, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "faults: the model misses %d\n", missed)
		os.Exit(1)
	}
}

// outcome is what became of one fault.
type outcome struct {
	result   overlay.Result
	rule     string
	scenario string
	text     string
}

// foundLine is how the model tells of a broken rule.
var foundLine = regexp.MustCompile(`rule (\S+): first broken by scenario (\d+) of seed \d+, \d+ times in all: (.*)`)

// run tries the faults and returns how many were not found.
func run(ctx context.Context, o options, all []fault, out io.Writer) (missed int, err error) {
	var picked []fault
	for _, f := range all {
		if strings.Contains(f.name, o.name) && f.off == "" {
			picked = append(picked, f)
		}
	}
	replaced := make([][]byte, len(picked))
	for i, f := range picked {
		if replaced[i], err = f.apply(o.root); err != nil {
			return 0, err
		}
	}
	if o.check {
		fmt.Fprintf(out, "%d faults fit into the code\n", len(picked))
		return 0, nil
	}
	outcomes, err := o.tryAll(ctx, picked, replaced, out)
	for _, result := range outcomes {
		if result.missed() {
			missed++
		}
	}
	return missed, err
}

func (r outcome) missed() bool {
	return r.result == overlay.Passed || r.result == overlay.NotCompiled
}

// line tells of an outcome.
func (r outcome) line(f fault) string {
	switch {
	case r.missed():
		return fmt.Sprintf("MISSED  %-60s %v", f.name, r.result)
	case r.rule == "":
		return fmt.Sprintf("found   %-60s the process %v", f.name, r.result)
	default:
		return fmt.Sprintf("found   %-60s scenario %5s  %s", f.name, r.scenario, r.rule)
	}
}

// apply returns the file with the fault in it.
func (f fault) apply(root string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.file)))
	if err != nil {
		return nil, fmt.Errorf("fault %q: %w", f.name, err)
	}
	if n := strings.Count(string(source), f.old); n != 1 {
		return nil, fmt.Errorf("fault %q: its text is %d times in %s, want once:\n%s", f.name, n, f.file, f.old)
	}
	return []byte(strings.Replace(string(source), f.old, f.new, 1)), nil
}

// tryAll runs the model on each fault, some at a time, and tells of each as
// soon as it is done.
func (o options) tryAll(ctx context.Context, picked []fault, replaced [][]byte, out io.Writer) ([]outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcomes := make([]outcome, len(picked))
	var mu sync.Mutex // of out
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(o.workers, 1) {
		workers.Go(func() {
			for i := range next {
				var err error
				if outcomes[i], err = o.try(ctx, picked[i], replaced[i]); err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				fmt.Fprintln(out, outcomes[i].line(picked[i]))
				if o.verbose {
					fmt.Fprintf(out, "\t%s\n", outcomes[i].text)
				}
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
	return outcomes, context.Cause(ctx)
}

// try runs the model on one fault.
func (o options) try(ctx context.Context, f fault, content []byte) (outcome, error) {
	result, output, err := overlay.Run{
		Root: o.root, Replace: map[string][]byte{f.file: content}, Packages: []string{"./internal/acceptance/model"}, Limit: o.limit,
		Flags: []string{"-count=1", "-run", "^TestModel_Explore$", "-cpu", "1", "-timeout", o.limit.String()},
		Args:  []string{"-first", fmt.Sprint("-scenarios=", o.scenarios), fmt.Sprint("-seed=", o.seed)},
	}.Do(ctx)
	if err != nil {
		return outcome{}, err
	}
	got := outcome{result: result, text: lastLines(output, 12)}
	for line := range strings.Lines(output) {
		if m := foundLine.FindStringSubmatch(line); m != nil && !strings.Contains(line, "pending (") {
			got.rule, got.scenario, got.text = m[1], m[2], m[3]
			break
		}
	}
	return got, nil
}

// lastLines is the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n\t")
}
