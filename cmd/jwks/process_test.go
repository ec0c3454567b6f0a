package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

// soon is when a command has ended that was asked to. It takes milliseconds;
// the rest is for a busy machine.
const soon = 15 * time.Second

// TestSignals_EndEveryCommand interrupts commands in the middle of their work:
// the issuer that they ask has the request and does not answer.
func TestSignals_EndEveryCommand(t *testing.T) {
	token := on(t).Sign(map[string]any{"aud": "a"})
	for _, test := range []struct {
		name   string
		args   func(issuer string) []string
		status int
	}{
		{"watch", func(issuer string) []string { return []string{"watch", issuer} }, 0},
		{"verify", func(issuer string) []string { return []string{"verify", "-issuer", issuer, "-any-audience", token} }, 2},
		{"keys", func(issuer string) []string { return []string{"keys", issuer} }, 2},
		{"doctor", func(issuer string) []string { return []string{"doctor", issuer} }, 2},
	} {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			t.Run(test.name+"/"+sig.String(), func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				asked, once := make(chan struct{}), sync.Once{}
				f.first = func(_ http.ResponseWriter, r *http.Request) bool {
					once.Do(func() { close(asked) })
					<-r.Context().Done()
					return true
				}
				f.start(t, nil, true)
				r := start(t, test.args(f.URL)...)
				<-asked
				r.endsOn(t, sig, test.status)
			})
		}
	}
}

// TestSignals_EndWhatWaits interrupts commands that wait for something else.
func TestSignals_EndWhatWaits(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run("serve/"+sig.String(), func(t *testing.T) {
			s := serve(t)
			request(t, "PUT", s.base+"/fault/hang")
			go func() { // a client that waits does not hold it up
				if resp, err := http.Get(s.issuer + "/jwks"); err == nil {
					resp.Body.Close()
				}
			}()
			s.endsOn(t, sig, 0)
		})
		t.Run("watch/"+sig.String(), func(t *testing.T) {
			r := start(t, "watch", on(t).URL())
			if line, err := bufio.NewReader(r.stdout).ReadString('\n'); err != nil || !strings.Contains(line, "keys") {
				t.Fatalf("%q, %v", line, err)
			}
			r.endsOn(t, sig, 0)
		})
	}
	t.Run("timeout of stdin", func(t *testing.T) { // nobody types a token
		cmd := exec.Command(binary, "inspect", "-timeout", "100ms", "-")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "nothing came from stdin") {
			t.Errorf("exit status %d: %s", cmd.ProcessState.ExitCode(), out)
		}
	})
}

func (r *running) endsOn(t *testing.T, sig os.Signal, want int) {
	t.Helper()
	began := time.Now()
	r.signal(t, sig)
	_, _ = io.Copy(io.Discard, r.stdout)
	if status := r.wait(t); status != want {
		t.Errorf("exit status %d, want %d\n%s", status, want, r.stderr)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("it took %v", took)
	}
	if strings.Contains(r.stderr.String(), "panic") {
		t.Error(r.stderr)
	}
}

// TestPipe_ReaderGone: the verdict survives a reader that has gone.
func TestPipe_ReaderGone(t *testing.T) {
	issuer := on(t)
	good := issuer.Sign(map[string]any{"aud": "a"})
	bad := issuer.Sign(map[string]any{"aud": "b"})
	for _, test := range []struct {
		name   string
		args   []string
		status int
	}{
		{"verify", []string{"verify", "-issuer", issuer.URL(), "-aud", "a", good}, 0},
		{"verify a bad one", []string{"verify", "-issuer", issuer.URL(), "-aud", "a", bad}, 1},
		{"verify as JSON", []string{"verify", "-json", "-issuer", issuer.URL(), "-aud", "a", bad}, 1},
		{"inspect", []string{"inspect", good}, 0},
		{"keys", []string{"keys", issuer.URL()}, 0},
		{"doctor", []string{"doctor", issuer.URL()}, 0},
		{"help", []string{"help"}, 0},
		{"watch", []string{"watch", issuer.URL()}, 0}, // nobody reads: it ends by itself
	} {
		t.Run(test.name, func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			reader.Close()
			cmd := exec.Command(binary, test.args...)
			var stderr strings.Builder
			cmd.Env, cmd.Stdout, cmd.Stderr = cleanEnv(), writer, &stderr
			timer := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			_ = cmd.Run()
			writer.Close()
			if status := cmd.ProcessState.ExitCode(); status != test.status || strings.Contains(stderr.String(), "panic") {
				t.Errorf("exit status %d, want %d\n%s", status, test.status, stderr.String())
			}
		})
	}
	t.Run("serve goes on", func(t *testing.T) {
		s := serve(t)
		s.stdout.Close()
		if resp, kid := request(t, "POST", s.base+"/rotate"); resp.StatusCode != 200 || kid != "k2\n" {
			t.Errorf("%d %q", resp.StatusCode, kid)
		}
		s.signal(t, syscall.SIGTERM)
		if status := s.wait(t); status != 0 {
			t.Errorf("exit status %d", status)
		}
	})
}

