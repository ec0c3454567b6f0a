// Package firewall stands between a client and a server in tests, and forgets
// connections as a firewall does: without a word to either side.
package firewall

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Firewall is a listener on loopback that forwards to a server, until it
// forgets the connections that it has: then their bytes go nowhere, and neither
// side is told. New connections are forwarded.
type Firewall struct {
	net.Listener
	to string

	mu        sync.Mutex
	forgotten chan struct{} // closed for the connections of before
	accepted  int
	open      int // of those, not closed by either side
	conns     []net.Conn
}

// New returns a Firewall in front of the server at an address, until the test ends.
func New(t testing.TB, to string) *Firewall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Firewall{Listener: l, to: to, forgotten: make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		served.Wait()
	})
	return w
}

func (w *Firewall) serve(conn net.Conn) {
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		conn.Close()
		return
	}
	w.mu.Lock()
	w.accepted++
	w.open++
	w.conns = append(w.conns, conn, server)
	forgotten := w.forgotten
	w.mu.Unlock()
	pipe := func(dst, src net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			if err != nil {
				break
			}
			select {
			case <-forgotten: // swallowed
				continue
			default:
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				break
			}
		}
		conn.Close()
		server.Close()
	}
	var both sync.WaitGroup
	both.Go(func() { pipe(server, conn) })
	pipe(conn, server)
	both.Wait()
	w.mu.Lock()
	w.open--
	w.mu.Unlock()
}

// AwaitOpen waits until n connections are open.
func (w *Firewall) AwaitOpen(t testing.TB, n int) {
	t.Helper()
	limit := time.After(30 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		w.mu.Lock()
		open := w.open
		w.mu.Unlock()
		if open == n {
			return
		}
		select {
		case <-look.C:
		case <-limit: // far beyond the 5 s after which an idle connection ends by itself
			t.Fatalf("%d connections are open, want %d", open, n)
		}
	}
}

// Forget makes the connections of before silent and returns how many there
// were.
func (w *Firewall) Forget() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.forgotten)
	w.forgotten = make(chan struct{})
	return w.accepted
}

// Connections counts the connections that were ever made.
func (w *Firewall) Connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted
}
