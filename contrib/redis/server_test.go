package jwksredis_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a busy machine may take for anything.
const patience = 30 * time.Second

// server is a redis-server of one test, on a free loopback port.
type server struct {
	t    testing.TB
	path string
	dir  string
	addr string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// startServer starts a redis-server that ends with the test. Without one the
// test is skipped.
func startServer(t testing.TB) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		path, err = exec.LookPath("valkey-server")
	}
	if err != nil {
		t.Skipf("neither redis-server nor valkey-server is installed (%v): apt-get install redis-server", err)
	}
	s := &server{t: t, path: path, dir: t.TempDir()}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	for range 5 { // somebody else may take the port before it does
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.addr = l.Addr().String()
		_ = l.Close()
		if s.start() {
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

// start starts the process, and waits until it answers. It returns false when it
// ends instead.
func (s *server) start() bool {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command(s.path, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	c := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer c.Close()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		// Another server may have taken the port: ask for the process that we started.
		if info, err := c.Info(context.Background(), "server").Result(); err == nil && containsLine(info, "process_id:"+strconv.Itoa(cmd.Process.Pid)) {
			return true
		}
		select {
		case <-done:
			return false
		default:
		}
	}
	s.kill()
	return false
}

func containsLine(text, line string) bool {
	for got := range strings.Lines(text) {
		if strings.TrimSpace(got) == line {
			return true
		}
	}
	return false
}

// kill kills the process as a crash would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// restart starts it again, empty, on its port.
func (s *server) restart() {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if s.start() {
			return
		}
	}
	s.t.Fatal("redis-server does not start again on " + s.addr)
}

// client is a connection to it that fails at once when it is gone.
func (s *server) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	s.t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			s.t.Error(err)
		}
	})
	return c
}
