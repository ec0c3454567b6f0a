// Package overlay runs the tests of a module with some of its files replaced,
// by way of `go test -overlay`: nothing in the module itself is touched.
package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Result is how a run of tests ended.
type Result int

const (
	Passed      Result = iota
	Failed             // a test failed, or the process died
	TimedOut           // beyond the limit
	NotCompiled        // the replacement, or what uses it, does not compile
)

// String names a result.
func (r Result) String() string {
	return [...]string{"passed", "failed", "timed out", "does not compile"}[r]
}

// Run is one run of `go test`.
type Run struct {
	Root     string            // of the module
	Replace  map[string][]byte // file, relative to the root -> its content
	Packages []string          // patterns, as "./internal/jwk"
	Flags    []string          // of go test
	Args     []string          // of the test binary
	Env      []string          // beside the environment's own
	Limit    time.Duration     // for the whole run; 0 is none
}

// Do runs the tests. The output is that of go test, both streams. The error
// says that there was no run: go is missing, or a file could not be written.
func (r Run) Do(ctx context.Context) (Result, string, error) {
	dir, err := os.MkdirTemp("", "overlay")
	if err != nil {
		return 0, "", err
	}
	defer os.RemoveAll(dir)
	list, err := Write(dir, r.Root, r.Replace)
	if err != nil {
		return 0, "", err
	}
	if r.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Limit)
		defer cancel()
	}
	args := slices.Concat([]string{"test", "-vet=off", "-overlay", list}, r.Flags, r.Packages)
	if len(r.Args) > 0 {
		args = slices.Concat(args, []string{"-args"}, r.Args)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.Root
	cmd.Env = append(os.Environ(), r.Env...)
	result, output, err := finish(ctx, cmd)
	if result == Failed {
		result = judge(output)
	}
	return result, output, err
}

// Binary is a test binary that was built before.
type Binary struct {
	Path string // of the binary
	Dir  string // of its package, which the tests expect to be in
}

// Run runs the tests in the binary with a limit for the whole run, which may be
// 0 for none. Results and error are as for Run.Do.
func (b Binary) Run(ctx context.Context, limit time.Duration, args, env []string) (Result, string, error) {
	args = append([]string{"-test.paniconexit0"}, args...)
	if limit > 0 {
		args = append(args, "-test.timeout", limit.String())
		var cancel context.CancelFunc
		// The binary's own timeout says more, so it comes first.
		ctx, cancel = context.WithTimeout(ctx, limit+2*time.Second)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, b.Path, args...)
	cmd.Dir = b.Dir
	cmd.Env = append(os.Environ(), env...)
	result, output, err := finish(ctx, cmd)
	if result == Failed && strings.Contains(output, timedOut) {
		result = TimedOut
	}
	return result, output, err
}

// finish runs a command to its end.
func finish(ctx context.Context, cmd *exec.Cmd) (Result, string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	endWithChildren(cmd)
	err := cmd.Run()
	var failed *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return TimedOut, out.String(), nil
	case ctx.Err() != nil:
		return 0, out.String(), ctx.Err()
	case err == nil:
		return Passed, out.String(), nil
	case !errors.As(err, &failed):
		return 0, out.String(), err
	}
	return Failed, out.String(), nil
}

const timedOut = "panic: test timed out after"

// judge tells tests that failed from a build that failed.
func judge(output string) Result {
	for _, sign := range []string{"[build failed]", "[setup failed]"} {
		if strings.Contains(output, sign) {
			return NotCompiled
		}
	}
	if strings.Contains(output, timedOut) {
		return TimedOut
	}
	return Failed
}

// Write puts the replacements and the list of them, which is what -overlay
// takes, into dir, each under its name there. A replacement may be a file that
// the module does not have.
func Write(dir, root string, replacements map[string][]byte) (list string, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, content := range replacements {
		temporary := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(temporary), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(temporary, content, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = temporary
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}
