package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a part may take for anything.
const patience = 30 * time.Second

// program says how a part is started, and what a machine without it lacks.
type program struct {
	command []string // without its path: python3 and node are looked for
	needs   string   // a file that tells that it is installed, or a line of Python
	get     string   // how to get it
}

func node(script, pkg string) program {
	return program{
		command: []string{"node", "parts/" + script},
		needs:   filepath.Join("node_modules", pkg, "package.json"),
		get:     "npm's " + pkg + " and Node.js 20 or newer: (cd interop && npm ci)",
	}
}

func python(script, library, pkg string) program {
	return program{
		command: []string{"/usr/bin/python3", "parts/" + script, library},
		needs:   "import cryptography, " + map[string]string{"pyjwt": "jwt", "authlib": "authlib.jose"}[library],
		get:     "Debian's " + pkg + ": apt-get install " + pkg,
	}
}

// missing says why the program does not run on this machine; "" if it does.
func (p program) missing() string {
	if _, err := exec.LookPath(p.command[0]); err != nil {
		return fmt.Sprintf("%s is not installed; get %s", p.command[0], p.get)
	}
	if p.command[0] == "node" {
		if _, err := os.Stat(p.needs); err != nil {
			return fmt.Sprintf("interop/%s is missing; get %s", p.needs, p.get)
		}
		return ""
	}
	if out, err := exec.Command(p.command[0], "-c", p.needs).CombinedOutput(); err != nil {
		return fmt.Sprintf("%q fails: %s; get %s", p.needs, lastLine(out), p.get)
	}
	return ""
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// part is a process of a part, driven by lines of JSON.
type part struct {
	program program
	config  map[string]any
	ready   answer // of its last start

	mu     sync.Mutex
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Scanner
	stderr strings.Builder
}

// refusal is what a part says that could not do as it was told, or did not want
// to. Other errors mean that it is not well.
type refusal string

func (r refusal) Error() string { return string(r) }

// answer is what parts say, together.
type answer struct {
	OK      bool            `json:"ok"`
	Error   string          `json:"error"`
	Issuer  string          `json:"issuer"`
	Version string          `json:"version"`
	Token   string          `json:"token"`
	Subject string          `json:"subject"`
	Status  int             `json:"status"`
	State   json.RawMessage `json:"state"` // keys, for the next start
}

// start runs the part; it is stopped with the test.
func start(t *testing.T, p program, config map[string]any) *part {
	t.Helper()
	if why := p.missing(); why != "" {
		results.missed(why)
		t.Skip(why)
	}
	running := &part{program: p, config: config}
	running.start(t)
	t.Cleanup(func() { running.stop(t) })
	return running
}

func (p *part) start(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.program.command[0], p.program.command[1:]...)
	p.stderr.Reset()
	cmd.Stderr = &p.stderr
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1", "PYTHONDONTWRITEBYTECODE=1")
	if ca, ok := p.config["ca"].(string); ok {
		cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+ca)
	}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %v; get %s", p.program.command, err, p.program.get)
	}
	p.cmd, p.input, p.output = cmd, input, bufio.NewScanner(output)
	p.output.Buffer(nil, 1<<20)
	if p.ready, err = p.exchange(p.config); err != nil {
		t.Fatalf("%v did not start: %v", p.program.command, err)
	}
	p.remember(p.ready)
}

// stop kills the process, as an outage does, and waits for its end.
func (p *part) stop(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = p.cmd.Wait() // it was killed, which is an error
	p.cmd = nil
}

// call gives a command, and fails the test if the part could not obey.
func (p *part) call(t *testing.T, command map[string]any) answer {
	t.Helper()
	a, err := p.try(command)
	if err != nil {
		t.Fatalf("%v: %v: %v", p.program.command, command["do"], err)
	}
	return a
}

func (p *part) try(command map[string]any) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := p.exchange(command)
	if err == nil && !a.OK {
		err = refusal(a.Error)
	}
	if err == nil {
		p.remember(a)
	}
	return a, err
}

// remember keeps the keys of the part for its next start.
func (p *part) remember(a answer) {
	if a.State != nil {
		p.config["state"] = a.State
	}
}

func (p *part) exchange(question map[string]any) (a answer, err error) {
	if p.cmd == nil {
		return a, errors.New("it does not run")
	}
	text, err := json.Marshal(question)
	if err != nil {
		return a, err
	}
	watchdog := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer watchdog.Stop()
	if _, err := p.input.Write(append(text, '\n')); err != nil {
		return a, fmt.Errorf("%w: %s", err, p.stderr.String())
	}
	if !p.output.Scan() {
		_ = p.cmd.Wait() // so that all of stderr is there
		return a, fmt.Errorf("it ended without an answer: %s", p.stderr.String())
	}
	return a, json.Unmarshal(p.output.Bytes(), &a)
}

// freePort finds a port below those that systems give out by themselves, so
// that a part which comes back after an outage finds its port free.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15000 + rand.IntN(17000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port between 15000 and 32000")
	return 0
}

// eventually waits for the world outside: processes have no fake clock.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
