package main_test

import (
	"bufio"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-22400188/jwks/jwkstest"
)

// unstarted is an issuer of jwkstest for a server that is started later.
func unstarted(t *testing.T, opts ...jwkstest.Option) (*httptest.Server, *jwkstest.Issuer) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	issuer := jwkstest.New(t, append([]jwkstest.Option{jwkstest.WithBaseURL("http://" + server.Listener.Addr().String())}, opts...)...)
	server.Config.Handler = issuer.Handler()
	t.Cleanup(server.Close)
	return server, issuer
}

// served is a running jwks serve.
type served struct {
	*running
	said   string // what it printed
	issuer string
	base   string // of its other URLs
}

// serve starts jwks serve and reads what it says.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{running: start(t, append([]string{"serve"}, args...)...)}
	lines := bufio.NewReader(s.stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q\n%s", err, s.said, s.stderr)
		}
		s.said += line
		if _, rest, ok := strings.Cut(line, "issuer"); ok && s.issuer == "" {
			s.issuer = strings.Trim(rest, "\": ,\n")
		}
		if strings.Contains(line, "fault/none") || line == "}\n" {
			break
		}
	}
	host := strings.TrimPrefix(s.issuer, "http://")
	s.base = "http://" + strings.Split(host, "/")[0]
	return s
}

// end asks it to end, and wants it to do so cleanly.
func (s *served) end(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	if status := s.wait(t); status != 0 {
		t.Errorf("exit status %d, want 0\n%s", status, s.stderr)
	}
}

// signal sends a signal, where the system has them.
func (r *running) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot send signals to another process")
	}
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// request sends one request and returns status and body.
func request(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
