package main

import (
	"context"
	"slices"
	"strings"
)

// runner carries a command out with what is not a flag. An error is printed and
// decides the exit status.
type runner func(ctx context.Context, p *program, args []string) (status int, err error)

// command is one subcommand.
type command struct {
	name    string
	args    string // after the name in the usage line
	summary string // one line
	details string // for jwks help NAME
	prepare func(f *flags) runner
}

// commands in the order of help.
func commands() []*command {
	return []*command{
		verifyCommand(), inspectCommand(), keysCommand(), doctorCommand(), watchCommand(), serveCommand(),
		helpCommand(), versionCommand(), completionCommand(),
	}
}

func commandNamed(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// otherNames are what people try, from other tools.
var otherNames = map[string]string{
	"check": "verify", "validate": "verify", "debug": "verify", "test": "verify", "explain": "verify",
	"decode": "inspect", "show": "inspect", "parse": "inspect", "view": "inspect", "print": "inspect",
	"fetch": "keys", "jwks": "keys", "list": "keys", "get": "keys", "key": "keys",
	"diagnose": "doctor", "lint": "doctor", "examine": "doctor",
	"monitor": "watch", "tail": "watch", "poll": "watch",
	"server": "serve", "mock": "serve", "issuer": "serve", "sign": "serve", "start": "serve",
}

// unknownCommand says what was meant, if it is close to a name.
func unknownCommand(name string) string {
	if isHeader(firstSegment(name)) {
		return "want a subcommand before the token: jwks verify TOKEN, or jwks inspect TOKEN"
	}
	near := otherNames[strings.ToLower(name)]
	if near == "" {
		var known []string
		for _, c := range commands() {
			known = append(known, c.name)
		}
		near = nearest(strings.ToLower(name), known)
	}
	text := "unknown subcommand " + quote(name)
	if near != "" {
		text += ", did you mean " + near + "?"
	}
	return text + " (jwks help lists all)"
}

func firstSegment(token string) string {
	first, _, _ := strings.Cut(token, ".")
	return first
}

// nearest returns the one of known that takes the fewest edits, "" if all are
// too different to be what was meant.
func nearest(name string, known []string) string {
	best, fewest := "", 1+max(1, min(3, len(name)/2))
	for _, k := range known {
		if n := edits(name, k); n < fewest {
			best, fewest = k, n
		}
	}
	return best
}

// edits counts the letters to add, drop or replace, and neighbours to swap,
// that turn a into b.
func edits(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(row[j], last[j+1]) + 1
			if a[i] == b[j] {
				row[j+1] = min(row[j+1], last[j])
			} else {
				row[j+1] = min(row[j+1], last[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, slices.Clone(row)
	}
	return last[len(b)]
}
