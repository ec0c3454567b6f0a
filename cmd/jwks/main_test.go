package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "jwks")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary = filepath.Join(dir, "jwks"); runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the command could not be built: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// deadline is far beyond what anything here takes, on a busy machine too.
const deadline = time.Minute

// ran is how a run of the command ended.
type ran struct {
	stdout, stderr string
	status         int
}

// jwks runs the command to its end.
func jwks(t *testing.T, args ...string) ran { return jwksWith(t, "", nil, args...) }

// jwksWith runs it with a text on stdin and more variables.
func jwksWith(t *testing.T, stdin string, env []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(cleanEnv(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("jwks %s did not end", strings.Join(args, " "))
	}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// cleanEnv is the environment without what would change the results.
func cleanEnv() []string {
	var env []string
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		switch strings.ToUpper(name) {
		case "JWKS_TOKEN", "NO_COLOR", "TERM", "HTTP_PROXY", "HTTPS_PROXY":
		default:
			env = append(env, line)
		}
	}
	return env
}

// running is a command that has not ended.
type running struct {
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr *bytes.Buffer
}

// start runs the command in the background; it is killed with the test.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(binary, args...), stderr: &bytes.Buffer{}}
	r.cmd.Env, r.cmd.Stderr = cleanEnv(), r.stderr
	var err error
	if r.stdout, err = r.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

// wait waits for the end and returns the exit status.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(deadline, func() { _ = r.cmd.Process.Kill() })
	defer timer.Stop()
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// expect checks how a run ended, and that it says each of wants.
func (r ran) expect(t *testing.T, status int, wants ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.status, status, r.stdout, r.stderr)
	}
	for _, want := range wants {
		if !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("it does not say %q:\n%s%s", want, r.stdout, r.stderr)
		}
	}
}
