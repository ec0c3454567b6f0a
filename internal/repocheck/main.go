// Command repocheck checks what surrounds the code: the workflows of .github,
// and whether a release can be made of this tree.
//
//	repocheck workflows ROOT
//	repocheck release [-final] ROOT
package main

import (
	"flag"
	"fmt"
	"os"
)

const usage = `usage:
	repocheck workflows ROOT       checks .github
	repocheck release [-final] ROOT  checks that ROOT can be released; -final: today`

func main() {
	if len(os.Args) < 2 {
		fail(2, usage)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	final := flags.Bool("final", false, "the release is made now: its section in CHANGELOG.md has a date")
	_ = flags.Parse(os.Args[2:]) // it exits on an error
	if flags.NArg() != 1 {
		fail(2, usage)
	}
	var bad int
	switch root := flags.Arg(0); os.Args[1] {
	case "workflows":
		bad = checkWorkflows(os.Stdout, root)
	case "release":
		bad = checkRelease(os.Stdout, root, *final)
	default:
		fail(2, usage)
	}
	if bad > 0 {
		fail(1, fmt.Sprintf("repocheck %s: %d problems", os.Args[1], bad))
	}
}

func fail(status int, text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(status)
}
