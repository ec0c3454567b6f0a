package jwksredis_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/redis"
	"github.com/seed-22400188/jwks/jwkstest"
)

// The fleet: processes that verify the same token all the time, with a TTL so
// short that a second of it stands for minutes.
const (
	replicas = 50
	ttl      = 1500 * time.Millisecond
	between  = 25 * time.Millisecond // verifications of one replica
)

// replicaHeader tells the issuer who asks.
const replicaHeader = "X-Replica"

// A process with this variable is a replica.
const replicaVariable = "JWKSREDIS_TEST_REPLICA"

// order is what a replica is told.
type order struct{ Number, Redis, Issuer, JWKSURL, Token string }

// outcome is what it says in the end.
type outcome struct {
	Verified, Refused int
	Error             string // of the first refusal
	Took              time.Duration
	Fetches           uint64
	StoreFailures     int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(replicaVariable); text != "" {
		if err := runReplica(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runReplica verifies until its standard input ends.
func runReplica(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	store := redis.NewClient(&redis.Options{Addr: o.Redis, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 2})
	defer store.Close()
	redis.SetLogger(silent{}) // it would tell every connection that fails
	var out outcome
	var mu sync.Mutex
	client, err := jwks.NewClient(
		jwks.WithIssuer(o.Issuer), jwks.WithJWKSURL(o.JWKSURL), jwks.WithHeader(replicaHeader, o.Number), jwks.WithTTL(ttl),
		jwks.WithStore(jwksredis.New(store), secret),
		jwks.WithObserver(func(e jwks.Event) {
			if e.Kind == jwks.EventStoreFailed {
				mu.Lock()
				out.StoreFailures++
				mu.Unlock()
			}
		}),
	)
	if err != nil {
		return err
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("api"))
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for first := true; ; first = false {
		began := time.Now()
		_, err := verifier.Verify(context.Background(), o.Token)
		if took := time.Since(began); !first { // the cold start has to wait
			out.Took = max(out.Took, took)
		}
		if err == nil {
			out.Verified++
		} else if out.Refused++; out.Error == "" {
			out.Error = err.Error()
		}
		if first {
			fmt.Println("ready")
		}
		select {
		case <-ended:
			out.Fetches = client.Status().Fetches
			_ = client.Close()
			return json.NewEncoder(os.Stdout).Encode(out)
		case <-time.After(between):
		}
	}
}

// silent is a logger of go-redis.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// process is a replica as its test sees it.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func startReplica(t *testing.T, o order) *process {
	t.Helper()
	text, err := json.Marshal(o)
	check(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), replicaVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{cmd, in, bufio.NewReader(out)}
}

// ready waits for its first token.
func (p *process) ready(t *testing.T) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

// end ends it, and returns what it says.
func (p *process) end(t *testing.T) outcome {
	t.Helper()
	check(t, p.in.Close())
	var o outcome
	check(t, json.NewDecoder(p.out).Decode(&o))
	return o
}

// asked counts who asked the issuer.
type asked struct {
	mu sync.Mutex
	by []string
}

func (a *asked) ServeHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.by = append(a.by, r.Header.Get(replicaHeader))
		a.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// peek returns them.
func (a *asked) peek() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by
}

// take returns and forgets them.
func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	by := a.by
	a.by = nil
	return by
}

// Fifty processes on one Redis ask the issuer about once per TTL for all. The
// one that does is killed, and so is Redis: another takes over, and no valid
// token is refused.
func TestFleet_FiftyProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	server := startServer(t)
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	var requests asked
	web := httptest.NewServer(requests.ServeHTTP(issuer.Handler()))
	defer web.Close()
	token := issuer.Sign(map[string]any{"aud": "api"})

	began := time.Now()
	all := map[string]*process{}
	for n := range replicas {
		name := strconv.Itoa(n)
		all[name] = startReplica(t, order{name, server.addr, issuer.URL(), web.URL + "/jwks", token})
	}
	for _, p := range all {
		p.ready(t)
	}
	// most is how many requests are fine in a while: a machine that stands still
	// for a moment makes calls of the store fail, and then replicas ask by
	// themselves. Without a store there are 62 in a TTL.
	most := func(d time.Duration) int { return 10 + 8*int(d/ttl) }
	watch := func(phase string, d time.Duration) (by []string) {
		t.Helper()
		time.Sleep(d)
		by = requests.take()
		t.Logf("%-20s %3d requests in %d TTLs of %d replicas", phase, len(by), d/ttl, len(all))
		return by
	}
	if by := watch("start", time.Since(began)/1000); len(by) > most(time.Since(began)) {
		t.Errorf("%d requests", len(by))
	}
	const steady = 3 * ttl
	by := watch("in its stride", steady)
	if len(by) == 0 || len(by) > most(steady) {
		t.Errorf("%d requests", len(by))
	}
	holder := by[len(by)-1]
	check(t, all[holder].cmd.Process.Kill())
	delete(all, holder)
	const lease = 15 * time.Second
	died := time.Now()
	for len(requests.peek()) == 0 && time.Since(died) < lease+patience {
		time.Sleep(between)
	}
	waited := time.Since(died)
	if by := watch("the holder is killed", ttl); len(by) == 0 || len(by) > most(waited+ttl) {
		t.Errorf("%d requests in %v", len(by), waited)
	}
	t.Logf("somebody took over after %v", waited)
	server.kill()
	watch("Redis is gone", ttl)
	server.restart()
	watch("Redis is back", 2*ttl)
	if by := watch("in its stride", steady); len(by) == 0 || len(by) > most(steady) {
		t.Errorf("%d requests", len(by))
	}
	var sum outcome
	told := 0
	for name, p := range all {
		o := p.end(t)
		if o.Refused > 0 {
			t.Errorf("replica %s: %d refused, the first because: %s", name, o.Refused, o.Error)
		}
		sum.Verified += o.Verified
		sum.Took = max(sum.Took, o.Took)
		if o.StoreFailures > 0 {
			told++
		}
	}
	t.Logf("%d verified, the slowest in %v; %d replicas told that the store failed; %v in all", sum.Verified, sum.Took, told, time.Since(began))
	if sum.Verified < 100*replicas {
		t.Errorf("only %d verifications", sum.Verified)
	}
	if told < replicas/2 {
		t.Errorf("only %d replicas noticed that Redis was gone", told)
	}
}
