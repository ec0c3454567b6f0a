package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
)

// Exit statuses. 64 is EX_USAGE of sysexits.h.
const (
	exitOK          = 0
	exitRefused     = 1
	exitUndecidable = 2
	exitUsage       = 64
)

// program is what a run has of its surroundings.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer // both hide tokens
	raw            io.Writer // stdout as it is, for serve, whose tokens are made to be shown
	getenv         func(string) string
	now            func() time.Time
	colour         bool
	hide           *hider
}

func newProgram(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *program {
	h := &hider{}
	return &program{
		stdin: stdin, stdout: h.writer(stdout), stderr: h.writer(stderr), raw: stdout,
		getenv: getenv, now: time.Now, hide: h,
	}
}

// usageError is a command line that makes no sense. It is exit status 64.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// run is the whole program: it returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	p.hide.addFrom(append(args, p.getenv("JWKS_TOKEN"))...)
	if len(args) == 0 {
		fmt.Fprint(p.stderr, overview())
		return exitUsage
	}
	name := strings.ToLower(args[0])
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version", "-v":
		name = "version"
	}
	c := commandNamed(name)
	if c == nil {
		fmt.Fprintln(p.stderr, "jwks: "+unknownCommand(args[0]))
		return exitUsage
	}
	return p.runCommand(ctx, c, args[1:])
}

func (p *program) runCommand(ctx context.Context, c *command, args []string) int {
	fs := newFlags(c.name)
	run := c.prepare(fs)
	rest, err := fs.parse(args)
	if errors.Is(err, errHelp) {
		fmt.Fprint(p.stdout, c.help())
		return exitOK
	}
	status := exitUsage
	if err == nil {
		status, err = run(ctx, p, rest)
	}
	if err == nil {
		return status
	}
	fmt.Fprintf(p.stderr, "jwks %s: %s\n", c.name, inFlags(strings.TrimPrefix(err.Error(), "jwks: ")))
	var usage usageError
	switch {
	case errors.As(err, &usage), errors.Is(err, jwks.ErrConfig):
		fmt.Fprintf(p.stderr, "usage: jwks %s %s\nmore: jwks help %s\n", c.name, c.args, c.name)
		return exitUsage
	case errors.Is(err, jwks.ErrTokenInvalid):
		return exitRefused
	}
	return exitUndecidable
}

// print writes a result. A reader that has gone does not change the verdict.
func (p *program) print(text string) { _, _ = io.WriteString(p.stdout, text) }

// printJSON writes a result for programs: one object on lines of its own, or on
// one line.
func (p *program) printJSON(v any, oneLine bool) error {
	text, err := jsonText(v, oneLine)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.stdout, text)
	if oneLine {
		return err // who writes many lines wants to know that nobody reads
	}
	return nil
}

func jsonText(v any, oneLine bool) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // of URLs; this is not for pages
	if !oneLine {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(v); err != nil {
		return "", fmt.Errorf("the result could not be written as JSON: %w", err)
	}
	return b.String(), nil
}

// inFlags names the flags of this command where a text of the library names the
// options that they set.
func inFlags(text string) string { return optionNames.Replace(text) }

var optionNames = strings.NewReplacer(
	"WithIssuer or WithDiscoveryURL instead of WithJWKSURL", "-issuer instead of -jwks",
	": send a proof, or accept the token from anyone with WithoutProofOfPossession", "",
	"WithTLSConfig", "-ca",
	"AllowInsecureHTTP", "-insecure-http",
	"WithDiscoveryURL", "-jwks",
	"WithJWKSURL", "-jwks",
	"WithIssuer", "-issuer",
	"WithAudience", "-aud",
	"WithAlgorithms", "-alg",
	"WithTokenTypes", "-typ",
	"WithLeeway", "-leeway",
	"WithKeyFile", "-keys",
	"WithTimeout", "-timeout",
)