// TestTerminal_PlainElsewhere: no escape sequence goes into a pipe or a file.
func TestTerminal_PlainElsewhere(t *testing.T) {
	issuer := on(t, jwkstest.WithAlgorithms("ES256"))
	evil := issuer.Sign(map[string]any{"aud": "a\x1b[31mred\u202e", "na\x1bme": "x\x07"}, jwkstest.WithHeader("kid", "k\x1b[2J"))
	for _, args := range [][]string{
		{"verify", "-issuer", issuer.URL(), "-aud", "b", evil},
		{"verify", "-issuer", issuer.URL(), "-any-audience", evil},
		{"inspect", evil}, {"inspect", "-json", evil},
		{"keys", issuer.URL()}, {"doctor", issuer.URL()}, {"help"}, {"\x1b[31m"},
	} {
		r := jwks(t, args...)
		if text := r.stdout + r.stderr; strings.ContainsAny(text, "\x1b\x07") || text == "" {
			t.Errorf("%q: %q", args[0], text)
		}
	}
}

// TestServe_Tokens: what the printed lines do, and what the help says.
func TestServe_Tokens(t *testing.T) {
	s := serve(t, "-alg", "ES256", "-alg", "EdDSA")
	resp, token := request(t, "GET", s.base+"/token?aud=a&aud=b&sub=17&level=3&on=true&roles=[1]&exp=-5m&name=x")
	if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.Header.Get("Access-Control-Allow-Origin") != "*" || strings.Count(token, ".") != 2 {
		t.Errorf("%v %s", resp.Header, token)
	}
	var document struct {
		Header, Claims map[string]any
		Times          map[string]struct{ Text string }
	}
	r := jwks(t, "inspect", "-json", token)
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(document.Claims)
	for _, want := range []string{`"aud":["a","b"]`, `"sub":"17"`, `"level":3`, `"on":true`, `"roles":[1]`, `"name":"x"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if document.Header["alg"] != "ES256" || document.Times["exp"].Text != "expired 5 min ago" {
		t.Errorf("%+v", document)
	}
	if resp, text := request(t, "GET", s.base+"/token?exp=soon"); resp.StatusCode != 400 || !strings.Contains(text, "exp") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}

	verify := func() ran {
		_, token := request(t, "GET", s.base+"/token?aud=a")
		return jwksWith(t, token, nil, "verify", "-issuer", s.issuer, "-aud", "a", "-")
	}
	verify().expect(t, 0, "VERIFIED", `"k1"`)
	if _, kid := request(t, "POST", s.base+"/rotate"); kid != "k3\n" {
		t.Errorf("kid %q", kid)
	}
	verify().expect(t, 0, `"k3"`)
	for path, want := range map[string]int{"/fault/503": 200, "/fault/hang": 200, "/fault/slow?delay=1ms": 200, "/fault/none": 200, "/fault/slow": 400, "/fault/42": 400, "/fault/x": 400} {
		if resp, text := request(t, "PUT", s.base+path); resp.StatusCode != want {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	request(t, "PUT", s.base+"/fault/503")
	verify().expect(t, 2, "UNDECIDED", "503")
	request(t, "PUT", s.base+"/fault/none")
	verify().expect(t, 0)
	if resp, _ := request(t, "OPTIONS", s.base+"/rotate"); resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := request(t, "GET", s.base+"/rotate"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	s.end(t)
}

// TestServe_PastedLines runs what jwks serve prints as it is printed.
func TestServe_PastedLines(t *testing.T) {
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	s := serve(t, "-print-token", "-path", "/tenant")
	tried := 0
	for line := range strings.Lines(s.said) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "jwks ") && !strings.HasPrefix(line, "curl ") {
			continue
		}
		tried++
		cmd := exec.Command("sh", "-c", strings.Replace(line, "jwks ", "'"+binary+"' ", 1))
		cmd.Env = cleanEnv()
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(line, "verify") && !strings.Contains(string(out), "VERIFIED") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if tried != 7 {
		t.Errorf("%d lines, want 7:\n%s", tried, s.said)
	}
	s.end(t)
}

func TestServe_Rotates(t *testing.T) {
	s := serve(t, "-alg", "ES256", "-rotate", "1s")
	r := start(t, "watch", "-every", "1s", "-exit-on", "removed", s.issuer)
	text, _ := io.ReadAll(r.stdout)
	if status := r.wait(t); status != 1 || !strings.Contains(string(text), `removed "k`) || !strings.Contains(string(text), `added "k`) {
		t.Errorf("exit status %d\n%s", status, text)
	}
	s.end(t)
}
