// Command sim computes what a fleet of services that use this library costs
// its issuer: when it starts, in its stride, when a key rotates, and when the
// issuer is down and comes back. It writes FLEET.md and a chart. The same
// program always writes the same figures.
//
//	go run ./sim -out FLEET.md -svg fleet.svg
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	out := flags.String("out", "", "write the figures here, as Markdown (default: standard output)")
	chart := flags.String("svg", "", "write the chart here")
	largest := flags.Int("replicas", 100_000, "replicas of the largest fleet, a power of ten")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *largest < 1 {
		return fmt.Errorf("want at least 1 replica")
	}
	fig := compute(*largest, func(part string) { fmt.Fprintln(os.Stderr, "simulating", part) })
	if *chart != "" {
		if err := os.WriteFile(*chart, []byte(draw(fig.replicas, fig.plots)), 0o644); err != nil {
			return err
		}
	}
	text := report(fig)
	if *out == "" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	return os.WriteFile(*out, []byte(text), 0o644)
}
