// Package overlay runs the tests of a module with some of its files replaced,
// by way of `go test -overlay`: nothing in the module itself is touched.
package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	list, err := r.write(dir)
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
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	endWithChildren(cmd)
	err = cmd.Run()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil && r.Limit > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return TimedOut, out.String(), nil
	case ctx.Err() != nil:
		return 0, out.String(), ctx.Err()
	case err == nil:
		return Passed, out.String(), nil
	case !errors.As(err, &failed):
		return 0, out.String(), err
	}
	return judge(out.String()), out.String(), nil
}

// judge tells tests that failed from a build that failed.
func judge(output string) Result {
	for _, sign := range []string{"[build failed]", "[setup failed]"} {
		if strings.Contains(output, sign) {
			return NotCompiled
		}
	}
	if strings.Contains(output, "panic: test timed out after") {
		return TimedOut
	}
	return Failed
}

// write puts the replacements and the list of them into dir.
func (r Run) write(dir string) (list string, err error) {
	root, err := filepath.Abs(r.Root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, content := range r.Replace {
		temporary := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
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
