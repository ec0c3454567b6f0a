package jwksredis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/redis"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// What a Store is.
var (
	_ jwks.Store       = (*jwksredis.Store)(nil)
	_ jwks.Leaser      = (*jwksredis.Store)(nil)
	_ dpop.ReplayStore = (*jwksredis.Store)(nil)
)

var secret = bytes.Repeat([]byte("s"), 32)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore_Records(t *testing.T) {
	c := startServer(t).client()
	s := jwksredis.New(c)
	if record, err := s.Load(t.Context(), "n"); record != nil || err != nil {
		t.Errorf("before it was saved: %q, %v", record, err)
	}
	for _, want := range []string{"first", "\x00\xff\r\n second", strings.Repeat("x", 1<<20)} {
		check(t, s.Save(t.Context(), "n", []byte(want)))
		if record, err := s.Load(t.Context(), "n"); string(record) != want || err != nil {
			t.Errorf("%d bytes, %v", len(record), err)
		}
	}
	if left, err := c.TTL(t.Context(), "jwks:set:n").Result(); err != nil || left <= 6*24*time.Hour || left > 7*24*time.Hour {
		t.Errorf("it expires in %v, %v", left, err)
	}
	check(t, c.Set(t.Context(), "jwks:set:n", "", 0).Err())
	if record, err := s.Load(t.Context(), "n"); record != nil || err != nil {
		t.Errorf("an empty one: %q, %v", record, err)
	}
	check(t, c.Del(t.Context(), "jwks:set:n").Err())
	check(t, c.LPush(t.Context(), "jwks:set:n", "x").Err())
	if record, err := s.Load(t.Context(), "n"); record != nil || err == nil {
		t.Errorf("a list: %q, %v", record, err)
	}
}

// No more than a record can have is read of what somebody has put there.
func TestStore_ReadsNoMountain(t *testing.T) {
	c := startServer(t).client()
	check(t, c.SetRange(t.Context(), "jwks:set:n", 100<<20, "x").Err())
	record, err := jwksredis.New(c).Load(t.Context(), "n")
	if err != nil || len(record) != 64<<20+1 {
		t.Errorf("%d bytes, %v", len(record), err)
	}
}

func TestStore_Leases(t *testing.T) {
	s := jwksredis.New(startServer(t).client())
	var granted atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if ok, err := s.Lease(t.Context(), "n", time.Hour); err != nil {
				t.Error(err)
			} else if ok {
				granted.Add(1)
			}
		})
	}
	wg.Wait()
	if granted.Load() != 1 {
		t.Errorf("%d hold it", granted.Load())
	}
	if ok, err := s.Lease(t.Context(), "m", time.Second); !ok || err != nil {
		t.Errorf("another name: %t, %v", ok, err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if ok, err := s.Lease(t.Context(), "m", time.Second); err != nil || time.Now().After(end) {
			t.Fatalf("it does not end: %v", err)
		} else if ok {
			break
		}
	}
}

// Of any number of concurrent calls with one proof exactly one is told that it is
// new; and Redis forgets it when it is too old anyway.
func TestStore_Proofs(t *testing.T) {
	c := startServer(t).client()
	s := jwksredis.New(c)
	var fresh atomic.Int32
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if seen, err := s.Seen(t.Context(), "id", time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			} else if !seen {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 1 {
		t.Errorf("new %d times", fresh.Load())
	}
	if left, err := c.PTTL(t.Context(), "jwks:proof:id").Result(); err != nil || left < time.Minute-patience || left > time.Minute+time.Second {
		t.Errorf("it is forgotten in %v, %v", left, err)
	}
	for _, until := range []time.Time{time.Now(), time.Now().Add(-time.Hour)} {
		id := fmt.Sprint(until.UnixNano())
		first, err1 := s.Seen(t.Context(), id, until)
		if left, err := c.PTTL(t.Context(), "jwks:proof:"+id).Result(); first || err1 != nil || err != nil || left > time.Second+time.Millisecond {
			t.Errorf("until %v: %t, %v; forgotten in %v, %v", until, first, err1, left, err)
		}
	}
}

func TestStore_PrefixAndExpiry(t *testing.T) {
	c := startServer(t).client()
	a, b := jwksredis.New(c, jwksredis.WithPrefix("a:"), jwksredis.WithExpiry(time.Hour)), jwksredis.New(c, jwksredis.WithPrefix(""), jwksredis.WithExpiry(0))
	for _, s := range []*jwksredis.Store{a, b} {
		check(t, s.Save(t.Context(), "n", []byte("x")))
		if ok, err := s.Lease(t.Context(), "n", time.Minute); !ok || err != nil {
			t.Errorf("%t, %v", ok, err)
		}
		if seen, err := s.Seen(t.Context(), "n", time.Now().Add(time.Minute)); seen || err != nil {
			t.Errorf("%t, %v", seen, err)
		}
	}
	for key, want := range map[string]time.Duration{"a:set:n": time.Hour, "set:n": -1, "a:lease:n": time.Minute, "lease:n": time.Minute, "a:proof:n": time.Minute + time.Second, "proof:n": time.Minute + time.Second} {
		left, err := c.TTL(t.Context(), key).Result()
		if err != nil || left > want || want > 0 && left < want-patience {
			t.Errorf("%s: %v, %v", key, left, err)
		}
	}
	if n, err := c.DBSize(t.Context()).Result(); n != 6 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

func TestNew_NilClient(t *testing.T) {
	for name, client := range map[string]redis.Cmdable{"nil": nil, "a nil pointer": (*redis.Client)(nil)} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v == nil {
					t.Error("no panic")
				}
			}()
			jwksredis.New(client)
		})
	}
}

