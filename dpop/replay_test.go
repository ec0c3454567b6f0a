package dpop_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// storeFunc is a ReplayStore.
type storeFunc func(ctx context.Context, id string, until time.Time) (bool, error)

func (f storeFunc) Seen(ctx context.Context, id string, until time.Time) (bool, error) {
	return f(ctx, id, until)
}

func TestReplay_ThousandAtOncePassOnce(t *testing.T) {
	var mu sync.Mutex
	marked := map[string]bool{}
	for name, opts := range map[string][]dpop.Option{
		"in memory": nil,
		"in a store": {dpop.WithReplayStore(storeFunc(func(_ context.Context, id string, _ time.Time) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			seen := marked[id]
			marked[id] = true
			return seen, nil
		}))},
	} {
		testkit.Bubble(t, name, func(t *testing.T) { // where the second that a store has does not pass while others are served
			w := newWorld(t, opts...)
			proof := w.proof()
			var passed, refused atomic.Int32
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					p, err := w.checker.Proof(request("DPoP "+w.token, proof))
					if err != nil {
						t.Error(err)
						return
					}
					_, err = w.verifier.Verify(jwks.ContextWithProof(context.Background(), p), w.token)
					switch {
					case err == nil:
						passed.Add(1)
					case errors.Is(err, jwks.ErrProofRequired) && strings.Contains(err.Error(), "used before"):
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if passed.Load() != 1 || refused.Load() != 999 {
				t.Errorf("%d passed and %d were refused", passed.Load(), refused.Load())
			}
		})
	}
}

// wantUnavailable is 503 without a challenge.
func (w *world) wantUnavailable(t testing.TB, rec *httptest.ResponseRecorder, text string) {
	t.Helper()
	if rec.Code != 503 || rec.Header().Get("WWW-Authenticate") != "" || !errors.Is(w.err, jwks.ErrUnavailable) || errors.Is(w.err, jwks.ErrTokenInvalid) {
		t.Errorf("%d %v (%v), want 503 without a challenge", rec.Code, rec.Header(), w.err)
	} else if !strings.Contains(w.err.Error(), text) {
		t.Errorf("%v, want it to say: %s", w.err, text)
	}
}

func TestReplay_FullIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dpop.WithReplayCapacity(3))
		first := w.proof()
		w.wantServed(t, w.send(first), "1")
		w.wantServed(t, w.send(w.proof()), "2")
		time.Sleep(30 * time.Second)
		w.wantServed(t, w.send(w.proof()), "3")
		w.wantUnavailable(t, w.send(w.proof()), "full: 3 are not too old yet (see dpop.WithReplayCapacity)")
		w.wantRefused(t, w.send(first), "invalid_dpop_proof", "it was used before") // none was dropped
		time.Sleep(31 * time.Second)                                                // the first two are too old
		w.wantServed(t, w.send(w.proof()), "4")
		w.wantServed(t, w.send(w.proof()), "5")
		w.wantUnavailable(t, w.send(w.proof()), "full")
	})
}

func TestReplay_FailingStoreIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused\n" + strings.Repeat("x", 500))
		w := newWorld(t, dpop.WithReplayStore(storeFunc(func(context.Context, string, time.Time) (bool, error) { return true, broken })))
		w.wantUnavailable(t, w.send(w.proof()), `the store of DPoP proofs failed: "connection refused\n`)
		if !errors.Is(w.err, broken) || len(w.err.Error()) > 250 {
			t.Errorf("%v", w.err)
		}
		w = newWorld(t, dpop.WithReplayStore(storeFunc(func(context.Context, string, time.Time) (bool, error) { return false, jwks.ErrTokenInvalid })))
		w.wantUnavailable(t, w.send(w.proof()), "failed") // a store has no say about tokens
	})
}

