// Command jwks is for the engineer who has a token that was refused, or an
// issuer that misbehaves, and five minutes.
//
//	go install github.com/seed-22400188/jwks/cmd/jwks@latest
//	jwks help
//
// It verifies a token step by step, shows what a token says, lists the keys of
// an issuer, examines an issuer, watches issuers, and serves an issuer for local
// development. Exit status: 0 verified or healthy, 1 refused or unhealthy, 2
// undecidable because the keys were unavailable, 64 for a command line that
// makes no sense.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	os.Exit(start())
}

func start() int {
	// A reader that has gone must not end the program before its verdict: with
	// the signal ignored, writing fails instead. Windows knows no such signal,
	// only its number.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	p := newProgram(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	p.colour = isTerminal(os.Stdout) && wantsColour(os.Getenv, runtime.GOOS)
	return p.run(ctx, os.Args[1:])
}

// isTerminal tells a terminal from a file or a pipe. The null device passes for
// one, where colours do no harm.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// wantsColour goes by https://no-color.org, and by what terminals say of
// themselves: an old console of Windows shows escape sequences as they are.
func wantsColour(getenv func(string) string, system string) bool {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	return system != "windows" || getenv("WT_SESSION") != "" || getenv("TERM") != ""
}