// A server that is gone is an error of every call, and no answer.
func TestStore_ServerGone(t *testing.T) {
	server := startServer(t)
	s := jwksredis.New(server.client())
	check(t, s.Save(t.Context(), "n", []byte("x")))
	server.kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if record, err := s.Load(ctx, "n"); record != nil || err == nil {
		t.Errorf("Load: %q, %v", record, err)
	}
	if err := s.Save(ctx, "n", nil); err == nil {
		t.Error("Save: no error")
	}
	if ok, err := s.Lease(ctx, "n", time.Minute); ok || err == nil {
		t.Errorf("Lease: %t, %v", ok, err)
	}
	if seen, err := s.Seen(ctx, "n", time.Now()); seen || err == nil {
		t.Errorf("Seen: %t, %v", seen, err)
	}
	server.restart()
	if record, err := s.Load(ctx, "n"); record != nil || err != nil {
		t.Errorf("empty: %q, %v", record, err)
	}
}

// A process that starts while the issuer is down verifies with what another one
// has saved.
func TestStore_RestartInAnOutage(t *testing.T) {
	c := startServer(t).client()
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	token := issuer.Sign(map[string]any{"aud": "api"})
	// process is the life of one. On a machine that is busy the store may take
	// longer than the 250 ms that it has, and the process goes on without it.
	process := func() (jwks.Status, error) {
		client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithStore(jwksredis.New(c), secret))
		check(t, err)
		defer client.Close() // it is saved by then
		verifier, err := jwks.NewVerifier(client, jwks.WithAudience("api"))
		check(t, err)
		_, err = verifier.Verify(t.Context(), token)
		return client.Status(), err
	}
	end := time.Now().Add(patience)
	for {
		st, err := process()
		check(t, err)
		if !st.Stored.IsZero() {
			break // saved by the one before
		}
		if time.Now().After(end) {
			t.Fatal("nothing is saved")
		}
	}
	issuer.SetFault(jwkstest.DropConnection())
	for {
		st, err := process()
		if err == nil {
			if st.Stored.IsZero() || st.Fetches != 0 {
				t.Errorf("%+v", st)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// Two services that share the store take a proof once between them, and none at
// all while the store is gone.
func TestStore_ProofsAmongReplicas(t *testing.T) {
	server := startServer(t)
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	key := jwkstest.NewProofKey("ES256")
	token := issuer.Sign(map[string]any{"aud": "api", "cnf": map[string]any{"jkt": key.Thumbprint()}})
	const target = "https://api.example/orders"
	service := func() http.Handler {
		verifier := issuer.Verifier(t, jwks.WithAudience("api"))
		checker, err := dpop.New(dpop.WithReplayStore(jwksredis.New(server.client())))
		check(t, err)
		return jwkshttp.Middleware(verifier, jwkshttp.WithProof(checker.Proof))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	}
	services := []http.Handler{service(), service()}
	send := func(to int, proof string) int {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", proof)
		w := httptest.NewRecorder()
		services[to].ServeHTTP(w, r)
		return w.Code
	}
	until := time.Now().Add(patience)
	for i := range 2 {
		proof := key.Proof("GET", target, token)
		for send(i, proof) != http.StatusOK { // the store may take a second, and this machine longer
			if proof = key.Proof("GET", target, token); time.Now().After(until) {
				t.Fatal("no proof is taken")
			}
		}
		for j := range 2 {
			if code := send(j, proof); code != http.StatusUnauthorized && code != http.StatusServiceUnavailable {
				t.Errorf("used at %d, again at %d: %d", i, j, code)
			}
		}
	}
	server.kill()
	if code := send(0, key.Proof("GET", target, token)); code != http.StatusServiceUnavailable {
		t.Errorf("without the store: %d", code)
	}
}

// Errors of go-redis come through, so that a program can tell what happened.
func TestStore_ErrorsOfRedis(t *testing.T) {
	server := startServer(t)
	c := redis.NewClient(&redis.Options{Addr: server.addr})
	check(t, c.Close())
	if _, err := jwksredis.New(c).Load(t.Context(), "n"); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("%v", err)
	}
}
