// Command bench measures this library, with and without its accelerator, beside
// four others that verify JSON Web Tokens in Go, on one machine in one process,
// and writes what it found as RESULTS.md and as a chart. How it measures is said
// there.
//
//	go run . -out RESULTS.md -svg results.svg
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	out := flags.String("out", "", "write the results here, as Markdown (default: standard output)")
	chart := flags.String("svg", "", "write the chart of warm verify here")
	rounds := flags.Int("rounds", 41, "rounds of every comparison")
	span := flags.Duration("span", 20*time.Millisecond, "time of one library in one round")
	keys := flags.Int("keys", 1000, "keys of the large set")
	workers := flags.Int("cores", runtime.NumCPU(), "cores of the parallel runs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *keys < 2 || *workers < 1 {
		return fmt.Errorf("want at least 1 round, 2 keys and 1 core")
	}
	libs := libraries()
	say := func(part string) { fmt.Fprintln(os.Stderr, "measuring", part) }
	began, where := time.Now(), thisMachine()
	r, err := measure(contest{*rounds, *span}, libs, *keys, *workers, say)
	if err != nil {
		return err
	}
	text := report(r, libs, where, began, time.Since(began))
	if *chart != "" {
		if err := os.WriteFile(*chart, []byte(verifyChart(r, libs)), 0o644); err != nil {
			return err
		}
	}
	if *out == "" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	return os.WriteFile(*out, []byte(text), 0o644)
}