// A store that hangs does not hang the request.
func TestReplay_HangingStoreIsUnavailable(t *testing.T) {
	for name, hang := range map[string]func(context.Context){
		"obeys its context":   func(ctx context.Context) { <-ctx.Done() },
		"ignores its context": func(context.Context) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(2 * time.Hour) // until what was left behind has come back
				w := newWorld(t, dpop.WithReplayStore(storeFunc(func(ctx context.Context, _ string, _ time.Time) (bool, error) {
					hang(ctx)
					return false, ctx.Err()
				})))
				began := time.Now()
				w.wantUnavailable(t, w.send(w.proof()), "did not answer within 1s")
				if took := time.Since(began); took != time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A proof that grows too old while the store is asked is refused: whoever
// remembered its first use may have forgotten it by then.
func TestReplay_TooOldMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pause := time.Duration(0)
		w := newWorld(t, dpop.WithReplayStore(storeFunc(func(context.Context, string, time.Time) (bool, error) {
			time.Sleep(pause)
			return false, nil
		})))
		proof := w.proof()
		w.wantServed(t, w.send(proof), "at first")
		time.Sleep(59*time.Second + 500*time.Millisecond)
		pause = 500 * time.Millisecond
		w.wantServed(t, w.send(proof), "at the end of the window") // for such a store
		proof = w.proof()
		time.Sleep(59*time.Second + 500*time.Millisecond)
		pause = 501 * time.Millisecond
		w.wantRefused(t, w.send(proof), "invalid_dpop_proof", "it was issued")
	})
}

// The store is asked last, about proofs that pass every other check.
func TestReplay_StoreSeesGoodProofsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type call struct {
			id    string
			until time.Time
		}
		var calls []call
		store := storeFunc(func(_ context.Context, id string, until time.Time) (bool, error) {
			calls = append(calls, call{id, until})
			return false, nil
		})
		w := newWorld(t, dpop.WithReplayStore(store), dpop.WithNonces(make([]byte, 32), time.Minute))
		nonce := w.needNonce(t)
		other := jwkstest.NewProofKey("ES256")
		for _, bad := range []string{
			other.Proof("GET", target, w.token, jwkstest.WithProofHeader("jwk", w.key.JWK()), jwkstest.WithNonce(nonce)),
			w.proof(),
			w.proof(jwkstest.WithNonce(nonce), jwkstest.WithProofClaim("htm", "PUT")),
			w.key.Proof("GET", target, "another", jwkstest.WithNonce(nonce)),
		} {
			if w.send(bad); w.err == nil {
				t.Error("a bad proof passed")
			}
		}
		w.serve(request("DPoP x"+w.token, w.proof(jwkstest.WithNonce(nonce))))
		if len(calls) != 0 {
			t.Fatalf("%v", calls)
		}
		w.wantServed(t, w.send(w.proof(jwkstest.WithNonce(nonce))), "a good one")
		if len(calls) != 1 || len(calls[0].id) != 43 || !calls[0].until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%v", calls)
		}
		w.wantServed(t, w.send(w.proof(jwkstest.WithNonce(nonce))), "another")
		if calls[0].id == calls[1].id {
			t.Error("two proofs have one id")
		}
	})
}

// A million proofs cost about what WithReplayCapacity says, and nothing once
// they are too old.
func TestReplay_MemoryIsBounded(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const n = 1_000_000
	before := heap()
	m := dpop.NewMemory(n)
	now := time.Unix(1_000_000_000, 0)
	until := func(i int) time.Time { return now.Add(time.Duration(i%65) * time.Second) }
	for i := range n {
		if seen, err := m.Seen("proof "+strconv.Itoa(i), now, until(i)); seen || err != nil {
			t.Fatal(i, seen, err)
		}
	}
	used := heap() - before
	t.Logf("%d bytes a proof", used/n)
	if used > 100*n {
		t.Errorf("%d bytes for %d proofs", used, n)
	}
	if _, err := m.Seen("one more", now, until(0)); !errors.Is(err, jwks.ErrUnavailable) {
		t.Errorf("one more than the capacity: %v", err)
	}
	for i := 0; i < n; i += 997 {
		if seen, err := m.Seen("proof "+strconv.Itoa(i), now, until(i)); !seen || err != nil {
			t.Fatal(i, seen, err)
		}
	}
	if seen, err := m.Seen("later", now.Add(66*time.Second), until(66)); seen || err != nil {
		t.Error(seen, err)
	}
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%d bytes are left when all are too old", left)
	}
	runtime.KeepAlive(m)
}

func heap() int {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}
