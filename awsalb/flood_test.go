package awsalb_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
)

// Whoever makes up key IDs gets ten requests, and one more each second, also
// while the place of the keys fails. Known keys serve on.
func TestFlood_ForgedKeyIDs(t *testing.T) {
	for name, status := range map[string]int{"404": 0, "503": 503} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAWS(t)
				v := a.validator()
				known := a.token(nil)
				if _, err := v.Verify(t.Context(), known); err != nil {
					t.Fatal(err)
				}
				a.set(status, nil)
				forged := func() error {
					_, err := v.Verify(t.Context(), a.forged())
					return err
				}
				for range 10_000 {
					if err := forged(); err == nil {
						t.Fatal("verified")
					}
				}
				if n := a.count() - 1; n < 9 || n > 10 {
					t.Errorf("%d requests for 10,000 forged key IDs, want 10", n)
				}
				err := forged()
				mustBe(t, err, jwks.ErrUnavailable)
				var failed *jwks.FetchError
				if !errors.As(err, &failed) || failed.RetryAfter <= 0 || failed.RetryAfter > time.Second {
					t.Errorf("%v does not say when to come back", err)
				}
				if _, err := v.Verify(t.Context(), known); err != nil {
					t.Errorf("a known key: %v", err)
				}
				before := a.count()
				time.Sleep(time.Minute)
				for range 100 {
					_ = forged()
				}
				if n := a.count() - before; n != 10 {
					t.Errorf("%d requests after a minute, want 10", n)
				}
			})
		})
	}
}

// A key ID that AWS does not know is asked for once a minute.
func TestMisses_AreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		token := a.token(map[string]any{"kid": uuid()})
		verify := func(want int) {
			t.Helper()
			_, err := v.Verify(t.Context(), token)
			mustBe(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if a.count() != want {
				t.Errorf("%d requests, want %d", a.count(), want)
			}
		}
		verify(1)
		verify(1)
		time.Sleep(time.Minute - time.Nanosecond)
		verify(1)
		time.Sleep(time.Nanosecond)
		verify(2)
	})
}

// A key that was published after its first token is found.
func TestMisses_End(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		token := a.token(nil)
		key := a.keys
		a.keys = nil
		_, err := v.Verify(t.Context(), token)
		mustBe(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		a.keys = key
		time.Sleep(time.Minute)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
}

// Keys that verified a token stay, however many are named that exist and never
// verify one: of load balancers of other people, which anybody may have.
func TestKeys_ForeignOnesPushOutNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		known := a.token(map[string]any{"exp": 4000000000})
		if _, err := v.Verify(t.Context(), known); err != nil {
			t.Fatal(err)
		}
		other := newKey(t)
		for range 1100 {
			foreign := uuid()
			a.publish("https://"+host+"/"+foreign, &other.PublicKey)
			_, err := v.Verify(t.Context(), a.token(map[string]any{"kid": foreign}))
			mustBe(t, err, jwks.ErrTokenInvalid)
			time.Sleep(time.Second)
		}
		if a.count() != 1101 {
			t.Fatalf("%d requests", a.count())
		}
		if _, err := v.Verify(t.Context(), known); err != nil || a.count() != 1101 {
			t.Errorf("%v, %d requests: the key was pushed out", err, a.count())
		}
	})
}

// 1,024 keys are kept.
func TestKeys_AreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		var tokens []string
		for range 1024 {
			a.kid = uuid()
			a.publish("https://"+host+"/"+a.kid, &a.private.PublicKey)
			token := a.token(map[string]any{"exp": 4000000000})
			tokens = append(tokens, token)
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		for _, token := range tokens {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if a.count() != 1024 {
			t.Errorf("%d requests for 1024 keys", a.count())
		}
	})
}

// A key at hand answers, also for who has given up.
func TestKeys_ResultFirst(t *testing.T) {
	a := newAWS(t)
	v := a.validator()
	token := a.token(nil)
	bad := token[:len(token)-88] + padded(make([]byte, 64))
	_, err := v.Verify(t.Context(), bad)
	mustBe(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // select takes any that is ready
		if _, err := v.Verify(gone, bad); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			t.Fatal(err)
		}
	}
}

// An HTTP client that ends its goroutine leaves nobody waiting.
func TestFlight_GoroutineEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := true
		a := newAWS(t)
		v, err := awsalb.New([]string{arn}, awsalb.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if ends {
				runtime.Goexit()
			}
			return a.RoundTrip(r)
		})}))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = v.Verify(ctx, a.token(nil))
		mustBe(t, err, jwks.ErrUnavailable)
		if failed := (*jwks.FetchError)(nil); !errors.As(err, &failed) || ctx.Err() != nil {
			t.Errorf("%v", err)
		}
		ends = false
		if _, err := v.Verify(ctx, a.token(nil)); err != nil {
			t.Errorf("then: %v", err)
		}
	})
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
